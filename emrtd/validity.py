"""Validity at an instant, and how far the clock that names the instant can be believed.

Knows two instants and a claim about a clock. Reads no clock. A device that woke up in 1970, or
whose battery is flat, finds every certificate not yet valid or over: that is its own trouble and
says nothing about whoever shows a document, so it is told apart from a certificate that is over.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


class ClockQuality(StrEnum):
    """What is known of the instant that a caller names."""

    TRUSTED = "trusted"
    """It is the time: set by a source that somebody vouches for."""
    AT_LEAST = "at_least"
    """It is not later than the time: as late as the newest signed time that was seen."""
    UNKNOWN = "unknown"
    """Nobody vouches for it, in either direction."""


class Validity(StrEnum):
    """Whether an instant lies in a certificate's validity, as far as the clock can tell."""

    HELD = "held"
    """It does, by a clock that is trusted."""
    SUPPOSED = "supposed"
    """It does, by a clock that nobody vouches for."""
    UNSURE = "unsure"
    """It does not, and the clock may be what is wrong."""
    OVER = "over"
    """It does not: the certificate is over, or has not begun."""


def judge(
    not_before: datetime, not_after: datetime, *, at: datetime, clock: ClockQuality
) -> Validity:
    """Judge one validity, both ends included.

    Args:
        not_before: aware.
        not_after: aware.
        at: the instant, aware.
        clock: what is known of that instant.
    """
    trusted = clock is ClockQuality.TRUSTED
    if not_before <= at <= not_after:
        return Validity.HELD if trusted else Validity.SUPPOSED
    past = at > not_after and clock is ClockQuality.AT_LEAST
    return Validity.OVER if trusted or past else Validity.UNSURE


def worst(*judged: Validity) -> Validity:
    """Return the one of a chain's validities that decides."""
    return max(judged, key=tuple(Validity).index)
