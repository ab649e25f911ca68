"""The line to the broker: mutual TLS 1.3, one connection after another, with jitter between.

Knows paho and one device's topics. Does not know what a group or a receipt says, nor which to send:
`shipper` decides. Nothing is queued here; what is published while the line is down is dropped,
because the shipper asks for it again. MQTT 5 is spoken, but nothing depends on more than 3.1.1.
"""

from __future__ import annotations

import json
import random
import ssl
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import paho.mqtt.client as paho
import structlog
from paho.mqtt.enums import CallbackAPIVersion

from kiosk.link.backoff import FullJitter

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from paho.mqtt.properties import Properties
    from paho.mqtt.reasoncodes import ReasonCode

log = structlog.get_logger(__name__)

KEEPALIVE_S = 20
CONNECT_S = 5.0
JOIN_S = 10.0
"""How long a broker may take to greet us and take our subscription."""
END_S = 1.0
MAX_MESSAGE_BYTES = 65_536
IN_FLIGHT = 48
"""Messages without a PUBACK: what the shipper may hold of all lanes, so that none waits here."""
UNDER_WAY = 2 * IN_FLIGHT
"""Messages that paho may keep; beyond, what is published is dropped and asked for again."""
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 60.0


@dataclass(frozen=True, slots=True)
class Address:
    """Where the broker is and the files that prove both ends to each other."""

    host: str
    port: int
    authority: Path
    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of one device that the link uses."""

    groups: str
    receipts: str
    status: str


@dataclass(frozen=True, slots=True)
class LineUp:
    """The broker took our subscription: publishing works, receipts will come."""


@dataclass(frozen=True, slots=True)
class LineDown:
    """There is no connection now."""


@dataclass(frozen=True, slots=True)
class MessageCame:
    """A message on the receipts topic, at most `MAX_MESSAGE_BYTES`."""

    payload: bytes


Happening: TypeAlias = LineUp | LineDown | MessageCame


def tls_context(address: Address) -> ssl.SSLContext:
    """Return a context that speaks TLS 1.3 only, shows our certificate and checks the broker's.

    Raises:
        OSError: a file is missing or is not what it should be (ssl.SSLError is one).
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(cafile=address.authority)
    context.load_cert_chain(address.certificate, address.key)
    return context


def status_message(*, online: bool) -> bytes:
    """Return the retained status: whether the link is there, and nothing else."""
    return json.dumps({"link": "online" if online else "offline"}).encode()


class Line:
    """Keeps a connection to the broker for as long as it lives; its thread calls `happened`."""

    def __init__(
        self, address: Address, topics: Topics, happened: Callable[[Happening], None]
    ) -> None:
        """Read the TLS files.

        Raises:
            OSError: a file is missing or is not what it should be.
        """
        self._address = address
        self._topics = topics
        self._happened = happened
        self._context = tls_context(address)
        self._backoff = FullJitter(FIRST_WAIT_S, LONGEST_WAIT_S, random.SystemRandom().random)
        self._stopping = threading.Event()
        self._lost = threading.Event()
        self._client: paho.Client | None = None
        self._thread = threading.Thread(target=self._keep, name="mqtt-line", daemon=True)

    def start(self) -> None:
        """Begin to connect."""
        self._thread.start()

    def stop(self) -> None:
        """Say that we leave, and end; a connection that hangs is left to the end of the process."""
        self._stopping.set()
        client = self._client
        if client is not None:
            client.publish(self._topics.status, status_message(online=False), qos=0, retain=True)
        self._lost.set()
        self._thread.join(END_S)

    def publish_group(self, sealed: bytes) -> None:
        """Publish one group with QoS 1, or drop it if there is no connection."""
        client = self._client
        if client is not None and client.is_connected():
            client.publish(self._topics.groups, sealed, qos=1)

    def publish_status(self, signed: bytes) -> None:
        """Publish the station's own status, to be retained, or drop it without a connection."""
        client = self._client
        if client is not None and client.is_connected():
            client.publish(self._topics.status, signed, qos=1, retain=True)

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
            wait_s = self._backoff.next_s()

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
        self._happened(LineDown())

    def _new_client(self) -> paho.Client:
        client = paho.Client(
            CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5, reconnect_on_failure=False
        )
        client.connect_timeout = CONNECT_S
        client.max_inflight_messages_set(IN_FLIGHT)
        client.max_queued_messages_set(UNDER_WAY)
        client.tls_set_context(self._context)
        client.will_set(self._topics.status, status_message(online=False), qos=1, retain=True)
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
            client.subscribe(self._topics.receipts, qos=1)

    def _on_subscribe(
        self, client: paho.Client, _data: Any, _mid: int, codes: list[ReasonCode], _more: Any
    ) -> None:
        if any(code.is_failure for code in codes):
            log.warning("subscription_refused")
            self._lost.set()
            return
        self._backoff.succeeded()
        self._client = client
        client.publish(self._topics.status, status_message(online=True), qos=1, retain=True)
        log.info("broker_joined")
        self._happened(LineUp())

    def _on_message(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        if len(message.payload) <= MAX_MESSAGE_BYTES:
            self._happened(MessageCame(bytes(message.payload)))

    def _on_disconnect(
        self, _client: paho.Client, _data: Any, _flags: Any, code: ReasonCode, _more: Any
    ) -> None:
        log.info("broker_lost", code=str(code))
        self._lost.set()
