"""Read the numbers out of dlib's file of its face recognition net.

Knows how dlib writes integers, floats, tensors and the layers that hold numbers, and that layers
stand in the file from the input to the output. Does not know how they are joined
(provisioning.weights_dlib). Of layers without numbers nothing is read; what cannot be the file is
refused, but the file's own hash must have been compared before.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

INPUT: Final = b"input_rgb_image_sized"
CONVOLUTION: Final = b"con_4"
AFFINE: Final = b"affine_"
FULL: Final = b"fc_2"
MAX_GAP_BYTES: Final = 1024
"""Between two layers with numbers stand only a few small ones without."""
MAX_NUMBERS: Final = 2**22
MAX_INTEGER_BYTES: Final = 8
SIGN: Final = 0x80


class DatError(Exception):
    """The bytes are not dlib's face recognition net."""


class Convolution(NamedTuple):
    """A convolution and the affine layer that follows it.

    Attributes:
        filters: (out, in, rows, columns), float32 in the file.
        biases: (out,), likewise.
        stride: of both axes.
        padding: on every side, in pixels.
        gamma: (out,) float32, what the affine layer multiplies by.
        beta: (out,) float32, what it adds.
    """

    filters: NDArray[np.floating]
    biases: NDArray[np.floating]
    stride: int
    padding: int
    gamma: NDArray[np.float32]
    beta: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Numbers:
    """All numbers of the net.

    Attributes:
        mean: red, green and blue that are subtracted from the input.
        side: rows and columns of the input.
        convolutions: from the input to the output.
        full: (in, out) float32, the last layer; it has no biases.
    """

    mean: tuple[float, float, float]
    side: int
    convolutions: tuple[Convolution, ...] = field(repr=False)
    full: NDArray[np.float32] = field(repr=False)


def read(raw: bytes, *, convolutions: int) -> Numbers:
    """Read the file.

    Args:
        raw: all of it.
        convolutions: how many there must be.

    Raises:
        DatError: it is another file.
    """
    cursor = _Cursor(raw)
    cursor.seek(INPUT)
    mean = (cursor.real(), cursor.real(), cursor.real())
    rows, columns = cursor.integer(), cursor.integer()
    if rows != columns:
        raise DatError("the input is no square")
    layers = tuple(_convolution(cursor) for _ in range(convolutions))
    cursor.seek(FULL)
    outputs, inputs = cursor.integer(), cursor.integer()
    full = cursor.tensor().reshape(-1)
    if full.size != outputs * inputs:
        raise DatError("the last layer has another size than it says")
    return Numbers(mean=mean, side=rows, convolutions=layers, full=full.reshape(inputs, outputs))


def _convolution(cursor: _Cursor) -> Convolution:
    cursor.seek(CONVOLUTION)
    numbers = cursor.tensor().reshape(-1)
    _filters, rows, columns, *strides_and_paddings = [cursor.integer() for _ in range(7)]
    stride, other_stride, padding, other_padding = strides_and_paddings
    shape, biases = cursor.alias(), cursor.alias()
    split = math.prod(shape)
    if (stride, padding, rows) != (other_stride, other_padding, columns):
        raise DatError("a convolution differs by axis")
    if shape[2:] != (rows, columns) or split + math.prod(biases) != numbers.size:
        raise DatError("a convolution has another size than it says")
    cursor.seek(AFFINE)
    affine = cursor.tensor().reshape(-1)
    if affine.size != 2 * shape[0] or math.prod(biases) != shape[0]:
        raise DatError("an affine layer does not fit its convolution")
    return Convolution(
        filters=numbers[:split].reshape(shape),
        biases=numbers[split:],
        stride=stride,
        padding=padding,
        gamma=affine[: shape[0]],
        beta=affine[shape[0] :],
    )


class _Cursor:
    """A place in the file that moves on."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._at = 0

    def seek(self, name: bytes) -> None:
        """Go behind the next layer name, which is not far."""
        found = self._raw.find(name, self._at, self._at + MAX_GAP_BYTES)
        if found < 0:
            raise DatError("a layer is missing")
        self._at = found + len(name)

    def integer(self) -> int:
        """Read a control byte (number of bytes, sign) and the integer, little endian."""
        control = self._take(1)[0]
        size = control & 0x0F
        if control & 0x70 or not 1 <= size <= MAX_INTEGER_BYTES:
            raise DatError("no integer")
        value = int.from_bytes(self._take(size), "little")
        return -value if control & SIGN else value

    def real(self) -> float:
        """Read a mantissa and a binary exponent."""
        mantissa, exponent = self.integer(), self.integer()
        if abs(exponent) > 1000:
            raise DatError("no number")
        return math.ldexp(mantissa, exponent)

    def tensor(self) -> NDArray[np.float32]:
        """Read a tensor: version 2, four sizes, numbers."""
        shape = self._sizes(version=2)
        count = math.prod(shape)
        if count > MAX_NUMBERS:
            raise DatError("a tensor is too large")
        values = np.frombuffer(self._take(4 * count), dtype="<f4").astype(np.float32)
        if not np.isfinite(values).all():
            raise DatError("a tensor holds no numbers")
        return values.reshape(shape)

    def alias(self) -> tuple[int, ...]:
        """Read the shape of a part of a tensor: version 1, four sizes."""
        return self._sizes(version=1)

    def _sizes(self, *, version: int) -> tuple[int, ...]:
        if self.integer() != version:
            raise DatError("a tensor of another version")
        sizes = tuple(self.integer() for _ in range(4))
        if not all(1 <= each <= MAX_NUMBERS for each in sizes):
            raise DatError("a tensor of an impossible size")
        return sizes

    def _take(self, count: int) -> bytes:
        taken = self._raw[self._at : self._at + count]
        if len(taken) != count:
            raise DatError("the file ends too early")
        self._at += count
        return taken
