"""A link in a thread, and a station that is a bare socket, for the tests of the link."""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from kiosk.link.home import LinkConfig
from kiosk.link.main import run
from provisioning.certificates import Authority
from wire.handover import GroupOut, Hello, decode, encode
from wire.topics import shard_of
from wire.versions import HANDOVER_VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from wire.handover import Frame

DEVICE = "kiosk-1"
SHARDS = 8
EPOCH = b"\x07" * 16
DEVICE_TOML = """\
id = "kiosk-1"
shards = 8

[broker]
host = "127.0.0.1"
port = {port}
"""
HELLO = Hello(
    version=HANDOVER_VERSION, device=DEVICE, epoch=EPOCH, shard=shard_of(DEVICE, shards=SHARDS)
)


def closed_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def link_home(folder: Path, *, named: str = DEVICE, toml: str = DEVICE_TOML) -> Path:
    """Make a folder that holds just what a link needs."""
    now = datetime.now(UTC)
    authority = Authority.create("test", now=now)
    made = authority.issue_client(named, now=now)
    keys = folder / "keys"
    keys.mkdir(parents=True)
    (keys / "tls.cert.pem").write_bytes(made.certificate_pem)
    (keys / "tls.key.pem").write_bytes(made.key_pem)
    (keys / "broker-ca.pem").write_bytes(authority.certificate_pem)
    (folder / "device.toml").write_text(toml.format(port=closed_port()))
    return folder


def group(first: int, raw: bytes = b"sealed", *, count: int = 1, lane: str = "normal") -> bytes:
    return encode(GroupOut(lane=lane, first=first, count=count, raw=raw))  # type: ignore[arg-type]  # a literal


class BareStation:
    """A listening socket whose conversations the test leads itself."""

    def __init__(self, path: Path) -> None:
        self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listening.bind(os.fspath(path))
        self._listening.listen(1)
        self._listening.settimeout(5)

    def accept(self, hello: Frame | bytes | None = HELLO) -> socket.socket:
        """Take the next link and greet it."""
        link, _ = self._listening.accept()
        link.settimeout(5)
        if hello is not None:
            link.send(hello if isinstance(hello, bytes) else encode(hello))
        return link

    def close(self) -> None:
        self._listening.close()


def hear(link: socket.socket) -> Frame | None:
    """Return the next frame; None when the link hung up."""
    raw = link.recv(200_000)
    return decode(raw) if raw else None


def hung_up(link: socket.socket) -> bool:
    """Whether the link hangs up, whatever it still says."""
    try:
        while link.recv(200_000):
            pass
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False
    return True


@contextmanager
def running(config: LinkConfig) -> Iterator[None]:
    """Run a link; it must end within two seconds of being told."""
    stopping, failures = threading.Event(), []

    def serve() -> None:
        try:
            run(config, stopping)
        except BaseException as failure:  # noqa: BLE001 - the test raises it
            failures.append(failure)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        begun_s = time.monotonic()
        stopping.set()
        thread.join(5)
        took_s = time.monotonic() - begun_s
    assert not failures
    assert took_s < 2


@contextmanager
def linked(folder: Path) -> Iterator[BareStation]:
    """Run a link without a broker beside a bare station."""
    config = LinkConfig.load(link_home(folder / "home"), folder / "link.sock")
    station = BareStation(folder / "link.sock")
    try:
        with running(config):
            yield station
    finally:
        station.close()
