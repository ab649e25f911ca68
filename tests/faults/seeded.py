"""The product made wrong on purpose, one bug at a time: what the checker must catch by name.

Run as `python -m tests.faults.seeded FOLDER`: below FOLDER it leaves, for each bug and for none,
what one station, one fleet and the test's truth log leave behind after the same life: filing,
delivery, a crash in the middle, a restart, delivery of the rest. Each bug is a patch of the
product's own code in a process of its own; a patch that finds nothing to replace fails.

Here is no broker: messages are carried by hand, and some are lost on the way.
"""

from __future__ import annotations

import os
import secrets
import sys
import traceback
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

import fleet.store.store
import kiosk.outbox.outbox
from fleet.store.acceptance import Acceptance
from fleet.store.store import Store
from kiosk.outbox import Outbox, QueueFull
from tests.faults.content import LANES
from tests.faults.homes import draft_of, make_fleet
from tests.faults.life import DEVICE, SHARDS, Life
from wire.record import RecordIdentity

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

CRASHED = 9
EPOCH_BYTES = 16
GOES_ON = "goes-on"


def first_half(life: Life) -> None:
    """File, deliver, lose, lose receipts; then crash."""
    for n, lane in enumerate((*LANES, "normal", "normal")):
        life.file(range(10 * n, 10 * n + 3), lane)
    life.carry()
    for n in range(6):
        life.file([100 + 2 * n, 101 + 2 * n], "normal")
    life.carry(lose=lambda n: n == 1)
    life.carry(hears=False)
    life.file(range(200, 204), "urgent")


def second_half(life: Life) -> None:
    """Go on after the crash, fill the queue, deliver everything."""
    life.file(range(300, 303), "urgent")
    life.file(range(303, 306), "normal")
    mark = 1000
    while life.file(range(mark, mark + 6), "security") and mark < 1240:
        mark += 6
    for _ in range(12):
        life.carry()
    life.file(range(400, 404), "urgent")
    life.carry()


@dataclass(frozen=True)
class Bug:
    """A wrong twin: how the product is patched, and under what names the checker may report it."""

    caught_as: frozenset[str]
    patch: Callable[[], None]


def instead(owner: Any, name: str, new: Callable[..., Any]) -> None:
    """Replace something that is there: new(original, *arguments)."""
    original = getattr(owner, name)

    def patched(*arguments: Any, **named: Any) -> Any:
        return new(original, *arguments, **named)

    setattr(owner, name, patched)


def delete_on_puback() -> None:
    def deletes(_: Any, life: Life, group: Any) -> None:
        life.queue.acknowledge(life.receipt(group.lane, group.last))

    instead(Life, "puback", deletes)


def identity_before_commit() -> None:
    def says_first(original: Any, queue: Outbox, drafts: Sequence[Any]) -> Any:
        """Answer at once and file what came before: a write behind."""
        waiting = queue.__dict__.setdefault("_late", [])
        lanes = [draft.lane for draft in drafts]
        late = [draft.lane for draft in waiting]
        found = tuple(
            RecordIdentity(
                queue.device,
                queue.epoch,
                lane,
                queue.lane(lane).next_seq + late.count(lane) + lanes[:n].count(lane),
            )
            for n, lane in enumerate(lanes)
        )
        if waiting:
            original(queue, waiting)
        waiting[:] = drafts
        return found

    instead(Outbox, "append_encoded", says_first)


def reused_number() -> None:
    opens = Outbox.open

    def begins_anew(_cls: Any, path: Path, **named: Any) -> Outbox:
        """Make the store again at each start, under the epoch that the device always had."""
        for stale in path.parent.glob(f"{path.name}*"):
            stale.unlink()

        def randomness(size: int) -> bytes:
            return b"\1" * size if size == EPOCH_BYTES else secrets.token_bytes(size)

        return opens(path, **named, randomness=randomness)

    Outbox.open = classmethod(begins_anew)  # type: ignore[method-assign,assignment]  # the bug


def lost_on_full_disk() -> None:
    def swallows(original: Any, queue: Outbox, drafts: Sequence[Any]) -> Any:
        try:
            return original(queue, drafts)
        except QueueFull:
            first = queue.lane(drafts[0].lane).next_seq
            return tuple(
                RecordIdentity(queue.device, queue.epoch, drafts[0].lane, first + n)
                for n in range(len(drafts))
            )

    instead(Outbox, "append_encoded", swallows)


def doubled_after_restart() -> None:
    def refiles(original: Any, life: Life) -> None:
        """Take what has no receipt for what was not filed."""
        life.queue.append([draft_of(mark, "urgent") for mark in range(200, 204)])
        original(life)

    instead(sys.modules[__name__], "second_half", refiles)


def altered_bytes() -> None:
    def alters(original: Any, store: Store, deliveries: Sequence[Any], **named: Any) -> Any:
        changed = [
            replace(
                one, operations=tuple(each.replace("unsure", "same") for each in one.operations)
            )
            for one in deliveries
        ]
        return original(store, changed, **named)

    instead(Store, "accept", alters)


def altered_person() -> None:
    def mixes(original: Any, drafts: Any, *arguments: Any, **named: Any) -> Any:
        """Seal everybody's identity part of a group as the first one's."""
        found = list(drafts)
        return original(
            [msgspec.structs.replace(one, identity=found[0].identity) for one in found],
            *arguments,
            **named,
        )

    instead(kiosk.outbox.outbox, "seal_group", mixes)


def reordered_in_a_lane() -> None:
    def reverses(original: Any, queue: Outbox, drafts: Sequence[Any]) -> Any:
        return original(queue, list(drafts)[::-1])[::-1]

    instead(Outbox, "append_encoded", reverses)


def receipt_before_commit() -> None:
    def promises(original: Any, store: Store, deliveries: Sequence[Any], **named: Any) -> Any:
        """Every third batch isn't committed, and is receipted as if it were."""
        count = store.__dict__["_taken"] = store.__dict__.get("_taken", 0) + 1
        store._db.execute("SAVEPOINT bug")
        batch = None
        transaction = Store._transaction

        @contextmanager
        def kept(_store: Store) -> Any:
            yield

        Store._transaction = kept  # type: ignore[method-assign,assignment]  # the bug
        try:
            batch = original(store, deliveries, **named)
        finally:
            Store._transaction = transaction  # type: ignore[method-assign]  # and back
        store._db.execute("ROLLBACK TO bug" if count % 3 == 0 else "RELEASE bug")
        if count % 3 == 0:
            store._db.execute("RELEASE bug")
        return batch

    instead(Store, "accept", promises)


def high_water_over_a_gap() -> None:
    def fills(original: Any, *arguments: Any, **named: Any) -> Acceptance:
        found: Acceptance = original(*arguments, **named)
        return Acceptance.STORE if found is Acceptance.GAP else found

    instead(fleet.store.store, "judge", fills)


def dropped_tail() -> None:
    def shortens(original: Any, queue: Outbox, drafts: Sequence[Any]) -> Any:
        found = original(queue, drafts[: max(1, len(drafts) - 1)])
        last = found[-1]
        return (*found, *([msgspec.structs.replace(last, seq=last.seq + 1)] if drafts[1:] else []))

    instead(Outbox, "append_encoded", shortens)


def purged_by_age() -> None:
    def purges(original: Any, life: Life, marks: Sequence[int], lane: Any) -> bool:
        """Let the oldest go when there is no room, sent or not."""
        if original(life, marks, lane):
            return True
        groups = life.queue.unacknowledged(lane, None, 64)
        life.queue.acknowledge(life.receipt(lane, groups[-1].last))
        return bool(original(life, marks, lane))

    instead(Life, "file", purges)


def repetition_stored_again() -> None:
    def accepts(original: Any, store: Store, delivery: Any, **named: Any) -> Acceptance:
        """Give what comes again the next free numbers."""
        lane = delivery.lane
        high_water = store.marks(lane).high_water
        if delivery.place.last <= high_water:
            store._db.executemany(
                "INSERT OR IGNORE INTO record (device, epoch, lane, seq, operations)"
                " VALUES (?, ?, ?, ?, ?)",
                [
                    (lane.device, lane.epoch, lane.lane, high_water + 100_000 + n, operations)
                    for n, operations in enumerate(delivery.operations)
                ],
            )
        return original(store, delivery, **named)

    instead(Store, "_accept", accepts)


BUGS: dict[str, Bug] = {
    each.__name__: Bug(frozenset(names), each)
    for each, names in (
        (delete_on_puback, {"lost", "dropped_tail"}),
        (identity_before_commit, {"lost", "dropped_tail"}),
        (reused_number, {"number_reused"}),
        (lost_on_full_disk, {"number_reused", "dropped_tail"}),
        (doubled_after_restart, {"doubled"}),
        (altered_bytes, {"altered"}),
        (altered_person, {"altered"}),
        (reordered_in_a_lane, {"reordered"}),
        (receipt_before_commit, {"receipt_for_what_is_not_stored"}),
        (high_water_over_a_gap, {"high_water_beyond_held"}),
        (dropped_tail, {"dropped_tail", "number_reused"}),
        (purged_by_age, {"lost"}),
        (repetition_stored_again, {"doubled"}),
    )
}


def _in_a_child(folder: Path, bug: str, half: str) -> None:
    """Live one half of a life in a process of its own, and crash at its end."""
    if pid := os.fork():
        _, status = os.waitpid(pid, 0)
        if os.waitstatus_to_exitcode(status) != CRASHED:
            raise SystemExit(f"{bug}: {half} ended otherwise")
        return
    try:
        if bug in BUGS:
            BUGS[bug].patch()
        getattr(sys.modules[__name__], half)(Life(folder))
        os._exit(CRASHED)
    except BaseException:  # noqa: BLE001 - the child says why and ends here
        traceback.print_exc()
        os._exit(1)


def main(folder: Path) -> None:
    """Live once without a bug and once with each."""
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    for bug in (GOES_ON, *BUGS):
        (folder / bug).mkdir(parents=True)
        names = BUGS[bug].caught_as if bug in BUGS else ()
        (folder / bug / "caught_as").write_text(" ".join(sorted(names)))
        make_fleet(folder / bug, DEVICE, shards=SHARDS)
        for half in ("first_half", "second_half"):
            _in_a_child(folder / bug, bug, half)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
