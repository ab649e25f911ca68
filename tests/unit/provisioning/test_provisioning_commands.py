"""`tram fleet`, `tram provision` and `tram link` as people and programs call them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from click.testing import CliRunner

from fleet.home import FleetHome
from fleet.store.acceptance import GroupPlace
from fleet.store.store import Delivery, Drop, LaneName, LinkWord, Store
from tram.cli import main
from tram.fleet import fleet as fleet_commands
from tram.link import link as link_commands
from tram.parts.service import MAX_TEXT_CHARS, only_known_keys
from tram.provision import provision as provision_commands
from wire.group import genesis_head

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import click
    from click.testing import Result

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
EPOCH = b"\x0a" * 16
PART = {
    "outcome": "accepted",
    "reasons": [],
    "bands": {"pa": "passed"},
    "site": "hn-1",
    "at_hour": 490_000,
}


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def tram(*words: str | Path) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def said(*words: str | Path) -> Any:
    result = tram(*words, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    made = said("fleet", "init", "--home", tmp_path / "fleet", "--port", "0", "--shards", "2")
    assert made["port"] > 0
    assert made["shards"] == 2
    assert not made["simulators_allowed"]
    return tmp_path / "fleet"


def enrol(home: Path, **changes: str) -> Result:
    trust = home.parent / "trust"
    trust.mkdir(exist_ok=True)
    (trust / "csca.der").write_bytes(b"x")
    told = {"device": "kiosk-1", "site": "hn-1", "card": "pcsc://0", "camera": "picamera://"}
    words = [word for key, value in (told | changes).items() for word in (f"--{key}", value)]
    return tram(
        "provision", "enrol", "--fleet", home, "--home", home.parent / "k", "--trust", trust, *words
    )


def fill(home: Path) -> None:
    lane = LaneName("kiosk-1", EPOCH, "normal")
    genesis = genesis_head(device="kiosk-1", epoch=EPOCH, lane="normal")
    place = GroupPlace(1, 2, genesis, b"\1" * 32)
    twin = GroupPlace(1, 1, genesis, b"\2" * 32)
    with Store.open(FleetHome(home).database) as store:
        store.accept(
            [
                Delivery(lane, place, (json.dumps(PART), json.dumps(PART)), b"sealed"),
                Delivery(lane, twin, (json.dumps(PART),), b"twin"),
            ],
            drops=[Drop("simulated", "kiosk-1")],
            links={"kiosk-1": LinkWord("online", alive=True)},
            at=NOW,
        )


def test_devices_shows_what_is_known_of_each(home: Path) -> None:
    assert enrol(home).exit_code == 0
    (new,) = said("fleet", "devices", "--home", home)
    assert (new["link"], new["last_seen"], new["records"], new["lanes"]) == ("unknown", None, 0, [])
    fill(home)
    (row,) = said("fleet", "devices", "--home", home)
    assert row.pop("enrolled_at").startswith("20")
    assert row == {
        "id": "kiosk-1",
        "site": "hn-1",
        "link": "online",
        "last_seen": NOW.isoformat(),
        "simulators_allowed": False,
        "lanes": [{"epoch": EPOCH.hex(), "lane": "normal", "high_water": 2}],
        "records": 2,
        "refused": 1,
        "last_refusal": "simulated",
        "forks": 1,
        "tombstones": 0,
    }
    in_words = tram("fleet", "devices", "--home", home).stdout
    assert "kiosk-1" in in_words
    assert "normal 2" in in_words


def test_records_shows_the_operations_parts_as_stored(home: Path) -> None:
    enrol(home)
    fill(home)
    rows = said("fleet", "records", "--home", home)
    assert rows == [{"record": f"kiosk-1/{EPOCH.hex()}/normal/{n}", **PART} for n in (1, 2)]
    assert said("fleet", "records", "--home", home, "--device", "kiosk-1") == rows
    assert "2025-11-24T16Z  accepted  -" in tram("fleet", "records", "--home", home).stdout


def test_a_device_that_is_not_enrolled_is_told_by_the_exit_code(home: Path) -> None:
    result = tram("fleet", "records", "--home", home, "--device", "kiosk-9", "--json")
    assert (result.exit_code, result.stdout) == (1, "")


@pytest.mark.parametrize("command", ["devices", "records", "serve"])
def test_a_folder_that_is_no_fleet_is_left_as_it_was(tmp_path: Path, command: str) -> None:
    result = tram("fleet", command, "--home", tmp_path)
    assert result.exit_code == 3
    assert not list(tmp_path.iterdir())


def test_a_fleet_is_not_made_over_another(home: Path) -> None:
    result = tram("fleet", "init", "--home", home, "--json")
    assert (result.exit_code, result.stdout) == (3, "")
    assert "not empty" in result.stderr


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"card": "sim://card"}, 1),
        ({"device": "Kiosk"}, 1),
        ({"site": "a b"}, 1),
        ({}, 0),
    ],
)
def test_enrol_says_by_its_exit_code_who_must_act(
    home: Path, changes: dict[str, str], code: int
) -> None:
    assert enrol(home, **changes).exit_code == code


def test_enrol_twice_and_into_a_full_folder_fail(home: Path) -> None:
    assert enrol(home).exit_code == 0
    assert enrol(home, device="kiosk-2").exit_code == 3  # the folder is full
    (home.parent / "k").rename(home.parent / "moved")
    assert enrol(home).exit_code == 1  # the name is taken


def test_enrol_answers_programs(home: Path) -> None:
    trust = home.parent / "trust"
    trust.mkdir()
    (trust / "csca.der").write_bytes(b"x")
    made = said(
        *("provision", "enrol", "--fleet", home, "--home", home.parent / "k", "--trust", trust),
        *("--device", "kiosk-1", "--site", "hn-1", "--card", "pcsc://0", "--camera", "v4l2://0"),
        *("--net", "strict"),
    )
    assert 'net = "strict"' in (home.parent / "k" / "device.toml").read_text()
    assert made == {"device": "kiosk-1", "site": "hn-1", "home": str(home.parent / "k")}


def test_a_link_without_its_files_says_so(tmp_path: Path) -> None:
    result = tram("link", "run", "--home", tmp_path, "--socket", tmp_path / "link.sock")
    assert result.exit_code == 3
    assert "tram link:" in result.stderr


@pytest.mark.parametrize("group", [fleet_commands, link_commands, provision_commands])
def test_every_command_has_help_with_an_example_and_its_exit_codes(group: click.Group) -> None:
    result = tram(group.name or "", "--help")
    assert "Example: tram" in result.stdout
    for name in group.commands:
        result = tram(group.name or "", name, "--help")
        assert result.exit_code == 0
        assert f"Example: tram {group.name} {name}" in result.stdout
        assert "Exit codes:" in result.stdout


def test_a_log_line_keeps_words_about_machines_only() -> None:
    event = {
        "event": "groups_taken",
        "groups": 3,
        "why": "x" * 1_000,
        "device": None,
        "name": "NGUYEN VAN A",
        "payload": b"999095012345",
        "error": ValueError("NGUYEN"),
    }
    kept = only_known_keys(None, "info", event)
    assert kept == {
        "event": "groups_taken",
        "groups": 3,
        "why": "x" * MAX_TEXT_CHARS,
        "device": None,
        "left_out": 3,
    }
