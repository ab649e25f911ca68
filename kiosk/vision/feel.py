"""What touches say of a finger: images in, and after each one what to do next.

Knows how the chip's fingerprints and the touches become minutiae, how several touches and two
fingers are weighed together, and when it is enough. A finger is compared with the fingerprint of
the finger that was asked for and with no other, so that the nominal false match rate is that of one
comparison. Knows no socket and no sensor; what it keeps ends with its process.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from kiosk.vision.touch_port import Again, TouchJudged, TouchReady
from models.calibration import CalibrationError, find, require_use
from models.finger import quality
from models.finger.extract import NAMES, Extractor
from models.finger.fusion import PIPELINE, score
from models.finger.picture import FingerPictureError, from_coded, from_pixels, from_raw
from models.finger.prepared import prepare
from models.finger.quality import GateError, assess
from models.finger.replay import is_replay
from models.finger.touches import join, together
from models.manifest import manifest_of
from models.runtime import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from kiosk.vision.port import Fmr
    from kiosk.vision.touch_port import (
        Coded,
        CodedTouch,
        FingerBandName,
        FingerHintName,
        FingerReason,
        FromTouch,
        Reference,
        Touch,
    )
    from models.finger.minutiae import Minutiae
    from models.finger.prepared import Prepared

PRECISION: Final = "int8"
CALIBRATION: Final = "finger"
TOUCHES_A_FINGER: Final = 3
LEAST_MINUTIAE: Final = 8
"""A print of the chip with fewer says nothing of whose it is."""
RATES: Final = (1e-3, 1e-4, 1e-5)
STRONG_FMR: Final = 1e-5
HINTS: Final[dict[str, FingerHintName]] = {
    quality.ABSENT: "quality_finger_centre",
    quality.CENTRE: "quality_finger_centre",
    quality.WIPE: "quality_finger_dry",
    quality.PRESS: "quality_finger_pressure",
    quality.AGAIN: "quality_finger_pressure",
}
OTHER_LLR: Final = -4.0
"""Under this log-likelihood ratio a finger is another one: fifty to one, whatever was pressed."""


@dataclass(slots=True)
class _Finger:
    """One finger of the card, and the touches that were given for it."""

    position: int
    reference: Minutiae = field(repr=False)
    prepared: Prepared = field(repr=False)
    touches: list[Minutiae] = field(default_factory=list, repr=False)
    given: int = 0
    alike: float = -1.0


class Feel:
    """One citizen's fingers."""

    def __init__(self, models: Path) -> None:
        """Load the net and what its scores mean.

        Raises:
            ModelError: the net or its calibration is missing, altered or another's.
        """
        self._extractor = Extractor(models, precision=PRECISION)
        manifest = manifest_of(NAMES[PRECISION])
        try:
            found = find(models, CALIBRATION)
            self._calibration = require_use(
                found.calibration,
                modality="finger", net=manifest.id, pipeline=PIPELINE, rates=RATES,
            )  # fmt: skip
        except CalibrationError as error:
            raise ModelError(manifest.name, "uncalibrated", "no calibration") from error
        try:
            self._gate = quality.shipped()
        except GateError as error:
            raise ModelError(manifest.name, "uncalibrated", "no gate") from error
        self._models = {"minutiae": manifest.id, "finger_calibration": found.id}
        self._fingers: list[_Finger] = []
        self._asked = 0
        self._fmr = RATES[1]
        self._ms: dict[str, float] = {}

    def refer(self, about: Reference, image: bytes) -> None:
        """Take one fingerprint of the chip; one that cannot be used is left out.

        Raises:
            ModelError: the net failed.
        """
        with self._timed("reference"):
            try:
                found = self._extractor.extract(_picture(about, image)).minutiae
            except FingerPictureError:
                return
        if len(found) >= LEAST_MINUTIAE:
            self._fingers.append(_Finger(about.position, found, prepare(found)))

    def begin(self, fmr: Fmr) -> FromTouch:
        """Return which finger to ask for, or that there is nothing to compare with."""
        self._fmr = float(fmr)
        if not self._fingers:
            return self._judged("none", ("quality_reference",))
        return TouchReady(models=self._models, position=self._fingers[0].position)

    def touch(self, about: Touch, pixels: bytes, *, last: bool) -> FromTouch:
        """Look at one touch of the finger that was asked for.

        Args:
            about: its size.
            pixels: row after row.
            last: whether there will be no other.

        Raises:
            ModelError: the net failed.
        """
        grey = np.frombuffer(pixels, dtype=np.uint8).reshape(about.height_px, about.width_px)
        return self._felt(lambda: from_pixels(grey, dpi=about.ppi).grey, last=last)

    def coded(self, about: CodedTouch, image: bytes, *, last: bool) -> FromTouch:
        """Look at one touch as a sensor coded it, as `touch` does."""
        return self._felt(lambda: _picture(about, image), last=last)

    def _felt(self, picture: Callable[[], NDArray[np.uint8]], *, last: bool) -> FromTouch:
        finger = self._fingers[self._asked]
        finger.given += 1
        try:
            found, hint = self._looked_at(picture)
        except FingerPictureError:
            return self._next("quality_finger_pressure", last=last)
        with self._timed("match"):
            if self._seen_before(found):
                return self._judged("none", ("finger_replayed",))
            if hint is None:
                finger.touches.append(found)
                finger.alike = score(prepare(join(finger.touches).minutiae), finger.prepared)
                band = self._band()
                if band in {"same", "same_strong"}:
                    return self._judged(band)
        return self._next(hint, last=last)

    def _looked_at(
        self, picture: Callable[[], NDArray[np.uint8]]
    ) -> tuple[Minutiae, FingerHintName | None]:
        """Return what a touch shows, and what is wrong with it. Raises FingerPictureError."""
        with self._timed("extract"):
            grey = picture()
            found = self._extractor.extract(grey)
            failure = self._gate.failure(assess(grey, found))
        return found.minutiae, None if failure is None else HINTS[failure]

    def _next(self, hint: FingerHintName | None, *, last: bool) -> FromTouch:
        """Ask for one more touch, of this finger or another, or judge by what there is."""
        finger = self._fingers[self._asked]
        another = len(finger.touches) > 1 and self._named(finger.alike) == "different"
        if another or finger.given >= TOUCHES_A_FINGER:
            # Whoever put the wrong finger down is asked for the other one.
            self._asked += 1
        if last or self._asked == len(self._fingers):
            compared = any(finger.touches for finger in self._fingers)
            return self._judged(self._band(), () if compared or hint is None else (hint,))
        return Again(hint=hint, position=self._fingers[self._asked].position)

    def _seen_before(self, found: Minutiae) -> bool:
        """Whether a touch is an image that was there already: no finger lies twice alike."""
        return any(
            is_replay(found, other)
            for finger in self._fingers
            for other in (finger.reference, *finger.touches)
        )

    def _band(self) -> FingerBandName:
        """Return what all touches of all fingers say together."""
        felt = [finger for finger in self._fingers if finger.touches]
        if not felt:
            return "none"
        if len(felt) == 1:
            return self._named(felt[0].alike)
        return self._by_ratio(together([self._calibration.llr(each.alike) for each in felt]))

    def _named(self, alike: float) -> FingerBandName:
        at = self._calibration.score_at
        if alike >= max(at(STRONG_FMR), at(self._fmr)):
            return "same_strong"
        if alike >= at(self._fmr):
            return "same"
        return "different" if self._calibration.llr(alike) <= OTHER_LLR else "unsure"

    def _by_ratio(self, ratio: float) -> FingerBandName:
        """Return the band of several fingers, by the ratios that single scores have at a rate."""
        strong, same = (
            self._calibration.llr(self._calibration.score_at(rate))
            for rate in (STRONG_FMR, self._fmr)
        )
        if ratio >= max(strong, same):
            return "same_strong"
        if ratio >= same:
            return "same"
        return "different" if ratio <= OTHER_LLR else "unsure"

    def _judged(
        self, band: FingerBandName, reasons: tuple[FingerHintName | FingerReason, ...] = ()
    ) -> TouchJudged:
        touches = sum(len(finger.touches) for finger in self._fingers) if band != "none" else 0
        ms = {phase: round(spent, 1) for phase, spent in self._ms.items()}
        return TouchJudged(band=band, touches=touches, reasons=reasons, ms=ms)

    @contextmanager
    def _timed(self, phase: str) -> Iterator[None]:
        begun_ns = time.perf_counter_ns()
        try:
            yield
        finally:
            took_ms = (time.perf_counter_ns() - begun_ns) / 1e6
            self._ms[phase] = self._ms.get(phase, 0.0) + took_ms


def _picture(about: Coded, image: bytes) -> NDArray[np.uint8]:
    """Return a record's image at 500 dpi. Raises FingerPictureError."""
    if about.format not in {"raw", "packed"}:
        return from_coded(image, dpi=about.ppi).grey
    return from_raw(
        image,
        width_px=about.width_px,
        height_px=about.height_px,
        depth_bits=about.depth_bits,
        dpi=about.ppi,
    ).grey
