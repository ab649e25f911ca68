"""The driver of serial modules: speeds, faults on the line, passwords, what is left behind."""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import pytest
from finger_material import READY, SPEED, as_captured, expect_a_fast_module, ridges

from hw.errors import DeviceError, DeviceFailed, DeviceMissing, DeviceTimeout
from hw.finger import (
    FingerImage,
    Light,
    LineBroken,
    LineTorn,
    ModuleRefused,
    NoFinger,
    Phase,
    PortClosed,
    UnknownImageSize,
    WrongPassword,
)
from hw.finger.module import BAUDS, LIGHTS
from hw.finger.played import MODELS, PlayedModule
from hw.finger.r503 import R503

if TYPE_CHECKING:
    from collections.abc import Iterator

FINGERS = [ridges(1), ridges(2), ridges(3)]
VERIFY, LOOK, UPLOAD, DOWNLOAD, SET, RESET = 0x13, 0x01, 0x0A, 0x0B, 0x0E, 0x3D

RECOVERED = (
    "lost_byte", "lost_begin", "lost_end", "flipped_bit", "wrong_sum", "garbage", "false_head",
    "silence", "reset",
)  # fmt: skip
"""What a bad cable or a restless module does once, and nobody notices but by the time."""


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    expect_a_fast_module(monkeypatch)


@contextmanager
def opened(module: PlayedModule, **options: int) -> Iterator[R503]:
    port = R503(module.plug_in(), **options)
    try:
        port.open()
        yield port
    finally:
        port.close()
        module.unplug()


def is_first(touch: FingerImage, model: str) -> bool:
    return np.array_equal(touch.pixels, as_captured(FINGERS[0], model))


@pytest.mark.parametrize("model", sorted(MODELS))
@pytest.mark.parametrize("fault", RECOVERED)
def test_what_happens_once_is_recovered_from_bit_for_bit(model: str, fault: str) -> None:
    module = PlayedModule(FINGERS, model=model, fault=fault, **READY)
    with opened(module) as port:
        touch = port.capture(timeout_s=5)
        assert is_first(touch, model)
        assert touch.source == "serial"
        assert not port.simulated
        assert module._left == 0


@pytest.mark.parametrize("model", sorted(MODELS))
@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("lost_byte", LineTorn),
        ("lost_begin", LineTorn),
        ("flipped_bit", LineTorn),
        ("wrong_sum", LineTorn),
        ("reset", (LineTorn, NoFinger)),
        ("odd_size", UnknownImageSize),
        ("no_upload", ModuleRefused),
        ("strange_code", ModuleRefused),
    ],
)
def test_what_happens_again_and_again_is_a_typed_error(
    model: str, fault: str, error: type[DeviceError]
) -> None:
    module = PlayedModule(FINGERS, model=model, fault=f"{fault}:always", **READY)
    with opened(module) as port:
        begun = time.monotonic()
        with pytest.raises(error) as caught:
            port.capture(timeout_s=1)
        assert time.monotonic() - begun < 8
        assert caught.value.device == "finger"
        assert module.said[UPLOAD] <= 12


def test_noise_between_all_frames_costs_nothing() -> None:
    module = PlayedModule(FINGERS, fault="garbage:always", **READY)
    with opened(module) as port:
        assert is_first(port.capture(timeout_s=2), "r503")
        assert module.said[UPLOAD] == 1


def test_refusals_name_the_command_and_the_code() -> None:
    with opened(PlayedModule(FINGERS, fault="strange_code", **READY)) as port:
        with pytest.raises(ModuleRefused) as caught:
            port.capture(timeout_s=1)
        assert (caught.value.doing, caught.value.code) == ("GenImg", 0x77)
    with opened(PlayedModule(FINGERS, fault="odd_size", **READY)) as port:
        with pytest.raises(UnknownImageSize) as odd:
            port.capture(timeout_s=1)
        assert odd.value.size_bytes == 10_000


def test_phases_tell_of_a_second_transfer() -> None:
    told: list[Phase] = []
    with opened(PlayedModule(FINGERS, fault="flipped_bit", **READY)) as port:
        port.capture(timeout_s=2, on_phase=told.append)
    assert told == [Phase.WAITING, Phase.TAKEN, Phase.RETRYING, Phase.DONE]


def test_an_image_lost_in_a_restart_is_taken_anew_while_the_finger_lies_there() -> None:
    module = PlayedModule(FINGERS, fault="reset", **READY)
    told: list[Phase] = []
    with opened(module) as port:
        assert is_first(port.capture(timeout_s=5, on_phase=told.append), "r503")
        assert told.count(Phase.WAITING) == 2
        assert module.said[LOOK] == 2


def test_what_a_restart_left_in_memory_is_not_taken_for_the_image() -> None:
    module = PlayedModule(FINGERS[:1], fault="reset", **READY)
    restart = module._start_anew

    def keeping_rubbish() -> None:
        restart()
        module.buffer = b"\xa5" * 18_432

    module._start_anew = keeping_rubbish  # type: ignore[method-assign]  # a module of its own kind
    with opened(module) as port:
        assert is_first(port.capture(timeout_s=5), "r503")


@pytest.mark.parametrize("baud", BAUDS)
def test_a_module_is_found_at_any_speed_and_set_to_the_best(baud: int) -> None:
    module = PlayedModule(FINGERS, speed=SPEED, baud=baud, packet_code=0)
    with opened(module) as port:
        assert module.baud == 115_200
        assert module._packet_code == 3
        assert is_first(port.capture(timeout_s=2), "r503")
    sets = module.said[SET]
    with opened(module):
        assert module.said[SET] == sets, "what is set already is not written to flash again"


def test_a_lower_speed_can_be_asked_for() -> None:
    module = PlayedModule(FINGERS, **READY)
    with opened(module, baud=19_200) as port:
        assert module.baud == 19_200
        assert is_first(port.capture(timeout_s=2), "r503")
    with pytest.raises(ValueError, match="speed"):
        R503("/dev/null", baud=12_345)


def test_a_speed_that_comes_with_the_next_start_is_waited_for() -> None:
    module = PlayedModule(FINGERS, fault="late_speed", speed=SPEED, baud=38_400)
    with opened(module) as port:
        assert module.baud == 38_400
        assert is_first(port.capture(timeout_s=2), "r503")
    with opened(module):
        assert module.baud == 115_200


@pytest.mark.parametrize("baud", [9600, 57_600, 115_200])
def test_an_image_takes_the_time_of_its_bytes(baud: int) -> None:
    faster = 20 * 115_200 / baud
    module = PlayedModule(FINGERS, speed=faster, baud=baud, packet_code=3)
    with opened(module, baud=baud) as port:
        port.wait_until(finger=True, timeout_s=2)
        begun = time.monotonic()
        port.capture(timeout_s=2)
        took_s = (time.monotonic() - begun) * faster
    frames = 18_432 / 256
    needed_s = (18_432 + frames * 11) * 10 / baud
    assert needed_s * 0.95 <= took_s < needed_s * 1.5 + 0.8 * faster


def test_a_wrong_password_is_said_once_and_never_again() -> None:
    module = PlayedModule(FINGERS, fault="wrong_password", **READY)
    port = R503(module.plug_in())
    try:
        for _ in range(3):
            with pytest.raises(WrongPassword):
                port.open()
        assert module.said[VERIFY] == 1
        assert module.said[LOOK] == 0
    finally:
        port.close()
        module.unplug()


def test_silence_is_nobody_and_ends_in_time() -> None:
    module = PlayedModule(FINGERS, fault="deaf", **READY)
    port = R503(module.plug_in())
    begun = time.monotonic()
    try:
        with pytest.raises(DeviceMissing):
            port.open()
    finally:
        module.unplug()
    assert time.monotonic() - begun < 6


def test_a_module_that_falls_silent_for_good_is_noticed() -> None:
    module = PlayedModule(FINGERS, **READY)
    with opened(module) as port:
        module._fault = "deaf"
        begun = time.monotonic()
        with pytest.raises((DeviceTimeout, DeviceMissing)):
            port.capture(timeout_s=0.2)
        assert time.monotonic() - begun < 6


def test_no_line_and_no_serial_line_are_missing() -> None:
    for path in ("/dev/no-such-line", "/dev/null"):
        with pytest.raises((DeviceMissing, DeviceFailed)):
            R503(path).open()


def test_a_line_is_opened_by_one_only() -> None:
    module = PlayedModule(FINGERS, **READY)
    path = module.plug_in()
    one, other = R503(path), R503(path)
    try:
        one.open()
        with pytest.raises(DeviceFailed):
            other.open()
        assert is_first(one.capture(timeout_s=2), "r503")
    finally:
        other.close()
        one.close()
        module.unplug()


@pytest.mark.parametrize("model", sorted(MODELS))
def test_the_buffer_is_overwritten_whole_when_it_is_forgotten(model: str) -> None:
    module = PlayedModule(FINGERS, model=model, **READY)
    written: list[bytes] = []
    take = module._take_image

    def noting(content: bytes, *, last: bool) -> None:
        take(content, last=last)
        if last:
            written.append(module.buffer or b"")

    module._take_image = noting  # type: ignore[method-assign]  # to look in between
    with opened(module) as port:
        port.forget()
        assert not written
        touch = port.capture(timeout_s=2)
        port.forget()
        assert written == [b"\xff" * (touch.pixels.size // 2)]
        assert module.buffer == (None if MODELS[model].can_reset else written[0])
        port.forget()
        assert len(written) == 1
        assert port.capture(timeout_s=2)
    assert len(written) == 2


def test_closing_forgets_and_so_does_opening_after_a_crash() -> None:
    module = PlayedModule(FINGERS, **READY)
    path = module.plug_in()
    crashed, later = R503(path), R503(path)
    try:
        crashed.open()
        crashed.capture(timeout_s=2)
        crashed._release()
        assert module.buffer
        later.open()
        later.close()
        assert module.buffer is None
        assert module.said[DOWNLOAD] == 1
        assert module.said[RESET] == 1
    finally:
        module.unplug()


def test_a_buffer_that_cannot_be_overwritten_is_said(caplog: pytest.LogCaptureFixture) -> None:
    with opened(PlayedModule(FINGERS, fault="no_download", **READY)) as port:
        port.capture(timeout_s=2)
        with pytest.raises(ModuleRefused) as caught, caplog.at_level(logging.DEBUG):
            port.forget()
        assert caught.value.doing == "DownImage"
    assert "finger_buffer_not_overwritten" in caplog.text


def test_the_light_guides_and_one_that_is_not_there_is_asked_for_once() -> None:
    module = PlayedModule(FINGERS, **READY)
    with opened(module) as port:
        port.capture(timeout_s=2)
        port.show(Light.BAD)
    shown = [Light.WAITING, Light.BUSY, Light.GOOD, Light.BAD, Light.OFF]
    assert module.lights == [LIGHTS[light] for light in shown]
    module = PlayedModule(FINGERS, fault="no_light", **READY)
    with opened(module) as port:
        port.show(Light.WAITING)
        asked = module.said[0x35]
        port.show(Light.GOOD)
        port.capture(timeout_s=2)
        assert module.said[0x35] == asked <= 3


def test_a_finger_is_seen_to_come_and_to_go() -> None:
    module = PlayedModule(FINGERS, **READY)
    with opened(module) as port:
        assert port.wait_until(finger=True, timeout_s=1)
        assert is_first(port.capture(timeout_s=1), "r503")
        assert port.wait_until(finger=False, timeout_s=1)
        second = port.capture(timeout_s=1)
        assert np.array_equal(second.pixels, as_captured(FINGERS[1], "r503"))
        assert port.wait_until(finger=True, timeout_s=1)
        with pytest.raises(NoFinger):
            port.wait_until(finger=False, timeout_s=0.1)


def test_a_line_that_broke_is_closed_and_found_again() -> None:
    module = PlayedModule(FINGERS, **READY)
    port = R503(module.plug_in())
    port.open()
    module.unplug()
    with pytest.raises(LineBroken):
        port.capture(timeout_s=1)
    with pytest.raises(PortClosed):
        port.capture(timeout_s=1)
    with opened(module) as again:
        assert is_first(again.capture(timeout_s=1), "r503")


def test_no_log_line_holds_more_than_how_it_went(caplog: pytest.LogCaptureFixture) -> None:
    module = PlayedModule(FINGERS, fault="flipped_bit", **READY)
    with caplog.at_level(logging.DEBUG), opened(module) as port:
        port.capture(timeout_s=2)
        port.forget()
    lines = [record.getMessage() for record in caplog.records]
    assert lines == ["finger_module_opened baud=115200 packet=256", "finger_image_torn attempt=1"]
