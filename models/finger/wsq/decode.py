"""A WSQ picture, decoded: the order of the steps and what bounds them.

Knows limits. What each step does is in the modules beside this one. Whatever the bytes are, they
end as a picture or as `WSQError`.

Spec: [IAFIS-IC-0110].
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from models.finger.wsq import huffman, subbands
from models.finger.wsq.errors import WSQError
from models.finger.wsq.segments import split

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_BYTES: Final = 512 * 1024
MIN_SIDE_PX: Final = 81
"""The smallest in which no subband is shorter than the usual filters reach."""
MAX_SIDE_PX: Final = 1000


@dataclass(frozen=True, slots=True, eq=False)
class WSQPicture:
    """A decoded picture.

    Attributes:
        grey: (H, W) uint8, 0 black to 255 white, origin top left, read-only.
        dpi: as its own comment says, unchecked; None if it doesn't.
    """

    grey: NDArray[np.uint8] = field(repr=False)
    dpi: int | None


def decode(raw: bytes) -> WSQPicture:
    """Decode a WSQ picture.

    Args:
        raw: the file, from its first marker; at most `MAX_BYTES`.

    Raises:
        WSQError: they are other bytes, or the picture is out of bounds.
    """
    if len(raw) > MAX_BYTES:
        raise WSQError("size")
    parts = split(raw)
    frame, filters, bins = parts.frame, parts.filters, parts.bins
    if frame is None or filters is None or bins is None:
        raise WSQError("damaged")
    if not all(MIN_SIDE_PX <= side <= MAX_SIDE_PX for side in (frame.width, frame.height)):
        raise WSQError("size")
    root = subbands.tree(frame.height, frame.width)
    count = sum(subbands.size(band) for _, band in subbands.sent(root, bins))
    plane = subbands.fill(root, bins, huffman.numbers(parts.blocks, count=count))
    subbands.join(root, filters, plane)
    plane *= frame.scale
    plane += frame.shift
    plane += np.float32(0.5)
    grey = np.clip(plane, 0, 255).astype(np.uint8)
    grey.setflags(write=False)
    return WSQPicture(grey, parts.dpi)
