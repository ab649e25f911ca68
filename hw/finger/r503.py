"""A module of the ZFM family on a serial line: `serial:///dev/ttyUSB0`. R503, R307, AS608, ZFM-20.

Not yet run on hardware: written from the R503's manual (version 1.1, 2019), and run against a
simulator that shares no framing with it. What it relies on beyond that text: UpImage leaves the
buffer as it was, so that an image torn on the way can be fetched again; DownImage takes as many
bytes as UpImage gives. Where the text of an older model says that a new speed comes with the next
start, the old one is used on. The module authenticates nothing, so it only ever gives images: it
stores no template and compares none. After use its buffer is overwritten with white, by the largest
sensor's size while the module's own is not known, and it is reset where it can be; what a module
does with more than its own size is not known either. Does not know what is on an image, nor
whether two are alike.

Bounds, whatever comes on the line, and however slowly: `open` ends within `OPEN_S`. A capture ends
within `TRANSFERS` images' time, and a pause for each, from the first touch, and within as much
beyond timeout_s: at 115,200 baud 15 s before the sensor is known, then 9 s for an R503 and 15 s for
an AS608. `wait_until` ends within `LOOK_S` beyond timeout_s. `forget` and `close` take an image's
time, `OVERWRITE_S` and `RESET_S`: at 115,200 baud 5 s, a tenth more with frames of 64 bytes. At
lower speeds images take longer in proportion. A callback's time is added.

Spec: [R503].
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from hw.errors import DeviceError, DeviceMissing, DeviceTimeout
from hw.finger.errors import (
    DEVICE,
    LineBroken,
    LineTorn,
    ModuleRefused,
    NoFinger,
    NotForgotten,
    OutOfTime,
    PortClosed,
    WrongPassword,
)
from hw.finger.line import Line
from hw.finger.module import (
    BAUD_STEP,
    BAUDS,
    FASTEST_BAUD,
    IMAGE_BITS,
    LIGHTS,
    MAX_IMAGE_BYTES,
    PACKET_SIZES,
    SENSORS,
    Ask,
    Code,
    Setting,
    parse_image,
)
from hw.finger.packets import ANY_ADDRESS
from hw.finger.port import Agreed, FingerImage, Light, Phase
from hw.finger.talk import HELLO_S, SMALLEST_DOWNLOAD, TOUCH_S, Talk, Uploaded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TRANSFERS: Final = 4
"""So often one touch's image is fetched, until it comes whole."""
PAUSE_S: Final = 0.5
"""And so long it may take to be heard again in between."""
TOUCHES: Final = 3
"""So often a touch is taken, if the module loses the image in between."""
ROUNDS: Final = 2
"""So often every speed is tried; a single answer may be lost."""
POLL_S: Final = 0.02
SWITCH_S: Final = 0.05
"""A module needs a moment to change its speed."""
START_S: Final = 0.3
"""And 0.2 s to start; most say when they have."""
OPEN_S: Final = 8.0
LOOK_S: Final = 8.0
"""So long a module that fell silent is looked for, and asked again."""
SHOW_S: Final = 1.0
OVERWRITE_S: Final = 0.8
RESET_S: Final = 0.8
CLOSE_S: Final = 2.0
_WHITE: Final = b"\xff"
_LOST: Final = frozenset({Code.NO_UPLOAD, Code.NO_IMAGE})
_AGAIN: Final = frozenset({Code.NO_FINGER, Code.POOR_TOUCH, Code.POOR_IMAGE})

_log = logging.getLogger(__name__)


class R503:
    """A finger port over a module's serial line."""

    def __init__(
        self,
        path: str,
        *,
        baud: int = FASTEST_BAUD,
        password: int = 0,
        address: int = ANY_ADDRESS,
        source: str = "serial",
    ) -> None:
        """Choose a line; nothing is opened yet.

        Args:
            path: its file, e.g. "/dev/ttyUSB0".
            baud: the speed to agree on, one of `hw.finger.module.BAUDS`; a lower one for a bad
                cable. The module is found at whatever speed it is.
            password: the module's, 0 from the factory.
            address: the module's, all ones from the factory.
            source: what its images say they come from.

        Raises:
            ValueError: no such speed.
        """
        if baud not in BAUDS:
            raise ValueError("no speed of these modules")
        self._path, self._baud, self._source = path, baud, source
        self._password, self._address = password, address
        self._calling = threading.Lock()
        self._given_up = threading.Event()
        self._talk: Talk | None = None
        self._locked_out = self._holds_image = False
        self._forget_all()

    @property
    def simulated(self) -> bool:
        """A line is taken for a real one."""
        return False

    @property
    def agreed(self) -> Agreed | None:
        """Speed and packet size, None while the port is not open."""
        talk = self._talk
        return None if talk is None else Agreed(talk.line.baud, self._packet_bytes)

    def open(self) -> None:
        """Find the module at any speed, and agree on the best speed and packet size.

        Raises:
            DeviceMissing: no such line, or nothing on it answers.
            WrongPassword: the module wants another; this port will not ask again.
            DeviceTimeout: it answers, and comes to no end.
            DeviceFailed: the line or the module does not do its work.
        """
        with self._calling:
            if self._talk is not None:
                return
            if self._locked_out:
                raise WrongPassword
            self._given_up.clear()
            line = Line(self._path, baud=self._baud, given_up=self._given_up)
            line.until = time.monotonic() + OPEN_S
            try:
                talk = Talk(line, password=self._password, address=self._address)
                self._forget_all()
                self._connect(talk)
                self._agree(talk)
            except OutOfTime as error:
                line.close()
                raise _out_of_time() from error
            except BaseException:
                line.close()
                raise
            self._talk = talk
            _log.info("finger_module_opened baud=%d packet=%d", line.baud, self._packet_bytes)

    def capture(
        self, *, timeout_s: float, on_phase: Callable[[Phase], None] | None = None
    ) -> FingerImage:
        """Wait for a finger and fetch its image.

        An image that is torn on the way is fetched again; one that the module lost, because it
        started anew, is taken again while the finger still lies there.

        Raises:
            NoFinger: nobody touched within timeout_s.
            LineTorn: no transfer came whole.
            UnknownImageSize: a sensor that is not known here.
            ModuleRefused: it answered with a code that is no good.
            PortClosed, DeviceMissing, DeviceTimeout, LineBroken: as the port says.
        """
        told = on_phase or _nobody
        with self._session(within_s=timeout_s) as talk:
            deadline, fetch_s = talk.line.until, self._fetch_s(talk)
            talk.line.until += fetch_s
            for _ in range(TOUCHES):
                told(Phase.WAITING)
                self._light(talk, Light.WAITING)
                try:
                    self._await_finger(talk, wanted=True, deadline=deadline)
                except NoFinger:
                    self._light(talk, Light.OFF)
                    raise
                taken_ns = time.monotonic_ns()
                told(Phase.TAKEN)
                self._light(talk, Light.BUSY)
                talk.line.until = min(talk.line.until, time.monotonic() + fetch_s)
                uploaded = self._fetch(talk, told)
                if uploaded is None:
                    continue
                self._image_bytes = len(uploaded)
                pixels, sensor = parse_image(uploaded)
                self._light(talk, Light.GOOD)
                told(Phase.DONE)
                return FingerImage(pixels, sensor.dpi, IMAGE_BITS, taken_ns, self._source)
            raise LineTorn("the module lost its image again and again")

    def wait_until(self, *, finger: bool, timeout_s: float) -> bool:
        """Wait until a finger lies on the sensor, or none does; the sensor is asked over and over.

        Raises:
            NoFinger, PortClosed, DeviceTimeout, DeviceFailed: as the port says.
        """
        with self._session(within_s=timeout_s) as talk:
            deadline = talk.line.until
            talk.line.until += LOOK_S
            self._await_finger(talk, wanted=finger, deadline=deadline)
        return True

    def show(self, light: Light) -> None:
        """Set the ring of light of an R503; a module that has none is asked once."""
        with suppress(PortClosed), self._session(within_s=SHOW_S) as talk:
            self._light(talk, light)

    def forget(self) -> None:
        """Overwrite the module's buffer with white and reset it; takes as long as a transfer.

        The reset is tried whatever becomes of the overwriting; it alone is not taken for enough.
        Who closes meanwhile waits for it.

        Raises:
            ModuleRefused: the module takes no image.
            NotForgotten: the port is closed, and went without overwriting what it should have.
            PortClosed, DeviceTimeout, DeviceFailed: as the port says.
        """
        with self._session(within_s=self._wipe_s(), also_given_up=True) as talk:
            # Who closes meanwhile must not stop the overwriting.
            talk.line.given_up = threading.Event()
            try:
                self._wipe(talk)
            finally:
                talk.line.given_up = self._given_up

    def close(self) -> None:
        """Forget, darken and let go; a call that waits in another thread ends with PortClosed.

        Whether it forgot, `forget` tells afterwards.
        """
        until = time.monotonic() + self._wipe_s()
        self._given_up.set()
        if not self._calling.acquire(timeout=max(CLOSE_S, until - time.monotonic())):
            return
        try:
            talk = self._talk
            if talk is not None:
                # Who closes a second time meanwhile must not stop the overwriting.
                talk.line.given_up = threading.Event()
                talk.line.until = until
                with suppress(DeviceError):
                    self._wipe(talk)
                with suppress(DeviceError):
                    self._light(talk, Light.OFF)
        finally:
            self._release()
            self._calling.release()

    @contextmanager
    def _session(self, *, within_s: float, also_given_up: bool = False) -> Iterator[Talk]:
        """Have the line to oneself for a time, which who has it may change."""
        with self._calling:
            if self._talk is None and also_given_up and self._holds_image:
                raise NotForgotten
            if self._talk is None or (self._given_up.is_set() and not also_given_up):
                raise PortClosed
            self._talk.line.until = time.monotonic() + within_s
            try:
                yield self._talk
            except LineBroken:
                self._release()
                raise
            except OutOfTime as error:
                raise _out_of_time() from error

    def _release(self) -> None:
        talk, self._talk = self._talk, None
        if talk is not None:
            talk.line.close()

    def _forget_all(self) -> None:
        self._has_light = self._can_reset = True
        self._looking = False
        self._image_bytes = 0
        self._packet_bytes = PACKET_SIZES[0]

    def _connect(self, talk: Talk, *, likely: tuple[int, ...] = ()) -> None:
        """Find the speed at which the module answers; if it does not, leave the one that was."""
        was = talk.line.baud
        try:
            for baud in tuple(dict.fromkeys((*likely, self._baud, *BAUDS))) * ROUNDS:
                talk.line.set_baud(baud)
                if talk.greets():
                    was = baud
                    return
        except WrongPassword:
            self._locked_out = True
            raise
        finally:
            talk.line.set_baud(was)
        raise DeviceMissing(DEVICE, "nothing answers on the line")

    def _agree(self, talk: Talk) -> None:
        """Set the largest packet and the wanted speed, if they are not set already."""
        found = talk.parameters()
        if found.packet_bytes != PACKET_SIZES[-1]:
            talk.sets(Setting.PACKET_SIZE, len(PACKET_SIZES) - 1)
        if self._baud not in {talk.line.baud, found.baud}:
            was = talk.line.baud
            talk.sets(Setting.BAUD, self._baud // BAUD_STEP)
            time.sleep(SWITCH_S)
            self._connect(talk, likely=(self._baud, was))
        now = talk.parameters()
        self._packet_bytes = now.packet_bytes
        # What could not be overwritten before a port was closed is still there.
        self._holds_image |= now.holds_image

    def _await_finger(self, talk: Talk, *, wanted: bool, deadline: float) -> None:
        while True:
            code = self._look(talk, deadline)
            if code == (Code.DONE if wanted else Code.NO_FINGER):
                return
            if code not in _AGAIN and code != Code.DONE:
                raise ModuleRefused(Ask.GenImg.name, code)
            if time.monotonic() >= deadline:
                raise NoFinger
            if self._given_up.wait(POLL_S):
                raise PortClosed

    def _look(self, talk: Talk, deadline: float) -> int:
        """Ask the sensor; a module that fell silent is looked for once, if there is time.

        A look that is not answered may have taken an image, whatever the next one finds.
        """
        self._looking = True
        try:
            code = talk.ask(Ask.GenImg, timeout_s=TOUCH_S, tries=1)[0]
        except (DeviceTimeout, LineTorn):
            self._holds_image = True
            if time.monotonic() >= deadline:
                raise
            self._connect(talk, likely=(talk.line.baud,))
            code = talk.ask(Ask.GenImg, timeout_s=TOUCH_S, tries=2)[0]
        self._looked(code)
        return code

    def _looked(self, code: int | None) -> None:
        self._looking = False
        self._holds_image |= code != Code.NO_FINGER

    def _fetch(self, talk: Talk, told: Callable[[Phase], None]) -> bytes | None:
        """Return the image in the module's buffer, None if the module may have lost it.

        One that stopped in the middle is fetched again, and must begin as it had begun: what a
        fresh start leaves in a module's memory comes in sound frames too, and is no image.
        """
        begun = b""
        for attempt in range(TRANSFERS):
            if attempt:
                told(Phase.RETRYING)
                _log.warning("finger_image_torn attempt=%d", attempt)
            try:
                uploaded = talk.upload()
            except LineTorn:
                continue
            except DeviceTimeout:
                uploaded = Uploaded(b"", ended=False)
            except ModuleRefused as refused:
                if attempt and refused.code in _LOST:
                    return None
                raise
            if uploaded.ended:
                return uploaded.content if uploaded.content.startswith(begun) else None
            talk.hush(at_most_s=HELLO_S)
            self._connect(talk, likely=(talk.line.baud,))
            if len(set(uploaded.content)) < 2:
                return None
            begun = uploaded.content
        raise LineTorn

    def _light(self, talk: Talk, light: Light) -> None:
        if not self._has_light:
            return
        try:
            code, _ = talk.ask(Ask.AuraLedConfig, LIGHTS[light], timeout_s=HELLO_S, tries=2)
            self._has_light = code == Code.DONE
        except (DeviceTimeout, LineTorn):
            self._has_light = False
            talk.hush(at_most_s=HELLO_S)

    @property
    def _buffer_bytes(self) -> int:
        """What a buffer is overwritten by: more than a known sensor's, if it is not known."""
        known = self._image_bytes in SENSORS
        return self._image_bytes if known else max(MAX_IMAGE_BYTES, self._image_bytes)

    def _image_s(self, talk: Talk, *, packet_bytes: int) -> float:
        return talk.seconds_for_image(self._buffer_bytes, packet_bytes=packet_bytes)

    def _fetch_s(self, talk: Talk) -> float:
        return TRANSFERS * (self._image_s(talk, packet_bytes=self._packet_bytes) + PAUSE_S)

    def _wipe_s(self) -> float:
        talk = self._talk
        if talk is None:
            return CLOSE_S
        packet_bytes = max(self._packet_bytes, SMALLEST_DOWNLOAD)
        return self._image_s(talk, packet_bytes=packet_bytes) + OVERWRITE_S + RESET_S

    def _wipe(self, talk: Talk) -> None:
        """Overwrite the buffer and reset the module, whatever becomes of the one or the other."""
        if self._looking:
            self._looked(talk.late_answer(timeout_s=HELLO_S))
        if not self._holds_image:
            return
        until = talk.line.until
        talk.line.until -= RESET_S
        try:
            talk.download(_WHITE * self._buffer_bytes, packet_bytes=self._packet_bytes)
            self._holds_image = False
        except DeviceError:
            _log.warning("finger_buffer_not_overwritten")
            raise
        finally:
            talk.line.until = until
            self._reset(talk)

    def _reset(self, talk: Talk) -> None:
        if not self._can_reset:
            return
        try:
            code, _ = talk.ask(Ask.SoftRst, tries=1)
        except (DeviceTimeout, OutOfTime):
            return
        except LineTorn:
            code = Code.NOT_UNDERSTOOD
        self._can_reset = code == Code.DONE
        if self._can_reset:
            talk.await_ready(at_most_s=START_S)
            self._connect(talk, likely=(talk.line.baud,))


def _out_of_time() -> DeviceTimeout:
    return DeviceTimeout(DEVICE, "the module comes to no end")


def _nobody(phase: Phase) -> None:
    """Tell nobody."""
