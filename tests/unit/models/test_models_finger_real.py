"""Real fingers: told apart, turned upside down, none taken for a recording of another touch.

In sample: the shipped weights were fitted on these pictures. It guards against what breaks the
matcher, not for how good it is.
"""

from __future__ import annotations

from functools import cache
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from face_material import DATA
from finger_net_material import READY, WHY_NOT, extractor

from models.calibration import shipped
from models.evaluate.finger_touch import Window, seen_by
from models.finger.fusion import score
from models.finger.picture import from_coded
from models.finger.prepared import prepare
from models.finger.replay import is_replay
from models.finger.touches import ready
from models.finger.touches import score as touches_alike

pytestmark = [
    pytest.mark.testdata,
    pytest.mark.skipif(not READY, reason=WHY_NOT),
    pytest.mark.skipif(DATA is None, reason="TRAM_TESTDATA"),
]


@cache
def greys():
    """Return the first four fingers of a set, six touches each."""
    folder = Path(DATA, "data", "fingers", "fvc2002", "DB1_B")
    paths = sorted(folder.glob("10[1-4]_[1-6].png"))
    return [(path.stem[:3], from_coded(path.read_bytes(), dpi=500).grey) for path in paths]


@cache
def fingers():
    return [(name, extractor().extract(grey).minutiae) for name, grey in greys()]


def test_fingers_are_told_apart_at_the_shipped_threshold():
    at = shipped("finger").score_at(1e-4)
    found = [(name, prepare(minutiae)) for name, minutiae in fingers()]
    own = [score(a, b) for (name, a), (other, b) in combinations(found, 2) if name == other]
    others = [score(a, b) for (name, a), (other, b) in combinations(found, 2) if name != other]
    print(len(own), round(min(own), 3), len(others), round(max(others), 3))
    assert (len(own), len(others)) == (60, 216)
    assert max(others) < at
    assert sum(each < at for each in own) <= 1
    assert shipped("finger").llr(float(np.median(own))) > 4


def test_upside_down_is_the_same_finger():
    at = shipped("finger").score_at(1e-4)
    for place in range(0, len(greys()), 6):
        turned = extractor().extract(np.ascontiguousarray(greys()[place][1][::-1, ::-1])).minutiae
        assert score(prepare(turned), prepare(fingers()[place + 2][1])) >= at


def test_no_touch_is_taken_for_a_recording_of_another():
    for (name, a), (other, b) in combinations(fingers(), 2):
        assert not is_replay(a, b), (name, other)
    for _, each in fingers():
        assert is_replay(each, each)


def test_small_windows_and_what_they_make_together_are_the_same_finger():
    window, at = Window(192, 192, bits=4, jitter_px=40), shipped("finger").score_at(1e-4)
    for place in range(0, len(greys()), 6):
        grey, kept = greys()[place][1], ready([fingers()[place + 1][1]])
        other = ready([fingers()[place - 6][1]])
        touches = [
            extractor().extract(seen_by(window, grey, np.random.default_rng([place, n]))).minutiae
            for n in range(3)
        ]
        found = ready(touches)
        assert max(map(len, found.alone)) < len(found.joined)
        assert touches_alike(found, kept) >= at
        assert touches_alike(found, other) < at
