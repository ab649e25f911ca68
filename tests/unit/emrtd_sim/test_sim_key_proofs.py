from __future__ import annotations

import dataclasses
import hashlib
import subprocess
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key
from sim_material import HOLDER, JPEG, opened, stream, vector

from emrtd.sim import CardImage, TestPKI, clone, personalise
from emrtd.sim._key_proofs import SCHEMES, ChipKey, sign
from emrtd.sim._status import StatusError

SELECT_APPLICATION = (0xA4, 0x04, 0x0C, bytes.fromhex("A0000002471001"))
CHALLENGE = bytes.fromhex("F173589974BF40C6")
READER = ec.derive_private_key(20_260_601, ec.BrainpoolP256R1())
READER_POINT = READER.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


TRAILERS = {
    "rsa-sha1-bc": b"\xbc", "rsa-sha1": b"\x33\xcc", "rsa-sha224": b"\x38\xcc",
    "rsa-sha256": b"\x34\xcc", "rsa-sha384": b"\x36\xcc", "rsa-sha512": b"\x35\xcc",
}  # fmt: skip


@cache
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def recovered(key: rsa.RSAPrivateKey, signature: bytes) -> bytes:
    """Let openssl apply the public key."""
    with TemporaryDirectory() as folder:
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        Path(folder, "key.pem").write_bytes(public)
        command = ["openssl", "pkeyutl", "-verifyrecover", "-pubin", "-inkey", "key.pem",
                   "-pkeyopt", "rsa_padding_mode:none"]  # fmt: skip
        done = subprocess.run(command, cwd=folder, input=signature, capture_output=True, check=True)
    return done.stdout


@pytest.mark.parametrize("scheme", TRAILERS)
def test_rsa_signature_recovers_to_the_structure_of_the_worked_example(scheme: str) -> None:
    name, trailer = scheme.rsplit("-", 1)[0] if scheme.endswith("bc") else scheme, TRAILERS[scheme]
    digest_of = getattr(hashlib, name.removeprefix("rsa-"))
    key = rsa_key()
    signature = sign(key, CHALLENGE, scheme=SCHEMES[scheme], randomness=stream("m1"))
    message = recovered(key, signature)
    tail = digest_of().digest_size + len(trailer)
    assert (message[0], message[-len(trailer) :]) == (0x6A, trailer)
    recoverable = message[1:-tail]
    digest = digest_of(recoverable + CHALLENGE).digest()
    assert message[-tail:] == digest + trailer
    assert recoverable == stream("m1")(255 - tail)


@pytest.mark.parametrize("scheme", [name for name in SCHEMES if name.startswith("ecdsa")])
def test_ecdsa_signature_is_openssls(tmp_path: Path, scheme: str) -> None:
    key = ec.derive_private_key(7, ec.SECP256R1())
    signature = sign(key, CHALLENGE, scheme=SCHEMES[scheme], randomness=stream("unused"))
    if "plain" in scheme:
        r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
        signature = encode_dss_signature(r, s)
    (tmp_path / "key.pem").write_bytes(
        key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    (tmp_path / "signature").write_bytes(signature)
    command = [
        "openssl",
        "dgst",
        f"-{scheme.rsplit('-', 1)[1]}",
        "-verify",
        "key.pem",
        "-signature",
        "signature",
    ]
    subprocess.run(command, input=CHALLENGE, cwd=tmp_path, check=True, capture_output=True)


@pytest.mark.parametrize(
    "point", [b"", READER_POINT[:-1], b"\x04" + bytes(64), b"\x02" + READER_POINT[1:33]]
)
def test_agreement_refuses_what_is_no_point(point: bytes) -> None:
    with pytest.raises(StatusError):
        ChipKey("brainpoolP256r1", 7).agree(point)


@pytest.mark.parametrize(("domain", "number"), [("P-256", 0), ("P-256", 1 << 256), ("P-255", 5)])
def test_a_chip_key_is_of_its_domain(domain: str, number: int) -> None:
    with pytest.raises(ValueError, match="key"):
        ChipKey(domain, number)


def chip_authentication(card: CardImage) -> bool:
    """Run it as a reader that believes DG14; whether the card answers under the agreed keys."""
    terminal = opened(card)
    terminal.ask(*SELECT_APPLICATION)
    choose = bytes.fromhex("800A04007F00070202030202")
    assert terminal.ask(0x22, 0x41, 0xA4, choose) == (b"", 0x9000)
    point = b"\x7c\x43\x80\x41" + READER_POINT
    assert terminal.ask(0x86, 0, 0, point, 256) == (b"\x7c\x00", 0x9000)
    announced = card.files["DG14"]
    at = (
        announced.index(bytes.fromhex("3059301306072A8648CE3D0201"))
        if b"\x30\x59" in announced
        else 0
    )
    at = at or announced.index(bytes.fromhex("305A301406072A8648CE3D0201"))
    public = load_der_public_key(announced[at : at + 2 + announced[at + 1]])
    secret = READER.exchange(ec.ECDH(), public)
    terminal.encrypting = hashlib.sha1(secret + b"\0\0\0\x01").digest()[:16]  # noqa: S324 - the standard's
    terminal.authenticating = hashlib.sha1(secret + b"\0\0\0\x02").digest()[:16]  # noqa: S324 - the standard's
    terminal.counter = 0
    response = terminal.chip.answer(terminal.protect(0xA4, 0x02, 0x0C, bytes.fromhex("011E")))
    return len(response) > 2 and terminal.open(response) == (b"", 0x9000)


def test_chip_authentication_switches_the_channel(example_card: CardImage) -> None:
    assert chip_authentication(example_card)


def test_a_clone_does_not_follow_into_the_new_channel(example_card: CardImage) -> None:
    assert not chip_authentication(clone(example_card))


@pytest.mark.parametrize(
    ("data", "status"),
    [
        ("800A04007F00070202030204", 0x6A80),  # another key length
        ("800A04007F00070202030202840101", 0x6A88),  # the card's key has no number
        ("8301", 0x6A80),
    ],
)
def test_chip_authentication_takes_only_what_dg14_announces(
    example_card: CardImage, data: str, status: int
) -> None:
    terminal = opened(example_card)
    assert terminal.ask(0x22, 0x41, 0xA4, bytes.fromhex(data)) == (b"", status)
    assert terminal.ask(0x86, 0, 0, b"\x7c\x00", 256) == (b"", 0x6985)


def test_a_bad_point_leaves_the_old_channel(example_card: CardImage) -> None:
    terminal = opened(example_card)
    terminal.ask(0x22, 0x41, 0xA4, bytes.fromhex("800A04007F00070202030202"))
    assert terminal.ask(0x86, 0, 0, b"\x7c\x03\x80\x01\x04", 256) == (b"", 0x6A80)
    assert terminal.ask(*SELECT_APPLICATION) == (b"", 0x9000)


def test_active_authentication_over_the_channel(pki: TestPKI) -> None:
    key = rsa_key()
    card = personalise(
        HOLDER, JPEG, generation="2021", pki=pki, randomness=stream("card"), active_auth_key=key
    )
    example = vector("9303-11/pace_gm_ecdh_card_side.json")
    terminal = opened(dataclasses.replace(card, mrz_information=example["mrz_info"]), "AB" * 221)
    signature, status = terminal.ask(0x88, 0, 0, CHALLENGE, 65536)
    assert (len(signature), status) == (256, 0x9000)
    numbers = load_der_public_key(card.files["DG15"][4:]).public_numbers()
    message = pow(int.from_bytes(signature, "big"), numbers.e, numbers.n).to_bytes(256, "big")
    assert message[1:-34] == b"\xab" * 221
    assert terminal.ask(0x88, 0, 0, CHALLENGE[1:], 65536) == (b"", 0x6700)


def test_a_card_without_a_key_does_not_know_the_instruction(pki: TestPKI) -> None:
    card = personalise(HOLDER, JPEG, generation="2024", pki=pki, randomness=stream("card"))
    example = vector("9303-11/pace_gm_ecdh_card_side.json")
    terminal = opened(dataclasses.replace(card, mrz_information=example["mrz_info"]))
    assert terminal.ask(0x88, 0, 0, CHALLENGE, 256) == (b"", 0x6D00)
