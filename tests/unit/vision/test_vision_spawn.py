"""What starting a worker costs whoever starts it, and how a stuck one ends."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kiosk.vision.spawn import spawn

ROOT = Path(__file__).parents[3]
MODELS = ROOT / "build" / "models"
READY = (MODELS / "mobilefacenet.tflite").exists()
STUCK = """
import time
from kiosk.vision import worker
worker.GRACE_S = 0
worker._end_within(0.5)
while True:
    time.sleep(60)
"""


LOADING = """
import socket, sys, time
from pathlib import Path
from kiosk.vision import worker
worker.GRACE_S, worker.LOAD_MAX_S = 0, 0.5
def stuck(models, net):
    time.sleep(60)
worker.Eyes = stuck
ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
worker.run(fd=theirs.detach(), camera="file:///x", models=Path("/"), net=None, production=False)
"""
WAITING = """
import signal, socket, sys
from pathlib import Path
from kiosk.vision import worker
ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
left = []
class Told:
    def write(self, line):
        if worker.Phase.LOADED in line:
            left.append(signal.alarm(0))
            ours.close()
    def flush(self):
        pass
sys.stderr = Told()
camera, models = f"file://{sys.argv[2]}", Path(sys.argv[1])
code = worker.run(fd=theirs.detach(), camera=camera, models=models, net=None, production=False)
sys.exit(code or left != [0])
"""


def test_whoever_starts_a_worker_sees_no_pixel() -> None:
    code = (
        "import kiosk.vision.spawn, kiosk.vision.port, sys, json; print(json.dumps([*sys.modules]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    held = {name.split(".")[0] for name in json.loads(done.stdout)}
    assert not held & {"numpy", "PIL", "models", "hw", "ai_edge_litert", "asyncio"}


def test_a_worker_without_its_models_says_so_and_ends(tmp_path: Path) -> None:
    process, wire = spawn("file:///nowhere", tmp_path, stderr=subprocess.PIPE)
    with wire, process:
        wire.settimeout(20)
        assert b"device_failed" in wire.recv(4096)
        assert wire.recv(4096) == b""
        assert process.wait(5) == 1
        assert b"nowhere" not in process.stderr.read()


def test_systemd_tells_the_worker_which_net_compares() -> None:
    unit = (ROOT / "systemd" / "kiosk-vision@.service").read_text()
    assert "--net=${TRAM_NET} " in unit
    assert re.search(r"^Environment=.*\bTRAM_NET=$", unit, re.MULTILINE), "empty unless it is told"
    assert "EnvironmentFile=-/etc/tram/vision.env" in unit


def test_a_process_that_is_stuck_is_ended_by_the_kernel() -> None:
    done = subprocess.run([sys.executable, "-c", STUCK], cwd=ROOT, check=False, timeout=30)
    assert done.returncode == -signal.SIGALRM


def test_a_worker_whose_models_never_come_is_ended_by_the_kernel() -> None:
    done = subprocess.run([sys.executable, "-c", LOADING], cwd=ROOT, check=False, timeout=30)
    assert done.returncode == -signal.SIGALRM


@pytest.mark.skipif(not READY, reason="build/models: made by `make setup`")
def test_a_worker_that_has_its_models_may_wait_for_a_citizen(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WAITING, MODELS, tmp_path]
    assert subprocess.run(command, cwd=ROOT, check=False, timeout=30).returncode == 0


def test_without_a_socket_it_does_not_start(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "kiosk.vision", "--camera", "file:///x", "--models", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 2
    wrong = subprocess.run(
        [*command, "--fd", "77"], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert wrong.returncode == 1
    assert "Traceback" not in wrong.stderr
