"""Inspect the chip of an ICAO 9303 document: open it, read it, and prove that it is genuine.

The two verbs are not repeated here, for they are named as their modules are:
`from emrtd.inspect import inspect` and `from emrtd.verify import verify`.

A name is fetched from its module when it is first asked for, so that a program pays at its start
for what it uses: commands and errors alone load no cryptography.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from emrtd.access import AccessPolicy
    from emrtd.apdu import Command, Response, Step
    from emrtd.authenticity import Check, VerifiedHolder, Weakness
    from emrtd.dialogue import Dialogue, Randomness, Transmit, drive
    from emrtd.errors import (
        AccessUnsupported,
        ChannelBroken,
        ChipGone,
        ChipLied,
        ChipMalformed,
        ChipRefused,
        EMRTDError,
        Fault,
        WrongPassword,
    )
    from emrtd.evidence import (
        AccessFacts,
        ActiveAuthTranscript,
        CAMTranscript,
        ChipAuthFacts,
        Evidence,
        FailedAccess,
        TerminalAuthFacts,
    )
    from emrtd.files import ReadPlan
    from emrtd.inspect import Inspection, confirm_presence
    from emrtd.keys import CAN, PIN, MRZKey, Password
    from emrtd.mrz import MRZ
    from emrtd.passive_auth import ConsistentGroups, VerifiedGroups
    from emrtd.read_plan import ReaderMemory
    from emrtd.trust import TrustPolicy, TrustStore
    from emrtd.validity import ClockQuality
    from emrtd.verify import Checks, ChipOutcome, Findings

__all__ = [
    "CAN",
    "MRZ",
    "PIN",
    "AccessFacts",
    "AccessPolicy",
    "AccessUnsupported",
    "ActiveAuthTranscript",
    "CAMTranscript",
    "ChannelBroken",
    "Check",
    "Checks",
    "ChipAuthFacts",
    "ChipGone",
    "ChipLied",
    "ChipMalformed",
    "ChipOutcome",
    "ChipRefused",
    "ClockQuality",
    "Command",
    "ConsistentGroups",
    "Dialogue",
    "EMRTDError",
    "Evidence",
    "FailedAccess",
    "Fault",
    "Findings",
    "Inspection",
    "MRZKey",
    "Password",
    "Randomness",
    "ReadPlan",
    "ReaderMemory",
    "Response",
    "Step",
    "TerminalAuthFacts",
    "Transmit",
    "TrustPolicy",
    "TrustStore",
    "VerifiedGroups",
    "VerifiedHolder",
    "Weakness",
    "WrongPassword",
    "confirm_presence",
    "drive",
]

_HOMES = {
    "CAN": "emrtd.keys",
    "MRZ": "emrtd.mrz",
    "PIN": "emrtd.keys",
    "AccessFacts": "emrtd.evidence",
    "AccessPolicy": "emrtd.access",
    "AccessUnsupported": "emrtd.errors",
    "ActiveAuthTranscript": "emrtd.evidence",
    "CAMTranscript": "emrtd.evidence",
    "ChannelBroken": "emrtd.errors",
    "Check": "emrtd.authenticity",
    "Checks": "emrtd.verify",
    "ChipAuthFacts": "emrtd.evidence",
    "ChipGone": "emrtd.errors",
    "ChipLied": "emrtd.errors",
    "ChipMalformed": "emrtd.errors",
    "ChipOutcome": "emrtd.verify",
    "ChipRefused": "emrtd.errors",
    "ClockQuality": "emrtd.validity",
    "Command": "emrtd.apdu",
    "ConsistentGroups": "emrtd.passive_auth",
    "Dialogue": "emrtd.dialogue",
    "EMRTDError": "emrtd.errors",
    "Evidence": "emrtd.evidence",
    "FailedAccess": "emrtd.evidence",
    "Fault": "emrtd.errors",
    "Findings": "emrtd.verify",
    "Inspection": "emrtd.inspect",
    "MRZKey": "emrtd.keys",
    "Password": "emrtd.keys",
    "Randomness": "emrtd.dialogue",
    "ReadPlan": "emrtd.files",
    "ReaderMemory": "emrtd.read_plan",
    "Response": "emrtd.apdu",
    "Step": "emrtd.apdu",
    "TerminalAuthFacts": "emrtd.evidence",
    "Transmit": "emrtd.dialogue",
    "TrustPolicy": "emrtd.trust",
    "TrustStore": "emrtd.trust",
    "VerifiedGroups": "emrtd.passive_auth",
    "VerifiedHolder": "emrtd.authenticity",
    "Weakness": "emrtd.authenticity",
    "WrongPassword": "emrtd.errors",
    "confirm_presence": "emrtd.inspect",
    "drive": "emrtd.dialogue",
}
"""In which module each of them is."""

if not TYPE_CHECKING:  # or every misspelled name would be an object to the type checker

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = getattr(import_module(_HOMES[name]), name)
        globals()[name] = found
        return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
