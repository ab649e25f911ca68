"""A module of the ZFM family on a serial line: `serial:///dev/ttyUSB0`. R503, R307, AS608, ZFM-20.

Not yet run on hardware: written from the R503's manual (version 1.1, 2019), and run against a
simulator that shares no framing with it. What it relies on beyond that text: UpImage leaves the
buffer as it was, so that an image torn on the way can be fetched again; DownImage takes as many
bytes as UpImage gives. Where the text of an older model says that a new speed comes with the next
start, the old one is used on. The module authenticates nothing, so it only ever gives images: it
stores no template and compares none. After use its buffer is overwritten with white, and it is
reset where it can be. Does not know what is on an image, nor whether two are alike.

Bounds: `open` ends within about 6 s. No transfer begins later after the first touch than
`TRANSFERS` of the longest take, which is four times what the largest image needs, however slowly
bytes come (at 115,200 baud 13 s; an R503 needs 1.7 s).

Spec: [R503].
"""

from __future__ import annotations

import logging
import math
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
    PACKET_SIZES,
    Ask,
    Code,
    Setting,
    parse_image,
)
from hw.finger.packets import ANY_ADDRESS
from hw.finger.port import Agreed, FingerImage, Light, Phase
from hw.finger.talk import HELLO_S, TOUCH_S, Talk, Uploaded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TRANSFERS: Final = 4
"""So often one touch's image is fetched, until it comes whole."""
TOUCHES: Final = 3
"""So often a touch is taken, if the module loses the image in between."""
ROUNDS: Final = 2
"""So often every speed is tried; a single answer may be lost."""
POLL_S: Final = 0.02
SWITCH_S: Final = 0.05
"""A module needs a moment to change its speed."""
START_S: Final = 0.3
"""And 0.2 s to start; most say when they have."""
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
        self._locked_out = False
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
            DeviceFailed: the line or the module does not do its work.
        """
        with self._calling:
            if self._talk is not None:
                return
            if self._locked_out:
                raise WrongPassword
            self._given_up.clear()
            line = Line(self._path, baud=self._baud, given_up=self._given_up)
            try:
                talk = Talk(line, password=self._password, address=self._address)
                self._forget_all()
                self._connect(talk)
                self._agree(talk)
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
        deadline, fetched_by = time.monotonic() + timeout_s, math.inf
        with self._session() as talk:
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
                latest = time.monotonic() + TRANSFERS * talk.longest_upload_s
                fetched_by = min(fetched_by, latest)
                uploaded = self._fetch(talk, told, until=fetched_by)
                if uploaded is None:
                    continue
                pixels, sensor = parse_image(uploaded)
                self._image_bytes = len(uploaded)
                self._light(talk, Light.GOOD)
                told(Phase.DONE)
                return FingerImage(pixels, sensor.dpi, IMAGE_BITS, taken_ns, self._source)
            raise LineTorn("the module lost its image again and again")

    def wait_until(self, *, finger: bool, timeout_s: float) -> bool:
        """Wait until a finger lies on the sensor, or none does; the sensor is asked over and over.

        Raises:
            NoFinger, PortClosed, DeviceTimeout, DeviceFailed: as the port says.
        """
        with self._session() as talk:
            self._await_finger(talk, wanted=finger, deadline=time.monotonic() + timeout_s)
        return True

    def show(self, light: Light) -> None:
        """Set the ring of light of an R503; a module that has none is asked once."""
        with suppress(PortClosed), self._session() as talk:
            self._light(talk, light)

    def forget(self) -> None:
        """Overwrite the module's buffer with white and reset it; takes as long as a transfer.

        Raises:
            ModuleRefused: it takes no image; it was reset at least, if it can be.
            PortClosed, DeviceTimeout, DeviceFailed: as the port says.
        """
        with self._session() as talk:
            self._wipe(talk)

    def close(self) -> None:
        """Forget, darken and let go; a call that waits in another thread ends with PortClosed."""
        self._given_up.set()
        if not self._calling.acquire(timeout=CLOSE_S):
            return
        try:
            talk = self._talk
            if talk is not None:
                # Who closes a second time meanwhile must not stop the overwriting.
                talk.line.given_up = threading.Event()
                with suppress(DeviceError):
                    self._wipe(talk)
                    self._light(talk, Light.OFF)
            self._release()
        finally:
            self._calling.release()

    @contextmanager
    def _session(self) -> Iterator[Talk]:
        with self._calling:
            if self._talk is None or self._given_up.is_set():
                raise PortClosed
            try:
                yield self._talk
            except LineBroken:
                self._release()
                raise

    def _release(self) -> None:
        talk, self._talk = self._talk, None
        if talk is not None:
            talk.line.close()

    def _forget_all(self) -> None:
        self._has_light = self._can_reset = True
        self._holds_image = False
        self._image_bytes = 0
        self._packet_bytes = PACKET_SIZES[0]

    def _connect(self, talk: Talk, *, likely: tuple[int, ...] = ()) -> None:
        """Find the speed at which the module answers."""
        order = dict.fromkeys((*likely, self._baud, *BAUDS))
        for _ in range(ROUNDS):
            for baud in order:
                talk.line.set_baud(baud)
                try:
                    if talk.greets():
                        return
                except WrongPassword:
                    self._locked_out = True
                    raise
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
        self._packet_bytes, self._holds_image = now.packet_bytes, now.holds_image

    def _await_finger(self, talk: Talk, *, wanted: bool, deadline: float) -> None:
        while True:
            code = self._look(talk, deadline)
            self._holds_image |= code == Code.DONE
            if code == (Code.DONE if wanted else Code.NO_FINGER):
                return
            if code not in _AGAIN and code != Code.DONE:
                raise ModuleRefused(Ask.GenImg.name, code)
            if time.monotonic() >= deadline:
                raise NoFinger
            self._given_up.wait(POLL_S)

    def _look(self, talk: Talk, deadline: float) -> int:
        """Ask the sensor; a module that fell silent is looked for once, if there is time."""
        try:
            return talk.ask(Ask.GenImg, timeout_s=TOUCH_S, tries=2)[0]
        except DeviceTimeout:
            if time.monotonic() >= deadline:
                raise
        self._connect(talk, likely=(talk.line.baud,))
        return talk.ask(Ask.GenImg, timeout_s=TOUCH_S, tries=2)[0]

    def _fetch(self, talk: Talk, told: Callable[[Phase], None], *, until: float) -> bytes | None:
        """Return the image in the module's buffer, None if the module may have lost it.

        One that stopped in the middle is fetched again, and must begin as it had begun: what a
        fresh start leaves in a module's memory comes in sound frames too, and is no image.
        """
        begun = b""
        for attempt in range(TRANSFERS):
            if time.monotonic() >= until:
                break
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

    def _wipe(self, talk: Talk) -> None:
        if not self._holds_image:
            return
        refused: ModuleRefused | None = None
        size = self._image_bytes or len(talk.upload().content)
        try:
            talk.download(_WHITE * size, packet_bytes=self._packet_bytes)
        except ModuleRefused as error:
            refused = error
        self._reset(talk)
        if refused is not None:
            _log.warning("finger_buffer_not_overwritten")
            raise refused
        self._holds_image = False

    def _reset(self, talk: Talk) -> None:
        if not self._can_reset:
            return
        try:
            code, _ = talk.ask(Ask.SoftRst, tries=1)
        except (DeviceTimeout, LineTorn):
            code = Code.NOT_UNDERSTOOD
        self._can_reset = code == Code.DONE
        if self._can_reset:
            talk.await_ready(at_most_s=START_S)
            self._connect(talk, likely=(talk.line.baud,))


def _nobody(phase: Phase) -> None:
    """Tell nobody."""
