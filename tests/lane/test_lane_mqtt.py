"""Link, broker and fleet as real processes: what a station filed is at the fleet exactly once.

The station's end is a test program over a real queue (lane_station); everything else is what a
device and a fleet run.
"""

from __future__ import annotations

import random
import shutil
import socket
import ssl
import threading
from base64 import b64encode
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import paho.mqtt.client as paho
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from lane_fleet import SHARDS, TERM_S, Fleet, Process, tram, until
from lane_station import NAME, NUMBER, Station, draft, open_queue, own_socket
from paho.mqtt.enums import CallbackAPIVersion

from fleet.home import INGEST_NAME
from tram.parts.service import KEYS
from wire.cose import PrivateKeySigner
from wire.receipt import Receipt, claimed_receipt, sign_receipt
from wire.topics import shard_of, topic

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from paho.mqtt.reasoncodes import ReasonCode

    from kiosk.outbox import Outbox

pytestmark = pytest.mark.lane

MAX_LOGGED_CHARS = 40
TAKEN, NOBODY_LISTENS, NOT_AUTHORISED = 0, 16, 135
"""MQTT 5's reason codes."""


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with Fleet(tmp_path_factory.mktemp("lane")).running() as running:
        yield running


@dataclass
class Client:
    """A plain MQTT client with somebody's certificate; it waits for what it asks."""

    inner: paho.Client
    came: list[bytes] = field(default_factory=list)
    codes: dict[int, int] = field(default_factory=dict)

    def publish(self, where: str, payload: bytes) -> int:
        """Publish with QoS 1 and return the broker's reason code."""
        sent = self.inner.publish(where, payload, qos=1)
        until(lambda: sent.mid in self.codes, within_s=5, what="a PUBACK")
        return self.codes[sent.mid]


@contextmanager
def client(fleet: Fleet, certificate: Path, key: Path, *, listen: str | None = None):
    """Connect as somebody, subscribed to a topic."""
    inner = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
    inner.tls_set(str(fleet.home.broker / "ca.cert.pem"), str(certificate), str(key))
    found, ready = Client(inner), threading.Event()

    def published(_c: object, _d: object, mid: int, code: ReasonCode, _p: object) -> None:
        found.codes[mid] = code.value

    def connected(*_: object) -> None:
        if listen is None:
            ready.set()
        else:
            inner.subscribe(listen, qos=1)

    inner.on_publish = published
    inner.on_connect = connected
    inner.on_subscribe = lambda *_: ready.set()
    inner.on_message = lambda _c, _d, message: found.came.append(message.payload)
    inner.connect(fleet.told["host"], fleet.told["port"])
    inner.loop_start()
    try:
        assert ready.wait(5)
        yield found
    finally:
        inner.disconnect()
        inner.loop_stop()


def as_device(fleet: Fleet, home: Path, *, listen: str | None = None):
    keys = home / "keys"
    return client(fleet, keys / "tls.cert.pem", keys / "tls.key.pem", listen=listen)


def as_ingest(fleet: Fleet):
    """Connect as whoever has taken ingest's certificate, but not its receipt keys."""
    folder = fleet.home.ingest
    return client(fleet, folder / "tls.cert.pem", folder / "tls.key.pem")


def groups(home: Path, device: str, marks: range) -> list[bytes]:
    """File records in a device's queue and return its groups."""
    with open_queue(home, device) as queue:
        for mark in marks:
            queue.append([draft(mark)])
        found: list[bytes] = []
        while more := queue.unacknowledged("normal", len(found), 16):
            found += [group.raw for group in more]
    return found


def forged_receipt(queue: Outbox, high_water: int) -> bytes:
    """Return what the fleet would say of a queue, signed by a key that nobody knows."""
    (last,) = [one for one in queue.unacknowledged("normal") if one.last == high_water]
    receipt = Receipt(
        shard=shard_of(queue.device, shards=SHARDS),
        device=queue.device,
        epoch=queue.epoch,
        lane="normal",
        high_water=high_water,
        chain_head=last.head,
        audit_head=bytes(32),
    )
    return sign_receipt(receipt, PrivateKeySigner(ec.generate_private_key(ec.SECP256R1())))


def in_clear(raw: bytes) -> list[bytes]:
    """Return which planted bytes of a person stand in something, in any of their spellings."""
    planted = [NUMBER.encode(), NAME.encode(), NAME.split("<")[0].encode()]
    spelt = {
        form
        for plain in planted
        for form in (
            plain,
            plain.hex().encode(),
            b64encode(plain)[:-4],
            b64encode(b"x" + plain)[4:-4],
            b64encode(b"xx" + plain)[4:-4],
            plain.decode().encode("utf-16-le"),
        )
    }
    return [form for form in spelt if form in raw]


def test_fifty_records_arrive_once_through_killed_brokers_and_ingests(fleet: Fleet) -> None:
    home = fleet.enrol("kiosk-1")
    link = fleet.link(home)
    with Station(home, "kiosk-1", shards=SHARDS) as station:
        link.start()
        station.file([draft(mark) for mark in range(10)])
        until(lambda: station.waiting() == 0, within_s=15, what="the first ten")
        assert station.linked
        fleet.broker.kill()
        until(lambda: not station.linked, within_s=5, what="the link says that it is down")
        station.file([draft(mark) for mark in range(10, 25)])
        fleet.broker.start()
        until(lambda: station.waiting() < 15, within_s=20, what="the first after the broker")
        fleet.ingest.kill()
        station.file([draft(mark) for mark in range(25, 48)])
        station.file([draft(mark, lane="urgent") for mark in (48, 49)])
        fleet.ingest.start()
        until(lambda: station.waiting() == 0, within_s=20, what="all")
        until(lambda: station.waiting("urgent") == 0, within_s=20, what="the urgent ones")
        assert (station.refused, station.meetings) == (0, 1)
        code, took_s = link.end()
        assert (code, took_s < TERM_S) == (0, True)
        status = station.queue.status()
    epoch = status["epoch"]
    words = ("--home", str(fleet.home.root))
    found = tram("fleet", "records", *words, "--device", "kiosk-1")
    assert [row["record"] for row in found] == [
        *(f"kiosk-1/{epoch}/normal/{seq}" for seq in range(1, 49)),
        *(f"kiosk-1/{epoch}/urgent/{seq}" for seq in (1, 2)),
    ]
    assert [row["at_hour"] for row in found] == list(range(50))
    until(lambda: fleet.device("kiosk-1").link == "offline", within_s=5, what="its last word")
    (row,) = [row for row in tram("fleet", "devices", *words) if row["id"] == "kiosk-1"]
    assert (row["records"], row["refused"], row["forks"], row["site"]) == (50, 0, 0, "hn-ward-7")
    assert [(lane["lane"], lane["high_water"]) for lane in row["lanes"]] == [
        ("normal", 48),
        ("urgent", 2),
    ]
    _nobody_stands_anywhere(fleet)
    _only_machines_are_logged(link, fleet.ingest)


def _only_machines_are_logged(*processes: Process) -> None:
    """A log line has words about machines: no key beyond them, and no room for a payload."""
    for process in processes:
        assert process.log()
        for line in process.log():
            assert set(line) <= KEYS
            assert all(len(str(value)) < MAX_LOGGED_CHARS for value in line.values())


def _nobody_stands_anywhere(fleet: Fleet) -> None:
    """Scan every file that device, broker and fleet wrote; the scan itself can find."""
    control = fleet.folder / "control"
    control.write_bytes(b"before " + b64encode(b"IDVNM" + NUMBER.encode() + NAME.encode()))
    seen = {
        path.relative_to(fleet.folder).as_posix(): in_clear(path.read_bytes())
        for path in fleet.folder.rglob("*")
        if path.is_file()
    }
    assert seen.pop("control")
    control.unlink()
    assert {"fleet/fleet.db", "kiosk-1/outbox.db", "kiosk-1/link.log", "ingest.log"} <= set(seen)
    assert "fleet/broker/mosquitto.log" in seen
    assert not {name: found for name, found in seen.items() if found}


def test_any_order_and_repetition_on_the_wire_is_stored_once(fleet: Fleet) -> None:
    home = fleet.enrol("shuffled")
    sealed = groups(home, "shuffled", range(12))
    rng = random.Random(7)
    ev = topic("shuffled", "ev", shards=SHARDS)
    marks: list[int] = []
    with as_device(fleet, home, listen=topic("shuffled", "ack", shards=SHARDS)) as device:
        # the last first: a gap, until ingest is there to say so
        until(lambda: device.publish(ev, sealed[-1]) == TAKEN, within_s=10, what="ingest listens")
        for rounds in range(60):
            for one in rng.choices(sealed, k=10):
                assert device.publish(ev, one) == TAKEN
            until(lambda n=rounds: len(device.came) > n, within_s=5, what="a receipt a round")
            marks = [claimed_receipt(raw).high_water for raw in device.came]
            if marks[-1] == len(sealed):
                break
    assert marks == sorted(marks)
    assert marks[-1] == len(sealed)
    found = fleet.records("shuffled")
    assert [row["at_hour"] for row in found] == list(range(12))
    assert fleet.forks("shuffled") == 0


def test_a_device_speaks_and_hears_under_its_own_name_only(fleet: Fleet) -> None:
    theirs, mine = fleet.enrol("victim"), fleet.enrol("thief")
    sealed = groups(theirs, "victim", range(1))[0]
    with as_device(fleet, theirs, listen=topic("victim", "ack", shards=SHARDS)) as victim:
        listen = topic("victim", "ack", shards=SHARDS)
        with as_device(fleet, mine, listen=listen) as thief:
            for kind in ("ev", "st", "ack", "cmd"):
                forged = topic("victim", kind, shards=SHARDS)
                assert thief.publish(forged, sealed) == NOT_AUTHORISED
            # under its own name somebody else's group is not believed
            own = topic("thief", "ev", shards=SHARDS)
            assert thief.publish(own, sealed) in (TAKEN, NOBODY_LISTENS)
            # under another shard's topic a true group is not heard, or refused
            wrong = (shard_of("victim", shards=SHARDS) + 1) % SHARDS
            victim.publish(f"f/1/{wrong}/victim/ev", sealed)
            assert fleet.records("victim") == []
            ev = topic("victim", "ev", shards=SHARDS)
            until(lambda: victim.publish(ev, sealed) == TAKEN, within_s=10, what="ingest listens")
            until(lambda: victim.came, within_s=5, what="the receipt")
            assert thief.came == []
    assert len(fleet.records("victim")) == 1
    assert fleet.records("thief") == []
    why = {line["why"] for line in fleet.ingest.log() if line["event"] == "message_dropped"}
    assert {"signature_invalid", "topic_foreign"} <= why


@pytest.mark.parametrize("shown", ["nothing", "its own making"])
def test_without_a_certificate_of_the_fleets_nobody_is_heard(
    fleet: Fleet, shown: str, tmp_path: Path
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(fleet.home.broker / "ca.cert.pem")
    if shown != "nothing":
        from datetime import UTC, datetime

        from provisioning.certificates import Authority

        own = Authority.create("Tram fleet authority", now=datetime.now(UTC))
        made = own.issue_client(INGEST_NAME, now=datetime.now(UTC))
        (tmp_path / "cert.pem").write_bytes(made.certificate_pem)
        (tmp_path / "key.pem").write_bytes(made.key_pem)
        context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    connect = b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01x"
    answer = b""
    with (
        socket.create_connection((fleet.told["host"], fleet.told["port"]), timeout=5) as plain,
        suppress(ssl.SSLError, ConnectionError),
        context.wrap_socket(plain, server_hostname=fleet.told["host"]) as tls,
    ):
        tls.sendall(connect)  # TLS 1.3: the client learns of its refusal when it reads
        answer = tls.recv(4)
    assert answer == b""


def test_a_receipt_by_another_key_moves_nothing(fleet: Fleet) -> None:
    home = fleet.enrol("doubter")
    link = fleet.link(home)
    with Station(home, "doubter", shards=SHARDS) as station:
        fleet.ingest.kill()
        station.file([draft(1), draft(2)])
        link.start()
        until(lambda: station.linked, within_s=10, what="the link")
        forged = forged_receipt(station.queue, 2)
        ack = topic("doubter", "ack", shards=SHARDS)
        with as_ingest(fleet) as ingest:
            assert ingest.publish(ack, b"\xd2\x84 no receipt at all") == TAKEN
            assert ingest.publish(ack, forged) == TAKEN
        until(lambda: station.refused, within_s=5, what="the station hears the forged receipt")
        assert station.waiting() == 2
        assert station.believed == 0
        fleet.start_ingest()
        station.file([draft(3)])  # ahead of what was lost: the fleet says where to go on from
        until(lambda: station.waiting() == 0, within_s=15, what="all three")
        assert link.end()[0] == 0
    assert [row["at_hour"] for row in fleet.records("doubter")] == [1, 2, 3]
    assert "receipt_unreadable" in {line["event"] for line in link.log()}
    _only_machines_are_logged(link, fleet.ingest)


def test_the_stations_own_socket_replays_to_a_fleet_put_back_from_a_backup(fleet: Fleet) -> None:
    home = fleet.enrol("replayed")
    link, backup = fleet.link(home), fleet.folder / "backup.db"
    with own_socket(home, "replayed", shards=SHARDS) as station:
        link.start()
        station.file(range(3))
        until(lambda: station.waiting == 0, within_s=15, what="what the backup has")
        fleet.ingest.end()
        shutil.copyfile(fleet.home.database, backup)
        fleet.start_ingest()
        station.file(range(3, 6))
        until(lambda: station.waiting == 0, within_s=15, what="what the backup lacks")
        fleet.ingest.end()
        shutil.copyfile(backup, fleet.home.database)
        fleet.start_ingest()
        station.file(range(6, 8))  # on its way already when the fleet turns out to be behind
        until(lambda: station.waiting == 0, within_s=15, what="the replay")
        assert not station.server.health.forked
        assert link.end()[0] == 0
    assert [row["at_hour"] for row in fleet.records("replayed")] == list(range(8))
    assert fleet.forks("replayed") == 0


def test_the_stations_own_socket_gives_again_what_a_forged_receipt_made_the_link_forget(
    fleet: Fleet,
) -> None:
    home = fleet.enrol("deceived")
    link = fleet.link(home)
    with own_socket(home, "deceived", shards=SHARDS) as station:
        fleet.ingest.kill()
        station.file(range(2))
        link.start()
        until(lambda: station.server.health.online, within_s=10, what="the link")
        with as_ingest(fleet) as ingest:
            ack = topic("deceived", "ack", shards=SHARDS)
            assert ingest.publish(ack, forged_receipt(station.queue, 2)) == TAKEN
        until(lambda: station.server.health.refused, within_s=5, what="the forged receipt")
        assert station.waiting == 2
        fleet.start_ingest()
        station.file(range(2, 3))
        until(lambda: station.waiting == 0, within_s=15, what="all three")
        assert link.end()[0] == 0
    assert [row["at_hour"] for row in fleet.records("deceived")] == [0, 1, 2]
