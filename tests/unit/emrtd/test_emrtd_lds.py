"""The data groups and EF.COM: what a careful reader takes from them, and what it refuses."""

from __future__ import annotations

import contextlib
import struct
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from issued_documents import dg15 as dg15_file
from openssl_issuer import key, needs_openssl, public_key
from reader_material import do, vector

from emrtd.errors import ChipMalformed
from emrtd.lds import com, dg1, dg2, dg13, dg15
from emrtd.mrz import parse as parse_mrz
from emrtd.signatures import describe_key
from emrtd.tlv import encode

SYNTHETIC = vector("vn_cccd_synthetic")
ZONE = "".join(SYNTHETIC["MRZ_TD1"])
JPEG, JP2, J2K = b"\xff\xd8\xff\xe0jpeg", b"\x00\x00\x00\x0cjP  \r\n\x87\n...", b"\xff\x4f\xff\x51."


# --- EF.COM


def test_icaos_com_is_read_as_in_its_worked_example() -> None:
    worked = vector("9303_11_app_d_keys")["D4_secure_messaging"]
    raw = bytes.fromhex(worked[1]["plain_response"][:-4] + worked[2]["plain_response"][:-4])
    assert com.parse(raw) == com.COM("0106", "040000", ("DG1", "DG2"))


def test_tags_that_no_data_group_has_are_left_out() -> None:
    parts = encode(0x5F01, b"0107") + encode(0x5F36, b"040000") + encode(0x5C, b"\x77\x6d\x00\x61")
    assert com.parse(encode(0x60, parts)).data_groups == ("DG13", "DG1")


@pytest.mark.parametrize(
    "raw",
    ["", "6000", "61165F0104303130365F36063034303030305C026175",
     "60145F01043031303A5F36063034303030305C026175",
     "60135F010330313 05F36063034303030305C026175".replace(" ", ""),
     "60105F0104303130365F3606303430303030", "60145F0104303130365F36063034303030305C0261"],
)  # fmt: skip
def test_what_is_no_com_is_malformed(raw: str) -> None:
    with pytest.raises(ChipMalformed):
        com.parse(bytes.fromhex(raw))


# --- DG1


def test_a_zone_is_taken_from_dg1() -> None:
    raw = encode(0x61, encode(0x5F1F, ZONE.encode()))
    assert dg1.parse(raw).mrz == parse_mrz(ZONE)
    assert "NGUYEN" not in repr(dg1.parse(raw))


@pytest.mark.parametrize(
    "raw",
    [b"", encode(0x61, b""), encode(0x61, encode(0x5F1E, ZONE.encode())), encode(0x75, b""),
     encode(0x61, encode(0x5F1F, b"\xff" * 90)), encode(0x61, encode(0x5F1F, bytes(300))),
     encode(0x61, encode(0x5F1F, ZONE.encode()) * 2)],
)  # fmt: skip
def test_what_is_no_dg1_is_malformed(raw: bytes) -> None:
    with pytest.raises(ChipMalformed):
        dg1.parse(raw)


# --- DG2


def face(image: bytes, *, points: int = 0, length: int | None = None) -> bytes:
    body = struct.pack(">H", points) + bytes(14) + bytes(8 * points) + bytes(12) + image
    return struct.pack(">I", len(body) + 4 if length is None else length) + body


def record(*faces: bytes, end: int | None = None, count: int | None = None) -> bytes:
    body = b"".join(faces)
    end = 14 + len(body) if end is None else end
    return (
        b"FAC\x00010\x00" + struct.pack(">IH", end, len(faces) if count is None else count) + body
    )


def portraits(*records: bytes, count: int | None = None, tag: int = 0x5F2E) -> bytes:
    templates = b"".join(encode(0x7F60, encode(0xA1, b"") + encode(tag, each)) for each in records)
    head = encode(0x02, bytes((len(records) if count is None else count,)))
    return encode(0x75, encode(0x7F61, head + templates))


@pytest.mark.parametrize("tag", [0x5F2E, 0x7F2E])
def test_portraits_are_told_apart_by_their_own_first_bytes(tag: int) -> None:
    raw = portraits(record(face(JPEG), face(JP2, points=3)), record(face(J2K)), tag=tag)
    assert [(each.format, each.data) for each in dg2.parse(raw).faces] == [
        ("jpeg", JPEG), ("jpeg2000", JP2), ("jpeg2000", J2K),
    ]  # fmt: skip
    assert b"jpeg".hex() not in repr(dg2.parse(raw))


def test_what_follows_a_record_is_left_alone() -> None:
    assert dg2.parse(portraits(record(face(JPEG)) + b"more")).faces[0].data == JPEG


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        encode(0x75, b""),
        encode(0x75, encode(0x7F61, b"")),
        portraits(),
        portraits(record(face(JPEG)), count=2),
        portraits(*[record(face(JPEG))] * 17),
        portraits(record()),
        portraits(*[record(*[face(JPEG)] * 9)] * 2),  # 18 faces in two records
        portraits(record(*[face(JPEG)] * 17)),
        portraits(record(face(JPEG), count=2)),
        portraits(record(face(JPEG), end=0xFFFFFFFF)),
        portraits(record(face(JPEG, length=0xFFFFFFFF))),
        portraits(record(face(JPEG, length=0))),
        portraits(record(face(JPEG, length=5))),
        portraits(record(face(JPEG)[:4] + b"\xff\xff" + face(JPEG)[6:])),
        portraits(record(face(b"GIF89a"))),
        portraits(record(face(JPEG))[:13]),
        portraits(b"FIR\0" + record(face(JPEG))[4:]),
        portraits(record(face(JPEG)), tag=0x5F2F),
    ],
)
def test_what_holds_no_portrait_is_malformed(raw: bytes) -> None:
    with pytest.raises(ChipMalformed):
        dg2.parse(raw)


# --- DG13

VARIANTS = [
    bytes.fromhex(SYNTHETIC[f"DG13_variant_{name}"])
    for name in (
        "A(two sibling SEQUENCEs for parents)", "B(one nested SEQUENCE for parents)",
    )
]  # fmt: skip


@pytest.mark.parametrize("raw", VARIANTS)
def test_both_shapes_of_the_citizen_record_say_the_same(raw: bytes) -> None:
    record_ = dg13.parse(raw)
    assert record_ == dg13.parse(VARIANTS[0])
    assert (record_.number, record_.name) == ("999195012345", "Nguyễn Thị Mẫu")
    assert record_.birth == dg13.RecordDate("01/01/1995", date(1995, 1, 1))
    assert record_.issued == dg13.RecordDate("01/06/2021", date(2021, 6, 1))
    assert record_.parents == ("Nguyễn Văn A", "Trần Thị B")
    assert (record_.spouse, record_.old_number) == ("Lê Văn C", "999345678")
    assert (record_.unknown_fields, record_.marks) == (0, "Nốt ruồi C:1cm")
    assert "Mẫu" not in repr(record_)


def field(number: int, *values: bytes) -> bytes:
    return do(0x30, do(0x02, number.to_bytes(1 + number // 256, "big")) + b"".join(values))


def text(value: str) -> bytes:
    return do(0x0C, value.encode())


def citizen(*fields: bytes, oid: str = "28D316010008") -> bytes:
    body = do(0x02, b"\1") + do(0x06, bytes.fromhex(oid)) + do(0x31, b"".join(fields))
    return do(0x6D, do(0x30, body))


def test_fields_may_be_absent_empty_unknown_and_in_any_order() -> None:
    record_ = dg13.parse(
        citizen(
            field(12, text("Không thời hạn")), field(3, text("31/02/1995")), field(1, text("  ")),
            field(40, b"\x04\x01\xff"), field(300), field(2), field(13), field(14, do(0x30, b"")),
            field(11, text("2021-06-01")), field(8, text("Ha\u0300\n Nội")),
        )
    )  # fmt: skip
    assert record_.expiry == dg13.RecordDate("Không thời hạn", None)
    assert record_.birth == dg13.RecordDate("31/02/1995", None)
    assert record_.issued == dg13.RecordDate("2021-06-01", None)
    assert (record_.number, record_.name, record_.spouse, record_.parents) == (None, None, None, ())
    assert (record_.origin, record_.unknown_fields) == ("Hà  Nội", 2)


def test_a_record_of_nothing_is_one() -> None:
    assert dg13.parse(citizen()) == dg13.DG13()


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        citizen(oid="28D316010009"),
        do(0x6D, do(0x30, do(0x02, b"\1"))),
        do(0x6D, do(0x31, b"")),
        citizen(field(1, text("1")), field(1, text("1"))),
        citizen(*[field(100 + at) for at in range(65)]),
        citizen(do(0x31, b"")),
        citizen(do(0x30, b"")),
        citizen(do(0x30, text("no number"))),
        citizen(do(0x30, do(0x02, b""))),
        citizen(do(0x30, do(0x02, b"\0\0\1"))),
        citizen(field(2, text("a"), text("b"))),
        citizen(field(13, *[do(0x30, text("a"))] * 5)),
        citizen(field(2, do(0x04, b"a"))),
        citizen(field(2, do(0x0C, b"\xff"))),
        citizen(field(2, do(0x13, "ễ".encode()))),
        citizen(field(2, text("a" * 2049))),
        do(0x6D, bytes(17_000)),
    ],
)
def test_what_is_no_citizen_record_is_malformed(raw: bytes) -> None:
    with pytest.raises(ChipMalformed):
        dg13.parse(raw)


def test_a_text_that_cannot_be_decoded_is_not_quoted() -> None:
    with pytest.raises(ChipMalformed) as caught:
        dg13.parse(citizen(field(2, do(0x0C, b"Mau\xff"))))
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert "Mau" not in str(caught.value)


# --- DG15


@needs_openssl
@pytest.mark.parametrize(
    ("kind", "described"),
    [
        ("rsa:1024", "RSA 1024"),
        ("rsa:2048", "RSA 2048"),
        ("ec:prime256v1", "EC secp256r1"),
        ("explicit:brainpoolP256r1", "EC brainpoolP256r1"),
    ],
)
def test_keys_that_openssl_writes_are_read(kind: str, described: str) -> None:
    parsed = dg15.parse(dg15_file(public_key(key(kind))))
    assert describe_key(parsed.public_key) == described


@needs_openssl
def test_a_key_that_proves_nothing_is_malformed() -> None:
    for raw in (dg15_file(public_key(key("rsa:512"))), do(0x6E, public_key(key("rsa:1024")))):
        with pytest.raises(ChipMalformed):
            dg15.parse(raw)


# --- any bytes

SAMPLES = {
    com.parse: bytes.fromhex("60145F0104303130365F36063034303030305C026175"),
    dg1.parse: encode(0x61, encode(0x5F1F, ZONE.encode())),
    dg2.parse: portraits(record(face(JPEG), face(JP2)), record(face(J2K))),
    dg13.parse: VARIANTS[1],
}


@pytest.mark.parametrize("parse", SAMPLES)
def test_a_file_cut_short_anywhere_is_malformed(parse) -> None:
    for end in range(len(SAMPLES[parse])):
        with pytest.raises(ChipMalformed):
            parse(SAMPLES[parse][:end])


@pytest.mark.parametrize("parse", [*SAMPLES, dg15.parse])
@given(raw=st.binary(max_size=200), data=st.data())
def test_any_bytes_are_the_file_or_malformed(parse, raw: bytes, data: st.DataObject) -> None:
    sample = SAMPLES.get(parse, b"")
    at = data.draw(st.integers(0, len(sample)))
    for changed in (raw, sample[:at] + raw[:3] + sample[at + len(raw[:3]) :]):
        with contextlib.suppress(ChipMalformed):
            parse(changed)
