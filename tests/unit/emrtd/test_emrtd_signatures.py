"""Keys and signatures that openssl made, and written-out curves that are almost the named one."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest
from asn1crypto import algos
from asn1crypto import keys as asn1_keys
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
)
from hypothesis import given
from hypothesis import strategies as st
from issued_documents import oid
from openssl_issuer import key, needs_openssl, openssl, public_key
from reader_material import do

from emrtd.errors import ChipLied, ChipMalformed, Fault
from emrtd.signatures import (
    DIGESTS,
    Scheme,
    check_signature,
    describe_key,
    digest_bytes,
    digest_of,
    load_public_key,
    scheme_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable

MESSAGE = b"what a state signs"
SHA256 = hashes.SHA256()
NAMED = ("secp224r1", "prime256v1", "secp384r1", "secp521r1", "brainpoolP256r1", "brainpoolP384r1",
         "brainpoolP512r1")  # fmt: skip

pytestmark = needs_openssl


def sign(private: bytes, md: str, *options: str, message: bytes = MESSAGE) -> bytes:
    return openssl("dgst", f"-{md}", "-sign", "k", *options, "m", k=private, m=message)


def uncompressed(key_: object) -> bytes:
    assert isinstance(key_, ec.EllipticCurvePublicKey)
    return key_.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


@pytest.mark.parametrize("curve", NAMED)
def test_a_written_out_curve_is_the_named_one(curve: str) -> None:
    written = load_public_key(public_key(key(f"explicit:{curve}")))
    assert isinstance(written, ec.EllipticCurvePublicKey)
    named = load_public_key(public_key(key(f"ec:{curve}")))
    assert written.curve.name == named.curve.name
    assert uncompressed(written) in public_key(key(f"explicit:{curve}"))
    signature = sign(key(f"explicit:{curve}"), "sha256")
    check_signature(written, Scheme("ecdsa", SHA256, SHA256), signature, MESSAGE, doing="test")


@pytest.mark.parametrize("kind", ["rsa:2048", *(f"ec:{curve}" for curve in NAMED)])
def test_a_key_is_the_one_that_cryptography_reads(kind: str) -> None:
    der = public_key(key(kind))
    assert load_public_key(der) == load_der_public_key(der)


def changed(change: Callable[[asn1_keys.ECDomainParameters], None], curve: str) -> bytes:
    info = asn1_keys.PublicKeyInfo.load(public_key(key(f"explicit:{curve}")))
    change(info["algorithm"]["parameters"].chosen)
    return info.dump(force=True)


def plus_one(name: str) -> Callable[[asn1_keys.ECDomainParameters], None]:
    def change(written: asn1_keys.ECDomainParameters) -> None:
        written[name] = int(written[name]) + 1

    return change


def coefficient(name: str) -> Callable[[asn1_keys.ECDomainParameters], None]:
    def change(written: asn1_keys.ECDomainParameters) -> None:
        raw = bytearray(bytes(written["curve"][name]))
        raw[-1] ^= 1
        written["curve"][name] = bytes(raw)

    return change


def field(written: asn1_keys.ECDomainParameters) -> None:
    written["field_id"]["parameters"] = int(written["field_id"]["parameters"]) + 2


def base_byte(at: int) -> Callable[[asn1_keys.ECDomainParameters], None]:
    def change(written: asn1_keys.ECDomainParameters) -> None:
        raw = bytearray(bytes(written["base"]))
        raw[at] ^= 1
        written["base"] = bytes(raw)

    return change


def own_generator(written: asn1_keys.ECDomainParameters) -> None:
    """CVE-2020-0601: the state's own point as generator, so that the private key is 1."""
    written["base"] = (
        bytes.fromhex("04") + uncompressed(load_public_key(public_key(key("ec:prime256v1", 9))))[1:]
    )


def negated_generator(written: asn1_keys.ECDomainParameters) -> None:
    raw = bytes(written["base"])
    half = len(raw) // 2 + 1
    p = int(written["field_id"]["parameters"])
    y = (p - int.from_bytes(raw[half:], "big")).to_bytes(len(raw) - half, "big")
    written["base"] = raw[:half] + y


CHANGES = {
    "order": plus_one("order"),
    "cofactor": plus_one("cofactor"),
    "a": coefficient("a"),
    "b": coefficient("b"),
    "p": field,
    "G.x": base_byte(5),
    "G.y": base_byte(-1),
    "G form": base_byte(0),
    "-G": negated_generator,
    "own G": own_generator,
}


@pytest.mark.parametrize("curve", ["prime256v1", "brainpoolP384r1"])
@pytest.mark.parametrize("name", CHANGES)
def test_a_curve_with_one_changed_parameter_is_refused(curve: str, name: str) -> None:
    assert changed(lambda _: None, curve) == public_key(key(f"explicit:{curve}"))
    with pytest.raises(ChipMalformed):
        load_public_key(changed(CHANGES[name], curve))


def test_a_cofactor_may_be_left_away_and_a_generator_compressed() -> None:
    def change(written: asn1_keys.ECDomainParameters) -> None:
        written["cofactor"] = None
        raw = bytes(written["base"])
        written["base"] = bytes((2 + (raw[-1] & 1),)) + raw[1 : 1 + len(raw) // 2]

    assert describe_key(load_public_key(changed(change, "prime256v1"))) == "EC secp256r1"


def test_a_field_that_is_no_prime_field_is_refused() -> None:
    raw = public_key(key("explicit:prime256v1"))
    prime, binary = "06072A8648CE3D0101", "06072A8648CE3D0102"
    with pytest.raises(ChipMalformed):
        load_public_key(raw.replace(bytes.fromhex(prime), bytes.fromhex(binary)))


@pytest.mark.parametrize(
    "der",
    [
        "", "3000", "00" * 5000,
        "302A300506032B6570032100" + "11" * 32,  # Ed25519
        "3015300906072A8648CE3D020105000308000000000000".ljust(48, "0"),  # implicit parameters
    ],
)  # fmt: skip
def test_what_is_no_usable_key_is_malformed(der: str) -> None:
    with pytest.raises(ChipMalformed):
        load_public_key(bytes.fromhex(der))


@pytest.mark.parametrize("curve", ["secp256k1", "prime192v1", "brainpoolP320r1", "prime256v1"])
def test_other_curves_and_points_off_a_curve_are_refused(curve: str) -> None:
    der = bytearray(public_key(key(f"ec:{curve}")))
    der[-1] ^= curve == "prime256v1"
    with pytest.raises(ChipMalformed):
        load_public_key(bytes(der))


def rsa_info(n: int, e: int) -> bytes:
    numbers = asn1_keys.RSAPublicKey({"modulus": n, "public_exponent": e})
    algorithm = {"algorithm": "rsa", "parameters": None}
    return asn1_keys.PublicKeyInfo({"algorithm": algorithm, "public_key": numbers}).dump()


@pytest.mark.parametrize(
    ("n", "e"),
    [(1 << 2046 | 1, 65_537), (1 << 8192 | 1, 65_537), (1 << 2047 | 1, 1 << 64 | 1),
     (1 << 2047 | 1, 1), (1 << 2047 | 1, 2), (-(1 << 2047), 65_537)],
    ids=["short", "long", "exponent", "one", "even", "negative"],
)  # fmt: skip
def test_an_rsa_key_out_of_bounds_is_refused(n: int, e: int) -> None:
    with pytest.raises(ChipMalformed):
        load_public_key(rsa_info(n, e))


def test_a_shorter_rsa_key_is_taken_only_where_the_caller_allows_it() -> None:
    der = public_key(key("rsa:1024"))
    with pytest.raises(ChipMalformed):
        load_public_key(der)
    assert describe_key(load_public_key(der, min_rsa_bits=1024)) == "RSA 1024"


@pytest.mark.parametrize(
    ("md", "kind", "options"),
    [
        ("sha1", "pkcs1", ()), ("sha224", "pkcs1", ()), ("sha256", "pkcs1", ()),
        ("sha384", "pss", ("-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:48")),
        ("sha512", "pss", ("-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:0")),
        ("sha256", "pss", ("-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:32",
                           "-sigopt", "rsa_mgf1_md:sha1")),
    ],
)  # fmt: skip
def test_openssls_rsa_signatures_verify_and_no_other(md, kind, options) -> None:
    digest = getattr(hashes, md.upper())()
    mask = hashes.SHA1() if "rsa_mgf1_md:sha1" in options else digest  # noqa: S303 - a mask is no hash
    salt = next((int(o[16:]) for o in options if o.startswith("rsa_pss_saltlen")), 0)
    scheme = Scheme(kind, digest, mask, salt)
    assert scheme.weak == (md == "sha1")
    own, signature = (
        load_public_key(public_key(key("rsa:2048"))),
        sign(key("rsa:2048"), md, *options),
    )
    check_signature(own, scheme, signature, MESSAGE, doing="test")
    other = load_public_key(public_key(key("rsa:2048", 1)))
    wrong_salt = Scheme(kind, digest, mask, salt + 1)
    cases = [
        (own, scheme, signature, MESSAGE + b"!"),
        (own, scheme, signature[:-1] + bytes((signature[-1] ^ 1,)), MESSAGE),
        (own, scheme, b"", MESSAGE),
        (other, scheme, signature, MESSAGE),
        (own, Scheme("ecdsa", digest, mask), signature, MESSAGE),
        (load_public_key(public_key(key("ec:prime256v1"))), scheme, signature, MESSAGE),
        (own, Scheme("pss" if kind == "pkcs1" else "pkcs1", digest, mask), signature, MESSAGE),
    ]
    if kind == "pss":
        cases.append((own, wrong_salt, signature, MESSAGE))
    for case in cases:
        with pytest.raises(ChipLied) as caught:
            check_signature(*case, doing="test")
        assert caught.value.fault is Fault.SIGNATURE_INVALID


@pytest.mark.parametrize("signature", [b"", bytes(70), bytes.fromhex("3006020100020100")])
def test_an_ecdsa_signature_that_is_none_is_invalid(signature: bytes) -> None:
    own = load_public_key(public_key(key("ec:prime256v1")))
    with pytest.raises(ChipLied):
        check_signature(own, Scheme("ecdsa", SHA256, SHA256), signature, MESSAGE, doing="test")


def algorithm(dotted: str, parameters: bytes = b"") -> algos.SignedDigestAlgorithm:
    raw = do(0x06, algos.SignedDigestAlgorithmId(dotted).contents) + parameters
    return algos.SignedDigestAlgorithm.load(do(0x30, raw))


PSS_OID, RSA_OID = "1.2.840.113549.1.1.10", "1.2.840.113549.1.1.1"


def pss_parameters(*, mask: str = "2A864886F70D010108", salt: int = 32, trailer: int = 1) -> bytes:
    sha256 = do(0x30, oid("608648016503040201"))
    return do(
        0x30,
        do(0xA0, sha256) + do(0xA1, do(0x30, oid(mask) + sha256))
        + do(0xA2, do(0x02, salt.to_bytes(2, "big", signed=True)))
        + do(0xA3, do(0x02, bytes((trailer,)))),
    )  # fmt: skip


def test_schemes_are_read_from_their_identifiers() -> None:
    assert scheme_of(algorithm("1.2.840.10045.4.3.4")).digest.name == "sha512"
    assert scheme_of(algorithm("1.2.840.10045.4.3.2"), SHA256).kind == "ecdsa"
    assert scheme_of(algorithm(RSA_OID), SHA256) == Scheme("pkcs1", SHA256, SHA256)
    made = scheme_of(algorithm(PSS_OID, pss_parameters(salt=20)))
    assert (made.kind, made.digest.name, made.mask_digest.name, made.salt_bytes) == (
        "pss", "sha256", "sha256", 20,
    )  # fmt: skip
    defaults = scheme_of(algorithm(PSS_OID, do(0x30, b"")))
    assert (defaults.digest.name, defaults.salt_bytes, defaults.weak) == ("sha1", 20, True)


@pytest.mark.parametrize(
    ("dotted", "parameters"),
    [
        ("1.2.3.4", b""),
        (RSA_OID, b""),  # says nothing of a digest
        (PSS_OID, b""),
        (PSS_OID, pss_parameters(mask="2A864886F70D010107")),
        (PSS_OID, pss_parameters(salt=-1)),
        (PSS_OID, pss_parameters(salt=513)),
        (PSS_OID, pss_parameters(trailer=2)),
    ],
)
def test_schemes_that_are_unknown_or_incomplete_are_malformed(
    dotted: str, parameters: bytes
) -> None:
    with pytest.raises(ChipMalformed):
        scheme_of(algorithm(dotted, parameters))


def test_two_digests_for_one_signature_are_malformed() -> None:
    for dotted, parameters in (("1.2.840.10045.4.3.4", b""), (PSS_OID, pss_parameters())):
        with pytest.raises(ChipMalformed, match="two digests"):
            scheme_of(algorithm(dotted, parameters), hashes.SHA384())


def test_digests_are_openssls() -> None:
    for dotted, digest in DIGESTS.items():
        named = algos.DigestAlgorithm({"algorithm": dotted})
        assert digest_of(named) is digest
        theirs = openssl("dgst", f"-{digest.name}", "-binary", "m", m=MESSAGE)
        assert digest_bytes(digest, MESSAGE[:5], MESSAGE[5:]) == theirs
    with pytest.raises(ChipMalformed):
        digest_of(algos.DigestAlgorithm({"algorithm": "md5"}))


@given(st.binary(max_size=200), st.data())
def test_any_bytes_are_a_key_or_malformed(raw: bytes, data: st.DataObject) -> None:
    sample = public_key(key(data.draw(st.sampled_from(["explicit:prime256v1", "rsa:2048"]))))
    at = data.draw(st.integers(0, len(sample)))
    for changed_ in (raw, sample[:at] + raw[:3] + sample[at + len(raw[:3]) :]):
        with contextlib.suppress(ChipMalformed):
            describe_key(load_public_key(changed_))
