"""The policy file: whatever is wrong with it, there is an answer, and it is never the laxer one."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from kiosk.bundles.files import read_bounded
from kiosk.bundles.policy import MAX_POLICY_FILE_BYTES, load
from kiosk.session.policy import MOST_RESTRICTIVE, PolicyInForce
from wire.cose import PrivateKeySigner, sign1
from wire.policy import ALL_LAYERS, Layer, Patience, Policy, sign_policy
from wire.reasons import Reason

FLEET = PrivateKeySigner(ec.derive_private_key(0xF1EE7, ec.SECP256R1()))
STRANGER = PrivateKeySigner(ec.derive_private_key(0xBAD, ec.SECP256R1()))
KEYS = (STRANGER.public_key_der, FLEET.public_key_der)
POLICY = Policy(id="p-1", not_before=1_000, not_after=2_000, layers=(Layer.PA, Layer.FACE))
SIGNED = sign_policy(POLICY, FLEET)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "policy.cose"


def none(why: Reason) -> PolicyInForce:
    return PolicyInForce(MOST_RESTRICTIVE, why)


@pytest.mark.parametrize("now", [1_000, 1_500, 2_000])
def test_a_signed_policy_is_in_force_on_its_days(path: Path, now: int) -> None:
    path.write_bytes(SIGNED)
    assert load(path, KEYS, now=now) == PolicyInForce(POLICY, None)


@pytest.mark.parametrize("now", [-1, 0, 999, 2_001, 2**40])
def test_on_other_days_it_is_not(path: Path, now: int) -> None:
    path.write_bytes(SIGNED)
    assert load(path, KEYS, now=now) == none(Reason.POLICY_EXPIRED)


@pytest.mark.parametrize("missing", ["policy.cose", "nowhere/policy.cose"])
def test_no_file_is_no_policy(tmp_path: Path, missing: str) -> None:
    assert load(tmp_path / missing, KEYS, now=1_500) == none(Reason.POLICY_MISSING)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{}",
        SIGNED[:-1],
        SIGNED + b"\0",
        bytes(MAX_POLICY_FILE_BYTES + 1),
        SIGNED.ljust(MAX_POLICY_FILE_BYTES + 1, b"\0"),
        sign_policy(POLICY, PrivateKeySigner(ec.derive_private_key(5, ec.SECP256R1()))),
        sign1(b"\xa0", FLEET, kind="policy"),
        sign1(b"", FLEET, kind="status"),
    ],
    ids=["empty", "json", "cut", "more", "zeros", "padded", "stranger", "no policy", "status"],
)  # fmt: skip
def test_what_no_policy_key_signed_is_none(path: Path, raw: bytes) -> None:
    path.write_bytes(raw)
    assert load(path, KEYS, now=1_500) == none(Reason.POLICY_UNSIGNED)


@pytest.mark.parametrize("keys", [(), (STRANGER.public_key_der,), (b"no key",)])
def test_without_a_policy_key_it_is_unsigned(path: Path, keys: tuple[bytes, ...]) -> None:
    path.write_bytes(SIGNED)
    assert load(path, keys, now=1_500) == none(Reason.POLICY_UNSIGNED)


@settings(max_examples=60, deadline=None)
@given(at=st.integers(0, len(SIGNED) - 1), bit=st.integers(0, 7))
def test_no_flipped_bit_goes_unnoticed(at: int, bit: int) -> None:
    changed = bytearray(SIGNED)
    changed[at] ^= 1 << bit
    with tempfile.NamedTemporaryFile() as file:
        file.write(changed)
        file.flush()
        assert load(Path(file.name), KEYS, now=1_500) == none(Reason.POLICY_UNSIGNED)


@settings(max_examples=60, deadline=None)
@given(raw=st.binary(max_size=400))
def test_any_bytes_have_an_answer(raw: bytes) -> None:
    with tempfile.NamedTemporaryFile() as file:
        file.write(raw)
        file.flush()
        assert load(Path(file.name), KEYS, now=1_500).why_none is Reason.POLICY_UNSIGNED


def test_the_longest_policy_still_fits(path: Path) -> None:
    patience = Patience(key=600, reading=600, face=600, confirming=600, filing=600, showing=600)
    longest = structs.replace(
        POLICY, id="p" * 64, not_after=2**40, layers=ALL_LAYERS, patience=patience
    )
    path.write_bytes(sign_policy(longest, FLEET))
    assert load(path, KEYS, now=1_500).policy == longest


def test_a_folder_a_pipe_or_a_locked_file_is_unsigned_and_keeps_nobody_waiting(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(path)
    assert load(path, KEYS, now=1_500) == none(Reason.POLICY_UNSIGNED)
    assert load(path.parent, KEYS, now=1_500) == none(Reason.POLICY_UNSIGNED)
    loop = path.parent / "loop"
    loop.symlink_to(loop)
    assert load(loop, KEYS, now=1_500) == none(Reason.POLICY_UNSIGNED)
    monkeypatch.chdir(path.parent)
    assert load(Path("x" * 300), KEYS, now=1_500) == none(Reason.POLICY_UNSIGNED)
    assert load(Path("a\0b"), KEYS, now=1_500) == none(Reason.POLICY_UNSIGNED)


def test_a_folder_leaves_no_descriptor_open(path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        assert load(path.parent, KEYS, now=1_500) == none(Reason.POLICY_UNSIGNED)
    assert len(list(Path("/proc/self/fd").iterdir())) < before + 20


@pytest.mark.parametrize(("size", "limit"), [(0, 0), (10, 10), (0, 10)])
def test_a_file_within_its_bound_is_read_whole(path: Path, size: int, limit: int) -> None:
    path.write_bytes(bytes(size))
    assert read_bounded(path, limit=limit) == bytes(size)


@pytest.mark.parametrize(("size", "limit"), [(1, 0), (11, 10)])
def test_a_file_beyond_its_bound_is_not_read(path: Path, size: int, limit: int) -> None:
    path.write_bytes(bytes(size))
    with pytest.raises(ValueError, match="too large"):
        read_bounded(path, limit=limit)
