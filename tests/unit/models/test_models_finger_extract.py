"""The extractor: minutiae where they were put, whichever way the picture is turned or dimmed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from face_material import DATA, MODELS
from finger_net_material import READY, WHY_NOT, extractor, found_share
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image
from ridge_material import ridges

from models.finger import extract
from models.finger.extract import (
    MAX_FOUND,
    MAX_NETS,
    MIN_QUALITY,
    NAMES,
    Extractor,
    found_in,
)
from models.finger.picture import MAX_SIDE_PX, MIN_SIDE_PX, FingerPictureError, from_pixels
from models.finger.segment import segment
from models.manifest import load_verified
from models.runtime import ModelError, load

pytestmark = pytest.mark.skipif(not READY, reason=WHY_NOT)

VECTOR = Path(__file__).parents[2] / "vectors" / "leader" / "keras.npz"
TOLERANCES = {"fp16": (0.003, 0.02, 0.01), "int8": (0.03, 0.15, 0.06)}
"""Of how sure a minutia is, of its direction in radians, of whether its ridge ends: greatest
difference from Keras where it is at least `RECORDED` sure."""
RECORDED = 0.3
"""Minutiae are in the record from here on."""


@pytest.mark.parametrize("precision", sorted(NAMES))
def test_the_net_says_what_keras_said(precision):
    with np.load(VECTOR) as recorded:
        told = dict(recorded)
    grey = told["grey"]
    net = load(load_verified(MODELS, NAMES[precision]), shape=(1, *grey.shape, 1))
    sure, direction, ending = (
        each[0] for each in net.run([grey[None, ..., None].astype(np.float32)])
    )
    sure_off, angle_off, ending_off = TOLERANCES[precision]
    rows, columns = told["rows"].astype(int), told["columns"].astype(int)
    assert np.abs(sure[rows, columns, 0] - told["sure"]).max() < sure_off
    strong = told["sure"] >= RECORDED
    rows, columns = rows[strong], columns[strong]
    assert len(rows) > 50
    cosine, sine = direction[rows, columns].T
    turned = np.angle(np.exp(1j * (np.arctan2(sine, cosine) - told["angle"][strong])))
    assert np.abs(turned).max() < angle_off
    assert np.abs(ending[rows, columns, 0] - told["ending"][strong]).max() < ending_off
    found = found_in(sure, direction, ending)
    found = found.where(found.quality >= RECORDED)
    peaks = sorted(zip(told["peak_rows"], told["peak_columns"], strict=True))
    assert len(peaks) >= 5
    for (row, column), (peak_row, peak_column) in zip(
        sorted(zip(found.y, found.x, strict=True)), peaks, strict=True
    ):
        assert abs(row - peak_row) <= 1
        assert abs(column - peak_column) <= 1


@pytest.mark.parametrize("precision", sorted(NAMES))
@pytest.mark.parametrize("shape", [(192, 192), (288, 256), (300, 333)])
@pytest.mark.parametrize("turn", [0.0, 1.1, np.pi / 2, 3.9])
def test_minutiae_are_found_where_they_were_put_and_hardly_elsewhere(precision, shape, turn):
    grey, x, y, angle = ridges(shape, turn=turn, seed=3)
    found = extractor(precision).extract(grey).minutiae
    # Ridges that run along the border may seem to end there, once.
    assert 9 <= len(x) <= len(found) <= len(x) + 1
    assert found_share(found, x, y, angle, within_px=3, within_rad=0.15) == 1
    assert list(found.quality) == sorted(found.quality, reverse=True)


@pytest.mark.parametrize("change", ["faint", "dark", "light", "4 bits"])
def test_light_and_contrast_make_no_difference(change):
    grey, x, y, angle = ridges((224, 224), turn=0.4, seed=6)
    wide = grey.astype(float)
    changed = {
        "faint": 128 + (wide - 128) * 0.06,
        "dark": wide * 0.1,
        "light": 255 - (255 - wide) * 0.1,
        "4 bits": wide // 16 * 17,
    }[change]
    found = extractor().extract(changed.astype(np.uint8)).minutiae
    assert len(found) == len(x)
    assert found_share(found, x, y, angle, within_px=3, within_rad=0.2) == 1


def test_what_lies_beside_the_finger_is_left_out():
    grey, x, y, angle = ridges((288, 256), seed=9)
    down, right = np.mgrid[0:288, 0:256]
    beside = ((right - 100) / 90) ** 2 + ((down - 150) / 120) ** 2 > 1
    noise = np.random.default_rng(1).integers(240, 246, grey.shape)
    grey = np.where(beside, noise, grey).astype(np.uint8)
    impression = extractor().extract(grey)
    well_inside = ((x - 100) / 70) ** 2 + ((y - 150) / 100) ** 2 < 1
    assert found_share(
        impression.minutiae, x[well_inside], y[well_inside], angle[well_inside],
        within_px=4, within_rad=0.3,
    ) == 1  # fmt: skip
    rows, columns = impression.minutiae.y.astype(int), impression.minutiae.x.astype(int)
    assert (((columns - 100) / 100) ** 2 + ((rows - 150) / 130) ** 2 < 1.2).all()
    covered = np.kron(impression.segment.blocks, np.ones((8, 8), bool))[:288, :256]
    assert (covered != ~beside).mean() < 0.15


def test_a_ghost_of_an_earlier_finger_is_left_out():
    grey, x, y, angle = ridges((288, 256), turn=0.8, seed=9)
    faint = np.where(np.arange(256) < 120, 225 + (grey.astype(float) - 128) * 0.08, grey)
    impression = extractor().extract(faint.astype(np.uint8))
    bold = x > 140
    assert bold.sum() >= 4
    assert (x < 100).sum() >= 4
    found = impression.minutiae
    assert found_share(found, x[bold], y[bold], angle[bold], within_px=3, within_rad=0.2) == 1
    assert (found.x > 95).all()


def test_a_faint_picture_is_raised_to_where_the_net_is_at_home():
    grey = ridges((192, 192), seed=1)[0]
    faint = (grey // 20).astype(np.uint8)
    assert extract._raised(grey, segment(grey).strength).tolist() == grey.tolist()
    raised = extract._raised(faint, segment(faint).strength)
    assert raised.mean() == pytest.approx(128, abs=0.1)
    assert 40 < raised.std() < 60
    blank = np.full((64, 64), 7, np.uint8)
    assert extract._raised(blank, segment(blank).strength).tolist() == blank.tolist()


@pytest.mark.parametrize("level", [0, 128, 255])
def test_an_empty_surface_has_no_minutiae_and_no_finger(level):
    impression = extractor().extract(np.full((192, 192), level, np.uint8))
    assert len(impression.minutiae) == 0
    assert not impression.segment.blocks.any()


@pytest.mark.parametrize(
    "grey",
    [
        np.zeros((MIN_SIDE_PX - 1, 200), np.uint8),
        np.zeros((200, MAX_SIDE_PX + 1), np.uint8),
        np.zeros((200, 200, 3), np.uint8),
        np.zeros((200, 200), np.float32),
        np.zeros((0, 0), np.uint8),
    ],
)
def test_other_arrays_are_refused(grey):
    with pytest.raises(FingerPictureError):
        extractor().extract(grey)


def test_another_net_is_refused(tmp_path):
    (tmp_path / "leader.int8.tflite").write_bytes(b"another file")
    with pytest.raises(ModelError):
        Extractor(tmp_path)


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_any_picture_gives_a_bounded_set(data):
    shape = data.draw(st.tuples(*[st.integers(MIN_SIDE_PX, 130)] * 2))
    seed = data.draw(st.integers(0, 2**32 - 1))
    spread = data.draw(st.sampled_from([1, 3, 128, 256]))
    grey = np.random.default_rng(seed).integers(0, spread, shape).astype(np.uint8)
    found = extractor().extract(grey).minutiae
    assert len(found) <= MAX_FOUND
    assert ((found.x >= 0) & (found.x < shape[1]) & (found.y >= 0) & (found.y < shape[0])).all()
    assert ((found.quality >= MIN_QUALITY) & (found.quality <= 1)).all()


@given(sure=arrays.arrays(np.float32, (20, 23), elements=st.floats(0, 1, width=32)))
def test_each_minutia_is_surest_around(sure):
    everywhere = np.ones((20, 23, 1), np.float32)
    found = found_in(sure[..., None], np.repeat(everywhere, 2, axis=2), everywhere)
    expected = {
        (row, column)
        for row, column in np.ndindex(sure.shape)
        if sure[row, column] >= MIN_QUALITY
        and sure[row, column]
        == sure[
            max(0, row - 3) : row + 4,
            max(0, column - 3) : column + 4,
        ].max()
    }
    told = set(zip(found.y.astype(int).tolist(), found.x.astype(int).tolist(), strict=True))
    assert told <= expected
    assert len(told) == min(len(expected), MAX_FOUND)


def test_few_shapes_are_kept_ready():
    own = Extractor(MODELS)
    for side in range(64, 64 + 32 * (MAX_NETS + 2), 32):
        own.extract(np.zeros((side, 64), np.uint8))
    assert len(own._nets) == MAX_NETS


def test_the_segment_covers_every_pixel():
    for shape in ((50, 50), (57, 63), (64, 80)):
        grey = np.random.default_rng(1).integers(0, 256, shape).astype(np.uint8)
        where = segment(grey)
        rows, columns = (each.ravel() for each in np.indices(shape))
        assert where.contains(rows, columns).all()


def real_fingers(every):
    assert DATA is not None
    for folder in sorted(Path(DATA, "data", "fingers", "fvc2002").iterdir()):
        for path in sorted(folder.glob("*.png"))[::every]:
            with Image.open(path) as opened:
                dpi = 569 if folder.name.startswith("DB2") else 500
                yield from_pixels(np.asarray(opened.convert("L")), dpi=dpi).grey


@pytest.mark.testdata
@pytest.mark.skipif(DATA is None, reason="TRAM_TESTDATA")
def test_real_fingers_keep_their_minutiae_turned_and_in_4_bits():
    shares: dict[str, list[float]] = {}
    for grey in real_fingers(every=40):
        whole = extractor().extract(grey).minutiae
        strong = whole.where(whole.quality >= 0.5)
        height, width = grey.shape
        for degrees in (45, 180):
            turned = Image.fromarray(grey).rotate(
                degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=int(grey[0, 0])
            )
            found = extractor().extract(np.asarray(turned)).minutiae
            # y grows downwards: counter-clockwise, right goes up.
            place = strong.x - (width - 1) / 2 - 1j * (strong.y - (height - 1) / 2)
            place = place * np.exp(1j * np.radians(degrees))
            x = place.real + (turned.width - 1) / 2
            y = (turned.height - 1) / 2 - place.imag
            angle = strong.angle + np.radians(degrees)
            share = found_share(found, x, y, angle, within_px=8, within_rad=0.35)
            shares.setdefault(f"{degrees} degrees", []).append(share)
        coarse = extractor().extract(grey // 16 * 17).minutiae
        share = found_share(coarse, strong.x, strong.y, strong.angle, within_px=8, within_rad=0.35)
        shares.setdefault("4 bits", []).append(share)
    means = {name: np.mean(each) for name, each in shares.items()}
    print({name: round(float(each), 3) for name, each in means.items()})
    assert min(means.values()) > 0.95
