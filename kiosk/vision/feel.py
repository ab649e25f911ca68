"""What touches say of a finger: images in, and after each one what to do next.

Knows how the chip's fingerprints and the touches become minutiae, how several touches and two
fingers are weighed together, and when it is enough. A finger is compared with the fingerprints of
the finger that was asked for and with no other, so that the nominal false match rate is that of one
comparison; where a chip does not say which finger a fingerprint is of, each is a chance of its own,
and they are no evidence together. Whose finger it is not is said of two good touches at least: one
may have slipped; and so is whose it is, where a sensor shows as little as an R503's. Knows no
socket and no sensor; what it keeps ends with its process.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from kiosk.vision.touch_port import Again, TouchJudged, TouchReady
from models.calibration import CalibrationError, find, laxer_rates, require_use
from models.finger import fusion, quality
from models.finger.extract import NAMES, Extractor
from models.finger.fusion import WeightsError, pipeline
from models.finger.picture import FingerPictureError, from_coded, from_pixels, from_raw
from models.finger.quality import GateError, assess
from models.finger.replay import is_replay
from models.finger.touches import match_together, ready, score, together
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
    from models.finger.touches import Ready

PRECISION: Final = "int8"
CALIBRATION: Final = "finger"
TOUCHES_A_FINGER: Final = 3
LEAST_MINUTIAE: Final = 8
"""A print of the chip, or a touch, with fewer says nothing of whose it is."""
LEAST_TOUCHES_OF_ANOTHER: Final = 2
LEAST_TOUCHES_OF_LITTLE: Final = 2
LITTLE_PX: Final = 70_000
"""A touch with fewer pixels at 500 dpi than 256 by 288 shows little of a finger. By one alone
others match more often than the thresholds say: docs/reference/finger-accuracy.md."""
UNKNOWN: Final = 0
"""The position of a fingerprint whose record does not say of which finger it is."""
MAX_VIEWS: Final = 8
"""Of one finger on the chip."""
MAX_RATE: Final = 1e-2
RATES: Final = (MAX_RATE, 1e-3, 1e-4, 1e-5)
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
    """One finger of the card, and the touches that were given for it.

    Attributes:
        position: which, by the record.
        pictures: each makes one of its fingerprints at 500 dpi, or raises FingerPictureError; they
            are made when the finger is asked for.
        references: what they show.
        kept: the references, ready to be compared; None: none can be used.
        touches: those that were good enough to be compared.
        given: how many there were.
        alike: the score of all touches so far.
    """

    position: int
    pictures: list[Callable[[], NDArray[np.uint8]]] = field(default_factory=list, repr=False)
    references: list[Minutiae] = field(default_factory=list, repr=False)
    kept: Ready | None = field(default=None, repr=False)
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
            self._weights, self._gate = fusion.shipped(), quality.shipped()
            self._calibration = require_use(
                found.calibration,
                modality="finger",
                net=manifest.id,
                pipeline=pipeline(self._weights),
                rates=RATES,
            )
        except (CalibrationError, WeightsError, GateError) as error:
            raise ModelError(manifest.name, "uncalibrated", "no calibration") from error
        if not self._weights.net == self._gate.net == manifest.id:
            raise ModelError(manifest.name, "uncalibrated", "weights or gate of another net")
        self._models = {
            "minutiae": manifest.id,
            "finger_calibration": found.id,
            "finger_gate": quality.id_of(self._gate),
        }
        self._fingers: list[_Finger] = []
        self._asked = 0
        self._little = False
        self._fmr = 1e-4
        self._ms: dict[str, float] = {}

    @property
    def laxer(self) -> bool:
        """Whether a site's own calibration takes for the same what the shipped one does not."""
        return bool(laxer_rates(self._calibration, CALIBRATION))

    def refer(self, about: Reference, image: bytes) -> None:
        """Take one fingerprint of the chip; several of one finger are one finger's."""
        finger = next(
            (each for each in self._fingers if each.position == about.position != UNKNOWN), None
        )
        if finger is None:
            finger = _Finger(about.position)
            self._fingers.append(finger)
        finger.pictures.append(lambda: _picture(about, image))

    def begin(self, fmr: Fmr) -> FromTouch:
        """Return which finger to ask for, or that there is nothing to compare with.

        Raises:
            ModelError: the net failed.
        """
        self._fmr = float(fmr)
        if not self._found():
            return self._judged("none", ("quality_reference",))
        return TouchReady(models=self._models, position=self._fingers[self._asked].position)

    def _found(self) -> bool:
        """Go on to the next finger of which a fingerprint can be used; tell whether there is one.

        Raises:
            ModelError: the net failed.
        """
        while self._asked < len(self._fingers):
            finger = self._fingers[self._asked]
            with self._timed("reference"):
                while finger.pictures:
                    self._read(finger, finger.pictures.pop(0))
            if finger.references:
                finger.kept = ready(finger.references[:MAX_VIEWS])
                return True
            self._fingers.pop(self._asked)
        return False

    def _read(self, finger: _Finger, picture: Callable[[], NDArray[np.uint8]]) -> None:
        """Take what one fingerprint shows; one that cannot be used is left out."""
        try:
            found = self._extractor.extract(picture()).minutiae
        except FingerPictureError:
            return
        if len(found) >= LEAST_MINUTIAE:
            finger.references.append(found)

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
        if hint is not None or finger.kept is None:
            return self._next(hint, last=last)
        with self._timed("match"):
            if self._seen_before(found):
                return self._judged("none", ("finger_replayed",))
            finger.touches.append(found)
            finger.alike = score(
                ready(finger.touches, weights=self._weights), finger.kept, weights=self._weights
            )
            band = self._band()
        if band in {"same", "same_strong"}:
            return self._judged(band)
        return self._next(None, last=last)

    def _looked_at(
        self, picture: Callable[[], NDArray[np.uint8]]
    ) -> tuple[Minutiae, FingerHintName | None]:
        """Return what a touch shows, and what is wrong with it. Raises FingerPictureError."""
        with self._timed("extract"):
            grey = picture()
            self._little |= grey.size < LITTLE_PX
            found = self._extractor.extract(grey)
            failure = self._gate.failure(assess(grey, found))
        if failure is None and len(found.minutiae) < LEAST_MINUTIAE:
            failure = quality.AGAIN
        return found.minutiae, None if failure is None else HINTS[failure]

    def _next(self, hint: FingerHintName | None, *, last: bool) -> FromTouch:
        """Ask for one more touch, of this finger or another, or judge by what there is."""
        finger = self._fingers[self._asked]
        enough = len(finger.touches) >= LEAST_TOUCHES_OF_ANOTHER
        another = enough and self._named(finger.alike) == "different"
        if another or finger.given >= TOUCHES_A_FINGER:
            # Whoever put the wrong finger down is asked for the other one.
            self._asked += 1
        if last or not self._found():
            return self._judged(self._at_last(), self._why(hint))
        return Again(hint=hint, position=self._fingers[self._asked].position)

    def _at_last(self) -> FingerBandName:
        """Return what all touches say; a single one says of nobody that he is another."""
        band = self._band()
        touches = sum(len(finger.touches) for finger in self._fingers)
        return "unsure" if band == "different" and touches < LEAST_TOUCHES_OF_ANOTHER else band

    def _why(self, hint: FingerHintName | None) -> tuple[FingerHintName, ...]:
        """Return what was wrong with the last touch, if none could be compared."""
        compared = any(finger.touches for finger in self._fingers)
        return () if compared or hint is None else (hint,)

    def _seen_before(self, found: Minutiae) -> bool:
        """Whether a touch is an image that was there already: no finger lies twice alike."""
        return any(
            is_replay(found, other)
            for finger in self._fingers
            for other in (*finger.references, *finger.touches)
        )

    def _band(self) -> FingerBandName:
        """Return what all touches of all fingers say together, if they are enough to say it."""
        band = self._said()
        touches = sum(len(finger.touches) for finger in self._fingers)
        few = self._little and touches < LEAST_TOUCHES_OF_LITTLE
        return "unsure" if few and band in {"same", "same_strong"} else band

    def _said(self) -> FingerBandName:
        felt = [finger for finger in self._fingers if finger.touches]
        if not felt:
            return "none"
        scores = [each.alike for each in felt]
        if len(felt) == 1 or any(each.position == UNKNOWN for each in felt):
            return self._named(max(scores))
        return self._together(scores)

    def _named(self, alike: float) -> FingerBandName:
        at = self._calibration.score_at
        if alike >= max(at(STRONG_FMR), at(self._fmr)):
            return "same_strong"
        if alike >= at(self._fmr):
            return "same"
        return "different" if self._calibration.llr(alike) <= OTHER_LLR else "unsure"

    def _together(self, scores: list[float]) -> FingerBandName:
        """Return the band of several fingers, by the score of each."""
        if match_together(scores, self._calibration, self._fmr):
            strong = match_together(scores, self._calibration, STRONG_FMR)
            return "same_strong" if strong else "same"
        ratio = together([self._calibration.llr(each) for each in scores])
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
