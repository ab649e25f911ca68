"""Weigh the evidence of a comparison: one number, the logarithm of odds, as a score of -1 to 1.

Knows the file of weights and its bounds, and on what they were fitted. The score is straight in the
log-odds, so that a line makes a log-likelihood ratio of it; which line, and which score is enough,
is a calibration's to say (`models.calibration`). Does not know how weights are fitted
(`models.evaluate.finger_fit`).
"""

from __future__ import annotations

import hashlib
import math
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from models import files
from models.calibration import Count, Pictures, Text
from models.finger.match import compare

if TYPE_CHECKING:
    from models.finger.match import Evidence
    from models.finger.prepared import Prepared

FILE: Final = Path(__file__).parent / "weights.json"
PIPELINE: Final = "finger-2"
"""Of extraction and comparison: another one's scores mean something else."""
WEIGHTS_HEX_DIGITS: Final = 8
MAX_BYTES: Final = 8 * 1024 * 1024
SPAN: Final = 40.0
"""Log-odds of a score of 1; beyond it nothing is told apart."""
LEAST_LOCAL: Final = 0.01
LEAST_MINUTIAE: Final = 3.0
LEAST_AREA_PX2: Final = 2000.0
TERMS: Final = (
    "logarithm of the first opinion",
    "share of minutiae that coincide where both fingers were seen",
    "square root of what is missing",
    "logarithm of how many edges agree",
    "logarithm of the area that both show",
    "log-likelihood ratio of endings and forks",
)

Number = Annotated[float, Meta(ge=-1e4, le=1e4)]


class WeightsError(Exception):
    """The weights cannot be used.

    Attributes:
        why: "missing" or "unreadable".
    """

    def __init__(self, why: str, message: str = "") -> None:
        super().__init__(f"weights {why}" + (f": {message}" if message else ""))
        self.why = why


class Weights(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What each term of the evidence weighs, in log-odds, and on what that was fitted.

    Attributes:
        format: of this file.
        of_terms: of each of `TERMS`, in their order.
        bias: added.
        net: the id of the net that found the minutiae.
        set: the name of the set.
        ways: how its pictures were made worse, besides being taken as they are.
        pictures: the beginning of the SHA-256 of each picture's file.
        genuine: comparisons of one finger.
        impostor: comparisons of two.
        commit: of the program that fitted them; "unknown" outside of a repository.
    """

    format: Literal["tram-finger-weights-1"] = "tram-finger-weights-1"
    of_terms: Annotated[tuple[Number, ...], Meta(min_length=len(TERMS), max_length=len(TERMS))]
    bias: Number
    net: Text
    set: Text
    ways: Annotated[tuple[Text, ...], Meta(max_length=32)]
    pictures: Pictures
    genuine: Count
    impostor: Count
    commit: Annotated[str, Meta(pattern=r"\A([0-9a-f]{40}|unknown)\Z")]


def pipeline(weights: Weights) -> str:
    """Return how calibrations name the way to a score: whoever weighs otherwise has other scores.

    It ends in hex digits of the SHA-256 of the weights and their net; who fitted them on what has
    no part in it.
    """
    plain = msgspec.json.encode([weights.of_terms, weights.bias, weights.net])
    return f"{PIPELINE}-{hashlib.sha256(plain).hexdigest()[:WEIGHTS_HEX_DIGITS]}"


def terms(evidence: Evidence) -> tuple[float, ...]:
    """Return `TERMS`."""
    seen = evidence.together + evidence.missing + LEAST_MINUTIAE
    return (
        math.log(evidence.local + LEAST_LOCAL),
        evidence.together / seen,
        math.sqrt(evidence.missing),
        math.log1p(math.sqrt(evidence.edges)),
        math.log(evidence.area_px2 + LEAST_AREA_PX2),
        evidence.kinds,
    )


def log_odds(evidence: Evidence, weights: Weights) -> float:
    """Return the natural logarithm of the odds of one finger, had both been as likely before."""
    return weights.bias + sum(
        weight * term for weight, term in zip(weights.of_terms, terms(evidence), strict=True)
    )


def score_of(evidence: Evidence, weights: Weights) -> float:
    """Return -1..1: the log-odds over `SPAN`."""
    return max(-1.0, min(1.0, log_odds(evidence, weights) / SPAN))


def score(a: Prepared, b: Prepared, *, weights: Weights | None = None) -> float:
    """Return how alike two fingers are, -1..1; which is named first makes no difference.

    Args:
        a: one.
        b: the other.
        weights: None: those that come with the program.
    """
    return score_of(compare(a, b), weights or shipped())


def parse(raw: bytes) -> Weights:
    """Read weights.

    Raises:
        WeightsError: they are too long, no JSON, or have an unknown, missing or ill-typed field.
    """
    if len(raw) > MAX_BYTES:
        raise WeightsError("unreadable", "the file is too large")
    try:
        return msgspec.json.decode(raw, type=Weights)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WeightsError("unreadable", "not the agreed fields") from error


def encode(weights: Weights) -> bytes:
    """Return weights as their file: JSON, one field a line."""
    return msgspec.json.format(msgspec.json.encode(weights), indent=1) + b"\n"


def load(path: Path) -> Weights:
    """Read weights' file. Raises WeightsError."""
    try:
        raw = files.read(path, limit=MAX_BYTES)
    except OSError as error:
        raise WeightsError("missing", "the file cannot be read") from error
    return parse(raw)


@cache
def shipped() -> Weights:
    """Return the weights that come with the program. Raises WeightsError."""
    return load(FILE)
