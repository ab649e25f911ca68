"""A stand-in of picamera2, as much of it as the driver calls, in the manner of the real one.

One completed frame is held ready, a job is signalled when a frame completes, metadata have the
sensor's own time. Which camera is which is told by its index. What the real library does on a real
sensor is not proven by it.
"""

from __future__ import annotations

import threading
import time
from typing import ClassVar

import numpy as np

FPS = 50.0
PERIOD_NS = int(1e9 / FPS)
READOUT_NS = 3_000_000
"""From a frame's time to its completion."""
WORKS, RED, DROPS, FROZEN, BLACK, TORN, TIMELESS, STALLS, UNCONFIGURED, UNFINISHED, ABSENT = range(
    11
)
EVERY_THIRD = 3
"""Frames that a camera which drops some completes."""

calls: list[object] = []


class Picamera2:
    camera_controls: ClassVar = {"AeEnable": (), "ExposureValue": (), "AwbEnable": ()}

    def __init__(self, index: int) -> None:
        if index == ABSENT:
            raise IndexError("list index out of range")
        if index == UNFINISHED:
            raise RuntimeError("Camera __init__ sequence did not complete.")
        self._index = index
        self._begun_ns, self._given = 0, -1
        self._timers: list[threading.Timer] = []
        self._starting = threading.Lock()
        self._sheet = np.random.default_rng(index).integers(60, 200, (480, 640, 3), dtype=np.uint8)

    def create_video_configuration(self, main: dict) -> dict:
        return main

    def configure(self, main: dict) -> None:
        calls.append(main)
        if self._index == UNCONFIGURED:
            raise RuntimeError("configuration failed")

    def set_controls(self, wanted: dict) -> None:
        assert set(wanted) <= set(self.camera_controls)
        calls.append(wanted)

    def start(self) -> None:
        self._begun_ns = time.monotonic_ns()

    def capture_request(self, *, signal_function) -> _Job:
        job = _Job()
        if self._index == STALLS:
            return job
        now_ns = time.monotonic_ns()
        number = (now_ns - self._begun_ns - READOUT_NS) // PERIOD_NS
        number -= number % self._every
        if number <= self._given:
            number = self._given + self._every
        number = self._given = max(number, 0)
        job.request = _Request(self, number)
        wait_s = (self.taken_ns(number) + READOUT_NS - now_ns) / 1e9
        if wait_s <= 0:
            signal_function(job)
            return job
        timer = threading.Timer(wait_s, signal_function, (job,))
        with self._starting:
            timer.start()
            self._timers.append(timer)
        return job

    def wait(self, job: _Job) -> _Request:
        return job.request

    def close(self) -> None:
        with self._starting:
            timers, self._timers = self._timers, []
        for timer in timers:
            timer.cancel()
            timer.join()
        calls.append("closed")

    @property
    def _every(self) -> int:
        return EVERY_THIRD if self._index == DROPS else 1

    def taken_ns(self, number: int) -> int:
        return self._begun_ns + number * PERIOD_NS

    def picture(self, number: int) -> np.ndarray:
        match self._index:
            case _ if self._index == RED:
                # "RGB888": blue, green, red.
                return np.full((480, 640, 3), (10, 20, 200), dtype=np.uint8)
            case _ if self._index == BLACK:
                return np.zeros((480, 640, 3), dtype=np.uint8)
            case _ if self._index == TORN:
                return self._sheet[: 480 - number % 480 - 1]
            case _ if self._index == FROZEN:
                return self._sheet
        return np.roll(self._sheet, number, axis=0)


class _Job:
    request: _Request


class _Request:
    def __init__(self, camera: Picamera2, number: int) -> None:
        self._camera, self._number, self._held = camera, number, True

    def make_array(self, name: str) -> np.ndarray:
        assert name == "main"
        assert self._held
        return self._camera.picture(self._number).copy()

    def get_metadata(self) -> dict:
        if self._camera._index == TIMELESS:
            return {}
        taken_ns = self._camera.taken_ns(0 if self._camera._index == FROZEN else self._number)
        return {"SensorTimestamp": taken_ns, "FrameDuration": PERIOD_NS // 1000}

    def release(self) -> None:
        assert self._held
        self._held = False
        calls.append("released")
