"""EF.SOD: the state's signature over the hashes of the data groups.

Knows the LDS security object inside CMS SignedData. Does not check a signature or a hash; that is
`emrtd.passive_auth`.

Spec: [9303-10] EF.SOD; [5652].
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from asn1crypto import cms, core

from emrtd import _cms, tlv
from emrtd._asn1 import load, reading
from emrtd._cms import SignedData
from emrtd.errors import ChipMalformed, Fault
from emrtd.signatures import digest_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptography.hazmat.primitives.hashes import HashAlgorithm

TAG = 0x77
MAX_BYTES = 65_536
DATA_GROUPS = range(1, 17)
LDS_SECURITY_OBJECT = "2.23.136.1.1.1"


@dataclass(frozen=True, slots=True)
class LDSSecurityObject:
    """What is signed: a hash for each data group.

    Attributes:
        version: 0 or 1.
        digest: the algorithm of every hash in it.
        hashes: data group name, "DG1" to "DG16", to its hash.
        lds_version: e.g. "0108"; version 1 only.
        unicode_version: e.g. "040000"; version 1 only.
    """

    version: int
    digest: HashAlgorithm
    hashes: Mapping[str, bytes] = field(repr=False)
    lds_version: str | None
    unicode_version: str | None


@dataclass(frozen=True, slots=True)
class SOD(SignedData):
    """The security object and its one signature: `content` is the LDS security object, DER.

    Attributes:
        security_object: the content, parsed.
    """

    security_object: LDSSecurityObject


def parse(raw: bytes) -> SOD:
    """Parse the file.

    Raises:
        ChipMalformed: SECURITY_OBJECT_MALFORMED: no LDS security object with exactly one signature
            over signed attributes.
    """
    try:
        return _parse(raw)
    except ChipMalformed as error:
        fault = Fault.SECURITY_OBJECT_MALFORMED
        raise ChipMalformed("EF.SOD", f"in its {error.doing}", fault=fault) from error


def _parse(raw: bytes) -> SOD:
    inner = tlv.parse_one(raw, TAG, limit=MAX_BYTES).value
    signed = _cms.parse(inner, content_type=LDS_SECURITY_OBJECT, what="EF.SOD")
    parts = {each.name: getattr(signed, each.name) for each in fields(SignedData)}
    return SOD(**parts, security_object=parse_security_object(signed.content))


def parse_security_object(raw: bytes) -> LDSSecurityObject:
    """Parse an LDS security object.

    Raises:
        ChipMalformed: another version, an unknown digest, or hashes that are not one a data group.
    """
    with reading("LDSSecurityObject"):
        whole = load(core.Sequence, raw)
        parts = [whole[at] for at in range(len(whole))]
        version = int(_typed(parts[0], core.Integer))
        _require(len(parts) == 3 + version and version in {0, 1})
        digest = digest_of(load(cms.DigestAlgorithm, _typed(parts[1], core.Sequence).dump()))
        hashes: dict[str, bytes] = {}
        listed = _typed(parts[2], core.Sequence)
        for at in range(len(listed)):
            number, value = listed[at][0], listed[at][1]
            _require(len(listed[at]) == 2 and int(_typed(number, core.Integer)) in DATA_GROUPS)
            name = f"DG{int(number)}"
            _require(name not in hashes)
            hashes[name] = bytes(_typed(value, core.OctetString))
            _require(len(hashes[name]) == digest.digest_size)
        _require("DG1" in hashes)
        versions = (
            [str(_typed(parts[3][at], core.PrintableString)) for at in (0, 1)] if version else ()
        )
        lds_version, unicode_version = versions or (None, None)
    return LDSSecurityObject(
        version, digest, MappingProxyType(hashes), lds_version, unicode_version
    )


def _typed(value: Any, kind: type[Any]) -> Any:
    _require(isinstance(value, kind))
    return value


def _require(holds: bool) -> None:  # noqa: FBT001 - reads as a sentence
    if not holds:
        raise ValueError("a rule of the structure does not hold")
