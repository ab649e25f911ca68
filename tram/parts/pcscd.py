"""A private PC/SC service with a virtual reader, for a demo or a test.

Knows one pcscd process in a mount namespace of its own, so that it disturbs no service of this
machine and needs no root, and ends it by its own id with bounded waits. Does not know what is
played to the virtual reader: that is `hw.card.vpcd`.
"""

from __future__ import annotations

import atexit
import fcntl
import functools
import itertools
import os
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tram.parts.child import Child, ended_with_us

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

VPCD = Path("/usr/lib/pcsc/drivers/serial/libifdvpcd.so")
SBIN = "/usr/sbin:/usr/local/sbin"
"""Where Debian puts pcscd; an ordinary user's PATH has neither."""
SOCKET_VARIABLE = "PCSCLITE_CSOCK_NAME"
READY_S = 5.0
LOCK_S = 15.0
POLL_S = 0.01
PORTS = range(20_000, 30_000, 2)
"""Pairs, for vpcd's reader has two slots; below the ports that Linux gives to clients."""

_IN_NAMESPACE = """
[ -d /run/pcscd ] || { mount -t tmpfs none /run && mkdir /run/pcscd; } || exit 90
mount --bind "$1" /run/pcscd || exit 91
configuration=$2
shift 2
exec "$@" --foreground --config "$configuration"
"""


class ReaderServiceFailed(Exception):
    """pcscd or vpcd is not installed, or the service did not start in its time."""


class Pcscd(Child):
    """One pcscd with the readers "Virtual PCD 00 00" and "00 01"; a context manager.

    While entered, PCSCLITE_CSOCK_NAME names it. The PC/SC library reads that variable once in a
    process, so every service that one process starts has the same socket: one at a time.
    `start`, `stop` and `kill` may be called again and again.

    Attributes:
        port: where vpcd listens for the card of the first slot; kept over restarts.
    """

    def __init__(self) -> None:
        super().__init__()
        self.port = 0
        self._before: str | None = None

    def __enter__(self) -> Self:
        self._before = os.environ.get(SOCKET_VARIABLE)
        self.start()
        os.environ[SOCKET_VARIABLE] = str(self.socket)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        if self._before is None:
            os.environ.pop(SOCKET_VARIABLE, None)
        else:
            os.environ[SOCKET_VARIABLE] = self._before

    @property
    def socket(self) -> Path:
        """The service's socket."""
        return _directory() / "run" / "pcscd.comm"

    def start(self) -> None:
        """Start it and wait until clients and cards can connect.

        Raises:
            ReaderServiceFailed: something is not installed, or it did not come up in its time.
        """
        if self.running:
            return
        program = shutil.which("pcscd") or shutil.which("pcscd", path=SBIN)
        if program is None:
            raise ReaderServiceFailed("pcscd is not installed (Debian: pcscd)")
        if not VPCD.exists():
            raise ReaderServiceFailed("the virtual reader is not installed (vsmartcard-vpcd)")
        run = _directory() / "run"
        shutil.rmtree(run, ignore_errors=True)
        run.mkdir()
        with _only_one_chooses():
            self.port = _free_pair(first=self.port)
            self._process = self._launch(program, run)
            self._wait_until_ready(self._process)

    def _launch(self, program: str, run: Path) -> subprocess.Popen[bytes]:
        configuration = _directory() / "reader.conf"
        configuration.write_text(
            'FRIENDLYNAME "Virtual PCD"\n'
            f"DEVICENAME /dev/null:{self.port:#06x}\n"
            f"LIBPATH {VPCD}\n"
            f"CHANNELID {self.port:#06x}\n"
        )
        namespace = "-m" if os.geteuid() == 0 else "-rm"
        # Neither unshare nor the shell stays: the process that is started is pcscd in the end. What
        # a new user namespace forgets, that it ends with us, is said inside.
        pcscd = ended_with_us(program)
        arguments = ["sh", "-c", _IN_NAMESPACE, "sh", str(run), str(configuration), *pcscd]
        with self._log.open("wb") as log:
            return subprocess.Popen(
                ["unshare", namespace, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        until = time.monotonic() + READY_S
        while time.monotonic() < until:
            if process.poll() is not None:
                self._process = None
                raise ReaderServiceFailed(f"pcscd ended with {process.returncode}{self._last()}")
            if self._takes_clients() and _is_listening(self.port):
                return
            time.sleep(POLL_S)
        self.kill()
        raise ReaderServiceFailed(f"pcscd was not ready in {READY_S:.0f} s{self._last()}")

    def _takes_clients(self) -> bool:
        with socket.socket(socket.AF_UNIX) as client:
            return client.connect_ex(str(self.socket)) == 0

    @property
    def _log(self) -> Path:
        return _directory() / "pcscd.log"

    def _last(self) -> str:
        """Return the last line it said, to end a message with."""
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return f": {lines[-1][:200]}" if lines else ""


@functools.cache
def _directory() -> Path:
    """Return this process's folder; it goes when the process ends."""
    directory = Path(tempfile.mkdtemp(prefix="tram-pcscd-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return directory


@contextmanager
def _only_one_chooses() -> Iterator[None]:
    """Hold this user's lock while a port is chosen and taken."""
    path = Path(tempfile.gettempdir()) / f"tram-pcscd-{os.getuid()}.lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        until = time.monotonic() + LOCK_S
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > until:
                    raise ReaderServiceFailed(f"another start holds {path}") from None
                time.sleep(POLL_S)
        yield
    finally:
        os.close(descriptor)


def _free_pair(*, first: int) -> int:
    """Return a port that is free like the one after it; the first asked for, if it is."""
    place = PORTS.index(first) if first else os.getpid() % len(PORTS)
    for port in itertools.chain(PORTS[place:], PORTS[:place]):
        if _is_free(port) and _is_free(port + 1):
            return port
    raise ReaderServiceFailed("no two ports are free")


def _is_free(port: int) -> bool:
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            # vpcd listens on every address.
            trial.bind(("", port))
        except OSError:
            return False
        return True


def _is_listening(port: int) -> bool:
    """Whether someone listens there: asked of the kernel, for to connect is to insert a card."""
    wanted = f":{port:04X}"
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, _, state = line.split()[:4]
        if state == "0A" and local.endswith(wanted):
            return True
    return False
