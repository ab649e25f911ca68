"""The demo turns red when one thing is changed, and nothing that it leaves behind holds a person.

One run over the real parts with one thing changed in each case: a byte of the card, the face, the
finger, the broker, and, in a second short one, the policy.
"""

from __future__ import annotations

import base64
import contextlib
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest
import structlog
from PIL import Image

from emrtd.lds import dg2, dg3
from emrtd.sim import CardImage
from kiosk.station.chance import VARIANTS
from tests.conftest import logging_as_it_was
from tram.parts.mosquitto import Mosquitto
from tram.parts.play import CASES, EXPECTED, Draws, _holds, at_fleet, once_each, play, table
from tram.parts.service import log_as_json
from tram.parts.stage import CAN, NUMBER, Parts, Stage, build
from wire.cose import PrivateKeySigner
from wire.policy import Layer, Policy, sign_policy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kiosk.vision.port import ActName

pytestmark = pytest.mark.lane

ROOT = Path(__file__).parents[2]
MODELS, PORTRAITS = ROOT / "build" / "models", ROOT / "build" / "portraits"

CHANGED: dict[str, dict[str, Any]] = {
    "holder_2021": {"fault": "dg2_byte"},
    "holder_2024": {"head": "other"},
    "other_person": {"head": "holder"},
    "print": {"flat": False},
    "replay": {"recorded": ()},
    "other_finger": {"finger": "holder"},
    "clone": {"fault": None},
    "changed_data": {"fault": None},
    "broker_stopped": {"broker_stopped": False},
}
"""One thing in each case."""

ATTACKS = ("print", "replay")

BECOMES = {
    "holder_2021": ("refused", ["data_hash_mismatch"]),
    "holder_2024": ("not_holder", ["face_not_holder"]),
    "other_person": ("accepted", []),
    "print": ("accepted", []),
    "replay": ("accepted", []),
    "other_finger": ("accepted", []),
    "clone": ("accepted", []),
    "changed_data": ("accepted", []),
    "broker_stopped": ("accepted", []),
}

PERSONAL = ("cards", "pki", "heads", "fingers")
"""What the stage makes of a person on purpose: nothing else may."""


class Played(NamedTuple):
    """What is left of the changed run."""

    stage: Stage
    rows: list[dict[str, Any]]
    lenient: list[dict[str, Any]]


def policy_without_a_face(stage: Stage) -> Path:
    """Sign a policy that asks neither for a living head nor for the holder's."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    key = load_pem_private_key(stage.fleet.policy_key.read_bytes(), password=None)
    layers = tuple(layer for layer in Layer if layer not in {Layer.LIVE, Layer.FACE})
    policy = Policy(
        id="without-a-face", not_before=0, not_after=2**39, layers=layers, simulators_allowed=True
    )
    path = stage.root / "lenient.cose"
    path.write_bytes(sign_policy(policy, PrivateKeySigner(key)))  # type: ignore[arg-type] # P-256
    return path


@pytest.fixture(scope="module")
def played(
    tmp_path_factory: pytest.TempPathFactory, logging_of_the_module: None
) -> Iterator[Played]:
    stage = Stage(tmp_path_factory.mktemp("demo") / "stage")
    cases = [replace(case, **CHANGED[case.name]) for case in CASES]
    attacks = [case for case in CASES if case.name in ATTACKS]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRAM_LOG", "debug")
        build(stage, models=MODELS, portraits=PORTRAITS, say=lambda _: None)
        with (stage.logs / "station.log").open("a") as log:
            log_as_json(log)
            with Parts(stage) as parts:
                rows = play(stage, parts, cases, models=MODELS)
                lenient = play(
                    stage, parts, attacks, models=MODELS, policy=policy_without_a_face(stage)
                )
            yield Played(stage, rows, lenient)


def test_every_case_has_one_expected_row() -> None:
    assert [case.name for case in CASES] == list(EXPECTED) == list(CHANGED)


@pytest.mark.parametrize("name", CHANGED)
def test_one_thing_changed_turns_its_row_red(played: Played, name: str) -> None:
    (row,) = [row for row in played.rows if row["case"] == name]
    assert (row["outcome"], row["reasons"]) == BECOMES[name]
    assert row["ok"] is False
    assert row["fleet"]["outcome"] == row["outcome"]


def test_the_policy_changed_turns_the_attacks_red(played: Played) -> None:
    assert [row["case"] for row in played.lenient] == list(ATTACKS)
    for row in played.lenient:
        assert (row["outcome"], row["ok"], row["checks"]["live"]) == ("accepted", False, "absent")
        assert row["fleet"]["versions"]["policy"] == "without-a-face"


def test_the_fleet_holds_each_record_once(played: Played) -> None:
    assert once_each(played.stage, [*played.rows, *played.lenient])
    assert not once_each(played.stage, played.rows)
    assert len(at_fleet(played.stage)) == len(CASES) + len(ATTACKS)


def test_the_table_names_each_case(played: Played) -> None:
    text = table(played.rows)
    assert text.count("✗") == len(CASES)
    assert all(case.title in text for case in CASES)


@pytest.mark.parametrize(
    ("delivery", "fleet", "told"),
    [
        ("delivered", ("not_holder", ["data_hash_mismatch"]), "same"),
        ("stored", ("not_holder", ["data_hash_mismatch"]), "later"),
        ("delivered", ("referred", ["issuer_unknown"]), "referred issuer_unknown"),
        ("stored", None, "-"),
    ],
)
def test_the_table_fits_a_hundred_columns_and_says_what_the_fleet_holds(
    delivery: str, fleet: tuple[str, list[str]] | None, told: str
) -> None:
    row = {
        "ok": True, "outcome": "not_holder", "reasons": ["data_hash_mismatch"],
        "delivery": delivery,
        "ms": {"access": 12_345.6, "face_whole": 23_456.7, "finger_whole": 11_222.3,
               "whole": 98_765.4},
    }  # fmt: skip
    held = None if fleet is None else dict(zip(("outcome", "reasons"), fleet, strict=True))
    rows = [{**row, "title": case.title, "fleet": held} for case in CASES]
    head, *lines = table(rows).splitlines()
    assert all(line.endswith(f" 23457  11222 98765  {told}") for line in lines)
    assert len(head) <= 100
    assert max(len(case.title) for case in CASES) <= 33
    assert len(told) > 5 or max(map(len, lines)) <= 100


@pytest.mark.parametrize(
    ("asked", "held"),
    [
        (["turn_left", "turn_left"], True),
        (["turn_left", "turn_left", "turn_left"], True),
        (["turn_left", "turn_right"], False),
        (["blink", "turn_left", "turn_left"], False),
    ],
)
def test_a_recording_holds_what_it_shows_at_some_time(asked: list[ActName], held: bool) -> None:
    assert _holds(("turn_left", "turn_left"), asked) is held
    assert not _holds((), asked)


def test_a_recording_goes_round() -> None:
    recorded: tuple[ActName, ...] = ("blink", "turn_left")
    assert _holds(recorded, ["turn_left", "blink", "turn_left"])
    assert not _holds(recorded, ["turn_left", "turn_left"])


def test_what_is_asked_against_a_recording_is_as_random_but_for_what_it_holds() -> None:
    draws = Draws()
    draws.recorded = ("turn_left", "turn_left")
    seen: tuple[set[tuple[ActName, ...]], ...] = (set(), set())
    for _ in range(3_000):
        for acts, challenge in zip(seen, draws(), strict=True):
            acts.add(tuple(step.act for step in challenge))
    first, second = (set(each) for each in VARIANTS)
    assert seen == (first - {("turn_left",) * 2}, second)


def secrets_of(stage: Stage) -> list[bytes]:
    """Return what must be nowhere: number, CAN, zone, names, images, citizen record."""
    card = CardImage.from_json(stage.card("2021").read_bytes())
    files = {name: bytes(raw) for name, raw in card.files.items()}
    image = dg2.parse(files["DG2"]).faces[0].data
    middle = len(image) // 2
    prints = [finger.data for finger in dg3.parse(files["DG3"]).fingers]
    with Image.open(stage.root / "fingers" / "holder" / "1.png") as opened:
        touch = np.asarray(opened.convert("L"))
    return [
        NUMBER.encode(),
        CAN.encode(),
        files["DG1"][5:40],
        b"NGUYEN",
        "Nguyễn".encode(),
        "Mẫu".encode(),
        image[middle : middle + 32],
        *(each[len(each) // 2 :][:32] for each in prints),
        touch[len(touch) // 2, 100:132].tobytes(),
        files["DG13"][20:60],
    ]


def forms_of(secret: bytes) -> Iterator[bytes]:
    """Yield a secret as it may stand in a file: raw, hex, base64, escaped in JSON."""
    yield secret
    yield secret.hex().encode()
    yield secret.hex().upper().encode()
    yield base64.b64encode(secret)
    with contextlib.suppress(UnicodeDecodeError):
        escaped = json.dumps(secret.decode()).strip('"').encode()
        if escaped != secret:
            yield escaped


def found_in(folder: Path, secrets: list[bytes], *, leaving_out: tuple[str, ...]) -> list[str]:
    """Return which file holds which secret."""
    return [
        f"{path.relative_to(folder)}: {number}"
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.relative_to(folder).parts[0] not in leaving_out
        for number, secret in enumerate(secrets)
        if any(written in path.read_bytes() for written in forms_of(secret))
    ]


def test_the_scan_finds_each_thing_that_is_planted_in_each_form(
    played: Played, tmp_path: Path
) -> None:
    secrets = secrets_of(played.stage)
    for number, secret in enumerate(secrets):
        for form, written in enumerate(forms_of(secret)):
            path = tmp_path / f"{number}-{form}.bin"
            path.write_bytes(b"before" + written + b"after")
            assert found_in(tmp_path, [secret], leaving_out=()) == [f"{path.name}: 0"]
            path.unlink()


def test_the_scan_finds_what_our_own_log_would_write(played: Played, tmp_path: Path) -> None:
    """Through the logger itself, whose allow-list leaves values of known keys as they are."""
    secrets = secrets_of(played.stage)
    for number, secret in enumerate(secrets):
        path = tmp_path / f"{number}.log"
        with path.open("w") as log, logging_as_it_was():
            log_as_json(log)
            written = secret.decode("utf-8", "surrogateescape")
            text = written if written.isprintable() else secret.hex()
            structlog.get_logger().info("planted", why=text, name=text)
        assert found_in(tmp_path, [secret], leaving_out=()) == [f"{path.name}: 0"]
        assert path.read_text().count(text) == 1, "a key that is not known is left out"
        path.unlink()


def test_no_person_is_in_anything_that_was_written(played: Played) -> None:
    stage = played.stage
    written = {path.name for path in stage.root.rglob("*") if path.is_file()}
    assert {"outbox.db", "fleet.db", "station.log", "link.log", "ingest.log"} <= written
    assert found_in(stage.root, secrets_of(stage), leaving_out=PERSONAL) == []


def test_the_logs_tell_of_sessions_and_nothing_of_frames(played: Played) -> None:
    said = (played.stage.logs / "station.log").read_text()
    assert said.count('"session_ended"') == len(CASES) + len(ATTACKS)
    assert "vision_judged" in said
    assert "TensorFlow" not in said


def test_a_broker_that_does_not_start_is_an_error_not_a_green_row(played: Played) -> None:
    from tram.parts.mosquitto import BrokerError

    nowhere = played.stage.root / "none.conf"
    nowhere.write_text("listener 1 256.0.0.1\n")
    with pytest.raises(BrokerError):
        Mosquitto(nowhere, host="127.0.0.1", port=1).start()
