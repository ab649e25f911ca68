"""Signatures: one shape, one algorithm, one kind; checked by pycose and by openssl."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from pycose.keys import EC2Key
from pycose.messages import Sign1Message
from wire_material import (
    P256_ORDER,
    STATION,
    STRANGER,
    openssl_verifies,
    protected_header,
    sig_structure,
    signed_by_hand,
)

from wire.cose import MAX_SIGNED_BYTES, PrivateKeySigner, sign1, unverified_payload, verify1
from wire.errors import Malformed, SignatureInvalid, TooLarge, WireError

if TYPE_CHECKING:
    from pathlib import Path

KEY = STATION.public_key_der
KINDS = ("group", "receipt", "policy", "status")


def parts(raw: bytes) -> list:
    return cbor2.loads(raw).value


def der(public) -> bytes:
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def with_signature(raw: bytes, signature: bytes) -> bytes:
    return cbor2.dumps(cbor2.CBORTag(18, [*parts(raw)[:3], signature]))


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_signed_is_what_the_standard_says(kind: str, tmp_path: Path) -> None:
    raw = sign1(b"payload", STATION, kind=kind)
    protected, unprotected, payload, signature = parts(raw)
    assert raw[0] == 0xD2
    assert (protected, unprotected, payload) == (protected_header(kind), {}, b"payload")
    message = sig_structure(protected, payload)
    assert openssl_verifies(tmp_path, KEY, message, signature)
    assert not openssl_verifies(tmp_path, KEY, message + b"x", signature)


def test_pycose_reads_and_verifies_it() -> None:
    raw = sign1(b"payload", STATION, kind="group")
    message = Sign1Message.from_cose_obj(cbor2.loads(raw[1:]), allow_unknown_attributes=False)
    numbers = STATION._key.public_key().public_numbers()
    x, y = (number.to_bytes(32, "big") for number in (numbers.x, numbers.y))
    message.key = EC2Key(crv="P_256", x=x, y=y)
    assert message.verify_signature()
    assert message.payload == b"payload"


@given(payload=st.binary(max_size=200), kind=st.sampled_from(KINDS))
def test_a_signed_payload_comes_back(payload: bytes, kind: str) -> None:
    raw = sign1(payload, STATION, kind=kind)
    assert verify1(raw, KEY, kind=kind) == payload
    assert unverified_payload(raw, kind=kind) == payload


@pytest.mark.parametrize(("one", "other"), permutations(KINDS, 2))
def test_a_signature_for_one_kind_never_holds_for_another(one: str, other: str) -> None:
    with pytest.raises(Malformed, match="of this kind"):
        verify1(sign1(b"payload", STATION, kind=one), KEY, kind=other)


def test_the_kind_is_inside_the_signature() -> None:
    signature = parts(sign1(b"payload", STATION, kind="receipt"))[3]
    relabelled = with_signature(sign1(b"payload", STATION, kind="group"), signature)
    with pytest.raises(SignatureInvalid):
        verify1(relabelled, KEY, kind="group")


def test_another_key_does_not_hold() -> None:
    raw = sign1(b"payload", STRANGER, kind="group")
    assert unverified_payload(raw, kind="group") == b"payload"
    with pytest.raises(SignatureInvalid):
        verify1(raw, KEY, kind="group")


def test_another_payload_does_not_hold() -> None:
    protected, unprotected, _, signature = parts(sign1(b"payload", STATION, kind="group"))
    changed = cbor2.dumps(cbor2.CBORTag(18, [protected, unprotected, b"Payload", signature]))
    with pytest.raises(SignatureInvalid):
        verify1(changed, KEY, kind="group")


CONTENT_TYPE = "application/x.tram-group"


@pytest.mark.parametrize(
    "protected",
    [
        cbor2.dumps({1: -35, 3: CONTENT_TYPE}),
        cbor2.dumps({1: -8, 3: CONTENT_TYPE}),
        cbor2.dumps({1: -37, 3: CONTENT_TYPE}),
        cbor2.dumps({1: 0, 3: CONTENT_TYPE}),
        cbor2.dumps({3: CONTENT_TYPE}),
        cbor2.dumps({1: -7}),
        cbor2.dumps({1: -7, 3: "application/cbor"}),
        cbor2.dumps({1: -7, 3: CONTENT_TYPE, 4: b"kid"}),
        cbor2.dumps({1: -7, 2: [3], 3: CONTENT_TYPE}),
        cbor2.dumps({3: CONTENT_TYPE, 1: -7}),
        b"\xbf\x01\x26\x03\x78\x18application/x.tram-group\xff",
        b"",
        cbor2.dumps({}),
        b"\xff",
    ],
)
def test_another_protected_header_is_refused_though_its_signature_holds(protected: bytes) -> None:
    with pytest.raises(Malformed):
        verify1(signed_by_hand(b"payload", protected), KEY, kind="group")


@pytest.mark.parametrize("unprotected", [{1: -7}, {4: b"kid"}, {"x": 1}, {1: -35}, {33: b"cert"}])
def test_an_unprotected_header_is_refused(unprotected: dict) -> None:
    raw = signed_by_hand(b"payload", protected_header("group"), unprotected=unprotected)
    with pytest.raises(Malformed):
        verify1(raw, KEY, kind="group")
    with pytest.raises(Malformed):
        unverified_payload(raw, kind="group")


def test_the_hand_that_makes_bad_ones_makes_good_ones_too() -> None:
    assert verify1(signed_by_hand(b"ok", protected_header("group")), KEY, kind="group") == b"ok"


@pytest.mark.parametrize("tag", [17, 97, 98, 61, 55799])
def test_another_tag_is_refused(tag: int) -> None:
    with pytest.raises(Malformed):
        verify1(signed_by_hand(b"x", protected_header("group"), tag=tag), KEY, kind="group")


def test_another_shape_is_refused() -> None:
    good = sign1(b"payload", STATION, kind="group")
    protected, unprotected, payload, signature = parts(good)
    shapes: list[object] = [
        [protected, unprotected, payload],
        [protected, unprotected, payload, signature, b""],
        [protected, unprotected, None, signature],
        [protected, unprotected, "payload", signature],
        [protected, [], payload, signature],
        [protected, None, payload, signature],
        ["protected", unprotected, payload, signature],
        [protected, unprotected, payload, signature + b"\0"],
        [protected, unprotected, payload, signature[:-1]],
        [protected, unprotected, payload, b""],
        {"protected": protected},
        payload,
    ]
    wrongs = [cbor2.dumps(cbor2.CBORTag(18, shape)) for shape in shapes]
    wrongs += [
        good[1:],
        b"\xd2" + good,
        good + b"\0",
        good[:-1],
        b"",
        b"\xd2",
        b"\xd8\x12" + good[1:],
    ]
    assert good[1:2] == b"\x84"
    wrongs.append(b"\xd2\x98\x04" + good[2:])
    wrongs.append(b"\xd2\x9f" + good[2:] + b"\xff")
    for wrong in wrongs:
        with pytest.raises(Malformed):
            verify1(wrong, KEY, kind="group")


def test_the_mirrored_signature_holds_too_and_means_the_same() -> None:
    """ECDSA has two signatures for one content; nothing is ever identified by its signature."""
    raw = sign1(b"payload", STATION, kind="group")
    signature = parts(raw)[3]
    mirrored = P256_ORDER - int.from_bytes(signature[32:], "big")
    other = with_signature(raw, signature[:32] + mirrored.to_bytes(32, "big"))
    assert other != raw
    assert verify1(other, KEY, kind="group") == b"payload"


@pytest.mark.parametrize("number", [0, P256_ORDER, 2**256 - 1])
@pytest.mark.parametrize("half", [0, 1])
def test_a_number_outside_the_group_is_no_signature(number: int, half: int) -> None:
    raw = sign1(b"payload", STATION, kind="group")
    halves = [parts(raw)[3][:32], parts(raw)[3][32:]]
    halves[half] = number.to_bytes(32, "big")
    with pytest.raises(SignatureInvalid):
        verify1(with_signature(raw, b"".join(halves)), KEY, kind="group")


@pytest.mark.parametrize(
    "key",
    [
        der(ec.generate_private_key(ec.SECP384R1()).public_key()),
        der(ec.generate_private_key(ec.SECP256K1()).public_key()),
        der(ed25519.Ed25519PrivateKey.generate().public_key()),
        der(rsa.generate_private_key(65537, 2048).public_key()),
        b"",
        b"not a key",
        KEY[:-1],
        KEY + b"\0",
        KEY[:-1] + bytes([KEY[-1] ^ 1]),
    ],
    ids=[
        "p384", "p256k1", "ed25519", "rsa", "empty", "no_key", "cut", "longer", "off_the_curve"
    ],
)  # fmt: skip
def test_only_a_p256_key_verifies(key: bytes) -> None:
    with pytest.raises(Malformed):
        verify1(sign1(b"payload", STATION, kind="group"), key, kind="group")


def test_only_a_p256_key_signs() -> None:
    with pytest.raises(Malformed):
        PrivateKeySigner(ec.generate_private_key(ec.SECP384R1()))
    assert repr(STATION) == "<PrivateKeySigner, P-256>"


@pytest.mark.parametrize("answer", [b"", bytes(63), bytes(65), bytes(72)])
def test_a_signer_that_answers_something_else_is_told(answer: bytes) -> None:
    class Broken(PrivateKeySigner):
        def sign(self, _: bytes, /) -> bytes:
            return answer

    broken = Broken(ec.derive_private_key(5, ec.SECP256R1()))
    with pytest.raises(SignatureInvalid):
        sign1(b"payload", broken, kind="group")


def test_sizes_are_bounded_on_both_sides() -> None:
    most = bytes(MAX_SIGNED_BYTES - 256)
    raw = sign1(most, STATION, kind="receipt")
    assert len(raw) <= MAX_SIGNED_BYTES
    assert verify1(raw, KEY, kind="receipt") == most
    with pytest.raises(TooLarge):
        sign1(most + b"\0", STATION, kind="receipt")
    with pytest.raises(TooLarge):
        unverified_payload(bytes(MAX_SIGNED_BYTES + 1), kind="receipt")


@given(st.binary(max_size=200), st.sampled_from(KINDS))
def test_any_bytes_are_refused_by_a_typed_error(raw: bytes, kind: str) -> None:
    for candidate in (raw, b"\xd2" + raw, b"\xd2\x84" + raw):
        with pytest.raises(WireError):
            verify1(candidate, KEY, kind=kind)
