"""Station and vision worker: the frames that pass between them over one SOCK_SEQPACKET socket.

Knows the frames and their bounds. A worker serves one citizen: it is asked to watch, then to match
one portrait, and ends. What it returns is bands, never a score, a picture or an embedding. Knows no
model, no camera and no chip; a frame that breaks a bound ends the connection.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

VISION_VERSION: Final = 1
MAX_FRAME_BYTES: Final = 131_072
"""Of one frame; receive into one byte more and refuse MSG_TRUNC."""
MAX_STEPS: Final = 3
MAX_CHALLENGES: Final = 2
"""Whoever turns to the wrong side is asked once more, for something else."""
MAX_COMPARED: Final = 64
"""Frames that are compared with one portrait."""
MAX_PORTRAIT_BYTES: Final = 122_880
"""Of a coded portrait; a chip's has 4 to 20 kB, a passport's sometimes 60."""

Fmr = Literal["1e-3", "1e-4", "1e-5"]
ActName = Literal["turn_left", "turn_right", "blink"]
"""What a person can be asked for; sides are the person's own."""
CueName = Literal["look_ahead", "turn_left", "turn_right", "blink"]
HintName = Literal[
    "no_face",
    "several_faces",
    "quality_size",
    "quality_sharpness",
    "quality_exposure",
    "quality_pose",
    "quality_light",
    "quality_eyes",
    "quality_mouth",
    "quality_expression",
    "quality_background",
]
LayerReason = Literal["frames_not_fresh", "live_layer_missing"]
FailureName = Literal["device_missing", "device_failed", "device_timeout", "quality_portrait"]
BandName = Literal["same_strong", "same", "unsure", "different", "none"]
LiveName = Literal["passed", "failed", "absent"]
Name = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9][A-Za-z0-9._+-]{0,63}\Z")]


class VisionFrameError(ValueError):
    """Bytes that are not one of the agreed frames; close the connection."""


class Watch(Struct, frozen=True, tag="watch", forbid_unknown_fields=True):
    """Station, first: open the camera and look for faces."""

    version: int = VISION_VERSION


class Step(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing that the person is asked for.

    Attributes:
        act: what.
        pause_s: how long the person looks ahead before it is asked.
        within_s: how long it may take from then on; for a turn, until the head is turned.
    """

    act: ActName
    pause_s: Annotated[float, Meta(ge=0, le=5)] = 0.0
    within_s: Annotated[float, Meta(ge=1, le=30)] = 8.0


Challenge = Annotated[tuple[Step, ...], Meta(min_length=1, max_length=MAX_STEPS)]
"""What is asked for, in this order."""


class Match(Struct, frozen=True, kw_only=True, tag="match", forbid_unknown_fields=True):
    """Station, once: compare the living face with this portrait.

    Attributes:
        portrait: the coded image, JPEG or JPEG 2000.
        fmr: the nominal false match rate at which a face counts as the same.
        challenges: what the person is asked for, and what in a second try; drawn anew for each
            citizen, by whom no camera can hear.
        seconds: how long it may take in all.
    """

    portrait: Annotated[bytes, Meta(min_length=1, max_length=MAX_PORTRAIT_BYTES)]
    fmr: Fmr
    challenges: Annotated[tuple[Challenge, ...], Meta(min_length=1, max_length=MAX_CHALLENGES)]
    seconds: Annotated[float, Meta(gt=0, le=600)]

    def __repr__(self) -> str:
        """Show no byte."""
        return f"<Match, {len(self.portrait)} bytes>"


class Ready(Struct, frozen=True, kw_only=True, tag="ready", forbid_unknown_fields=True):
    """Worker, after Watch: the camera gives frames and the models are loaded.

    Attributes:
        models: role to the id of what plays it: the nets, the calibration, the texture model.
        simulated: whether the frames come from a file or a renderer.
    """

    models: Annotated[dict[Name, Name], Meta(max_length=8)]
    simulated: bool


class Cued(Struct, frozen=True, tag="cue", forbid_unknown_fields=True):
    """Worker: tell the person to do this."""

    cue: CueName


class Hinted(Struct, frozen=True, tag="hint", forbid_unknown_fields=True):
    """Worker: what is wrong with the frames just now; None: nothing any more."""

    hint: HintName | None


class Judged(Struct, frozen=True, kw_only=True, tag="judged", forbid_unknown_fields=True):
    """Worker, last: what was found.

    Attributes:
        band: how like the portrait the face was; "none" if no frame could be compared.
        live: whether a living head was seen.
        frames: how many frames were compared, at most `MAX_COMPARED`.
        tries: how many challenges were begun.
        reasons: why something could not be found, at most one of each.
        ms: milliseconds by phase: detect, mesh, quality, embed, clues, iris, portrait, whole.
    """

    band: BandName
    live: LiveName
    frames: Annotated[int, Meta(ge=0, le=MAX_COMPARED)]
    tries: Annotated[int, Meta(ge=0, le=MAX_CHALLENGES)] = 0
    reasons: Annotated[
        tuple[HintName | LayerReason | Literal["quality_portrait"], ...], Meta(max_length=8)
    ] = ()
    ms: Annotated[dict[Name, Annotated[float, Meta(ge=0, le=1e9)]], Meta(max_length=16)] = {}


class Failed(Struct, frozen=True, tag="failed", forbid_unknown_fields=True):
    """Worker, last: it cannot do its work."""

    reason: FailureName


ToWorker = Watch | Match
FromWorker = Ready | Cued | Hinted | Judged | Failed

_T = TypeVar("_T")
_TO_WORKER: msgspec.msgpack.Decoder[ToWorker] = msgspec.msgpack.Decoder(ToWorker)
_FROM_WORKER: msgspec.msgpack.Decoder[FromWorker] = msgspec.msgpack.Decoder(FromWorker)
_ENCODER = msgspec.msgpack.Encoder()


def encode(frame: ToWorker | FromWorker) -> bytes:
    """Encode one frame; its reader checks its bounds.

    Raises:
        VisionFrameError: it is longer than a frame may be.
    """
    raw = _ENCODER.encode(frame)
    if len(raw) > MAX_FRAME_BYTES:
        raise VisionFrameError(f"{len(raw)} bytes; {MAX_FRAME_BYTES} are allowed")
    return raw


def decode_to_worker(raw: bytes) -> ToWorker:
    """Decode what a station sent. Raises VisionFrameError."""
    return _decode(raw, _TO_WORKER)


def decode_from_worker(raw: bytes) -> FromWorker:
    """Decode what a worker sent. Raises VisionFrameError."""
    return _decode(raw, _FROM_WORKER)


def _decode(raw: bytes, decoder: msgspec.msgpack.Decoder[_T]) -> _T:
    if not 0 < len(raw) <= MAX_FRAME_BYTES:
        raise VisionFrameError(f"{len(raw)} bytes; 1 to {MAX_FRAME_BYTES} are allowed")
    try:
        return decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise VisionFrameError("not one of the agreed frames") from None
