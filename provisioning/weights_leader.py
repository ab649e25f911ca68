"""Make a TFLite file of LEADER, the net that finds minutiae in a picture of a finger.

Knows how its layers are joined and how each becomes TFLite operators. Where linear steps meet, they
become one, a normalisation's mean goes into the convolution before it, and wide windows are taken
apart: the net computes the same in half the time or less. Which places are minutiae, of all that it
says about each pixel, is models.finger.extract's.

Net: Cappelli and Ferrara, LEADER, arXiv 2602.15493; pyfing 0.7.3, minutiae_end_to_end.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from provisioning.weights_h5 import HDF5Error, read
from provisioning.weights_tflite import (
    ADD,
    AVERAGE_POOL,
    GELU,
    INVERSE_ROOT,
    LOGISTIC,
    MAX_POOL,
    MULTIPLY,
    ROWS,
    SUBTRACT,
    Graph,
    Padding,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from provisioning.weights_tflite import Kind, Weights

    Array = NDArray[np.float64]

SHAPE: Final = (1, 384, 320, 1)
"""Of the input as it stands in the file; a reader may ask for any other multiple of 32."""
DESCRIPTION: Final = "LEADER, minutiae of fingers"
EPSILON: Final = 1e-3
"""Of the normalisations: Keras's default."""
LEVELS: Final = 4
WIDE: Final = 7
"""Windows of this side are taken apart: the runtimes are quick up to 25 places only."""
FEWEST_INT8: Final = 16
"""Convolutions with fewer channels on either side keep 16 bits: they gain nothing from 8."""
STRIPS: Final = 4
FEWEST_ROWS_SPLIT: Final = 96
GATE_DILATIONS: Final = (1, 3, 6)


class _Bottleneck(NamedTuple):
    """The numbers, in the weights' file, of a block's layers: each kind counts for itself."""

    each: int
    norm: int
    widen: int
    narrow: int
    adjust: int


class _Head(NamedTuple):
    """Likewise, of an output's layers."""

    block: _Bottleneck
    first: int
    norm: int
    second: int
    last: int


STEMS: Final = ((0, 1, 0), (2, 3, 9))
"""Of each: its convolutions, plain and dilated, and its normalisation."""
GATES: Final = (4, 5, 6)
GATE: Final = 7
REFINING: Final = tuple(
    _Bottleneck(level, 10 + level, 8 + 3 * level, 9 + 3 * level, 10 + 3 * level)
    for level in range(2 * LEVELS)
)
POSITION: Final = _Head(_Bottleneck(8, 18, 32, 33, 35), 40, 21, 42, 44)
DIRECTION: Final = _Head(_Bottleneck(9, 19, 34, 36, 39), 43, 22, 46, 48)
TYPE: Final = _Head(_Bottleneck(10, 20, 37, 38, 41), 45, 23, 49, 50)
BLUR: Final = 47


def convert(raw: bytes, *, weights: Weights) -> bytes:
    """Return the net as a TFLite file.

    Args:
        raw: Keras's file, `LEADER.weights.h5`.
        weights: how the weights are kept; with "int8" small convolutions and those of single
            channels keep 16 bits.

    Returns:
        A net from (1, H, W, 1) float32, grey 0..255, H and W multiples of 32, to three outputs of
        that size, float32: how sure a minutia is there, 0..1, blurred; two channels, cosine and
        sine of its direction, times something positive, counter-clockwise from the right; and how
        sure the ridge ends there and does not fork, 0..1.

    Raises:
        HDF5Error: it is another file.
    """
    net = _Net(_layers(read(raw)), weights)
    given = net.graph.variable(SHAPE)
    return net.graph.write(inputs=[given], outputs=net.whole(given), description=DESCRIPTION)


def _layers(arrays: dict[str, NDArray[np.float32]]) -> dict[str, list[Array]]:
    """Return each layer's arrays in their order; the first layer of a kind has the number 0."""
    found: dict[str, list[Array]] = {}
    for path in sorted(arrays):
        match path.split("/"):
            case ["layers", layer, "vars", _]:
                numbered = layer if layer[-1:].isdigit() else f"{layer}_0"
                found.setdefault(numbered, []).append(arrays[path].astype(np.float64))
    return found


@dataclass(slots=True, eq=False)
class _Net:
    """The net under construction; filters are (rows, columns, in, out) as Keras has them."""

    _layers: dict[str, list[Array]]
    _weights: Weights
    graph: Graph = field(default_factory=Graph)

    def whole(self, given: int) -> list[int]:
        """Add the net; return its outputs."""
        graph = self.graph
        x = self._gated(self._context(self._stem(0, given, MAX_POOL)))
        x = graph.join(x, self._stem(1, given, AVERAGE_POOL))
        blocks = iter(REFINING)
        skipped = []
        for _ in range(LEVELS):
            x = self._bottleneck(x, next(blocks))
            skipped.append(x)
            x = self._down(x)
        for _ in range(LEVELS):
            x = self._up(self._bottleneck(x, next(blocks)), skipped.pop())
        sure = graph.apply(LOGISTIC, self._head(x, POSITION))
        (blur,) = self._layer("conv2d", BLUR, 1)
        blurred = self._convolve(sure, blur, np.zeros(1))
        ending = graph.apply(LOGISTIC, self._head(x, TYPE))
        return [blurred, self._head(x, DIRECTION), ending]

    def _layer(self, kind: str, number: int, count: int) -> list[Array]:
        """Return a layer's arrays, filters first."""
        found = self._layers.get(f"{kind}_{number}", [])
        if len(found) != count:
            raise HDF5Error("another net than expected")
        return found

    def _convolution(self, number: int) -> tuple[Array, Array]:
        filters, biases = self._layer("conv2d", number, 2)
        return filters, biases

    def _convolve(self, x: int, filters: Array, biases: Array, *, dilation: int = 1) -> int:
        return self._pass(x, self._filters(filters, biases), dilation=dilation)

    def _filters(self, filters: Array, biases: Array) -> tuple[int, int]:
        """Add a convolution's numbers."""
        return self._kept(filters.transpose(3, 0, 1, 2)), self._constant(biases)

    def _pass(self, x: int, filters: tuple[int, int], *, dilation: int = 1) -> int:
        """Convolve with numbers that are there."""
        weights, biases = filters
        if self.graph.shape(weights)[3] != self.graph.shape(x)[3]:
            raise HDF5Error("a convolution reads another number of channels")
        return self.graph.convolve(
            x,
            weights=weights,
            biases=biases,
            stride=1,
            padding=Padding.SAME,
            relu=False,
            dilation=dilation,
        )

    def _convolve_each(self, x: int, filters: Array, dilation: tuple[int, int] = (1, 1)) -> int:
        """Convolve each channel by itself; the filters are (rows, columns, channels)."""
        none = self._constant(np.zeros(filters.shape[2]))
        weights = self._kept(filters[None])
        return self.graph.convolve_each(x, weights=weights, biases=none, dilation=dilation)

    def _kept(self, values: Array) -> int:
        small = min(values.shape[0], values.shape[3]) < FEWEST_INT8
        halved = self._weights == "int8" and small
        return self.graph.kept(np.ascontiguousarray(values), "float16" if halved else self._weights)

    def _constant(self, values: Array) -> int:
        return self.graph.constant(values.astype(np.float32))

    def _stem(self, number: int, given: int, pool: Kind) -> int:
        """Add a stem: a plain and a dilated convolution, behind each other, normalised, pooled.

        Laid behind each other and centred they are the sum of two that each make all channels.
        """
        plain, dilated, norm = STEMS[number]
        ones, others = self._convolution(plain), self._convolution(dilated)
        none = [np.zeros_like(each) for each in ones]
        parts = []
        for pair, dilation in (((ones, none), 1), ((none, others), 2)):
            filters, biases = (np.concatenate(each, axis=-1) for each in zip(*pair, strict=True))
            parts.append(self._convolve(given, *_centred(filters, biases), dilation=dilation))
        x = self._normal(self.graph.combine(ADD, *parts), norm)
        return self.graph.pool(pool, self.graph.apply(GELU, x), side=2, stride=2)

    def _context(self, x: int) -> int:
        """Add the first encoder and decoder."""
        skipped = []
        for level in range(LEVELS):
            x = self._separable(x, level)
            skipped.append(x)
            x = self._down(x)
        for level in range(LEVELS):
            x = self._up(self._separable(x, LEVELS + level), skipped.pop())
        return x

    def _gated(self, x: int) -> int:
        """Add the gate: what the context says of a pixel decides how much of it goes on."""
        seen = [
            self.graph.apply(GELU, self._convolve(x, *self._convolution(number), dilation=dilation))
            for number, dilation in zip(GATES, GATE_DILATIONS, strict=True)
        ]
        gate = self._convolve(self.graph.join(*seen), *self._convolution(GATE))
        return self.graph.combine(MULTIPLY, x, self.graph.apply(LOGISTIC, gate))

    def _separable(self, x: int, number: int) -> int:
        each, filters, biases = self._layer("separable_conv2d", number, 3)
        x = self._convolve(self._convolve_each(x, each[..., 0]), *_centred(filters, biases))
        return self.graph.apply(GELU, self._normal(x, 1 + number))

    def _bottleneck(
        self, x: int, block: _Bottleneck, after: tuple[Array, Array] | None = None
    ) -> int:
        """Add a block, and the 1 by 1 convolution `after` it as part of its own last one."""
        narrow, narrow_biases = self._convolution(block.narrow)
        adjust, biases = self._convolution(block.adjust)
        if after is not None:
            adjust, biases = adjust @ after[0], biases @ after[0][0, 0] + after[1]
        if adjust.shape[3] >= adjust.shape[2]:
            deep = self._widened(x, block, narrow, narrow_biases)
            return self._convolve(self.graph.combine(ADD, deep, x), adjust, biases)
        biases = biases + narrow_biases @ adjust[0, 0]
        deep = self._widened(x, block, narrow @ adjust, biases)
        passed = self._convolve(x, adjust, np.zeros_like(biases))
        return self.graph.combine(ADD, deep, passed)

    def _widened(self, x: int, block: _Bottleneck, narrow: Array, narrow_biases: Array) -> int:
        """Add what a block does beside its input, to be narrowed so in the end.

        The normalisation's scales go into the convolution behind it. Large pictures pass in strips,
        for what is widest then stays in the processor's cache.
        """
        graph = self.graph
        (each,) = self._layer("depthwise_conv2d", block.each, 1)
        y = self._convolve_wide(x, each[..., 0])
        y = self._to_length_one(graph.combine(SUBTRACT, y, graph.mean_of_channels(y)))
        scales, shifts = self._layer("layer_normalization", block.norm, 2)
        filters, biases = self._convolution(block.widen)
        biases = biases + shifts @ filters[0, 0]
        widen = self._filters(filters * scales[:, None], biases)
        then = self._filters(narrow, narrow_biases)
        if graph.shape(y)[ROWS] < FEWEST_ROWS_SPLIT:
            return self._pass(self._activated(y, widen), then)
        strips = graph.split(y, STRIPS, axis=ROWS)
        done = [self._pass(self._activated(strip, widen), then) for strip in strips]
        return graph.join(*done, axis=ROWS)

    def _activated(self, x: int, filters: tuple[int, int]) -> int:
        return self.graph.apply(GELU, self._pass(x, filters))

    def _convolve_wide(self, x: int, filters: Array) -> int:
        """Convolve each channel as three sums: the middle, two outer rows, two outer columns."""
        if filters.shape[:2] != (WIDE, WIDE):
            raise HDF5Error("a window has another size")
        inner, outer = slice(1, WIDE - 1), [0, WIDE - 1]
        middle = self._convolve_each(x, filters[inner, inner])
        rows = self._convolve_each(x, filters[outer], (WIDE - 1, 1))
        columns = self._convolve_each(x, filters[inner][:, outer], (1, WIDE - 1))
        return self.graph.combine(ADD, self.graph.combine(ADD, middle, rows), columns)

    def _to_length_one(self, centred: int) -> int:
        """Divide by the root of each pixel's mean square."""
        graph = self.graph
        variance = graph.mean_of_channels(graph.combine(MULTIPLY, centred, centred))
        variance = graph.combine(ADD, variance, self._constant(np.full((1, 1, 1, 1), EPSILON)))
        return graph.combine(MULTIPLY, centred, graph.apply(INVERSE_ROOT, variance))

    def _normal(self, centred: int, number: int) -> int:
        """Add the rest of a normalisation whose mean is already taken away."""
        scales, shifts = self._layer("layer_normalization", number, 2)
        return self.graph.convolve_each(
            self._to_length_one(centred),
            weights=self._constant(scales[None, None, None]),
            biases=self._constant(shifts),
        )

    def _down(self, x: int) -> int:
        """Halve the sides: the first channels by their greatest values, the others by the mean."""
        first, last = self.graph.split(x, 2)
        pooled = (MAX_POOL, first), (AVERAGE_POOL, last)
        return self.graph.join(*(self.graph.pool(kind, y, side=2, stride=2) for kind, y in pooled))

    def _up(self, x: int, skipped: int) -> int:
        """Double the sides by repeating pixels, which needs no size in the file."""
        return self.graph.join(self.graph.spread(self.graph.join(x, x, x, x), side=2), skipped)

    def _head(self, x: int, head: _Head) -> int:
        """Add an output; all but its last convolution is done before the sides are doubled."""
        first = _centred(*self._convolution(head.first))
        x = self._normal(self._bottleneck(x, head.block, after=first), head.norm)
        x = self.graph.apply(GELU, self._convolve(x, *self._convolution(head.second)))
        filters, biases = self._convolution(head.last)
        x = self._convolve(x, _before_doubling(filters), np.tile(biases, 4))
        return self.graph.spread(x, side=2)


def _centred(filters: Array, biases: Array) -> tuple[Array, Array]:
    """Return a convolution whose channels have their mean taken away."""
    return filters - filters.mean(axis=3, keepdims=True), biases - biases.mean()


def _before_doubling(filters: Array) -> Array:
    """Return what does before each pixel becomes 2 by 2 what filters of side 5 do after it.

    The new filters have side 3 and make the four pixels, by row and column, as channels.
    """
    rows, columns, channels, outputs = filters.shape
    if (rows, columns) != (5, 5):
        raise HDF5Error("a last window has another size")
    told = np.zeros((3, 3, channels, 2, 2, outputs))
    for row, column, down, right in np.ndindex(2, 2, rows, columns):
        place = (row + down) // 2, (column + right) // 2
        told[*place, :, row, column] += filters[down, right]
    return told.reshape(3, 3, channels, 4 * outputs)
