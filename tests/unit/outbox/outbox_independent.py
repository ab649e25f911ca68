"""What a queue's files hold, counted by somebody else.

By bytes, sqlite3, cbor2 and OpenSSL's signatures; nothing of the product is imported here.

A record is accounted for if its group, signed, lies where the station would send it from, if a
signed tombstone spans its number and the bytes that it names are in the quarantine, or if a fleet
has it.
"""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import cbor2
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import load_der_public_key

if TYPE_CHECKING:
    from pathlib import Path


@dataclass
class Held:
    """What was counted.

    Attributes:
        records: (lane, seq) to the SHA-256 of its sealed record.
        tombstones: (lane, first, last, name of the quarantine).
        ends: lane to (the last number accounted for, the head after it).
    """

    records: dict[tuple[str, int], bytes] = field(default_factory=dict)
    tombstones: list[tuple[str, int, int, bytes]] = field(default_factory=list)
    ends: dict[str, tuple[int, bytes]] = field(default_factory=dict)

    def spans(self, lane: str, seq: int) -> bytes | None:
        """The quarantine of the tombstone that stands for a number, if there is one."""
        for of, first, last, quarantine in self.tombstones:
            if of == lane and first <= seq <= last:
                return quarantine
        return None


def signed(raw: bytes, public_key_der: bytes) -> tuple[str, dict[str, Any], bytes]:
    """(kind, body, payload) of a COSE_Sign1 that this key signed."""
    protected, unprotected, payload, signature = cbor2.loads(raw).value
    header = cbor2.loads(protected)
    assert set(header) == {1, 3}
    assert header[1] == -7
    assert not unprotected
    message = cbor2.dumps(["Signature1", protected, b"", payload])
    key = load_der_public_key(public_key_der)
    assert isinstance(key, ec.EllipticCurvePublicKey)
    halves = (int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
    key.verify(encode_dss_signature(*halves), message, ec.ECDSA(hashes.SHA256()))
    return header[3].removeprefix("application/x.tram-"), cbor2.loads(payload), payload


def held(path: Path, public_key_der: bytes, *, after: dict[str, int]) -> Held:
    """Walk every lane behind what the fleet acknowledged, as whoever sends it must.

    Args:
        path: a closed queue.
        public_key_der: the station's.
        after: lane to the number behind which it is to be whole.
    """
    found = Held()
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        (epoch,) = db.execute("SELECT epoch FROM meta").fetchone()
        for lane, next_seq, acked, head in db.execute(
            "SELECT lane, next_seq, acked_seq, chain_head FROM lanes"
        ).fetchall():
            assert acked >= after.get(lane, 0) or acked == 0
            end, last_head = _walk(db, lane, epoch, public_key_der, found, after.get(lane, 0))
            assert end in (next_seq - 1, None), (lane, end, next_seq)
            assert last_head in (head, None)
            found.ends[lane] = (next_seq - 1, head)
    return found


def _walk(
    db: sqlite3.Connection, lane: str, epoch: bytes, key: bytes, found: Held, after: int
) -> tuple[int | None, bytes | None]:
    end: int | None = None
    head: bytes | None = None
    for (raw,) in db.execute("SELECT raw FROM groups WHERE lane = ? ORDER BY first", (lane,)):
        kind, body, payload = signed(raw, key)
        assert (body["lane"], body["epoch"]) == (lane, epoch)
        assert end is None or body["first"] == end + 1
        assert head is None or body["previous_head"] == head
        if end is None:
            assert body["first"] <= after + 1, "what the fleet lacks is missing"
        own = hashlib.sha256(body["previous_head"] + hashlib.sha256(payload).digest()).digest()
        if kind == "group":
            end, head = body["first"] + body["count"] - 1, own
            for n, record in enumerate(body["records"]):
                digest = hashlib.sha256(cbor2.dumps(record)).digest()
                found.records[lane, body["first"] + n] = digest
        else:
            assert kind == "tombstone"
            end, head = body["last"], body["next_head"] or own
            found.tombstones.append((lane, body["first"], body["last"], body["quarantine"]))
    return end, head


def kept_bytes(path: Path) -> dict[bytes, dict[str, bytes]]:
    """Name to what is in quarantine; the name is made anew, from lengths and contents."""
    kept = {}
    folder = path.with_name(path.name + ".quarantine")
    for each in folder.iterdir() if folder.is_dir() else ():
        digest, files = hashlib.sha256(), {}
        for name in (path.name, path.name + "-wal", path.name + "-wal.kept"):
            file = each / name
            raw = file.read_bytes() if file.exists() else b""
            digest.update(len(raw).to_bytes(8, "big") + raw)
            files[name] = raw
        assert digest.hexdigest().startswith(each.name)
        kept[digest.digest()] = files
    return kept


def readable(path: Path, public_key_der: bytes) -> dict[tuple[str, int], bytes]:
    """Every signed record that plain sqlite3 still reads from a file, whatever else is wrong."""
    found: dict[tuple[str, int], bytes] = {}
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        for (rowid,) in db.execute("SELECT id FROM groups").fetchall():
            try:
                (raw,) = db.execute("SELECT raw FROM groups WHERE id = ?", (rowid,)).fetchone()
                _, body, _ = signed(raw, public_key_der)
            except (sqlite3.Error, TypeError, ValueError, InvalidSignature, AssertionError):
                continue
            for n, record in enumerate(body.get("records", ())):
                digest = hashlib.sha256(cbor2.dumps(record)).digest()
                found[body["lane"], body["first"] + n] = digest
    return found
