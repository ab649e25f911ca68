"""What this device's clock is worth: a record says so beside its time, and certificates by it.

Knows one sign, the mark that the system's time service leaves when it is synchronised. Does not set
clocks, and reads none for durations.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from emrtd.validity import ClockQuality
from wire.record import TimeQuality

SYNCHRONISED: Final = Path("/run/systemd/timesync/synchronized")
HARDWARE_CLOCK: Final = Path("/dev/rtc0")


def time_quality() -> TimeQuality:
    """Return whether the time comes from the network, from a battery, or from nowhere known."""
    if SYNCHRONISED.exists():
        return TimeQuality.NTP
    return TimeQuality.RTC if HARDWARE_CLOCK.exists() else TimeQuality.UNSYNCED


def clock_quality() -> ClockQuality:
    """Return how far a certificate's end can be judged: a clock that nobody set accuses nobody."""
    synchronised = time_quality() in {TimeQuality.NTP, TimeQuality.AUTHENTICATED}
    return ClockQuality.TRUSTED if synchronised else ClockQuality.UNKNOWN
