"""The bench counts errors of two programs alike, a missing face too."""

from __future__ import annotations

import numpy as np
import pytest

from models.evaluate import pairs
from tests.bench.face_accuracy import NO_FACE, peer_scores, told, wrong

LIST = pairs.parse(b"a,b,same\na1,a2,1\nb1,b2,1\na1,b1,0\na2,b2,0\n")
"""Pictures in the order a1, a2, b1, b2."""


def test_a_picture_without_a_face_matches_nobody_and_is_counted() -> None:
    scores, acquired = peer_scores([[0.0, 0.0], [0.0, 0.1], None, [3.0, 4.0]], LIST)
    assert scores == pytest.approx([-0.1, NO_FACE, NO_FACE, -np.hypot(3, 3.9)])
    assert wrong(scores, acquired, LIST) == pytest.approx((0.5, 0.5, 1, 2, 2, 1))


def test_rows_hold_one_beside_the_other_with_counts() -> None:
    every = np.ones(4, dtype=np.bool_)
    good = wrong(np.array([0.9, 0.8, 0.1, 0.2]), every, LIST)
    bad = wrong(np.array([0.9, 0.1, 0.8, 0.2]), every, LIST)
    assert (good.eer, good.fnmr, bad.fnmr) == (0, 0, 0.5)
    eer, fnmr = told("_x", good, bad)
    assert (eer.name, fnmr.name) == ("face_eer_x", "face_fnmr_x")
    assert (fnmr.value, fnmr.baseline) == (0, 50)
    assert "0 of 2" in fnmr.unit
    assert "(1 of 2)" in fnmr.of
