"""Inspect the chip of an ICAO 9303 document: open it, read it, and prove that it is genuine.

The two verbs are not repeated here, for they are named as their modules are:
`from emrtd.inspect import inspect` and `from emrtd.verify import verify`.
"""

from emrtd.apdu import Command, Response, Step
from emrtd.authenticity import Check, VerifiedHolder
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
from emrtd.evidence import AccessFacts, ActiveAuthTranscript, ChipAuthFacts, Evidence
from emrtd.files import ReadPlan
from emrtd.inspect import Inspection, confirm_presence
from emrtd.keys import CAN, MRZKey, Password
from emrtd.mrz import MRZ
from emrtd.passive_auth import ConsistentGroups, VerifiedGroups
from emrtd.trust import TrustStore
from emrtd.verify import Checks, ChipOutcome, Findings

__all__ = [
    "CAN",
    "MRZ",
    "AccessFacts",
    "AccessUnsupported",
    "ActiveAuthTranscript",
    "ChannelBroken",
    "Check",
    "Checks",
    "ChipAuthFacts",
    "ChipGone",
    "ChipLied",
    "ChipMalformed",
    "ChipOutcome",
    "ChipRefused",
    "Command",
    "ConsistentGroups",
    "Dialogue",
    "EMRTDError",
    "Evidence",
    "Fault",
    "Findings",
    "Inspection",
    "MRZKey",
    "Password",
    "Randomness",
    "ReadPlan",
    "Response",
    "Step",
    "Transmit",
    "TrustStore",
    "VerifiedGroups",
    "VerifiedHolder",
    "WrongPassword",
    "confirm_presence",
    "drive",
]
