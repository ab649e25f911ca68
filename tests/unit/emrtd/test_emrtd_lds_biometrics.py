"""Fingerprints of ISO/IEC 19794-4 and faces of 39794-5, by encoders of this suite's own.

The records are written from the standards' tables of fields: fingers with `struct`, faces through
asn1crypto, which knows implicit tags and lengths by itself.
"""

from __future__ import annotations

import contextlib
import struct

import pytest
from asn1crypto import core
from hypothesis import given
from hypothesis import strategies as st

from emrtd.errors import ChipMalformed
from emrtd.lds import dg2, dg3
from emrtd.lds.dg3 import FingerPosition, Impression
from emrtd.tlv import encode

JPEG, JP2, J2K = b"\xff\xd8\xff\xe0jpeg", b"\x00\x00\x00\x0cjP  \r\n\x87\n...", b"\xff\x4f\xff\x51."
WSQ, PNG = b"\xff\xa0\xff\xa8wsq", b"\x89PNG\r\n\x1a\npng"
CODINGS = {"raw": 0, "packed": 1, "wsq": 2, "jpeg": 3, "jpeg2000": 4, "png": 5}


# --- DG3


def view(
    image: bytes, *, position: int = 7, quality: int = 80, impression: int = 0, width: int = 4,
    height: int = 3, number: int = 0, length: int | None = None,
) -> bytes:  # fmt: skip
    length = 14 + len(image) if length is None else length
    return struct.pack(
        ">I5B2HB", length, position, 1, number, quality, impression, width, height, 0
    ) + image  # fmt: skip


def record(
    *views: bytes, coding: int = 2, depth: int = 8, unit: int = 1, resolution: tuple[int, int] =
    (500, 500), end: int | None = None, count: int | None = None, head: bytes = b"FIR\x00010\x00",
) -> bytes:  # fmt: skip
    body = b"".join(views)
    end = 32 + len(body) if end is None else end
    return (
        head + end.to_bytes(6, "big")
        + struct.pack(">HHBB", 0x0101, 31, len(views) if count is None else count, unit)
        + struct.pack(">4HBBH", *resolution, *resolution, depth, coding, 0)
        + body
    )  # fmt: skip


def fingers(*records: bytes, count: int | None = None, more: bytes = b"") -> bytes:
    templates = b"".join(
        encode(0x7F60, encode(0xA1, encode(0x81, b"\x08")) + encode(0x5F2E, each))
        for each in records
    )
    head = encode(0x02, bytes((len(records) if count is None else count,)))
    return encode(0x63, encode(0x7F61, head + templates + more))


def test_two_fingers_in_two_templates_are_read() -> None:
    raw = fingers(
        record(view(WSQ, position=2, quality=75, width=300, height=400)),
        record(view(WSQ, position=7, quality=254, impression=1, number=1, width=256, height=360),
               unit=2, resolution=(197, 394)),
    )  # fmt: skip
    right, left = dg3.parse(raw).fingers
    assert right == dg3.FingerImage(
        FingerPosition.RIGHT_INDEX, Impression.LIVE_PLAIN, 0, 75, "wsq", 300, 400, (500.0, 500.0),
        8, WSQ,
    )  # fmt: skip
    assert (left.position, left.impression, left.quality, left.view) == (
        FingerPosition.LEFT_INDEX, Impression.LIVE_ROLLED, None, 1,
    )  # fmt: skip
    assert left.resolution_ppi == pytest.approx((500.38, 1000.76))
    assert repr(WSQ) not in repr(right)
    assert "data" not in repr(right)


def test_several_fingers_may_share_a_record() -> None:
    raw = fingers(record(*(view(WSQ, position=at) for at in (*range(11), 13, 14, 15)), depth=1))
    assert [each.position for each in dg3.parse(raw).fingers] == list(FingerPosition)


@pytest.mark.parametrize("image", [JPEG, JP2, J2K, WSQ, PNG])
@pytest.mark.parametrize("claimed", [2, 3, 4, 5])
def test_a_coded_finger_is_what_its_first_bytes_say(image: bytes, claimed: int) -> None:
    (finger,) = dg3.parse(fingers(record(view(image), coding=claimed))).fingers
    known = {JPEG: "jpeg", JP2: "jpeg2000", J2K: "jpeg2000", WSQ: "wsq", PNG: "png"}
    assert (finger.format, finger.data) == (known[image], image)


@pytest.mark.parametrize(
    ("kind", "depth", "size"),
    [("raw", 8, 12), ("raw", 1, 12), ("raw", 9, 24), ("raw", 16, 24),
     ("packed", 8, 12), ("packed", 1, 2), ("packed", 12, 18), ("packed", 5, 8)],
)  # fmt: skip
def test_pixels_that_are_not_coded_are_as_many_as_the_size_says(
    kind: str, depth: int, size: int
) -> None:
    def parsed(length: int) -> dg3.DG3:
        pixels = (WSQ * 9)[:length]
        return dg3.parse(fingers(record(view(pixels), coding=CODINGS[kind], depth=depth)))

    assert (parsed(size).fingers[0].format, parsed(size).fingers[0].depth_bits) == (kind, depth)
    for wrong in (size - 1, size + 1):
        with pytest.raises(ChipMalformed):
            parsed(wrong)


def test_a_document_may_have_no_fingerprints() -> None:
    assert dg3.parse(fingers()).fingers == ()
    # Random bytes beside, so that not all such documents have one hash.
    assert dg3.parse(fingers(more=encode(0x53, b"random"))).fingers == ()


def test_what_nobody_knows_is_none() -> None:
    raw = fingers(record(view(WSQ, quality=255, impression=4), resolution=(0, 500)))
    (finger,) = dg3.parse(raw).fingers
    assert (finger.quality, finger.impression, finger.resolution_ppi) == (None, None, None)
    assert dg3.parse(fingers(record(view(WSQ, quality=100)))).fingers[0].quality == 100
    assert dg3.parse(fingers(record(view(WSQ, quality=101)))).fingers[0].quality is None
    assert dg3.parse(fingers(record(view(WSQ)) + b"what follows")).fingers[0].data == WSQ


BROKEN_FINGERS = {
    "nothing": b"",
    "no templates": encode(0x63, b""),
    "no count": encode(0x63, encode(0x7F61, b"")),
    "another count": fingers(record(view(WSQ)), count=2),
    "templates that are not counted": fingers(record(view(WSQ)), count=0),
    "too many templates": fingers(*[record(view(WSQ))] * 17),
    "another file": b"\x75" + fingers(record(view(WSQ)))[1:],
    "a face": fingers(b"FAC\0" + record(view(WSQ))[4:]),
    "a head cut short": fingers(record(view(WSQ))[:31]),
    "no views": fingers(record(count=0)),
    "too many views": fingers(record(*[view(WSQ)] * 33)),
    "too many views in all": fingers(*[record(*[view(WSQ)] * 17)] * 2),
    "fewer views than it says": fingers(record(view(WSQ), count=2)),
    "longer than it is": fingers(record(view(WSQ), end=2**48 - 1)),
    "by a byte": fingers(record(view(WSQ), end=33 + len(view(WSQ)))),
    "shorter than its view": fingers(record(view(WSQ), end=31 + len(view(WSQ)))),
    "a view of four gibibytes": fingers(record(view(WSQ, length=0xFFFFFFFF))),
    "a view without length": fingers(record(view(WSQ, length=0))),
    "a view without image": fingers(record(view(b""))),
    "no such finger": fingers(record(view(WSQ, position=11))),
    "a palm": fingers(record(view(WSQ, position=21))),
    "no width": fingers(record(view(WSQ, width=0))),
    "no height": fingers(record(view(WSQ, height=0))),
    "too large": fingers(record(view(WSQ, width=4097, height=4096))),
    "no depth": fingers(record(view(WSQ), depth=0)),
    "too deep": fingers(record(view(WSQ), depth=17)),
    "no such coding": fingers(record(view(WSQ), coding=6)),
    "no such unit": fingers(record(view(WSQ), unit=0)),
    "no coded image": fingers(record(view(b"GIF89a"))),
}


@pytest.mark.parametrize("why", BROKEN_FINGERS)
def test_what_holds_no_fingerprint_is_malformed(why: str) -> None:
    with pytest.raises(ChipMalformed):
        dg3.parse(BROKEN_FINGERS[why])


def test_the_largest_image_is_within() -> None:
    raw = fingers(record(view(WSQ, width=4096, height=4096)))
    assert dg3.parse(raw).fingers[0].height_px == 4096


# --- faces of 39794-5


class _Version(core.Sequence):
    _fields = [("generation", core.Integer, {"implicit": 0}),  # noqa: RUF012 - asn1crypto's way
               ("year", core.Integer, {"implicit": 1})]  # fmt: skip


class _Code(core.Sequence):
    _fields = [("code", core.Integer, {"implicit": 0})]  # noqa: RUF012 - asn1crypto's way


class _Size(core.Sequence):
    _fields = [("width", core.Integer, {"implicit": 0}),  # noqa: RUF012 - asn1crypto's way
               ("height", core.Integer, {"implicit": 1})]  # fmt: skip


class _Information(core.Sequence):
    _fields = [("format", _Code, {"implicit": 0}),  # noqa: RUF012 - asn1crypto's way
               ("size", _Size, {"implicit": 7, "optional": True})]  # fmt: skip


class _Image(core.Sequence):
    _fields = [("data", core.OctetString, {"implicit": 0}),  # noqa: RUF012 - asn1crypto's way
               ("information", _Information, {"implicit": 1})]  # fmt: skip


class _Base(core.Sequence):
    _fields = [("image", _Image, {"implicit": 0})]  # noqa: RUF012 - asn1crypto's way


class _Representation(core.Sequence):
    _fields = [("base", _Base, {"implicit": 0})]  # noqa: RUF012 - asn1crypto's way


class _Block(core.Sequence):
    _fields = [("id", core.Integer, {"implicit": 0}),  # noqa: RUF012 - asn1crypto's way
               ("image", _Representation, {"implicit": 1}),
               ("session", core.Integer, {"implicit": 5, "optional": True})]  # fmt: skip


class _Blocks(core.SequenceOf):
    _child_spec = _Block


class _FaceData(core.Sequence):
    class_, tag = 1, 5
    _fields = [("version", _Version, {"implicit": 0}),  # noqa: RUF012 - asn1crypto's way
               ("blocks", _Blocks, {"implicit": 1})]  # fmt: skip


def face_data(*images: bytes) -> bytes:
    blocks = [
        {"id": at, "session": 7, "image": {"base": {"image": {
            "data": image, "information": {"format": {"code": 3},
                                           "size": {"width": 413, "height": 531}}}}}}
        for at, image in enumerate(images)
    ]  # fmt: skip
    return _FaceData({"version": {"generation": 3, "year": 2019}, "blocks": blocks}).dump()


def faces(*blocks: bytes, tag: int = 0x7F2E) -> bytes:
    templates = b"".join(encode(0x7F60, encode(0xA1, b"") + encode(tag, each)) for each in blocks)
    return encode(0x75, encode(0x7F61, encode(0x02, bytes((len(blocks),))) + templates))


def implicit(der: bytes) -> bytes:
    """Give an application tag to what asn1crypto wrote as a sequence."""
    return b"\x65" + der[1:]


@pytest.mark.parametrize("image", [JPEG, JP2, J2K])
@pytest.mark.parametrize("chosen", [True, False])
def test_a_face_of_the_newer_standard_is_read(image: bytes, chosen: bool) -> None:
    block = implicit(face_data(image * 50))
    raw = faces(encode(0xA1, block) if chosen else block)
    (face,) = dg2.parse(raw).faces
    assert (face.format, face.data, face.standard) == (
        "jpeg" if image is JPEG else "jpeg2000", image * 50, "39794-5",
    )  # fmt: skip
    assert repr(image)[2:12] not in repr(face)


def test_both_standards_may_stand_in_one_file() -> None:
    old = struct.pack(">IH26x", 4 + 2 + 26 + len(JPEG), 0) + JPEG
    old = b"FAC\x00010\x00" + struct.pack(">IH", 14 + len(old), 1) + old
    found = dg2.parse(faces(old, implicit(face_data(JP2, J2K)))).faces
    assert [each.standard for each in found] == ["19794-5", "39794-5", "39794-5"]
    assert [each.data for each in found] == [JPEG, JP2, J2K]


def path(*tags: int, inner: bytes = JPEG) -> bytes:
    for tag in reversed(tags):
        inner = encode(tag, inner)
    return inner


WAY = (0x65, 0xA1, 0x30, 0xA1, 0xA0, 0xA0, 0x80)
BROKEN_FACES = {
    "a finger": path(0x64, *WAY[1:]),
    "an iris": path(0xA1, 0x66, *WAY[1:]),
    "two choices": path(0xA1, inner=path(*WAY) * 2),
    "nothing": b"",
    "no representations": path(0x65, 0xA2, *WAY[2:]),
    "an empty list": path(0x65, 0xA1, inner=b""),
    "two lists": path(0x65, inner=path(*WAY[1:]) * 2),
    "too many": path(0x65, 0xA1, inner=path(*WAY[2:]) * 17),
    "no block": path(0x65, 0xA1, 0x31, *WAY[3:]),
    "no representation": path(*WAY[:3], 0xA2, *WAY[4:]),
    "an extension": path(*WAY[:4], 0xA1, *WAY[5:]),
    "another dimension": path(*WAY[:5], 0xA1, 0x80),
    "no image": path(*WAY[:6], 0x81),
    "two images": path(*WAY[:6], inner=encode(0x80, JPEG) * 2),
    "no coded image": path(*WAY, inner=b"GIF89a"),
    "a tag and no more": b"\x65",
    "the word alone": b"FAC\0",
}


@pytest.mark.parametrize("why", BROKEN_FACES)
def test_what_holds_no_face_is_malformed(why: str) -> None:
    with pytest.raises(ChipMalformed):
        dg2.parse(faces(BROKEN_FACES[why]))


def test_the_shortest_way_to_an_image_is_enough() -> None:
    assert dg2.parse(faces(path(*WAY))).faces[0].data == JPEG
    assert len(dg2.parse(faces(path(0x65, 0xA1, inner=path(*WAY[2:]) * 16))).faces) == 16


# --- any bytes

SAMPLES = {
    dg2.parse: faces(encode(0xA1, implicit(face_data(JPEG)))),
    dg3.parse: fingers(record(view(WSQ), view(JPEG)), record(view(PNG))),
}


@pytest.mark.parametrize("parse", SAMPLES)
def test_a_file_cut_short_anywhere_is_malformed(parse) -> None:
    for end in range(len(SAMPLES[parse])):
        with pytest.raises(ChipMalformed):
            parse(SAMPLES[parse][:end])


@pytest.mark.parametrize("parse", SAMPLES)
@given(raw=st.binary(max_size=100), data=st.data())
def test_any_bytes_are_the_file_or_malformed(parse, raw: bytes, data: st.DataObject) -> None:
    sample = SAMPLES[parse]
    at = data.draw(st.integers(0, len(sample)))
    for changed in (raw, sample[:at] + raw[:3] + sample[at + len(raw[:3]) :]):
        with contextlib.suppress(ChipMalformed):
            parse(changed)


@given(
    st.sampled_from(list(FingerPosition)), st.integers(0, 255), st.integers(1, 4096),
    st.integers(1, 4096), st.binary(max_size=50), st.integers(1, 65_535),
)  # fmt: skip
def test_what_is_written_is_read(
    position: FingerPosition, quality: int, width: int, height: int, rest: bytes, resolution: int
) -> None:
    raw = fingers(
        record(view(WSQ + rest, position=position, quality=quality, width=width, height=height),
               resolution=(resolution, resolution))
    )  # fmt: skip
    (finger,) = dg3.parse(raw).fingers
    assert (finger.position, finger.width_px, finger.height_px) == (position, width, height)
    assert finger.resolution_ppi == (resolution, resolution)
    assert finger.data == WSQ + rest
    assert finger.quality == (quality if quality <= 100 else None)
