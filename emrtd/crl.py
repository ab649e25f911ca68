"""A certificate revocation list, read whole or not at all.

Knows complete lists of one issuer. A list that stands for less (a delta, one for some certificates
only) or for others (an indirect one) is read and says why it cannot be used: to take it for a
complete one would be to believe that what it leaves out is in force. Whose key signed it is
`emrtd.trust`'s.

Spec: [5280] CRL profile; [9303-12] CRL profile.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from asn1crypto import core, crl

from emrtd import certificate as certificates
from emrtd._asn1 import load, reading
from emrtd.signatures import Scheme, scheme_of

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable
    from datetime import datetime

MAX_CRL_BYTES = 4_194_304
MAX_CRL_OBJECTS = 500_000
"""An entry is four; no state has revoked a hundred thousand."""

_NUMBER, _DELTA, _DISTRIBUTION_POINT = "2.5.29.20", "2.5.29.27", "2.5.29.28"
_CERTIFICATE_ISSUER = "2.5.29.29"
_UNDERSTOOD = frozenset({_NUMBER, "2.5.29.35"})
_ENTRY_UNDERSTOOD = frozenset({"2.5.29.21", "2.5.29.24"})
"""Reason and date of invalidity: revoked is revoked."""


@dataclass(frozen=True, slots=True)
class RevocationList:
    """What an issuer revoked.

    Attributes:
        issuer: its name, made comparable.
        issuer_text: its name for people.
        signed: the part that was signed, DER.
        signature: over it.
        scheme: how that was made.
        serials: every serial number that it names.
        this_update: when it was made, aware.
        next_update: when the next one was promised, None without.
        why_not: why it cannot stand for all that its issuer revoked, None if it can.
    """

    issuer: Hashable
    issuer_text: str
    signed: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    scheme: Scheme
    serials: frozenset[int] = field(repr=False)
    this_update: datetime
    next_update: datetime | None
    why_not: str | None


def parse(raw: bytes) -> RevocationList:
    """Parse a list.

    Raises:
        ChipMalformed: it is none, or longer than `MAX_CRL_BYTES`.
    """
    with reading("CRL"):
        if len(raw) > MAX_CRL_BYTES:
            raise ValueError("too long")
        whole = load(crl.CertificateList, raw, max_objects=MAX_CRL_OBJECTS)
        body = whole["tbs_cert_list"]
        revoked, next_update = tuple(_items(body["revoked_certificates"])), body["next_update"]
        algorithm = whole["signature_algorithm"]
        if body["signature"].dump() != algorithm.dump():
            raise ValueError("two signature algorithms")
        return RevocationList(
            issuer=body["issuer"].hashable,
            issuer_text=certificates.name_text(body["issuer"]),
            signed=body.dump(),
            signature=bytes(whole["signature"]),
            scheme=scheme_of(algorithm),
            serials=frozenset(int(each["user_certificate"]) for each in revoked),
            this_update=certificates.instant(body["this_update"]),
            next_update=(
                None if isinstance(next_update, core.Void) else certificates.instant(next_update)
            ),
            why_not=_why_not(body["crl_extensions"], revoked),
        )


def _why_not(extensions: Any, revoked: Iterable[Any]) -> str | None:
    ours = {each["extn_id"].dotted: each for each in _items(extensions)}
    if _DELTA in ours:
        return "a delta of another list"
    point = ours.get(_DISTRIBUTION_POINT)
    if point is not None:
        indirect = bool(point["extn_value"].parsed["indirect_crl"].native)
        return "speaks for other issuers" if indirect else "covers a part only"
    if any(_critical(each, _UNDERSTOOD) for each in ours.values()):
        return "unknown critical extension"
    for entry in revoked:
        for each in _items(entry["crl_entry_extensions"]):
            if each["extn_id"].dotted == _CERTIFICATE_ISSUER:
                return "speaks for other issuers"
            if _critical(each, _ENTRY_UNDERSTOOD):
                return "unknown critical extension"
    return None


def _critical(extension: Any, understood: frozenset[str]) -> bool:
    return bool(extension["critical"].native) and extension["extn_id"].dotted not in understood


def _items(sequence: Any) -> Iterable[Any]:
    """Return the parts of an optional sequence."""
    return () if isinstance(sequence, core.Void) else sequence
