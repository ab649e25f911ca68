"""Issue a test card: a made-up holder, a portrait and an issuer become files, keys and passwords.

Knows what each generation of the citizen card stores under ICAO rules, how its number, dates and
passwords hang together, and how a counterfeiter would change the result. Does not read images (they
are bytes) and refuses any number that could be a person's.

Spec: [9303-10]; Circular 16/2024/TT-BCA article 6 for the 2024 card.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from emrtd.sim import _data_groups as groups
from emrtd.sim._curves import CURVES
from emrtd.sim._facial_record import MAX_IMAGE_BYTES, dg2
from emrtd.sim._files import SOD_TAG
from emrtd.sim._mrz_writer import mrz_information, td1, transliterate
from emrtd.sim.card_image import CardImage
from emrtd.sim.pki import Identity, TestPKI, sign_security_object
from emrtd.tlv import encode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date

    from emrtd.sim._curves import Randomness
    from emrtd.sim._key_proofs import SigningKey

__all__ = ["MAX_IMAGE_BYTES", "CardImage", "Holder", "clone", "expiry", "personalise", "tamper"]

TEST_PREFIX = "999"
"""No province has this number: what starts with it is nobody's."""

Generation = Literal["2021", "2024"]
AuthMethod = Literal["aa", "ca"]

DEFAULT_AUTH: Mapping[str, frozenset[AuthMethod]] = {
    "2021": frozenset({"aa", "ca"}),
    "2024": frozenset({"ca"}),
}
DG13_FIELDS_2024 = (1, 2, 3, 4, 5, 8, 12)
"""Number, name, birth, sex, nationality, origin, expiry: the rest is for approved devices."""

NO_EXPIRY = "Không thời hạn"
_BANDS = ((23, 25), (38, 40), (58, 60))


@dataclass(frozen=True, slots=True, repr=False)
class Holder:
    """A made-up person.

    Attributes:
        number: twelve digits that start with `TEST_PREFIX`.
        name: family name first, with its marks.
        sex: "M" or "F".
        expiry: last day of the card, None for one without.
        father: "" if the record has no parents; so for the mother and the spouse.

    Raises:
        ValueError: the number may be a person's, the name is empty, or the dates run backward.
    """

    number: str
    name: str
    birth: date
    sex: Literal["M", "F"]
    issued: date
    expiry: date | None
    nationality: str = "Việt Nam"
    ethnicity: str = "Kinh"
    religion: str = "Không"
    origin: str = "Xã Mẫu, Hà Nội"
    residence: str = "Số 1, Phố Giả, Xã Mẫu, Hà Nội"
    marks: str = "Nốt ruồi C:1cm"
    father: str = "Nguyễn Văn A"
    mother: str = "Trần Thị B"
    spouse: str = ""
    old_number: str = ""
    serial: str = "0123456789ABCDEF"

    def __post_init__(self) -> None:
        if not (self.number.isascii() and self.number.isdigit() and len(self.number) == 12):
            raise ValueError("a personal number has twelve digits")
        if not self.number.startswith(TEST_PREFIX):
            raise ValueError(f"a test card's number starts with {TEST_PREFIX}: others are people's")
        if not transliterate(self.name):
            raise ValueError("a name needs letters")
        if not self.birth <= self.issued <= (self.expiry or self.issued):
            raise ValueError("birth, issue and expiry are in this order")


def expiry(birth: date, issued: date) -> date | None:
    """Return the last day by the age bands of the law: 25, 40, 60; None for who is past them.

    A card issued in the two years before a band is valid to the next one.
    """
    age = issued.year - birth.year - ((issued.month, issued.day) < (birth.month, birth.day))
    for younger_than, until in _BANDS:
        if age < younger_than:
            leap_day = (birth.month, birth.day) == (2, 29)
            return birth.replace(year=birth.year + until, day=28 if leap_day else birth.day)
    return None


def personalise(
    holder: Holder,
    portrait_image: bytes,
    *,
    generation: Generation,
    pki: TestPKI,
    randomness: Randomness,
    auth: frozenset[AuthMethod] | None = None,
    curve: str = "brainpoolP256r1",
    aes_bits: int = 128,
    active_auth_key: SigningKey | None = None,
    explicit_parameters: bool = False,
) -> CardImage:
    """Issue one card.

    Args:
        holder: who is on it.
        portrait_image: JPEG or JPEG 2000, at most `MAX_IMAGE_BYTES`.
        generation: which files it has and what its citizen record holds.
        pki: its signers.
        randomness: source of the chip's keys; the same bytes give the same card.
        auth: how the chip proves itself, None for what the generation does.
        curve: of PACE and of the chip's keys, a name of `CURVES`.
        aes_bits: 128, 192 or 256.
        active_auth_key: for active authentication, None for a new P-256 key.
        explicit_parameters: write the curve of the chip's keys out, as states do.

    Raises:
        ValueError: the image is no portrait.
    """
    methods = DEFAULT_AUTH[generation] if auth is None else auth
    domain = CURVES[curve]
    chip_auth = domain.private_key(randomness) if "ca" in methods else None
    active_auth = None
    if "aa" in methods:
        active_auth = active_auth_key or CURVES["P-256"].private_key(randomness)
    record = _citizen_record(holder)
    if generation == "2024":
        record = {number: record[number] for number in DG13_FIELDS_2024}
    explicit = domain if explicit_parameters else None
    ca_info = None if chip_auth is None else groups.public_key_info(chip_auth, explicit=explicit)
    data_groups = {
        "DG1": groups.dg1(_mrz(holder)),
        "DG2": dg2(portrait_image),
        "DG13": groups.dg13(record),
        "DG14": groups.dg14(domain, aes_bits, chip_auth=ca_info, active_auth=active_auth),
    }
    if active_auth is not None:
        aa_curve = CURVES["P-256"] if explicit_parameters and active_auth_key is None else None
        data_groups["DG15"] = groups.dg15(groups.public_key_info(active_auth, explicit=aa_curve))
    return CardImage(
        generation=generation,
        curve=curve,
        aes_bits=aes_bits,
        files={
            "CardAccess": groups.card_access(domain, aes_bits, chip_auth=chip_auth is not None),
            "COM": groups.com(data_groups),
            "SOD": signed_files(data_groups, pki.signer),
            **data_groups,
        },
        expired_sod=signed_files(data_groups, pki.expired_signer),
        chip_auth_key=_pkcs8(chip_auth),
        active_auth_key=_pkcs8(active_auth),
        can=holder.number[-6:],
        mrz_information=mrz_information(
            number=holder.number, birth=holder.birth, expiry=holder.expiry
        ),
    )


def signed_files(files: Mapping[str, bytes], signer: Identity) -> bytes:
    """Return an EF.SOD over the data groups among these files."""
    return encode(SOD_TAG, sign_security_object(groups.security_object(files), signer))


def clone(card: CardImage) -> CardImage:
    """Return a counterfeit: the right files, but keys that the counterfeiter had to make."""
    chip_auth, active_auth = card.chip_auth_private(), card.active_auth_private()
    return dataclasses.replace(
        card,
        chip_auth_key=_pkcs8(None if chip_auth is None else _another(chip_auth)),
        active_auth_key=_pkcs8(None if active_auth is None else _another(active_auth)),
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
        offset = len(raw) - _NAME_LINE if file == "DG1" else len(raw) * 3 // 4
    if not -len(raw) <= offset < len(raw):
        raise ValueError(f"no byte {offset} in {file}")
    old = chr(raw[offset])
    # Another letter for a letter, so that a forged name is a name.
    raw[offset] = (
        ord("A" if old == "Z" else chr(ord(old) + 1)) if "A" <= old <= "Z" else ord(old) ^ 1
    )
    return dataclasses.replace(card, files={**card.files, file: bytes(raw)})


_NAME_LINE = 30


def _mrz(holder: Holder) -> str:
    return td1(
        number=holder.number, name=holder.name, birth=holder.birth, sex=holder.sex,
        expiry=holder.expiry,
    )  # fmt: skip


def _citizen_record(holder: Holder) -> dict[int, str | tuple[str, ...]]:
    texts: dict[int, str | tuple[str, ...]] = {
        1: holder.number,
        2: holder.name,
        3: _slashed(holder.birth),
        4: "Nam" if holder.sex == "M" else "Nữ",
        5: holder.nationality,
        6: holder.ethnicity,
        7: holder.religion,
        8: holder.origin,
        9: holder.residence,
        10: holder.marks,
        11: _slashed(holder.issued),
        12: NO_EXPIRY if holder.expiry is None else _slashed(holder.expiry),
        13: _named((holder.father, holder.mother)),
        14: _named((holder.spouse,)),
        15: holder.old_number,
        16: holder.serial,
    }
    return {number: text for number, text in texts.items() if text}


def _named(people: Iterable[str]) -> tuple[str, ...]:
    return tuple(person for person in people if person)


def _slashed(day: date) -> str:
    return f"{day:%d/%m/%Y}"


def _another(key: SigningKey) -> SigningKey:
    """Return a key of the same kind and size that is not this one."""
    if isinstance(key, rsa.RSAPrivateKey):
        return rsa.generate_private_key(public_exponent=65537, key_size=key.key_size)
    number = key.private_numbers().private_value
    return ec.derive_private_key(number - 1 if number > 1 else 2, key.curve)


def _pkcs8(key: SigningKey | None) -> bytes | None:
    if key is None:
        return None
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
