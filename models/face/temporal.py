"""What several frames of one face say about the thing that shows it.

A medium that is held up moves its background along, a screen flickers in stripes, two pixel grids
beat against each other. Knows small pictures, rows of light and spectra, and when there is enough
of them. Does not know whose face it is. Each cue is one that some attacks show and a person does
not: none of them found says little, one found is enough. Where neither grids nor stripes can be
read, nobody looked. A background that is blank, or a face that keeps still, says nothing about what
moves along, and that is no fault of a person before a plain wall. A screen that stands still, fills
the frame, is finer than the camera and does not flicker shows none of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

from models.face import picture
from models.face.liveness import STABLE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from models.face.mesh import Mesh

SMALL_SIDE_PX: Final = 160
"""The longer side of the small picture that is kept of a frame."""
LUMA: Final = (0.299, 0.587, 0.114)
MIN_FRAMES: Final = 6
"""Fewer say nothing."""
MAX_FRAMES: Final = 120
"""So many are kept at most, the newest: about ten seconds."""

PATCH: Final = 128
"""Side of the square from the middle of the face whose spectrum is looked at, in frame pixels."""
RINGS: Final = (14, 62)
"""Cycles in the patch: coarser is the face itself, finer is the sensor's own edge."""
RING_WIDTH: Final = 4
AXIS: Final = 2
"""So near the axes lie a codec's blocks, and nothing is read there."""
MOIRE: Final = 50.0
"""Of the strongest single frequency over the middle of its ring, in the middle of all frames. Noise
gives 15 to 20; rendered beats of two grids 60 and more, rendered dots of ink thousands."""

RING: Final = (1.6, 2.3)
"""Where the background is looked at: so many times the face's half width about its middle."""
MIN_MOVE: Final = 0.03
"""Of the eye distance: a face that moved less says nothing about what moved along."""
MAX_MOVE: Final = 0.6
"""One that moved more uncovered too much."""
FLAT: Final = 0.02
"""Of the eye distance: so little is left where the face only shifted, as a sheet does."""
MIN_CHANGE: Final = 2.5
"""Grey levels: so much changes at least in a background that is not blank."""
MOVED_ALONG: Final = 0.5
"""Of what is left when nothing moved: so little is left when it moved with the face."""
RIGID_SHARE: Final = 0.35
MIN_RIGID_PAIRS: Final = 3

STILL: Final = 0.02
"""Of the eye distance: between two frames that were taken of the same scene."""
STRIPE: Final = 0.008
"""Amplitude of a stripe, as a share of the light."""
STRIPE_CYCLES: Final = (3, 24)
"""A picture's height holds so many stripes."""
STRIPE_SHARE: Final = 0.5
"""Of the rows' change that one frequency explains."""
STRIPED_SHARE: Final = 0.5
MIN_STILL_PAIRS: Final = 4


class Cue(StrEnum):
    """What can be found."""

    RIGID_BACKGROUND = "rigid_background"
    BANDING = "banding"
    MOIRE = "moire"


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """What is kept of one frame.

    Attributes:
        small: (h, w) uint8, luma, the frame made smaller: minutes of them are kept.
        points: (34, 2) float64, x and y of the stable points in it.
        eye_distance: between the middles of the eyes, in it.
        moire: how far the strongest frequency of the face stands out, 1 or more; less, or not
            finite: not measured.
    """

    small: NDArray[np.uint8] = field(repr=False)
    points: NDArray[np.float64] = field(repr=False)
    eye_distance: float
    moire: float


class TraceError(ValueError):
    """There is no trace: the frame has another size than the earlier ones, or is too small."""


def trace(rgb: NDArray[np.uint8], mesh: Mesh) -> Trace:
    """Return what is kept of a frame.

    Args:
        rgb: (H, W, 3) uint8, RGB.
        mesh: of the one face on it.

    Raises:
        PictureError: it is no such array.
    """
    picture.check(rgb)
    factor = max(max(rgb.shape[:2]) // SMALL_SIDE_PX, 1)
    small = np.asarray(Image.fromarray(rgb).reduce(factor).convert("L"), dtype=np.uint8)
    return Trace(
        small=small,
        points=mesh.points[list(STABLE), :2].astype(np.float64) / factor,
        eye_distance=max(mesh.eye_distance_px / factor, 1e-3),
        moire=moire_of(rgb, mesh),
    )


def moire_of(rgb: NDArray[np.uint8], mesh: Mesh) -> float:
    """Return how far the strongest single frequency of a face stands out of its ring.

    Args:
        rgb: (H, W, 3) uint8, RGB.
        mesh: of the face.

    Returns:
        1 or more. Beside the picture's edge what is read is the nearest whole patch.

    Raises:
        TraceError: the picture is too small for its frequencies to be read.
    """
    height, width = rgb.shape[:2]
    if min(height, width) < PATCH:
        raise TraceError("a picture too small for its frequencies")
    middle = mesh.points[list(STABLE), :2].mean(axis=0)
    left, top = (
        min(max(round(float(each)) - PATCH // 2, 0), size - PATCH)
        for each, size in zip(middle, (width, height), strict=True)
    )
    piece = rgb[top : top + PATCH, left : left + PATCH].astype(np.float64) @ np.array(LUMA)
    power = np.abs(np.fft.rfft2((piece - piece.mean()) * _WINDOW)) ** 2
    values = power[_ROWS, _COLUMNS]
    middles = np.array([np.median(each) for each in np.split(values, _BEGINS)])
    strongest = np.maximum.reduceat(values, np.concatenate([[0], _BEGINS]))
    return float((strongest / np.maximum(middles, 1e-9)).max())


def _rings() -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Return rows and columns of the frequencies that count, by ring, and where rings begin."""
    down = np.abs(np.fft.fftfreq(PATCH) * PATCH)[:, None]
    along = (np.fft.rfftfreq(PATCH) * PATCH)[None]
    radius = np.hypot(down, along)
    counts = (radius >= RINGS[0]) & (radius < RINGS[1]) & (down > AXIS) & (along > AXIS)
    rows, columns = np.nonzero(counts)
    ring = (radius[rows, columns] // RING_WIDTH).astype(np.intp)
    order = np.argsort(ring, kind="stable")
    return rows[order], columns[order], np.flatnonzero(np.diff(ring[order])) + 1


_WINDOW: Final = np.outer(np.hanning(PATCH), np.hanning(PATCH))
_ROWS, _COLUMNS, _BEGINS = _rings()


class Watch:
    """The traces of one unbroken track."""

    def __init__(self) -> None:
        """Begin with none."""
        self._traces: list[Trace] = []

    def add(self, seen: Trace) -> None:
        """Take the next frame's trace.

        Raises:
            TraceError: it is of another size than those before.
        """
        if self._traces and seen.small.shape != self._traces[0].small.shape:
            raise TraceError("another size of frame")
        self._traces = [*self._traces, seen][-MAX_FRAMES:]

    @property
    def enough(self) -> bool:
        """Whether there is enough to say anything."""
        return len(self._traces) >= MIN_FRAMES

    @property
    def looked(self) -> bool:
        """Whether grids or stripes could be read: if neither, that no cue was found is no word."""
        grids = len(_moires(self._traces)) >= MIN_FRAMES
        return self.enough and (grids or len(_still_pairs(self._traces)) >= MIN_STILL_PAIRS)

    def cues(self) -> frozenset[Cue]:
        """Return what was found."""
        found = set()
        if self.enough:
            if beats(self._traces):
                found.add(Cue.MOIRE)
            if moves_along(self._traces):
                found.add(Cue.RIGID_BACKGROUND)
            if is_striped(self._traces):
                found.add(Cue.BANDING)
        return frozenset(found)


def beats(traces: Sequence[Trace]) -> bool:
    """Return whether two grids beat on the face, in the middle of all frames that tell."""
    told = _moires(traces)
    return len(told) >= MIN_FRAMES and float(np.median(told)) >= MOIRE


def _moires(traces: Sequence[Trace]) -> list[float]:
    """Return what was measured."""
    return [each.moire for each in traces if 1 <= each.moire < np.inf]


def moves_along(traces: Sequence[Trace]) -> bool:
    """Return whether the background moves as the face does, as on a medium that is held up."""
    said = []
    for one, other in _pairs(traces):
        move = _move(one, other)
        if MIN_MOVE <= move <= MAX_MOVE:
            said.append(_moved_along(one, other))
    told = [each for each in said if each is not None]
    return len(told) >= MIN_RIGID_PAIRS and float(np.mean(told)) >= RIGID_SHARE


def _pairs(traces: Sequence[Trace]) -> list[tuple[Trace, Trace]]:
    """Return frames with others a few places on: neighbours hardly move."""
    apart = (3, 7)
    return [
        (traces[place], traces[place + step])
        for step in apart
        for place in range(0, len(traces) - step, 2)
    ]


def _move(one: Trace, other: Trace) -> float:
    """Return how far the face went, in eye distances."""
    gaps = np.hypot(*(other.points - one.points).T)
    return float(np.median(gaps)) / one.eye_distance


def _moved_along(one: Trace, other: Trace) -> bool | None:
    """Return whether the ring round the face went where the face went.

    None: the ring is blank, or the face turned, and nothing can go where it went.
    """
    spots = _ring(one)
    if len(spots) < 40:
        return None
    went, *_ = np.linalg.lstsq(_with_one(one.points), other.points, rcond=None)
    left = np.hypot(*(_with_one(one.points) @ went - other.points).T)
    if float(np.sqrt((left**2).mean())) > FLAT * one.eye_distance:
        return None
    along = _with_one(spots) @ went
    inside = _inside(along, other.small)
    if inside.sum() < 40:
        return None
    spots, along = spots[inside], along[inside]
    before = _at(one.small, spots)
    stayed = float(np.abs(_at(other.small, spots) - before).mean())
    moved = float(np.abs(_at(other.small, along) - before).mean())
    return None if stayed < MIN_CHANGE else moved <= MOVED_ALONG * stayed


def _ring(of: Trace) -> NDArray[np.float64]:
    """Return (N, 2): places beside and above the face, outside of the hair."""
    middle = of.points.mean(axis=0)
    half = float(np.ptp(of.points[:, 0])) / 2
    y, x = np.mgrid[: of.small.shape[0], : of.small.shape[1]].reshape(2, -1)
    away = np.hypot((x - middle[0]) / half, (y - middle[1]) / (1.25 * half))
    beside = (away >= RING[0]) & (away <= RING[1]) & (y < middle[1] + half)
    places: NDArray[np.float64] = np.stack([x, y], axis=1)[beside].astype(np.float64)
    return places


def _with_one(points: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([points, np.ones((len(points), 1), dtype=np.float64)], axis=1)


def _inside(points: NDArray[np.float64], small: NDArray[np.uint8]) -> NDArray[np.bool_]:
    high = np.array(small.shape[::-1]) - 1.001
    inside = (points >= 0) & (points <= high)
    return inside[:, 0] & inside[:, 1]


def _at(small: NDArray[np.uint8], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the luma at places, between pixels by their four neighbours."""
    high = np.array(small.shape[::-1]) - 1.001
    x, y = np.clip(points, 0, high).T
    left, top = x.astype(np.intp), y.astype(np.intp)
    right, low = x - left, y - top
    upper = small[top, left] * (1 - right) + small[top, left + 1] * right
    lower = small[top + 1, left] * (1 - right) + small[top + 1, left + 1] * right
    mixed: NDArray[np.float64] = upper * (1 - low) + lower * low
    return mixed


def is_striped(traces: Sequence[Trace]) -> bool:
    """Return whether stripes of light run over a scene that does not move."""
    said = [_striped(one, other) for one, other in _still_pairs(traces)]
    return len(said) >= MIN_STILL_PAIRS and float(np.mean(said)) >= STRIPED_SHARE


def _still_pairs(traces: Sequence[Trace]) -> list[tuple[Trace, Trace]]:
    """Return neighbours between which the face did not move."""
    return [(one, other) for one, other in pairwise(traces) if _move(one, other) <= STILL]


def _striped(one: Trace, other: Trace) -> bool:
    """Return whether the rows' light changed in even stripes."""
    before, after = (
        np.maximum(each.small.mean(axis=1, dtype=np.float32), 1.0) for each in (one, other)
    )
    change = np.log(after / before).astype(np.float64)
    place = np.linspace(-1, 1, len(change))
    change -= np.polyval(np.polyfit(place, change, 3), place)
    spectrum = np.abs(np.fft.rfft(change * np.hanning(len(change)))) ** 2
    low, high = STRIPE_CYCLES
    peak = low + int(np.argmax(spectrum[low : high + 1]))
    around = spectrum[max(peak - 1, 1) : peak + 2].sum()
    share = float(around / max(float(spectrum[1:].sum()), 1e-12))
    # A Hann window passes half of an amplitude, and rfft halves it once more.
    amplitude = 4 * float(np.sqrt(spectrum[peak])) / len(change)
    return amplitude >= STRIPE and share >= STRIPE_SHARE
