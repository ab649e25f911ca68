"""The head that a photograph becomes, seen by the real nets: it turns, and a print does not.

Our renderer before our models is a circle of our own; that no real face was before them stays true.
"""

from __future__ import annotations

import stat
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from hw.camera import portrait
from hw.camera.head import Head, Pose
from hw.camera.light import SimulatedLight
from hw.camera.optics import Lens
from hw.camera.port import Cue
from hw.camera.sim import HeadCamera
from models.face import detect, embed, iris, mesh
from models.face.embed import cosine
from models.face.flash import Colour, Lit, Response, light_of, response
from models.face.iris import Iris
from models.face.liveness import (
    MIN_TURN_DEG,
    OPEN_AGAIN,
    SHUT,
    Progress,
    TurnChallenge,
    measure,
)
from models.manifest import load_verified
from tram.parts.head_press import press

BUILD = Path(__file__).parents[2] / "build"
MODELS, PORTRAITS = BUILD / "models", BUILD / "portraits"
NETS = (detect.NAME, mesh.NAME, embed.NAME, iris.NAME)
SAME = {"obama": ("obama2", "obama3"), "obama2": ("obama",), "obama3": ("obama", "obama2")}
NAMES = (*SAME, "biden", "astronaut")
SUFFIXES = {"astronaut": "png"}
TURNS = (-22.0, 22.0)


class Eyes(NamedTuple):
    detector: detect.Detector
    mesher: mesh.Mesher
    embedder: embed.Embedder

    def see(self, rgb: np.ndarray) -> mesh.Mesh:
        (face, *_) = self.detector.detect(rgb)
        found = self.mesher.mesh(rgb, face)
        assert found.is_face
        return found


def photograph(name: str) -> Path:
    return PORTRAITS / f"{name}.{SUFFIXES.get(name, 'jpg')}"


@pytest.fixture(scope="module")
def eyes() -> Eyes:
    missing = [name for name in NETS if not (MODELS / f"{name}.tflite").exists()]
    missing += [name for name in NAMES if not photograph(name).exists()]
    if missing:
        pytest.fail(f"not in build/: {', '.join(missing)}; `make setup` brings them")
    return Eyes(
        detect.Detector(load_verified(MODELS, detect.NAME)),
        mesh.Mesher(load_verified(MODELS, mesh.NAME)),
        embed.Embedder(load_verified(MODELS, embed.NAME)),
    )


@pytest.fixture(scope="module")
def heads(eyes: Eyes, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("heads")
    for name in NAMES:
        press(photograph(name), folder / f"{name}.npz", models=MODELS)
    return {name: folder / f"{name}.npz" for name in NAMES}


@pytest.fixture(scope="module")
def identities(eyes: Eyes) -> dict[str, np.ndarray]:
    found = {}
    for name in NAMES:
        with Image.open(photograph(name)) as opened:
            rgb = np.asarray(opened.convert("RGB"))
        found[name] = eyes.embedder.embed(rgb, eyes.see(rgb))
    return found


def before_the_camera(path: Path, *, flat: bool = False) -> Head:
    return Head(portrait.load(path), width=640, height=480, flat=flat)


@pytest.mark.parametrize("name", NAMES)
def test_a_pressed_head_is_private_and_large_enough(
    eyes: Eyes, heads: dict[str, Path], name: str
) -> None:
    assert stat.S_IMODE(heads[name].stat().st_mode) == 0o600
    seen = eyes.see(before_the_camera(heads[name]).render(Pose()))
    assert 90 <= seen.eye_distance_px <= 120


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("yaw", TURNS)
def test_a_turned_head_reads_as_one(
    eyes: Eyes, heads: dict[str, Path], name: str, yaw: float
) -> None:
    head = before_the_camera(heads[name])
    turn = measure(eyes.see(head.render(Pose())), eyes.see(head.render(Pose(yaw))))
    assert turn.yaw_deg * np.sign(yaw) >= 12.5
    assert turn.residual >= 0.051
    assert turn.solid


@pytest.mark.parametrize("name", NAMES)
def test_a_slanted_print_reads_as_none(eyes: Eyes, heads: dict[str, Path], name: str) -> None:
    paper = before_the_camera(heads[name], flat=True)
    reference = eyes.see(paper.render(Pose()))
    for yaw in (-28, -15, 15, 28):
        for pitch in (0, 8):
            turn = measure(reference, eyes.see(paper.render(Pose(yaw, pitch))))
            assert abs(turn.yaw_deg) < 9 < MIN_TURN_DEG
            assert turn.residual < 0.05


@pytest.mark.parametrize("name", SAME)
def test_the_head_is_still_that_person_and_nobody_else(
    eyes: Eyes, heads: dict[str, Path], identities: dict[str, np.ndarray], name: str
) -> None:
    head = before_the_camera(heads[name])
    strangers = set(NAMES) - set(SAME)
    for yaw, least in ((0, 0.75), (-12, 0.7), (12, 0.7)):
        rgb = head.render(Pose(yaw))
        seen = eyes.embedder.embed(rgb, eyes.see(rgb))
        for other in SAME[name]:
            assert cosine(seen, identities[other]) >= least
        assert max(cosine(seen, identities[other]) for other in strangers) < 0.4


def challenged(eyes: Eyes, camera: HeadCamera, cue: Cue, *, seconds: float) -> Progress:
    """Ask for a turn and back, as a kiosk does, and return how far it came in time."""
    camera.open()
    frames = camera.frames()
    direction = "left" if cue is Cue.TURN_LEFT else "right"
    challenge = TurnChallenge(direction, reference=eyes.see(next(frames).rgb))
    camera.cue(cue)
    until = time.monotonic() + seconds
    for frame in frames:
        progress = challenge.feed(eyes.see(frame.rgb))
        if progress is Progress.TURNED:
            camera.cue(Cue.LOOK_AHEAD)
        if progress in {Progress.PASSED, Progress.FAILED} or time.monotonic() > until:
            camera.close()
            return progress
    raise AssertionError


@pytest.mark.parametrize(("name", "cue"), [("obama", Cue.TURN_LEFT), ("astronaut", Cue.TURN_RIGHT)])
def test_the_head_before_the_camera_passes_the_challenge(
    eyes: Eyes, heads: dict[str, Path], name: str, cue: Cue
) -> None:
    camera = HeadCamera(heads[name])
    assert challenged(eyes, camera, cue, seconds=8) is Progress.PASSED


@pytest.mark.parametrize("cue", [Cue.TURN_LEFT, Cue.TURN_RIGHT])
def test_a_print_before_the_camera_does_not(eyes: Eyes, heads: dict[str, Path], cue: Cue) -> None:
    camera = HeadCamera(heads["obama"], flat=True)
    assert challenged(eyes, camera, cue, seconds=2) is Progress.WAITING


@pytest.mark.parametrize("faces", [0, 1, 3])
def test_as_many_faces_are_seen_as_are_there(
    eyes: Eyes, heads: dict[str, Path], faces: int
) -> None:
    camera = HeadCamera(heads["obama"], faces=faces)
    camera.open()
    assert len(eyes.detector.detect(next(camera.frames()).rgb)) == faces
    camera.close()


def test_what_no_head_can_be_made_of(eyes: Eyes, heads: dict[str, Path], tmp_path: Path) -> None:
    three = HeadCamera(heads["obama"], faces=3)
    three.open()
    with Image.open(photograph("astronaut")) as opened:
        small = np.asarray(opened.convert("RGB").reduce(3))
    pictures = {
        "3 faces": next(three.frames()).rgb,
        "0 faces": np.full((480, 640, 3), 90, dtype=np.uint8),
        "too small": small,
    }
    for why, rgb in pictures.items():
        Image.fromarray(rgb).save(tmp_path / "picture.png")
        with pytest.raises(ValueError, match=why):
            press(tmp_path / "picture.png", tmp_path / "head.npz", models=MODELS)
    (tmp_path / "picture.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match="no portrait"):
        press(tmp_path / "picture.png", tmp_path / "head.npz", models=MODELS)
    with pytest.raises(FileNotFoundError):
        press(tmp_path / "none.png", tmp_path / "head.npz", models=MODELS)
    assert not (tmp_path / "head.npz").exists()


@pytest.mark.parametrize("name", NAMES)
def test_eyes_that_close_read_closed_and_a_head_that_sways_does_not(
    eyes: Eyes, heads: dict[str, Path], name: str
) -> None:
    net = Iris(load_verified(MODELS, iris.NAME))
    head, paper = (before_the_camera(heads[name], flat=flat) for flat in (False, True))

    def openness(of: Head, pose: Pose) -> float:
        rgb = of.render(pose)
        return net.openness(rgb, eyes.see(rgb))

    open_eyes, printed = (openness(each, Pose()) for each in (head, paper))
    for yaw, pitch in ((0, 0), (3, 1), (-5, 0)):
        assert openness(head, Pose(yaw, pitch, shut=1.0)) / open_eyes <= SHUT
    for yaw, pitch in ((1, 1), (-3, 2), (6, 0), (-6, -1)):
        assert openness(head, Pose(yaw, pitch)) / open_eyes >= OPEN_AGAIN
        assert openness(paper, Pose(yaw, pitch, shut=1.0)) / printed >= OPEN_AGAIN


@pytest.mark.parametrize("name", ["obama2", "biden", "astronaut"])
@pytest.mark.parametrize(
    ("strength", "said"), [(0.25, Response.FOLLOWED), (0.0, Response.TOO_FAINT)]
)
def test_a_head_follows_the_light_before_it_and_a_screen_does_not(
    eyes: Eyes, heads: dict[str, Path], name: str, strength: float, said: Response
) -> None:
    """A screen that is held up shines by itself: what lights it is nothing to it."""
    head, chance = before_the_camera(heads[name]), np.random.default_rng(0)
    light, lens = SimulatedLight(strength), Lens.drawn(chance)
    lit = []
    for colour in (Colour.GREEN, Colour.RED, Colour.BLUE, Colour.RED):
        light.show(tuple(float(each is colour) for each in Colour))
        for yaw in (0, 1):
            seen = lens.see(light.on(head.render(Pose(yaw))), chance)
            lit.append(Lit(colour, light_of(seen, eyes.see(seen))))
    assert response(lit) is said


def test_a_recording_made_in_other_light_is_not_taken_for_a_face(
    eyes: Eyes, heads: dict[str, Path]
) -> None:
    head, light = before_the_camera(heads["obama2"]), SimulatedLight()
    shown = (Colour.GREEN, Colour.RED, Colour.BLUE, Colour.RED)
    recorded = (Colour.BLUE, Colour.GREEN, Colour.RED, Colour.GREEN)
    lit = []
    for colour, was in zip(shown, recorded, strict=True):
        light.show(tuple(float(each is was) for each in Colour))
        seen = light.on(head.render(Pose()))
        lit += [Lit(colour, light_of(seen, eyes.see(seen)))] * 2
    assert response(lit) is Response.IGNORED
