"""Units and drop-ins are what systemd takes, and agree with each other and with the command."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import click
import pytest

from tests.taste.systemd_exposure import CEILING, levels
from tram.kiosk import kiosk

UNITS = Path(__file__).parents[2] / "systemd"
DROP_INS = sorted(UNITS.glob("*.d/*.conf"))
needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)


def lines(path: Path, key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)


@needs_systemd
@pytest.mark.parametrize("drop_in", [None, *DROP_INS], ids=lambda each: each and each.stem)
def test_systemd_takes_every_unit(drop_in: Path | None, tmp_path: Path) -> None:
    for unit in [*UNITS.glob("*.service"), *UNITS.glob("*.socket")]:
        # What is started is not installed where this runs.
        text = re.sub(r"(?m)^ExecStart=/opt/\S+", "ExecStart=/bin/true", unit.read_text())
        (tmp_path / unit.name).write_text(text)
    if drop_in is not None:
        folder = tmp_path / f"{drop_in.parent.stem}.service.d"
        folder.mkdir()
        shutil.copy(drop_in, folder)
    named = [
        str(tmp_path / re.sub("@", "@4501", unit.name))
        for unit in UNITS.iterdir()
        if unit.suffix in {".service", ".socket"}
    ]
    for path in named:
        template = Path(re.sub("@4501", "@", path))
        if template != Path(path):
            shutil.copy(template, path)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", *named],
        capture_output=True,
        text=True,
        check=False,
    )
    ours = [each for each in done.stderr.splitlines() if "kiosk-" in each or "fleet-" in each]
    assert not ours
    assert done.returncode == 0, done.stderr


@needs_systemd
def test_no_unit_is_more_exposed_than_was_decided() -> None:
    found = levels()
    assert found.keys() == CEILING.keys()
    assert {name for name, level in found.items() if level > CEILING[name]} == set()


def test_the_station_is_started_with_options_that_the_command_has() -> None:
    (command,) = lines(UNITS / "kiosk-station.service", "ExecStart")
    program, group, *options = shlex.split(command)
    with kiosk.make_context(group, [*options, "--home", "/"]) as context:
        given = context.params
    assert (program, group) == ("/opt/tram/bin/tram", "kiosk")
    for name in ("vision", "touch"):
        (listened,) = lines(UNITS / f"kiosk-{name}.socket", "ListenSequentialPacket")
        assert str(given[f"{name}_socket"]) == listened
    with pytest.raises(click.NoSuchOption):
        kiosk.make_context(group, ["--tuoch-socket", "x"])


def test_the_station_can_reach_the_workers_sockets() -> None:
    """The folder is made for root: a station that may not enter it has no worker."""
    groups = set(lines(UNITS / "kiosk-station.service", "SupplementaryGroups"))
    for name in ("vision", "touch"):
        unit = UNITS / f"kiosk-{name}.socket"
        assert set(lines(unit, "SocketGroup")) <= groups
        assert lines(unit, "SocketMode") == ["0660"]
        assert lines(unit, "DirectoryMode") == ["0755"]


@pytest.mark.parametrize("name", ["kiosk-touch@.service", "kiosk-vision@.service"])
def test_nets_see_what_processor_they_run_on(name: str) -> None:
    assert lines(UNITS / name, "ProcSubset") == ["all"]
    assert lines(UNITS / name, "ProtectProc") == ["invisible"]


def test_the_line_is_the_group_s_that_the_station_is_given() -> None:
    rules = (UNITS / "udev" / "70-tram-finger.rules").read_text(encoding="utf-8")
    (group,) = lines(UNITS / "kiosk-station.d" / "finger-serial.conf", "SupplementaryGroups")
    active = [each for each in rules.splitlines() if each and not each.startswith("#")]
    assert active
    for rule in active:
        pairs = dict(re.fullmatch(r'([A-Za-z{}]+)(?:==|\+=|=)"([^"]*)"', each).groups()
                     for each in rule.split(", "))  # fmt: skip
        assert (pairs["SUBSYSTEM"], pairs["SYMLINK"]) == ("tty", "tram-finger")
        assert (pairs["GROUP"], pairs["MODE"]) == (group, "0660")


def test_the_stations_own_network_has_one_thing_in_it() -> None:
    """Systemd joins two units' networks only where each of them names the other."""
    drop_in, socket = UNITS / "kiosk-station.d" / "finger-sbi.conf", UNITS / "kiosk-sbi@.socket"
    (wanted,) = lines(drop_in, "Wants")
    assert lines(drop_in, "JoinsNamespaceOf") == [wanted]
    assert lines(socket, "JoinsNamespaceOf") == ["kiosk-station.service"]
    assert lines(socket, "PrivateNetwork") == ["yes"]
    assert lines(UNITS / "kiosk-station.service", "PrivateNetwork") == ["yes"]
    assert lines(drop_in, "PrivateNetwork") == []
