"""Frames that a camera can have given, and those that somebody put in."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.camera.fresh import MAX_FPS, MAX_LOST, REMEMBERED, Freshness, Staleness
from hw.camera.port import Frame

MS = 1_000_000


def noisy(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(100, 140, (24, 32, 3), dtype=np.uint8)


def judge(*frames: tuple[int, int, np.ndarray]) -> list[Staleness | None]:
    """Give frames (number, milliseconds, picture) and return what is said after each."""
    fresh = Freshness()
    return [
        fresh.take(Frame(rgb, at_ms * MS, seq), now_ns=at_ms * MS + MS)
        for seq, at_ms, rgb in frames
    ]


@given(st.lists(st.integers(1, 30), max_size=40))
def test_a_camera_that_loses_frames_is_a_camera(lost) -> None:
    seq, frames = 0, []
    for each in lost:
        seq += each
        frames.append((seq, seq * 33, noisy(seq)))
    assert set(judge(*frames)) <= {None}


@pytest.mark.parametrize(
    ("second", "why"),
    [
        ((0, 40, noisy(2)), "out_of_order"),
        ((-1, 40, noisy(2)), "out_of_order"),
        ((1, 0, noisy(2)), "time_went_back"),
        ((1, -20, noisy(2)), "time_went_back"),
        ((1, 40, noisy(1)), "repeated"),
        ((MAX_LOST + 1, 40_000, noisy(2)), "gap"),
        ((40, 40, noisy(2)), "gap"),
    ],
)
def test_what_no_camera_gives(second, why: str) -> None:
    assert judge((0, 0, noisy(1)), second) == [None, why]


def test_numbers_may_run_as_fast_as_the_fastest_camera() -> None:
    fast = MAX_FPS // 10
    assert judge((0, 0, noisy(1)), (fast, 100, noisy(2)))[-1] is None
    assert judge((0, 0, noisy(1)), (fast + 3, 100, noisy(2)))[-1] is Staleness.GAP


@pytest.mark.parametrize(("apart_ms", "said"), [(1, "too_fast"), (2, "too_fast"), (3, None)])
def test_frames_come_as_fast_as_the_fastest_camera_gives_them(apart_ms, said) -> None:
    frames = [(seq, seq * apart_ms, noisy(seq)) for seq in range(4)]
    assert judge(*frames) == [None, None, said, said]


def test_one_frame_that_was_stamped_late_is_not_too_fast() -> None:
    frames = [(seq, at_ms, noisy(seq)) for seq, at_ms in enumerate((0, 65, 66, 99))]
    assert judge(*frames) == [None] * 4


def test_a_picture_of_the_future_was_not_taken() -> None:
    fresh = Freshness()
    assert fresh.take(Frame(noisy(1), 40 * MS, 0), now_ns=0) is None
    ahead = Frame(noisy(2), 151 * MS, 1)
    assert fresh.take(ahead, now_ns=100 * MS) is Staleness.OF_THE_FUTURE


def test_what_was_wrong_once_stays_wrong() -> None:
    said = judge((0, 0, noisy(1)), (1, 33, noisy(1)), (2, 66, noisy(2)), (3, 99, noisy(3)))
    assert said == [None, *["repeated"] * 3]


def test_a_loop_is_seen_when_it_begins_again() -> None:
    frames = [(seq, seq * 33, noisy(seq % 25)) for seq in range(30)]
    assert judge(*frames)[24:26] == [None, "repeated"]


def test_one_bit_is_another_picture() -> None:
    other = noisy(1)
    other[0, 0, 0] ^= 1
    assert judge((0, 0, noisy(1)), (1, 33, other)) == [None, None]


@pytest.mark.parametrize("level", [0, 7, 255])
def test_a_blank_picture_may_come_again(level: int) -> None:
    blank = np.full((24, 32, 3), level, dtype=np.uint8)
    assert judge(*[(seq, seq * 33, blank) for seq in range(5)]) == [None] * 5


def test_not_more_is_remembered_than_is_said() -> None:
    fresh = Freshness()
    for seq in range(REMEMBERED + 5):
        fresh.take(Frame(noisy(seq), seq * 33 * MS, seq), now_ns=(seq * 33 + 1) * MS)
    assert len(fresh._seen) == REMEMBERED
    assert fresh.flaw is None
