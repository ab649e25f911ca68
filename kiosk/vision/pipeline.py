"""One citizen's examination, frame by frame: what was seen goes in, what is said comes out.

Knows the order (look ahead, do what is asked, look ahead again), when two frames show one
uninterrupted person, how many tries there are, and that every layer must pass. Pure: no camera, no
net, no clock. The face that showed life must be the face that was compared, so that frames count
only within one unbroken track: a face in each of them, nobody beside it, no jump, no long gap, and
before, during and after as like as the policy wants a portrait to be, turned or not. Whoever acts
must not be a stranger to the portrait either: a picture may be of two people in one. Whoever broke
the track or went astray after something was asked has used a try; the next one asks for something
else.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec
import numpy as np

from kiosk.vision.challenge import Standing, Trial
from kiosk.vision.layers import Layers, Seen
from kiosk.vision.port import Cued, Hinted, Judged
from models.face.liveness import MAX_REST_DEG, MIN_FRAMES, measure

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from kiosk.vision.port import BandName, Challenge, HintName, LayerReason, LiveName
    from kiosk.vision.sight import Sight
    from models.face.mesh import Mesh

PACE_S: Final = 0.075
"""Between two frames that count for anything but that the track goes on. Those of a faster camera
in between are neither recognised nor taken for an act, a trace or a surface: nothing is shown by a
frame whose face was not seen to be the same. A camera of ten frames a second has each count, and so
has any while nobody can have done yet what was just asked."""
FRONTAL_FRAMES: Final = 3
"""So many good frames before anything is asked."""
APART_S: Final = 0.25
"""Between two of them: neighbours are nearly one picture, and say nothing that one doesn't. So they
cover half a second; every good frame that counts between them must show the same person all the
same."""
KEPT_FRAMES: Final = 5
"""The newest of them."""
RETURNED_FRAMES: Final = 2
"""So many good frames after it."""
SETTLE_S: Final = 6.0
"""From the last step to so many good frames."""
MAX_GAP_S: Final = 2.0
"""Between two frames; in more time one person can take another's place unseen."""
MAX_GAP_ASKED_S: Final = 1.0
"""While a challenge is under way: nobody is to act where it cannot be seen. A machine that
has three times as much to do as it can looked at nothing for up to .8 s; people must not fail by
that."""
MIN_OVERLAP: Final = 0.5
"""Of the boxes round the face in two frames, intersection over union; a turning head keeps .8."""
UNLIKE_IN_A_ROW: Final = 3
"""A moving face may be blurred once or twice; so many frames unlike it are somebody else."""
UNLIKE_IN_ALL: Final = 5
"""Of one track: two people who take turns are seen now as one, now as the other."""
STRANGE_IN_ALL: Final = MIN_FRAMES
"""Of what was asked for: as few frames can show it."""
HINT_EVERY_S: Final = 0.25
HINT_AFTER_FRAMES: Final = 2
"""A hint is worth telling when so many frames in a row gave it."""

Said: TypeAlias = "Cued | Hinted | Judged"
Embedding: TypeAlias = "NDArray[np.float32]"


@dataclass(frozen=True, slots=True)
class Likeness:
    """How close frames are that show the same person; it is the embedder's to say.

    Attributes:
        least: the least closeness of two frames, whatever they show. Whoever turns gets no less: a
            lower one is how somebody acts for another's picture.
        closeness: of two embeddings, -1..1.
    """

    least: float
    closeness: Callable[[Embedding, Embedding], float] = field(repr=False)

    def alike(self, seen: Embedding, others: Sequence[Embedding]) -> bool:
        """Return whether a face is like every one of the others; if there is none, it is."""
        return all(self.closeness(seen, other) >= self.least for other in others)


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """What the station wants to know.

    Attributes:
        challenges: what the person is asked for, and what in a second try.
        until_s: when the answer is due, on the clock of the sights.
        likeness: of frames from now on; no laxer than `compare`.
        compare: how like the portrait at least `FRONTAL_FRAMES` embeddings are.
        stranger: whether one is of somebody else than the portrait.
    """

    challenges: tuple[Challenge, ...]
    until_s: float
    likeness: Likeness
    compare: Callable[[Sequence[Embedding]], BandName] = field(repr=False)
    stranger: Callable[[Embedding], bool] = field(repr=False)


class _Step(Enum):
    LOOKING = auto()
    TRYING = auto()
    SETTLING = auto()


class Examination:
    """The state of one examination. Frames are seen from the start, so that asking finds some."""

    def __init__(self, likeness: Likeness, *, skin: float | None = None) -> None:
        """Begin.

        Args:
            likeness: of the embedder that the sights use, until there is a question.
            skin: the least log-odds of a texture that looks like skin; None: there is no such
                layer, and nobody passes for living.
        """
        self._likeness, self._skin = likeness, skin
        self._layers = Layers(skin)
        self._hints = _Hints()
        self._question: Question | None = None
        self._flaws: Counter[HintName] = Counter()
        self._tries, self._met = 0, False
        self._judged = False
        self._last: Sight | None = None
        self._step = _Step.LOOKING
        self._before: list[Embedding] = []
        self._rest: list[Mesh] = []
        self._ahead: Mesh | None = None
        self._counted_s, self._paced_s = float("-inf"), float("-inf")
        self._after: list[Embedding] = []
        self._surface_s = float("-inf")
        self._trial: Trial | None = None
        self._settle_until_s = 0.0
        self._unlike, self._unlike_in_all, self._strange = 0, 0, 0

    @property
    def met(self) -> bool:
        """Whether the challenge was met, whatever the other layers say."""
        return self._met

    def ask(self, question: Question) -> None:
        """Take the question; the next sights answer it, and are hinted at anew."""
        self._question, self._likeness = question, question.likeness
        self._flaws.clear()
        self._hints = _Hints()

    def see(self, sight: Sight) -> list[Said]:
        """Take the next frame's sight, and return what is to be said, in order.

        Raises:
            ModelError: the embedder failed.
        """
        if self._judged:
            return []
        if not sight.fresh:
            return self._refuse_frames()
        flaw = self._flaw(sight)
        if flaw is not None:
            self._flaws[flaw] += 1
        said: list[Said] = list(self._hints.told(flaw, at_s=sight.taken_s))
        within_s = MAX_GAP_S if self._trial is None else MAX_GAP_ASKED_S
        if self._last is None or not _goes_on(self._last, sight, within_s):
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
        return [self._judge("failed" if self._tries else "absent")]

    def _refuse_frames(self) -> list[Said]:
        """Answer that frames are not the camera's own, as soon as there is a question."""
        if self._question is None:
            return []
        self._judged = True
        return [
            Judged(
                band="none",
                live="failed",
                frames=0,
                tries=self._tries,
                reasons=("frames_not_fresh",),
            )
        ]

    def _flaw(self, sight: Sight) -> HintName | None:
        """Return what is wrong with a frame; a turned head is as asked while it is asked."""
        if sight.faces != 1:
            return "no_face" if sight.faces == 0 else "several_faces"
        if self._trial is not None and self._trial.acting:
            return None
        turning_back = self._step is not _Step.LOOKING and sight.flaw == "quality_pose"
        return None if turning_back else sight.flaw

    def _begin_again(self) -> list[Said]:
        """Forget the track."""
        used = self._trial is not None and self._trial.shown
        self._step, self._trial = _Step.LOOKING, None
        self._before, self._after, self._rest = [], [], []
        self._unlike, self._unlike_in_all, self._strange = 0, 0, 0
        self._counted_s, self._paced_s, self._ahead = float("-inf"), float("-inf"), None
        self._layers = Layers(self._skin)
        return [Cued("look_ahead")] if used else []

    def _go_astray(self) -> list[Said]:
        """Begin again if there is another try, else judge what there is.

        Whoever has used a try and shows the next thing before it is asked follows nobody.
        """
        used = self._question is None or self._tries >= len(self._question.challenges)
        unasked = self._trial is not None and not self._trial.shown and self._tries > 0
        if used or unasked:
            return [self._judge("failed")]
        ahead = None if self._trial is None else self._trial.reference
        said = self._begin_again()
        self._ahead = ahead
        return said

    def _advance(self, sight: Sight, mesh: Mesh) -> list[Said]:
        hasty = self._trial is not None and self._trial.too_soon(sight.taken_s)
        if sight.taken_s - self._paced_s < PACE_S and not hasty:
            return []
        self._paced_s = sight.taken_s
        if self._step is _Step.LOOKING:
            return self._look(sight, mesh)
        self._layers.follow(sight)
        match self._step:
            case _Step.TRYING:
                return self._try(sight, mesh)
            case _Step.SETTLING:
                return self._settle(sight)

    def _look(self, sight: Sight, mesh: Mesh) -> list[Said]:
        if sight.flaw is not None or not self._looks_ahead(mesh):
            return []
        seen = sight.embed()
        if not self._likeness.alike(seen, self._before):
            self._begin_again()
        if sight.taken_s - self._counted_s >= APART_S:
            self._before = [*self._before, seen][-KEPT_FRAMES:]
            self._rest = [*self._rest, mesh][-FRONTAL_FRAMES:]
            self._counted_s = sight.taken_s
        # Whoever is still turning back looks ahead only in passing, and is no reference.
        at_rest = all(abs(measure(each, mesh).yaw_deg) <= MAX_REST_DEG for each in self._rest)
        if self._question is None or len(self._before) < FRONTAL_FRAMES or not at_rest:
            return []
        if self._tries >= len(self._question.challenges):
            return [self._judge("failed")]
        steps = self._question.challenges[self._tries]
        self._trial = Trial(steps, reference=mesh, since_s=sight.taken_s)
        self._step = _Step.TRYING
        # What was clean before anybody knew what is asked must not outweigh what answers.
        self._layers, self._surface_s = Layers(self._skin), float("-inf")
        self._layers.follow(sight)
        return self._try(sight, mesh)

    def _looks_ahead(self, mesh: Mesh) -> bool:
        """Return whether whoever went astray looks where they looked before; others may begin."""
        if self._ahead is None:
            return True
        return abs(measure(self._ahead, mesh).yaw_deg) <= MAX_REST_DEG

    def _try(self, sight: Sight, mesh: Mesh) -> list[Said]:
        trial = self._trial
        if trial is None or not self._goes_on_alike(sight):
            return self._begin_again()
        if self._unlike:
            return []
        if trial.acting and self._question is not None:
            self._strange += self._question.stranger(sight.embed())
        self._look_closer(sight)
        shown = trial.shown
        standing = trial.feed(sight, mesh)
        self._tries += trial.shown and not shown
        said: list[Said] = [Cued(each) for each in trial.take_cues()]
        match standing:
            case Standing.UNDER_WAY:
                return said
            case Standing.TOO_LATE:
                return [*said, self._judge("failed")]
            case Standing.ASTRAY:
                return [*said, *self._go_astray()]
            case Standing.DONE:
                self._step, self._settle_until_s = _Step.SETTLING, sight.taken_s + SETTLE_S
                return [*said, *self._settle(sight)]

    def _look_closer(self, sight: Sight) -> None:
        """Take the surface of a good frame, now and then: neighbours are nearly one picture."""
        if sight.flaw is None and sight.taken_s - self._surface_s >= APART_S:
            self._surface_s = sight.taken_s
            self._layers.look(sight)

    def _goes_on_alike(self, sight: Sight) -> bool:
        """Count a frame unlike those before, and return whether that is still a slip."""
        alike = self._likeness.alike(sight.embed(), self._before)
        self._unlike = 0 if alike else self._unlike + 1
        self._unlike_in_all += not alike
        return self._unlike < UNLIKE_IN_A_ROW and self._unlike_in_all < UNLIKE_IN_ALL

    def _settle(self, sight: Sight) -> list[Said]:
        if sight.taken_s > self._settle_until_s:
            return [self._judge("failed")]
        if sight.flaw is not None:
            return []
        seen = sight.embed()
        if not self._likeness.alike(seen, self._before):
            return self._go_astray()
        self._after.append(seen)
        self._layers.look(sight)
        return [self._conclude()] if len(self._after) >= RETURNED_FRAMES else []

    def _conclude(self) -> Judged:
        """Judge a challenge that was met: every other layer must have seen nothing wrong."""
        self._met = True
        match self._layers.verdict:
            case Seen.NOTHING_WRONG:
                return self._judge("passed")
            case Seen.SOMETHING:
                return self._judge("failed")
            case Seen.COULD_NOT_LOOK:
                return self._judge("absent", "live_layer_missing")

    def _judge(self, live: LiveName, why: LayerReason | None = None) -> Judged:
        self._judged = True
        frames = [*self._before, *self._after]
        found = Judged(band="none", live=live, frames=0, tries=self._tries)
        # Nobody is compared who was asked for nothing: who held up what is not known.
        if self._question is None or self._tries == 0 or len(frames) < FRONTAL_FRAMES:
            flaws = tuple(flaw for flaw, _ in self._flaws.most_common(1))
            return msgspec.structs.replace(found, reasons=flaws if why is None else (why, *flaws))
        band = self._question.compare(frames)
        if self._strange >= STRANGE_IN_ALL and band in {"same", "same_strong"}:
            band = "unsure"
        return msgspec.structs.replace(
            found,
            band=band,
            frames=len(frames),
            reasons=() if why is None else (why,),
        )


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


def _goes_on(last: Sight, sight: Sight, within_s: float) -> bool:
    """Return whether two sights in succession can be of one person who did not go away."""
    if last.mesh is None or sight.mesh is None:
        return False
    in_time = 0 < sight.taken_s - last.taken_s <= within_s
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
