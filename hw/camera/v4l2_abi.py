"""The part of Linux's video interface that a camera needs: numbers, structures, control ids.

Knows <linux/videodev2.h>, single-planar streaming capture with mapped buffers, on 64-bit machines.
A test compiles the header that is installed and compares every number and offset. Opens nothing.
"""

from __future__ import annotations

import ctypes
from typing import Final

BUFFER_TYPE_CAPTURE: Final = 1
MEMORY_MMAP: Final = 1
FIELD_NONE: Final = 1
CAP_VIDEO_CAPTURE: Final = 0x00000001
CAP_STREAMING: Final = 0x04000000
CAP_DEVICE_CAPS: Final = 0x80000000
FLAG_ERROR: Final = 0x00000040
"""Of a buffer: the driver knows that the picture in it is damaged."""
TIMESTAMP_MASK: Final = 0x0000E000
TIMESTAMP_MONOTONIC: Final = 0x00002000
CONTROL_DISABLED: Final = 0x0001

CID_AUTO_WHITE_BALANCE: Final = 0x0098090C
CID_WHITE_BALANCE_TEMPERATURE: Final = 0x0098091A
CID_EXPOSURE_AUTO: Final = 0x009A0901
CID_EXPOSURE_ABSOLUTE: Final = 0x009A0902
"""In units of 100 microseconds."""
EXPOSURE_MANUAL: Final = 1
EXPOSURE_APERTURE_PRIORITY: Final = 3
"""What webcams call automatic: the time is chosen, the aperture is what it is."""


def fourcc(text: str) -> int:
    """Return a pixel format's number from its four characters."""
    return int.from_bytes(text.encode("ascii"), "little")


YUYV: Final = fourcc("YUYV")
MJPEG: Final = fourcc("MJPG")


class Capability(ctypes.Structure):
    """struct v4l2_capability."""

    _fields_ = (
        ("driver", ctypes.c_char * 16),
        ("card", ctypes.c_char * 32),
        ("bus_info", ctypes.c_char * 32),
        ("version", ctypes.c_uint32),
        ("capabilities", ctypes.c_uint32),
        ("device_caps", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32 * 3),
    )


class PixFormat(ctypes.Structure):
    """struct v4l2_pix_format."""

    _fields_ = (
        ("width", ctypes.c_uint32),
        ("height", ctypes.c_uint32),
        ("pixelformat", ctypes.c_uint32),
        ("field", ctypes.c_uint32),
        ("bytesperline", ctypes.c_uint32),
        ("sizeimage", ctypes.c_uint32),
        ("colorspace", ctypes.c_uint32),
        ("priv", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),
        ("ycbcr_enc", ctypes.c_uint32),
        ("quantization", ctypes.c_uint32),
        ("xfer_func", ctypes.c_uint32),
    )


class _FormatUnion(ctypes.Union):
    # The kernel's union also holds a structure with pointers, which aligns it to 8 bytes.
    _fields_ = (
        ("pix", PixFormat),
        ("raw", ctypes.c_uint8 * 200),
        ("aligned", ctypes.c_uint64),
    )


class Format(ctypes.Structure):
    """struct v4l2_format."""

    _fields_ = (("type", ctypes.c_uint32), ("fmt", _FormatUnion))


class RequestBuffers(ctypes.Structure):
    """struct v4l2_requestbuffers."""

    _fields_ = (
        ("count", ctypes.c_uint32),
        ("type", ctypes.c_uint32),
        ("memory", ctypes.c_uint32),
        ("capabilities", ctypes.c_uint32),
        ("flags", ctypes.c_uint8),
        ("reserved", ctypes.c_uint8 * 3),
    )


class _Timeval(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("microseconds", ctypes.c_long))


class _Timecode(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),
        ("parts", ctypes.c_uint8 * 4),
        ("userbits", ctypes.c_uint8 * 4),
    )


class _BufferUnion(ctypes.Union):
    _fields_ = (("offset", ctypes.c_uint32), ("userptr", ctypes.c_ulong), ("fd", ctypes.c_int32))


class Buffer(ctypes.Structure):
    """struct v4l2_buffer."""

    _fields_ = (
        ("index", ctypes.c_uint32),
        ("type", ctypes.c_uint32),
        ("bytesused", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),
        ("field", ctypes.c_uint32),
        ("timestamp", _Timeval),
        ("timecode", _Timecode),
        ("sequence", ctypes.c_uint32),
        ("memory", ctypes.c_uint32),
        ("m", _BufferUnion),
        ("length", ctypes.c_uint32),
        ("reserved2", ctypes.c_uint32),
        ("request_fd", ctypes.c_int32),
    )


class Control(ctypes.Structure):
    """struct v4l2_control."""

    _fields_ = (("id", ctypes.c_uint32), ("value", ctypes.c_int32))


class QueryControl(ctypes.Structure):
    """struct v4l2_queryctrl."""

    _fields_ = (
        ("id", ctypes.c_uint32),
        ("type", ctypes.c_uint32),
        ("name", ctypes.c_uint8 * 32),
        ("minimum", ctypes.c_int32),
        ("maximum", ctypes.c_int32),
        ("step", ctypes.c_int32),
        ("default_value", ctypes.c_int32),
        ("flags", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32 * 2),
    )


_WRITE, _READ = 1, 2


def _number(direction: int, number: int, size: int) -> int:
    return direction << 30 | size << 16 | ord("V") << 8 | number


QUERYCAP: Final = _number(_READ, 0, ctypes.sizeof(Capability))
S_FMT: Final = _number(_READ | _WRITE, 5, ctypes.sizeof(Format))
REQBUFS: Final = _number(_READ | _WRITE, 8, ctypes.sizeof(RequestBuffers))
QUERYBUF: Final = _number(_READ | _WRITE, 9, ctypes.sizeof(Buffer))
QBUF: Final = _number(_READ | _WRITE, 15, ctypes.sizeof(Buffer))
DQBUF: Final = _number(_READ | _WRITE, 17, ctypes.sizeof(Buffer))
STREAMON: Final = _number(_WRITE, 18, ctypes.sizeof(ctypes.c_int))
STREAMOFF: Final = _number(_WRITE, 19, ctypes.sizeof(ctypes.c_int))
G_CTRL: Final = _number(_READ | _WRITE, 27, ctypes.sizeof(Control))
S_CTRL: Final = _number(_READ | _WRITE, 28, ctypes.sizeof(Control))
QUERYCTRL: Final = _number(_READ | _WRITE, 36, ctypes.sizeof(QueryControl))
