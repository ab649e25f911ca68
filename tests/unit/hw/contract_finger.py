"""What every fingerprint sensor must do, whatever is behind it; each driver's tests inherit it."""

from __future__ import annotations

import threading
import time
from typing import Protocol

import pytest

from hw.errors import DeviceError, DeviceFailed, DeviceMissing
from hw.finger import FingerImage, FingerPort, Light, NoFinger, Phase, PortClosed, Touch

SOON_S = 3.0


class Rig(Protocol):
    """Makes sensors of one kind, and moves what is before them."""

    def port(self) -> FingerPort:
        """Return one on which a finger lies, not open; the rig closes it."""

    def untouched(self) -> FingerPort:
        """Return one that nobody ever touches, not open; the rig closes it."""

    def missing(self) -> FingerPort:
        """Return one that is not there."""

    def unplug(self) -> None:
        """Pull out the one that was made last."""

    def is_the_finger(self, touch: Touch) -> bool:
        """Whether a touch is, bit for bit, what lies on the sensor."""


class FingerContract:
    """Inherit, and give a fixture `rig`."""

    SIMULATED: bool

    def test_a_capture_is_the_finger_and_says_nothing_of_it(self, rig: Rig) -> None:
        port = rig.port()
        port.open()
        assert port.simulated is self.SIMULATED
        since = time.monotonic_ns()
        touch = port.capture(timeout_s=SOON_S)
        assert since <= touch.monotonic_ns <= time.monotonic_ns()
        assert rig.is_the_finger(touch)
        shown = repr(touch)
        assert "pixels" not in shown
        assert "coded" not in shown
        assert len(shown) < 120
        if isinstance(touch, FingerImage):
            assert touch.pixels.ndim == 2
            assert touch.pixels.dtype.name == "uint8"
            assert not touch.pixels.flags.writeable
            assert touch.bits in {4, 8}

    def test_phases_are_told_in_order(self, rig: Rig) -> None:
        port = rig.port()
        port.open()
        told: list[Phase] = []
        port.capture(timeout_s=SOON_S, on_phase=told.append)
        assert told[0] is Phase.WAITING
        assert told[-1] is Phase.DONE
        assert len(told) == len(set(told))

    def test_it_opens_and_closes_as_often_as_asked(self, rig: Rig) -> None:
        port = rig.port()
        port.close()
        for _ in range(2):
            port.open()
            port.open()
            assert port.capture(timeout_s=SOON_S)
            port.close()
            port.close()

    def test_nothing_comes_from_one_that_is_not_open(self, rig: Rig) -> None:
        port = rig.port()
        for _ in range(2):
            with pytest.raises(PortClosed):
                port.capture(timeout_s=0.1)
            with pytest.raises(PortClosed):
                port.wait_until(finger=True, timeout_s=0.1)
            with pytest.raises(PortClosed):
                port.forget()
            port.show(Light.GOOD)
            port.open()
            port.close()

    def test_nobody_touching_is_said_in_time_and_again(self, rig: Rig) -> None:
        port = rig.untouched()
        port.open()
        for _ in range(2):
            begun = time.monotonic()
            with pytest.raises(NoFinger) as caught:
                port.capture(timeout_s=0.3)
            assert 0.25 <= time.monotonic() - begun < 1.5
            assert caught.value.device == "finger"

    def test_lights_and_forgetting_are_taken_at_any_time(self, rig: Rig) -> None:
        port = rig.port()
        port.open()
        for light in Light:
            port.show(light)
        port.forget()
        port.capture(timeout_s=SOON_S)
        port.forget()
        port.forget()
        port.show(Light.OFF)

    def test_a_finger_is_seen_or_it_is_said_that_none_can_be(self, rig: Rig) -> None:
        port = rig.port()
        port.open()
        sees = port.wait_until(finger=True, timeout_s=SOON_S)
        assert isinstance(sees, bool)
        port.close()
        port = rig.untouched()
        port.open()
        assert port.wait_until(finger=False, timeout_s=SOON_S) is sees
        if sees:
            with pytest.raises(NoFinger):
                port.wait_until(finger=True, timeout_s=0.1)

    def test_close_ends_who_waits(self, rig: Rig) -> None:
        port = rig.untouched()
        port.open()
        later = threading.Timer(0.2, port.close)
        later.start()
        begun = time.monotonic()
        try:
            with pytest.raises(PortClosed):
                port.capture(timeout_s=20)
            assert time.monotonic() - begun < 1
        finally:
            later.join()
        with pytest.raises(PortClosed):
            port.capture(timeout_s=0.1)

    def test_many_may_close_at_once_and_it_opens_again(self, rig: Rig) -> None:
        port = rig.port()
        port.open()
        port.capture(timeout_s=SOON_S)
        closers = [threading.Thread(target=port.close) for _ in range(4)]
        for each in closers:
            each.start()
        for each in closers:
            each.join(SOON_S)
            assert not each.is_alive()
        with pytest.raises(PortClosed):
            port.capture(timeout_s=0.1)
        port.open()
        assert port.capture(timeout_s=SOON_S)

    def test_one_that_is_not_there_is_missing_and_stays_as_it_was(self, rig: Rig) -> None:
        port = rig.missing()
        for _ in range(2):
            with pytest.raises(DeviceMissing) as caught:
                port.open()
            assert caught.value.device == "finger"
        with pytest.raises(PortClosed):
            port.capture(timeout_s=0.1)
        port.close()

    def test_one_pulled_out_in_a_capture_has_failed(self, rig: Rig) -> None:
        port = rig.untouched()
        port.open()
        later = threading.Timer(0.2, rig.unplug)
        later.start()
        begun = time.monotonic()
        try:
            with pytest.raises(DeviceFailed) as caught:
                port.capture(timeout_s=20)
            assert time.monotonic() - begun < SOON_S
        finally:
            later.join()
        assert not isinstance(caught.value, PortClosed)
        with pytest.raises(DeviceError):
            port.capture(timeout_s=0.1)
