"""Keys in files: the contract, who may read them, and what is no such key. Oracle: openssl."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest
from contract_keys import P256_DER_HEAD, KeyContract, openssl
from hypothesis import given, settings
from hypothesis import strategies as st

from hw.errors import DeviceError, DeviceFailed, DeviceMissing
from hw.keys.file import MAX_FILE_BYTES, FileKey, parse_key
from hw.open import open_key


def made_by_openssl(*options: str) -> bytes:
    made = openssl("genpkey", *options)
    assert made.returncode == 0, made.stderr
    return made.stdout


P256 = ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
GOOD = made_by_openssl(*P256)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "station.key.pem"
    path.write_bytes(GOOD)
    path.chmod(0o600)
    return path


class TestContractOfACreatedKey(KeyContract):
    @pytest.fixture
    def key(self, tmp_path: Path) -> FileKey:
        return FileKey.create(tmp_path / "new.pem")


class TestContractOfAKeyByOpenssl(KeyContract):
    @pytest.fixture
    def key(self, file: Path):
        return open_key(f"file://{file}")


def test_a_new_key_is_its_owners_only_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        key = FileKey.create(tmp_path / "new.pem")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new.pem").stat().st_mode) == 0o600
    assert FileKey(tmp_path / "new.pem").public_key_der == key.public_key_der
    told = openssl("pkey", "-in", str(tmp_path / "new.pem"), "-pubout", "-outform", "DER")
    assert told.stdout == key.public_key_der
    assert FileKey.create(tmp_path / "other.pem").public_key_der != key.public_key_der


def test_a_key_is_never_written_over(file: Path) -> None:
    with pytest.raises(DeviceFailed):
        FileKey.create(file)
    assert file.read_bytes() == GOOD
    with pytest.raises(DeviceFailed):
        FileKey.create(file.parent / "none" / "key.pem")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o610, 0o601, 0o620])
def test_a_key_that_others_may_touch_is_refused(file: Path, mode: int) -> None:
    file.chmod(mode)
    with pytest.raises(DeviceFailed):
        FileKey(file)
    file.chmod(0o400)
    FileKey(file)


def test_a_link_is_judged_by_what_it_leads_to(file: Path) -> None:
    link = file.with_name("link")
    link.symlink_to(file)
    FileKey(link)
    file.chmod(0o644)
    with pytest.raises(DeviceFailed):
        FileKey(link)


def test_no_file_no_regular_file(tmp_path: Path) -> None:
    with pytest.raises(DeviceMissing):
        FileKey(tmp_path / "none.pem")
    with pytest.raises(DeviceFailed):
        FileKey(tmp_path)


def test_a_pipe_that_nobody_writes_to_does_not_hold_the_start_up(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)
    raised: list[DeviceError] = []

    def load() -> None:
        try:
            FileKey(pipe)
        except DeviceError as error:
            raised.append(error)

    loading = threading.Thread(target=load, daemon=True)
    loading.start()
    loading.join(2)
    hung = loading.is_alive()
    if hung:
        os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
        loading.join(2)
    assert not hung
    assert isinstance(raised[0], DeviceFailed)


def test_a_folder_leaves_no_descriptor_open(tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        with pytest.raises(DeviceFailed):
            FileKey(tmp_path)
    assert len(list(Path("/proc/self/fd").iterdir())) < before + 20


OTHERS = {
    "P-384": made_by_openssl("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"),
    "brainpool": made_by_openssl(
        "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:brainpoolP256r1"
    ),
    "Ed25519": made_by_openssl("-algorithm", "ED25519"),
    "RSA": made_by_openssl("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"),
    "encrypted": made_by_openssl(*P256, "-aes-256-cbc", "-pass", "pass:x"),
    "public": openssl("pkey", "-pubout", given=GOOD).stdout,
    "SEC 1": openssl("ec", given=GOOD).stdout,
    "DER": openssl("pkey", "-outform", "DER", given=GOOD).stdout,
    "empty": b"",
    "long": GOOD + bytes(MAX_FILE_BYTES),
    "text before": b"hello\n" + GOOD,
}


@pytest.mark.parametrize("name", OTHERS)
def test_another_kind_of_key_is_refused(name: str) -> None:
    assert name == "empty" or OTHERS[name]
    with pytest.raises(DeviceFailed) as caught:
        parse_key(OTHERS[name])
    assert caught.value.device == "keys"
    assert caught.value.__cause__ is None


def test_a_curve_that_is_written_out_is_the_same_curve(file: Path) -> None:
    file.write_bytes(made_by_openssl(*P256, "-pkeyopt", "ec_param_enc:explicit"))
    assert FileKey(file).public_key_der.startswith(P256_DER_HEAD)


def test_no_half_of_a_key_is_one_nor_quoted() -> None:
    body = GOOD.decode().splitlines()[1]
    for size in range(len(GOOD) - 2):
        with pytest.raises(DeviceFailed) as caught:
            parse_key(GOOD[:size])
        assert body[:8] not in repr(caught.value)
        assert caught.value.__suppress_context__ or caught.value.__context__ is None


@settings(deadline=None)
@given(st.binary(max_size=80), st.integers(0, len(GOOD)))
def test_any_bytes_are_a_key_or_refused(noise: bytes, at: int) -> None:
    try:
        parse_key(GOOD[:at] + noise + GOOD[at + len(noise) :])
    except DeviceFailed:
        return
