"""A certificate revocation list, read whole or not at all.

Knows the lists of one issuer. What a list names is revoked, whatever it leaves out: one for some
certificates or reasons only, or a delta, says by its `scope` that its silence means nothing. One
that speaks for others (an indirect one) or demands what is not understood is read and says why it
cannot be used. Whose key signed it is `emrtd.trust`'s.

Spec: [5280] CRL profile; [9303-12] CRL profile.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from asn1crypto import core, crl

from emrtd import certificate as certificates
from emrtd._asn1 import load, reading
from emrtd.signatures import Scheme, scheme_of

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping
    from datetime import datetime

MAX_CRL_BYTES = 4_194_304
MAX_CRL_OBJECTS = 500_000
"""An entry is four; no state has revoked a hundred thousand."""

_NUMBER, _DELTA, _DISTRIBUTION_POINT = "2.5.29.20", "2.5.29.27", "2.5.29.28"
_CERTIFICATE_ISSUER, _REASON = "2.5.29.29", "2.5.29.21"
_TAKEN_BACK = "remove_from_crl"
_UNDERSTOOD = frozenset({_NUMBER, _DELTA, _DISTRIBUTION_POINT, "2.5.29.35"})
_ENTRY_UNDERSTOOD = frozenset({_REASON, "2.5.29.24"})
"""Reason and date of invalidity: revoked is revoked."""

_LIMITS = (
    "only_contains_user_certs", "only_contains_ca_certs", "only_some_reasons",
    "only_contains_attribute_certs",
)  # fmt: skip

Scope = Literal["complete", "part", "delta"]
"""All that its issuer revoked, some kinds of it, or what changed since another list."""


@dataclass(frozen=True, slots=True)
class RevocationList:
    """What an issuer revoked.

    Attributes:
        issuer: its name, made comparable.
        issuer_text: its name for people.
        country: of its name, in upper case, None if it has none.
        signed: the part that was signed, DER.
        signature: over it.
        scheme: how that was made.
        serials: every serial number that it revokes.
        scope: of what its silence says that it is in force: only of a complete one, of anything.
        this_update: when it was made, aware.
        next_update: when the next one was promised, None without.
        why_not: why it cannot be used, None if it can.
    """

    issuer: Hashable
    issuer_text: str
    country: str | None
    signed: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    scheme: Scheme
    serials: frozenset[int] = field(repr=False)
    scope: Scope
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
        extensions = {each["extn_id"].dotted: each for each in _items(body["crl_extensions"])}
        scope = _scope(extensions)
        return RevocationList(
            issuer=body["issuer"].hashable,
            issuer_text=certificates.name_text(body["issuer"]),
            country=certificates.name_country(body["issuer"]),
            signed=body.dump(),
            signature=bytes(whole["signature"]),
            scheme=scheme_of(algorithm),
            serials=frozenset(
                int(each["user_certificate"])
                for each in revoked
                # Only a delta can take back what its base names [5280].
                if scope != "delta" or not _taken_back(each)
            ),
            scope=scope,
            this_update=certificates.instant(body["this_update"]),
            next_update=(
                None if isinstance(next_update, core.Void) else certificates.instant(next_update)
            ),
            why_not=_why_not(extensions, revoked),
        )


def _scope(extensions: Mapping[str, Any]) -> Scope:
    if _DELTA in extensions:
        return "delta"
    point = extensions.get(_DISTRIBUTION_POINT)
    if point is None:
        return "complete"
    # Where a list lies limits nothing.
    limited = any(point["extn_value"].parsed[name].native for name in _LIMITS)
    return "part" if limited else "complete"


def _taken_back(entry: Any) -> bool:
    return any(
        each["extn_id"].dotted == _REASON and each["extn_value"].parsed.native == _TAKEN_BACK
        for each in _items(entry["crl_entry_extensions"])
    )


def _why_not(extensions: Mapping[str, Any], revoked: Iterable[Any]) -> str | None:
    point = extensions.get(_DISTRIBUTION_POINT)
    if point is not None and point["extn_value"].parsed["indirect_crl"].native:
        return "speaks for other issuers"
    if any(_critical(each, _UNDERSTOOD) for each in extensions.values()):
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
