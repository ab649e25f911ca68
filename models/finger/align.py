"""Lay one finger's minutiae over another's: turn, move, then bend as skin does.

Knows plane geometry and how far minutiae of one finger may lie apart. Does not know which minutiae
belong together at first, nor what follows from it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

PLACE_SPREAD_PX: Final = 6.0
ANGLE_SPREAD: Final = 0.22
FAR: Final = 9.0
"""Minutiae further apart than this, in squared spreads, are not the same."""
FAR_AT_FIRST: Final = 14.4
"""Likewise before one finger was bent onto the other."""
SOFTNESS: Final = 6.0
BENDS: Final = 2
BEND_SCALE_PX: Final = 90.0
STIFFNESS: Final = np.diag([0.02, 0.3, 0.3, 2.0, 2.0, 2.0])
"""Against moving, shearing and stretching, and curving, in squared pixels of 90."""
MIN_TO_BEND: Final = 3
TINY: Final = 1e-12


class Motion(NamedTuple):
    """Turns and moves: a place z comes to turn * z + move.

    Attributes:
        turn: (H, 1), of length 1.
        move: (H, 1), pixels.
    """

    turn: NDArray[np.complex128]
    move: NDArray[np.complex128]


class Laid(NamedTuple):
    """One finger laid over another.

    Attributes:
        place: (N,) pixels: where its minutiae came to lie in the other's frame.
        angle: (N,) radians: how they point there.
        mine: (K,): its minutiae that lie on one of the other's, by place.
        theirs: (K,): those of the other.
        apart: (K,): how far they are apart, in squared spreads, less than `FAR`.
    """

    place: NDArray[np.complex128]
    angle: NDArray[np.float64]
    mine: NDArray[np.intp]
    theirs: NDArray[np.intp]
    apart: NDArray[np.float64]


def motions(
    place_a: NDArray[np.complex128],
    angle_a: NDArray[np.float64],
    place_b: NDArray[np.complex128],
    angle_b: NDArray[np.float64],
    weights: NDArray[np.float64],
) -> Motion:
    """Return the motions that bring pairs together best, one for each row of weights.

    Places and directions both have a say in the turn, so that one pair is enough for one.

    Args:
        place_a: (K,) pixels, to be moved.
        angle_a: (K,) radians.
        place_b: (K,).
        angle_b: (K,).
        weights: (H, K), at least 0.
    """
    shares = weights / (weights.sum(axis=1, keepdims=True) + TINY)
    middle_a = (shares * place_a).sum(axis=1, keepdims=True)
    middle_b = (shares * place_b).sum(axis=1, keepdims=True)
    places = (place_b - middle_b) * (place_a - middle_a).conj() / PLACE_SPREAD_PX**2
    angles = np.exp(1j * (angle_b - angle_a)) / ANGLE_SPREAD**2
    turn = (weights * (places + angles)).sum(axis=1, keepdims=True)
    turn /= np.abs(turn) + TINY
    return Motion(turn, middle_b - turn * middle_a)


def apart(
    place_a: NDArray[np.complex128],
    angle_a: NDArray[np.float64],
    place_b: NDArray[np.complex128],
    angle_b: NDArray[np.float64],
) -> NDArray[np.float32]:
    """Return (..., N, M): how far each minutia is from each, in squared spreads of place and angle.

    Args:
        place_a: (..., N) pixels.
        angle_a: (..., N) radians.
        place_b: (M,).
        angle_b: (M,).
    """
    near, like = PLACE_SPREAD_PX**-2, ANGLE_SPREAD**-2
    left = np.empty((*place_a.shape, 6), dtype=np.float32)
    left[..., 0], left[..., 1] = -2 * near * place_a.real, -2 * near * place_a.imag
    left[..., 2], left[..., 3] = near * np.abs(place_a) ** 2 + 2 * like, 1
    left[..., 4], left[..., 5] = -2 * like * np.cos(angle_a), -2 * like * np.sin(angle_a)
    right = np.stack(
        [place_b.real, place_b.imag, np.ones(len(place_b)), near * np.abs(place_b) ** 2,
         np.cos(angle_b), np.sin(angle_b)]
    ).astype(np.float32)  # fmt: skip
    return np.maximum(left @ right, 0)


def settle(
    place_a: NDArray[np.complex128],
    angle_a: NDArray[np.float64],
    quality_a: NDArray[np.float64],
    place_b: NDArray[np.complex128],
    angle_b: NDArray[np.float64],
    quality_b: NDArray[np.float64],
) -> Laid:
    """Lay minutiae that were moved roughly into place as closely as skin allows.

    Args:
        place_a: (N,) pixels, in the frame of b.
        angle_a: (N,) radians.
        quality_a: (N,), 0..1.
        place_b: (M,).
        angle_b: (M,).
        quality_b: (M,).
    """

    def trust() -> NDArray[np.float64]:
        close: NDArray[np.float64] = np.exp(-far[mine, theirs].astype(np.float64) / SOFTNESS)
        return close * np.sqrt(quality_a[mine] * quality_b[theirs])

    place = place_a
    far = apart(place, angle_a, place_b, angle_b)
    mine, theirs = _mutual(far, FAR_AT_FIRST)
    if len(mine) >= MIN_TO_BEND:
        turn, move = motions(
            place[mine], angle_a[mine], place_b[theirs], angle_b[theirs], trust()[None]
        )
        moved = (turn * place + move)[0]
        angle_a = angle_a + np.angle(turn[0, 0])
        place = moved
        for _ in range(BENDS):
            far = apart(place, angle_a, place_b, angle_b)
            mine, theirs = _mutual(far, FAR_AT_FIRST)
            if len(mine) < MIN_TO_BEND:
                break
            place = _bent(moved, moved[mine], place_b[theirs], trust())
        far = apart(place, angle_a, place_b, angle_b)
    mine, theirs = _mutual(far, FAR)
    return Laid(place, angle_a, mine, theirs, far[mine, theirs].astype(np.float64))


def _mutual(far: NDArray[np.float32], limit: float) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the pairs in which each is the other's nearest, nearer than a limit."""
    nearest = far.argmin(axis=1)
    mine = np.arange(len(far))
    kept = (far.argmin(axis=0)[nearest] == mine) & (far[mine, nearest] < limit)
    return mine[kept], nearest[kept]


def _bent(
    place: NDArray[np.complex128],
    begin: NDArray[np.complex128],
    end: NDArray[np.complex128],
    weights: NDArray[np.float64],
) -> NDArray[np.complex128]:
    """Return places moved by the stiff second-degree field that takes `begin` to `end`."""
    middle = (weights * begin).sum() / (weights.sum() + TINY)
    terms = _terms((begin - middle) / BEND_SCALE_PX)
    away = np.stack([(end - begin).real, (end - begin).imag], axis=1)
    weighed = terms.T * weights
    field = np.linalg.solve(weighed @ terms + STIFFNESS, weighed @ away)
    shift = _terms((place - middle) / BEND_SCALE_PX) @ field
    return np.asarray(place + shift[:, 0] + 1j * shift[:, 1], dtype=np.complex128)


def _terms(place: NDArray[np.complex128]) -> NDArray[np.float64]:
    x, y = place.real, place.imag
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1)
