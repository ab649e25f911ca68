"""Keys, points and groups of which everything is right but one thing."""

from __future__ import annotations

from typing import Any

import pytest
from issued_documents import info, number, oid
from reader_material import do

from emrtd._curves import STANDARDISED, draw_scalar
from emrtd._groups import MODULAR, ModularGroup
from emrtd.chip_auth import verify_cam
from emrtd.errors import ChipLied, ChipMalformed
from emrtd.evidence import CAMTranscript
from emrtd.key_agreement import parse_key
from emrtd.pace_parameters import standardised
from emrtd.security_infos import ChipAuthenticationPublicKeyInfo

EC, RSA = oid("2A8648CE3D0201"), oid("2A864886F70D010101")
X9_42, PKCS_3 = oid("2A8648CE3E0201"), oid("2A864886F70D010301")
G = MODULAR[0]
LONG = STANDARDISED[18]
"""P-521: its coordinates have room for a number past the prime."""


def bits(content: bytes) -> bytes:
    return do(0x03, b"\0" + content)


def integer(value: int) -> bytes:
    return do(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def pkcs_3(p: int, g: int, y: int = 4) -> bytes:
    return info(info(PKCS_3, info(integer(p), integer(g))), bits(integer(y)))


def x9_42(p: int, g: int, q: int, y: int) -> bytes:
    return info(info(X9_42, info(integer(p), integer(g), integer(q))), bits(integer(y)))


def small_subgroup(group: ModularGroup) -> tuple[int, int]:
    """Return a small order that divides a group's whole order, and an element of that order."""
    order = next(each for each in range(3, 10_000) if not (group.p - 1) % each and each & 1)
    powers = (pow(base, (group.p - 1) // order, group.p) for base in range(2, 99))
    return order, next(each for each in powers if each != 1)


# --- points


def test_a_coordinate_past_the_prime_is_none_though_it_is_on_the_curve() -> None:
    x, y = LONG.generator
    size = LONG.field_bytes
    past = b"\x04" + x.to_bytes(size, "big") + (y + LONG.p).to_bytes(size, "big")
    with pytest.raises(ChipMalformed):
        LONG.decode(past)


def test_a_point_is_as_long_as_its_curve_says_though_its_numbers_are_right() -> None:
    x, y = (LONG.coordinate(each) for each in LONG.generator)
    with pytest.raises(ChipMalformed):
        LONG.decode(b"\x04" + x + b"\0" + y)


def test_the_neutral_integer_is_no_key() -> None:
    with pytest.raises(ChipMalformed):
        G.decode(b"\x01")


def test_too_little_chance_is_drawn_no_second_time() -> None:
    drawn: list[int] = []

    def short(size: int) -> bytes:
        drawn.append(size)
        return b"\x01" * (size - 1)

    with pytest.raises(ValueError, match="randomness"):
        draw_scalar(G.order, short)
    assert len(drawn) == 1


# --- groups of a chip's own


@pytest.mark.parametrize("group", MODULAR.values(), ids=MODULAR)
def test_a_subgroup_that_can_be_tried_through_is_none(group: ModularGroup) -> None:
    order, element = small_subgroup(group)
    with pytest.raises(ChipMalformed, match="subgroup"):
        parse_key(x9_42(group.p, element, order, element))


def test_the_whole_group_is_no_subgroup() -> None:
    with pytest.raises(ChipMalformed, match="subgroup"):
        parse_key(x9_42(G.p, 4, G.p - 1, 4))


@pytest.mark.parametrize(
    ("p", "g"),
    [
        ((1 << 1022) + 1, 3),
        ((1 << 4096) + 1, 3),
        (G.p + 1, 3),
        (G.p, 1),
        (G.p, G.p - 1),
    ],
    ids=["short", "long", "even", "neutral", "of order two"],
)  # fmt: skip
def test_a_prime_field_out_of_bounds_is_none(p: int, g: int) -> None:
    with pytest.raises(ChipMalformed, match="prime"):
        parse_key(pkcs_3(p, g))
    # The same bounds hold where a subgroup is named.
    with pytest.raises(ChipMalformed, match="prime"):
        parse_key(x9_42(p, g, G.order, 4))


@pytest.mark.parametrize(
    ("p", "g"), [(G.p, G.generator + 1), (MODULAR[1].p, G.generator)], ids=["generator", "prime"]
)
def test_a_group_that_is_half_a_known_one_is_not_that(p: int, g: int) -> None:
    found = parse_key(pkcs_3(p, g)).group
    assert (found.p, found.order, found.generator) == (p, p - 1, g)


@pytest.mark.parametrize(
    "algorithm",
    [
        info(RSA, do(0x05, b"")),
        info(EC, oid("2B8104000A")),  # a curve that no chip may have
    ],
    ids=["RSA", "secp256k1"],
)
def test_another_kind_of_group_is_none_even_with_a_number_for_a_key(algorithm: bytes) -> None:
    with pytest.raises(ChipMalformed):
        parse_key(info(algorithm, bits(integer(5))))


def test_numbers_of_a_known_group_under_another_name_are_not_that_group() -> None:
    numbers = info(integer(G.p), integer(G.generator), integer(G.order))
    assert standardised(info(X9_42, numbers)) is G
    assert standardised(info(PKCS_3, numbers)) is None


# --- the mapping's proof


def cam_key(parameter_id: int, scalar: int = 3) -> bytes:
    curve = STANDARDISED[parameter_id]
    public = curve.encode(curve.multiply(scalar, curve.generator))
    return info(info(oid("04007F00070102"), number(parameter_id)), bits(public))


def announced(key: bytes, *, agreement: str = "2") -> ChipAuthenticationPublicKeyInfo:
    return ChipAuthenticationPublicKeyInfo(f"0.4.0.127.0.7.2.2.1.{agreement}", key, None)


def mapping(scalar: int, private: int = 3, curve: Any = STANDARDISED[13]) -> CAMTranscript:
    """Return what the holder of a private key gives."""
    mapped = curve.multiply(scalar * private % curve.order, curve.generator)
    return CAMTranscript(13, curve.encode(mapped), scalar.to_bytes(32, "big"))


@pytest.mark.parametrize(
    "other",
    [
        announced(info(info(RSA, do(0x05, b"")), bits(integer(5)))),
        announced(pkcs_3(G.p, G.generator), agreement="1"),
        announced(cam_key(12)),
    ],
    ids=["no key", "an integer", "another curve"],
)
def test_a_key_of_another_group_beside_the_right_one_is_passed_over(
    other: ChipAuthenticationPublicKeyInfo,
) -> None:
    right = announced(cam_key(13))
    assert verify_cam(mapping(7), [other, right]) is right
    with pytest.raises(ChipLied):
        verify_cam(mapping(7), [other])


def test_a_proof_by_another_private_key_is_none() -> None:
    with pytest.raises(ChipLied):
        verify_cam(mapping(7, private=4), [announced(cam_key(13))])
