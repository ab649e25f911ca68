"""What is left of a finger in a module once a port has let go of it, whatever failed before."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from finger_material import READY, expect_a_fast_module, ridges

from hw.errors import DeviceError, DeviceMissing, DeviceTimeout
from hw.finger import ModuleRefused, NotForgotten, PortClosed, r503
from hw.finger.pictures import half_bytes, in_window
from hw.finger.played import MODELS, PlayedModule
from hw.finger.r503 import R503

if TYPE_CHECKING:
    from collections.abc import Iterator

FINGER = ridges(1)
LOOK, UPLOAD, DOWNLOAD, RESET = 0x01, 0x0A, 0x0B, 0x3D
TORN = ("lost_byte", "lost_end", "flipped_bit", "wrong_sum", "silence", "reset", "odd_size",
        "no_upload")  # fmt: skip


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    expect_a_fast_module(monkeypatch)


@pytest.fixture
def played() -> Iterator[list[PlayedModule]]:
    made: list[PlayedModule] = []
    yield made
    for each in made:
        each.unplug()


def left_of_the_finger(module: PlayedModule) -> int:
    """Return how many bytes of the print the module's buffer still holds."""
    model = module.model
    print_ = half_bytes(in_window(FINGER, width_px=model.width_px, height_px=model.height_px))
    held = zip(module.buffer or b"", print_, strict=False)
    return sum(one == other != 0xFF for one, other in held)


def captured(played: list[PlayedModule], model: str, fault: str | None) -> R503:
    """Return an open port whose module was touched, whatever came of it."""
    played.append(PlayedModule([FINGER], model=model, fault=fault, **READY))
    port = R503(played[-1].plug_in())
    port.open()
    with suppress(DeviceError):
        port.capture(timeout_s=1)
    return port


def test_a_played_module_is_overwritten_in_place(played: list[PlayedModule]) -> None:
    port = captured(played, "as608", None)
    (module,) = played
    whole = left_of_the_finger(module)
    assert port._talk is not None
    port._talk.download(b"\xff" * 1024, packet_bytes=256)
    assert module.buffer is not None
    assert len(module.buffer) == 36_864
    assert whole - 1024 <= left_of_the_finger(module) < whole
    port.close()


@pytest.mark.parametrize("end", ["forget", "close"])
@pytest.mark.parametrize("model", sorted(MODELS))
@pytest.mark.parametrize("fault", TORN)
def test_nothing_of_a_torn_image_is_left(
    played: list[PlayedModule],
    monkeypatch: pytest.MonkeyPatch,
    fault: str,
    model: str,
    end: str,
) -> None:
    monkeypatch.setattr(r503, "TRANSFERS", 2)
    monkeypatch.setattr(r503, "TOUCHES", 1)
    port = captured(played, model, f"{fault}:always")
    (module,) = played
    uploads = module.said[UPLOAD]
    getattr(port, end)()
    assert left_of_the_finger(module) == 0
    assert module.said[UPLOAD] == uploads, "nothing is fetched to learn a size"
    port.close()
    with pytest.raises(PortClosed):
        port.forget()


@pytest.mark.parametrize(("size", "model"), [(18_432, "r503"), (36_864, "as608")])
def test_a_sensor_that_is_known_is_overwritten_by_its_own_size(
    played: list[PlayedModule], size: int, model: str
) -> None:
    port = captured(played, model, None)
    (module,) = played
    taken: list[int] = []
    take = module._take_image

    def noting(content: bytes, *, last: bool) -> None:
        taken.append(len(content))
        take(content, last=last)

    module._take_image = noting  # type: ignore[method-assign]  # to count
    port.close()
    assert sum(taken) == size


def test_a_module_that_takes_no_image_is_reset_and_it_is_told(
    played: list[PlayedModule], caplog: pytest.LogCaptureFixture
) -> None:
    port = captured(played, "r503", "no_download")
    with pytest.raises(ModuleRefused), caplog.at_level(logging.DEBUG):
        port.forget()
    assert left_of_the_finger(played[0]) == 0
    assert "finger_buffer_not_overwritten" in caplog.text
    port.close()


@pytest.mark.parametrize("closed", [False, True])
def test_one_that_keeps_its_image_whatever_is_tried_is_told_of(
    played: list[PlayedModule], closed: bool
) -> None:
    port = captured(played, "as608", "no_download")
    if closed:
        port.close()
    with pytest.raises(NotForgotten if closed else ModuleRefused) as caught:
        port.forget()
    assert caught.value.reason == "device_failed"
    assert left_of_the_finger(played[0]) > 0
    port.close()


def test_what_was_not_forgotten_is_once_it_is_opened_again(played: list[PlayedModule]) -> None:
    port = captured(played, "as608", "no_download")
    (module,) = played
    port.close()
    module._fault = "deaf"
    with pytest.raises(DeviceMissing):
        port.open()
    with pytest.raises(NotForgotten):
        port.forget()
    module._fault = ""
    port.open()
    port.close()
    assert left_of_the_finger(module) == 0


def test_a_module_that_is_silent_for_a_while_is_reset_later(played: list[PlayedModule]) -> None:
    port = captured(played, "r503", None)
    (module,) = played
    module._fault = "deaf"
    with pytest.raises(DeviceTimeout):
        port.forget()
    module._fault = "no_download"
    port.close()
    assert module.said[RESET] == 1
    assert left_of_the_finger(module) == 0


def test_one_that_was_looked_for_in_vain_is_still_spoken_to_at_its_speed(
    played: list[PlayedModule],
) -> None:
    port = captured(played, "as608", None)
    (module,) = played
    module._fault = "deaf"
    with pytest.raises(DeviceError):
        port.capture(timeout_s=2)
    module._fault = ""
    port.close()
    assert left_of_the_finger(module) == 0


def test_a_module_that_is_reached_no_more_is_told_of(played: list[PlayedModule]) -> None:
    port = captured(played, "r503", None)
    played[0].unplug()
    with pytest.raises(DeviceError):
        port.forget()
    port.close()
    with pytest.raises(NotForgotten):
        port.forget()


def test_a_line_that_fails_in_the_overwriting_leaves_the_reset(
    played: list[PlayedModule], monkeypatch: pytest.MonkeyPatch
) -> None:
    port = captured(played, "r503", None)
    assert port._talk is not None
    line, module = port._talk.line, played[0]
    write = line.write
    frames: list[bytes] = []

    def lossy(frame: bytes) -> None:
        frames.append(frame)
        if len(frame) < 200 or len(frames) < 9:
            write(frame)

    monkeypatch.setattr(line, "write", lossy)
    # Of the 2.5 s that there are, half a second is enough to fail in.
    monkeypatch.setattr(r503, "OVERWRITE_S", -1.2)
    module._tell = lambda _: None  # type: ignore[method-assign]  # it never says that it took all
    with pytest.raises(DeviceError):
        port.forget()
    assert module.said[RESET] == 1
    assert left_of_the_finger(module) == 0
    port.close()


def test_who_closes_does_not_stop_who_forgets(played: list[PlayedModule]) -> None:
    port = captured(played, "as608", None)
    (module,) = played
    slow = module._take_image

    def taking_its_time(content: bytes, *, last: bool) -> None:
        time.sleep(0.004)
        slow(content, last=last)

    module._take_image = taking_its_time  # type: ignore[method-assign]  # to close in between
    closer = threading.Timer(0.1, port.close)
    closer.start()
    port.forget()
    closer.join(3)
    assert not closer.is_alive()
    assert left_of_the_finger(module) == 0
    assert module.said[DOWNLOAD] == 1


def test_a_look_whose_answer_was_not_waited_for_may_have_taken_an_image(
    played: list[PlayedModule],
) -> None:
    """Who closes while the sensor looks does not know whether a finger came just then."""
    played.append(PlayedModule([FINGER], model="as608", **READY))
    (module,) = played
    port = R503(module.plug_in())
    port.open()
    look, looking = module._look, threading.Event()

    def slowly(operands: bytes) -> None:
        looking.set()
        time.sleep(0.15)
        look(operands)

    module._look = slowly  # type: ignore[method-assign]  # to close in between
    ended: list[type] = []

    def capture() -> None:
        try:
            port.capture(timeout_s=5)
        except DeviceError as error:
            ended.append(type(error))

    thread = threading.Thread(target=capture)
    thread.start()
    assert looking.wait(2)
    port.close()
    thread.join(2)
    assert ended == [PortClosed]
    assert module.buffer is not None
    assert left_of_the_finger(module) == 0


def test_a_look_that_found_nobody_leaves_nothing_to_overwrite(played: list[PlayedModule]) -> None:
    played.append(PlayedModule([FINGER], fault="no_finger", **READY))
    (module,) = played
    port = R503(module.plug_in())
    port.open()
    threading.Timer(0.1, port.close).start()
    with pytest.raises(PortClosed):
        port.capture(timeout_s=5)
    port.close()
    assert module.said[LOOK] > 0
    assert module.said[DOWNLOAD] == 0
