"""What one verification leaves behind, in two parts for two readers.

Knows the identity of a record, the operations part (an outcome, without a person) and the identity
part (enough to verify again that a number stood in signed data), each with one strict encoding.
Does not know how parts are sealed (wire.seal), nor ever a portrait: there is no field for DG2 or
DG13.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from wire.canonical import decode, encode
from wire.reasons import Outcome, Reason

MAX_OPERATIONS_BYTES: Final = 4_096
MAX_IDENTITY_BYTES: Final = 57_344
SECONDS_PER_HOUR: Final = 3_600

DeviceID = Annotated[str, Meta(pattern=r"\A[a-z0-9-]{3,32}\Z")]
"""A device's name: part of topics and certificates, therefore a narrow grammar."""
Epoch = Annotated[bytes, Meta(min_length=16, max_length=16)]
"""Random, made with the database: a restored or cloned queue is told from its original."""
Lane = Literal["urgent", "security", "normal"]
"""Lanes have a sequence, a chain and a high-water mark each."""
LANES: Final[tuple[Lane, ...]] = ("urgent", "security", "normal")
MAX_SEQ: Final = 2**53 - 1
Seq = Annotated[int, Meta(ge=1, le=MAX_SEQ)]
"""Counts from 1 without gaps within (device, epoch, lane)."""
Digest = Annotated[bytes, Meta(min_length=32, max_length=32)]
"""SHA-256."""
Code = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9][A-Za-z0-9._+-]{0,63}\Z")]
"""A name from our own vocabulary: a policy, a site, a model, a key. Never a person's words."""
RecordType = Literal["verification"]
"""What happened. The type decides the shape of both parts."""


class RecordIdentity(Struct, frozen=True, order=True):
    """Which record: unique for all time, equal for every copy of it.

    Attributes:
        device: the station that filed it.
        epoch: 16 bytes of the queue it was filed in.
        lane: the lane it travels in.
        seq: its place in the lane, from 1.
    """

    device: DeviceID
    epoch: Epoch
    lane: Lane
    seq: Seq

    def __str__(self) -> str:
        """Write it as "device/epoch in hex/lane/seq"."""
        return f"{self.device}/{self.epoch.hex()}/{self.lane}/{self.seq}"


class CheckBand(StrEnum):
    """How one proof about the chip ended."""

    PASSED = "passed"
    FAILED = "failed"
    ABSENT = "absent"
    UNKNOWN_ISSUER = "unknown_issuer"


class FaceBand(StrEnum):
    """How like the chip's portrait the living face was; the score itself stays in the worker."""

    SAME_STRONG = "same_strong"
    SAME = "same"
    UNSURE = "unsure"
    DIFFERENT = "different"
    NONE = "none"


class FingerBand(StrEnum):
    """How like one of the card's fingerprints the finger was."""

    SAME_STRONG = "same_strong"
    SAME = "same"
    UNSURE = "unsure"
    DIFFERENT = "different"
    NONE = "none"


class LiveBand(StrEnum):
    """Whether a living head was seen."""

    PASSED = "passed"
    FAILED = "failed"
    ABSENT = "absent"


class TimeQuality(StrEnum):
    """How far the device's clock could be trusted."""

    UNSYNCED = "unsynced"
    RTC = "rtc"
    NTP = "ntp"
    AUTHENTICATED = "authenticated"


class Bands(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The evidence, coarse: one word a layer.

    Attributes:
        pa: passive authentication.
        aa: active authentication.
        ca: chip authentication.
        face: the living face against the chip's portrait.
        live: liveness.
        live_tries: how many times the person was asked to show it; absent if never.
        finger: a finger against the chip's fingerprints; absent if none was asked for.
    """

    pa: CheckBand
    aa: CheckBand
    ca: CheckBand
    face: FaceBand = FaceBand.NONE
    live: LiveBand = LiveBand.ABSENT
    live_tries: Annotated[int, Meta(ge=1, le=9)] | UnsetType = UNSET
    finger: FingerBand | UnsetType = UNSET


class Versions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What decided.

    Attributes:
        software: the release of this software.
        policy: the id of the policy in force.
        models: role (e.g. "embed") to the id of the model that played it.
    """

    software: Code
    policy: Code
    models: Annotated[dict[Code, Code], Meta(max_length=12)] = {}


class Simulated(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which devices were simulators. A production fleet refuses records that say yes.

    Attributes:
        card: the reader.
        camera: the camera.
        finger: the fingerprint module; absent if none took part.
    """

    card: bool = False
    camera: bool = False
    finger: bool | UnsetType = UNSET

    @property
    def any(self) -> bool:
        """Whether one was."""
        return self.card or self.camera or self.finger is True


class OperationsPart(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An outcome without a person: what the operators of the fleet see.

    Attributes:
        outcome: how it ended.
        reasons: why, the deciding one first; at most 16.
        bands: the evidence.
        procedure: which public procedure asked, e.g. "identity-check".
        site: where the device stands, a code.
        versions: what decided.
        simulated: which devices were simulators.
        at_hour: UTC hours since 1970-01-01T00Z, rounded down (`hour_of`). No finer: a small
            commune sees few people in a minute.
        time_quality: whether at_hour can be believed.
    """

    outcome: Outcome
    reasons: Annotated[tuple[Reason, ...], Meta(max_length=16)]
    bands: Bands
    procedure: Code
    site: Code
    versions: Versions
    at_hour: Annotated[int, Meta(ge=0, le=2**31)]
    time_quality: TimeQuality
    simulated: Simulated = Simulated()


class Unprintable(Struct, frozen=True):
    """What shows its type and nothing else: in a log, an error, a traceback on a screen."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        # msgspec gives every Struct one of its own, which shows each field.
        return []


class AATranscript(Unprintable, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An active authentication: what was asked and how the chip signed it.

    Attributes:
        nonce: the 8 bytes of the challenge.
        signature: the chip's answer.
    """

    nonce: Annotated[bytes, Meta(min_length=8, max_length=8)]
    signature: Annotated[bytes, Meta(min_length=1, max_length=1_024)]


class IdentityPart(Unprintable, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Enough to verify again that this number stood in signed data; only the custodian opens it.

    Attributes:
        number: the 12-digit personal number.
        dg1: EF.DG1 as read.
        sod: EF.SOD as read.
        dg14: EF.DG14 as read, if hashed in the SOD.
        dg15: EF.DG15 as read, if hashed in the SOD.
        card_access: EF.CardAccess as read, if the chip has one.
        aa: the active authentication, if there was one. Transferable, therefore short-lived.
        policy: the id of the policy in force.
        bands: the evidence.
    """

    number: Annotated[str, Meta(pattern=r"\A[0-9]{12}\Z")]
    dg1: Annotated[bytes, Meta(min_length=1, max_length=1_024)]
    sod: Annotated[bytes, Meta(min_length=1, max_length=32_768)]
    policy: Code
    bands: Bands
    dg14: Annotated[bytes, Meta(min_length=1, max_length=8_192)] | None = None
    dg15: Annotated[bytes, Meta(min_length=1, max_length=4_096)] | None = None
    card_access: Annotated[bytes, Meta(min_length=1, max_length=4_096)] | None = None
    aa: AATranscript | None = None


def hour_of(unix_s: float) -> int:
    """Round a time down to the hour: UTC hours since 1970, never below 0."""
    return max(0, int(unix_s // SECONDS_PER_HOUR))


def encode_operations(part: OperationsPart) -> bytes:
    """Encode an operations part. Raises Malformed or TooLarge if it may not be sent."""
    return encode(part, what="operations part", limit=MAX_OPERATIONS_BYTES)


def decode_operations(raw: bytes) -> OperationsPart:
    """Decode an operations part. Raises Malformed or TooLarge."""
    return decode(raw, OperationsPart, what="operations part", limit=MAX_OPERATIONS_BYTES)


def encode_identity(part: IdentityPart) -> bytes:
    """Encode an identity part. Raises Malformed or TooLarge if it may not be sent."""
    return encode(part, what="identity part", limit=MAX_IDENTITY_BYTES)


def decode_identity(raw: bytes) -> IdentityPart:
    """Decode an identity part. Raises Malformed or TooLarge."""
    return decode(raw, IdentityPart, what="identity part", limit=MAX_IDENTITY_BYTES)
