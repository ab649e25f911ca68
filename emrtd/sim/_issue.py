"""One card in the making: which files it has and what its chip can do.

Knows how choices become files. Does not know a person (`_holder`) nor sign anything itself (`pki`).

Spec: [9303-10], [9303-11]; Circular 16/2024/TT-BCA article 6 for the 2024 card.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import ec

from emrtd.sim import _data_groups as groups
from emrtd.sim import _security_infos as infos
from emrtd.sim._cvc import CVCertificate
from emrtd.sim._facial_record import dg2
from emrtd.sim._files import SOD_TAG
from emrtd.sim._finger_record import dg3
from emrtd.sim._holder import citizen_record, zone
from emrtd.sim.pki import sign_card_security, sign_security_object
from emrtd.tlv import encode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from emrtd.sim._cms import Identity
    from emrtd.sim._holder import Holder
    from emrtd.sim._key_proofs import ChipKey, SigningKey
    from emrtd.sim._protocols import PACEOffer
    from emrtd.sim.card_image import Generation
    from emrtd.sim.pki import TestPKI

DG13_FIELDS_2024 = (1, 2, 3, 4, 5, 8, 12)
"""Number, name, birth, sex, nationality, origin, expiry: the rest is for approved devices."""
AUTHORITY = "CUC QUAN LY XUAT NHAP CANH (TEST)"


@dataclass(frozen=True, slots=True)
class Chip:
    """What a chip can do, as its files announce it.

    Attributes:
        pace: its ways of PACE; () for none.
        parameter_ids: whether each PACEInfo names its domain.
        cipher: after chip authentication.
        key: static, of chip authentication and its mapping; None for neither.
        key_id: the number that the chip gives it, None for none.
        chip_auth: whether chip authentication is announced.
        signing_key: of active authentication, None for none.
        scheme: how it signs.
        explicit: whether curves are written out in DG14 and DG15.
        extended_bytes: longest command and answer, None if nothing is said.
        terminal_auth: whether fingers need it.
    """

    pace: tuple[PACEOffer, ...]
    parameter_ids: bool
    cipher: str
    key: ChipKey | None
    key_id: int | None
    chip_auth: bool
    signing_key: SigningKey | None
    scheme: str
    explicit: bool
    extended_bytes: int | None
    terminal_auth: bool

    @property
    def maps(self) -> bool:
        """Whether it proves itself within PACE."""
        return any(each.mapping == "cam" for each in self.pace)


@dataclass(frozen=True, slots=True)
class Pictures:
    """The coded images of one card: a portrait, fingers by position, a signature."""

    portrait: bytes
    fingers: Mapping[int, bytes]
    signature: bytes


def data_groups(
    holder: Holder,
    pictures: Pictures,
    chip: Chip,
    *,
    generation: Generation,
    contacts: tuple[tuple[str, str, str], ...],
) -> dict[str, bytes]:
    """Return the data groups in their order. Raises ValueError: a picture is none."""
    passport = generation == "passport"
    made = {"DG1": groups.dg1(zone(holder, passport=passport)), "DG2": dg2(pictures.portrait)}
    if pictures.fingers:
        made["DG3"] = dg3(pictures.fingers)
    if pictures.signature:
        made["DG7"] = groups.dg7(pictures.signature)
    if passport:
        made["DG11"] = groups.dg11(
            name=zone_name(holder), number=holder.number, birth=holder.birth,
            birthplace=holder.origin, address=holder.residence,
        )  # fmt: skip
        made["DG12"] = groups.dg12(authority=AUTHORITY, issued=holder.issued)
    else:
        made["DG13"] = groups.dg13(_record(holder, generation))
    announced = _announced(chip)
    if announced:
        made["DG14"] = infos.dg14(announced)
    if chip.signing_key is not None:
        made["DG15"] = infos.dg15(infos.signing_key(chip.signing_key, explicit=chip.explicit))
    if contacts:
        made["DG16"] = groups.dg16(contacts, recorded=holder.issued)
    return made


def other_files(
    made: Mapping[str, bytes], chip: Chip, *, generation: Generation, pki: TestPKI
) -> dict[str, bytes]:
    """Return what lies beside the data groups."""
    files = {"COM": groups.com(made), "SOD": signed_files(made, pki.signer)}
    if chip.pace:
        files["CardAccess"] = _card_access(chip, passport=generation == "passport")
    if chip.maps and chip.key is not None:
        files["CardSecurity"] = card_security(
            chip.pace, chip.key, pki.signer, parameter_ids=chip.parameter_ids
        )
    if chip.terminal_auth:
        reference = CVCertificate.from_bytes(pki.cvca.certificate).holder
        files["CVCA"] = groups.cvca(reference)
    if chip.extended_bytes:
        files["ATRInfo"] = groups.atr_info(chip.extended_bytes)
    return files


def alternatives(
    made: Mapping[str, bytes], holder: Holder, chip: Chip, *, generation: Generation, pki: TestPKI
) -> dict[str, bytes]:
    """Return the security objects that other signers, other data or another chip would have."""
    other = replace(holder, name="Ai Khác")
    another = {**made, "DG1": groups.dg1(zone(other, passport=generation == "passport"))}
    bare = {name: raw for name, raw in made.items() if name not in {"DG14", "DG15"}}
    signed = {"another": another, "bare": bare}
    if "DG13" in made:
        signed["contradictory"] = {**made, "DG13": groups.with_another_number(made["DG13"])}
    if "DG14" in made:
        signed["newer"] = {**made, "DG14": infos.with_newer_chip_auth(made["DG14"])}
    mapped = {}
    if chip.maps and chip.key is not None:
        mapped["card_security"] = card_security(
            chip.pace, chip.key.another(), pki.signer, parameter_ids=chip.parameter_ids
        )
    return {
        **mapped,
        "expired": signed_files(made, pki.expired_signer),
        "not_yet": signed_files(made, pki.early_signer),
        "revoked": signed_files(made, pki.revoked_signer),
        "namesake": signed_files(made, pki.namesake),
        "issuer": signed_files(made, pki.csca),
        "sha1": signed_files(made, pki.signer, digest="sha1"),
        **{name: signed_files(files, pki.signer) for name, files in signed.items()},
    }


def signed_files(
    files: Mapping[str, bytes], signer: Identity, *, digest: groups.Digest = "sha256"
) -> bytes:
    """Return an EF.SOD over the data groups among these files; only they are hashed by `digest`."""
    content = groups.security_object(files, digest=digest)
    return encode(SOD_TAG, sign_security_object(content, signer))


def zone_name(holder: Holder) -> str:
    """Return the name as DG11 has it: with its marks, family and given names apart."""
    family, _, given = holder.name.partition(" ")
    return f"{family}<<{'<'.join(given.split())}"


def _record(holder: Holder, generation: Generation) -> dict[int, str | tuple[str, ...]]:
    record = citizen_record(holder)
    if generation == "2024":
        return {number: record[number] for number in DG13_FIELDS_2024}
    return record


def _announced(chip: Chip) -> list[bytes]:
    announced = infos.pace_infos(chip.pace, parameter_ids=chip.parameter_ids)
    if chip.chip_auth and chip.key is not None:
        announced += infos.chip_auth_infos(
            chip.key, chip.cipher, key_id=chip.key_id, explicit=chip.explicit
        )
    elif chip.maps and chip.key is not None:
        # What nobody signed beside DG1 would be anybody's key.
        public = infos.public_key(chip.key, explicit=chip.explicit)
        number = chip.key.parameters.parameter_id
        announced.append(infos.chip_auth_public(chip.key, public, key_id=number))
    if chip.terminal_auth:
        announced.append(infos.terminal_auth_info())
    if isinstance(chip.signing_key, ec.EllipticCurvePrivateKey):
        announced.append(infos.active_auth_info(chip.scheme))
    return announced


def _card_access(chip: Chip, *, passport: bool) -> bytes:
    """Return EF.CardAccess; that of citizen cards announces more than it must, as was seen."""
    announced = infos.pace_infos(chip.pace, parameter_ids=chip.parameter_ids)
    if not passport:
        announced.append(infos.terminal_auth_info())
        if chip.chip_auth and chip.key is not None:
            announced.append(
                infos.chip_auth_infos(
                    chip.key, chip.cipher, key_id=chip.key_id, explicit=chip.explicit
                )[0]
            )
    return infos.infos_file(announced)


def card_security(
    pace: tuple[PACEOffer, ...], key: ChipKey, signer: Identity, *, parameter_ids: bool = True
) -> bytes:
    """Return an EF.CardSecurity over the key of chip authentication mapping."""
    announced = infos.pace_infos(pace, parameter_ids=parameter_ids)
    public = infos.standardised_key(key)
    # The worked example numbers the key of this mapping as its domain.
    number = key.parameters.parameter_id
    announced.append(infos.chip_auth_public(key, public, key_id=number))
    return sign_card_security(infos.infos_file(announced), signer)
