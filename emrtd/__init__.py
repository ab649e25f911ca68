"""Inspect the chip of an ICAO 9303 document: open it, read it, and prove that it is genuine.

The two verbs are not repeated here, for they are named as their modules are:
`from emrtd.inspect import inspect` and `from emrtd.verify import verify`.
"""

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
