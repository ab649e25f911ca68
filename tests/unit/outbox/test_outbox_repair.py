"""Damage that was mended: nothing is lost without a word.

Each record whose commit returned waits, is acknowledged, or has a tombstone whose bytes are kept.
Counted by `outbox_independent`, which is not the product's code.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import sqlite3
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from outbox_independent import held, kept_bytes, readable
from outbox_material import DEVICE, NOW, STATION, STRANGER, deliver, draft, marks, opened, receipt

from kiosk.outbox import (
    Acknowledgement,
    OutboxError,
    QueueBroken,
    QueueDamaged,
    QueueFailed,
    QueueFull,
    QueueNewer,
    ReceiptRefused,
    Retention,
    looking,
    quarantine_of,
    repair,
    survey,
)
from kiosk.outbox.marks import LEASE, marks_of, read_marks
from kiosk.outbox.schema import MIGRATIONS
from wire.record import LANES

if TYPE_CHECKING:
    from collections.abc import Callable

    from kiosk.outbox import Outbox, Repaired

PAGE = 4096
KEY = STATION.public_key_der
ACKED = 4
DATABASE, LOG = "outbox.db", "outbox.db-wal"


@dataclass(frozen=True)
class Stage:
    """A queue's folder as it was left, and every record whose commit had returned."""

    folder: Path
    truth: frozenset[tuple[str, int]]

    def copied(self, to: Path) -> Path:
        shutil.rmtree(to, ignore_errors=True)
        shutil.copytree(self.folder, to)
        return to / DATABASE

    def size(self, name: str) -> int:
        return (self.folder / name).stat().st_size


def filled(outbox: Outbox) -> frozenset[tuple[str, int]]:
    """Thirteen commits in two lanes, small, middling and large, the first three acknowledged."""
    rng, truth = random.Random(7), set()
    for n in range(13):
        lane = ("normal", "urgent", "normal")[n % 3]
        sod = (300, 9_000, 30_000)[rng.randrange(3)]
        filed = outbox.append([draft(n, lane=lane, sod=sod) for _ in range(1 + n % 2)])
        truth |= {(one.lane, one.seq) for one in filed}
    assert deliver(outbox, ACKED) is Acknowledgement.ADVANCED
    return frozenset(truth)


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """The database alone: it was closed, its log went into it."""
    folder = tmp_path_factory.mktemp("closed")
    with opened(folder / DATABASE) as outbox:
        truth = filled(outbox)
    return Stage(folder, truth)


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """Database and log, as a power cut leaves them."""
    folder, copy = tmp_path_factory.mktemp("running"), tmp_path_factory.mktemp("killed")
    with opened(folder / DATABASE) as outbox:
        truth = filled(outbox)
        shutil.copytree(folder, copy, dirs_exist_ok=True)
    stage = Stage(copy, truth)
    assert stage.size(LOG) > 20 * PAGE
    return stage


def accounted(path: Path, truth: frozenset[tuple[str, int]]) -> Counter[str]:
    """Count what became of each record; nothing may be missing."""
    found, kept = held(path, KEY, after={"normal": ACKED}), kept_bytes(path)
    counted: Counter[str] = Counter()
    for lane, seq in truth:
        if (lane, seq) in found.records:
            counted["held"] += 1
        elif lane == "normal" and seq <= ACKED:
            counted["acknowledged"] += 1
        else:
            quarantine = found.spans(lane, seq)
            assert quarantine in kept, f"{lane} {seq} is lost without a word"
            counted["tombstone"] += 1
    return counted


def used(path: Path, truth: frozenset[tuple[str, int]]) -> None:
    """Open a damaged queue as a station does, use every door, and file in each lane."""
    with opened(path, mends=True) as outbox:
        for lane in LANES:
            with contextlib.suppress(OutboxError):
                outbox.unacknowledged(lane, None, 1_000)
    repair(path, device=DEVICE, signer=STATION, now=NOW)
    with opened(path, mends=True) as outbox:
        assert outbox.verify()
        filed = [outbox.append([draft(99, lane=lane)])[0] for lane in LANES]
        assert not {(one.lane, one.seq) for one in filed} & truth, "a number was given twice"
        assert outbox.verify()
        assert outbox.status()["chain"] == "ok"


def written(path: Path, raw: bytes) -> None:
    path.write_bytes(raw)


def flipped(name: str, at: int, bit: int = 0) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        raw = bytearray((folder / name).read_bytes())
        raw[at % len(raw)] ^= 1 << bit
        written(folder / name, bytes(raw))

    return damage


def overwritten(name: str, at: int, raw: bytes) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        whole = (folder / name).read_bytes()
        written(folder / name, whole[:at] + raw + whole[at + len(raw) :])

    return damage


def cut(name: str, keep: float) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        raw = (folder / name).read_bytes()
        written(folder / name, raw[: int(len(raw) * keep)])

    return damage


def removed(*names: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        for name in names:
            (folder / name).unlink()

    return damage


def survived(stage: Stage, damage: Callable[[Path], None], to: Path) -> Counter[str]:
    path = stage.copied(to / "case")
    damage(path.parent)
    used(path, stage.truth)
    return accounted(path, stage.truth)


def test_the_checker_counts_what_is_there_and_misses_what_is_not(
    closed: Stage, tmp_path: Path
) -> None:
    path = closed.copied(tmp_path / "case")
    assert accounted(path, closed.truth) == {"held": len(closed.truth)}
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute("DELETE FROM groups WHERE lane = 'urgent' AND first = 1")
    with pytest.raises(AssertionError, match="lacks is missing"):
        accounted(path, closed.truth)
    path = closed.copied(tmp_path / "case")
    with pytest.raises(AssertionError, match="without a word"):
        accounted(path, closed.truth | {("security", 1)})


def test_no_damage_mends_nothing(closed: Stage, killed: Stage, tmp_path: Path) -> None:
    for stage in (closed, killed):
        assert survived(stage, lambda _: None, tmp_path) == {"held": len(stage.truth)}
        assert not quarantine_of(tmp_path / "case" / DATABASE).exists()


def tables(path: Path) -> dict[str, set[int]]:
    """Pages by what they belong to, as SQLite's own tables of contents have it."""
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        roots = dict(db.execute("SELECT name, rootpage FROM sqlite_schema WHERE rootpage > 0"))
    raw = path.read_bytes()
    found = {"schema": {1}}
    for name, root in roots.items():
        found[name], page = {root}, raw[(root - 1) * PAGE : root * PAGE]
        if page[0] in (2, 5):
            cells = int.from_bytes(page[3:5], "big")
            pointers = [int.from_bytes(page[12 + 2 * n :][:2], "big") for n in range(cells)]
            found[name] |= {int.from_bytes(page[at : at + 4], "big") for at in pointers}
            found[name].add(int.from_bytes(page[8:12], "big"))
    return found


@pytest.mark.parametrize("fill", ["zeros", "noise", "one bit"])
@pytest.mark.parametrize(
    "table", ["schema", "meta", "lanes", "groups", "records", "sqlite_autoindex_groups_1"]
)
def test_a_damaged_page_of_each_table(closed: Stage, tmp_path: Path, table: str, fill: str) -> None:
    rng, counts = random.Random(table), Counter[str]()
    for page in sorted(tables(closed.folder / DATABASE)[table]):
        at = (page - 1) * PAGE
        noise = {"zeros": bytes(PAGE), "noise": rng.randbytes(PAGE)}
        damage = (
            flipped(DATABASE, at + PAGE - 1 - rng.randrange(300), rng.randrange(8))
            if fill == "one bit"
            else overwritten(DATABASE, at, noise[fill])
        )
        counts += survived(closed, damage, tmp_path)
    if table == "meta" and fill == "one bit":
        for n in range(0, 8 * 300, 37):  # the row itself, its owner and its epoch
            damage = flipped(DATABASE, 2 * PAGE - 1 - n // 8, n % 8)
            counts += survived(closed, damage, tmp_path)
    if table in ("schema", "meta", "lanes", "records", "sqlite_autoindex_groups_1"):
        assert counts["tombstone"] == 0, "nothing of a record stood there"


def test_every_page_of_zeros(closed: Stage, tmp_path: Path) -> None:
    lost = Counter[str]()
    for page in range(closed.size(DATABASE) // PAGE):
        lost += survived(closed, overwritten(DATABASE, page * PAGE, bytes(PAGE)), tmp_path)
    assert 0 < lost["tombstone"] < lost["held"] / 5


@pytest.mark.parametrize("keep", [0, 0.01, 0.1, 0.4, 0.8, 0.999])
@pytest.mark.parametrize("stage_name", ["closed", "killed"])
def test_a_file_cut_off(
    stage_name: str, keep: float, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    stage: Stage = request.getfixturevalue(stage_name)
    assert survived(stage, cut(DATABASE, keep), tmp_path).total() == len(stage.truth)


@pytest.mark.parametrize("keep", [0, 0.01, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 0.999])
def test_a_log_cut_off(killed: Stage, keep: float, tmp_path: Path) -> None:
    """SQLite finds such a log in order and goes on without its last commits; the marks don't."""
    assert survived(killed, cut(LOG, keep), tmp_path).total() == len(killed.truth)


def test_a_log_without_its_last_commit_loses_just_that(tmp_path: Path) -> None:
    running = tmp_path / "running"
    running.mkdir()
    with opened(running / DATABASE) as outbox:
        outbox.append([draft(1)])
        short = (running / LOG).stat().st_size
        outbox.append([draft(2)])
        stage = Stage(running, frozenset({("normal", 1), ("normal", 2)}))
        path = stage.copied(tmp_path / "case")
    os.truncate(path.with_name(LOG), short)
    with pytest.raises(QueueBroken, match="normal 2"):
        opened(path)
    with opened(path, mends=True) as outbox:
        lost = outbox.unacknowledged("normal", 1)
        assert [(one.lost, one.first) for one in lost] == [(True, 2)]
        assert outbox.append([draft(3)])[0].seq > LEASE
    with pytest.raises(AssertionError, match="lacks is missing"):
        held(path, KEY, after={"normal": -1})
    assert held(path, KEY, after={}).spans("normal", 2) in kept_bytes(path)


def test_what_a_torn_log_still_has_behind_the_tear_is_kept(killed: Stage, tmp_path: Path) -> None:
    """SQLite believes nothing behind the first bad frame, and deletes the log when it is closed."""
    frames = killed.size(LOG) // (PAGE + 24)
    counts = Counter[str]()
    for frame in range(0, frames, 5):
        torn = overwritten(LOG, 32 + frame * (PAGE + 24) + 2_000, bytes(600))
        counts += survived(killed, torn, tmp_path)
    assert counts["tombstone"] < counts["held"] / 5


@pytest.mark.parametrize("first", ["station", "status"])
def test_whoever_opens_first_loses_nothing_that_a_repair_finds(
    killed: Stage, tmp_path: Path, first: str
) -> None:
    """SQLite deletes a log as it closes it, what it didn't believe included."""
    frames, step = killed.size(LOG) // (PAGE + 24), PAGE + 24
    for frame in range(0, frames, 9):
        counts = []
        for opener in ("repair", first):
            path = killed.copied(tmp_path / "case")
            overwritten(LOG, 32 + frame * step + 2_000, bytes(600))(path.parent)
            if opener == "station":
                with opened(path, mends=True):
                    pass
            elif opener == "status":
                with contextlib.suppress(OutboxError), looking(path) as store:
                    store.lanes()
            mended(path)
            counts.append(accounted(path, killed.truth))
        assert counts[0] == counts[1]


@pytest.mark.parametrize("names", [(DATABASE,), (DATABASE, LOG), (LOG,), ("outbox.db.marks",)])
def test_a_file_that_is_gone(killed: Stage, names: tuple[str, ...], tmp_path: Path) -> None:
    assert survived(killed, removed(*names), tmp_path).total() == len(killed.truth)


def test_marks_that_do_not_say_how_far_it_was_filed(killed: Stage, tmp_path: Path) -> None:
    """The log may be cut as well: the lanes begin anew above their ceilings."""

    def damage(folder: Path) -> None:
        os.truncate(folder / "outbox.db.marks", 2 * PAGE)
        cut(LOG, 0.05)(folder)

    assert survived(killed, damage, tmp_path)["tombstone"] > 0


positions = st.tuples(
    st.sampled_from([DATABASE, LOG]),
    st.floats(0, 1, exclude_max=True),
    st.one_of(st.integers(0, 7), st.binary(min_size=1, max_size=700)),
)


@settings(
    max_examples=70, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(positions, min_size=1, max_size=3), st.booleans())
def test_damage_anywhere(
    killed: Stage, tmp_path: Path, places: list[tuple[str, float, int | bytes]], merged: bool
) -> None:
    """One to three wounds, in the database or in its log, of a bit or of up to 700 bytes."""

    def damage(folder: Path) -> None:
        if merged:
            with contextlib.closing(sqlite3.connect(folder / DATABASE)) as db:
                db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        for name, where, how in places:
            size = (folder / name).stat().st_size if (folder / name).exists() else 0
            if not size:
                continue
            at = int(where * size)
            wound = flipped(name, at, how) if isinstance(how, int) else overwritten(name, at, how)
            wound(folder)

    try:
        counted = survived(killed, damage, tmp_path)
    except QueueNewer:  # the version's own bytes: nothing is touched, so nothing is lost
        assert readable(tmp_path / "case" / DATABASE, KEY).keys() >= {
            one for one in killed.truth if one[0] != "normal" or one[1] > ACKED
        }
    else:
        assert counted.total() == len(killed.truth)


def mended(path: Path) -> Repaired:
    return repair(path, device=DEVICE, signer=STATION, now=NOW)


def test_looking_first_changes_nothing_and_says_what_would_be_done(
    closed: Stage, tmp_path: Path
) -> None:
    path = closed.copied(tmp_path / "case")
    groups = sorted(tables(path)["groups"])
    overwritten(DATABASE, groups[-1] * PAGE - 900, bytes(900))(path.parent)
    before = {each.name: each.read_bytes() for each in path.parent.iterdir()}
    plan = survey(path, device=DEVICE, station_key=KEY)
    assert {each.name: each.read_bytes() for each in path.parent.iterdir()} == before
    assert not plan.whole
    assert sum(len(lane.gaps) for lane in plan.lanes) >= 1
    done = mended(path)
    assert done.survey == plan
    assert done.tombstones == sum(len(lane.gaps) for lane in plan.lanes)
    with looking(path) as store:
        assert [state.next_seq for state in store.lanes()] == [lane.end + 1 for lane in plan.lanes]


def test_repairing_again_does_nothing(closed: Stage, tmp_path: Path) -> None:
    path = closed.copied(tmp_path / "case")
    overwritten(DATABASE, closed.size(DATABASE) // 2, bytes(5_000))(path.parent)
    assert mended(path).quarantine is not None
    before = {each: each.read_bytes() for each in path.parent.rglob("*") if each.is_file()}
    for _ in range(2):
        again = mended(path)
        assert again.survey.whole
        assert again.quarantine is None
    after = {each: each.read_bytes() for each in path.parent.rglob("*") if each.is_file()}
    assert after == before


def test_damage_after_damage_keeps_every_byte(closed: Stage, tmp_path: Path) -> None:
    path = closed.copied(tmp_path / "case")
    kept: list[bytes] = []
    for n in range(3):
        raw = bytearray(path.read_bytes())
        at = len(raw) * (n + 2) // 6
        raw[at : at + 100] = bytes(100)
        path.write_bytes(raw)
        if mended(path).quarantine is not None:
            kept.append(bytes(raw))
    files = [each[DATABASE] for each in kept_bytes(path).values()]
    assert sorted(files) == sorted(kept)
    assert len(kept) >= 2
    assert accounted(path, closed.truth).total() == len(closed.truth)


STEPS = ("rename", "mkdir", "fsync", "unlink")


class PowerCut(BaseException):
    """Nothing catches it."""


@pytest.mark.parametrize("at", range(14))
def test_a_repair_that_is_cut_short_at_any_step_is_finished_or_begun_again(
    killed: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    path = killed.copied(tmp_path / "case")
    overwritten(DATABASE, 6 * PAGE, bytes(5 * PAGE))(path.parent)
    done = 0

    def counted(call: Callable[..., object]) -> Callable[..., object]:
        def step(*arguments: object, **named: object) -> object:
            nonlocal done
            done += 1
            if done == at + 1:
                raise PowerCut
            return call(*arguments, **named)

        return step

    with monkeypatch.context() as patch:
        for module, name in ((Path, "rename"), (Path, "mkdir"), (Path, "unlink"), (os, "fsync")):
            patch.setattr(module, name, counted(getattr(module, name)))
        with contextlib.suppress(PowerCut):
            repair(path, device=DEVICE, signer=STATION, now=NOW, why="a test")
    used(path, killed.truth)
    assert accounted(path, killed.truth).total() == len(killed.truth)
    assert done >= min(at, 8)


def test_a_running_station_mends_what_it_meets_and_goes_on(closed: Stage, tmp_path: Path) -> None:
    path = closed.copied(tmp_path / "case")
    with opened(path, mends=True) as outbox:
        outbox._store._db.execute(
            "UPDATE groups SET raw = zeroblob(length(raw)) WHERE first = 7 AND lane = 'normal'"
        )
        whole = [one.lost for one in outbox.unacknowledged("normal", None, 100)]
        assert whole.count(True) == 1
        outbox._store._db.execute("UPDATE lanes SET next_seq = 2 WHERE lane = 'urgent'")
        with pytest.raises(QueueBroken):
            outbox.append([draft(5, lane="urgent")])
        assert outbox.append([draft(5, lane="urgent")])[0].seq > LEASE
        assert outbox.verify().tombstones == 2
        for _ in range(2):
            outbox._store._db.execute("UPDATE lanes SET next_seq = 2 WHERE lane = 'urgent'")
            with contextlib.suppress(QueueBroken):
                outbox.lane("urgent")
        with pytest.raises(OutboxError):
            outbox.lane("urgent")
    assert len(kept_bytes(path)) == 3


def test_a_station_that_is_not_to_mend_does_not(closed: Stage, tmp_path: Path) -> None:
    path = closed.copied(tmp_path / "case")
    overwritten(DATABASE, 0, bytes(PAGE))(path.parent)
    before = path.read_bytes()
    with pytest.raises(QueueDamaged):
        opened(path)
    assert path.read_bytes() == before
    path.unlink()
    with pytest.raises(QueueDamaged, match="missing"):
        opened(path)
    assert not path.exists()


def test_nobody_mends_what_a_station_has_open_and_nobody_opens_what_is_mended(
    closed: Stage, tmp_path: Path
) -> None:
    path = closed.copied(tmp_path / "case")
    with opened(path), pytest.raises(QueueFailed, match="in use"):
        mended(path)
    from kiosk.outbox.marks import Lock

    with Lock.of(path, alone=True), pytest.raises(QueueFailed, match="in use"):
        opened(path, mends=True)


def test_another_stations_queue_is_not_mended(closed: Stage, tmp_path: Path) -> None:
    path = closed.copied(tmp_path / "case")
    for at in (None, 0):
        if at is not None:
            overwritten(DATABASE, at, bytes(PAGE))(path.parent)
        before = path.read_bytes()
        for device, signer in ((DEVICE, STRANGER), ("kiosk-2", STATION)):
            with pytest.raises(QueueFailed, match="nothing in it"):
                repair(path, device=device, signer=signer, now=NOW)
            with pytest.raises(QueueFailed, match="nothing in it"):
                opened(path, device=device, signer=signer, mends=True)
        assert path.read_bytes() == before
    written(path.with_name("text"), b"somebody's letter" * 400)
    with pytest.raises(QueueFailed, match="nothing in it"):
        mended(path.with_name("text"))
    assert path.read_bytes() == before


def test_a_queue_of_which_nothing_is_left_begins_again(tmp_path: Path) -> None:
    """Without the marks and without a page nobody knows its epoch: outside of the promise."""
    path = tmp_path / DATABASE
    with opened(path) as outbox:
        outbox.append([draft(1)])
        epoch = outbox.epoch
    raw = path.read_bytes()
    marks_of(path).unlink()
    path.write_bytes(raw[:8])
    with pytest.raises(QueueFailed, match="nothing in it"):
        opened(path, mends=True)
    assert path.read_bytes() == raw[:8]
    path.unlink()
    with opened(path) as outbox:
        assert outbox.epoch != epoch


def test_a_full_disk_mends_nothing_and_says_so(
    closed: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = closed.copied(tmp_path / "case")
    overwritten(DATABASE, PAGE, bytes(PAGE))(path.parent)
    before = path.read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "no space")

    with monkeypatch.context() as patch:
        patch.setattr("shutil.copyfileobj", full)
        with pytest.raises(QueueFull):
            mended(path)
    assert path.read_bytes() == before
    assert mended(path).quarantine is not None


def test_receipts_over_a_bridge_and_inside_of_a_tombstone(tmp_path: Path) -> None:
    path = tmp_path / DATABASE
    with opened(path) as outbox:
        for n in range(6):
            outbox.append([draft(n)])
        words = {n: receipt(outbox, n) for n in range(1, 7)}
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE groups SET raw = zeroblob(99) WHERE first IN (3, 4)")
    mended(path)
    with opened(path) as outbox:
        assert marks(outbox, after_seq=4) == [(5, 4), (6, 5)]
        assert [(one.lost, one.first, one.last) for one in outbox.unacknowledged("normal", 2, 1)]
        # The fleet had the third, and doesn't know that it is lost here.
        assert outbox.acknowledge(words[3]) is Acknowledgement.REPEATED
        assert outbox.lane("normal").acked_seq == 0
        assert outbox.acknowledge(words[4]) is Acknowledgement.ADVANCED
        with pytest.raises(ReceiptRefused):
            outbox.acknowledge(receipt(outbox, 5, chain_head=bytes(32)))
        assert outbox.acknowledge(words[6]) is Acknowledgement.ADVANCED
        assert outbox.lane("normal").waiting == 0


def test_tombstones_are_sent_again_and_pruned_like_groups(tmp_path: Path) -> None:
    path = tmp_path / DATABASE
    with opened(path) as outbox:
        for n in range(4):
            outbox.append([draft(n)])
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE groups SET raw = zeroblob(99) WHERE first = 2")
    mended(path)
    with opened(path, retention=Retention(days=0, bytes=0)) as outbox:
        assert [one.lost for one in outbox.unacknowledged("normal")] == [False, True, False, False]
        assert deliver(outbox, 3) is Acknowledgement.ADVANCED
        assert [one.first for one in outbox.unacknowledged("normal", 0)] == [4]
        assert outbox.verify().tombstones == 0


@pytest.mark.parametrize("usable", [True, False])
def test_an_update_that_is_rolled_back_loses_nothing_and_says_so(
    closed: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, usable: bool
) -> None:
    path = closed.copied(tmp_path / "case")
    spoken = len(MIGRATIONS)
    added = ("ALTER TABLE groups ADD COLUMN note TEXT",)
    if not usable:
        added += ("UPDATE meta SET usable_from = usable_from + 1",)
    with monkeypatch.context() as newer:
        newer.setattr("kiosk.outbox.schema.MIGRATIONS", (*MIGRATIONS, added))
        with opened(path, mends=True) as outbox:
            seq = outbox.append([draft(1)])[0].seq
    before = path.read_bytes()
    if usable:
        with opened(path, mends=True) as outbox:
            assert outbox.append([draft(2)])[0].seq == seq + 1
            assert outbox.verify()
    else:
        for attempt in (lambda: opened(path, mends=True), lambda: mended(path)):
            with pytest.raises(QueueNewer) as told:
                attempt()
            assert (told.value.version, told.value.spoken) == (spoken + 1, spoken)
            assert "newer version" in str(told.value)
        assert path.read_bytes() == before
    with monkeypatch.context() as newer:
        newer.setattr("kiosk.outbox.schema.MIGRATIONS", (*MIGRATIONS, added))
        with opened(path, mends=True) as outbox:
            assert outbox.append([draft(3)])[0].seq == seq + (2 if usable else 1)
            assert outbox.verify()
    assert accounted(path, closed.truth) == {"held": len(closed.truth)}


def test_a_queue_of_version_one_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / DATABASE
    with pytest.MonkeyPatch.context() as old:
        old.setattr("kiosk.outbox.schema.MIGRATIONS", MIGRATIONS[:1])
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
            from kiosk.outbox.schema import migrate

            migrate(db)
    with opened(tmp_path / "new.db") as outbox:
        outbox.append([draft(1)])
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute("ATTACH ? AS new", (str(tmp_path / "new.db"),))
        for table, columns in (
            ("meta", "id, device, epoch, station_key, quota_bytes"),
            ("lanes", "lane, next_seq, acked_seq, chain_head"),
            ("groups", "id, lane, first, count, previous_head, head, filed_at, raw"),
        ):
            copied = f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM new.{table}"  # noqa: S608 - our own names
            db.execute(copied)
    with opened(path, mends=True) as outbox:
        assert outbox.append([draft(2)])[0].seq == 2
        assert outbox.verify().records == 2
        assert marks(outbox) == [(1, 1), (2, 2)]


def test_the_marks_are_never_above_the_truth_and_the_ceiling_never_below(tmp_path: Path) -> None:
    path = tmp_path / DATABASE
    with opened(path) as outbox:
        for n in range(3):
            outbox.append([draft(n)] * 2)
            known = read_marks(path)
            assert known is not None
            assert known.given is not None
            assert known.given["normal"] == 2 * n + 2
            assert known.given["normal"] <= known.ceilings["normal"] <= 2 * n + 2 + LEASE
            assert known.ceilings["urgent"] == 0
