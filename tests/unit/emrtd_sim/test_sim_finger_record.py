from __future__ import annotations

import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from sim_material import JPEG

from emrtd.sim._finger_record import MAX_IMAGE_BYTES, coded_image, dg3

WSQ = bytes.fromhex("FFA0FFA8000400AAFFA2001100FF00F00140000000000000000000FFA1")


def coded(kind: str) -> bytes:
    out = io.BytesIO()
    Image.new("L", (320, 240)).save(out, kind)
    return out.getvalue()


@pytest.mark.parametrize(("kind", "code"), [("JPEG", 3), ("JPEG2000", 4), ("PNG", 5)])
def test_pillow_and_the_record_agree_on_kind_and_size(kind: str, code: int) -> None:
    assert coded_image(coded(kind)) == (code, 320, 240)


def test_wsq_has_its_size_in_the_frame() -> None:
    assert coded_image(WSQ) == (2, 320, 240)


def test_the_record_has_the_fields_of_the_standard() -> None:
    png = coded("PNG")
    raw = dg3({2: png})
    record = raw[raw.index(b"FIR\x00") :]
    assert record[:8] == b"FIR\x00010\x00"
    assert int.from_bytes(record[8:14], "big") == len(record)
    fields = struct.unpack_from(">HHBBHHHHBBH", record, 14)
    assert fields == (0, 31, 1, 2, 197, 197, 197, 197, 8, 5, 0)
    finger = struct.unpack_from(">IBBBBBHHB", record, 32)
    assert finger == (14 + len(png), 2, 1, 1, 0, 0, 320, 240, 0)
    assert record[46:] == png


def test_each_finger_has_a_template_and_a_subtype() -> None:
    raw = dg3(dict.fromkeys((7, 2), JPEG))
    assert raw[:1] == b"\x63"
    assert b"\x02\x01\x02\x7f\x60" in raw[:16]
    subtypes = [raw[at + 2] for at in range(len(raw)) if raw[at : at + 2] == b"\x82\x01"]
    assert subtypes == [0x09, 0x0A]  # right index, left index
    assert raw.count(b"FIR\x00") == raw.count(b"\x7f\x60") == 2


@pytest.mark.parametrize(
    "fingers",
    [{}, {0: JPEG}, {11: JPEG}, {1: b""}, {1: b"GIF89a"}, {1: JPEG[:2] + bytes(MAX_IMAGE_BYTES)},
     {1: WSQ[:8]}, {1: b"\x89PNG\r\n\x1a\n"}, {1: b"\x89PNG\r\n\x1a\n" + bytes(16)}],
)  # fmt: skip
def test_what_is_no_finger_is_refused(fingers: dict[int, bytes]) -> None:
    with pytest.raises(ValueError, match=r"image|finger|JPEG"):
        dg3(fingers)


@given(raw=st.binary(max_size=200), head=st.sampled_from([b"", b"\xff\xa0", b"\x89PNG\r\n\x1a\n"]))
def test_any_bytes_have_a_size_or_are_refused(raw: bytes, head: bytes) -> None:
    try:
        code, width, height = coded_image(head + raw)
    except ValueError:
        return
    assert code in {2, 3, 4, 5}
    assert 0 < width <= 0xFFFF
    assert 0 < height <= 0xFFFF
