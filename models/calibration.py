"""What a score means: thresholds by nominal false match rate, and a log-likelihood ratio.

Knows the file of a calibration and its bounds. It is numbers only: no picture, no embedding, and of
the pictures that it rests on no more than the beginning of each one's hash, so that nobody
evaluates on them by mistake. Does not know how it is fitted (`models.evaluate.fit`) nor what a band
leads to.
"""

from __future__ import annotations

import hashlib
import math
import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal, NamedTuple

import msgspec
from msgspec import Meta, Struct

from models import files

if TYPE_CHECKING:
    from collections.abc import Iterable

FOLDER: Final = Path(__file__).parent / "calibrations"
MAX_BYTES: Final = 8 * 1024 * 1024
MAX_PICTURES: Final = 200_000
NOMINAL_FMR: Final = (1e-2, 1e-3, 1e-4, 1e-5)
OWN: Final = "calibration-{}.json"
"""A file of this name, a net's, among the model files is a site's own, and used instead."""
SITE: Final = "site-"
"""Before the name of a site's own, in its id."""
ID_HEX_DIGITS: Final = 12
EXACT: Final = 1e-6
"""By which a rate and its count may differ, for one is a decimal number and the other is not."""

Modality = Literal["face", "finger"]
Count = Annotated[int, Meta(ge=0, le=10**12)]
Score = Annotated[float, Meta(ge=-1, le=1)]
PictureHash = Annotated[str, Meta(pattern=r"\A[0-9a-f]{16}\Z")]
Pictures = Annotated[tuple[PictureHash, ...], Meta(max_length=MAX_PICTURES)]
SHA256 = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
Text = Annotated[str, Meta(max_length=400)]


class CalibrationError(Exception):
    """A calibration cannot be used.

    Attributes:
        why: "missing", "unreadable", "other_net", "no_rate" or "in_sample".
    """

    def __init__(self, why: str, message: str = "") -> None:
        super().__init__(f"calibration {why}" + (f": {message}" if message else ""))
        self.why = why


class Threshold(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A comparison matches at this score or above.

    Attributes:
        fmr: the nominal false match rate: what it is meant to keep among any people; one of
            `NOMINAL_FMR`.
        score: the threshold, -1..1.
        measured_fmr: what it has among the impostors of the calibration; the nominal rate over the
            safety factor.
        false_matches: how many comparisons of the calibration reached it.
        extrapolated: whether too few did to measure that rate, so that the tail's shape was relied
            on.
    """

    fmr: Annotated[float, Meta(gt=0, lt=1)]
    score: Score
    measured_fmr: Annotated[float, Meta(ge=0, le=1)]
    false_matches: Count
    extrapolated: bool


class Source(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """On whom something was fitted.

    Attributes:
        set: the set's name.
        pictures: the beginning of the SHA-256 of each picture's file; none where scores alone were
            given.
        subjects: how many people; 0: not known.
        genuine: comparisons of one person.
        impostor: comparisons of two.
    """

    set: Text
    pictures: Pictures
    subjects: Count
    genuine: Count
    impostor: Count


class Ratio(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A score as evidence: natural logarithm of P(score | one person) / P(score | two people).

    Attributes:
        slope: of the line, at least 0: more alike is never less evidence.
        offset: of the line.
        floor: the least it may say, at most 0: the genuine scores support no less.
        source: on whom it was fitted.
    """

    slope: Annotated[float, Meta(ge=0, le=1e4)]
    offset: Annotated[float, Meta(ge=-1e4, le=1e4)]
    floor: Annotated[float, Meta(ge=-100, le=0)]
    source: Source


class Calibration(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The calibration of one net in one pipeline.

    Attributes:
        format: of this file.
        modality: what is compared.
        net: the id of the net that made the scores: name and the beginning of its hash; nets that
            are fused are joined by "+".
        pipeline: how the pictures came to the net; another alignment, or pixels that are fed
            otherwise, have other scores.
        commit: of the program that fitted it; "unknown" outside of a repository.
        safety: the factor between a nominal rate and the rate that its threshold has on the
            calibration's own impostors: strangers, cameras and crowds differ more than pairs.
        thresholds: falling rates, rising scores.
        source: whose impostor scores the thresholds rest on.
        ratio: score to log-likelihood ratio; None: there were no genuine scores to fit it.
        limits: what it does not prove.
    """

    format: Literal["tram-calibration-1"] = "tram-calibration-1"
    modality: Modality
    net: Annotated[str, Meta(pattern=r"\A[a-z0-9][a-z0-9.+-]{0,199}\Z")]
    pipeline: Annotated[str, Meta(pattern=r"\A[a-z0-9][a-z0-9.-]{0,79}\Z")]
    commit: Annotated[str, Meta(pattern=r"\A([0-9a-f]{40}|unknown)\Z")]
    safety: Annotated[float, Meta(ge=1, le=1000)]
    thresholds: Annotated[tuple[Threshold, ...], Meta(min_length=1, max_length=16)]
    source: Source
    ratio: Ratio | None = None
    limits: Annotated[str, Meta(max_length=2000)]

    def __post_init__(self) -> None:
        rates = [each.fmr for each in self.thresholds]
        scores = [each.score for each in self.thresholds]
        if not set(rates) <= set(NOMINAL_FMR):
            raise ValueError("a rate is none of the nominal ones")
        if not all(-1 <= score <= 1 for score in scores):
            raise ValueError("a threshold is no score")
        if rates != sorted(set(rates), reverse=True) or scores != sorted(set(scores)):
            raise ValueError("thresholds must rise as their rates fall")
        self._check_counts()

    def _check_counts(self) -> None:
        """Refuse rates that the counts beside them contradict, or that the safety forbids."""
        impostor = self.source.impostor
        counts = [each.false_matches for each in self.thresholds]
        if counts != sorted(counts, reverse=True) or counts[0] > impostor or impostor < 1:
            raise ValueError("false matches must fall as thresholds rise")
        for each in self.thresholds:
            counted = each.false_matches / impostor
            if not math.isclose(each.measured_fmr, counted, rel_tol=EXACT, abs_tol=EXACT**2):
                raise ValueError("a measured rate is not what was counted")
            if each.measured_fmr > each.fmr / self.safety * (1 + EXACT):
                raise ValueError("a threshold does not keep its rate where it was fitted")

    def score_at(self, fmr: float) -> float:
        """Return the threshold for a nominal false match rate.

        Raises:
            KeyError: there is none for exactly that rate; nothing is interpolated.
        """
        for each in self.thresholds:
            if each.fmr == fmr:
                return each.score
        raise KeyError(fmr)

    def llr(self, score: float) -> float:
        """Return the natural log-likelihood ratio of a score: positive speaks for one person.

        It never says more than the false match rate of the highest threshold that the score
        reached, and never less than its floor. What is no number says the least.

        Raises:
            CalibrationError: the calibration has no such line.
        """
        if self.ratio is None:
            raise CalibrationError("missing", "no genuine scores were given to fit a ratio")
        if math.isnan(score):
            return self.ratio.floor
        reached = [each.fmr for each in self.thresholds if score >= each.score]
        ceiling = -math.log(min(reached, default=self.thresholds[0].fmr))
        line = self.ratio.slope * score + self.ratio.offset
        return max(self.ratio.floor, min(line, ceiling))

    def overlap(self, pictures: frozenset[str]) -> int:
        """Return how many of the pictures, by their hashes, the thresholds were fitted on."""
        return len(pictures.intersection(self.source.pictures))

    def ratio_overlap(self, pictures: frozenset[str]) -> int:
        """Return how many of them the ratio was fitted on."""
        return len(pictures.intersection(self.ratio.source.pictures)) if self.ratio else 0


def parse(raw: bytes) -> Calibration:
    """Read a calibration.

    Raises:
        CalibrationError: it is too long, no JSON, has an unknown, missing or ill-typed field, or
            contradicts itself.
    """
    if len(raw) > MAX_BYTES:
        raise CalibrationError("unreadable", "the file is too large")
    try:
        return msgspec.json.decode(raw, type=Calibration)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CalibrationError("unreadable", "not the agreed fields") from error


def encode(calibration: Calibration) -> bytes:
    """Return a calibration as its file: JSON, one field a line."""
    return msgspec.json.format(msgspec.json.encode(calibration), indent=1) + b"\n"


def load(path: Path) -> Calibration:
    """Read a calibration's file. Raises CalibrationError."""
    return parse(_read(path))


def _read(path: Path) -> bytes:
    try:
        return files.read(path, limit=MAX_BYTES)
    except OSError as error:
        raise CalibrationError("missing", "its file cannot be read") from error


class Found(NamedTuple):
    """A calibration, and which it is.

    Attributes:
        calibration: what it says.
        id: how records name it: the net's name and the first 12 hex digits of the file's SHA-256;
            a site's own begins with "site-".
    """

    calibration: Calibration
    id: str


def find(models: Path, name: str) -> Found:
    """Return the site's own calibration if one lies among the model files, else the shipped one.

    Args:
        models: the folder of the model files.
        name: the net's name, or "strict".

    Raises:
        CalibrationError: there is an own one that cannot be used, or none at all.
    """
    own = models / OWN.format(_plain(name))
    # A link that leads nowhere was laid there by somebody: that is no reason to take another.
    return identify(own, f"{SITE}{name}") if os.path.lexists(own) else _shipped(name)


def shipped(name: str) -> Calibration:
    """Return the calibration that comes with the program.

    Args:
        name: of its file: the net's name, or "strict".

    Raises:
        CalibrationError: there is none of that name.
    """
    return _shipped(name).calibration


@cache
def _shipped(name: str) -> Found:
    return identify(FOLDER / f"{_plain(name)}.json", name)


def identify(path: Path, name: str) -> Found:
    """Read a calibration's file, and name it by that name and its hash. Raises CalibrationError."""
    raw = _read(path)
    digest = hashlib.sha256(raw).hexdigest()[:ID_HEX_DIGITS]
    return Found(parse(raw), f"{name}-{digest}")


def _plain(name: str) -> str:
    if Path(name).name != name or name.startswith("."):
        raise CalibrationError("missing", "no such name")
    return name


def require_use(
    calibration: Calibration,
    *,
    modality: Modality,
    net: str,
    pipeline: str,
    rates: Iterable[float] = (),
) -> Calibration:
    """Return the calibration if it says what these scores mean at each of the rates.

    Raises:
        CalibrationError: its scores were made by another net, in another pipeline or of another
            part of the body, or it has no threshold for a rate.
    """
    made_by = calibration.modality, calibration.net, calibration.pipeline
    here = modality, net, pipeline
    if made_by != here:
        why = f"it is of {', '.join(made_by)}, here is {', '.join(here)}: make it again"
        raise CalibrationError("other_net", why)
    has = {each.fmr for each in calibration.thresholds}
    for rate in rates:
        if rate not in has:
            raise CalibrationError("no_rate", f"it has no threshold for {rate:g}")
    return calibration


def laxer_rates(calibration: Calibration, name: str) -> tuple[float, ...]:
    """Return the nominal rates at which it takes for the same what the shipped one does not.

    Args:
        calibration: a site's own.
        name: of the shipped one; where that is of another net, or there is none, nothing is laxer.
    """
    try:
        found = shipped(name)
        require_use(
            found, modality=calibration.modality, net=calibration.net, pipeline=calibration.pipeline
        )
    except CalibrationError:
        return ()
    others = {each.fmr: each.score for each in found.thresholds}
    return tuple(
        each.fmr for each in calibration.thresholds if each.score < others.get(each.fmr, -1.0)
    )
