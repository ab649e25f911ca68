"""The small file beside the queue."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kiosk.outbox import Owner, QueueFailed, QueueFull
from kiosk.outbox.marks import BLOCK_BYTES, LEASE, Marks, marks_of, read_marks, write_marks
from wire.record import LANES, MAX_SEQ

if TYPE_CHECKING:
    from pathlib import Path

OWNER = Owner("kiosk-1", b"e" * 16, b"key")
NONE = dict.fromkeys(LANES, 0)


def test_what_is_noted_is_read(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    assert read_marks(path) is None
    marks = Marks.open(path, OWNER, None, NONE)
    marks.reserve("normal", 1)
    marks.note("normal", 1)
    marks.reserve("normal", LEASE + 1)
    marks.reserve("normal", LEASE + 2)
    marks.close()
    marks.close()
    known = read_marks(path)
    assert known is not None
    assert known.of("kiosk-1", b"key")
    assert not known.of("kiosk-2", b"key")
    assert not known.of("kiosk-1", b"other")
    assert known.epoch == OWNER.epoch
    assert known.ceilings == NONE | {"normal": 2 * LEASE + 2}
    assert known.given == NONE | {"normal": 1}
    raw = marks_of(path).read_bytes()
    marks_of(path).write_bytes(raw[: 2 * BLOCK_BYTES])
    known = read_marks(path)
    assert known is not None
    assert known.given is None


def test_it_is_opened_again_and_never_goes_down(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    write_marks(path, OWNER, None, NONE | {"urgent": 9_000})
    before = marks_of(path).read_bytes()
    known = read_marks(path)
    Marks.open(path, OWNER, known, NONE).close()
    assert marks_of(path).read_bytes() == before
    marks = Marks.open(path, OWNER, known, NONE | {"urgent": 9_001})
    marks.reserve("urgent", 9_001)
    marks.close()
    known = read_marks(path)
    assert known is not None
    assert known.ceilings["urgent"] == 9_001


def test_numbers_end_where_they_end(tmp_path: Path) -> None:
    marks = Marks.open(tmp_path / "outbox.db", OWNER, None, NONE | {"normal": MAX_SEQ - 1})
    marks.reserve("normal", MAX_SEQ)
    marks.close()
    known = read_marks(tmp_path / "outbox.db")
    assert known is not None
    assert known.ceilings["normal"] == MAX_SEQ


@pytest.mark.parametrize("block", range(4))
def test_a_torn_block_leaves_the_one_before(tmp_path: Path, block: int) -> None:
    path = tmp_path / "outbox.db"
    marks = Marks.open(path, OWNER, None, NONE)
    ceilings, given_ = [0, 0], [0, 0]
    for n in range(1, 6):
        marks.reserve("normal", n * 5_000)
        marks.note("normal", n * 5_000)
        ceilings = [ceilings[1], n * 5_000 + LEASE]
        given_ = [given_[1], n * 5_000]
    marks.close()
    raw = bytearray(marks_of(path).read_bytes())
    raw[block * BLOCK_BYTES + 20] ^= 1
    marks_of(path).write_bytes(raw)
    known = read_marks(path)
    assert known is not None
    assert known.given is not None
    assert known.ceilings["normal"] in ceilings
    assert known.given["normal"] in given_
    other = block < 2
    assert known.given["normal"] == given_[1] or not other
    assert known.ceilings["normal"] == ceilings[1] or other


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=9_000), st.integers(0, 4 * BLOCK_BYTES))
def test_any_bytes_are_believed_or_not(tmp_path: Path, raw: bytes, at: int) -> None:
    path = tmp_path / "outbox.db"
    write_marks(path, OWNER, None, NONE | {"normal": 77})
    whole = bytearray(marks_of(path).read_bytes())
    whole[at : at + len(raw)] = raw
    marks_of(path).write_bytes(whole)
    known = read_marks(path)
    assert known is None or known.ceilings["normal"] == 77
    marks_of(path).write_bytes(raw)
    assert read_marks(path) is None or len(raw) > BLOCK_BYTES


def test_a_full_disk_stops_a_reservation_and_not_the_opening(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "no space")

    with monkeypatch.context() as patch:
        patch.setattr("os.posix_fallocate", full)
        marks = Marks.open(tmp_path / "outbox.db", OWNER, None, NONE)
        marks.note("normal", 1)
        with pytest.raises(QueueFull):
            marks.reserve("normal", 1)
    marks.reserve("normal", 1)
    marks.close()
    assert read_marks(tmp_path / "outbox.db") is not None


def test_a_disk_that_fails_stops_a_reservation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marks = Marks.open(tmp_path / "outbox.db", OWNER, None, NONE)

    def fails(*_: object) -> None:
        raise OSError(5, "input/output error")

    for name in ("os.fdatasync", "os.pwrite"):
        with monkeypatch.context() as patch:
            patch.setattr(name, fails)
            with pytest.raises(QueueFailed):
                marks.reserve("normal", 5)
            marks.note("normal", 5)
    marks.reserve("normal", 5)
    marks.close()
    known = read_marks(tmp_path / "outbox.db")
    assert known is not None
    assert known.ceilings["normal"] == 5 + LEASE
