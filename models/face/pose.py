"""How a head is held and how far its mouth is open, as its mesh has it.

Knows points only. The depth is what the net expects of a face, not measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from models.face.mesh import Mesh

SIDES: Final = ((127, 356), (33, 263), (133, 362), (50, 280), (129, 358), (234, 454))
"""Points that mirror each other: the person's right, then left."""
FOREHEAD, CHIN = 10, 152
NEUTRAL_PITCH_DEG: Final = 2.0
"""What the line from forehead to chin reads on a face that looks ahead."""
LIPS: Final = ((81, 178), (13, 14), (311, 402))
"""Inner edges of the upper and the lower lip: right of the middle, the middle, left of it."""
MOUTH_CORNERS: Final = (78, 308)
"""Inner corners of the mouth: the person's right, then left."""


@dataclass(frozen=True, slots=True)
class Pose:
    """How a head is held, as its mesh has it; degrees.

    Attributes:
        yaw_deg: positive towards the person's own left.
        pitch_deg: positive with the chin down.
        roll_deg: positive clockwise as seen.
    """

    yaw_deg: float
    pitch_deg: float
    roll_deg: float


def pose_of(mesh: Mesh) -> Pose:
    """Return how the head is held, from the depth that the net expects of a face."""
    points = mesh.points.astype(np.float64)
    right, left = zip(*SIDES, strict=True)
    across = (points[list(left)] - points[list(right)]).mean(axis=0)
    roll = np.arctan2(across[1], across[0])
    upright = np.array([[np.cos(roll), np.sin(roll)], [-np.sin(roll), np.cos(roll)]])
    down = points[CHIN] - points[FOREHEAD]
    return Pose(
        yaw_deg=float(np.degrees(np.arctan2(across[2], np.hypot(across[0], across[1])))),
        pitch_deg=float(np.degrees(np.arctan2(down[2], (upright @ down[:2])[1])))
        - NEUTRAL_PITCH_DEG,
        roll_deg=float(np.degrees(roll)),
    )


def mouth_opening(mesh: Mesh) -> float:
    """Return the gap between the lips over the width of the mouth: 0 closed, about 1 a yawn."""
    points = mesh.points.astype(np.float64)
    upper, lower = zip(*LIPS, strict=True)
    gap = float(np.linalg.norm(points[list(lower)] - points[list(upper)], axis=1).mean())
    width = float(np.linalg.norm(points[MOUTH_CORNERS[1]] - points[MOUTH_CORNERS[0]]))
    return gap / width if width > 0 else 0.0
