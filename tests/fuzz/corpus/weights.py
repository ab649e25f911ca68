"""A net of one convolution, as dlib writes nets."""

from __future__ import annotations

import numpy as np


def seeds() -> dict[str, list[bytes]]:
    """Return the file whole, and what follows its head."""
    rest = _layer()
    whole = b"\1\1" + b"input_rgb_image_sized" + b"\1\1" * 6 + b"\1\4\1\4" + b"\1\5con_4" + rest
    return {"provisioning.weights_dat.read": [whole], "provisioning.weights_dat.layer": [rest]}


def _layer() -> bytes:
    filters, biases, affine, full = (np.ones(size, "<f4").tobytes() for size in (54, 2, 4, 6))
    told = b"".join(bytes([1, each]) for each in (2, 3, 3, 1, 1, 1, 1))
    shape = b"\1\1" + bytes([1, 2, 1, 3, 1, 3, 1, 3]) + b"\1\1" + bytes([1, 1, 1, 2, 1, 1, 1, 1])
    convolution = b"\1\2" + bytes([1, 56]) + b"\1\1" * 3 + filters + biases + told + shape
    scaled = b"\1\7affine_" + b"\1\2" + bytes([1, 4]) + b"\1\1" * 3 + affine
    last = b"\1\4fc_2" + bytes([1, 3, 1, 2]) + b"\1\2" + bytes([1, 2, 1, 3, 1, 1, 1, 1]) + full
    return convolution + scaled + last
