"""EF.CardSecurity: signed by openssl, read from BSI's examples, and never believed unsigned."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import pickle
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from cvc_issuer import bsi, openpace
from hypothesis import given, settings
from hypothesis import strategies as st
from issued_documents import CA_AES_128, DG1, PACE_AES_128, chip_key, document, number
from openssl_issuer import (
    Identity,
    issued,
    key,
    needs_openssl,
    public_key,
    revocation_list,
    root,
    signed,
)
from reader_material import do

from emrtd.errors import ChipLied, ChipMalformed, Fault
from emrtd.lds.card_security import MAX_BYTES, SECURITY_OBJECT, parse
from emrtd.passive_auth import (
    ClockUnsure,
    ConsistentCardSecurity,
    VerifiedCardSecurity,
    card_security_auth,
)
from emrtd.trust import TrustStore
from emrtd.validity import ClockQuality

if TYPE_CHECKING:
    from emrtd.evidence import Evidence

pytestmark = needs_openssl

NOW = datetime.now(UTC) + timedelta(hours=1)
KEY = "ec:brainpoolP256r1"


def infos(*more: bytes) -> bytes:
    own = chip_key(public_key(key(KEY)), number(13))
    return do(0x31, b"".join((PACE_AES_128, CA_AES_128, own, *more)))


def card_security(
    signer: Identity, content: bytes | None = None, *options: str, md: str = "sha256"
) -> bytes:
    return signed(
        infos() if content is None else content, signer, *options, md=md,
        content_type=SECURITY_OBJECT,
    )  # fmt: skip


def seen(raw: bytes) -> Evidence:
    honest = document(issued(root("ec:prime256v1")), {"DG1": DG1})
    return dataclasses.replace(honest, files={**honest.files, "CardSecurity": raw})


def trust(**facts: Any) -> TrustStore:
    return TrustStore([root("ec:prime256v1").der], **facts)


def test_a_trusted_issuers_file_is_verified() -> None:
    raw = card_security(issued(root("ec:prime256v1")))
    found = card_security_auth(seen(raw), trust(), at=NOW)
    assert isinstance(found, VerifiedCardSecurity)
    (own,) = found.file.chip_auth_keys
    assert (own.key_id, own.public_key) == (13, public_key(key(KEY)))
    assert (found.file.raw, len(found.file.infos)) == (raw, 3)


@pytest.mark.parametrize("options", [("-keyid",), ()])
def test_its_signer_may_be_named_by_its_key(options: tuple[str, ...]) -> None:
    raw = card_security(issued(root("ec:prime256v1")), None, *options)
    assert isinstance(card_security_auth(seen(raw), trust(), at=NOW), VerifiedCardSecurity)


def test_an_unknown_issuers_file_is_consistent() -> None:
    raw = card_security(issued(root("ec:prime256v1")))
    found = card_security_auth(seen(raw), TrustStore([]), at=NOW)
    assert isinstance(found, ConsistentCardSecurity)
    assert not isinstance(found, VerifiedCardSecurity)


def refused(raw: bytes, fault: Fault, **facts: Any) -> None:
    with pytest.raises(ChipLied) as caught:
        card_security_auth(seen(raw), facts.pop("store", trust()), **{"at": NOW} | facts)
    assert caught.value.fault is fault


def test_what_fails_elsewhere_fails_here() -> None:
    issuer = root("ec:prime256v1")
    raw = card_security(issued(issuer))
    own = infos()
    for changed in (
        raw.replace(own, own[:-1] + bytes((own[-1] ^ 1,))),  # the key
        raw[:-1] + bytes((raw[-1] ^ 1,)),  # the signature
        raw.replace(hashlib.sha256(own).digest(), bytes(32)),
    ):
        assert changed != raw
        refused(changed, Fault.SIGNATURE_INVALID)
    refused(card_security(issued(issuer), md="sha1"), Fault.ALGORITHM_WEAK)
    refused(raw, Fault.SIGNER_EXPIRED, at=NOW + timedelta(days=400))
    revoked = trust(crls=[revocation_list(issuer, 7)])
    refused(raw, Fault.SIGNER_REVOKED, store=revoked)
    no_signer = issued(issuer, extensions="keyUsage=critical,keyCertSign\n", number=4)
    refused(card_security(no_signer), Fault.SIGNER_NOT_ALLOWED)


def test_sha_1_is_a_policy() -> None:
    raw = card_security(issued(root("ec:prime256v1")), md="sha1")
    found = card_security_auth(seen(raw), trust(allow_sha1=True), at=NOW)
    assert isinstance(found, VerifiedCardSecurity)


def test_a_clock_that_may_be_wrong_accuses_nobody() -> None:
    raw = card_security(issued(root("ec:prime256v1")))
    with pytest.raises(ClockUnsure):
        card_security_auth(
            seen(raw), trust(), at=NOW + timedelta(days=400), clock=ClockQuality.UNKNOWN
        )


def test_without_the_file_or_an_instant_there_is_no_answer() -> None:
    honest = document(issued(root("ec:prime256v1")), {"DG1": DG1})
    with pytest.raises(ChipMalformed, match="CardSecurity was not read"):
        card_security_auth(honest, trust(), at=NOW)
    with pytest.raises(ValueError, match="aware"):
        card_security_auth(honest, trust(), at=NOW.replace(tzinfo=None))


def test_nobody_else_makes_one() -> None:
    raw = card_security(issued(root("ec:prime256v1")))
    found = card_security_auth(seen(raw), trust(), at=NOW)
    for kind in (VerifiedCardSecurity, ConsistentCardSecurity):
        for seal in ({}, {"seal": object()}):
            with pytest.raises(TypeError, match="only passive authentication"):
                kind(found.file, **seal)
    for copying in (copy.copy, copy.deepcopy, pickle.dumps, dataclasses.replace):
        with pytest.raises(TypeError):
            copying(found)


# --- the parser


@pytest.mark.testdata
@pytest.mark.parametrize("name", ["bsi_eac2_ecdh", "bsi_eac2_dh"])
def test_bsis_file_is_signed_by_its_signer(name: str) -> None:
    found = parse(bsi(name)["ef_cardsecurity"])
    (signer,) = found.signed.signers()
    found.signed.check_signed_by(signer.key(), doing="x")
    assert [each.key_id for each in found.chip_auth_keys] == [1]


@pytest.mark.testdata
def test_a_real_identity_cards_file_is_read() -> None:
    raw = openpace("ef_cardsecurity_dan")["ef_cardsecurity_dan"]
    found = parse(raw)
    assert [each.key_id for each in found.chip_auth_keys] == [0x41]
    assert "Bundesdruckerei" in found.signed.signers()[0].subject_text


def test_what_is_no_card_security() -> None:
    signer = issued(root("ec:prime256v1"))
    other_type = signed(infos(), signer)
    for raw in (
        b"", b"\x30\x00", bytes(MAX_BYTES + 1), other_type,
        card_security(signer, b"\x31\x01\x00"), card_security(signer, b"no infos"),
        card_security(signer) + b"\0", do(0x77, card_security(signer)),
    ):  # fmt: skip
        with pytest.raises(ChipMalformed):
            parse(raw)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=64), st.integers(0, 4000), st.integers(0, 255))
def test_any_bytes_are_a_file_or_none(raw: bytes, at: int, byte: int) -> None:
    whole = card_security(issued(root("ec:prime256v1")))
    at %= len(whole)
    for each in (raw, whole[:at] + bytes((byte,)) + whole[at + 1 :], whole[:at]):
        try:
            parse(each)
        except ChipMalformed:
            continue
