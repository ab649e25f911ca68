"""A terminal's key on a token of SoftHSM, its signatures checked by openssl and by the library."""

from __future__ import annotations

import os
import shutil
import subprocess
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from emrtd import CAN, Response, cvc, drive
from emrtd.cvc import ECKey, RSAKey
from emrtd.errors import ChipLied
from emrtd.evidence import TerminalAuthFacts
from emrtd.inspect import inspect
from emrtd.sim import Chip, Holder, TestPKI, _cvc, personalise
from emrtd.sim.pki import VERIFIER
from emrtd.terminal_auth import Terminal
from hw.errors import DeviceFailed, DeviceMissing
from hw.keys.pkcs11_terminal import Pkcs11Terminal

if TYPE_CHECKING:
    from emrtd.cvc import Key

MODULE = Path("/usr/lib/softhsm/libsofthsm2.so")
PIN = "864213"
JPEG = bytes.fromhex("FFD8FFE000040000FFC0000B080190012C01011100FFD9")

pytestmark = pytest.mark.skipif(
    not (MODULE.is_file() and shutil.which("softhsm2-util")), reason="SoftHSM2"
)

RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())


@pytest.fixture(scope="module")
def _tokens(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Make one token for the process: a module reads its configuration once."""
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    config = folder / "softhsm2.conf"
    config.write_text(f"directories.tokendir = {folder / 'tokens'}\nlog.level = ERROR\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", str(config))
        _util("--init-token", "--free", "--label", "terminal", "--pin", PIN, "--so-pin", "12345678")
        for label, key, at in (("rsa", RSA, "01"), ("ec", EC, "02"), ("twin", EC, "03"),
                               ("twin", RSA, "04")):  # fmt: skip
            path = folder / f"{at}.p8"
            path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
            _util("--import", str(path), "--token", "terminal", "--label", label, "--id", at,
                  "--pin", PIN)  # fmt: skip
        yield


def _util(*arguments: str) -> None:
    subprocess.run(["softhsm2-util", *arguments], check=True, capture_output=True, timeout=30)


def public(name: str, digest: str = "sha256", *, pss: bool = False) -> Key:
    if name == "ec":
        import ecdsa

        point = EC.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return ECKey(digest, ecdsa.NIST256p, point)
    algorithm = {"sha1": hashes.SHA1(), "sha256": hashes.SHA256(), "sha512": hashes.SHA512()}  # noqa: S303 - an old certificate
    return RSAKey(algorithm[digest], pss, RSA.public_key())


def opened(name: str, signs: Key, *, on: str = "terminal", pin: str = PIN) -> Pkcs11Terminal:
    return Pkcs11Terminal(MODULE, token=on, key=name, pin=pin, signs=signs)


@pytest.mark.usefixtures("_tokens")
@pytest.mark.parametrize(
    ("name", "digest", "pss"),
    [
        ("ec", "sha1", False), ("ec", "sha224", False), ("ec", "sha256", False),
        ("ec", "sha384", False), ("ec", "sha512", False),
        ("rsa", "sha1", False), ("rsa", "sha256", False), ("rsa", "sha512", False),
        ("rsa", "sha1", True), ("rsa", "sha256", True), ("rsa", "sha512", True),
    ],
)  # fmt: skip
def test_the_token_signs_as_the_certificate_says(name: str, digest: str, pss: bool) -> None:
    signs = public(name, digest, pss=pss)
    with opened(name, signs) as signer:
        for data in (b"", b"chip and challenge", bytes(300)):
            cvc._check(signs, signer.sign(data), data, doing="a token")
            with pytest.raises(ChipLied):
                cvc._check(signs, signer.sign(data + b"\0"), data, doing="a token")


@pytest.mark.usefixtures("_tokens")
def test_a_chip_gives_its_fingers_to_the_tokens_key() -> None:
    since, until = datetime(2021, 1, 1, tzinfo=UTC), datetime(2041, 1, 1, tzinfo=UTC)
    pki = TestPKI.create(os.urandom, valid_from=since, valid_until=until, signer_curve="P-256")
    certificate = _cvc.issue(
        issuer=VERIFIER, holder="VNTOKEN00001", key=EC, issuer_key=pki.verifier.private_key(),
        authorisation=_cvc.TERMINAL | _cvc.READS_FINGERS, since=since.date(), until=until.date(),
    )  # fmt: skip
    holder = Holder(
        number="999195012345", name="A", birth=date(1995, 1, 1), sex="F", issued=date(2021, 6, 1),
        expiry=None, father="",
    )  # fmt: skip
    card = personalise(
        holder, JPEG, generation="2021", pki=pki, randomness=os.urandom, fingers={2: JPEG}
    )
    chip = Chip(card, randomness=os.urandom)
    point, *chain = map(
        cvc.parse_cvc, (pki.cvca.certificate, pki.verifier.certificate, certificate)
    )
    with opened("ec", chain[-1].key) as signer:
        dialogue = inspect(
            CAN("012345"), wanted=frozenset({"DG3"}), randomness=os.urandom,
            aa_nonce=os.urandom(8), terminal=Terminal((point,), tuple(chain), signer),
            on=date(2026, 6, 1),
        )  # fmt: skip
        evidence = drive(
            dialogue, lambda command: Response.from_bytes(chip.answer(command.to_bytes()))
        ).evidence
    assert evidence.terminal_auth == TerminalAuthFacts("passed", "VNTOKEN00001", 1)
    assert evidence.files["DG3"] == card.files["DG3"]


@pytest.mark.usefixtures("_tokens")
def test_what_is_not_there_is_missing() -> None:
    with pytest.raises(DeviceMissing, match="token"):
        opened("ec", public("ec"), on="another")
    for label in ("another", "twin"):
        with pytest.raises(DeviceMissing, match="private keys"):
            opened(label, public("ec"))
    for path in (Path("/nowhere.so"), Path(__file__)):
        with pytest.raises(DeviceMissing, match="PKCS"):
            Pkcs11Terminal(path, token="terminal", key="ec", pin=PIN, signs=public("ec"))


@pytest.mark.usefixtures("_tokens")
def test_a_wrong_pin_opens_nothing_and_is_not_told() -> None:
    with pytest.raises(DeviceFailed, match="C_Login") as caught:
        opened("ec", public("ec"), pin="111111")
    assert "111111" not in str(caught.value)
    with opened("ec", public("ec")) as signer:
        assert len(signer.sign(b"x")) == 64


@pytest.mark.usefixtures("_tokens")
def test_a_closed_signer_signs_nothing() -> None:
    signer = opened("ec", public("ec"))
    signer.close()
    signer.close()
    with pytest.raises(DeviceFailed, match="closed"):
        signer.sign(b"x")


@pytest.mark.usefixtures("_tokens")
def test_a_key_that_cannot_sign_so_is_refused() -> None:
    with opened("ec", public("rsa")) as signer, pytest.raises(DeviceFailed, match="C_Sign"):
        signer.sign(b"x")
