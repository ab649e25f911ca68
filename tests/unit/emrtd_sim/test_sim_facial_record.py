from __future__ import annotations

import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from sim_material import JPEG

from emrtd.sim._facial_record import MAX_IMAGE_BYTES, dg2, image_size


def coded(kind: str, **options) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (30, 41), (200, 150, 120)).save(out, kind, **options)
    return out.getvalue()


@pytest.mark.parametrize(
    ("kind", "options", "data_type"),
    [
        ("JPEG", {}, 0),
        ("JPEG", {"progressive": True}, 0),
        ("JPEG2000", {}, 1),
        ("JPEG2000", {"no_jp2": True}, 1),
    ],
)
def test_type_and_size_of_a_coded_image(kind: str, options: dict, data_type: int) -> None:
    assert image_size(coded(kind, **options)) == (data_type, 30, 41)


def test_the_record_holds_one_frontal_face_and_the_image_unchanged() -> None:
    raw = dg2(JPEG)
    record = raw[raw.index(b"FAC\0") :]
    magic, version, length, faces = struct.unpack_from(">4s4sIH", record)
    assert (magic, version, length, faces) == (b"FAC\0", b"010\0", len(record), 1)
    face_length, points = struct.unpack_from(">IH", record, 14)
    assert (face_length, points) == (len(record) - 14, 0)
    kind, data_type, width, height = struct.unpack_from(">BBHH", record, 34)
    assert (kind, data_type, width, height) == (1, 0, 300, 400)
    assert record[46:] == JPEG


def test_the_templates_are_nested_as_the_standard_says() -> None:
    raw = dg2(JPEG)
    assert raw[0] == 0x75
    at = raw.index(b"\x7f\x61")
    assert raw[at + 3 : at + 8] == b"\x02\x01\x01\x7f\x60"
    assert b"\x87\x02\x01\x01\x88\x02\x00\x08\x5f\x2e" in raw


@pytest.mark.parametrize("cut", range(17))
def test_a_cut_off_image_is_refused(cut: int) -> None:
    with pytest.raises(ValueError, match=r"JPEG|size"):
        dg2(JPEG[:cut])


def test_a_segment_without_a_length_is_refused() -> None:
    with pytest.raises(ValueError, match="frame"):
        dg2(JPEG[:2] + b"\xff\xe0\x00\x00" + JPEG[8:])


def test_a_long_image_is_refused() -> None:
    assert dg2(JPEG + bytes(MAX_IMAGE_BYTES - len(JPEG)))
    with pytest.raises(ValueError, match="at most"):
        dg2(JPEG + bytes(MAX_IMAGE_BYTES))


@given(
    head=st.sampled_from([b"", b"\xff\xd8", b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"]),
    rest=st.binary(max_size=200),
)
def test_any_bytes_have_a_size_or_are_refused(head: bytes, rest: bytes) -> None:
    try:
        _, width, height = image_size(head + rest)
    except ValueError:
        return
    assert 0 < width < 65536
    assert 0 < height < 65536
