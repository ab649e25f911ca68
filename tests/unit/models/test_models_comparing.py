"""Embeddings and bands, against what others measured and against strangers."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from face_material import DATA, NAMES, READY, WHY_NOT, embedder, look, mesh_of, photograph, read
from hypothesis import given
from hypothesis import strategies as st

from models.calibration import shipped
from models.face.align import align
from models.face.decide import (
    MAX_FRAMES,
    Band,
    TooFewFramesError,
    band_at,
    band_of,
    judged_together,
)
from models.face.embed import cosine, unit
from models.runtime import ModelError

built = pytest.mark.skipif(not READY, reason=WHY_NOT)
KNOWN = {
    ("obama", "obama2"): 0.817,
    ("obama", "obama3"): 0.824,
    ("obama2", "obama3"): 0.784,
    ("biden", "obama"): -0.116,
    ("biden", "obama3"): -0.012,
    ("astronaut", "biden"): 0.28,
}
"""Measured by an implementation that is not this one."""
CALIBRATION = shipped("mobilefacenet")
STRONG, SAME, UNSURE = (CALIBRATION.score_at(fmr) for fmr in (1e-5, 1e-4, 1e-3))


def embedding(name):
    return embedder().embed(photograph(name), mesh_of(name))


@built
@pytest.mark.parametrize("pair", sorted(KNOWN))
def test_the_closeness_of_known_pairs_is_what_others_measured(pair):
    one, other = map(embedding, pair)
    assert cosine(one, other) == pytest.approx(KNOWN[pair], abs=0.05)
    assert cosine(one, other) == cosine(other, one)


@built
def test_an_embedding_has_length_one_and_is_its_mirror_images():
    face = align(photograph("obama"), mesh_of("obama"))
    one = embedder().embed_aligned(face)
    assert one.shape == (192,)
    assert one.dtype == np.float32
    assert np.linalg.norm(one) == pytest.approx(1, abs=1e-6)
    mirrored = embedder().embed_aligned(np.ascontiguousarray(face[:, ::-1]))
    assert cosine(one, mirrored) == pytest.approx(1, abs=1e-4)


@built
def test_alignment_decides():
    shifted = np.roll(align(photograph("obama2"), mesh_of("obama2")), (14, 20), axis=(0, 1))
    assert cosine(embedder().embed_aligned(shifted), embedding("obama")) < 0.6


@built
def test_a_net_without_a_direction_is_an_error_and_no_match():
    with pytest.raises(ModelError):
        unit(np.zeros(192, np.float32))
    with pytest.raises(ModelError):
        unit(np.full(192, np.nan, np.float32))


@built
@pytest.mark.testdata
@pytest.mark.skipif(DATA is None, reason="TRAM_TESTDATA: data/faces/orl")
def test_people_who_are_no_celebrities_are_told_apart(record_property):
    people, rows = [], []
    for person in range(21, 41):
        for shot in (1, 2, 3):
            rgb = read(Path(DATA, "data", "faces", "orl", f"s{person}_{shot}.png"))
            found = look(rgb)
            if found is not None:
                people.append(person)
                rows.append(embedder().embed(rgb, found))
    assert len(rows) == 60
    scores = {True: [], False: []}
    for (a, one), (b, other) in combinations(zip(people, rows, strict=True), 2):
        scores[a == b].append(cosine(one, other))
    genuine, impostor = np.array(scores[True]), np.array(scores[False])
    assert (len(genuine), len(impostor)) == (60, 1710)
    eer = min(
        max((genuine < cut).mean(), (impostor >= cut).mean())
        for cut in np.concatenate([genuine, impostor])
    )
    missed = (genuine < CALIBRATION.score_at(1e-4)).mean()
    print(f"ORL s21-s40, 60 genuine, 1,710 impostor: EER {eer:.2%}, missed at 1e-4 {missed:.2%}")
    record_property("eer", float(eer))
    assert eer < 0.005
    assert missed < 0.03
    assert impostor.max() < CALIBRATION.score_at(1e-5)


@built
@pytest.mark.parametrize(("name", "band"), [("obama", "same_strong"), ("biden", "different")])
def test_several_frames_of_a_person_get_a_band(name, band):
    frames = [embedding("obama"), embedding("obama2"), embedding("obama3")]
    assert band_of(frames, embedding(name), calibration=CALIBRATION) == band


@pytest.mark.parametrize(
    ("closeness", "band"),
    [
        (1.0, Band.SAME_STRONG),
        (STRONG, Band.SAME_STRONG),
        (np.nextafter(STRONG, 0), Band.SAME),
        (SAME, Band.SAME),
        (np.nextafter(SAME, 0), Band.UNSURE),
        (UNSURE, Band.UNSURE),
        (np.nextafter(UNSURE, 0), Band.DIFFERENT),
        (-1.0, Band.DIFFERENT),
        (float("nan"), Band.DIFFERENT),
        (float("inf"), Band.DIFFERENT),
        (1.5, Band.DIFFERENT),
    ],
)
def test_bands_begin_exactly_at_their_thresholds(closeness, band):
    assert band_at(closeness, calibration=CALIBRATION) is band


def pointing(*cosines):
    """Return unit vectors that have these cosines with the first axis."""
    return [np.array([c, np.sqrt(1 - c * c)] + [0] * 190, np.float32) for c in cosines]


def test_the_mean_of_all_frames_decides_where_they_agree():
    (reference,) = pointing(1.0)

    def judged(*cosines, fmr=1e-4):
        return band_of(pointing(*cosines), reference, calibration=CALIBRATION, fmr=fmr)

    assert judged(0.9, 0.9, 0.55) is Band.SAME_STRONG
    assert judged(0.62, 0.6, 0.59) is Band.SAME
    assert judged(0.55, 0.55, 0.55) is Band.UNSURE
    assert judged(0.55, 0.55, 0.55, fmr=1e-3) is Band.SAME
    assert judged(0.62, 0.6, 0.59, fmr=1e-5) is Band.UNSURE
    assert judged(0.9, 0.2, 0.1) is Band.DIFFERENT


@pytest.mark.parametrize("fmr", [1e-3, 1e-4, 1e-5])
def test_one_frame_of_somebody_else_leaves_it_unsure(fmr):
    (reference,) = pointing(1.0)
    frames = pointing(0.95, 0.95, 0.95, 0.3)
    assert band_of(frames, reference, calibration=CALIBRATION, fmr=fmr) is Band.UNSURE
    frames = pointing(0.9, 0.3, 0.3)
    assert band_of(frames, reference, calibration=CALIBRATION, fmr=fmr) is Band.DIFFERENT


@given(st.lists(st.floats(-1, 1), min_size=3, max_size=8), st.integers(0, 7), st.floats(0, 1))
def test_together_rises_with_every_frame_and_stays_below_the_mean(cosines, place, more):
    before = np.array([cosines])
    after = before.copy()
    after[0, place % len(cosines)] = min(1.0, after[0, place % len(cosines)] + more)
    low, high = (judged_together(each, calibration=CALIBRATION)[0] for each in (before, after))
    assert low <= high + 1e-12
    assert low <= before.mean() + 1e-12


@pytest.mark.parametrize(
    "wrong",
    [
        np.full(192, np.nan, np.float32),
        np.full(192, np.inf, np.float32),
        np.zeros(192, np.float32),
        np.full(192, 1.0, np.float32),
        np.eye(1, 191, dtype=np.float32)[0],
        np.eye(1, 192, dtype=np.float32),
        np.float32(1.0).reshape(()),
    ],
    ids=["nan", "inf", "zero", "long", "short", "two dimensions", "none"],
)
@pytest.mark.parametrize("place", [0, 1, 2, 3])
def test_what_is_no_embedding_is_compared_with_nothing(wrong, place):
    (good,) = pointing(1.0)
    rows = [good] * 4
    rows[place] = wrong
    with pytest.raises(ModelError):
        band_of(rows[:3], rows[3], calibration=CALIBRATION)


@pytest.mark.parametrize("score", [float("nan"), float("inf"), 1.1, -2.0])
def test_a_comparison_that_gives_no_score_is_an_error_and_no_match(score):
    (good,) = pointing(1.0)
    scores = iter([1.0, 1.0, score])
    with pytest.raises(ModelError):
        band_of([good] * 3, good, calibration=CALIBRATION, closeness=lambda *_: next(scores))


def test_too_few_and_too_many_frames_are_no_judgement():
    (reference,) = pointing(1.0)
    for count in range(3):
        with pytest.raises(TooFewFramesError):
            band_of([reference] * count, reference, calibration=CALIBRATION)
    with pytest.raises(ValueError, match="too many"):
        band_of([reference] * (MAX_FRAMES + 1), reference, calibration=CALIBRATION)


@built
def test_no_photograph_is_left_out():
    assert {name for pair in KNOWN for name in pair} == set(NAMES)
