"""Everything that is in one test card, as a value and as a JSON file.

Knows the files, the chip's private keys and the passwords. Does not know how any of it was made
(`personalise`) nor how a chip answers (`chip`). Made-up people only: a card image holds private
keys in the clear and must never hold a person.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_der_private_key

from emrtd.errors import ChipMalformed
from emrtd.sim._curves import CURVES
from emrtd.sim._files import FILE_IDS, MAX_FILE_BYTES
from emrtd.sim._secure_channel import AES_BITS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from emrtd.sim._key_proofs import SigningKey

VERSION = 1
MAX_JSON_BYTES = 1_048_576
MAX_KEY_BYTES = 2560  # RSA with 4096 bits has 2375
MIN_RSA_BITS = 1024
MAX_PASSWORD_CHARS = 64
GENERATIONS = ("2021", "2024")

_KEYS = {
    "version", "generation", "curve", "aes_bits", "files", "expired_sod",
    "chip_auth_key", "active_auth_key", "can", "mrz_information",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class CardImage:
    """One issued test card.

    Attributes:
        generation: "2021" or "2024".
        curve: the domain parameters of PACE, a name of `CURVES`.
        aes_bits: key length of PACE and of chip authentication.
        files: evidence name to the file's bytes.
        expired_sod: the same document signed by a signer whose time is over, for that one fault.
        chip_auth_key: PKCS #8 DER of an elliptic curve key; None: no chip authentication.
        active_auth_key: PKCS #8 DER, RSA or elliptic curve; None: no active authentication.
        can: six digits.
        mrz_information: number, birth and expiry with their check digits: the MRZ as a password.

    Raises:
        ChipMalformed: something is out of bounds, or a key is none.
    """

    generation: str
    curve: str
    aes_bits: int
    files: Mapping[str, bytes] = field(repr=False)
    expired_sod: bytes = field(repr=False)
    chip_auth_key: bytes | None = field(repr=False)
    active_auth_key: bytes | None = field(repr=False)
    can: str = field(repr=False)
    mrz_information: str = field(repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "files", MappingProxyType(dict(self.files)))
        _require(self.generation in GENERATIONS, "generation")
        _require(self.curve in CURVES, "curve")
        _require(self.aes_bits in AES_BITS, "aes_bits")
        _require("CardAccess" in self.files and self.files.keys() <= FILE_IDS.keys(), "files")
        sizes = [len(raw) for raw in (*self.files.values(), self.expired_sod)]
        _require(all(0 < size <= MAX_FILE_BYTES for size in sizes), "files")
        _require(_is_ascii_digits(self.can) and len(self.can) == 6, "can")
        _require(0 < len(self.mrz_information) <= MAX_PASSWORD_CHARS, "mrz_information")
        _require(self.mrz_information.isascii(), "mrz_information")
        self.chip_auth_private()
        self.active_auth_private()

    def chip_auth_private(self) -> ec.EllipticCurvePrivateKey | None:
        """Return the key of chip authentication, ready for use."""
        key = _private_key(self.chip_auth_key, "chip_auth_key")
        _require(key is None or isinstance(key, ec.EllipticCurvePrivateKey), "chip_auth_key")
        return cast("ec.EllipticCurvePrivateKey | None", key)

    def active_auth_private(self) -> SigningKey | None:
        """Return the key of active authentication, ready for use."""
        return _private_key(self.active_auth_key, "active_auth_key")

    def to_json(self) -> str:
        """Encode for keeping; the same card gives the same text."""
        tree = {
            "version": VERSION,
            "generation": self.generation,
            "curve": self.curve,
            "aes_bits": self.aes_bits,
            "can": self.can,
            "mrz_information": self.mrz_information,
            "chip_auth_key": None if self.chip_auth_key is None else self.chip_auth_key.hex(),
            "active_auth_key": None if self.active_auth_key is None else self.active_auth_key.hex(),
            "files": {name: raw.hex() for name, raw in self.files.items()},
            "expired_sod": self.expired_sod.hex(),
        }
        return json.dumps(tree, indent=1) + "\n"

    @classmethod
    def from_json(cls, raw: str | bytes) -> CardImage:
        """Decode a kept card; unknown and missing keys are refused.

        Raises:
            ChipMalformed: not a card image of a known version, or out of bounds.
        """
        tree = parse_object(raw, "CardImage", limit=MAX_JSON_BYTES)
        _require(tree.keys() == _KEYS, "keys")
        _require(type(tree["version"]) is int and tree["version"] == VERSION, "version")
        files = tree["files"]
        _require(type(files) is dict and len(files) <= len(FILE_IDS), "files")
        _require(type(tree["aes_bits"]) is int, "aes_bits")
        return cls(
            generation=_text(tree["generation"], "generation"),
            curve=_text(tree["curve"], "curve"),
            aes_bits=tree["aes_bits"],
            files={
                name: _bytes(value, name, limit=MAX_FILE_BYTES) for name, value in files.items()
            },
            expired_sod=_bytes(tree["expired_sod"], "expired_sod", limit=MAX_FILE_BYTES),
            chip_auth_key=_optional_key(tree["chip_auth_key"], "chip_auth_key"),
            active_auth_key=_optional_key(tree["active_auth_key"], "active_auth_key"),
            can=_text(tree["can"], "can"),
            mrz_information=_text(tree["mrz_information"], "mrz_information"),
        )


def parse_object(raw: str | bytes, doing: str, *, limit: int) -> dict[str, Any]:
    """Parse one JSON object, strictly: bounded, no duplicate keys.

    Args:
        raw: UTF-8 bytes or text.
        doing: what is being read, for the error.
        limit: most characters or bytes.

    Raises:
        ChipMalformed: it is none.
    """
    if len(raw) > limit:
        raise ChipMalformed(doing, "too long")
    try:
        tree = json.loads(raw, object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError) as error:
        raise ChipMalformed(doing, "not strict JSON") from error
    if type(tree) is not dict:
        raise ChipMalformed(doing, "not a JSON object")
    return tree


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    tree = dict(pairs)
    if len(tree) != len(pairs):
        raise ValueError("a key stands twice")
    return tree


def _require(holds: bool, what: str) -> None:  # noqa: FBT001 - reads as a sentence
    if not holds:
        raise ChipMalformed("CardImage", f"{what} out of bounds")


def _text(value: Any, what: str) -> str:
    _require(type(value) is str and len(value) <= MAX_PASSWORD_CHARS, what)
    return cast("str", value)


def _bytes(value: Any, what: str, *, limit: int) -> bytes:
    _require(type(value) is str and len(value) <= 2 * limit, what)
    try:
        return bytes.fromhex(value)
    except ValueError as error:
        raise ChipMalformed("CardImage", f"{what} is not hex") from error


def _optional_key(value: Any, what: str) -> bytes | None:
    return None if value is None else _bytes(value, what, limit=MAX_KEY_BYTES)


def _is_ascii_digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _private_key(der: bytes | None, what: str) -> SigningKey | None:
    if der is None:
        return None
    _require(len(der) <= MAX_KEY_BYTES, what)
    try:
        key = load_der_private_key(der, password=None)
    except Exception as error:
        raise ChipMalformed("CardImage", f"{what} is no key") from error
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise ChipMalformed("CardImage", f"{what} is of another kind")
    _require(not isinstance(key, rsa.RSAPrivateKey) or key.key_size >= MIN_RSA_BITS, what)
    return key
