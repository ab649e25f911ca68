"""The commands as people run them: data on stdout, talk on stderr, the documented exit codes."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import select
import signal
import stat
import struct
import subprocess
import sys
import termios
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tram.parts.stage import CAN, NUMBER, Stage, build

pytestmark = pytest.mark.lane

ROOT = Path(__file__).parents[2]
MODELS, PORTRAITS = ROOT / "build" / "models", ROOT / "build" / "portraits"
KEYS = {"outcome", "reasons", "checks", "face", "finger", "record", "row", "apdus", "ms"}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    made = Stage(tmp_path_factory.mktemp("verify") / "stage")
    build(made, models=MODELS, portraits=PORTRAITS, say=lambda _: None)
    return made


def tram(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tram", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=ROOT,
        env={**os.environ, "TRAM_HOME": "nowhere"},
    )


def verify(stage: Stage, *more: str | Path, **changed: str) -> tuple[int, dict[str, Any], str]:
    given = {
        "card": f"sim://card?file={stage.card('2021')}",
        "camera": stage.camera_url("holder", flat=False),
        "can": CAN,
        "home": str(stage.device.root),
        **changed,
    }
    options = [part for key, value in given.items() for part in (f"--{key}", value)]
    done = tram("verify", *options, "--json", *more)
    return done.returncode, json.loads(done.stdout) if done.stdout else {}, done.stderr


def test_the_holder_is_accepted_and_nothing_but_json_is_on_stdout(stage: Stage) -> None:
    code, row, said = verify(stage, "--verbose")
    assert (code, row["outcome"], row["reasons"]) == (0, "accepted", [])
    assert set(row) == KEYS
    assert row["checks"] == {
        "pa": "passed", "aa": "passed", "ca": "passed", "cam": "absent", "ta": "absent",
        "live": "passed",
    }  # fmt: skip
    assert row["face"]["band"] in {"same", "same_strong"}
    assert all(json.loads(line)["event"] for line in said.splitlines())
    assert NUMBER not in said
    assert CAN not in said.replace(row["record"], "")


def test_a_print_is_referred_and_the_wait_is_not_silent(stage: Stage) -> None:
    code, row, said = verify(stage, camera=stage.camera_url("holder", flat=True))
    assert (code, row["outcome"], row["reasons"]) == (1, "referred", ["not_live"])
    assert re.search(r"(turn left|turn right|blink) … \d+ s", said)
    assert "{" not in said


def test_a_photograph_on_file_is_nobody_alive(stage: Stage) -> None:
    code, row, _ = verify(stage, camera=f"file://{PORTRAITS / 'obama3.jpg'}")
    assert (code, row["outcome"]) == (1, "referred")


def test_the_code_on_the_card_opens_it_too(stage: Stage) -> None:
    code, row, _ = verify(
        stage,
        "--qr", f"{NUMBER}||Nguyễn Văn Mẫu|14031995|Nam|Xã Mẫu|01062021",
        can="",
    )  # fmt: skip
    assert (code, row) == (2, {}), "two keys are one too many"
    options = ["--card", f"sim://card?file={stage.card('2024')}", "--home", stage.device.root]
    options += ["--camera", stage.camera_url("holder", flat=False)]
    done = tram("verify", *options, "--qr", f"{NUMBER}||x|14031995|Nam|x|01062021", "--json")
    assert (done.returncode, json.loads(done.stdout)["outcome"]) == (0, "accepted")


def test_a_wrong_key_is_a_wrong_key(stage: Stage) -> None:
    code, row, _ = verify(stage, can="999999")
    assert (code, row["outcome"], row["reasons"][0]) == (1, "incomplete", "wrong_password")
    assert row["record"] is not None


@pytest.mark.parametrize(
    ("device", "url", "reason"),
    [
        ("card", "sim://card?file=/nothing.json", "device_missing"),
        ("card", "nfc://0", "device_url"),
        ("camera", "webcam://0", "device_url"),
        ("camera", "sim://camera?file=/nobody.npz", "device_missing"),
        ("camera", f"sim://camera?file={__file__}", "device_failed"),
        ("camera", "file:///no/picture.jpg", "device_missing"),
        ("models", "/nowhere", "device_missing"),
    ],
)
def test_what_cannot_work_begins_no_session_and_is_named(
    stage: Stage, device: str, url: str, reason: str
) -> None:
    code, row, said = verify(stage, **{device: url})
    assert (code, row["outcome"], row["reasons"], row["record"]) == (
        3, "incomplete", [reason], None,
    )  # fmt: skip
    assert url in said


def test_a_device_that_does_not_answer_is_named_and_what_to_do(
    stage: Stage, tmp_path: Path
) -> None:
    code, row, said = verify(stage, camera="v4l2:///dev/no-such-video")
    assert (code, row["outcome"], row["reasons"]) == (3, "incomplete", ["device_missing"])
    assert row["record"] is not None
    assert "device_missing: camera v4l2:///dev/no-such-video: the device: No such" in said
    assert (said.count("device_missing"), said.count("camera ")) == (1, 1)
    assert "card reader" not in said
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PCSCLITE_CSOCK_NAME", str(tmp_path / "nobody.comm"))
        code, row, said = verify(stage, card="pcsc://0")
    assert (code, row["record"], row["reasons"]) == (3, None, ["device_missing"])
    assert "device_missing: card reader pcsc://0: " in said
    assert "does pcscd run?" in said
    assert "camera" not in said


def test_a_home_that_is_none_is_said_and_nothing_is_printed(stage: Stage, tmp_path: Path) -> None:
    code, row, said = verify(stage, home=str(tmp_path))
    assert (code, row) == (3, {})
    (line,) = [line for line in said.splitlines() if line.startswith("tram verify: ")]
    assert line.count(str(tmp_path / "device.toml")) == 1
    assert "Errno" not in line
    assert "make demo" in line


def test_another_trust_makes_the_issuer_unknown(stage: Stage, tmp_path: Path) -> None:
    code, row, _ = verify(stage, trust=str(tmp_path))
    assert (code, row["outcome"], row["reasons"]) == (1, "referred", ["issuer_unknown"])
    assert row["checks"]["pa"] == "unknown_issuer"


def test_another_queue_gets_the_record(stage: Stage, tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    code, row, _ = verify(stage, outbox=str(path), can="999999")
    assert code == 1
    assert row["record"].endswith("/normal/1")
    shown = json.loads(tram("outbox", "status", "--outbox", path, "--json").stdout)
    assert (shown["lanes"]["normal"]["waiting"], shown["chain"]) == (1, "ok")


class Terminal:
    """A terminal with a kiosk in it, whose home names a reader that is not there."""

    def __init__(self, stage: Stage, *options: str) -> None:
        self._keys, screen = pty.openpty()
        fcntl.ioctl(screen, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "tram", "kiosk", "--home", stage.device.root),
                *("--models", MODELS, *options),
            ],
            stdin=screen, stdout=screen, stderr=screen, cwd=ROOT, start_new_session=True,
            env={**os.environ, "TERM": "xterm-256color", "PCSCLITE_CSOCK_NAME": "/nobody.comm"},
        )  # fmt: skip
        os.close(screen)

    def see(self, text: str, *, within_s: float = 30.0) -> None:
        """Wait until something was shown."""
        shown, until = b"", time.monotonic() + within_s
        while text.encode() not in shown:
            assert time.monotonic() < until, shown[-2000:]
            if select.select([self._keys], [], [], 0.2)[0]:
                shown += os.read(self._keys, 65_536)

    def press(self, key: bytes) -> None:
        os.write(self._keys, key)

    def end(self, within_s: float = 20.0) -> int | None:
        """Return the exit code, or None if it goes on."""
        until = time.monotonic() + within_s
        while time.monotonic() < until and self.process.poll() is None:
            with contextlib.suppress(OSError):
                if select.select([self._keys], [], [], 0.2)[0]:
                    os.read(self._keys, 65_536)
        return self.process.poll()

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._keys)


@pytest.mark.parametrize("key", [b"\x03", b"\x11"], ids=["ctrl-c", "ctrl-q"])
def test_a_kiosk_without_a_reader_is_left_by_a_key(stage: Stage, key: bytes) -> None:
    with closing(Terminal(stage)) as terminal:
        terminal.see("Máy")
        terminal.press(key)
        assert terminal.end() == 0


def test_a_locked_kiosk_is_not(stage: Stage, tmp_path: Path) -> None:
    # A socket of its own: whoever is ended leaves it behind.
    own = ("--link-socket", str(tmp_path / "link.sock"))
    with closing(Terminal(stage, "--locked", *own)) as terminal:
        terminal.see("Máy")
        terminal.press(b"\x03\x11")
        assert terminal.end(within_s=3.0) is None
        terminal.process.terminate()
        assert terminal.end() is not None


def test_a_headless_kiosk_listens_for_its_link_and_ends_when_told(stage: Stage) -> None:
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "tram", "kiosk", "--headless"),
            *("--home", stage.device.root, "--models", MODELS),
        ],
        stderr=subprocess.PIPE,
        cwd=ROOT,
    )
    try:
        until = time.monotonic() + 20
        while not stage.device.link_socket.is_socket():
            assert time.monotonic() < until
            assert process.poll() is None
            time.sleep(0.05)
        assert stat.S_IMODE(stage.device.link_socket.stat().st_mode) == 0o660
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    finally:
        process.kill()
        _, said = process.communicate()
    assert b"Traceback" not in said
    assert not stage.device.link_socket.exists()
