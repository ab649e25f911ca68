"""An enrolment that is kept under consent: templates sealed, for one purpose, for a time.

Knows the sealed form. The templates are under a key of their own (AES-256-GCM), and that key is
wrapped for one recipient with the same hybrid suite as a group's ([9180]); both are bound to the
consent, so that neither its purpose nor its end can be changed afterwards. Opening it refuses
another purpose and a time outside the consent. Does not know what a template is, whose it is, nor
where the file is kept and that it is deleted: whoever keeps it asks `claimed_consent` for its end.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Meta, Struct

from wire.canonical import decode, dump, encode
from wire.errors import ConsentLacking, Malformed, SealBroken, TooLarge
from wire.record import Code
from wire.seal import KEY_BYTES, TAG_BYTES, WRAPPED_BYTES, OpeningKey, Randomness, Recipient, wrap

ENROLMENT_VERSION: Final = 1
MAX_TEMPLATES_BYTES: Final = 65_536
"""One record of several fingers."""
MAX_SEALED_BYTES: Final = MAX_TEMPLATES_BYTES + WRAPPED_BYTES + 1_024
MAX_CONSENT_S: Final = 10 * 366 * 86_400
"""Longer than anybody can foresee what they agreed to."""
CONSENT_ID_BYTES: Final = 16

_WHAT: Final = "enrolment"
_LABEL: Final = "tram enrolment"
# One key seals one enrolment: the nonce can be anything.
_NONCE: Final = bytes(12)

Instant = Annotated[int, Meta(ge=0, le=2**40)]
"""Seconds since 1970, UTC."""


class Consent(Struct, frozen=True, forbid_unknown_fields=True):
    """What a person agreed to.

    Attributes:
        id: random, CONSENT_ID_BYTES; the paper or record of the consent bears the same.
        purpose: what the templates may be compared for, as services name it.
        granted: from when on.
        expires: and before when, at most MAX_CONSENT_S later.
    """

    id: Annotated[bytes, Meta(min_length=CONSENT_ID_BYTES, max_length=CONSENT_ID_BYTES)]
    purpose: Code
    granted: Instant
    expires: Instant


class _Sealed(Struct, frozen=True, forbid_unknown_fields=True):
    version: Literal[1]
    consent: Consent
    recipient: Code
    wrapped: Annotated[bytes, Meta(min_length=WRAPPED_BYTES, max_length=WRAPPED_BYTES)]
    templates: Annotated[
        bytes, Meta(min_length=TAG_BYTES + 1, max_length=TAG_BYTES + MAX_TEMPLATES_BYTES)
    ]


def seal(
    templates: bytes, consent: Consent, recipient: Recipient, *, randomness: Randomness
) -> bytes:
    """Seal templates for one recipient under a consent.

    Args:
        templates: 1 to MAX_TEMPLATES_BYTES bytes.
        consent: what they may be used for, and until when.
        recipient: who may open them.
        randomness: of the key.

    Raises:
        TooLarge: too many bytes.
        Malformed: none, or a consent that is none.
    """
    if len(templates) > MAX_TEMPLATES_BYTES:
        raise TooLarge(_WHAT, size=len(templates), limit=MAX_TEMPLATES_BYTES)
    _require_span(consent)
    bound, key = _bound(consent, recipient.id), randomness(KEY_BYTES)
    return encode(
        _Sealed(
            version=ENROLMENT_VERSION,
            consent=consent,
            recipient=recipient.id,
            wrapped=wrap(key, recipient, info=bound),
            templates=AESGCM(key).encrypt(_NONCE, templates, bound),
        ),
        what=_WHAT,
        limit=MAX_SEALED_BYTES,
    )


def claimed_consent(raw: bytes) -> Consent:
    """Return what a sealed enrolment says of its consent; nothing of it is proved.

    It is enough to delete by: what claims to have ended may go.

    Raises:
        Malformed: this is no sealed enrolment.
    """
    return _read(raw).consent


def open_sealed(raw: bytes, key: OpeningKey, *, purpose: str, now: int) -> bytes:
    """Open templates for a purpose that was agreed to, in time.

    Args:
        raw: the sealed enrolment, from anyone.
        key: the recipient's.
        purpose: what they are opened for.
        now: seconds since 1970, UTC, of a clock that is trusted.

    Raises:
        Malformed: this is no sealed enrolment.
        ConsentLacking: it was agreed to for something else, not yet, or no longer.
        SealBroken: it was sealed for another key, or changed.
    """
    sealed = _read(raw)
    consent = sealed.consent
    if purpose != consent.purpose:
        raise ConsentLacking(_WHAT, "purpose")
    if not consent.granted <= now < consent.expires:
        raise ConsentLacking(_WHAT, "time")
    bound = _bound(consent, key.id)
    opened = key.unwrap(sealed.wrapped, info=bound)
    try:
        return AESGCM(opened).decrypt(_NONCE, sealed.templates, bound)
    except InvalidTag:
        raise SealBroken(_WHAT, "it does not open with this key here") from None


def _read(raw: bytes) -> _Sealed:
    sealed = decode(raw, _Sealed, what=_WHAT, limit=MAX_SEALED_BYTES, version=ENROLMENT_VERSION)
    _require_span(sealed.consent)
    return sealed


def _require_span(consent: Consent) -> None:
    if not consent.granted < consent.expires <= consent.granted + MAX_CONSENT_S:
        raise Malformed(_WHAT, "a consent of no length or of too great a length")


def _bound(consent: Consent, recipient: str) -> bytes:
    """Return what both the wrapped key and the templates are bound to."""
    return dump(
        [
            _LABEL,
            ENROLMENT_VERSION,
            consent.id,
            consent.purpose,
            consent.granted,
            consent.expires,
            recipient,
        ]
    )
