"""Active authentication: RSA by ISO 9796-2, signed by raw arithmetic, and openssl's ECDSA."""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from hypothesis import given, settings
from hypothesis import strategies as st
from openssl_issuer import key, needs_openssl, openssl
from reader_material import answering, vector

from emrtd.active_auth import ask_for_signature, verify_signature
from emrtd.apdu import Command
from emrtd.channel import PlainChannel
from emrtd.dialogue import drive
from emrtd.errors import ChipLied, ChipMalformed, Fault
from emrtd.evidence import ActiveAuthTranscript
from emrtd.security_infos import ActiveAuthenticationInfo

APP_F = vector("9303_11_app_f_active_auth")
NONCE = bytes.fromhex(APP_F["RND.IFD"])
PLAIN = "0.4.0.127.0.7.1.1.4.1."
HASHES = {"BC": "sha1", "33CC": "sha1", "34CC": "sha256", "35CC": "sha512", "36CC": "sha384",
          "38CC": "sha224", "39CC": "sha512_224", "3ACC": "sha512_256"}  # fmt: skip

pytestmark = needs_openssl


@cache
def rsa_key(bits: int = 1024) -> rsa.RSAPrivateKey:
    loaded = load_pem_private_key(key(f"rsa:{bits}"), None)
    assert isinstance(loaded, rsa.RSAPrivateKey)
    return loaded


@cache
def ec_key(curve: str = "prime256v1") -> ec.EllipticCurvePrivateKey:
    loaded = load_pem_private_key(key(f"ec:{curve}"), None)
    assert isinstance(loaded, ec.EllipticCurvePrivateKey)
    return loaded


def sign_block(block: bytes, *, bits: int = 1024, smaller: bool = False) -> bytes:
    """Return the raw RSA signature of a block, or the smaller root that ISO 9796-2 allows."""
    numbers = rsa_key(bits).private_numbers()
    n = numbers.public_numbers.n
    signature = pow(int.from_bytes(block, "big"), numbers.d, n)
    return (n - signature if smaller else signature).to_bytes(bits // 8, "big")


def transcript(signature: bytes, nonce: bytes = NONCE) -> ActiveAuthTranscript:
    return ActiveAuthTranscript(nonce, signature)


def refused(signature: bytes, public_key: Any, info: Any = None, nonce: bytes = NONCE) -> None:
    with pytest.raises(ChipLied) as caught:
        verify_signature(transcript(signature, nonce), public_key, info)
    assert caught.value.fault is Fault.CHIP_KEY_MISMATCH


def recoverable(
    trailer: str = "34CC", *, head: bytes = b"\x6a", size: int = 128, nonce: bytes = NONCE
) -> bytes:
    """Return the block of ISO 9796-2, scheme 1, with a recovered message that fills it."""
    name = HASHES[trailer]
    room = size - len(head) - hashlib.new(name).digest_size - len(trailer) // 2
    message = hashlib.shake_256(b"M1").digest(room)
    digest = hashlib.new(name, message + nonce).digest()
    return head + message + digest + bytes.fromhex(trailer)


def test_icaos_worked_block_is_accepted_from_a_key_of_ours() -> None:
    """Appendix F publishes the block and the nonce, but no modulus."""
    block = bytes.fromhex(APP_F["F"])
    assert APP_F["trailer_to_hash"]["BC"] == "SHA-1"
    made = transcript(sign_block(block))
    assert verify_signature(made, rsa_key().public_key()).name == "sha1"
    refused(sign_block(block), rsa_key().public_key(), nonce=bytes(8))


@pytest.mark.parametrize("trailer", HASHES)
@pytest.mark.parametrize("smaller", [False, True])
@pytest.mark.parametrize("bits", [1024, 2048])
def test_every_trailer_names_its_digest(trailer: str, smaller: bool, bits: int) -> None:
    signature = sign_block(recoverable(trailer, size=bits // 8), bits=bits, smaller=smaller)
    public = rsa_key(bits).public_key()
    name = HASHES[trailer].replace("_", "-")
    assert verify_signature(transcript(signature), public).name == name
    refused(signature, public, nonce=NONCE[:-1] + b"\0")
    refused(signature, rsa_key(2048 if bits == 1024 else 1024).public_key())


@pytest.mark.parametrize("head", [b"\x6b\xba", b"\x6b\xbb\xbb\xbb\xba"])
def test_a_header_may_be_filled_up(head: bytes) -> None:
    verify_signature(transcript(sign_block(recoverable(head=head))), rsa_key().public_key())


@pytest.mark.parametrize(
    "block",
    [
        recoverable(head=b"\x4a"),  # nothing is recovered in part
        recoverable(head=b"\x6c"),
        recoverable(head=b"\x6b\xbb\xb0"),
        recoverable()[:-2] + b"\x37\xcc",  # no such hash
        recoverable()[:-1] + b"\xac",
        recoverable()[:-2] + b"\x35\xcc",  # another hash's trailer
        b"\x6b" + b"\xbb" * 124 + b"\xba\x34\xcc",  # no room for a hash
        b"\x6b" + b"\xbb" * 125 + b"\x34\xcc",  # no end of the filling
    ],
    ids=range(8),
)
def test_a_block_of_another_form_proves_nothing(block: bytes) -> None:
    refused(sign_block(block), rsa_key().public_key())


@pytest.mark.parametrize("size", [0, 1, 20, 127, 129, 256])
def test_a_signature_of_another_length_proves_nothing(size: int) -> None:
    refused(bytes(size), rsa_key().public_key())
    refused(bytes(size), ec_key().public_key(), ActiveAuthenticationInfo(1, PLAIN + "3"))


def test_a_signature_beyond_the_modulus_proves_nothing() -> None:
    """The same number to the arithmetic, but none that a signer gives: there is one form."""
    n = rsa_key().public_key().public_numbers().n
    for count in range(5000):
        nonce = count.to_bytes(8, "big")
        signature = sign_block(recoverable(nonce=nonce))
        beyond = int.from_bytes(signature, "big") + n
        if beyond.bit_length() <= 1024:
            break
    verify_signature(transcript(signature, nonce), rsa_key().public_key())
    refused(beyond.to_bytes(128, "big"), rsa_key().public_key(), nonce=nonce)


@pytest.mark.parametrize(
    ("arc", "md"),
    [("1", "sha1"), ("2", "sha224"), ("3", "sha256"), ("4", "sha384"), ("5", "sha512")],
)
@pytest.mark.parametrize("curve", ["prime256v1", "brainpoolP512r1", "secp521r1"])
def test_openssls_ecdsa_as_two_plain_numbers(arc: str, md: str, curve: str) -> None:
    der = openssl("dgst", f"-{md}", "-sign", "k", "m", k=key(f"ec:{curve}"), m=NONCE)
    size = (ec_key(curve).key_size + 7) // 8
    r, s = (each.to_bytes(size, "big") for each in decode_dss_signature(der))
    info, public = ActiveAuthenticationInfo(1, PLAIN + arc), ec_key(curve).public_key()
    assert verify_signature(transcript(r + s), public, info).name == md
    refused(s + r, public, info)
    refused(der, public, info)
    refused(r + s, public, info, nonce=bytes(8))
    refused(r + s, public, ActiveAuthenticationInfo(1, PLAIN + ("3" if arc != "3" else "4")))
    other = "prime256v1" if curve != "prime256v1" else "brainpoolP256r1"
    refused(r + s, ec_key(other).public_key(), info)


@pytest.mark.parametrize("signature", [bytes(64), b"\0" * 32 + b"\1" * 32, b"\xff" * 64])
def test_numbers_out_of_range_prove_nothing(signature: bytes) -> None:
    refused(signature, ec_key().public_key(), ActiveAuthenticationInfo(1, PLAIN + "3"))


@pytest.mark.parametrize("name", [PLAIN + "6", "1.2.840.10045.4.3", "1.2.3", ""])
def test_by_an_algorithm_that_is_not_known_it_cannot_be_known(name: str) -> None:
    with pytest.raises(ChipMalformed, match="unknown algorithm"):
        verify_signature(
            transcript(bytes(64)), ec_key().public_key(), ActiveAuthenticationInfo(1, name)
        )


@pytest.mark.parametrize(
    ("public", "le"),
    [
        (lambda: rsa_key(1024).public_key(), 256),
        (lambda: rsa_key(2048).public_key(), 65_536),
        (lambda: ec_key("secp521r1").public_key(), 256),
    ],
)
def test_a_chip_is_asked_in_a_length_that_its_answer_fits(public: Any, le: int) -> None:
    seen: list[Command] = []
    channel = PlainChannel(max_commands=1)
    chip = answering(lambda _: b"signature\x90\x00", seen)
    assert drive(ask_for_signature(NONCE, channel, public_key=public()), chip) == b"signature"
    assert seen == [Command(0, 0x88, 0, 0, NONCE, le)]


@pytest.mark.parametrize("status", ["6D00", "6982", "6985", "6700"])
def test_a_chip_that_refuses_gave_no_signature(status: str) -> None:
    chip = answering(lambda _: b"something" + bytes.fromhex(status))
    channel = PlainChannel(max_commands=1)
    dialogue = ask_for_signature(NONCE, channel, public_key=ec_key().public_key())
    assert drive(dialogue, chip) == b""


@pytest.mark.parametrize("size", [0, 7, 9])
def test_a_nonce_has_eight_bytes(size: int) -> None:
    channel = PlainChannel(max_commands=1)
    dialogue = ask_for_signature(bytes(size), channel, public_key=ec_key().public_key())
    with pytest.raises(ValueError, match="nonce"):
        drive(dialogue, lambda _: pytest.fail("asked"))


@settings(max_examples=80, deadline=None)
@given(st.binary(min_size=128, max_size=128), st.binary(min_size=64, max_size=64))
def test_any_bytes_prove_nothing(long: bytes, short: bytes) -> None:
    refused(long, rsa_key().public_key())
    refused(short, ec_key().public_key(), ActiveAuthenticationInfo(1, PLAIN + "3"))


@settings(max_examples=80, deadline=None)
@given(st.binary(min_size=127, max_size=127))
def test_any_signed_block_proves_nothing(rest: bytes) -> None:
    refused(sign_block(b"\x6a" + rest[:-2] + b"\x34\xcc"), rsa_key().public_key())


# --- moduli that are not a whole number of bytes


@cache
def odd_key(bits: int) -> rsa.RSAPrivateKey:
    loaded = load_pem_private_key(key(f"rsa:{bits}"), None)
    assert isinstance(loaded, rsa.RSAPrivateKey)
    assert loaded.key_size == bits
    return loaded


def sign_number(number: int, bits: int) -> bytes:
    numbers = odd_key(bits).private_numbers()
    n = numbers.public_numbers.n
    assert number < n
    return pow(number, numbers.d, n).to_bytes((bits + 7) // 8, "big")


def nibbles(head: str, count: int, *, name: str = "sha256", trailer: str = "34cc") -> int:
    """Return a block of so many nibbles as a number: header, filling, message, hash, trailer."""
    rest = count - len(head) - 1 - 2 * hashlib.new(name).digest_size - len(trailer)
    message = hashlib.shake_256(b"M1").digest(rest // 2)
    digest = hashlib.new(name, message + NONCE).hexdigest()
    return int(f"{head}{'b' * (rest % 2)}a{message.hex()}{digest}{trailer}", 16)


@pytest.mark.parametrize(
    ("bits", "head", "count"),
    [
        (1028, "6", 257),  # four bits more: the header is a nibble of its own
        (1027, "3", 257),  # a bit short of that: so is the header
        (1531, "3", 383),
        (1029, "6", 257),
        (1030, "6", 257),
        (1025, "6", 256),
        (1026, "6", 256),
        (1036, "6", 259),
    ],
)
def test_the_header_begins_where_the_modulus_begins(bits: int, head: str, count: int) -> None:
    public = odd_key(bits).public_key()
    signature = sign_number(nibbles(head, count), bits)
    assert verify_signature(transcript(signature), public).name == "sha256"
    refused(signature, public, nonce=bytes(8))
    refused(signature[1:], public)
    refused(b"\0" + signature, public)
    for other in (each for each in "12345" if each < head):
        refused(sign_number(nibbles(other, count), bits), public)
    refused(sign_number(nibbles(head, count - 2), bits), public)


def test_a_signer_who_thinks_in_bytes_may_be_a_bit_short() -> None:
    """The modulus has 1031 bits, and its first byte is greater than the header's."""
    for at in range(64):
        loaded = load_pem_private_key(key("rsa:1031", at), None)
        assert isinstance(loaded, rsa.RSAPrivateKey)
        numbers = loaded.private_numbers()
        block = nibbles("6", 258)
        if block < numbers.public_numbers.n:
            break
    made = pow(block, numbers.d, numbers.public_numbers.n).to_bytes(129, "big")
    assert verify_signature(transcript(made), loaded.public_key()).name == "sha256"


# --- ECDSA in two encodings


DER = "1.2.840.10045.4.3."


def openssls_ecdsa(curve: str = "prime256v1", md: str = "sha256") -> tuple[bytes, bytes]:
    """Return one signature plain and as DER, which is then of another length."""
    while True:
        der = openssl("dgst", f"-{md}", "-sign", "k", "m", k=key(f"ec:{curve}"), m=NONCE)
        size = (ec_key(curve).key_size + 7) // 8
        plain = b"".join(each.to_bytes(size, "big") for each in decode_dss_signature(der))
        if len(der) != len(plain):
            return plain, der


@pytest.mark.parametrize(
    ("name", "md"),
    [("1.2.840.10045.4.1", "sha1"), (DER + "1", "sha224"), (DER + "2", "sha256"),
     (DER + "3", "sha384"), (DER + "4", "sha512")],
)  # fmt: skip
@pytest.mark.parametrize("curve", ["prime256v1", "secp521r1"])
def test_the_names_of_x9_62_leave_the_encoding_to_the_chip(name: str, md: str, curve: str) -> None:
    info, public = ActiveAuthenticationInfo(1, name), ec_key(curve).public_key()
    for signature in openssls_ecdsa(curve, md):
        assert verify_signature(transcript(signature), public, info).name == md
        refused(signature, public, info, nonce=bytes(8))
        refused(signature + b"\0", public, info)
        other = ActiveAuthenticationInfo(1, DER + ("2" if md != "sha256" else "3"))
        refused(signature, public, other)


def test_without_a_name_either_encoding_and_any_sha_2_will_do() -> None:
    public = ec_key().public_key()
    for md in ("sha224", "sha256", "sha384", "sha512"):
        for signature in openssls_ecdsa(md=md):
            assert verify_signature(transcript(signature), public).name == md
    for signature in openssls_ecdsa(md="sha1"):
        refused(signature, public)


def test_der_is_one_encoding() -> None:
    info, public = ActiveAuthenticationInfo(1, DER + "2"), ec_key().public_key()
    _, der = openssls_ecdsa()
    long_form = b"\x30\x81" + der[1:]
    padded = b"\x02" + bytes((der[3] + 1,)) + b"\0" + der[4 : 4 + der[3]]
    refused(long_form, public, info)
    refused(b"\x30" + bytes((der[1] + 1,)) + padded + der[4 + der[3] :], public, info)
    refused(der[:-1], public, info)
    # What is as long as two plain numbers is two plain numbers, whatever else it looks like.
    refused(der[:64], public, info)


# --- what DG14 names must have been used


@pytest.mark.parametrize(
    "name", [PLAIN + "3", DER + "2", "1.2.840.113549.1.1.5", "1.2.840.113549.1.1.13"]
)
def test_rsa_by_another_algorithm_than_dg14_names_is_none(name: str) -> None:
    signature = sign_block(recoverable())
    refused(signature, rsa_key().public_key(), ActiveAuthenticationInfo(1, name))


@pytest.mark.parametrize("name", ["1.2.840.113549.1.1.11", "1.0.9796.2.2.1", ""])
def test_rsa_by_what_dg14_names_or_by_a_name_of_the_scheme(name: str) -> None:
    """The trailer says it all; that the name is not known takes nothing away."""
    info = ActiveAuthenticationInfo(1, name)
    found = verify_signature(transcript(sign_block(recoverable())), rsa_key().public_key(), info)
    assert found.name == "sha256"


def test_a_name_of_rsa_for_a_key_on_a_curve_is_none() -> None:
    plain, _ = openssls_ecdsa()
    refused(plain, ec_key().public_key(), ActiveAuthenticationInfo(1, "1.2.840.113549.1.1.11"))


def test_a_block_of_nothing_but_a_trailer_proves_nothing() -> None:
    for block in (0xCC, 0x6ACC, 0x6ABC, 0x0C, 0x6C):
        refused(sign_block(block.to_bytes(128, "big")), rsa_key().public_key())
    refused(bytes(127) + b"\1", rsa_key().public_key())
