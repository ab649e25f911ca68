"""The fleet's store: any order and repetition of deliveries ends in one state; a fork is kept."""

from __future__ import annotations

import hashlib
import sqlite3
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.store.acceptance import Acceptance, GroupPlace, LaneMarks, judge
from fleet.store.store import (
    Delivery,
    DeviceKnownError,
    Drop,
    LaneName,
    LinkWord,
    Store,
    StoreError,
)
from wire.group import genesis_head

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LANES = [
    LaneName("kiosk-1", bytes([epoch]) * 16, lane)
    for epoch in (1, 2)
    for lane in ("urgent", "normal")
]


def chain(lane: LaneName, counts: list[int], story: str = "") -> list[Delivery]:
    """Groups of one lane as a station would have built them."""
    head = genesis_head(device=lane.device, epoch=lane.epoch, lane=lane.lane)
    first, groups = 1, []
    for count in counts:
        sealed = f"{lane}{first}{count}{story}".encode()
        following = hashlib.sha256(head + sealed).digest()
        records = tuple(f'{{"n": {seq}}}' for seq in range(first, first + count))
        place = GroupPlace(first, count, head, following)
        groups.append(Delivery(lane, place, records, sealed))
        first, head = first + count, following
    return groups


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with fresh(tmp_path / "fleet.db") as opened:
        yield opened


def fresh(path: Path) -> Store:
    opened = Store.open(path)
    opened.enrol("kiosk-1", site="00001", station_key=b"key", simulators_allowed=True, at=NOW)
    return opened


def stored(store: Store) -> dict[LaneName, list[tuple[int, str]]]:
    found: dict[LaneName, list[tuple[int, str]]] = {}
    for lane, seq, operations in store.records():
        found.setdefault(lane, []).append((seq, operations))
    return found


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[list[Delivery], list[list[Delivery]]]:
    """A few lanes' groups, and batches in which they come: in any order, some often, some never."""
    groups = [
        group
        for lane in LANES
        for group in chain(lane, draw(st.lists(st.integers(1, 3), max_size=4)))
    ]
    if not groups:
        return [], []
    batches = draw(st.lists(st.lists(st.sampled_from(groups), max_size=6), max_size=6))
    return groups, batches


@given(deliveries())
def test_any_order_and_repetition_ends_in_the_same_state(
    drawn: tuple[list[Delivery], list[list[Delivery]]],
) -> None:
    groups, batches = drawn
    with fresh(Path(":memory:")) as orderly, fresh(Path(":memory:")) as disorderly:
        orderly.accept(groups, at=NOW)
        for batch in batches:
            disorderly.accept(batch, at=NOW)
        for _ in groups:  # a station sends again until it has its receipts
            disorderly.accept(groups, at=NOW)
        assert stored(disorderly) == stored(orderly)
        assert disorderly.lanes("kiosk-1") == orderly.lanes("kiosk-1")
        assert disorderly.forks("kiosk-1") == 0
        assert len(disorderly.audit_head()) == 32
        for lane, records in stored(disorderly).items():
            assert [seq for seq, _ in records] == list(range(1, len(records) + 1))
            assert disorderly.marks(lane).high_water == len(records)


def test_a_gap_is_not_stored_and_the_mark_is_repeated(store: Store) -> None:
    one, two, three = chain(LANES[0], [2, 1, 1])
    store.accept([one], at=NOW)
    batch = store.accept([three], at=NOW)
    assert batch.verdicts == (Acceptance.GAP,)
    assert batch.reached[0].marks == LaneMarks(2, one.place.head)
    assert store.accept([two, three], at=NOW).reached[0].marks == LaneMarks(4, three.place.head)


def test_a_repetition_is_answered_with_the_same_mark(store: Store) -> None:
    groups = chain(LANES[0], [1, 1])
    before = store.accept(groups, at=NOW).reached
    again = store.accept(groups[:1], at=NOW)
    assert again.verdicts == (Acceptance.REPEAT,)
    assert again.reached == before


@pytest.mark.parametrize("counts", [[1, 1], [2], [1, 2], [1, 1, 1]])
def test_two_contents_for_one_identity_are_both_kept_and_flagged(
    store: Store, counts: list[int]
) -> None:
    store.accept(chain(LANES[0], [1, 1]), at=NOW)
    kept = stored(store)
    twin = chain(LANES[0], counts, story="of a clone")
    verdicts = store.accept([*twin, *twin], at=NOW).verdicts
    assert Acceptance.FORK in verdicts
    assert Acceptance.STORE not in verdicts
    assert stored(store) == kept
    assert store.forks("kiosk-1") == verdicts.count(Acceptance.FORK) / 2


def test_another_past_is_a_fork_even_where_nothing_is_stored_yet(store: Store) -> None:
    _, second = chain(LANES[0], [1, 1], story="of a clone")
    store.accept(chain(LANES[0], [1]), at=NOW)
    assert store.accept([second], at=NOW).verdicts == (Acceptance.FORK,)


def test_the_audit_chain_covers_every_accepted_group_and_shows_a_rewritten_one(
    tmp_path: Path,
) -> None:
    path = tmp_path / "fleet.db"
    with fresh(path) as store:
        heads = [
            store.accept([group], at=NOW).reached[0].audit_head
            for group in chain(LANES[0], [1, 1, 1])
        ]
        assert len(set(heads)) == 3
        assert store.audit_head() == heads[-1]
        for change in ("UPDATE audit SET group_head = x'00'", "DELETE FROM audit"):
            with closing(sqlite3.connect(path)) as elsewhere, elsewhere:
                elsewhere.execute(f"{change} WHERE number = 2")
            with pytest.raises(StoreError, match="breaks at 2"):
                store.audit_head()


def test_drops_and_links_are_counted_with_the_batch(store: Store) -> None:
    drops = [Drop("topic_foreign"), Drop("signature_invalid"), Drop("simulated", "kiosk-1")]
    store.accept(
        [], drops=[*drops, drops[0]], links={"kiosk-1": LinkWord("online", alive=True)}, at=NOW
    )
    assert store.dropped() == Counter(drop.why for drop in [*drops, drops[0]])
    device = store.device("kiosk-1")
    assert device is not None
    assert (device.refused, device.last_refusal, device.link) == (1, "simulated", "online")
    assert device.last_seen == NOW.isoformat()


def test_a_word_that_is_no_sign_of_life_leaves_the_time_alone(store: Store) -> None:
    store.accept([], links={"kiosk-1": LinkWord("online", alive=False)}, at=NOW)
    device = store.device("kiosk-1")
    assert device is not None
    assert (device.link, device.last_seen) == ("online", None)


def test_records_are_read_by_the_page_whatever_their_number(store: Store) -> None:
    wanted = []
    for lane in sorted(LANES, key=lambda lane: (lane.epoch, lane.lane)):
        store.accept(chain(lane, [50] * 15), at=NOW)
        wanted += [(lane, seq) for seq in range(1, 50 * 15 + 1)]
    assert [(lane, seq) for lane, seq, _ in store.records()] == wanted
    assert [(lane, seq) for lane, seq, _ in store.records("kiosk-1")] == wanted
    assert store.records_held("kiosk-1") == len(wanted)
    assert list(store.records("kiosk-0")) == list(store.records("kiosk-2")) == []


def test_a_batch_that_fails_leaves_nothing_behind(store: Store) -> None:
    stranger = chain(LaneName("stranger", bytes(16), "normal"), [1])
    with pytest.raises(StoreError):
        store.accept([*chain(LANES[0], [1]), *stranger], at=NOW)
    assert stored(store) == {}
    assert store.marks(LANES[0]) == LaneMarks(
        0, genesis_head(device="kiosk-1", epoch=LANES[0].epoch, lane="urgent")
    )


def test_a_name_is_enrolled_once(store: Store) -> None:
    with pytest.raises(DeviceKnownError):
        store.enrol("kiosk-1", site="2", station_key=b"other", simulators_allowed=False, at=NOW)
    assert [device.station_key for device in store.devices()] == [b"key"]


def test_a_database_keeps_its_contents_and_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "fleet.db"
    with fresh(path) as store:
        store.accept(chain(LANES[0], [2]), at=NOW)
    assert path.stat().st_mode & 0o777 == 0o600
    with Store.open(path) as store:
        assert len(list(store.records("kiosk-1"))) == 2
        assert list(store.records("another")) == []


@pytest.mark.parametrize("content", [b"not a database, however long this text may be" * 90])
def test_what_is_no_database_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "fleet.db"
    path.write_bytes(content)
    with pytest.raises(StoreError):
        Store.open(path)


def test_a_newer_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "fleet.db"
    fresh(path).close()
    with closing(sqlite3.connect(path)) as newer:
        newer.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreError, match="newer"):
        Store.open(path)


@given(st.integers(1, 9), st.integers(1, 3), st.integers(0, 9), st.booleans(), st.booleans())
def test_only_what_continues_a_lane_is_stored(
    first: int, count: int, high_water: int, continues: bool, same: bool
) -> None:
    place = GroupPlace(first, count, b"past" if continues else b"other past", b"head")
    verdict = judge(place, LaneMarks(high_water, b"past"), place if same else None)
    assert (verdict is Acceptance.STORE) == (first == high_water + 1 and continues)
    assert (verdict is Acceptance.GAP) == (first > high_water + 1)
    assert (verdict is Acceptance.REPEAT) == (first <= high_water and same)
