"""What the session's tests share: real findings of test cards, policies, and oracles of neither.

Findings can't be made up: each is what the library says of a card that was issued, read over its
protocols and verified. They are made once.
"""

from __future__ import annotations

import dataclasses
import hashlib
from datetime import UTC, date, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from msgspec import UNSET, UnsetType

from emrtd.dialogue import drive
from emrtd.evidence import AccessFacts, Evidence
from emrtd.inspect import inspect
from emrtd.keys import CAN
from emrtd.mrz import check_digit
from emrtd.sim import Chip, Holder, TestPKI, personalise
from emrtd.sim._finger_record import dg3
from emrtd.sim.personalise import PACEOffer, signed_files
from emrtd.tlv import encode
from emrtd.trust import TrustStore
from emrtd.verify import Findings, verify
from kiosk.session.policy import PolicyInForce
from wire.policy import ALL_LAYERS, Finger, Layer, OnDowngrade, Policy
from wire.record import RecordIdentity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from emrtd.apdu import Command
    from emrtd.apdu import Response as ResponseType
    from emrtd.sim import CardImage
    from wire.reasons import Reason

SINCE = datetime(2020, 1, 1, tzinfo=UTC)
UNTIL = datetime(2035, 1, 1, tzinfo=UTC)
AT = datetime(2026, 6, 1, 12, tzinfo=UTC)
TODAY = AT.date()
RECORD = RecordIdentity(device="kiosk-1", epoch=bytes(16), lane="normal", seq=7)
PASSWORD = CAN("012345")

JPEG = bytes.fromhex("FFD8FFE000040000FFC0000B080190012C01011100FFD9")
"""The shortest thing that has a JPEG's frame header. Nobody decodes it here."""

HOLDER = Holder(
    number="999195012345",
    name="Nguyễn Thị Mẫu",
    birth=date(1995, 1, 1),
    sex="F",
    issued=date(2021, 6, 1),
    expiry=date(2035, 1, 1),
)


def stream(seed: str) -> Callable[[int], bytes]:
    """Return a source of bytes that gives the same ones each time."""
    count = 0

    def randomness(size: int) -> bytes:
        nonlocal count
        count += 1
        return hashlib.shake_256(f"{seed} {count}".encode()).digest(size)

    return randomness


@cache
def pki() -> TestPKI:
    return TestPKI.create(stream("pki"), valid_from=SINCE, valid_until=UNTIL)


def issued(
    generation: str = "2021", *, expiry: date | None = HOLDER.expiry, **options: Any
) -> CardImage:
    holder = dataclasses.replace(HOLDER, expiry=expiry)
    return personalise(
        holder, JPEG, generation=generation, pki=pki(), randomness=stream("card"), **options
    )


def two_ways() -> CardImage:
    """Return a card that may be opened in a strong way and in a weak one."""
    return issued(
        pace=tuple(PACEOffer("gm", "brainpoolP256r1", cipher) for cipher in ("3DES", "AES-256"))
    )


def with_files(card: CardImage, **changed: bytes) -> CardImage:
    """Return a card of an issuer that signs anything."""
    files = {**card.files, **changed}
    return dataclasses.replace(card, files={**files, "SOD": signed_files(files, pki().signer)})


def read(card: CardImage, *, fault: str | None = None, wanted: Iterable[str] = ("DG1", "DG2")):
    """Return the evidence of a card that was really read."""
    from emrtd.apdu import Response

    chip = Chip(card, randomness=stream("chip"), fault=fault)
    chip.reset()

    def transmit(command: Command) -> ResponseType:
        return Response.from_bytes(chip.answer(command.to_bytes()))

    dialogue = inspect(
        CAN(card.can), wanted=frozenset(wanted), randomness=stream("reader"), aa_nonce=bytes(8)
    )
    return drive(dialogue, transmit).evidence


def opened_weakly(evidence: Evidence) -> Evidence:
    """Return the same as if the chip had been opened in its weaker way."""
    return dataclasses.replace(
        evidence, access=dataclasses.replace(evidence.access, downgraded=True)
    )


def judged(evidence: Evidence) -> Findings:
    return verify(evidence, TrustStore((pki().csca.certificate,)), at=AT)


def _nonsense() -> Evidence:
    return Evidence({"SOD": b"\x77\x00"}, AccessFacts("PACE", "CAN", downgraded=False))


def _impossible_day() -> CardImage:
    """Return a signed card that ends on 35-02-30: every check digit holds."""
    card = issued(expiry=date(2035, 2, 28))
    head, zone = card.files["DG1"][:-90], card.files["DG1"][-90:].decode()
    first, second, names = zone[:30], zone[30:60], zone[60:]
    assert second[8:14] == "350228"
    second = f"{second[:8]}350230{check_digit('350230')}{second[15:29]}"
    whole = check_digit(first[5:] + second[:7] + second[8:15] + second[18:29])
    return with_files(card, DG1=head + f"{first}{second}{whole}{names}".encode())


@cache
def findings() -> Mapping[str, Findings]:
    """Return what is known of each card, by a name that says what it is."""
    good, modern = issued(), issued("2024")
    return {
        "genuine 2021": judged(read(good)),
        "genuine 2024": judged(read(modern)),
        "with fingers": judged(
            read(
                with_files(
                    good,
                    DG3=dg3({2: JPEG, 7: JPEG}),
                ),
                wanted=("DG1", "DG2", "DG3"),
            )
        ),
        "fingers are none": judged(
            read(with_files(good, DG3=encode(0x63, b"\x7f\x61\x00")), wanted=("DG1", "DG2", "DG3"))
        ),
        "clone": judged(read(good, fault="clone")),
        "silent clone": judged(read(modern, fault="silent_clone")),
        "data changed": judged(read(good, fault="dg1_byte")),
        "portrait changed": judged(read(good, fault="dg2_byte")),
        "signature wrong": judged(read(good, fault="wrong_sod_signature")),
        "signer over": judged(read(good, fault="expired_signer")),
        "key file hidden": judged(read(good, fault="dg14_unreadable")),
        "signer early": judged(read(good, fault="early_signer")),
        "signer over, record missing": judged(
            dataclasses.replace(read(good, fault="expired_signer"), unreadable={"DG13": 0x6A82})
        ),
        "portrait locked": judged(
            read(good, fault="portrait_locked", wanted=("DG1", "DG2", "DG13"))
        ),
        "record locked": judged(read(good, fault="dg13_locked", wanted=("DG1", "DG2", "DG13"))),
        "record missing": judged(
            read(good, fault="dg13_unreadable", wanted=("DG1", "DG2", "DG13"))
        ),
        "two numbers": judged(read(good, fault="record_of_another", wanted=("DG1", "DG13"))),
        "opened weakly": judged(read(two_ways(), fault="refuses_strongest")),
        "opened weakly, clone": judged(opened_weakly(read(two_ways(), fault="clone"))),
        "opened weakly, issuer unknown": judged(
            opened_weakly(read(two_ways(), fault="unknown_issuer"))
        ),
        "opened strongly": judged(read(two_ways())),
        "issuer unknown": judged(read(good, fault="unknown_issuer")),
        "may be copy": judged(read(issued(auth=frozenset()))),
        "over yesterday": judged(read(issued(expiry=date(2026, 5, 31)))),
        "over today": judged(read(issued(expiry=TODAY))),
        "never over": judged(read(issued(expiry=None))),
        "copy, over": judged(read(issued(expiry=date(2026, 5, 31), auth=frozenset()))),
        "no portrait": judged(read(good, wanted=("DG1",))),
        "portrait is none": judged(read(with_files(good, DG2=encode(0x75, b"\x7f\x61\x00")))),
        "zone is none": judged(read(with_files(good, DG1=encode(0x61, b"")))),
        "impossible day": judged(read(_impossible_day())),
        "never asked": judged(read(good, wanted=())),
        "nonsense": judged(_nonsense()),
    }


def policy(
    layers: Iterable[Layer] = ALL_LAYERS,
    *,
    simulators: bool = False,
    attempts: int = 3,
    downgrade: OnDowngrade | UnsetType = UNSET,
    finger: Finger | UnsetType = UNSET,
) -> Policy:
    return Policy(
        id="test",
        not_before=0,
        not_after=2**31,
        layers=tuple(layers),
        key_attempts=attempts,
        simulators_allowed=simulators,
        downgrade=downgrade,
        finger=finger,
    )


def in_force(
    layers: Iterable[Layer] = ALL_LAYERS,
    *,
    simulators: bool = False,
    attempts: int = 3,
    downgrade: OnDowngrade | UnsetType = UNSET,
    finger: Finger | UnsetType = UNSET,
    why_none: Reason | None = None,
) -> PolicyInForce:
    made = policy(
        layers, simulators=simulators, attempts=attempts, downgrade=downgrade, finger=finger
    )
    return PolicyInForce(made, why_none)
