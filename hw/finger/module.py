"""What a module of the ZFM family (R503, R307, AS608, ZFM-20) is asked, and what its answers mean.

Values in, values out: codes, settings, the sizes of sensors, pixels from half bytes. Knows no line.

Spec: [R503] III "System Resources", V "Module Instruction System". Its text leaves open which half
of a byte is the first pixel; the high one is taken, as other hosts of the family do.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Final

import numpy as np

from hw.errors import DeviceFailed
from hw.finger.errors import DEVICE, UnknownImageSize
from hw.finger.port import Light

if TYPE_CHECKING:
    from numpy.typing import NDArray

BAUD_STEP: Final = 9600
FASTEST_BAUD: Final = 115_200
FACTORY_BAUD: Final = 57_600
BAUDS: Final = (FACTORY_BAUD, FASTEST_BAUD, 9600, 38_400, 19_200)
"""What a module may be set to, the likeliest first."""
PACKET_SIZES: Final = (32, 64, 128, 256)
"""By the code that stands for them."""
IMAGE_BITS: Final = 4
_PARAMETERS_BYTES: Final = 16
_HOLDS_IMAGE: Final = 1 << 3


class Ask(IntEnum):
    """An instruction."""

    GenImg = 0x01
    UpImage = 0x0A
    DownImage = 0x0B
    SetSysPara = 0x0E
    ReadSysPara = 0x0F
    VfyPwd = 0x13
    AuraLedConfig = 0x35
    SoftRst = 0x3D


class Code(IntEnum):
    """A confirmation code that means something to the driver; any other is a refusal."""

    DONE = 0x00
    NOT_UNDERSTOOD = 0x01
    NO_FINGER = 0x02
    POOR_TOUCH = 0x03
    POOR_IMAGE = 0x07
    NO_UPLOAD = 0x0F
    WRONG_PASSWORD = 0x13
    NO_IMAGE = 0x15


class Setting(IntEnum):
    """A parameter that can be set and is kept in the module's flash memory."""

    BAUD = 4
    PACKET_SIZE = 6


@dataclass(frozen=True, slots=True)
class Sensor:
    """A kind of sensor, known by the size of its image.

    Attributes:
        models: which modules have it.
        width_px: pixels in a row.
        height_px: rows.
        dpi: pixels an inch.
    """

    models: str
    width_px: int
    height_px: int
    dpi: int


SENSORS: Final = {
    18_432: Sensor("R503", 192, 192, 508),
    36_864: Sensor("AS608, R307, ZFM-20", 256, 288, 500),
}
"""By the bytes of an uploaded image. The first is the R503 ([R503] I), the second the optical
modules of 256 by 288."""
MAX_IMAGE_BYTES: Final = max(SENSORS)


@dataclass(frozen=True, slots=True)
class Parameters:
    """A module's settings.

    Attributes:
        holds_image: whether it says that its buffer holds an image; not all models ever say so.
        packet_bytes: payload of its data frames: 32, 64, 128 or 256.
        baud: as set; what it runs at may be set already and come with the next start.
    """

    holds_image: bool
    packet_bytes: int
    baud: int


def parse_parameters(answer: bytes) -> Parameters:
    """Take the answer to ReadSysPara apart, without its confirmation code.

    Raises:
        DeviceFailed: it is none.
    """
    if len(answer) != _PARAMETERS_BYTES:
        raise DeviceFailed(DEVICE, "the module's settings are of a strange length")
    words = [int.from_bytes(answer[at : at + 2], "big") for at in range(0, _PARAMETERS_BYTES, 2)]
    status, packet_code, steps = words[0], words[6], words[7]
    if packet_code >= len(PACKET_SIZES) or not 1 <= steps <= FASTEST_BAUD // BAUD_STEP:
        raise DeviceFailed(DEVICE, "the module's settings are strange")
    return Parameters(bool(status & _HOLDS_IMAGE), PACKET_SIZES[packet_code], steps * BAUD_STEP)


def parse_image(uploaded: bytes) -> tuple[NDArray[np.uint8], Sensor]:
    """Expand an uploaded image of two pixels a byte.

    Returns:
        (H, W) uint8, 0 black to 255 white in 16 steps, read-only; and the sensor it came from.

    Raises:
        UnknownImageSize: no sensor known here has such images.
    """
    sensor = SENSORS.get(len(uploaded))
    if sensor is None:
        raise UnknownImageSize(len(uploaded))
    pairs = np.frombuffer(uploaded, dtype=np.uint8)
    steps = np.stack([pairs >> 4, pairs & 0x0F], axis=-1)
    pixels = (steps * np.uint8(17)).reshape(sensor.height_px, sensor.width_px)
    pixels.setflags(write=False)
    return pixels, sensor


_ON, _BREATHING, _FLASHING, _OFF = 0x03, 0x01, 0x02, 0x04
_RED, _BLUE, _PURPLE = 0x01, 0x02, 0x03
LIGHTS: Final = {
    Light.OFF: bytes([_OFF, 0, _BLUE, 0]),
    Light.WAITING: bytes([_BREATHING, 0x60, _BLUE, 0]),
    Light.BUSY: bytes([_ON, 0, _PURPLE, 0]),
    Light.GOOD: bytes([_ON, 0, _BLUE, 0]),
    Light.BAD: bytes([_FLASHING, 0x30, _RED, 3]),
}
"""The operands of AuraLedConfig: how, how fast, colour, how often. Only the three colours that the
oldest firmware has; how it shines tells as much as the colour."""
