"""Station and touch worker: the frames that pass between them over one SOCK_SEQPACKET socket.

Knows the frames and their bounds. A touch worker serves one citizen: it is given the fingerprints
of the chip, then one touch after the other, until it judges. What is longer than a frame is sent in
parts before the frame that is about it. What it returns is a band, never a score, an image or a
template. Knows no model, no sensor and no chip.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from kiosk.vision.port import Fmr, Name, VisionFrameError

MAX_FRAME_BYTES: Final = 131_072
"""Of one frame; receive into one byte more and refuse MSG_TRUNC."""
PART_BYTES: Final = 65_536
MAX_IMAGE_BYTES: Final = 1_048_576
"""Of one image, all its parts together."""
MAX_REFERENCES: Final = 10
MAX_TOUCHES: Final = 6
"""From one person: three of one finger and three of another."""
MIN_SIDE_PX, MAX_SIDE_PX = 64, 1_024

Side = Annotated[int, Meta(ge=MIN_SIDE_PX, le=MAX_SIDE_PX)]
MIN_PPI, MAX_PPI = 250, 1_100
PPI = Annotated[float, Meta(ge=MIN_PPI, le=MAX_PPI)]
Position = Annotated[int, Meta(ge=0, le=10)]
"""1 right thumb to 10 left little, as in ISO/IEC 19794-4; 0: not known."""
FingerHintName = Literal["quality_finger_pressure", "quality_finger_dry", "quality_finger_centre"]
FingerBandName = Literal["same_strong", "same", "unsure", "different", "none"]
FingerReason = Literal["finger_replayed", "quality_reference"]


class Part(Struct, frozen=True, tag="part", forbid_unknown_fields=True):
    """Station: a part of the image that the next frame is about."""

    data: Annotated[bytes, Meta(min_length=1, max_length=PART_BYTES)]


class Coded(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a record says of one image in it.

    Attributes:
        position: which finger.
        format: how it is coded, by its first bytes or, "raw" and "packed", by its record.
        width_px: by the record; a coded image knows better.
        height_px: by the record.
        ppi: pixels an inch by the record, None if it does not say.
        depth_bits: of a pixel that is not coded.
    """

    position: Position
    format: Literal["wsq", "jpeg", "jpeg2000", "png", "raw", "packed"]
    width_px: Annotated[int, Meta(ge=1, le=65_535)]
    height_px: Annotated[int, Meta(ge=1, le=65_535)]
    ppi: PPI | None
    depth_bits: Annotated[int, Meta(ge=1, le=16)]


class Reference(Coded, frozen=True, kw_only=True, tag="reference", forbid_unknown_fields=True):
    """Station: one fingerprint of the chip, whose parts came before."""


class CodedTouch(Coded, frozen=True, kw_only=True, tag="coded_touch", forbid_unknown_fields=True):
    """Station: one touch as a sensor's own record coded it; its parts came before."""


class Compare(Struct, frozen=True, tag="compare", forbid_unknown_fields=True):
    """Station, behind the references: these are all; touches follow.

    Attributes:
        fmr: the nominal false match rate at which a finger counts as the same.
    """

    fmr: Fmr


class Touch(Struct, frozen=True, kw_only=True, tag="touch", forbid_unknown_fields=True):
    """Station: one touch, whose parts came before: width x height bytes, grey, ridges dark.

    Attributes:
        width_px: of the image.
        height_px: of the image.
        ppi: pixels an inch.
    """

    width_px: Side
    height_px: Side
    ppi: PPI


class TouchReady(Struct, frozen=True, kw_only=True, tag="ready", forbid_unknown_fields=True):
    """Worker, after Compare.

    Attributes:
        models: role to the id of the model.
        position: which finger to ask for first.
    """

    models: Annotated[dict[Name, Name], Meta(min_length=1, max_length=4)]
    position: Position


class Again(Struct, frozen=True, kw_only=True, tag="again", forbid_unknown_fields=True):
    """Worker, after a touch: one more is needed.

    Attributes:
        hint: what to do differently; None: nothing, the touch was good.
        position: which finger to ask for.
    """

    hint: FingerHintName | None
    position: Position


class TouchJudged(Struct, frozen=True, kw_only=True, tag="judged", forbid_unknown_fields=True):
    """Worker, last: what was found.

    Attributes:
        band: how like one of the fingerprints the finger was; "none" if nothing could be compared.
        touches: how many touches were compared.
        reasons: why something could not be found.
        ms: milliseconds by phase: reference, extract, match.
    """

    band: FingerBandName
    touches: Annotated[int, Meta(ge=0, le=MAX_TOUCHES)]
    reasons: Annotated[tuple[FingerHintName | FingerReason, ...], Meta(max_length=4)] = ()
    ms: Annotated[dict[Name, Annotated[float, Meta(ge=0, le=1e9)]], Meta(max_length=8)] = {}


ToTouch = Part | Reference | Compare | Touch | CodedTouch
FromTouch = TouchReady | Again | TouchJudged

_TO: msgspec.msgpack.Decoder[ToTouch] = msgspec.msgpack.Decoder(ToTouch)
_FROM: msgspec.msgpack.Decoder[FromTouch] = msgspec.msgpack.Decoder(FromTouch)
_ENCODER = msgspec.msgpack.Encoder()


def encode(frame: ToTouch | FromTouch) -> bytes:
    """Encode one frame; its reader checks its bounds."""
    return _ENCODER.encode(frame)


def parts_of(image: bytes) -> list[Part]:
    """Return an image in parts.

    Raises:
        VisionFrameError: it is empty, or longer than any image may be.
    """
    if not 0 < len(image) <= MAX_IMAGE_BYTES:
        raise VisionFrameError(f"{len(image)} bytes; 1 to {MAX_IMAGE_BYTES} are allowed")
    return [Part(image[at : at + PART_BYTES]) for at in range(0, len(image), PART_BYTES)]


def decode_to_touch(raw: bytes) -> ToTouch:
    """Decode what a station sent. Raises VisionFrameError."""
    try:
        return _TO.decode(_bounded(raw))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise VisionFrameError("not one of the agreed frames") from None


def decode_from_touch(raw: bytes) -> FromTouch:
    """Decode what a worker sent. Raises VisionFrameError."""
    try:
        return _FROM.decode(_bounded(raw))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise VisionFrameError("not one of the agreed frames") from None


def _bounded(raw: bytes) -> bytes:
    if not 0 < len(raw) <= MAX_FRAME_BYTES:
        raise VisionFrameError(f"{len(raw)} bytes; 1 to {MAX_FRAME_BYTES} are allowed")
    return raw
