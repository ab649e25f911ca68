"""dlib's face net a second time: its file written with other numbers, and computed in float64.

Written from dlib's headers alone (serialize.h, dnn/layers.h, dnn/core.h); shares nothing with the
conversion that it judges. Layers without numbers leave a few bytes in the file that nobody reads:
here they are noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

WIDTHS = (32, 32, 32, -64, 64, 64, 64, -128, 128, 128, -256, 256, 256, -256)
"""Channels of each residual block; with a minus, it halves the picture."""
MEAN = (122.782, 117.001, 104.298)


@dataclass
class Layer:
    filters: np.ndarray
    biases: np.ndarray
    stride: int
    gamma: np.ndarray
    beta: np.ndarray


@dataclass
class Net:
    layers: list
    full: np.ndarray


def made_up(seed):
    """Return a net of dlib's shape with numbers that keep its activations near 1."""
    rng = np.random.default_rng(seed)
    layers, channels = [], 32

    def layer(into, outof, side, stride):
        spread = math.sqrt(1 / (outof * side * side))
        return Layer(
            filters=rng.normal(0, spread, (into, outof, side, side)).astype(np.float32),
            biases=rng.normal(0, 0.1, into).astype(np.float32),
            stride=stride,
            gamma=rng.uniform(0.7, 1.3, into).astype(np.float32),
            beta=rng.normal(0, 0.1, into).astype(np.float32),
        )

    layers.append(layer(32, 3, 7, 2))
    for width in WIDTHS:
        layers.append(layer(abs(width), channels, 3, 2 if width < 0 else 1))
        channels = abs(width)
        layers.append(layer(channels, channels, 3, 1))
    return Net(layers, rng.normal(0, 0.1, (256, 128)).astype(np.float32))


def forward(net, rgb):
    """Return (128,) float64 of a (150, 150, 3) picture."""
    x = (rgb.astype(float).transpose(2, 0, 1) - np.array(MEAN)[:, None, None]) / 256
    first, *rest = net.layers
    x = _pool(np.maximum(_convolved(x, first), 0), 3, 2, np.max)
    for inner, outer in zip(rest[::2], rest[1::2], strict=True):
        deep = _convolved(np.maximum(_convolved(x, inner), 0), outer)
        if inner.stride == 2:
            x = _pool(x, 2, 2, np.mean)
        total = np.zeros([max(pair) for pair in zip(deep.shape, x.shape, strict=True)])
        for each in (deep, x):
            total[: each.shape[0], : each.shape[1], : each.shape[2]] += each
        x = np.maximum(total, 0)
    return x.mean(axis=(1, 2)) @ net.full.astype(float)


def _convolved(x, layer):
    side = layer.filters.shape[2]
    if layer.stride == 1:
        x = np.pad(x, ((0, 0), (side // 2, side // 2), (side // 2, side // 2)))
    windows = np.lib.stride_tricks.sliding_window_view(x, (side, side), axis=(1, 2))
    windows = windows[:, :: layer.stride, :: layer.stride]
    y = np.tensordot(layer.filters.astype(float), windows, axes=([1, 2, 3], [0, 3, 4]))
    y += layer.biases[:, None, None]
    return y * layer.gamma[:, None, None] + layer.beta[:, None, None]


def _pool(x, side, stride, how):
    windows = np.lib.stride_tricks.sliding_window_view(x, (side, side), axis=(1, 2))
    return how(windows[:, ::stride, ::stride], axis=(3, 4))


def written(net):
    """Return the net as dlib writes it."""
    noise = bytes([1, 2, 1, 0, 1, 0])
    parts = [_text("loss_metric_2"), noise, _text("input_rgb_image_sized")]
    parts += [_real(each) for each in MEAN]
    parts += [_integer(150), _integer(150)]
    for layer in net.layers:
        into, outof, side, _ = layer.filters.shape
        padding = 0 if layer.stride == 2 else side // 2
        numbers = np.concatenate([layer.filters.ravel(), layer.biases])
        told = [into, side, side, layer.stride, layer.stride, padding, padding]
        parts += [_text("con_4"), _tensor(numbers, (numbers.size, 1, 1, 1))]
        parts += [_integer(each) for each in told]
        parts += [_alias((into, outof, side, side)), _alias((1, into, 1, 1)), noise]
        both = np.concatenate([layer.gamma, layer.beta])
        parts += [_text("affine_"), _tensor(both, (both.size, 1, 1, 1)), noise, _text("relu_")]
    parts += [_text("fc_2"), _integer(128), _integer(256), _tensor(net.full, (256, 128, 1, 1))]
    return b"".join([*parts, noise])


def _integer(value):
    size = max(1, (abs(value).bit_length() + 7) // 8)
    return bytes([size | (0x80 if value < 0 else 0)]) + abs(value).to_bytes(size, "little")


def _real(value):
    mantissa, exponent = math.frexp(value)
    return _integer(int(mantissa * 2**24)) + _integer(exponent - 24)


def _text(value):
    return _integer(len(value)) + value.encode()


def _tensor(values, shape):
    sizes = b"".join(_integer(each) for each in shape)
    return _integer(2) + sizes + np.asarray(values, "<f4").tobytes()


def _alias(shape):
    return _integer(1) + b"".join(_integer(each) for each in shape)
