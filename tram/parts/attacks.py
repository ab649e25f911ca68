"""The attack suite: which presentations are played, how each ended, and which layer stopped it.

Knows the list, and the worker's own eyes and examination, without its process, its socket and its
clock. Rendered by our formulas and judged by our layers: a circle. It shows that each layer does
what it is there for; no real print, screen or mask, and no living face, was before a camera here.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
import numpy as np
from msgspec import Meta, Struct
from PIL import Image

from hw.camera import portrait
from hw.camera.attack import ATTACKS, Cast, Kind, Scene, Shown
from hw.camera.fresh import Freshness
from hw.camera.head import Pose
from hw.camera.optics import Lens, Paper, Screen
from hw.camera.port import Cue, Frame
from kiosk.station.chance import VARIANTS, by_chance
from kiosk.vision.pipeline import Examination
from kiosk.vision.port import Cued, Judged
from kiosk.vision.worker import likeness, question
from models.evaluate import pictures
from models.evaluate.intervals import clopper_pearson
from tram.parts import card_press, head_press

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from kiosk.vision.pipeline import Question
    from kiosk.vision.sight import Eyes

SUITE: Final = Path(__file__).with_name("attack_suite.json")
SIZE_PX: Final = (640, 480)
NS: Final = 1_000_000_000
OPEN_TO_ALL: Final = -1e9
"""A threshold that every texture reaches."""
CROP_PX: Final = 360
SCALES: Final = (0.45, 1.0)
"""How much smaller than in the suite a face may stand in a picture to train on."""
ENLARGED: Final = (1.0, 3.0)
AGAIN: Final = 0.7
"""How often a camera sees a photograph once more: its noise must not tell people from attacks."""
SURFACES: Final = ("", "print", "screen", "screen_moire")
YAWS: Final = (-12, -6, -3, 0, 0, 3, 6, 12)


class Row(Struct, frozen=True, forbid_unknown_fields=True):
    """One kind of presentation.

    Attributes:
        kind: which.
        sessions: how many are played.
        title: for people.
    """

    kind: Kind
    sessions: Annotated[int, Meta(ge=1, le=10_000)]
    title: Annotated[str, Meta(min_length=1, max_length=200)]


class Suite(Struct, frozen=True, forbid_unknown_fields=True):
    """What is played.

    Attributes:
        seed: of everything that varies.
        frames_per_second: of the camera.
        seconds: how long an examination may take.
        holders: names of the photographs of the person before the camera, of the same one on the
            card, and of somebody else.
        kinds: one row each.
        version: of this form.
    """

    seed: int
    frames_per_second: Annotated[int, Meta(ge=2, le=60)]
    seconds: Annotated[float, Meta(ge=5, le=120)]
    holders: Annotated[tuple[tuple[str, str, str], ...], Meta(min_length=1)]
    kinds: Annotated[tuple[Row, ...], Meta(min_length=1)]
    version: int = 1


def read_suite(path: Path = SUITE) -> Suite:
    """Return what is played. Raises OSError, msgspec.DecodeError."""
    return msgspec.json.decode(path.read_bytes(), type=Suite)


def cast_of(photographs: Mapping[str, Path], folder: Path, *, models: Path) -> Cast:
    """Return the heads of photographs.

    Args:
        photographs: by name.
        folder: where the heads' files are kept; they show people.
        models: the folder of the model files.

    Raises:
        ValueError: a photograph is no portrait.
        ModelError: a model is missing or altered.
    """
    heads = {}
    for name, path in photographs.items():
        file = folder / f"{name}.npz"
        if not file.exists():
            head_press.press(path, file, models=models)
        heads[name] = portrait.load(file)
    return Cast(heads, size_px=SIZE_PX)


def play(
    suite: Suite,
    cast: Cast,
    photographs: Mapping[str, Path],
    eyes: Eyes,
    *,
    tick: Callable[[], None] = lambda: None,
) -> list[dict[str, Any]]:
    """Play the suite and return a row for each kind.

    Args:
        suite: what is played.
        cast: of all photographs.
        photographs: by name; the cards are made of them.
        eyes: the worker's.
        tick: called after each session.

    Returns:
        kind, title, sessions, passed (by all layers), alone (by the challenge alone), accepted
        (passed, and the band is the same), ci95 of passed, and how the sessions ended.
    """
    cards = {
        holder: eyes.read_portrait(card_press.portrait(photographs[on_card]))
        for holder, on_card, _ in suite.holders
    }
    rows = []
    for row in suite.kinds:
        ends = []
        for session in range(row.sessions):
            ends.append(_session(suite, row.kind, session, cast=cast, eyes=eyes, cards=cards))
            tick()
        passed = sum(end.live == "passed" for end, _ in ends)
        rows.append(
            {
                "kind": row.kind.value,
                "title": row.title,
                "attack": row.kind in ATTACKS,
                "sessions": len(ends),
                "passed": passed,
                "alone": sum(alone for _, alone in ends),
                "accepted": sum(
                    end.live == "passed" and end.band in {"same", "same_strong"} for end, _ in ends
                ),
                "second_try": sum(end.tries > 1 for end, _ in ends),
                "ci95": list(clopper_pearson(passed, len(ends))),
                "ends": dict(sorted(Counter(map(_how, ends)).items())),
            }
        )
    return rows


def _how(end: tuple[Judged, bool]) -> str:
    judged, alone = end
    if judged.live == "passed":
        return "passed"
    if judged.reasons:
        return judged.reasons[0]
    return "layers" if alone else "challenge"


def _session(
    suite: Suite,
    kind: Kind,
    number: int,
    *,
    cast: Cast,
    eyes: Eyes,
    cards: Mapping[str, NDArray[np.float32]],
) -> tuple[Judged, bool]:
    """Play one session; return its end, and whether the challenge alone would have let it pass."""
    chance = np.random.default_rng([suite.seed, list(Kind).index(kind), number])
    who, _, other = suite.holders[number % len(suite.holders)]
    asked = by_chance(Random(int(chance.integers(2**63))))  # noqa: S311 - to be repeated
    first = tuple(step.act for step in asked[0])
    wrong = [each for each in VARIANTS[0] if each != first]
    recorded = [Cue(each) for each in wrong[int(chance.integers(len(wrong)))]]
    scene = Scene(kind, cast, who, other, chance, recorded)
    until_s = 1.0 + suite.seconds
    wanted = question(eyes, cards[who], fmr="1e-4", challenges=asked, until_s=until_s)
    return _examine(scene, wanted, suite=suite, eyes=eyes)


def _examine(scene: Scene, wanted: Question, *, suite: Suite, eyes: Eyes) -> tuple[Judged, bool]:
    examination = Examination(likeness(eyes), skin=eyes.skin)
    examination.ask(wanted)
    freshness, alone = Freshness(), False
    for seq in range(int(suite.seconds * suite.frames_per_second)):
        at_s = 1.0 + seq / suite.frames_per_second
        shown: Shown = scene.frame(seq, at_s)
        frame = Frame(shown.rgb, int(shown.taken_s * NS), shown.seq)
        fresh = freshness.take(frame, now_ns=int(at_s * NS)) is None
        for said in examination.see(eyes.look(frame, fresh=fresh)):
            if isinstance(said, Cued):
                scene.cue(Cue(said.cue), at_s)
            if isinstance(said, Judged):
                alone = examination.met
                return said, alone
    (judged,) = examination.expire(wanted.until_s)
    return msgspec.convert(judged, Judged, from_attributes=True), alone


def render(
    cast: Cast, names: Sequence[str], out: Path, *, each: int, seed: int = 1
) -> Iterable[tuple[str, str]]:
    """Write pictures to train the passive layer on, and yield each one's name and kind of attack.

    Args:
        cast: of the photographs.
        names: of them.
        out: the folder.
        each: so many of people, of prints and of screens, of each photograph.
        seed: of what varies.
    """
    for place, who in enumerate(names):
        for number in range(each):
            for index, kind in enumerate(SURFACES):
                chance = np.random.default_rng([seed, place, number, index])
                serial = (place * each + number) * len(SURFACES) + index
                # Several photographs of one person are numbered: one name for all of them.
                name = f"{who.rstrip('0123456789')}_{serial}.png"
                Image.fromarray(_picture(cast, who, kind, chance)).save(out / name)
                yield name, kind


def render_flat(
    photographs: Sequence[Path], out: Path, *, seed: int = 1
) -> Iterable[tuple[str, str]]:
    """Write of each photograph itself, a print and two screens, and yield names and kinds.

    Without a head: what varies is whose skin it is and which camera took it.

    Args:
        photographs: of one person each.
        out: the folder.
        seed: of what varies.

    Raises:
        PictureFileError: a file is no picture.
    """
    for place, path in enumerate(photographs):
        rgb = pictures.read(path, where=f"file {place + 1} in order of name").rgb
        chance = np.random.default_rng([seed, place])
        scale = float(chance.uniform(*ENLARGED))
        size = (round(scale * rgb.shape[1]), round(scale * rgb.shape[0]))
        larger = np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling.BICUBIC))
        for index, kind in enumerate(SURFACES):
            shown = _surface(larger, kind, chance)
            if chance.random() < AGAIN:
                shown = Lens.drawn(chance).see(shown, chance)
            name = f"p{place}_{index}.png"
            Image.fromarray(shown).save(out / name)
            yield name, kind


def _surface(rgb: NDArray[np.uint8], kind: str, chance: np.random.Generator) -> NDArray[np.uint8]:
    if not kind:
        return rgb
    if kind == "print":
        return Paper.drawn(chance).show(rgb)
    screen = Screen.drawn(chance, good=kind == "screen")
    return screen.show(rgb, float(chance.uniform(0, 9)))


def _picture(cast: Cast, who: str, kind: str, chance: np.random.Generator) -> NDArray[np.uint8]:
    yaw = float(chance.choice(YAWS))
    pose = Pose(yaw, float(chance.choice((-2, 0, 2))))
    shape = str(chance.choice(("flat", "bent"))) if kind == "print" else "head"
    rgb = _surface(cast.picture(who, shape, pose), kind, chance)
    scale = chance.uniform(*SCALES)
    smaller = [round(scale * side) for side in SIZE_PX]
    small = np.asarray(Image.fromarray(rgb).resize((smaller[0], smaller[1])))
    seen = Lens.drawn(chance).see(small, chance)
    half = min(round(scale * CROP_PX) // 2, smaller[1] // 2)
    x, y = smaller[0] // 2, smaller[1] // 2
    return seen[y - half : y + half, x - half : x + half]
