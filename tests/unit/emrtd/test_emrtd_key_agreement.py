"""Static keys for agreement: openssl's encodings, BSI's agreements, and keys that are none."""

from __future__ import annotations

import dataclasses
import json
import re
from functools import cache
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from issued_documents import BSI, info, number, oid
from openssl_issuer import key, needs_openssl, openssl, public_key
from reader_material import do, script, stream, testdata

from emrtd._curves import STANDARDISED
from emrtd._groups import MODULAR
from emrtd.errors import ChipMalformed
from emrtd.key_agreement import MAX_KEY_INFO_BYTES, compress, find_curve, parse_key
from emrtd.security_infos import ChipAuthenticationPublicKeyInfo, parse_security_infos

pytestmark = needs_openssl

OPENSSL_NAMES = {
    8: "prime192v1", 9: "brainpoolP192r1", 10: "secp224r1", 11: "brainpoolP224r1",
    12: "prime256v1", 13: "brainpoolP256r1", 14: "brainpoolP320r1", 15: "secp384r1",
    16: "brainpoolP384r1", 17: "brainpoolP512r1", 18: "secp521r1",
}  # fmt: skip
NUMBERED = oid("04007F00070102")
X9_42, PKCS_3 = oid("2A8648CE3E0201"), oid("2A864886F70D010301")


def bits(content: bytes) -> bytes:
    return do(0x03, b"\0" + content)


def integer(value: int) -> bytes:
    return do(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


@cache
def dh_key(*options: str) -> bytes:
    """Return a new private key of openssl's, PEM."""
    pairs = [part for option in options[1:] for part in ("-pkeyopt", option)]
    return openssl("genpkey", "-algorithm", options[0], *pairs)


def dh_numbers(private: bytes) -> tuple[int, int]:
    """Return the private and the public number."""
    text = openssl("pkey", "-in", "k", "-text", "-noout", k=private).decode()

    def after(label: str) -> int:
        digits = re.match(r"[\s0-9a-f:]*(?=\n[ ]{0,4}\S|$)", text.split(label)[1])
        assert digits is not None
        return int(re.sub(r"[\s:]", "", digits.group()), 16)

    return after("private-key:"), after("public-key:")


# --- what openssl writes


@pytest.mark.parametrize("parameter_id", OPENSSL_NAMES)
@pytest.mark.parametrize("encoding", ["ec", "explicit"])
def test_every_curve_named_and_written_out(parameter_id: int, encoding: str) -> None:
    kind = f"{encoding}:{OPENSSL_NAMES[parameter_id]}"
    found = parse_key(public_key(key(kind)))
    assert found.group is STANDARDISED[parameter_id]
    assert (found.kind, found.bits) == ("ECDH", found.group.p.bit_length())


def test_a_generator_may_be_compressed() -> None:
    curve = STANDARDISED[13]
    x, y = curve.generator
    squeezed = bytes((2 + (y & 1),)) + curve.coordinate(x)
    assert parse_key(written_out(base=squeezed)).group is curve
    with pytest.raises(ChipMalformed):
        parse_key(written_out(base=bytes((5 - squeezed[0],)) + squeezed[1:]))


@pytest.mark.parametrize("group", [1, 2, 3])
def test_rfc_5114_as_x9_42(group: int) -> None:
    private = dh_key("DHX", f"dh_rfc5114:{group}")
    found = parse_key(public_key(private))
    known = MODULAR[group - 1]
    assert (found.group.p, found.group.order, found.group.generator) == (
        known.p, known.order, known.generator,
    )  # fmt: skip
    assert (found.element, found.kind) == (dh_numbers(private)[1], "DH")


def test_pkcs_3_names_no_subgroup() -> None:
    private = dh_key("DH", "group:ffdhe2048")
    found = parse_key(public_key(private))
    assert (found.group.order, found.bits) == (found.group.p - 1, 2048)
    agreement = found.agree(stream("terminal"))
    secret = pow(int.from_bytes(agreement.public, "big"), dh_numbers(private)[0], found.group.p)
    assert agreement.secret == secret.to_bytes(256, "big")


def test_a_known_group_as_pkcs_3_has_its_subgroup() -> None:
    known = MODULAR[2]
    spki = info(
        info(PKCS_3, info(integer(known.p), integer(known.generator))),
        bits(integer(pow(known.generator, 77, known.p))),
    )
    assert parse_key(spki).group is known
    outside = spki[: -len(integer(known.p - 2))] + integer(known.p - 2)
    with pytest.raises(ChipMalformed):
        parse_key(outside)


@pytest.mark.parametrize("parameter_id", [0, 1, 2, 12, 13])
def test_numbered_domain_parameters(parameter_id: int) -> None:
    modular = MODULAR.get(parameter_id)
    curve = STANDARDISED.get(parameter_id)
    if modular:
        content = integer(pow(modular.generator, 5, modular.p))
    else:
        content = curve.encode(curve.multiply(5, curve.generator))
    found = parse_key(info(info(NUMBERED, number(parameter_id)), bits(content)))
    assert found.group is (modular or curve)


@pytest.mark.parametrize("name", ["brainpoolP256r1", "prime256v1", "secp521r1"])
def test_the_secret_is_openssls(name: str) -> None:
    private = load_pem_private_key(key(f"ec:{name}"), None)
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    found = parse_key(public_key(key(f"ec:{name}")))
    agreement = found.agree(stream("terminal"))
    theirs = ec.EllipticCurvePublicKey.from_encoded_point(private.curve, agreement.public)
    assert agreement.secret == private.exchange(ec.ECDH(), theirs)
    assert agreement.compressed == agreement.public[1 : 1 + len(agreement.secret)]
    raw = private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    assert found.group.encode(found.element) == raw


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(sorted(STANDARDISED)), st.binary(min_size=66, max_size=66), st.data())
def test_openssl_and_the_arithmetic_beside_it_give_the_same(
    parameter_id: int, drawn: bytes, data: st.DataObject
) -> None:
    curve = STANDARDISED[parameter_id]
    beside = dataclasses.replace(curve, _openssl=None)
    edges = st.sampled_from([1, 2, curve.order - 1])
    private = data.draw(st.just(int.from_bytes(drawn, "big") % (curve.order - 1) + 1) | edges)
    theirs = beside.multiply(data.draw(st.integers(1, 1 << 190)), beside.generator)
    own = beside.multiply(private, beside.generator)
    assert curve.multiply(private, curve.generator) == own
    assert curve.agree(private, theirs) == beside.agree(private, theirs)
    assert curve.agree(private, theirs) == (own, curve.secret(beside.multiply(private, theirs)))


def test_a_scalar_past_the_order_goes_round() -> None:
    curve = STANDARDISED[13]
    assert curve.multiply(curve.order + 5, curve.generator) == curve.multiply(5, curve.generator)
    for scalar in (0, curve.order):
        with pytest.raises(ChipMalformed):
            curve.multiply(scalar, curve.generator)


# --- what BSI worked out


@pytest.mark.testdata
@pytest.mark.parametrize("name", ["bsi_eac2_ecdh", "bsi_eac2_dh"])
def test_bsis_worked_agreements(name: str) -> None:
    path = testdata("vectors", f"{name}.json")
    fields = json.loads(path.read_text(encoding="utf-8"))["fields"]
    infos = bytes.fromhex(fields["ef_cardsecurity"])
    start = infos.index(bytes.fromhex("300D0608" + BSI + "02"))
    (info_set,) = [
        infos[at:]
        for at in range(start - 8, start)
        if infos[at] == 0x31 and infos[at + 1] in {0x81, 0x82}
    ]
    size = 2 + (info_set[1] & 0x7F) + int.from_bytes(info_set[2 : 2 + (info_set[1] & 0x7F)], "big")
    keys = [
        each
        for each in parse_security_infos(info_set[:size])
        if isinstance(each, ChipAuthenticationPublicKeyInfo)
    ]
    found = parse_key(keys[0].public_key)
    width = (found.group.order.bit_length() + 7) // 8
    private = int(fields["ca_pcd_priv_key"], 16)
    # BSI drew from the whole field; a smaller equal number gives the same key.
    scalar = (private % found.group.order).to_bytes(width, "big")
    agreement = found.agree(script(scalar.hex()))
    assert agreement.public.hex().upper() == fields["ca_pcd_pub_key"]
    assert agreement.secret.hex().upper() == fields["ca_shared_secret_k"]


def test_an_integer_is_compressed_to_its_sha_1() -> None:
    assert compress(MODULAR[0], 255).hex() == "85e53271e14006f0265921d02d4d736cdc580b0b"


# --- what is no key


def x9_42(p: int, g: int, q: int, y: int, *more: bytes) -> bytes:
    return info(info(X9_42, info(integer(p), integer(g), integer(q), *more)), bits(integer(y)))


G2 = MODULAR[2]
SAFE = int(
    "FFFFFFFFFFFFFFFFADF85458A2BB4A9AAFDC5620273D3CF1D8B9C583CE2D3695A9E13641146433FBCC939DCE249B3EF9"
    "7D2FE363630C75D8F681B202AEC4617AD3DF1ED5D5FD65612433F51F5F066ED0856365553DED1AF3B557135E7F57C935"
    "984F0C70E0E68B77E2A689DAF3EFE8721DF158A136ADE73530ACCA4F483A797ABC0AB182B324FB61D108A94BB2C8E3FB"
    "B96ADAB760D7F4681D4F42A3DE394DF4AE56EDE76372BB190B07A7C8EE0A6D709E02FCE1CDF7E2ECC03404CD28342F61"
    "9172FE9CE98583FF8E4F1232EEF28183C3FE3B1B4C6FAD733BB5FCBC2EC22005C58EF1837D1683B2C6F34A26C1B2EFFA"
    "886B423861285C97FFFFFFFFFFFFFFFF",
    16,
)  # ffdhe2048
HALF = (SAFE - 1) // 2
MANIFOLD = next(each for each in range(2 * G2.order, 99 * G2.order, G2.order) if (G2.p - 1) % each)


def test_a_subgroup_of_the_chips_own_may_be_used() -> None:
    assert parse_key(x9_42(SAFE, 4, HALF, pow(4, 9, SAFE))).group.order == HALF


@pytest.mark.parametrize(
    "spki",
    [
        lambda: b"",
        lambda: b"\x30\x00",
        lambda: bytes(MAX_KEY_INFO_BYTES + 1),
        lambda: info(info(NUMBERED, number(3)), bits(b"\x04" + bytes(64))),  # no such number
        lambda: info(info(NUMBERED), bits(b"\x04" + bytes(64))),  # no parameters
        lambda: info(info(oid("2B0E0302"), number(12)), bits(b"\x04" + bytes(64))),
        lambda: public_key(key("ec:secp256k1")),
        lambda: public_key(key("explicit:secp256k1")),
        lambda: public_key(key("rsa:2048")),
        lambda: info(info(NUMBERED, number(13)), bits(b"\x04" + bytes(64))),  # not on the curve
        lambda: info(info(NUMBERED, number(13)), bits(b"\x00")),  # infinity
        lambda: info(info(NUMBERED, number(13)), do(0x03, b"\1" + point())),  # unused bits
        lambda: info(info(NUMBERED, number(13)), do(0x04, b"\0" + point())),
        lambda: info(info(NUMBERED, number(12)), bits(point())),  # another curve's point
        lambda: info(info(NUMBERED, number(13)), bits(point() + b"\0")),
        lambda: x9_42(SAFE, 4, HALF, SAFE - 1),  # order two
        lambda: x9_42(SAFE, 4, HALF, 1),
        lambda: x9_42(SAFE, 4, HALF, 0),
        lambda: x9_42(SAFE, 4, HALF, SAFE),
        lambda: x9_42(SAFE, 4, HALF, SAFE + 4),
        lambda: x9_42(SAFE, 4, HALF, SAFE - pow(4, 9, SAFE)),  # a non-residue
        lambda: x9_42(SAFE, SAFE - 4, HALF, 16),  # a generator of more
        lambda: x9_42(SAFE, 4, HALF - 1, 16),
        lambda: x9_42(SAFE, 4, 2, 16),
        lambda: x9_42(G2.p, G2.generator, MANIFOLD, G2.generator),  # a multiple of the order
        lambda: x9_42(SAFE, SAFE - 1, HALF, 16),
        lambda: x9_42(SAFE, 1, HALF, 16),
        lambda: x9_42(SAFE - 1, 4, HALF, 16),
        lambda: x9_42(SAFE >> 1200, 4, HALF >> 1200, 16),  # too short
        lambda: x9_42((1 << 4200) + 1, 4, HALF, 16),
        lambda: info(info(PKCS_3, info(integer(SAFE), integer(2))), bits(integer(SAFE - 1))),
        lambda: info(info(PKCS_3, info(integer(SAFE), integer(2))), bits(integer(1))),
        lambda: info(info(PKCS_3, info(integer(SAFE))), bits(integer(16))),
        lambda: info(info(PKCS_3, info(integer(SAFE), integer(2))), bits(integer(16) + b"\0")),
    ],
    ids=range(34),
)
def test_a_key_that_is_not_in_its_group_is_none(spki: Any) -> None:
    with pytest.raises(ChipMalformed):
        parse_key(spki())


def point() -> bytes:
    curve = STANDARDISED[13]
    return curve.encode(curve.generator)


def written_out(**changed: Any) -> bytes:
    curve = STANDARDISED[13]
    parts: dict[str, Any] = {
        "field": oid("2A8648CE3D0101"), "p": curve.p, "a": curve.a, "b": curve.b,
        "base": curve.encode(curve.generator), "order": curve.order, "cofactor": 1, "tag": 0x04,
    } | changed  # fmt: skip
    coefficients = [do(parts["tag"], parts[name].to_bytes(33, "big")) for name in ("a", "b")]
    more = [] if parts["cofactor"] is None else [integer(parts["cofactor"])]
    domain = info(
        number(1), info(parts["field"], integer(parts["p"])), info(*coefficients),
        do(0x04, parts["base"]), integer(parts["order"]), *more,
    )  # fmt: skip
    return info(info(oid("2A8648CE3D0201"), domain), bits(point()))


@pytest.mark.parametrize("cofactor", [1, None])
def test_a_curve_that_is_written_out_is_taken(cofactor: int | None) -> None:
    assert parse_key(written_out(cofactor=cofactor)).group is STANDARDISED[13]


@pytest.mark.parametrize(
    "changed",
    [
        {"p": STANDARDISED[13].p + 2},
        {"a": STANDARDISED[13].a + 1},
        {"b": STANDARDISED[13].b + 1},
        {"base": STANDARDISED[13].encode(STANDARDISED[13].multiply(2, STANDARDISED[13].generator))},
        {"order": STANDARDISED[13].order + 2},
        {"cofactor": 2},
        {"field": oid("2A8648CE3D0102")},
        {"tag": 0x02},
    ],
)
def test_one_parameter_of_ones_own_makes_no_curve(changed: dict[str, Any]) -> None:
    """With a generator of one's own choice anyone holds the private key of any public key."""
    with pytest.raises(ChipMalformed):
        parse_key(written_out(**changed))


def test_a_curve_is_found_by_every_parameter() -> None:
    curve = STANDARDISED[12]
    parts: dict[str, Any] = {"p": curve.p, "a": curve.a, "b": curve.b, "order": curve.order}
    base = curve.encode(curve.generator)
    assert find_curve(**parts, base=base, cofactor=None) is curve
    assert find_curve(**parts, base=base, cofactor=4) is None
    assert find_curve(**parts, base=base[:-1] + b"\0", cofactor=1) is None


def test_chance_that_gives_nothing_is_no_key() -> None:
    with pytest.raises(ValueError, match="randomness"):
        parse_key(public_key(key("ec:prime256v1"))).agree(lambda _: b"")


def test_no_secret_is_printed() -> None:
    agreement = parse_key(public_key(key("ec:prime256v1"))).agree(stream("terminal"))
    assert repr(agreement) == "Agreement()"


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=120))
def test_any_bytes_are_a_key_or_none(raw: bytes) -> None:
    for each in (raw, info(info(NUMBERED, number(13)), raw), info(info(X9_42, raw), bits(raw))):
        try:
            parse_key(each)
        except ChipMalformed:
            continue


def test_a_key_cut_short_anywhere_is_none() -> None:
    whole = public_key(key("explicit:brainpoolP256r1"))
    for size in range(len(whole)):
        with pytest.raises(ChipMalformed):
            parse_key(whole[:size])
