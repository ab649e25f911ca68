"""One citizen's examination, frame by frame: what was seen goes in, what is said comes out.

Knows the order (look ahead, turn, look ahead again), when two frames show one uninterrupted person,
and every patience. Pure: no camera, no net, no clock. The face that turned must be the face that
was compared, so that frames count only within one unbroken track: a face in each of them, nobody
beside it, no jump, no long gap, and recognisably the same person before, during and after the turn.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from kiosk.vision.port import Cued, Hinted, Judged
from models.face.embed import cosine
from models.face.liveness import Progress, TurnChallenge

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from kiosk.vision.port import BandName, Direction, HintName, LiveName
    from kiosk.vision.sight import Sight
    from models.face.mesh import Mesh

FRONTAL_FRAMES: Final = 3
"""So many good frames before the turn."""
KEPT_FRAMES: Final = 5
"""The newest of them."""
RETURNED_FRAMES: Final = 2
"""So many good frames after it."""
TURN_PATIENCE_S: Final = 8.0
"""Who has not turned by then does not follow."""
MAX_GAP_S: Final = 2.0
"""Between two frames; in more time one person can take another's place unseen."""
MIN_OVERLAP: Final = 0.5
"""Of the boxes round the face in two frames, intersection over union; a turning head keeps .8."""
UNLIKE_IN_A_ROW: Final = 3
"""A moving face may be blurred once or twice; so many frames unlike it are somebody else."""
HINT_EVERY_S: Final = 0.25
HINT_AFTER_FRAMES: Final = 2
"""A hint is worth telling when so many frames in a row gave it."""

Said: TypeAlias = "Cued | Hinted | Judged"
Embedding: TypeAlias = "NDArray[np.float32]"


@dataclass(frozen=True, slots=True)
class Likeness:
    """Least cosines between frames that show the same person; they are the embedder's.

    Attributes:
        ahead: of two faces that look ahead.
        turning: of one that looks ahead and one that turns.
    """

    ahead: float
    turning: float


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """What the station wants to know.

    Attributes:
        direction: where the person is asked to turn, as the person sees it.
        until_s: when the answer is due, on the clock of the sights.
        compare: how like the portrait at least `FRONTAL_FRAMES` embeddings are.
    """

    direction: Direction
    until_s: float
    compare: Callable[[Sequence[Embedding]], BandName] = field(repr=False)


class _Step(Enum):
    LOOKING = auto()
    TURNING = auto()
    RETURNING = auto()


class Examination:
    """The state of one examination. Frames are seen from the start, so that asking finds some."""

    def __init__(self, likeness: Likeness) -> None:
        """Begin.

        Args:
            likeness: of the embedder that the sights use.
        """
        self._likeness = likeness
        self._hints = _Hints()
        self._question: Question | None = None
        self._flaws: Counter[HintName] = Counter()
        self._challenged = False
        self._judged = False
        self._last: Sight | None = None
        self._step = _Step.LOOKING
        self._before: list[Embedding] = []
        self._after: list[Embedding] = []
        self._challenge: TurnChallenge | None = None
        self._turn_until_s = 0.0
        self._unlike = 0

    def ask(self, question: Question) -> None:
        """Take the question; the next sights answer it, and are hinted at anew."""
        self._question = question
        self._flaws.clear()
        self._hints = _Hints()

    def see(self, sight: Sight) -> list[Said]:
        """Take the next frame's sight, and return what is to be said, in order.

        Raises:
            ModelError: the embedder failed.
        """
        if self._judged:
            return []
        flaw = self._flaw(sight)
        if flaw is not None:
            self._flaws[flaw] += 1
        said: list[Said] = list(self._hints.told(flaw, at_s=sight.taken_s))
        if self._last is None or not _goes_on(self._last, sight):
            said += self._begin_again()
        self._last = sight if sight.mesh is not None else None
        if sight.mesh is not None:
            said += self._advance(sight, sight.mesh)
        return said

    def expire(self, now_s: float) -> list[Said]:
        """Return the answer if it is due now, whatever it is."""
        due = self._question is not None and now_s >= self._question.until_s
        if self._judged or not due:
            return []
        return [self._judge("failed" if self._challenged else "absent")]

    def _flaw(self, sight: Sight) -> HintName | None:
        """Return what is wrong with a frame; a turned head is as asked while it is asked."""
        if sight.faces != 1:
            return "no_face" if sight.faces == 0 else "several_faces"
        if self._step is _Step.TURNING:
            return None
        turning_back = self._step is _Step.RETURNING and sight.flaw == "quality_pose"
        return None if turning_back else sight.flaw

    def _begin_again(self) -> list[Said]:
        """Forget the track."""
        said: list[Said] = [] if self._step is _Step.LOOKING else [Cued("look_ahead")]
        self._step = _Step.LOOKING
        self._before, self._after, self._challenge, self._unlike = [], [], None, 0
        return said

    def _advance(self, sight: Sight, mesh: Mesh) -> list[Said]:
        match self._step:
            case _Step.LOOKING:
                return self._look(sight, mesh)
            case _Step.TURNING:
                return self._turn(sight, mesh)
            case _Step.RETURNING:
                return self._return(sight, mesh)

    def _look(self, sight: Sight, mesh: Mesh) -> list[Said]:
        if sight.flaw is not None:
            return []
        seen = sight.embed()
        if not _alike(seen, self._before, self._likeness.ahead):
            self._begin_again()
        self._before = [*self._before, seen][-KEPT_FRAMES:]
        if self._question is None or len(self._before) < FRONTAL_FRAMES:
            return []
        direction = self._question.direction
        self._challenge = TurnChallenge(direction, reference=mesh)
        self._turn_until_s = sight.taken_s + TURN_PATIENCE_S
        self._challenged = True
        self._step = _Step.TURNING
        return [Cued("turn_left" if direction == "left" else "turn_right")]

    def _turn(self, sight: Sight, mesh: Mesh) -> list[Said]:
        if sight.taken_s > self._turn_until_s:
            return [self._judge("failed")]
        if not _alike(sight.embed(), self._before, self._likeness.turning):
            self._unlike += 1
            return self._begin_again() if self._unlike >= UNLIKE_IN_A_ROW else []
        self._unlike = 0
        match self._feed(mesh):
            case Progress.FAILED:
                return [self._judge("failed")]
            case Progress.WAITING:
                return []
            case Progress.TURNED | Progress.PASSED:
                self._step = _Step.RETURNING
                return [Cued("look_ahead")]

    def _return(self, sight: Sight, mesh: Mesh) -> list[Said]:
        progress = self._feed(mesh)
        if progress is Progress.FAILED:
            return [self._judge("failed")]
        if progress is not Progress.PASSED or sight.flaw is not None:
            return []
        seen = sight.embed()
        if not _alike(seen, self._before, self._likeness.ahead):
            return self._begin_again()
        self._after.append(seen)
        return [self._judge("passed")] if len(self._after) >= RETURNED_FRAMES else []

    def _feed(self, mesh: Mesh) -> Progress:
        return Progress.FAILED if self._challenge is None else self._challenge.feed(mesh)

    def _judge(self, live: LiveName) -> Judged:
        self._judged = True
        frames = [*self._before, *self._after]
        if self._question is None or len(frames) < FRONTAL_FRAMES:
            reasons = tuple(flaw for flaw, _ in self._flaws.most_common(1))
            return Judged(band="none", live=live, frames=0, reasons=reasons)
        return Judged(band=self._question.compare(frames), live=live, frames=len(frames))


class _Hints:
    """Which hint is told when: changes only, no flicker, no flood."""

    def __init__(self) -> None:
        self._told: HintName | None = None
        self._told_s = float("-inf")
        self._now: HintName | None = None
        self._in_a_row = 0

    def told(self, hint: HintName | None, *, at_s: float) -> list[Hinted]:
        self._in_a_row = self._in_a_row + 1 if hint == self._now else 1
        self._now = hint
        early = self._in_a_row < HINT_AFTER_FRAMES or at_s - self._told_s < HINT_EVERY_S
        if hint == self._told or early:
            return []
        self._told, self._told_s = hint, at_s
        return [Hinted(hint)]


def _alike(seen: Embedding, others: Sequence[Embedding], least: float) -> bool:
    """Return whether a face is like every one of the others; if there is none, it is."""
    return all(cosine(seen, other) >= least for other in others)


def _goes_on(last: Sight, sight: Sight) -> bool:
    """Return whether two sights in succession can be of one person who did not go away."""
    if last.mesh is None or sight.mesh is None:
        return False
    in_time = 0 < sight.taken_s - last.taken_s <= MAX_GAP_S
    return in_time and _overlap(_box(last.mesh), _box(sight.mesh)) >= MIN_OVERLAP


def _box(mesh: Mesh) -> NDArray[np.float32]:
    """Return (4,): left, top, right, bottom of the points."""
    flat = mesh.points[:, :2]
    return np.concatenate([flat.min(axis=0), flat.max(axis=0)])


def _overlap(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Return the intersection over union of two boxes, 0..1."""
    low, high = np.maximum(one[:2], other[:2]), np.minimum(one[2:], other[2:])
    both = float(np.prod(np.maximum(high - low, 0)))
    either = float(np.prod(one[2:] - one[:2]) + np.prod(other[2:] - other[:2])) - both
    return both / either if either > 0 else 0.0
