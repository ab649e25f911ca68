"""Ingest's line to the broker: messages in order into a bounded queue, receipts out.

Knows paho and mutual TLS 1.3. Does not know what a message says. When ingest is slow the queue
fills, the line stops reading, and the broker holds back or drops: that is safe, because a device
sends again until it has its receipt.
"""

from __future__ import annotations

import queue
import random
import ssl
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import paho.mqtt.client as paho
import structlog
from paho.mqtt.enums import CallbackAPIVersion

if TYPE_CHECKING:
    from pathlib import Path

    from paho.mqtt.properties import Properties
    from paho.mqtt.reasoncodes import ReasonCode

log = structlog.get_logger(__name__)

KEEPALIVE_S = 20
CONNECT_S = 5.0
JOIN_S = 10.0
"""How long the broker may take to greet us and take our subscriptions."""
LONGEST_WAIT_S = 2.0
"""Ingest is one process near its broker: it may come back at once, with a little jitter."""
END_S = 1.0
QUEUED_MESSAGES = 256
MAX_MESSAGE_BYTES = 131_072
LOOK_S = 0.2


@dataclass(frozen=True, slots=True)
class Address:
    """Where the broker is and the files that prove both ends to each other."""

    host: str
    port: int
    authority: Path
    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class Message:
    """What came: its topic and its payload, at most `MAX_MESSAGE_BYTES`.

    A retained one was published before we subscribed, nobody knows when.
    """

    topic: str
    payload: bytes = field(repr=False)
    retained: bool = False


class Line:
    """Keeps a connection and its subscriptions for as long as it lives."""

    def __init__(self, address: Address, subscriptions: tuple[str, ...]) -> None:
        """Read the TLS files.

        Raises:
            OSError: a file is missing or is not what it should be.
        """
        self._address = address
        self._subscriptions = subscriptions
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._context.minimum_version = ssl.TLSVersion.TLSv1_3
        self._context.load_verify_locations(cafile=address.authority)
        self._context.load_cert_chain(address.certificate, address.key)
        self._messages: queue.Queue[Message] = queue.Queue(QUEUED_MESSAGES)
        self._stopping = threading.Event()
        self._lost = threading.Event()
        self._client: paho.Client | None = None
        self._thread = threading.Thread(target=self._keep, name="mqtt-line", daemon=True)

    def start(self) -> None:
        """Begin to connect."""
        self._thread.start()

    def stop(self) -> None:
        """Disconnect and end; a connection that hangs is left to the end of the process."""
        self._stopping.set()
        self._lost.set()
        self._thread.join(END_S)

    def take(self, *, at_most: int, wait_s: float) -> list[Message]:
        """Return what has come, oldest first; nothing if nothing comes within `wait_s`."""
        taken: list[Message] = []
        try:
            taken.append(self._messages.get(timeout=wait_s))
            while len(taken) < at_most:
                taken.append(self._messages.get_nowait())
        except queue.Empty:
            pass
        return taken

    def publish(self, topic: str, payload: bytes) -> None:
        """Publish with QoS 1, or drop it if there is no connection: the device will ask again."""
        client = self._client
        if client is not None and client.is_connected():
            client.publish(topic, payload, qos=1)

    def _keep(self) -> None:
        wait_s = 0.0
        while not self._stopping.wait(wait_s):
            self._lost.clear()
            if self._stopping.is_set():  # stop() came between the two
                return
            client = self._new_client()
            try:
                client.connect(self._address.host, self._address.port, keepalive=KEEPALIVE_S)
            except (OSError, ValueError) as error:  # ValueError: what is no host name
                log.info("broker_unreachable", error=type(error).__name__)
            else:
                self._hold(client)
            wait_s = random.SystemRandom().uniform(0, LONGEST_WAIT_S)

    def _hold(self, client: paho.Client) -> None:
        """Serve one connection until it is lost or we stop."""
        client.loop_start()
        if self._lost.wait(JOIN_S) or self._client is client:
            self._lost.wait()
        else:
            log.warning("broker_silent")
        self._client = None
        client.disconnect()
        client.loop_stop()

    def _new_client(self) -> paho.Client:
        client = paho.Client(
            CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5, reconnect_on_failure=False
        )
        client.connect_timeout = CONNECT_S
        client.tls_set_context(self._context)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_disconnect = self._on_disconnect
        return client

    def _on_connect(
        self,
        client: paho.Client,
        _data: Any,
        _flags: Any,
        code: ReasonCode,
        _more: Properties | None,
    ) -> None:
        if code.is_failure:
            log.warning("broker_refused", code=str(code))
            self._lost.set()
        else:
            client.subscribe([(topic, 1) for topic in self._subscriptions])

    def _on_subscribe(
        self, client: paho.Client, _data: Any, _mid: int, codes: list[ReasonCode], _more: Any
    ) -> None:
        if any(code.is_failure for code in codes):
            log.warning("subscription_refused")
            self._lost.set()
            return
        self._client = client
        log.info("broker_joined", topics=len(self._subscriptions))

    def _on_message(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        """Queue it; while the queue is full this thread waits, and the socket with it."""
        came = Message(message.topic, bytes(message.payload), retained=message.retain)
        waiting = len(came.payload) <= MAX_MESSAGE_BYTES
        while waiting and not self._stopping.is_set():
            with suppress(queue.Full):
                self._messages.put(came, timeout=LOOK_S)
                waiting = False

    def _on_disconnect(
        self, _client: paho.Client, _data: Any, _flags: Any, code: ReasonCode, _more: Any
    ) -> None:
        log.info("broker_lost", code=str(code))
        self._lost.set()
