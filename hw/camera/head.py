"""One portrait as a head in space, seen from any side near the front; or as a flat print.

Knows geometry and pictures. Does not know who asks for which pose, nor when.

The face's points, and a ring around them for hair and ears, turn about an axis in the neck; a
second ring and the picture's corners stay, so that the background stretches and does not tear. The
camera stands before the middle of the picture. The front pose shows the picture itself: every point
of the head carries the place where the portrait's own camera saw it (a projective texture). Eyes
are closed by drawing skin over them in the picture.

Axes: x to the right of the picture, which is the person's left; y down; z away from the camera.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hw.camera.delaunay import CORNERS, MARGIN, triangulate
from hw.camera.portrait import OUTER_EYE_CORNERS
from hw.errors import DeviceFailed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hw.camera.portrait import Portrait

FACE_OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip
EYES = (
    (33, (246, 161, 160, 159, 158, 157, 173), (7, 163, 144, 145, 153, 154, 155), 133),
    (263, (466, 388, 387, 386, 385, 384, 398), (249, 390, 373, 374, 380, 381, 382), 362),
)
"""Of the person's right eye, then of the left: outer corner, upper lid, lower lid, inner corner."""
LID_RIM, LASHES, LASH_SHADE = 0.12, 0.025, 0.45
"""Skin above and below the lids, and the lashes, in widths of the eye; how dark the lashes are."""
SHUT_STEPS = 4
"""So many pictures of lowered lids are made; a pose takes the nearest."""
EARS = (234, 454)
"""The outermost points of the face before the ears: their depth is the head's axis."""
HAIR, SURROUNDINGS = 1.3, 1.55
"""How far the two rings lie outside the oval, as a scale about its middle."""
HAIR_DEPTH, SURROUNDINGS_DEPTH = 0.35, 1.5
"""How far behind the oval the rings lie, in widths of the face."""
CAMERA_DISTANCE = 6.0
"""In spans between the outer corners of the eyes: about 55 cm."""
PAPER_SIZE = 0.9
"""How much of the frame a print fills."""
STRIPS = 24
BACKDROP_RGB = (118, 121, 124)
MAX_CANDIDATES = 8_000_000
"""Pairs of a pixel and a triangle; a face has about two for each pixel."""


@dataclass(frozen=True, slots=True)
class Pose:
    """How a head is held.

    Attributes:
        yaw_deg: positive when the person turns to the own left, which moves the nose to the right
            of the picture.
        pitch_deg: positive when the chin goes down.
        shut: how far the eyes are closed, 0..1.
    """

    yaw_deg: float = 0.0
    pitch_deg: float = 0.0
    shut: float = 0.0


class Head:
    """What is rendered: points in space, what turns of them, and the picture on them."""

    def __init__(
        self,
        portrait: Portrait,
        *,
        width: int,
        height: int,
        flat: bool = False,
        bend: float = 0.0,
        holes: bool = False,
    ) -> None:
        """Build a head, or a print of the same picture, before a camera.

        Args:
            portrait: fitted into the frame as a whole; a print fills `PAPER_SIZE` of it.
            width: of the frame, in pixels.
            height: likewise.
            flat: a print: depth zero everywhere.
            bend: how far a print's left and right edges lie behind its middle, in half widths; it
                is printed so that it looks flat from the front.
            holes: whether a print's eyes are cut out, so that whoever holds it can close theirs.

        Raises:
            DeviceFailed: the portrait's points are no face.
        """
        self._rgb, self._frame = portrait.rgb, (width, height)
        sides = np.array(portrait.rgb.shape[1::-1], dtype=np.float64)
        self._middle = sides / 2
        self._scale = float((self._frame / sides).min()) * (PAPER_SIZE if flat else 1.0)
        self._portrait, self._eyes_close = portrait, holes or not flat
        self._lids: dict[int, NDArray[np.uint8]] = {0: portrait.rgb}
        self._body = body = _print_of(sides, bend) if flat else _head_of(portrait, sides)
        right, left = portrait.mesh[list(OUTER_EYE_CORNERS), :2]
        self._distance = CAMERA_DISTANCE * float(np.hypot(*(left - right)))
        self._at_rest = self._distance + body.depths
        if float(self._at_rest.min()) < self._distance / 3:
            raise DeviceFailed("camera", "the portrait's points are no face")
        seen = (body.places - self._middle) * (self._at_rest / self._distance)[:, None]
        self._points = np.column_stack([seen + self._middle, body.depths])
        self._behind = backdrop(width, height) if flat else self._picture_at_rest()

    def render(self, pose: Pose) -> NDArray[np.uint8]:
        """Return a picture of the head in a pose: (height, width, 3) uint8, RGB, read-only.

        Raises:
            DeviceFailed: the portrait is no face after all: too many triangles overlap.
        """
        width, height = self._frame
        points = np.where(self._body.turning[:, None], self._turned(pose), self._points)
        depth = np.maximum(points[:, 2] + self._distance, self._distance / 10)
        seen = (points[:, :2] - self._middle) * (self._distance / depth)[:, None] * self._scale
        seen += (width / 2, height / 2)
        # What a point carries is divided by its depth, for only that is linear on the screen.
        texture = np.column_stack([self._body.places, np.ones(len(depth))])
        texture *= self._at_rest[:, None]
        carried = np.column_stack([texture, np.ones(len(depth))]) / depth[:, None]
        pixels, values = _rasterise(seen, carried, self._body.triangles, frame=self._frame)
        out = self._behind.copy()
        u, v = values[:, 0] / values[:, 2], values[:, 1] / values[:, 2]
        out.reshape(-1, 3)[pixels] = _sample(self._picture(pose), u, v)
        out.setflags(write=False)
        return out

    def _picture(self, pose: Pose) -> NDArray[np.uint8]:
        """Return what the points carry."""
        shut = min(max(pose.shut, 0.0), 1.0) if self._eyes_close else 0.0
        step = round(shut * SHUT_STEPS)
        if step not in self._lids:
            self._lids[step] = _with_lids(self._portrait, step / SHUT_STEPS)
        return self._lids[step]

    def _turned(self, pose: Pose) -> NDArray[np.float64]:
        yaw, pitch = np.radians(pose.yaw_deg), np.radians(pose.pitch_deg)
        about_y = np.array(
            [[np.cos(yaw), 0, -np.sin(yaw)], [0, 1, 0], [np.sin(yaw), 0, np.cos(yaw)]]
        )
        about_x = np.array(
            [[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]]
        )
        axis = self._body.axis
        turned: NDArray[np.float64] = (self._points - axis) @ (about_y @ about_x).T + axis
        return turned

    def _picture_at_rest(self) -> NDArray[np.uint8]:
        """Return the whole picture, fitted into the frame; its edges go on beyond it."""
        width, height = self._frame
        y, x = np.mgrid[:height, :width].reshape(2, -1) + 0.5
        u = (x - width / 2) / self._scale + self._middle[0]
        v = (y - height / 2) / self._scale + self._middle[1]
        return _sample(self._rgb, u, v).reshape(height, width, 3)


def backdrop(width: int, height: int) -> NDArray[np.uint8]:
    """Return a frame with nobody in it: (height, width, 3) uint8, RGB."""
    return np.full((height, width, 3), BACKDROP_RGB, dtype=np.uint8)


@dataclass(frozen=True, slots=True)
class _Body:
    """What stands before the camera.

    Attributes:
        places: (N, 2), where the points are in the picture.
        depths: (N,), how far behind the plane of the picture.
        turning: (N,), which points turn with the head.
        axis: (3,), the point that stays when all turn.
        triangles: (T, 3) indices of points; only those that may ever move.
    """

    places: NDArray[np.float64]
    depths: NDArray[np.float64]
    turning: NDArray[np.bool_]
    axis: NDArray[np.float64]
    triangles: NDArray[np.intp]


def _corners(sides: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * sides


def _print_of(sides: NDArray[np.float64], bend: float) -> _Body:
    """Return a sheet of paper. At depth zero two triangles show what a thousand would."""
    if bend:
        return _bent_print_of(sides, bend)
    return _Body(
        _corners(sides),
        np.zeros(CORNERS),
        np.ones(CORNERS, dtype=np.bool_),
        np.array([*(sides / 2), 0.0]),
        np.array([[0, 1, 2], [0, 2, 3]]),
    )


def _bent_print_of(sides: NDArray[np.float64], bend: float) -> _Body:
    """Return a sheet bent about an upright axis, as round a pipe, in upright strips."""
    along = np.linspace(0, 1, STRIPS + 1)
    places = np.array([[x, y] for x in along for y in (0, 1)]) * sides
    depths = bend * sides[0] / 2 * (2 * places[:, 0] / sides[0] - 1) ** 2
    first = 2 * np.arange(STRIPS)[:, None]
    triangles = np.concatenate([first + np.array([0, 2, 3]), first + np.array([0, 3, 1])])
    return _Body(
        places,
        depths,
        np.ones(len(places), dtype=np.bool_),
        np.array([*(sides / 2), 0.0]),
        triangles,
    )


def _head_of(portrait: Portrait, sides: NDArray[np.float64]) -> _Body:
    """Return a head: corners, face, hair and ears, surroundings, in this order.

    Raises:
        DeviceFailed: the points cannot be triangulated.
    """
    mesh = portrait.mesh
    face_width = float(np.ptp(mesh[:, 0]))
    far = float(mesh[:, 2].max()) + SURROUNDINGS_DEPTH * face_width
    hair_depths = mesh[list(FACE_OVAL), 2] + HAIR_DEPTH * face_width
    places = [_corners(sides), mesh[:, :2], _ring(mesh, HAIR, sides)]
    depths = [np.full(CORNERS, far), mesh[:, 2], hair_depths]
    places.append(_ring(mesh, SURROUNDINGS, sides))
    depths.append(np.full(len(FACE_OVAL), far))
    turning = np.repeat([False, True, True, False], [len(each) for each in depths])
    try:
        triangles = triangulate(np.concatenate(places[1:]), *sides)
    except ValueError as error:
        raise DeviceFailed("camera", "the portrait's points are no face") from error
    return _Body(
        np.concatenate(places),
        np.concatenate(depths),
        turning,
        _neck(mesh),
        triangles[turning[triangles].any(axis=1)],
    )


def _ring(
    mesh: NDArray[np.float64], scale: float, sides: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the face's oval, larger by a scale, within the picture: (36, 2)."""
    oval = mesh[list(FACE_OVAL), :2]
    middle = oval.mean(axis=0)
    # Where a narrow picture brings the rings together, the outer one stays the outer one.
    edge = MARGIN + (SURROUNDINGS + 1 - scale) / 2
    ring: NDArray[np.float64] = np.clip(middle + (oval - middle) * scale, edge, sides - edge)
    return ring


def _neck(mesh: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return where the axes of turning and of nodding meet: (3,)."""
    oval = mesh[list(FACE_OVAL)]
    x, depth = float(oval[:, 0].mean()), float(mesh[list(EARS), 2].mean())
    return np.array([x, float(oval[:, 1].max()), depth])


def _with_lids(portrait: Portrait, shut: float) -> NDArray[np.uint8]:
    """Return the picture with its upper lids lowered: skin is drawn over the eyes, down to lashes.

    Column by column, from what is seen just above the eye to what is seen just below.
    """
    rgb = portrait.rgb.copy()
    for outer, upper, lower, inner in EYES:
        above = portrait.mesh[[outer, *upper, inner], :2]
        below = portrait.mesh[[outer, *lower, inner], :2]
        (left, right), width = np.sort(above[[0, -1], 0]), float(np.ptp(above[:, 0]))
        columns = np.arange(int(np.ceil(left)), int(right))
        top, bottom = (
            np.interp(columns, *line[np.argsort(line[:, 0])].T) for line in (above, below)
        )
        edge = top + shut * (bottom - top)
        # Towards the corners the lids meet anyway.
        skin_top, skin_bottom = top - LID_RIM * width, bottom + LID_RIM * width
        rows = np.arange(int(skin_top.min()), int(np.ceil(skin_bottom.max())))[:, None]
        share = np.clip((rows - skin_top) / (skin_bottom - skin_top), 0, 1)[..., None]
        across = columns.astype(np.float64) + 0.5
        first, last = (
            _sample(portrait.rgb, across, line).astype(np.float64)
            for line in (skin_top, skin_bottom)
        )
        skin = first * (1 - share) + last * share
        lashes = np.abs(rows - edge) <= max(LASHES * width, 0.75)
        skin[lashes] *= LASH_SHADE
        covered = (rows >= skin_top) & (rows <= edge + LASHES * width)
        piece = rgb[rows[:, 0][:, None], columns]
        piece[covered] = skin[covered].astype(np.uint8)
        rgb[rows[:, 0][:, None], columns] = piece
    return rgb


def _rasterise(
    seen: NDArray[np.float64],
    carried: NDArray[np.float64],
    triangles: NDArray[np.intp],
    *,
    frame: tuple[int, int],
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Find what is seen at each pixel that a triangle covers.

    Args:
        seen: (N, 2), the points on the screen, in pixels; the first pixel's middle is (.5, .5).
        carried: (N, K), what is linear on the screen; the last column grows with nearness.
        triangles: (T, 3) indices of points.
        frame: the screen's width and height.

    Returns:
        (P,) places of pixels in the flat screen, and (P, K) the nearest values there.
    """
    width, height = frame
    corners = seen[triangles]
    sides = corners[:, 1:] - corners[:, :1]
    some_area = np.abs(np.linalg.det(sides)) > 1e-9
    corners, triangles = corners[some_area], triangles[some_area]
    low = np.clip(np.ceil(corners.min(axis=1) - 0.5), 0, (width, height)).astype(np.intp)
    high = np.clip(np.floor(corners.max(axis=1) + 0.5), 0, (width, height)).astype(np.intp)
    spans = np.maximum(high - low, 0)
    counts = spans.prod(axis=1)
    total = int(counts.sum())
    if total > MAX_CANDIDATES:
        raise DeviceFailed("camera", "the portrait's points are no face")
    owner = np.repeat(np.arange(len(triangles)), counts)
    within = np.arange(total) - np.repeat(np.cumsum(counts) - counts, counts)
    down, along = np.divmod(within, spans[owner, 0])
    x, y = low[owner, 0] + along, low[owner, 1] + down
    # Barycentric: the columns of the inverse of the corners give each corner's share.
    homogeneous = np.concatenate([corners, np.ones((len(corners), 3, 1))], axis=2)
    shares = np.linalg.inv(homogeneous)
    middle = np.column_stack([x + 0.5, y + 0.5])
    share = np.einsum("pi,pij->pj", middle, shares[owner, :2]) + shares[owner, 2]
    inside = np.flatnonzero((share > -1e-6).all(axis=1))
    owner, share, pixel = owner[inside], share[inside], (y * width + x)[inside]
    values = np.einsum("pj,pjk->pk", share, carried[triangles][owner])
    nearest = np.zeros(width * height)  # the z-buffer
    np.maximum.at(nearest, pixel, values[:, -1])
    front = values[:, -1] == nearest[pixel]
    return pixel[front], values[front]


def _sample(
    rgb: NDArray[np.uint8], u: NDArray[np.float64], v: NDArray[np.float64]
) -> NDArray[np.uint8]:
    """Return the picture's colours at (u, v), between pixels by their four neighbours: (P, 3)."""
    height, width = rgb.shape[:2]
    x, y = np.clip(u - 0.5, 0, width - 1), np.clip(v - 0.5, 0, height - 1)
    left, top = x.astype(np.intp), y.astype(np.intp)
    right, bottom = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    fx, fy = (x - left)[:, None].astype(np.float32), (y - top)[:, None].astype(np.float32)
    flat = rgb.reshape(-1, 3)
    above = flat[top * width + left] * (1 - fx) + flat[top * width + right] * fx
    below = flat[bottom * width + left] * (1 - fx) + flat[bottom * width + right] * fx
    blended: NDArray[np.float32] = above * (1 - fy) + below * fy
    return (blended + 0.5).astype(np.uint8)
