"""Make a TFLite file of dlib's face recognition net, a residual net of 29 convolutions.

Knows how its layers are joined and how each becomes a TFLite operator. Affine layers and the mean
and scale of the input are folded into the convolutions, so that the net takes RGB 0..255 as it is.

Layers: dlib 20.0.1, dlib/dnn/layers.h, and its example dnn_face_recognition_ex.cpp.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from provisioning.weights_dat import DatError, read
from provisioning.weights_tflite import AVERAGE_POOL, MAX_POOL, Graph, Padding

if TYPE_CHECKING:
    from provisioning.weights_dat import Convolution, Numbers
    from provisioning.weights_tflite import Weights

CONVOLUTIONS: Final = 29
"""One, and fourteen pairs."""
INPUT_SCALE: Final = 256.0
DESCRIPTION: Final = "dlib face recognition ResNet v1"


def convert(raw: bytes, *, weights: Weights) -> bytes:
    """Return the net as a TFLite file.

    Args:
        raw: dlib's file, `dlib_face_recognition_resnet_model_v1.dat`.
        weights: how the convolutions' weights are kept; what is computed with stays float32.

    Returns:
        A net from (1, 150, 150, 3) float32, RGB 0..255, to (1, 128) float32.

    Raises:
        DatError: it is another file.
    """
    numbers = read(raw, convolutions=CONVOLUTIONS)
    first, *rest = numbers.convolutions
    net = _Net(weights)
    given = net.graph.variable((1, numbers.side, numbers.side, 3))
    x = net.convolve(given, _with_input(first, numbers), relu=True)
    x = net.graph.pool(MAX_POOL, x, side=3, stride=2)
    for inner, outer in zip(rest[::2], rest[1::2], strict=True):
        x = net.block(x, inner, outer)
    x = net.graph.mean_of_pixels(x)
    x = net.graph.multiply(x, weights=net.graph.constant(np.ascontiguousarray(numbers.full.T)))
    return net.graph.write(inputs=[given], outputs=[x], description=DESCRIPTION)


def _with_input(first: Convolution, numbers: Numbers) -> Convolution:
    """Return the first convolution for an input without mean and scale taken from it.

    It pads nothing, so that the same values are subtracted everywhere.
    """
    if first.padding:
        raise DatError("the first convolution pads")
    filters = first.filters.astype(float) / INPUT_SCALE
    taken = filters.sum(axis=(2, 3)) @ np.array(numbers.mean)
    return first._replace(filters=filters, biases=first.biases - taken)


class _Net:
    def __init__(self, weights: Weights) -> None:
        self.graph = Graph()
        self._weights = weights

    def convolve(self, x: int, layer: Convolution, *, relu: bool) -> int:
        """Add a convolution and the affine layer behind it as one operator."""
        same = layer.stride == 1 and 2 * layer.padding == layer.filters.shape[2] - 1
        if not same and layer.padding:
            raise DatError("a convolution pads in an unknown way")
        gamma = layer.gamma.astype(float)
        filters = layer.filters * gamma[:, None, None, None]
        biases = layer.biases * gamma + layer.beta
        return self.graph.convolve(
            x,
            weights=self.graph.kept(filters.transpose(0, 2, 3, 1), self._weights),
            biases=self.graph.constant(biases.astype(np.float32)),
            stride=layer.stride,
            padding=Padding.SAME if same else Padding.VALID,
            relu=relu,
        )

    def block(self, x: int, inner: Convolution, outer: Convolution) -> int:
        """Add a residual block; a stride in it halves the shortcut too.

        Where the two sides differ in size, zeros are appended to the smaller one.
        """
        deep = self.convolve(self.convolve(x, inner, relu=True), outer, relu=False)
        if inner.stride != 1:
            x = self.graph.pool(AVERAGE_POOL, x, side=2, stride=inner.stride)
        shapes = self.graph.shape(deep), self.graph.shape(x)
        both = tuple(max(sides) for sides in zip(*shapes, strict=True))
        return self.graph.add(self.graph.pad(deep, both), self.graph.pad(x, both), relu=True)
