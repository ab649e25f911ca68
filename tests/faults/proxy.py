"""A TCP proxy on loopback that can be told to cut, to swallow, or to let one direction through."""

from __future__ import annotations

import selectors
import socket
import threading
from contextlib import suppress
from typing import Literal, Self

Mode = Literal["open", "cut", "silent", "deaf"]
"""Cut: connections are reset and refused. Silent: nothing passes, nothing is said. Deaf: what the
broker says doesn't pass; what goes to it does."""

CHUNK = 65_536
LOOK_S = 0.02


class Proxy(threading.Thread):
    """Listens on a free port and carries bytes to a port on this machine; a context manager."""

    def __init__(self, to_port: int) -> None:
        super().__init__(name="proxy", daemon=True)
        self._to = ("127.0.0.1", to_port)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._listening.setblocking(False)
        self.port: int = self._listening.getsockname()[1]
        self._pairs: dict[socket.socket, socket.socket] = {}
        self._upward: set[socket.socket] = set()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listening, selectors.EVENT_READ)
        self._mode: Mode = "open"
        self._drop = False
        self._stopping = False

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping = True
        self.join(2)
        for one in [self._listening, *self._pairs]:
            one.close()
        self._selector.close()

    def set(self, mode: Mode, *, drop: bool = False) -> None:
        """Change the weather; `drop` also resets what is connected."""
        self._mode = mode
        self._drop = self._drop or drop or mode == "cut"

    def run(self) -> None:
        while not self._stopping:
            if self._drop:
                self._drop = False
                for one in list(self._pairs):
                    self._close(one)
            stuck = False
            for key, _ in self._selector.select(LOOK_S):
                one: socket.socket = key.fileobj  # type: ignore[assignment]  # we register sockets
                if one is self._listening:
                    self._accept()
                elif one in self._pairs:
                    stuck |= not self._carry(one)
            if stuck:
                threading.Event().wait(LOOK_S)

    def _accept(self) -> None:
        with suppress(OSError):
            near, _ = self._listening.accept()
            if self._mode == "cut":
                near.close()
                return
            try:
                far = socket.create_connection(self._to, timeout=1)
            except OSError:
                near.close()
                return
            for one, other in ((near, far), (far, near)):
                one.setblocking(True)
                one.settimeout(1)
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._pairs[one] = other
                self._selector.register(one, selectors.EVENT_READ)
            self._upward.add(near)

    def _carry(self, one: socket.socket) -> bool:
        """Carry what is there; False if it may not pass now."""
        if self._mode == "silent" or (self._mode == "deaf" and one not in self._upward):
            return False
        try:
            data = one.recv(CHUNK)
            if data:
                self._pairs[one].sendall(data)
            else:
                self._close(one)
        except OSError:
            self._close(one)
        return True

    def _close(self, one: socket.socket) -> None:
        for each in (one, self._pairs.get(one, one)):
            if each in self._pairs:
                del self._pairs[each]
                self._upward.discard(each)
                self._selector.unregister(each)
                each.close()
