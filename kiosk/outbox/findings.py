"""What is left of a damaged queue: looked for in its files as they lie on the disk.

Knows where to look (the database, its log, the copy of a log that was kept, the marks) and what
proves a find: the station's signature, or a row's checksum. Lets SQLite look at a copy only; the
files themselves are not touched. Does not mend.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kiosk.outbox.carve import Carver, Place
from kiosk.outbox.errors import QueueBroken, QueueDamaged, QueueFailed, QueueNewer
from kiosk.outbox.examine import examine
from kiosk.outbox.marks import Known, read_marks
from kiosk.outbox.salvage import LaneFound, LanePlan, Piece, plan
from kiosk.outbox.store import DEFAULT_QUOTA_BYTES, MIN_QUOTA_BYTES, LaneState, Store
from wire.errors import WireError
from wire.group import Group, genesis_head, verify_group
from wire.record import LANES, MAX_SEQ
from wire.tombstone import Tombstone, is_tombstone, verify_tombstone

if TYPE_CHECKING:
    from wire.record import Lane

KEPT_LOG: Final = "-wal.kept"
"""The ending of a copy of a log: SQLite throws away what it doesn't believe."""
COPY_BYTES: Final = 1024 * 1024

_QUOTA_LIMIT: Final = 2**40


@dataclass(frozen=True, slots=True)
class Survey:
    """What was found of a damaged queue, and what it would become.

    Attributes:
        epoch: of which queue; None: nothing tells, and nothing can be said of what it held.
        quota_bytes: the database's bound.
        lanes: what each lane becomes.
        why: what is wrong; None: it is whole.
    """

    epoch: bytes | None
    quota_bytes: int
    lanes: tuple[LanePlan, ...]
    why: str | None

    @property
    def whole(self) -> bool:
        """Whether there is nothing to mend."""
        return self.why is None


@dataclass(slots=True)
class _Finds:
    """What a carver came upon, by lane."""

    pieces: dict[tuple[bytes, Lane], list[Piece]] = field(default_factory=dict)
    rows: dict[Lane, list[tuple[int, LaneState, bytes]]] = field(
        default_factory=lambda: {lane: [] for lane in LANES}
    )
    epochs: Counter[bytes] = field(default_factory=Counter)
    owners: list[bytes] = field(default_factory=list)
    quotas: list[int] = field(default_factory=list)


def what_is_wrong(path: Path, *, device: str, station_key: bytes) -> str | None:
    """Let SQLite and `examine` look at a copy; return what they say, None if it is whole.

    Raises:
        QueueNewer: a newer version made it.
        OSError: no room for the copy, or the disk refuses.
    """
    known = read_marks(path)
    if not path.exists():
        return "the database is missing"
    with tempfile.TemporaryDirectory(prefix=path.name, dir=path.parent) as folder:
        copy = Path(folder) / "copy.db"
        try:
            copy_file(path, copy)
            if beside(path, "-wal").exists():
                copy_file(beside(path, "-wal"), beside(copy, "-wal"))
        except OSError as error:
            if error.errno == errno.EIO:
                return "the disk doesn't give the whole file"
            raise
        return _examined(copy, known, device=device, station_key=station_key)


def _examined(copy: Path, known: Known | None, *, device: str, station_key: bytes) -> str | None:
    try:
        store = Store.open(copy)
    except QueueNewer:
        raise
    except QueueFailed as error:
        return str(error)
    try:
        owner = store.owner()
        if (owner.device, owner.station_key) != (device, station_key):
            return "it names another owner"
        examine(store, station_key=station_key)
        check_marks(store, known)
    except (QueueBroken, QueueDamaged) as error:
        return str(error)
    finally:
        store.close()
    return None


def check_marks(store: Store, known: Known | None) -> None:
    """Compare a database with what is known of it outside.

    Raises:
        QueueBroken: records were filed that it doesn't hold.
        QueueFailed: the file can't be used.
    """
    if known is None or known.epoch != store.owner().epoch:
        return
    for state in store.lanes():
        if known.given is None and known.ceilings[state.lane]:
            raise QueueBroken(state.lane, state.next_seq, "how far it was filed is not known")
        if known.given is not None and known.given[state.lane] >= state.next_seq:
            raise QueueBroken(state.lane, state.next_seq, "what was filed is not in the file")


def survey_of(path: Path, *, device: str, station_key: bytes, why: str | None) -> Survey:
    """Return what can be found of a queue, and what mending it would make of that.

    Args:
        path: the database; no station has it open.
        device: the station's id.
        station_key: SubjectPublicKeyInfo of the key that signed its groups.
        why: what is wrong.

    Raises:
        QueueFailed: nothing in it is this station's.
    """
    known = read_marks(path)
    if known is not None and not known.of(device, station_key):
        known = None
    with carver_of(path) as carver:
        finds = _finds(carver, device, station_key)
    if known is None and not finds.epochs and not finds.owners:
        raise QueueFailed("nothing in it is this station's")
    epoch = _epoch(finds, known)
    quota = next((each for each in finds.quotas), DEFAULT_QUOTA_BYTES)
    lanes: tuple[LanePlan, ...] = ()
    if epoch is not None:
        marks = known if known is not None and known.epoch == epoch else None
        lanes = tuple(plan(_lane_found(finds, lane, device, epoch, marks)) for lane in LANES)
    return Survey(epoch, quota, lanes, why)


def _epoch(finds: _Finds, known: Known | None) -> bytes | None:
    """Return which queue it was: what most signatures say, else the marks, else a row."""
    if finds.epochs:
        return finds.epochs.most_common(1)[0][0]
    if known is not None:
        return known.epoch
    return finds.owners[0] if finds.owners else None


def _lane_found(
    finds: _Finds, lane: Lane, device: str, epoch: bytes, known: Known | None
) -> LaneFound:
    sound = [(view, state) for view, state, kept in finds.rows[lane] if kept == state.sum(epoch)]
    state = max(
        (state for view, state in sound if view == 0),
        key=lambda state: state.next_seq,
        default=None,
    )
    given = None if known is None else known.given
    if known is not None and given is None and known.ceilings[lane]:
        state = None  # whether it is the newest, nothing tells
    return LaneFound(
        lane=lane,
        pieces=tuple(finds.pieces.get((epoch, lane), ())),
        state=state,
        acked=max((state.acked_seq for _, state in sound), default=0),
        given=0 if given is None else given[lane],
        ceiling=None if known is None else known.ceilings[lane],
        genesis=genesis_head(device=device, epoch=epoch, lane=lane),
    )


def _finds(carver: Carver, device: str, station_key: bytes) -> _Finds:
    """Sort what a carver comes upon; only what is signed, or has a checksum, is a find."""
    finds, seen = _Finds(), set[bytes]()
    for place, row in carver.rows():
        match row:
            case (_, str(), int(), int(), bytes(), bytes(), int(at), bytes(raw), *_):
                digest = hashlib.sha256(raw).digest()
                if digest in seen:
                    continue
                seen.add(digest)
                _note_piece(finds, verified(raw, device, station_key), at, place)
            case (str(lane), int(next_seq), int(acked), bytes(head), bytes(checksum)) if (
                lane in finds.rows and 0 <= acked < next_seq <= MAX_SEQ
            ):
                state = LaneState(lane, next_seq, acked, head)
                finds.rows[lane].append((place.view, state, checksum))
            case (_, str(owner), bytes(epoch), bytes(key), int(quota), *_) if (owner, key) == (
                device,
                station_key,
            ) and len(epoch) == len(bytes(16)):
                finds.owners.append(epoch)
                if MIN_QUOTA_BYTES <= quota <= _QUOTA_LIMIT:
                    finds.quotas.append(quota)
            case _:
                pass
    return finds


def _note_piece(finds: _Finds, signed: Group | Tombstone | None, at: int, place: Place) -> None:
    if signed is None:
        return
    body = signed.body
    finds.epochs[body.epoch] += 1
    lost = isinstance(signed, Tombstone)
    piece = Piece(body.first, body.count, body.previous_head, signed.head, lost, at, place)
    finds.pieces.setdefault((body.epoch, body.lane), []).append(piece)


def verified(raw: bytes, device: str, station_key: bytes) -> Group | Tombstone | None:
    """Return what the station signed; None for anything else."""
    verify = verify_tombstone if is_tombstone(raw) else verify_group
    try:
        signed = verify(raw, station_key)
    except WireError:
        return None
    return signed if signed.body.device == device else None


def carver_of(path: Path) -> Carver:
    """Open a queue's files to be read without SQLite."""
    return Carver(path, (beside(path, "-wal"), beside(path, KEPT_LOG)))


def copy_file(source: Path, target: Path) -> None:
    """Copy a file, for its owner alone.

    Raises:
        OSError: no room, or the disk doesn't give it.
    """
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(handle, "wb") as new, source.open("rb") as old:  # noqa: PTH123 - a descriptor
        shutil.copyfileobj(old, new, COPY_BYTES)


def beside(path: Path, ending: str) -> Path:
    """Return the file that lies beside a database under its name and an ending."""
    return path.with_name(path.name + ending)
