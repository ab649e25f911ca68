"""A kept enrolment opens for whom, what and as long as its person agreed, and not otherwise."""

from __future__ import annotations

import secrets

import cbor2
import msgspec
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st
from wire_independent import cbor, hpke_open
from wire_material import IDENTITY_KEY, OPERATIONS_KEY

from wire.enrolment import (
    CONSENT_ID_BYTES,
    MAX_CONSENT_S,
    MAX_SEALED_BYTES,
    MAX_TEMPLATES_BYTES,
    Consent,
    claimed_consent,
    open_sealed,
    seal,
)
from wire.errors import (
    ConsentLacking,
    Malformed,
    SealBroken,
    TooLarge,
    VersionUnsupported,
    WireError,
)
from wire.seal import WRAPPED_BYTES, OpeningKey

NOW = 1_790_000_000
CONSENT = Consent(bytes(range(CONSENT_ID_BYTES)), "collect-card", NOW - 10, NOW + 10)
TEMPLATES = b"FMR\x00 20\x00 and what follows"
SEALED = seal(TEMPLATES, CONSENT, IDENTITY_KEY.recipient(), randomness=secrets.token_bytes)


def opened(raw=SEALED, key=IDENTITY_KEY, purpose="collect-card", now=NOW):
    return open_sealed(raw, key, purpose=purpose, now=now)


def changed(**fields):
    """Return the sealed enrolment with other fields, those of the consent among them."""
    document = cbor2.loads(SEALED)
    for name, value in fields.items():
        (document["consent"] if name in document["consent"] else document)[name] = value
    return cbor2.dumps(document, canonical=True)


def test_it_opens_for_its_recipient_and_purpose_in_time():
    assert opened() == TEMPLATES
    assert opened(now=CONSENT.granted) == TEMPLATES
    assert opened(now=CONSENT.expires - 1) == TEMPLATES
    assert TEMPLATES[8:] not in SEALED


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"purpose": "open-account"}, "purpose"),
        ({"now": CONSENT.granted - 1}, "time"),
        ({"now": CONSENT.expires}, "time"),
        ({"now": 0}, "time"),
    ],
)
def test_what_was_not_agreed_to_is_refused(asked, why):
    with pytest.raises(ConsentLacking) as refused:
        opened(**asked)
    assert refused.value.why == why


def test_another_key_does_not_open_it():
    stranger = OpeningKey.generate(IDENTITY_KEY.id, randomness=secrets.token_bytes)
    for key in (stranger, OPERATIONS_KEY):
        with pytest.raises(SealBroken):
            opened(key=key)


@pytest.mark.parametrize(
    "fields",
    [
        {"expires": NOW + 10_000_000},
        {"granted": NOW - 11},
        {"id": bytes(CONSENT_ID_BYTES)},
        {"templates": bytes(40)},
        {"wrapped": bytes(WRAPPED_BYTES)},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_nothing_of_it_can_be_changed(fields):
    with pytest.raises(SealBroken):
        opened(changed(**fields))


def test_a_changed_purpose_or_recipient_opens_nothing():
    with pytest.raises(SealBroken):
        opened(changed(purpose="open-account"), purpose="open-account")
    renamed = OpeningKey("identity-2", IDENTITY_KEY.private)
    for raw in (SEALED, changed(recipient="identity-2")):
        with pytest.raises(SealBroken):
            opened(raw, key=renamed)


def test_templates_of_one_are_not_those_of_another():
    other = seal(b"another", CONSENT, IDENTITY_KEY.recipient(), randomness=secrets.token_bytes)
    with pytest.raises(SealBroken):
        opened(changed(templates=cbor2.loads(other)["templates"]))


def test_an_independent_reader_opens_it():
    document = cbor2.loads(SEALED)
    bound = cbor(
        ["tram enrolment", 1, CONSENT.id, "collect-card", NOW - 10, NOW + 10, IDENTITY_KEY.id]
    )
    key = hpke_open(IDENTITY_KEY.private, document["wrapped"], bound)
    assert AESGCM(key).decrypt(bytes(12), document["templates"], bound) == TEMPLATES


def test_it_says_when_it_ends_without_a_key():
    assert claimed_consent(SEALED) == CONSENT


@pytest.mark.parametrize(
    "fields",
    [
        {"expires": NOW - 10},
        {"expires": NOW - 10 + MAX_CONSENT_S + 1},
        {"expires": -1},
        {"id": bytes(15)},
        {"purpose": "two words"},
        {"wrapped": b""},
        {"templates": bytes(16)},
        {"more": 1},
    ],
    ids=repr,
)
def test_what_is_no_sealed_enrolment_is_refused(fields):
    for read in (claimed_consent, opened):
        with pytest.raises(Malformed):
            read(changed(**fields))


def test_another_version_is_not_guessed_at():
    with pytest.raises(VersionUnsupported):
        opened(changed(version=2))


def test_what_cannot_be_kept_is_not_sealed():
    recipient = IDENTITY_KEY.recipient()
    with pytest.raises(TooLarge):
        seal(bytes(MAX_TEMPLATES_BYTES + 1), CONSENT, recipient, randomness=secrets.token_bytes)
    with pytest.raises(Malformed):
        seal(b"", CONSENT, recipient, randomness=secrets.token_bytes)
    for expires in (CONSENT.granted, CONSENT.granted + MAX_CONSENT_S + 1):
        longer = msgspec.structs.replace(CONSENT, expires=expires)
        with pytest.raises(Malformed):
            seal(b"x", longer, recipient, randomness=secrets.token_bytes)
    most = seal(bytes(MAX_TEMPLATES_BYTES), CONSENT, recipient, randomness=secrets.token_bytes)
    assert len(most) <= MAX_SEALED_BYTES
    assert opened(most) == bytes(MAX_TEMPLATES_BYTES)


def test_each_has_a_key_of_its_own():
    again = seal(TEMPLATES, CONSENT, IDENTITY_KEY.recipient(), randomness=secrets.token_bytes)
    assert cbor2.loads(again)["templates"] != cbor2.loads(SEALED)["templates"]


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_refused(raw):
    with pytest.raises(WireError):
        opened(raw)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, len(SEALED) - 1), st.integers(1, 255))
def test_a_changed_byte_opens_nothing(at, flip):
    raw = bytearray(SEALED)
    raw[at] ^= flip
    with pytest.raises(WireError):
        opened(bytes(raw))
