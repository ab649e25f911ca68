"""What a process can still do after it gave up what it gives up: tried out in one, from inside."""

from __future__ import annotations

import errno
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PROBE = r"""
import ctypes, json, os, resource, socket, sys
from kiosk.vision import harden

kept, other = int(sys.argv[1]), int(sys.argv[2])
libc = ctypes.CDLL(None, use_errno=True)
held = harden.isolate(kept)
found = {"open": []}
for fd in (kept, other):
    try:
        os.fstat(fd)
        found["open"].append(fd == kept)
    except OSError:
        pass
found["dumpable"] = libc.prctl(3, 0, 0, 0, 0)
found["no_new_privs"] = libc.prctl(39, 0, 0, 0, 0)
status = open("/proc/self/status").read()
found["caps"] = int(status.split("CapEff:")[1].split()[0], 16)
found["core"] = resource.getrlimit(resource.RLIMIT_CORE)
try:
    socket.create_connection(("127.0.0.1", int(sys.argv[4])), timeout=2).close()
    found["network"] = "reached"
except OSError as error:
    found["network"] = error.errno
import models.runtime, numpy
held |= harden.seal()
try:
    with open(sys.argv[3], "wb", buffering=0) as file:
        file.write(b"x")
    found["written"] = True
except OSError as error:
    found["written"] = error.errno
try:
    numpy.ones(2 * 2**30, dtype=numpy.uint8)
    found["memory"] = "2 GiB"
except MemoryError:
    found["memory"] = "refused"
opened = []
try:
    while len(opened) < 1000:
        opened.append(os.dup(0))
except OSError as error:
    found["files"] = error.errno
found["held"] = sorted(held)
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def probed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """What the probe found, with a listener on this machine's loopback to reach for."""
    folder = tmp_path_factory.mktemp("harden")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        pipes = os.pipe()
        try:
            done = subprocess.run(
                [sys.executable, "-c", PROBE, *map(str, pipes), str(folder / "file"),
                 str(listener.getsockname()[1])],
                pass_fds=pipes,
                capture_output=True,
                text=True,
                cwd=ROOT,
                check=True,
            )  # fmt: skip
        finally:
            for each in pipes:
                os.close(each)
    return json.loads(done.stdout)


def needs(probed: dict[str, object], measure: str) -> None:
    if measure not in probed["held"]:
        pytest.skip(f"this kernel does not take {measure}")


def test_only_the_stations_socket_stays_open(probed: dict[str, object]) -> None:
    assert probed["open"] == [True]


def test_it_leaves_no_dump_and_gains_no_privilege(probed: dict[str, object]) -> None:
    assert {"no_dump", "no_core", "no_new_privileges"} <= set(probed["held"])
    assert (probed["dumpable"], probed["no_new_privs"], probed["core"]) == (0, 1, [0, 0])


def test_it_has_no_capability(probed: dict[str, object]) -> None:
    needs(probed, "no_capabilities")
    assert probed["caps"] == 0


def test_it_reaches_no_network_not_even_loopback(probed: dict[str, object]) -> None:
    needs(probed, "no_network")
    assert probed["network"] == errno.ENETUNREACH


def test_it_writes_no_file(probed: dict[str, object]) -> None:
    assert probed["written"] == errno.EFBIG


def test_its_memory_and_its_files_are_bounded(probed: dict[str, object]) -> None:
    assert probed["memory"] == "refused"
    assert probed["files"] == errno.EMFILE
