"""Write a net as a TFLite file: tensors, operators, and the flatbuffer that holds them.

Knows the few operators that a convolution net needs and their places in TFLite's schema, version 3.
Does not know what a net computes. The same graph gives the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import flatbuffers
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

IDENTIFIER: Final = b"TFL3"
SCHEMA_VERSION: Final = 3
DATA_ALIGNMENT_BYTES: Final = 16
"""The schema's, of every buffer's data."""
ROWS, CHANNELS = 1, 3
"""Axes of a picture."""
TYPES: Final = {"float32": 0, "float16": 1, "int32": 2, "int8": 9}

INT8_MAX: Final = 127
Weights = Literal["float32", "float16", "int8"]
"""How a net's weights are kept; what is computed with stays float32."""


class Padding(IntEnum):
    """What a window does at the border."""

    SAME = 0
    VALID = 1


class Activation(IntEnum):
    """What an operator does to its own output."""

    NONE = 0
    RELU = 1


class Kind(NamedTuple):
    """An operator as the schema numbers it: its code, lowest version, and its options' type."""

    code: int
    version: int
    options: int


ADD: Final = Kind(0, 1, 11)
AVERAGE_POOL: Final = Kind(1, 1, 5)
JOIN: Final = Kind(2, 1, 10)
CONVOLUTION: Final = Kind(3, 1, 1)
CONVOLUTION_INT8_WEIGHTS: Final = Kind(3, 2, 1)
CONVOLUTION_OF_EACH: Final = Kind(4, 2, 2)
SPREAD: Final = Kind(5, 1, 94)
DEQUANTIZE: Final = Kind(6, 3, 38)
FULL: Final = Kind(9, 1, 8)
LOGISTIC: Final = Kind(14, 1, 0)
MAX_POOL: Final = Kind(17, 1, 5)
MULTIPLY: Final = Kind(18, 1, 21)
PAD: Final = Kind(34, 1, 22)
MEAN: Final = Kind(40, 1, 27)
SUBTRACT: Final = Kind(41, 1, 28)
SPLIT: Final = Kind(49, 1, 35)
INVERSE_ROOT: Final = Kind(76, 1, 0)
GELU: Final = Kind(150, 1, 116)
"""Of the exact kind, by the error function."""
LAST_OLD_CODE: Final = 127
"""Larger codes stand in the second place alone; the first then holds this one."""

Slots = tuple[tuple[int, str, int], ...]
"""Of an options table: place, kind of scalar, value. Zeros are the schema's defaults."""


@dataclass(frozen=True, slots=True)
class _Tensor:
    shape: tuple[int, ...]
    kind: str
    data: bytes | None
    scales: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class _Operator:
    kind: Kind
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    slots: Slots


@dataclass(slots=True, eq=False)
class Graph:
    """A net under construction; tensors are known by their numbers.

    Every operator is added after those whose outputs it reads. Pictures are (1, rows, columns,
    channels).
    """

    _tensors: list[_Tensor] = field(default_factory=list)
    _operators: list[_Operator] = field(default_factory=list)

    def variable(self, shape: tuple[int, ...]) -> int:
        """Add a float32 tensor that is computed or given."""
        return self._add(_Tensor(shape, "float32", None, ()))

    def constant(self, values: NDArray[Any]) -> int:
        """Add a tensor whose values lie in the file: float32, float16 or int32."""
        return self._add(_Tensor(values.shape, values.dtype.name, _bytes_of(values), ()))

    def quantized(self, values: NDArray[np.int8], scales: NDArray[np.float32]) -> int:
        """Add weights of 8 bits; each of the first axis has its own scale, and zero is zero."""
        told = tuple(float(each) for each in scales)
        return self._add(_Tensor(values.shape, "int8", _bytes_of(values), told))

    def kept(self, values: NDArray[np.float64], weights: Weights) -> int:
        """Add a convolution's weights as they are to be kept; of 8 bits, each output's its own."""
        if weights == "float32":
            return self.constant(values.astype(np.float32))
        if weights == "float16":
            return self.widen(self.constant(values.astype(np.float16)))
        largest = np.abs(values).max(axis=(1, 2, 3))
        scales = np.where(largest > 0, largest, 1.0) / INT8_MAX
        scaled = np.rint(values / scales[:, None, None, None]).astype(np.int8)
        return self.quantized(scaled, scales.astype(np.float32))

    def shape(self, tensor: int) -> tuple[int, ...]:
        """Return a tensor's shape."""
        return self._tensors[tensor].shape

    def convolve(
        self,
        x: int,
        *,
        weights: int,
        biases: int,
        stride: int,
        padding: Padding,
        relu: bool,
        dilation: int = 1,
    ) -> int:
        """Convolve; the weights are (out, rows, columns, in); dilated, nothing is strided."""
        out, rows, columns, _ = self.shape(weights)
        kind = CONVOLUTION
        if self._tensors[weights].kind == "int8":
            kind = CONVOLUTION_INT8_WEIGHTS
        activation = Activation.RELU if relu else Activation.NONE
        slots: Slots = ((0, "Int8", padding), (1, "Int32", stride), (2, "Int32", stride))
        slots = (*slots, (3, "Int8", activation))
        if dilation > 1:
            slots = (*slots, (4, "Int32", dilation), (5, "Int32", dilation))
        window = (dilation * (rows - 1) + 1, dilation * (columns - 1) + 1)
        shape = self._windowed(x, window, stride=stride, padding=padding, channels=out)
        return self._operate(kind, (x, weights, biases), shape, slots)

    def convolve_each(
        self, x: int, *, weights: int, biases: int, dilation: tuple[int, int] = (1, 1)
    ) -> int:
        """Convolve each channel by itself, SAME; the weights are (1, rows, columns, channels)."""
        rows, columns = dilation
        slots: Slots = ((0, "Int8", Padding.SAME), *((place, "Int32", 1) for place in (1, 2, 3)))
        slots = (*slots, (5, "Int32", columns), (6, "Int32", rows))
        return self._operate(CONVOLUTION_OF_EACH, (x, weights, biases), self.shape(x), slots)

    def pool(self, kind: Kind, x: int, *, side: int, stride: int) -> int:
        """Take the greatest (`MAX_POOL`) or the mean (`AVERAGE_POOL`) of whole windows."""
        channels = self.shape(x)[3]
        shape = self._windowed(
            x, (side, side), stride=stride, padding=Padding.VALID, channels=channels
        )
        slots = ((0, "Int8", Padding.VALID), (1, "Int32", stride), (2, "Int32", stride))
        return self._operate(kind, (x,), shape, (*slots, (3, "Int32", side), (4, "Int32", side)))

    def pad(self, x: int, to: tuple[int, ...]) -> int:
        """Append zeros until the tensor has another shape; nothing if it has it."""
        missing = [(0, wanted - there) for wanted, there in zip(to, self.shape(x), strict=True)]
        if not any(after for _, after in missing):
            return x
        return self._operate(PAD, (x, self.constant(np.array(missing, np.int32))), to, ())

    def add(self, one: int, other: int, *, relu: bool) -> int:
        """Add two tensors of one shape."""
        activation = Activation.RELU if relu else Activation.NONE
        return self._operate(ADD, (one, other), self.shape(one), ((0, "Int8", activation),))

    def apply(self, kind: Kind, x: int) -> int:
        """Compute each value by itself: `LOGISTIC`, `INVERSE_ROOT` or `GELU`."""
        return self._operate(kind, (x,), self.shape(x), ())

    def combine(self, kind: Kind, one: int, other: int) -> int:
        """Compute with two tensors, of which the other may have one channel or one pixel alone."""
        return self._operate(kind, (one, other), self.shape(one), ())

    def join(self, *several: int, axis: int = CHANNELS) -> int:
        """Lay the channels, or the `ROWS`, of pictures that are alike else behind each other."""
        shape = list(self.shape(several[0]))
        shape[axis] = sum(self.shape(each)[axis] for each in several)
        return self._operate(JOIN, several, tuple(shape), ((0, "Int32", axis),))

    def split(self, x: int, parts: int, *, axis: int = CHANNELS) -> tuple[int, ...]:
        """Return as many equal parts of the channels, or of the `ROWS`."""
        shape = list(self.shape(x))
        shape[axis] //= parts
        outputs = tuple(self.variable(tuple(shape)) for _ in range(parts))
        along = self.constant(np.array(axis, np.int32))
        self._operators.append(_Operator(SPLIT, (along, x), outputs, ((0, "Int32", parts),)))
        return outputs

    def spread(self, x: int, *, side: int) -> int:
        """Lay a pixel's channels out as side by side pixels: (row, column, channel) of them."""
        _, rows, columns, channels = self.shape(x)
        shape = (1, rows * side, columns * side, channels // side**2)
        return self._operate(SPREAD, (x,), shape, ((0, "Int32", side),))

    def mean_of_channels(self, x: int) -> int:
        """Return the mean of each pixel's channels, as a picture of one channel."""
        axis = self.constant(np.array([3], np.int32))
        return self._operate(MEAN, (x, axis), (*self.shape(x)[:3], 1), ((0, "Bool", True),))

    def mean_of_pixels(self, x: int) -> int:
        """Return the mean of each channel: (1, channels)."""
        axes = self.constant(np.array([1, 2], np.int32))
        return self._operate(MEAN, (x, axes), (1, self.shape(x)[3]), ())

    def multiply(self, x: int, *, weights: int) -> int:
        """Multiply (1, in) by weights (out, in), without biases."""
        return self._operate(FULL, (x, weights, -1), (1, self.shape(weights)[0]), ())

    def widen(self, weights: int) -> int:
        """Return float16 weights as float32."""
        return self._operate(DEQUANTIZE, (weights,), self.shape(weights), ())

    def write(self, *, inputs: Sequence[int], outputs: Sequence[int], description: str) -> bytes:
        """Return the file.

        Args:
            inputs: the tensors that are given.
            outputs: the tensors that are asked for.
            description: what it is, in words; part of the file.
        """
        builder = flatbuffers.Builder(1024)
        told = builder.CreateString(description)
        # The schema wants the first buffer empty: it is that of all tensors without values.
        contents = [b"", *(each.data for each in self._tensors if each.data is not None)]
        buffers = _vector(builder, [_buffer(builder, each) for each in contents])
        kinds = list(dict.fromkeys(each.kind for each in self._operators))
        codes = _vector(builder, [_code(builder, each) for each in kinds])
        subgraph = self._subgraph(builder, kinds, inputs=inputs, outputs=outputs)
        subgraphs = _vector(builder, [subgraph])
        builder.StartObject(5)
        builder.PrependUint32Slot(0, SCHEMA_VERSION, 0)
        for slot, offset in ((1, codes), (2, subgraphs), (3, told), (4, buffers)):
            builder.PrependUOffsetTRelativeSlot(slot, offset, 0)
        builder.Finish(builder.EndObject(), file_identifier=IDENTIFIER)
        return bytes(builder.Output())

    def _add(self, tensor: _Tensor) -> int:
        self._tensors.append(tensor)
        return len(self._tensors) - 1

    def _operate(
        self, kind: Kind, inputs: tuple[int, ...], shape: tuple[int, ...], slots: Slots
    ) -> int:
        output = self.variable(shape)
        self._operators.append(_Operator(kind, inputs, (output,), slots))
        return output

    def _windowed(
        self, x: int, window: tuple[int, int], *, stride: int, padding: Padding, channels: int
    ) -> tuple[int, ...]:
        sides = [
            -(-(side if padding is Padding.SAME else side - width + 1) // stride)
            for side, width in zip(self.shape(x)[1:3], window, strict=True)
        ]
        return (1, *sides, channels)

    def _subgraph(
        self,
        builder: Any,
        kinds: list[Kind],
        *,
        inputs: Sequence[int],
        outputs: Sequence[int],
    ) -> int:
        filled = 0
        tensors = []
        for number, each in enumerate(self._tensors):
            filled += each.data is not None
            buffer = 0 if each.data is None else filled
            tensors.append(_tensor(builder, each, name=f"t{number}", buffer=buffer))
        operators = [_operator(builder, each, kinds.index(each.kind)) for each in self._operators]
        parts = [
            _vector(builder, tensors),
            _integers(builder, inputs),
            _integers(builder, outputs),
            _vector(builder, operators),
            builder.CreateString("main"),
        ]
        builder.StartObject(5)
        for slot, offset in enumerate(parts):
            builder.PrependUOffsetTRelativeSlot(slot, offset, 0)
        return int(builder.EndObject())


def _buffer(builder: Any, content: bytes) -> int:
    data = 0
    if content:
        builder.Prep(DATA_ALIGNMENT_BYTES, len(content))
        data = builder.CreateByteVector(content)
    builder.StartObject(1)
    builder.PrependUOffsetTRelativeSlot(0, data, 0)
    return int(builder.EndObject())


def _code(builder: Any, kind: Kind) -> int:
    builder.StartObject(4)
    # Readers older than 2.4 look at the first place, newer ones at the larger of the two.
    builder.PrependInt8Slot(0, min(kind.code, LAST_OLD_CODE), 0)
    builder.PrependInt32Slot(2, kind.version, 1)
    builder.PrependInt32Slot(3, kind.code, 0)
    return int(builder.EndObject())


def _tensor(builder: Any, tensor: _Tensor, *, name: str, buffer: int) -> int:
    shape = _integers(builder, tensor.shape)
    told = builder.CreateString(name)
    quantization = _quantization(builder, tensor.scales) if tensor.scales else 0
    builder.StartObject(5)
    builder.PrependUOffsetTRelativeSlot(0, shape, 0)
    builder.PrependInt8Slot(1, TYPES[tensor.kind], 0)
    builder.PrependUint32Slot(2, buffer, 0)
    builder.PrependUOffsetTRelativeSlot(3, told, 0)
    builder.PrependUOffsetTRelativeSlot(4, quantization, 0)
    return int(builder.EndObject())


def _quantization(builder: Any, scales: tuple[float, ...]) -> int:
    scale = _numbers(builder, scales, width=4, prepend=builder.PrependFloat32)
    zeros = _numbers(builder, [0] * len(scales), width=8, prepend=builder.PrependInt64)
    builder.StartObject(7)
    builder.PrependUOffsetTRelativeSlot(2, scale, 0)
    builder.PrependUOffsetTRelativeSlot(3, zeros, 0)
    return int(builder.EndObject())


def _operator(builder: Any, operator: _Operator, code: int) -> int:
    inputs, outputs = _integers(builder, operator.inputs), _integers(builder, operator.outputs)
    builder.StartObject(7)
    for slot, scalar, value in operator.slots:
        getattr(builder, f"Prepend{scalar}Slot")(slot, value, 0)
    options = builder.EndObject()
    builder.StartObject(5)
    builder.PrependUint32Slot(0, code, 0)
    builder.PrependUOffsetTRelativeSlot(1, inputs, 0)
    builder.PrependUOffsetTRelativeSlot(2, outputs, 0)
    builder.PrependUint8Slot(3, operator.kind.options, 0)
    builder.PrependUOffsetTRelativeSlot(4, options, 0)
    return int(builder.EndObject())


def _vector(builder: Any, offsets: list[int]) -> int:
    return _numbers(builder, offsets, width=4, prepend=builder.PrependUOffsetTRelative)


def _integers(builder: Any, values: Sequence[int]) -> int:
    return _numbers(builder, values, width=4, prepend=builder.PrependInt32)


def _numbers(
    builder: Any, values: Sequence[float], *, width: int, prepend: Callable[[Any], None]
) -> int:
    builder.StartVector(width, len(values), width)
    for each in reversed(values):
        prepend(each)
    return int(builder.EndVector())


def _bytes_of(values: NDArray[Any]) -> bytes:
    little = values.astype(values.dtype.newbyteorder("<"), copy=False)
    return np.ascontiguousarray(little).tobytes()
