"""The verdict as a whole; what leads to each part of it is tested beside its module."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest
from issued_documents import (
    ACCESS,
    BSI,
    CA_AES_128,
    CA_NAME,
    DG1,
    PACE_AES_128,
    PACE_AES_256,
    PACE_CAM_AES_128,
    chip_key,
    dg14,
    document,
    evidence,
    info,
    number,
    oid,
)  # fmt: skip
from openssl_issuer import issued, key, needs_openssl, public_key, root

from emrtd.authenticity import Check, VerifiedHolder
from emrtd.errors import Fault
from emrtd.evidence import ChipAuthFacts, Evidence
from emrtd.passive_auth import VerifiedGroups
from emrtd.trust import TrustStore
from emrtd.verify import Checks, ChipOutcome, verify

pytestmark = needs_openssl

NOW = datetime.now(UTC) + timedelta(hours=1)


def genuine() -> Evidence:
    announced = dg14(CA_AES_128, chip_key(public_key(key("ec:prime256v1"))))
    return document(
        issued(root("ec:prime256v1")), {"DG1": DG1, "DG14": announced},
        chip_auth=ChipAuthFacts("passed", CA_NAME, None),
    )  # fmt: skip


def trust() -> TrustStore:
    return TrustStore([root("ec:prime256v1").der])


def test_a_genuine_chip_has_a_holder_and_no_reasons() -> None:
    found = verify(genuine(), trust(), at=NOW)
    assert (found.outcome, found.reasons) == (ChipOutcome.GENUINE, ())
    assert found.checks == Checks(pa=Check.PASSED, aa=Check.ABSENT, ca=Check.PASSED)
    assert (found.checks.cam, found.checks.ta) == (Check.ABSENT, Check.ABSENT)
    assert isinstance(found.holder, VerifiedHolder)
    assert isinstance(found.groups, VerifiedGroups)
    assert found.holder.groups is found.groups


def test_kept_evidence_is_worth_what_it_was() -> None:
    """Years later and elsewhere, at the instant of the inspection."""
    kept = Evidence.from_cbor(genuine().to_cbor())
    assert verify(kept, trust(), at=NOW).outcome is ChipOutcome.GENUINE
    later = verify(kept, trust(), at=NOW + timedelta(days=400))
    assert (later.outcome, later.reasons) == (ChipOutcome.NOT_GENUINE, (Fault.SIGNER_EXPIRED,))


def test_ef_com_is_never_believed() -> None:
    for com in (b"", b"\x60\x00", bytes.fromhex("60145F0104303130365F36063034303030305C026175")):
        seen = dataclasses.replace(genuine(), files={**genuine().files, "COM": com})
        assert verify(seen, trust(), at=NOW).outcome is ChipOutcome.GENUINE
        without = {name: raw for name, raw in seen.files.items() if name != "DG14"}
        withheld = dataclasses.replace(seen, files=without, unreadable={"DG14": 0x6A82})
        found = verify(withheld, trust(), at=NOW)
        assert (found.outcome, found.reasons[0]) == (
            ChipOutcome.NOT_GENUINE, Fault.ADVERTISED_FILE_MISSING,
        )  # fmt: skip


def test_every_reason_is_named_once_and_lies_come_first() -> None:
    seen = dataclasses.replace(
        genuine(),
        files={**genuine().files, "DG1": b"\x61\x00", "CardAccess": b"noise"},
        chip_auth=ChipAuthFacts("failed", CA_NAME, None),
    )
    found = verify(seen, TrustStore([]), at=NOW)
    assert found.outcome is ChipOutcome.NOT_GENUINE
    assert found.reasons == (
        Fault.DATA_HASH_MISMATCH, Fault.CHIP_KEY_MISMATCH, Fault.ISSUER_UNKNOWN,
    )  # fmt: skip
    assert found.checks == Checks(pa=Check.FAILED, aa=Check.ABSENT, ca=Check.FAILED)
    assert (found.groups, found.holder) == (None, None)


@pytest.mark.parametrize("sod", [None, b"", b"\x77\x00", b"noise"])
def test_what_cannot_be_read_is_unreadable_and_proves_nothing(sod: bytes | None) -> None:
    files = {"DG1": DG1} | ({} if sod is None else {"SOD": sod})
    found = verify(evidence(files), trust(), at=NOW)
    fault = Fault.SECURITY_OBJECT_MISSING if sod is None else Fault.SECURITY_OBJECT_MALFORMED
    assert (found.outcome, found.reasons) == (ChipOutcome.UNREADABLE, (fault,))
    assert found.checks == Checks(pa=Check.FAILED, aa=Check.ABSENT, ca=Check.ABSENT)


PACE_P384 = info(oid(BSI + "040202"), number(2), number(16))


@pytest.mark.parametrize(
    ("protocol", "signed", "expected"),
    [
        ("BAC", (PACE_AES_128,), True),
        ("NONE", (PACE_AES_128,), True),
        ("BAC", (CA_AES_128,), False),
        (ACCESS.protocol, (PACE_AES_128, PACE_AES_256), True),
        (ACCESS.protocol, (PACE_AES_128,), False),
        (ACCESS.protocol, (PACE_AES_128, PACE_CAM_AES_128), True),
        (ACCESS.protocol, (PACE_AES_128, PACE_P384), False),  # the name does not tell the group
        (ACCESS.protocol, (PACE_AES_256,), False),  # not even the name is signed
        (ACCESS.protocol, None, False),
    ],
)
def test_what_dg14_says_of_the_way_in_is_not_left_to_the_terminal(
    protocol: str, signed: tuple[bytes, ...] | None, *, expected: bool
) -> None:
    files = {"DG1": DG1} | ({} if signed is None else {"DG14": dg14(*signed)})
    for told in (False, True):
        access = dataclasses.replace(ACCESS, protocol=protocol, downgraded=told)
        seen = document(issued(root("ec:prime256v1")), files)
        found = verify(dataclasses.replace(seen, access=access), trust(), at=NOW)
        assert found.downgraded == (expected or told)


def test_a_dg14_that_is_none_says_nothing_of_the_way_in() -> None:
    bac = dataclasses.replace(ACCESS, protocol="BAC")
    seen = document(issued(root("ec:prime256v1")), {"DG1": DG1, "DG14": b"\x6e\x00"})
    assert not verify(dataclasses.replace(seen, access=bac), trust(), at=NOW).downgraded
    changed = document(issued(root("ec:prime256v1")), {"DG1": DG1, "DG14": dg14(CA_AES_128)})
    changed = dataclasses.replace(changed, files={**changed.files, "DG14": dg14(PACE_AES_128)})
    assert not verify(dataclasses.replace(changed, access=bac), trust(), at=NOW).downgraded
