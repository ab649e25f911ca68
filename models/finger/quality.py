"""Whether a touch is good enough to be compared, and what would make the next one better.

Knows what the extractor found in one picture, and how such touches fared when they were compared
with another of the same finger: the gate is that chance. Does not know whose finger it is, nor what
words the codes stand for. What a sensor makes of a finger on one day says nothing about a person.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import msgspec
import numpy as np
from msgspec import Meta, Struct

from models import files
from models.calibration import Count, Pictures, Text
from models.finger.minutiae import DPI
from models.finger.segment import BLOCK_PX
from models.manifest import ID_HEX_DIGITS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.finger.extract import Impression
    from models.finger.minutiae import Minutiae

FILE: Final = Path(__file__).parent / "gate.json"
MAX_BYTES: Final = 8 * 1024 * 1024
PX_A_MM: Final = DPI / 25.4
STRONG: Final = 0.6
"""A minutia that the extractor is this sure of is there for certain."""
BEST: Final = 20
"""So many of the surest are what a comparison rests on."""
FULL_TURN_STEPS: Final = 64

ABSENT: Final = "finger_absent"
"""There is no finger, or hardly any of one."""
CENTRE: Final = "finger_centre"
"""It lies beside the middle."""
WIPE: Final = "finger_wipe"
"""Its ridges run into each other: it is wet, or pressed too hard."""
PRESS: Final = "finger_press"
"""Its ridges are broken: it is dry, or hardly pressed."""
AGAIN: Final = "finger_again"
"""It shows too little, and nothing says why."""

MIN_AREA_MM2: Final = 25.0
MAX_OFFSET_MM: Final = 2.5
MAX_RIDGES: Final = 0.6
MIN_RIDGES: Final = 0.18
"""Beyond these lie the outer twentieths of common sensors' pictures."""

Weight = Annotated[float, Meta(ge=0, le=1e3)]
Number = Annotated[float, Meta(ge=-1e4, le=1e4)]


class GateError(Exception):
    """The gate cannot be used.

    Attributes:
        why: "missing" or "unreadable".
    """

    def __init__(self, why: str, message: str = "") -> None:
        super().__init__(f"gate {why}" + (f": {message}" if message else ""))
        self.why = why


@dataclass(frozen=True, slots=True)
class Quality:
    """Figures of one touch.

    Attributes:
        count: minutiae.
        strong: those of at least `STRONG`.
        sure: 0..1, mean quality of the `BEST`; one that is missing counts as 0.
        hull_mm2: area that the minutiae span.
        area_mm2: area of the finger in the picture.
        ridges: 0..1, share of the finger's pixels that are darker than the middle of what is
            around them.
        offset_mm: from the middle of the picture to that of the finger.
    """

    count: int
    strong: int
    sure: float
    hull_mm2: float
    area_mm2: float
    ridges: float
    offset_mm: float

    @property
    def features(self) -> tuple[float, float]:
        """What a gate weighs: all else that was tried told less of another set, or nothing."""
        return (math.log1p(self.strong), math.log1p(self.area_mm2))

    @property
    def advice(self) -> str:
        """The code of what most likely would make the next touch better."""
        if self.area_mm2 < MIN_AREA_MM2:
            return ABSENT
        if self.offset_mm > MAX_OFFSET_MM:
            return CENTRE
        if self.ridges > MAX_RIDGES:
            return WIPE
        return PRESS if self.ridges < MIN_RIDGES else AGAIN


class Gate(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The chance that a touch matches another one of its finger, and on what it was fitted.

    Attributes:
        format: of this file.
        weights: of `Quality.features`, in log-odds: more is never worse.
        bias: added.
        least: a touch of less chance is asked for again, while there are tries left.
        fmr: of the threshold that passing was judged by.
        net: the id of the net that found the minutiae.
        set: the name of the set.
        pictures: the beginning of the SHA-256 of each picture's file.
        genuine: comparisons of one finger.
        passed: how many of them matched.
        commit: of the program that fitted it; "unknown" outside of a repository.
    """

    format: Literal["tram-finger-gate-1"] = "tram-finger-gate-1"
    weights: tuple[Weight, Weight]
    bias: Number
    least: Annotated[float, Meta(ge=0, le=1)]
    fmr: Annotated[float, Meta(gt=0, lt=1)]
    net: Text
    set: Text
    pictures: Pictures
    genuine: Count
    passed: Count
    commit: Annotated[str, Meta(pattern=r"\A([0-9a-f]{40}|unknown)\Z")]

    def chance(self, quality: Quality) -> float:
        """Return 0..1: how likely such a touch matches another one of its finger."""
        odds = self.bias + sum(
            weight * each for weight, each in zip(self.weights, quality.features, strict=True)
        )
        return 1 / (1 + math.exp(-max(-50.0, min(50.0, odds))))

    def failure(self, quality: Quality) -> str | None:
        """Return the code of what to do better, or None where the touch will do."""
        if quality.area_mm2 < MIN_AREA_MM2:
            return ABSENT
        return None if self.chance(quality) >= self.least else quality.advice


def assess(grey: NDArray[np.uint8], impression: Impression) -> Quality:
    """Measure a touch.

    Args:
        grey: (H, W) uint8, the picture that was extracted from.
        impression: what was found in it.
    """
    found, blocks = impression.minutiae, impression.segment.blocks
    best = np.zeros(BEST)
    surest = np.sort(found.quality)[::-1][:BEST]
    best[: len(surest)] = surest
    return Quality(
        count=len(found),
        strong=int((found.quality >= STRONG).sum()),
        sure=float(best.mean()),
        hull_mm2=_hull_px2(found) / PX_A_MM**2,
        area_mm2=float(blocks.sum()) * (BLOCK_PX / PX_A_MM) ** 2,
        ridges=_ridges(grey, blocks),
        offset_mm=_offset_px(blocks, grey.shape) / PX_A_MM,
    )


def parse(raw: bytes) -> Gate:
    """Read a gate.

    Raises:
        GateError: it is too long, no JSON, or has an unknown, missing or ill-typed field.
    """
    if len(raw) > MAX_BYTES:
        raise GateError("unreadable", "the file is too large")
    try:
        return msgspec.json.decode(raw, type=Gate)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise GateError("unreadable", "not the agreed fields") from error


def encode(gate: Gate) -> bytes:
    """Return a gate as its file: JSON, one field a line."""
    return msgspec.json.format(msgspec.json.encode(gate), indent=1) + b"\n"


def id_of(gate: Gate) -> str:
    """Return how records name a gate: by the beginning of the SHA-256 of its file."""
    return f"finger-gate-{hashlib.sha256(encode(gate)).hexdigest()[:ID_HEX_DIGITS]}"


@cache
def shipped() -> Gate:
    """Return the gate that comes with the program. Raises GateError."""
    try:
        return parse(files.read(FILE, limit=MAX_BYTES))
    except OSError as error:
        raise GateError("missing") from error


def _hull_px2(found: Minutiae) -> float:
    """Return the area of the convex hull, by its corners in many directions."""
    if not len(found):
        return 0.0
    turns = np.exp(2j * np.pi * np.arange(FULL_TURN_STEPS) / FULL_TURN_STEPS)
    place = found.x.astype(np.float64) - 1j * found.y.astype(np.float64)
    corners = place[np.argmax((place[:, None] * turns.conj()).real, axis=0)]
    return float(abs((np.roll(corners, -1) * corners.conj()).imag.sum()) / 2)


def _ridges(grey: NDArray[np.uint8], blocks: NDArray[np.bool_]) -> float:
    """Return which share of the finger is darker than the middle between extremes around it."""
    if not blocks.any():
        return 0.0
    missing = [(0, -side % BLOCK_PX) for side in grey.shape]
    rows, columns = blocks.shape
    padded = np.pad(grey, missing, mode="edge").reshape(rows, BLOCK_PX, columns, BLOCK_PX)
    of_blocks = padded.transpose(0, 2, 1, 3).reshape(rows, columns, -1).astype(np.float64)
    # With its neighbours a block is wider than a ridge and a valley: it has seen both.
    middle = (_highest(of_blocks.max(axis=2)) - _highest(-of_blocks.min(axis=2))) / 2
    dark = (of_blocks < middle[..., None])[blocks]
    # A block without a ridge lies beside the finger.
    touched = dark.any(axis=1)
    return float(dark[touched].mean()) if touched.any() else 0.0


def _highest(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the highest of each block and the eight around it."""
    around = np.lib.stride_tricks.sliding_window_view(np.pad(values, 1, mode="edge"), (3, 3))
    highest: NDArray[np.float64] = around.max(axis=(2, 3))
    return highest


def _offset_px(blocks: NDArray[np.bool_], shape: tuple[int, ...]) -> float:
    rows, columns = np.nonzero(blocks)
    if not len(rows):
        return 0.0
    down = (rows.mean() + 0.5) * BLOCK_PX - shape[0] / 2
    right = (columns.mean() + 0.5) * BLOCK_PX - shape[1] / 2
    return float(math.hypot(down, right))
