"""The one face from frame to frame: looked for now and then, followed in between.

Knows when the picture is searched for faces, and that points are fitted next to where they were: in
one pass of the mesh instead of two, to within what one more pass would move them. Whoever steps
beside the face is seen at the next search. Does not know whose face it is: that another took the
same place is for whoever recognises to see (`pipeline`).
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from models.face.detect import KeyPoint

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from numpy.typing import NDArray

    from models.face.detect import Detector, Face
    from models.face.mesh import Mesh, Mesher

SEARCH_EVERY_S: Final = 0.075
"""A face beside the followed one is seen after so long, and one more frame. A camera of ten frames
a second has every frame searched."""
MIN_SHARE_OF_LARGEST: Final = 0.4
"""A face whose box is narrower than this share of the largest one's stands far behind it, in the
queue, and is nobody who might be meant."""
MAX_MOVE: Final = 0.15
"""Of the eye distance: so far the eyes may have gone since the last frame for one pass to do.
Within it, on rendered heads that turn, an embedding differs from that after two passes as little as
that after a third does: cosine .9974 and .9978 in the mean."""
MAX_APART: Final = 0.5
"""Of the eye distance: between the eyes that were searched for and those that were fitted, or they
are not of one face."""


class Tracked(NamedTuple):
    """What a frame shows.

    Attributes:
        faces: how many people might be meant.
        mesh: the points of the only one.
    """

    faces: int
    mesh: Mesh | None


class Track:
    """The face before one camera, frame by frame. For one thread."""

    def __init__(
        self,
        detector: Detector,
        mesher: Mesher,
        *,
        timed: Callable[[str], AbstractContextManager[None]] | None = None,
    ) -> None:
        """Begin before the first frame.

        Args:
            detector: finds faces.
            mesher: fits points to them.
            timed: told "detect" or "mesh", measures what happens within.
        """
        self._detector, self._mesher = detector, mesher
        self._timed = timed or _untimed
        self._last: Mesh | None = None
        self._searched_s = float("-inf")

    def see(self, rgb: NDArray[np.uint8], *, at_s: float) -> Tracked:
        """Return what the next frame shows.

        Args:
            rgb: (H, W, 3) uint8, RGB.
            at_s: when it was taken.

        Raises:
            ModelError: a net failed.
            PictureError: it is no such array.
        """
        last, self._last = self._last, None
        followed = None if last is None else self._follow(rgb, last)
        if followed is None or not 0 <= at_s - self._searched_s < SEARCH_EVERY_S:
            self._searched_s = at_s
            found = self._search(rgb, followed)
        else:
            found = Tracked(1, followed)
        self._last = found.mesh
        return found

    def _follow(self, rgb: NDArray[np.uint8], last: Mesh) -> Mesh | None:
        """Return the points near where they were; None: there is no face any more."""
        with self._timed("mesh"):
            found = self._mesher.follow(rgb, last)
            if found.is_face and _apart(found.eyes, last.eyes) > MAX_MOVE:
                found = self._mesher.follow(rgb, found)
        return found if found.is_face else None

    def _search(self, rgb: NDArray[np.uint8], followed: Mesh | None) -> Tracked:
        """Look for faces in all of the frame."""
        with self._timed("detect"):
            faces = in_front(self._detector.detect(rgb))
        if len(faces) != 1:
            return Tracked(len(faces), None)
        if followed is not None and _apart(followed.eyes, _eyes(faces[0])) <= MAX_APART:
            return Tracked(1, followed)
        with self._timed("mesh"):
            mesh = self._mesher.mesh(rgb, faces[0])
        return Tracked(1, mesh) if mesh.is_face else Tracked(0, None)


def _untimed(_phase: str) -> AbstractContextManager[None]:
    return nullcontext()


def in_front(faces: tuple[Face, ...]) -> tuple[Face, ...]:
    """Return the faces that are not far behind the largest."""
    widths = [float(each.box[2] - each.box[0]) for each in faces]
    least = MIN_SHARE_OF_LARGEST * max(widths, default=0.0)
    return tuple(face for face, width in zip(faces, widths, strict=True) if width >= least)


def _eyes(face: Face) -> NDArray[np.float32]:
    return face.points[[KeyPoint.RIGHT_EYE, KeyPoint.LEFT_EYE]]


def _apart(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Return how far one pair of eyes is from another, in distances of the first.

    Args:
        one: (2, 2), the middles of the right and the left eye.
        other: likewise.
    """
    across = float(np.hypot(*(one[1] - one[0])))
    gaps = np.hypot(*(one - other).T)
    return float(gaps.max()) / max(across, 1e-6)
