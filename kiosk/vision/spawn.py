"""Start a vision worker by hand, where no systemd starts one per connection.

Knows the worker's command line and its socket. Stdlib alone: who starts a worker decodes nothing.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import IO, Final

MODULE: Final = "kiosk.vision"
IMPORT_ROOT: Final = Path(__file__).parents[2]
ENVIRONMENT: Final = {"LANG": "C.UTF-8", "PATH": os.defpath, "PYTHONPATH": str(IMPORT_ROOT)}
"""All that the worker gets of it: nothing that the station was started with."""


def spawn(
    camera: str,
    models: Path,
    *,
    net: str | None = None,
    production: bool = False,
    stderr: IO[bytes] | int | None = None,
) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """Start a worker, which loads its models at once and then waits for `Watch`.

    Args:
        camera: the camera's URL; what is relative in it is so to this process's folder.
        models: the folder of the model files.
        net: the name of the net that embeds, or "strict"; by default the worker's own choice.
        production: whether simulated cameras are refused.
        stderr: where its few lines go; by default to this process's. To a file they end soon, for
            the worker may not write to files.

    Returns:
        The process, and this end of the socket: SOCK_SEQPACKET, one message a frame of
        `kiosk.vision.port`. Close it, and the worker ends within half a second; then wait for the
        process.

    Raises:
        OSError: it cannot be started.
    """
    options = ["--camera", camera, "--models", str(models)]
    options += [] if net is None else ["--net", net]
    options += ["--production"] if production else []
    return _start(options, stderr)


def spawn_touch(
    models: Path, *, stderr: IO[bytes] | int | None = None
) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """Start a touch worker, whose frames are those of `kiosk.vision.touch_port`.

    Args:
        models: the folder of the model files.
        stderr: where its few lines go; by default to this process's.

    Returns:
        The process, and this end of the socket, as `spawn` does.

    Raises:
        OSError: it cannot be started.
    """
    return _start(["--touch", "--models", str(models)], stderr)


def _start(
    options: list[str], stderr: IO[bytes] | int | None
) -> tuple[subprocess.Popen[bytes], socket.socket]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    end = str(theirs.fileno())
    # -P and PYTHONPATH: this program is found wherever it runs, and nothing else of that folder.
    command = [sys.executable, "-P", "-s", "-m", MODULE, "--fd", end, *options]
    try:
        process = subprocess.Popen(
            command,
            pass_fds=(theirs.fileno(),),
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            # An interrupt typed at the station is the station's; its hanging up ends the worker.
            start_new_session=True,
        )
    except BaseException:
        ours.close()
        raise
    finally:
        theirs.close()
    return process, ours
