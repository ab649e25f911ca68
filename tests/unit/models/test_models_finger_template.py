"""A record of minutiae is read in every field or not at all, and written as it was."""

from __future__ import annotations

import os
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.finger.minutiae import minutiae
from models.finger.template import (
    BIFURCATION,
    ENDING,
    MAX_BYTES,
    MAX_MINUTIAE,
    MAX_VIEWS,
    OTHER,
    Frame,
    Template,
    TemplateError,
    of_minutiae,
    parse,
    write,
)

HEADER, VIEW, ROW = 24, 4, 6


def record(
    rows=(), *, views=None, extended=b"", frame=(300, 400, 197, 197), position=2, impression=0,
    quality=60, equipment=0, reserved=0, begin=b"FMR\x00 20\x00", count=None, length=None,
):  # fmt: skip
    """Return a record, put together here from the standard's table and not by the writer."""
    body = bytes([position, impression, quality, len(rows) if count is None else count])
    for kind, x, y, angle, sure in rows:
        body += struct.pack(">HHBB", kind << 14 | x, y, angle, sure)
    body += struct.pack(">H", len(extended)) + extended
    body = body if views is None else views
    whole = HEADER + len(body) if length is None else length
    number = 1 if views is None else 2
    return begin + struct.pack(">IHHHHHBB", whole, equipment, *frame, number, reserved) + body


ROWS = [(ENDING, 10, 20, 0, 90), (BIFURCATION, 299, 399, 255, 0), (OTHER, 0, 0, 64, 100)]
SOUND = record(ROWS, extended=struct.pack(">HH3s", 1, 7, b"abc") + struct.pack(">HH", 0x101, 4))


def what(raw):
    with pytest.raises(TemplateError) as refused:
        parse(raw)
    assert refused.value.what in str(refused.value)
    return refused.value.what


def test_every_field_is_read():
    (template,) = parse(SOUND)
    assert template.frame == Frame(300, 400, (197, 197), 0)
    assert (template.position, template.view, template.impression) == (2, 0, 0)
    assert template.quality == 60
    assert len(template) == 3
    assert template.x.tolist() == [10, 299, 0]
    assert template.y.tolist() == [20, 399, 0]
    assert template.angle.tolist() == [0, 255, 64]
    assert template.kind.tolist() == [ENDING, BIFURCATION, OTHER]
    assert template.sure.tolist() == [90, 0, 100]
    assert template.extended == ((1, b"abc"), (0x101, b""))
    np.testing.assert_allclose(template.radians, [0, 255 / 256 * 2 * np.pi, np.pi / 2])


def test_what_was_read_is_written_again():
    assert write(parse(SOUND)) == SOUND


def test_views_are_read_in_their_order():
    one = bytes([2, 0x00, 50, 1]) + struct.pack(">HHBB", 5, 6, 7, 8) + b"\x00\x00"
    two = bytes([2, 0x18, 40, 0]) + b"\x00\x00"
    raw = record(views=one + two)
    first, second = parse(raw)
    assert (first.view, first.impression, len(first)) == (0, 0, 1)
    assert (second.view, second.impression, len(second)) == (1, 8, 0)
    assert write((first, second)) == raw
    assert what(record(views=one + one)) == "view"


@pytest.mark.testdata
def test_records_of_another_extractor_are_read_and_written_again():
    sets = Path(os.environ.get("TRAM_TESTDATA", "/nowhere")) / "data" / "fingers" / "fvc2002"
    files = sorted(sets.glob("DB*_B/*.iso"))
    if not files:
        pytest.skip("TRAM_TESTDATA names no fvc2002")
    assert len(files) == 320
    for path in files:
        raw = path.read_bytes()
        templates = parse(raw)
        assert write(templates) == raw
        (template,) = templates
        found = template.minutiae()
        assert len(found) == len(template) == raw[27]
        np.testing.assert_array_equal(found.x, template.x)


@pytest.mark.parametrize(
    ("per_cm", "scale"), [(197, 1.0), (394, 500 / 1000.76), (224, 500 / 568.96), (118, 1.668)]
)
def test_places_come_out_at_500_dpi(per_cm, scale):
    (template,) = parse(record(ROWS, frame=(300, 400, per_cm, per_cm)))
    found = template.minutiae()
    np.testing.assert_allclose(found.x, template.x * scale, rtol=1e-3)
    np.testing.assert_allclose(found.y, template.y * scale, rtol=1e-3)
    np.testing.assert_allclose(found.angle, template.radians, rtol=1e-6)


def test_both_directions_are_scaled_by_their_own():
    (template,) = parse(record(ROWS, frame=(300, 400, 394, 197)))
    found = template.minutiae()
    np.testing.assert_allclose(found.x, template.x / 2, rtol=1e-2)
    np.testing.assert_array_equal(found.y, template.y)


def test_a_quality_that_was_not_assessed_counts_as_sure():
    (template,) = parse(SOUND)
    np.testing.assert_allclose(template.minutiae().quality, [0.9, 1.0, 1.0])


def test_what_was_found_becomes_a_template_and_comes_back():
    rng = np.random.default_rng(3)
    found = minutiae(
        rng.uniform(0, 319, 40), rng.uniform(0, 383, 40), rng.uniform(0, 7, 40), rng.random(40)
    )
    template = of_minutiae(found, width_px=320, height_px=384, position=7, quality=80)
    (read,) = parse(write([template]))
    back = read.minutiae()
    assert (read.position, read.quality, read.frame) == (7, 80, Frame(320, 384))
    assert np.abs(back.x - found.x).max() <= 0.5
    assert np.abs(back.y - found.y).max() <= 0.5
    turned = np.angle(np.exp(1j * (back.angle.astype(float) - found.angle)))
    assert np.abs(turned).max() <= np.pi / 256 + 1e-6
    assert np.abs(back.quality - found.quality).max() <= 0.01
    assert (read.kind == OTHER).all()


def test_what_lies_outside_is_left_out_and_the_best_are_kept():
    count = MAX_MINUTIAE + 40
    sure = np.linspace(0, 1, count)
    x = np.arange(count) % 300
    x[-1], x[-2] = -3, 300
    template = of_minutiae(
        minutiae(x, np.full(count, 7.0), np.zeros(count), sure), width_px=300, height_px=400
    )
    assert len(template) == MAX_MINUTIAE
    assert template.sure.max() == round(100 * sure[-3])
    assert template.sure.min() == round(100 * sure[38])


def test_a_quality_of_nothing_is_not_written_as_not_assessed():
    template = of_minutiae(minutiae([5], [5], [0], [0]), width_px=300, height_px=400)
    assert template.sure.tolist() == [1]


def test_an_angle_just_below_a_turn_is_none():
    template = of_minutiae(minutiae([5], [5], [2 * np.pi - 0.001], [1]), width_px=99, height_px=99)
    assert template.angle.tolist() == [0]


def test_nothing_of_a_finger_is_shown():
    (template,) = parse(SOUND)
    for shown in (repr(template), str(template)):
        assert not any(each in shown for each in ("299", "abc", "array", "60", "255"))


BAD = {
    "nothing": (b"", "size"),
    "a header alone": (record()[:HEADER], "size"),
    "too much": (bytes(MAX_BYTES + 1), "size"),
    "another format": (record(begin=b"FIR\x00 20\x00"), "header"),
    "the American format": (record(begin=b"FMR\x00 2\x00\x00\x00"), "header"),
    "another version": (record(begin=b"FMR\x00030\x00"), "header"),
    "a length too great": (record(length=40), "size"),
    "a length too small": (record(ROWS, length=40), "size"),
    "more behind it": (SOUND + b"\x00", "size"),
    "something reserved": (record(reserved=1), "header"),
    "no views": (record()[:22] + b"\x00" + record()[23:], "header"),
    "too many views": (record()[:22] + bytes([MAX_VIEWS + 1]) + record()[23:], "header"),
    "a view that is missing": (record()[:22] + b"\x02" + record()[23:], "size"),
    "no width": (record(frame=(0, 400, 197, 197)), "header"),
    "a width beyond any place": (record(frame=(1 << 14, 400, 197, 197)), "header"),
    "no resolution": (record(frame=(300, 400, 0, 197)), "header"),
    "a resolution of nothing real": (record(frame=(300, 400, 197, 501)), "header"),
    "an eleventh finger": (record(position=11), "view"),
    "an impression that is none": (record(impression=5), "view"),
    "a quality above all": (record(quality=101), "view"),
    "a quality of 255": (record(quality=255), "view"),
    "fewer minutiae than it counts": (record(ROWS, count=9), "size"),
    "more minutiae than it counts": (record(ROWS, count=2), "size"),
    "a minutia to the right": (record([(1, 300, 20, 0, 9)]), "minutia"),
    "a minutia below": (record([(1, 30, 400, 0, 9)]), "minutia"),
    "a minutia of a fourth kind": (record([(3, 30, 40, 0, 9)]), "minutia"),
    "a reserved bit of a minutia": (record([(1, 30, 40 | 1 << 14, 0, 9)]), "minutia"),
    "a minutia surer than sure": (record([(1, 30, 40, 0, 101)]), "minutia"),
    "extended data of type 0": (record(extended=struct.pack(">HH", 0, 4)), "extended data"),
    "extended data cut short": (record(extended=struct.pack(">HH", 1, 5)), "extended data"),
    "extended data shorter than itself": (
        record(extended=struct.pack(">HH", 1, 3)), "extended data"),
    "a stump of extended data": (record(extended=b"\x00\x01\x00"), "extended data"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_is_not_sound_is_refused(name):
    raw, expected = BAD[name]
    assert what(raw) == expected


def test_what_fits_into_no_record_is_not_written():
    (template,) = parse(SOUND)
    other = replace(template, frame=Frame(301, 400), view=1)
    views = [replace(template, position=at % 11, view=at // 11) for at in range(MAX_VIEWS + 1)]
    long = np.zeros(MAX_MINUTIAE + 1, dtype=np.uint16)
    bytes_ = long.astype(np.uint8)
    cases = [
        [],
        views,
        [template, template],
        [template, other],
        [replace(template, frame=Frame(300, 400, equipment=1 << 16))],
        [replace(template, view=16)],
        [replace(template, x=template.x[:2])],
        [replace(template, x=long, y=long, angle=bytes_, kind=bytes_, sure=bytes_)],
        [replace(template, extended=((0, b""),))],
        [replace(template, extended=((1, bytes(0xFFFC)),))],
        [replace(each, extended=((1, bytes(9000)),)) for each in views[:8]],
    ]
    for templates in cases:
        with pytest.raises(TemplateError):
            write(templates)
    assert len(write(views[:MAX_VIEWS])) < MAX_BYTES


def test_a_picture_too_large_for_a_record_is_refused():
    with pytest.raises(TemplateError):
        of_minutiae(minutiae([1], [1], [1], [1]), width_px=1 << 14, height_px=400)


def test_minutiae_scaled_off_any_picture_are_refused():
    (template,) = parse(record([(1, 16000, 20, 0, 9)], frame=(16383, 400, 40, 197)))
    with pytest.raises(TemplateError):
        template.minutiae()


def columns(count):
    def column(most, dtype):
        return st.lists(st.integers(0, most), min_size=count, max_size=count).map(
            lambda values: np.array(values, dtype=dtype)
        )

    return st.builds(
        Template,
        frame=st.just(Frame(500, 600, (197, 200), 0x8001)),
        position=st.integers(0, 10),
        view=st.integers(0, 15),
        impression=st.sampled_from([0, 1, 2, 3, 7, 8, 9]),
        quality=st.integers(0, 100),
        x=column(499, np.uint16),
        y=column(599, np.uint16),
        angle=column(255, np.uint8),
        kind=column(2, np.uint8),
        sure=column(100, np.uint8),
        extended=st.lists(
            st.tuples(st.integers(1, 0xFFFF), st.binary(max_size=20)), max_size=3
        ).map(tuple),
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 40).flatmap(columns), min_size=1, max_size=3,
                unique_by=lambda each: (each.position, each.view)))  # fmt: skip
def test_what_is_written_is_read(templates):
    raw = write(templates)
    read = parse(raw)
    assert write(read) == raw
    for before, after in zip(templates, read, strict=True):
        assert repr(before) == repr(after)
        assert before.quality == after.quality
        assert before.extended == after.extended
        for name in ("x", "y", "angle", "kind", "sure"):
            np.testing.assert_array_equal(getattr(before, name), getattr(after, name))


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_record_or_refused(raw):
    for each in (raw, SOUND[:12] + raw, record(views=raw)):
        try:
            assert write(parse(each)) == each
        except TemplateError:
            continue


def test_a_record_cut_short_anywhere_is_refused():
    for length in range(len(SOUND)):
        with pytest.raises(TemplateError):
            parse(SOUND[:length])


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(SOUND) - 1), st.integers(0, 255))
def test_a_record_changed_anywhere_is_read_as_it_stands_or_refused(at, value):
    raw = SOUND[:at] + bytes([value]) + SOUND[at + 1 :]
    try:
        assert write(parse(raw)) == raw
    except TemplateError:
        return
