"""A touch worker as the station has it: a process of its own, real nets, fingers of nobody.

What scores mean is made up here, so that this proves the way and no accuracy.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest
from PIL import Image

from emrtd.lds.dg3 import FingerImage, FingerPosition
from hw.finger.sim import SimulatedFinger
from kiosk.session.events import FingerJudged, FingerMatch
from kiosk.station.eyes import SocketWorkers, TouchChildWorkers
from kiosk.station.fingers import Fingers
from kiosk.vision.spawn import IMPORT_ROOT, spawn_touch
from kiosk.vision.touch_port import (
    CodedTouch,
    Compare,
    Part,
    Reference,
    Touch,
    TouchJudged,
    TouchReady,
    decode_from_touch,
    encode,
    parts_of,
)
from kiosk.vision.worker import Exit
from models.calibration import OWN, Calibration, Ratio, Source, Threshold, shipped
from models.calibration import encode as encode_calibration
from models.finger import fusion
from models.manifest import manifest_of
from tram.parts import card_press, finger_press

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from numpy.typing import NDArray

    from kiosk.station.eyes import HasWorkers

BUILT = Path(__file__).parents[2] / "build" / "models"
NET = "leader.int8"
PAIRS = 10**9
ACTIVATE = "systemd-socket-activate"

pytestmark = pytest.mark.skipif(
    not (BUILT / f"{NET}.tflite").exists(), reason="build/models: made by `make setup`"
)


def made_up() -> Calibration:
    """Return thresholds that no measurement stands behind."""
    source = Source(set="made up", pictures=(), subjects=40, genuine=0, impostor=PAIRS)
    rates = ((1e-2, 0.02), (1e-3, 0.08), (1e-4, 0.14), (1e-5, 0.2))
    return Calibration(
        modality="finger",
        net=manifest_of(NET).id,
        pipeline=fusion.pipeline(fusion.shipped()),
        commit="unknown",
        safety=3,
        thresholds=tuple(
            Threshold(
                fmr=rate,
                score=score,
                measured_fmr=int(rate * PAIRS / 3) / PAIRS,
                false_matches=int(rate * PAIRS / 3),
                extrapolated=True,
            )
            for rate, score in rates
        ),
        source=source,
        ratio=Ratio(slope=40, offset=0, floor=-12, source=source),
        limits="for this test",
    )


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    (folder / f"{NET}.tflite").symlink_to(BUILT / f"{NET}.tflite")
    (folder / OWN.format("finger")).write_bytes(encode_calibration(made_up()))
    return folder


@pytest.fixture
def wire(models: Path) -> Iterator[socket.socket]:
    process, ours = spawn_touch(models)
    ours.settimeout(20)
    yield ours
    ours.close()
    process.kill()
    process.wait(5)


def reference(seed: int, position: int) -> tuple[bytes, Reference]:
    return card_press.fingerprint(finger_press.touch(seed)), Reference(
        position=position, format="jpeg2000", width_px=320, height_px=400, ppi=500.0, depth_bits=8
    )


def send(wire: socket.socket, image: bytes, about: Any) -> None:
    for part in parts_of(image):
        wire.sendall(encode(part))
    wire.sendall(encode(about))


def heard(wire: socket.socket) -> Any:
    return decode_from_touch(wire.recv(200_000))


def laid(wire: socket.socket, seed: int, number: int) -> Any:
    grey = finger_press.touch(seed, number=number)[56:344, 32:288]
    send(wire, grey.tobytes(), Touch(width_px=256, height_px=288, ppi=500.0))
    return heard(wire)


def test_the_holders_finger_is_the_same_and_anothers_is_not(wire: socket.socket) -> None:
    send(wire, *reference(101, 2))
    wire.sendall(encode(Compare("1e-4")))
    ready = heard(wire)
    assert isinstance(ready, TouchReady)
    assert ready.position == 2
    assert set(ready.models) == {"minutiae", "finger_calibration", "finger_gate"}
    judged = laid(wire, 101, 1)
    assert (judged.band, judged.touches, judged.reasons) == ("same_strong", 1, ())


def test_a_wrong_finger_is_asked_for_the_other_and_then_told_apart(wire: socket.socket) -> None:
    send(wire, *reference(101, 2))
    send(wire, *reference(107, 7))
    wire.sendall(encode(Compare("1e-4")))
    heard(wire)
    said = [laid(wire, 202, number) for number in range(1, 5)]
    assert [each.position for each in said[:-1]] == [2, 7, 7]
    assert (said[-1].band, said[-1].touches) == ("different", 4)


def test_the_cards_own_print_before_the_sensor_is_a_replay(wire: socket.socket) -> None:
    image, about = reference(101, 2)
    send(wire, image, about)
    wire.sendall(encode(Compare("1e-4")))
    heard(wire)
    coded = CodedTouch(
        position=2, format="jpeg2000", width_px=320, height_px=400, ppi=500.0, depth_bits=8
    )
    send(wire, image, coded)
    judged = heard(wire)
    assert isinstance(judged, TouchJudged)
    assert (judged.band, judged.touches, judged.reasons) == ("none", 0, ("finger_replayed",))


def shown(wire: socket.socket, grey: NDArray[np.uint8]) -> Any:
    height, width = grey.shape
    send(wire, grey.tobytes(), Touch(width_px=width, height_px=height, ppi=500.0))
    return heard(wire)


def test_what_shows_no_minutiae_is_asked_for_again_and_is_no_recording(wire: socket.socket) -> None:
    """The same picture three times shows nothing that could lie alike."""
    send(wire, *reference(101, 2))
    wire.sendall(encode(Compare("1e-4")))
    heard(wire)
    noise = np.random.default_rng(3).integers(0, 256, (288, 256), dtype=np.uint8)
    said = [shown(wire, noise) for _ in range(3)]
    assert [each.hint for each in said[:-1]] == ["quality_finger_pressure"] * 2
    assert (said[-1].band, said[-1].reasons) == ("none", ("quality_finger_pressure",))


def test_one_touch_says_of_nobody_that_he_is_another(wire: socket.socket) -> None:
    send(wire, *reference(101, 2))
    wire.sendall(encode(Compare("1e-4")))
    heard(wire)
    noise = np.random.default_rng(3).integers(0, 256, (288, 256), dtype=np.uint8)
    laid(wire, 202, 1)
    shown(wire, noise)
    judged = shown(wire, noise)
    assert (judged.band, judged.touches) == ("unsure", 1)


def test_of_a_small_sensor_one_touch_is_not_enough(wire: socket.socket) -> None:
    send(wire, *reference(101, 2))
    wire.sendall(encode(Compare("1e-4")))
    heard(wire)
    said = [
        shown(wire, finger_press.touch(101, number=number)[104:296, 64:256]) for number in (1, 2)
    ]
    assert (said[0].hint, said[0].position) == (None, 2)
    assert (said[1].band in {"same", "same_strong"}, said[1].touches) == (True, 2)


def test_two_views_of_one_finger_are_one_finger(wire: socket.socket) -> None:
    """Whoever's finger is laid down is never asked for it twice, and it counts once."""
    send(wire, *reference(101, 2))
    send(wire, *reference(101, 2))
    wire.sendall(encode(Compare("1e-4")))
    heard(wire)
    said = [laid(wire, 202, number) for number in (1, 2)]
    assert (said[-1].band, said[-1].touches) == ("different", 2)


def test_the_largest_prints_of_a_chip_leave_the_worker_alive(wire: socket.socket) -> None:
    """All ten, as large as a record may hold; most of it is no finger."""
    for position in range(1, 11):
        width, height = 1_000 - 8 * position, 1_000
        raw = np.full((height, width), 200, np.uint8)
        raw[100:500, 100:420] = finger_press.touch(101 if position == 1 else 200 + position)
        about = Reference(
            position=position, format="raw",
            width_px=width, height_px=height, ppi=500.0, depth_bits=8,
        )  # fmt: skip
        send(wire, raw.tobytes(), about)
    wire.sendall(encode(Compare("1e-4")))
    assert heard(wire).position == 1
    judged = laid(wire, 101, 1)
    assert (judged.band, judged.touches) == ("same_strong", 1)


def test_a_calibration_of_other_weights_is_no_calibration(tmp_path: Path) -> None:
    (tmp_path / f"{NET}.tflite").symlink_to(BUILT / f"{NET}.tflite")
    lax = msgspec.structs.replace(fusion.shipped(), bias=20.0)
    other = msgspec.structs.replace(made_up(), pipeline=fusion.pipeline(lax))
    (tmp_path / OWN.format("finger")).write_bytes(encode_calibration(other))
    process, wire = spawn_touch(tmp_path)
    with wire:
        wire.settimeout(20)
        assert wire.recv(100) == b""
    assert process.wait(5) == Exit.FAILED


@pytest.mark.parametrize("lower", [0.0, 0.9])
def test_a_worker_says_that_a_sites_calibration_is_laxer(tmp_path: Path, lower: float) -> None:
    """At each rate, by however little."""
    (tmp_path / f"{NET}.tflite").symlink_to(BUILT / f"{NET}.tflite")
    ours = shipped("finger")
    thresholds = tuple(
        msgspec.structs.replace(each, score=each.score - lower) for each in ours.thresholds
    )
    (tmp_path / OWN.format("finger")).write_bytes(
        encode_calibration(msgspec.structs.replace(ours, thresholds=thresholds))
    )
    process, wire = spawn_touch(tmp_path, stderr=subprocess.PIPE)
    with wire:
        wire.settimeout(20)
        send(wire, *reference(101, 2))
        wire.sendall(encode(Compare("1e-4")))
        assert heard(wire).position == 2
    _, said = process.communicate(timeout=5)
    assert (b"laxer_than_shipped" in said) is (lower > 0)


@pytest.mark.parametrize(
    "image",
    [b"\xff\xa0 no wsq", os.urandom(500), b"\x00" * 70_000],
    ids=["begins_as_wsq", "noise", "zeros"],
)
def test_prints_that_are_none_leave_nothing_to_compare_with(
    wire: socket.socket, image: bytes
) -> None:
    send(wire, image, reference(101, 2)[1])
    wire.sendall(encode(Compare("1e-4")))
    judged = heard(wire)
    assert (judged.band, judged.reasons) == ("none", ("quality_reference",))


@pytest.mark.parametrize(
    "frames",
    [
        [Compare("1e-4")],
        [Reference(position=2, format="wsq", width_px=9, height_px=9, ppi=None, depth_bits=8)],
        [Touch(width_px=192, height_px=192, ppi=500.0)],
        [Part(b"x"), Touch(width_px=192, height_px=192, ppi=500.0)],
    ],
    ids=["compare-first", "no-image", "touch-first", "touch-with-a-part"],
)
def test_a_frame_out_of_turn_ends_the_worker(wire: socket.socket, frames: list[Any]) -> None:
    for frame in frames:
        wire.sendall(encode(frame))
    assert wire.recv(100) == b""


@contextmanager
def children(models: Path, _: Path) -> Iterator[HasWorkers]:
    yield TouchChildWorkers(models)


@contextmanager
def behind_a_socket(models: Path, folder: Path) -> Iterator[HasWorkers]:
    """As systemd has them: a process for each connection, which gets it as descriptor 3."""
    if shutil.which(ACTIVATE) is None:
        pytest.skip(f"{ACTIVATE} is not installed")
    path = folder / "touch.sock"
    worker = [sys.executable, "-P", "-m", "kiosk.vision", "--touch", "--fd", "3"]
    command = [ACTIVATE, "--accept", "--seqpacket", "-E", "PYTHONPATH", "-l", str(path), *worker]
    with subprocess.Popen(
        [*command, "--models", str(models)], env=os.environ | {"PYTHONPATH": str(IMPORT_ROOT)}
    ) as listening:
        try:
            until = time.monotonic() + 10
            while not path.exists() and time.monotonic() < until:
                time.sleep(0.02)
            yield SocketWorkers(path)
        finally:
            listening.terminate()


@pytest.mark.parametrize("had", [children, behind_a_socket])
def test_a_person_at_a_sensor_on_a_real_line(
    had: Callable[[Path, Path], AbstractContextManager[HasWorkers]],
    models: Path,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Thread, driver, pseudo-terminal, process and nets together."""
    with had(models, tmp_path_factory.mktemp("socket")) as workers:
        _touch_on_a_line(workers, tmp_path)


def _touch_on_a_line(workers: HasWorkers, tmp_path: Path) -> None:
    for number in (1, 2, 3):
        Image.fromarray(finger_press.touch(101, number=number)).save(tmp_path / f"{number}.png")
    image, _ = reference(101, 2)
    finger = FingerImage(
        FingerPosition.RIGHT_INDEX, None, 1, None, "jpeg2000", 320, 400, (500.0, 500.0), 8, image
    )
    told: list[Any] = []
    fingers = Fingers(
        lambda: SimulatedFinger.of_folder(tmp_path, model="as608", speed=16),
        workers,
        told.append,
    )
    fingers.match((finger,), fmr="1e-4", seconds=30)
    for _ in range(600):
        if told and isinstance(told[-1], FingerJudged):
            break
        time.sleep(0.05)
    match: FingerMatch = told[-1].match
    fingers.forget()
    assert (match.band, match.touches, match.reasons, match.simulated) == (
        "same_strong", 1, (), True,
    )  # fmt: skip
    assert set(match.models) == {"minutiae", "finger_calibration", "finger_gate"}
