"""Everything that is in one test card, as a value and as a JSON file.

Knows the files, the chip's private keys and the passwords. Does not know how any of it was made
(`personalise`) nor how a chip answers (`chip`). Made-up people only: a card image holds private
keys in the clear and must never hold a person.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, cast

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_der_private_key

from emrtd.errors import ChipMalformed
from emrtd.sim import _card_json as form
from emrtd.sim._card_json import require
from emrtd.sim._cipher import CIPHERS
from emrtd.sim._files import MAX_FILE_BYTES, NAMES
from emrtd.sim._key_proofs import SCHEMES, ChipKey
from emrtd.sim._protocols import PACEOffer
from emrtd.sim._terminal_auth import TrustPoints

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from emrtd.sim._key_proofs import SigningKey

VERSION = 2
MAX_JSON_BYTES = 2_097_152
MAX_KEY_BYTES = 2560  # RSA with 4096 bits has 2375
MIN_RSA_BITS = 1024
MAX_PASSWORD_CHARS = 64
MAX_OFFERS = 16
MAX_TRUST_POINTS = 4
MIN_EXTENDED_BYTES, MAX_EXTENDED_BYTES = 300, 65_535

Generation = Literal["2021", "2024", "passport"]
GENERATIONS: tuple[Generation, ...] = ("2021", "2024", "passport")
ALTERNATIVES = frozenset(
    {
        "expired", "not_yet", "revoked", "namesake", "another", "bare", "issuer", "sha1",
        "contradictory", "newer", "card_security",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class CardImage:
    """One issued test card.

    Attributes:
        generation: "2021", "2024" or "passport".
        bac: whether basic access control opens it.
        pace: the ways of PACE that open it, in the order of EF.CardAccess; () for none.
        cipher: of the channel after chip authentication, a name of `CIPHERS`.
        files: evidence name to the file's bytes.
        alternatives: security objects that other signers, other data or another chip would have,
            for the faults that need them; names of `ALTERNATIVES`.
        chip_auth_key: None: no chip authentication.
        chip_auth_key_id: the number that the chip gives this key, None for none.
        active_auth_key: PKCS #8 DER, RSA or elliptic curve; None: no active authentication.
        active_auth_scheme: how it signs, a name of `SCHEMES`.
        can: six digits, or "" for a card without.
        pin: six digits, or "" for a card without.
        mrz_information: number, birth and expiry with their check digits: the MRZ as a password.
        trust_points: certificates of country verifiers; with any, DG3 and DG4 need terminal
            authentication.
        today: what the chip takes for the date until a certificate tells it better.
        extended_bytes: the longest command and answer, 0 for short ones only, None for any.

    Raises:
        ChipMalformed: something is out of bounds, or a key is none.
    """

    generation: Generation
    bac: bool
    pace: tuple[PACEOffer, ...]
    cipher: str
    files: Mapping[str, bytes] = field(repr=False)
    alternatives: Mapping[str, bytes] = field(repr=False)
    chip_auth_key: ChipKey | None = field(repr=False)
    chip_auth_key_id: int | None
    active_auth_key: bytes | None = field(repr=False)
    active_auth_scheme: str
    can: str = field(repr=False)
    pin: str = field(repr=False)
    mrz_information: str = field(repr=False)
    trust_points: tuple[bytes, ...] = field(repr=False)
    today: date = field(repr=False)
    extended_bytes: int | None

    def __post_init__(self) -> None:
        object.__setattr__(self, "files", MappingProxyType(dict(self.files)))
        object.__setattr__(self, "alternatives", MappingProxyType(dict(self.alternatives)))
        require(self.generation in GENERATIONS, "generation")
        require(len(self.pace) <= MAX_OFFERS, "pace")
        require(self.cipher in CIPHERS, "cipher")
        require(self.active_auth_scheme in SCHEMES, "active_auth_scheme")
        require(self.files.keys() <= NAMES and bool(self.files), "files")
        require(self.alternatives.keys() <= ALTERNATIVES, "alternatives")
        sizes = [len(raw) for raw in (*self.files.values(), *self.alternatives.values())]
        require(all(0 < size <= MAX_FILE_BYTES for size in sizes), "files")
        for name, digits in (("can", self.can), ("pin", self.pin)):
            require(not digits or (_is_ascii_digits(digits) and len(digits) == 6), name)
        require(_fits(self.mrz_information), "mrz_information")
        require(self.chip_auth_key_id is None or 0 <= self.chip_auth_key_id < 256, "key id")
        require(len(self.trust_points) <= MAX_TRUST_POINTS, "trust_points")
        extended = self.extended_bytes
        bounded = extended is None or not extended or extended >= MIN_EXTENDED_BYTES
        require(bounded and (extended or 0) <= MAX_EXTENDED_BYTES, "extended_bytes")
        self._check_keys()

    def _check_keys(self) -> None:
        TrustPoints(self.trust_points, self.today)
        key = self.active_auth_private()
        is_rsa = isinstance(key, rsa.RSAPrivateKey)
        fits = key is None or SCHEMES[self.active_auth_scheme].rsa == is_rsa
        require(fits, "active_auth_scheme")
        mapped = {each.domain for each in self.pace if each.mapping == "cam"}
        own = set() if self.chip_auth_key is None else {self.chip_auth_key.domain}
        require(mapped <= own, "chip_auth_key")

    @property
    def asks_for_access(self) -> bool:
        """Whether a reader must open the chip before it reads."""
        return self.bac or bool(self.pace)

    @property
    def document_number(self) -> str:
        """The document's number with its check digit: what precedes both dates in the MRZ."""
        return self.mrz_information[:-14]

    def active_auth_private(self) -> SigningKey | None:
        """Return the key of active authentication, ready for use."""
        return _private_key(self.active_auth_key, "active_auth_key")

    def to_json(self) -> str:
        """Encode for keeping; the same card gives the same text."""
        key = self.chip_auth_key
        tree = {
            "version": VERSION,
            "generation": self.generation,
            "bac": self.bac,
            "pace": [[each.mapping, each.domain, each.cipher] for each in self.pace],
            "cipher": self.cipher,
            "can": self.can,
            "pin": self.pin,
            "mrz_information": self.mrz_information,
            "chip_auth_key": None if key is None else [key.domain, f"{key.number:x}"],
            "chip_auth_key_id": self.chip_auth_key_id,
            "active_auth_key": None if self.active_auth_key is None else self.active_auth_key.hex(),
            "active_auth_scheme": self.active_auth_scheme,
            "trust_points": [raw.hex() for raw in self.trust_points],
            "today": self.today.isoformat(),
            "extended_bytes": self.extended_bytes,
            "files": {name: raw.hex() for name, raw in self.files.items()},
            "alternatives": {name: raw.hex() for name, raw in self.alternatives.items()},
        }
        return json.dumps(tree, indent=1) + "\n"

    @classmethod
    def from_json(cls, raw: str | bytes) -> CardImage:
        """Decode a kept card; unknown and missing keys are refused.

        Raises:
            ChipMalformed: not a card image of a known version, or out of bounds.
        """
        tree = form.parse_object(raw, "CardImage", limit=MAX_JSON_BYTES)
        require(tree.keys() == _KEYS, "keys")
        require(type(tree["version"]) is int and tree["version"] == VERSION, "version")
        require(type(tree["bac"]) is bool, "bac")
        key = tree["active_auth_key"]
        return cls(
            generation=cast("Generation", _text(tree, "generation")),
            bac=tree["bac"],
            pace=tuple(_offer(each) for each in form.array(tree["pace"], MAX_OFFERS, "pace")),
            cipher=_text(tree, "cipher"),
            files=_files(tree, "files"),
            alternatives=_files(tree, "alternatives"),
            chip_auth_key=_chip_key(tree["chip_auth_key"]),
            chip_auth_key_id=form.optional_integer(tree["chip_auth_key_id"], "key id"),
            active_auth_key=None if key is None else form.octets(key, "key", limit=MAX_KEY_BYTES),
            active_auth_scheme=_text(tree, "active_auth_scheme"),
            can=_text(tree, "can"),
            pin=_text(tree, "pin"),
            mrz_information=_text(tree, "mrz_information"),
            trust_points=tuple(
                form.octets(each, "trust_points", limit=MAX_KEY_BYTES)
                for each in form.array(tree["trust_points"], MAX_TRUST_POINTS, "trust_points")
            ),
            today=form.day(tree["today"], "today"),
            extended_bytes=form.optional_integer(tree["extended_bytes"], "extended_bytes"),
        )


_KEYS = {
    "version", "generation", "bac", "pace", "cipher", "can", "pin", "mrz_information",
    "chip_auth_key", "chip_auth_key_id", "active_auth_key", "active_auth_scheme", "trust_points",
    "today", "extended_bytes", "files", "alternatives",
}  # fmt: skip


def _text(tree: dict[str, Any], name: str) -> str:
    return form.text(tree[name], name, limit=MAX_PASSWORD_CHARS)


def _files(tree: dict[str, Any], name: str) -> dict[str, bytes]:
    files = tree[name]
    require(type(files) is dict and len(files) <= len(NAMES), name)
    return {key: form.octets(value, name, limit=MAX_FILE_BYTES) for key, value in files.items()}


def _offer(value: Any) -> PACEOffer:
    parts = form.array(value, 3, "pace")
    require(len(parts) == 3, "pace")
    mapping, domain, cipher = (form.text(each, "pace", limit=MAX_PASSWORD_CHARS) for each in parts)
    try:
        return PACEOffer(cast("Any", mapping), domain, cipher)
    except ValueError as error:
        raise ChipMalformed("CardImage", "pace out of bounds") from error


def _chip_key(value: Any) -> ChipKey | None:
    if value is None:
        return None
    parts = form.array(value, 2, "chip_auth_key")
    require(len(parts) == 2, "chip_auth_key")
    domain = form.text(parts[0], "chip_auth_key", limit=MAX_PASSWORD_CHARS)
    number = form.text(parts[1], "chip_auth_key", limit=MAX_KEY_BYTES)
    try:
        return ChipKey(domain, int(number, 16))
    except ValueError as error:
        raise ChipMalformed("CardImage", "chip_auth_key out of bounds") from error


def _is_ascii_digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _fits(mrz_information: str) -> bool:
    return 14 < len(mrz_information) <= MAX_PASSWORD_CHARS and mrz_information.isascii()


def _private_key(der: bytes | None, what: str) -> SigningKey | None:
    if der is None:
        return None
    require(len(der) <= MAX_KEY_BYTES, what)
    try:
        key = load_der_private_key(der, password=None)
    except Exception as error:
        raise ChipMalformed("CardImage", f"{what} is no key") from error
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise ChipMalformed("CardImage", f"{what} is of another kind")
    require(not isinstance(key, rsa.RSAPrivateKey) or key.key_size >= MIN_RSA_BITS, what)
    return key
