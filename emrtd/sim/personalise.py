"""Issue a test card: a made-up holder, pictures and an issuer become files, keys and passwords.

Knows what each generation stores and offers unless told otherwise, and how a counterfeiter would
change the result. Does not read images (they are bytes) and refuses any number that could be a
person's.

Spec: [9303-10], [9303-11].
"""

from __future__ import annotations

import dataclasses
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from emrtd.sim import _issue
from emrtd.sim._curves import CURVES
from emrtd.sim._domains import DOMAINS
from emrtd.sim._facial_record import MAX_IMAGE_BYTES
from emrtd.sim._holder import Holder, expiry, zone_password
from emrtd.sim._issue import signed_files
from emrtd.sim._key_proofs import ChipKey
from emrtd.sim._protocols import PACEOffer
from emrtd.sim.card_image import CardImage, Generation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from emrtd.sim._curves import Randomness
    from emrtd.sim._key_proofs import SigningKey
    from emrtd.sim.pki import TestPKI

__all__ = [
    "DOMAINS", "MAX_IMAGE_BYTES", "AccessMethod", "AuthMethod", "CardImage", "Generation", "Holder",
    "PACEOffer", "clone", "expiry", "personalise", "signed_files", "tamper",
]  # fmt: skip

AuthMethod = Literal["aa", "ca", "cam"]
AccessMethod = Literal["bac", "pace"]

DEFAULT_AUTH: Mapping[str, frozenset[AuthMethod]] = MappingProxyType(
    {
        "2021": frozenset({"aa", "ca"}),
        "2024": frozenset({"ca"}),
        "passport": frozenset({"aa", "ca"}),
    }
)
DEFAULT_ACCESS: Mapping[str, frozenset[AccessMethod]] = MappingProxyType(
    {
        "2021": frozenset({"pace"}),
        "2024": frozenset({"pace"}),
        "passport": frozenset({"bac", "pace"}),
    }
)
_NO_FINGERS: Mapping[int, bytes] = MappingProxyType({})


def personalise(
    holder: Holder,
    portrait_image: bytes,
    *,
    generation: Generation,
    pki: TestPKI,
    randomness: Randomness,
    auth: frozenset[AuthMethod] | None = None,
    access: frozenset[AccessMethod] | None = None,
    pace: Literal["gm", "im", "cam"] | tuple[PACEOffer, ...] = "gm",
    parameter_ids: bool = True,
    curve: str = "brainpoolP256r1",
    cipher: str = "AES-128",
    chip_auth_key_id: int | None = None,
    active_auth_key: SigningKey | None = None,
    active_auth_scheme: str | None = None,
    explicit_parameters: bool = False,
    fingers: Mapping[int, bytes] = _NO_FINGERS,
    signature_image: bytes = b"",
    contacts: tuple[tuple[str, str, str], ...] = (),
    extended_bytes: int | None = None,
    pin: str = "",
) -> CardImage:
    """Issue one card.

    Args:
        holder: who is on it.
        portrait_image: JPEG or JPEG 2000, at most `MAX_IMAGE_BYTES`.
        generation: which files it has and what its citizen record holds.
        pki: its signers, and with fingers the country verifier that it trusts.
        randomness: source of the chip's keys; the same bytes give the same card.
        auth: how the chip proves itself, None for what the generation does; "cam" is chip
            authentication mapping, which `pace` may ask for as well.
        access: what opens it, None for what the generation does; nothing for a chip that asks for
            no access.
        pace: the mapping, over `curve` with `cipher`; or every way there is, in order.
        parameter_ids: whether the PACEInfos name their domain.
        curve: of PACE and of the chip's key, a name of `DOMAINS`: groups of integers as well.
        cipher: of PACE and of chip authentication, a name of `CIPHERS`.
        chip_auth_key_id: the number of the chip's key, None for none.
        active_auth_key: for active authentication, None for a new P-256 key.
        active_auth_scheme: a name of `SCHEMES`, None for SHA-256 in the usual form.
        explicit_parameters: write the curves of the chip's keys out, as states do.
        fingers: position (1 to 10) to coded image; with any, DG3 needs terminal authentication.
        signature_image: for DG7, b"" for none.
        contacts: name, telephone, address of persons to notify, for DG16.
        extended_bytes: the longest command and answer, announced in EF.ATR/INFO; 0 for short ones
            only, None for any length without a word about it.
        pin: six digits that open the chip too, "" for none.

    Raises:
        ValueError: an image is none, or the choices do not fit together.
    """
    methods = DEFAULT_AUTH[generation] if auth is None else auth
    ways = DEFAULT_ACCESS[generation] if access is None else access
    offers = _offers(pace, curve, cipher, mapped="cam" in methods) if "pace" in ways else ()
    if "pace" in ways and not offers:
        raise ValueError("a card needs a way in")
    if fingers and "ca" not in methods:
        raise ValueError("fingers need chip authentication before the terminal's")
    signing_key = _signing_key(active_auth_key, randomness) if "aa" in methods else None
    chip = _issue.Chip(
        pace=offers,
        parameter_ids=parameter_ids,
        cipher=cipher,
        key=_chip_key(offers, curve, randomness, needed="ca" in methods),
        key_id=chip_auth_key_id,
        chip_auth="ca" in methods,
        signing_key=signing_key,
        scheme=active_auth_scheme or _usual_scheme(signing_key),
        explicit=explicit_parameters,
        extended_bytes=extended_bytes,
        terminal_auth=bool(fingers),
    )
    pictures = _issue.Pictures(portrait_image, fingers, signature_image)
    made = _issue.data_groups(holder, pictures, chip, generation=generation, contacts=contacts)
    return CardImage(
        generation=generation,
        bac="bac" in ways,
        pace=offers,
        cipher=cipher,
        files={**_issue.other_files(made, chip, generation=generation, pki=pki), **made},
        alternatives=_issue.alternatives(made, holder, chip, generation=generation, pki=pki),
        chip_auth_key=chip.key,
        chip_auth_key_id=chip_auth_key_id,
        active_auth_key=_pkcs8(signing_key),
        active_auth_scheme=chip.scheme,
        can=holder.number[-6:],
        pin=pin,
        mrz_information=zone_password(holder, passport=generation == "passport"),
        trust_points=(pki.cvca.certificate,) if fingers else (),
        today=holder.issued,
        extended_bytes=extended_bytes,
    )


def _offers(
    pace: str | tuple[PACEOffer, ...], curve: str, cipher: str, *, mapped: bool
) -> tuple[PACEOffer, ...]:
    if isinstance(pace, tuple):
        return pace
    if pace == "im":
        if mapped:
            raise ValueError("chip authentication mapping is not the integrated one")
        return (PACEOffer("im", curve, cipher),)
    return (PACEOffer("cam" if mapped or pace == "cam" else "gm", curve, cipher),)


def _chip_key(
    offers: tuple[PACEOffer, ...], curve: str, randomness: Randomness, *, needed: bool
) -> ChipKey | None:
    mapped = [each for each in offers if each.mapping == "cam"]
    if not needed and not mapped:
        return None
    domain = (mapped[0] if mapped else PACEOffer("gm", curve, "AES-128")).parameters
    return ChipKey(domain.name, domain.private_number(randomness))


def _signing_key(given: SigningKey | None, randomness: Randomness) -> SigningKey:
    return CURVES["P-256"].private_key(randomness) if given is None else given


def _usual_scheme(key: SigningKey | None) -> str:
    return "rsa-sha256" if isinstance(key, rsa.RSAPrivateKey) else "ecdsa-plain-sha256"


def clone(card: CardImage) -> CardImage:
    """Return a counterfeit: the right files, but keys that the counterfeiter had to make."""
    active_auth = card.active_auth_private()
    return dataclasses.replace(
        card,
        chip_auth_key=None if card.chip_auth_key is None else card.chip_auth_key.another(),
        active_auth_key=_pkcs8(None if active_auth is None else _another_signing(active_auth)),
    )


def tamper(card: CardImage, file: str = "DG1", offset: int | None = None) -> CardImage:
    """Return a forgery: one byte of one file changed, everything else as signed.

    Args:
        card: the card to forge.
        file: its evidence name.
        offset: which byte, negative from the end; None for one after which the file still parses:
            a letter of the name in DG1, else one in the last quarter.

    Raises:
        ValueError: no such file or byte.
    """
    raw = bytearray(card.files.get(file, b""))
    if offset is None:
        offset = _name_at(card) if file == "DG1" else len(raw) * 3 // 4
    if not -len(raw) <= offset < len(raw):
        raise ValueError(f"no byte {offset} in {file}")
    old = chr(raw[offset])
    # Another letter for a letter, so that a forged name is a name.
    raw[offset] = (
        ord("A" if old == "Z" else chr(ord(old) + 1)) if "A" <= old <= "Z" else ord(old) ^ 1
    )
    return dataclasses.replace(card, files={**card.files, file: bytes(raw)})


def _name_at(card: CardImage) -> int:
    """Return where the name begins in DG1: the third line of a card, the first of a passport."""
    return 10 if card.generation == "passport" else len(card.files["DG1"]) - 30


def _another_signing(key: SigningKey) -> SigningKey:
    """Return a key of the same kind and size that is not this one."""
    if isinstance(key, rsa.RSAPrivateKey):
        return rsa.generate_private_key(public_exponent=65537, key_size=key.key_size)
    number = key.private_numbers().private_value
    return ec.derive_private_key(number - 1 if number > 1 else 2, key.curve)


def _pkcs8(key: SigningKey | None) -> bytes | None:
    if key is None:
        return None
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
