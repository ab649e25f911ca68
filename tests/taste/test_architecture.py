"""What each room drags in when it is imported: import-linter's contracts, held at run time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ALONE = ROOT / "build" / "emrtd-env" / "bin" / "python"

NEVER = {
    "emrtd": {"wire", "hw", "models", "kiosk", "fleet", "smartcard", "numpy", "PIL", "asyncio"},
    "wire": {"emrtd", "hw", "models", "kiosk", "fleet", "sqlite3", "asyncio"},
    "kiosk.session": {"hw", "models", "sqlite3", "textual", "paho", "asyncio", "numpy"},
    "kiosk.outbox": {"hw", "models", "paho", "textual", "numpy"},
    "kiosk.link": {"hw", "models", "emrtd", "sqlite3", "textual", "kiosk.session", "kiosk.station"},
    "kiosk.link.main": {"hw", "models", "emrtd", "sqlite3", "textual", "kiosk.station", "numpy"},
    "kiosk.station": {"models", "textual", "paho", "ai_edge_litert", "smartcard"},
    "kiosk.station.main": {"models", "textual", "paho", "ai_edge_litert", "smartcard", "PIL"},
    "kiosk.vision.worker": {"emrtd", "wire.group", "sqlite3", "paho", "textual", "kiosk.station"},
    "models": {"hw", "kiosk", "emrtd", "wire", "socket"},
    "fleet.ingest": {"kiosk", "hw", "models", "textual", "numpy"},
    "hw.card": {"models", "kiosk", "hw.camera", "smartcard", "numpy"},
    "hw.camera": {"models", "kiosk", "emrtd", "hw.card"},
    "hw.finger": {"models", "kiosk", "emrtd", "hw.card", "hw.camera", "serial", "PIL", "numpy"},
}


def modules_after(importing: str, *, python: str = sys.executable, cwd: Path = ROOT) -> set[str]:
    """Return the names of all modules a fresh interpreter holds after one import."""
    code = f"import {importing}, sys, json; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [python, "-W", "error", "-c", code], capture_output=True, text=True, cwd=cwd, check=True
    )
    return set(json.loads(done.stdout))


@pytest.mark.parametrize("room", NEVER)
def test_importing_a_room_brings_nothing_it_may_not_know(room: str) -> None:
    held = modules_after(room)
    assert room in held
    strangers = {
        name
        for name in held
        for never in NEVER[room]
        if name == never or name.startswith(f"{never}.")
    }
    assert not strangers


def test_emrtd_stands_alone_as_a_wheel() -> None:
    if not ALONE.exists():
        pytest.skip("build/emrtd-env: made by `make test`")
    held = modules_after(
        "emrtd, emrtd.sim, emrtd.verify, emrtd.inspect", python=str(ALONE), cwd=Path("/")
    )
    assert "emrtd.pace" in held
    assert not held & {"wire", "kiosk", "hw", "models", "numpy", "smartcard", "click"}
    where = subprocess.run(
        [ALONE, "-c", "import emrtd; print(emrtd.__file__)"],
        capture_output=True,
        text=True,
        check=True,
        cwd="/",
    ).stdout.strip()
    assert "site-packages" in where
    assert Path(where).is_relative_to(ROOT / "build" / "emrtd-env")


def test_the_emrtd_under_test_is_this_checkouts() -> None:
    import emrtd

    assert Path(emrtd.__file__) == ROOT / "emrtd" / "__init__.py"


def test_nothing_committed_names_a_registry_or_this_machine() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], capture_output=True, text=True, cwd=ROOT, check=True
    ).stdout.split("\0")
    hosts = [
        part + "." + ending
        for part, ending in (
            ("pypi", "org"),
            ("npmjs", "org"),
            ("npmjs", "com"),
            ("pythonhosted", "org"),
            ("deb.debian", "org"),
        )
    ]
    home = os.fspath(ROOT.parent) + os.sep
    words = [*hosts, home] if len(ROOT.parts) > 2 else hosts
    for name in filter(None, listed):
        path = ROOT / name
        if path.is_file():
            text = path.read_bytes().decode("utf-8", "replace")
            assert not [word for word in words if word in text], name
