"""Data groups 7, 11, 12 and 16: what a careful reader takes from them, and what it refuses."""

from __future__ import annotations

import contextlib
from datetime import date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reader_material import do, vector

from emrtd.errors import ChipMalformed
from emrtd.lds import dg7, dg11, dg12, dg16
from emrtd.lds._details import MAX_LINES, MAX_REPEATS, MAX_TEXT_BYTES, DetailDate, DetailMoment
from emrtd.lds._details import Name as Named

ICAO = {
    name: bytes.fromhex(raw) for name, raw in vector("9303_10_app_a").items() if name[:2] == "DG"
}
JPEG, JP2, J2K = b"\xff\xd8\xff\xe0jpeg", b"\x00\x00\x00\x0cjP  \r\n\x87\n...", b"\xff\x4f\xff\x51."

WIDE = "\uff11\uff19\uff19\uff15\uff10\uff11\uff10\uff11"
"""Digits, and none of them in ASCII."""


def two(tag: int, value: bytes | str) -> bytes:
    """Write an object whose tag has two bytes; the other encoder of this suite."""
    raw = value.encode() if isinstance(value, str) else value
    return tag.to_bytes(2, "big")[:1] + do(tag & 0xFF, raw)


def listed(outer: int, *fields: tuple[int, bytes | str], tags: bytes | None = None) -> bytes:
    if tags is None:
        tags = b"".join(tag.to_bytes(2, "big") for tag, _ in fields)
    return do(outer, do(0x5C, tags) + b"".join(two(tag, value) for tag, value in fields))


def repeated(tag: int, *names: str, count: int | None = None) -> bytes:
    inner = do(0x02, bytes((len(names) if count is None else count,)))
    return do(0xA0, inner + b"".join(two(tag, name) for name in names))


# --- ICAO's worked examples


def test_icaos_details_are_read_as_in_the_worked_example() -> None:
    assert dg11.parse(ICAO["DG11"]) == dg11.DG11(
        name=Named("SMITH", "JOHN J"),
        place_of_birth=("ANYTOWN", "MN"),
        address=("123 MAPLE RD", "ANYTOWN", "MN"),
        telephone="16125551212",
        profession="TRAVEL AGENT",
    )


def test_icaos_people_to_notify_are_read_as_in_the_worked_example() -> None:
    assert dg16.parse(ICAO["DG16"]).people == (
        dg16.PersonToNotify(
            DetailDate("20020101", date(2002, 1, 1)), Named("SMITH", "CHARLES R"), "19525551212",
            ("123 MAPLE RD", "ANYTOWN", "MN", "55100"),
        ),
        dg16.PersonToNotify(
            DetailDate("20020315", date(2002, 3, 15)), Named("BROWN", "MARY J"), "14155551212",
            ("49 REDWOOD LN", "OCEAN BREEZE", "CA", "94000"),
        ),
    )  # fmt: skip


def test_no_repr_shows_whom_to_notify() -> None:
    shown = repr(dg16.parse(ICAO["DG16"]))
    for secret in ("2002", "SMITH", "MARY", "555", "ANYTOWN", "LN"):
        assert secret not in shown


# --- DG7


def signatures(*images: bytes, count: int | None = None) -> bytes:
    head = do(0x02, bytes((len(images) if count is None else count,)))
    return do(0x67, head + b"".join(two(0x5F43, image) for image in images))


@pytest.mark.parametrize("number", [1, 3, 9])
def test_a_signature_is_an_image_nobody_decodes(number: int) -> None:
    images = ((JPEG, JP2, J2K) * 3)[:number]
    found = dg7.parse(signatures(*images)).images
    assert [(each.format, each.data) for each in found] == [
        ("jpeg" if each is JPEG else "jpeg2000", each) for each in images
    ]
    assert repr(found[0].data) not in repr(found)


@pytest.mark.parametrize(
    "raw",
    [b"", do(0x67, b""), signatures(), signatures(JPEG, count=2), signatures(JPEG, JPEG, count=1),
     signatures(*[JPEG] * 10), signatures(b"GIF89a"), signatures(JPEG, b""),
     do(0x67, two(0x5F43, JPEG)), do(0x67, do(2, b"\0\1") + two(0x5F43, JPEG)),
     do(0x68, signatures(JPEG)[2:])],
)  # fmt: skip
def test_what_is_no_signature_is_malformed(raw: bytes) -> None:
    with pytest.raises(ChipMalformed):
        dg7.parse(raw)


# --- DG11


def test_every_detail_of_a_holder_has_its_place() -> None:
    raw = listed(
        0x6B,
        (0x5F0E, "NGUYEN<<THI<MAU"), (0x5F0F, "MAU<<CO"), (0x5F10, "999195012345"),
        (0x5F2B, "19950101"), (0x5F11, "HA<NOI"), (0x5F42, "<SO 1<<XA MAU<"), (0x5F12, "84<999"),
        (0x5F13, "NONG<DAN"), (0x5F14, "BA"), (0x5F15, "a summary"), (0x5F16, JPEG),
        (0x5F17, "N1<N2"), (0x5F18, "nobody"), (0x5F77, "?"),
    )  # fmt: skip
    assert dg11.parse(raw) == dg11.DG11(
        name=Named("NGUYEN", "THI MAU"), other_names=(Named("MAU", "CO"),),
        personal_number="999195012345", birth=DetailDate("19950101", date(1995, 1, 1)),
        place_of_birth=("HA", "NOI"), address=("SO 1", "XA MAU"), telephone="84 999",
        profession="NONG DAN", title="BA", summary="a summary",
        proof_of_citizenship=dg11.CodedImage("jpeg", JPEG), other_documents=("N1", "N2"),
        custody="nobody", unknown_fields=1,
    )  # fmt: skip
    shown = repr(dg11.parse(raw))
    for secret in ("NGUYEN", "MAU", "999195", "1995", "NOI", "84", "jpeg", "N1"):
        assert secret not in shown


@pytest.mark.parametrize("tags", [bytes.fromhex("5F0F"), b"\xa0", b""])
def test_other_names_stand_in_a_holder_whatever_the_list_calls_it(tags: bytes) -> None:
    raw = do(0x6B, do(0x5C, tags) + repeated(0x5F0F, "SMITH<<JOHN", "JOHN<SMITH", "<<"))
    assert dg11.parse(raw).other_names == (Named("SMITH", "JOHN"), Named("JOHN SMITH", ""))


def test_other_names_may_stand_bare_and_in_any_script() -> None:
    raw = listed(0x6B, (0x5F0E, "阮某"), (0x5F0F, "RUAN<<MOU"), (0x5F0F, "NGUYEN<<MO"))
    assert dg11.parse(raw).name == Named("阮某", "")
    assert dg11.parse(raw).other_names == (Named("RUAN", "MOU"), Named("NGUYEN", "MO"))


def test_texts_are_composed_and_without_control_characters() -> None:
    raw = listed(0x6B, (0x5F0E, "A\u0300\u0323\n<<B\tC"), (0x5F11, "x\r<  <y"))
    assert dg11.parse(raw).name == Named("\u1ea0\u0300", "B C")
    assert dg11.parse(raw).place_of_birth == ("x", "y")


@pytest.mark.parametrize("tag", [0x5F0E, 0x5F10, 0x5F2B, 0x5F11, 0x5F16])
@pytest.mark.parametrize("value", ["", " ", "<", "<<<"])
def test_what_is_empty_is_absent(tag: int, value: str) -> None:
    if tag == 0x5F16 and value:
        return
    if tag == 0x5F2B and value:
        found = dg11.parse(listed(0x6B, (tag, value))).birth
        assert found is not None
        assert found.day is None
        return
    assert dg11.parse(listed(0x6B, (tag, value))) == dg11.DG11()


def test_an_image_that_is_none_is_kept_without_a_name() -> None:
    proof = dg11.parse(listed(0x6B, (0x5F16, b"GIF89a"))).proof_of_citizenship
    assert proof == dg11.CodedImage(None, b"GIF89a")


@pytest.mark.parametrize(
    ("value", "text", "day"),
    [
        ("19950101", "19950101", date(1995, 1, 1)),
        (b"\x19\x95\x01\x01", "19950101", date(1995, 1, 1)),
        (b"\x20\x16\x02\x29", "20160229", date(2016, 2, 29)),
        (b"\x18\x99\x12\x31", "18991231", date(1899, 12, 31)),
        (b"\x21\x00\x01\x01", "21000101", date(2100, 1, 1)),
        ("19950000", "19950000", None),
        ("199501<<", "199501<<", None),
        ("1995XXXX", "1995XXXX", None),
        ("19950230", "19950230", None),
        ("1995", "1995", None),
        ("01/01/1995", "01/01/1995", None),
        (WIDE, WIDE, None),
        (b"\x20\x1a\x02\x29", "201a0229", None),
    ],
)
def test_a_date_is_written_or_packed(value: bytes | str, text: str, day: date | None) -> None:
    raw = listed(0x6B, (0x5F2B, value))
    assert dg11.parse(raw).birth == DetailDate(text, day)
    assert dg12.parse(listed(0x6C, (0x5F26, value))).issued == DetailDate(text, day)
    person = dg16.parse(do(0x70, do(2, b"\1") + do(0xA1, two(0x5F50, value)))).people[0]
    assert person.recorded == DetailDate(text, day)


BROKEN_DETAILS = {
    "nothing": b"",
    "no list": do(0x6B, b""),
    "a list that comes late": do(0x6B, two(0x5F10, "1") + do(0x5C, b"")),
    "half a tag": listed(0x6B, tags=bytes.fromhex("5F0E5F")),
    "no tag": listed(0x6B, tags=b"\0"),
    "another file": listed(0x6C, (0x5F10, "1")),
    "a field twice": listed(0x6B, (0x5F10, "1"), (0x5F10, "1")),
    "a holder twice": do(0x6B, do(0x5C, b"") + repeated(0x5F0F, "A") * 2),
    "names within and without": do(
        0x6B, do(0x5C, b"") + repeated(0x5F0F, "A") + two(0x5F0F, "B")
    ),
    "too many by the count": do(0x6B, do(0x5C, b"") + repeated(0x5F0F, "A", count=2)),
    "too few by the count": do(0x6B, do(0x5C, b"") + repeated(0x5F0F, "A", "B", count=1)),
    "none": do(0x6B, do(0x5C, b"") + repeated(0x5F0F)),
    "no count": do(0x6B, do(0x5C, b"") + do(0xA0, two(0x5F0F, "A"))),
    "too many": do(0x6B, do(0x5C, b"") + repeated(0x5F0F, *["A"] * (MAX_REPEATS + 1))),
    "too many bare": listed(0x6B, *[(0x5F0F, "A")] * (MAX_REPEATS + 1)),
    "too many to count": do(0x6B, do(0x5C, b"") + repeated(0x5F0F, *["A"] * 257, count=1)),
    "another encoding": listed(0x6B, (0x5F0E, b"Mau\xff")),
    "too long": listed(0x6B, (0x5F15, "a" * (MAX_TEXT_BYTES + 1))),
    "too many lines": listed(0x6B, (0x5F42, "a<" * MAX_LINES + "a")),
}  # fmt: skip


@pytest.mark.parametrize("why", BROKEN_DETAILS)
def test_what_is_no_detail_is_malformed(why: str) -> None:
    with pytest.raises(ChipMalformed):
        dg11.parse(BROKEN_DETAILS[why])


def test_the_bounds_themselves_are_within() -> None:
    assert len(dg11.parse(listed(0x6B, (0x5F15, "a" * MAX_TEXT_BYTES))).summary or "") == 4096
    assert len(dg11.parse(listed(0x6B, (0x5F42, "a<" * (MAX_LINES - 1) + "a"))).address) == 64
    names = do(0x6B, do(0x5C, b"") + repeated(0x5F0F, *["A"] * MAX_REPEATS))
    assert len(dg11.parse(names).other_names) == MAX_REPEATS


def test_a_text_that_cannot_be_decoded_is_not_quoted() -> None:
    with pytest.raises(ChipMalformed) as caught:
        dg11.parse(BROKEN_DETAILS["another encoding"])
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert "Mau" not in str(caught.value)


# --- DG12


def test_every_detail_of_a_document_has_its_place() -> None:
    raw = listed(
        0x6C,
        (0x5F19, "BO<CONG<AN"), (0x5F26, b"\x20\x21\x06\x01"), (0x5F1A, "TRE<<EM"),
        (0x5F1B, "none"), (0x5F1C, "no tax"), (0x5F1D, JP2), (0x5F1E, J2K),
        (0x5F55, "20210601123059"), (0x5F56, "N-4962"),
    )  # fmt: skip
    assert dg12.parse(raw) == dg12.DG12(
        authority="BO CONG AN", issued=DetailDate("20210601", date(2021, 6, 1)),
        other_persons=(Named("TRE", "EM"),), endorsements="none", tax_or_exit="no tax",
        front=dg12.CodedImage("jpeg2000", JP2), rear=dg12.CodedImage("jpeg2000", J2K),
        personalised=DetailMoment("20210601123059", datetime(2021, 6, 1, 12, 30, 59)),  # noqa: DTZ001 - as written
        system="N-4962", unknown_fields=0,
    )  # fmt: skip
    shown = repr(dg12.parse(raw))
    for secret in ("CONG", "2021", "TRE", "none", "tax", "4962"):
        assert secret not in shown
    held = do(0x6C, do(0x5C, b"\xa0") + repeated(0x5F1A, "SMITH<<BRENDA<P", "A<<B"))
    assert dg12.parse(held).other_persons == (Named("SMITH", "BRENDA P"), Named("A", "B"))
    assert dg12.parse(listed(0x6C, (0x5F1D, ""), (0x5F1E, ""), (0x5F55, ""))) == dg12.DG12()


@pytest.mark.parametrize(
    ("value", "text", "at"),
    [
        (bytes.fromhex("20210601123059"), "20210601123059", datetime(2021, 6, 1, 12, 30, 59)),  # noqa: DTZ001 - as written
        ("20210601", "20210601", None),
        ("20210601246060", "20210601246060", None),
        (b"2021060", "2021060", None),
    ],
)
def test_a_moment_is_written_or_packed(value: bytes | str, text: str, at: datetime | None) -> None:
    assert dg12.parse(listed(0x6C, (0x5F55, value))).personalised == DetailMoment(text, at)


@pytest.mark.parametrize("raw", [b"", listed(0x6B), do(0x6C, b""), listed(0x6C, (0x5F19, b"\xff"))])
def test_what_is_no_document_detail_is_malformed(raw: bytes) -> None:
    with pytest.raises(ChipMalformed):
        dg12.parse(raw)


# --- DG16


def people(*templates: bytes, count: int | None = None, first: int = 0xA1) -> bytes:
    head = do(2, bytes((len(templates) if count is None else count,)))
    return do(0x70, head + b"".join(do(first + at, each) for at, each in enumerate(templates)))


ONE = two(0x5F51, "A<<B")


@pytest.mark.parametrize("number", [1, 15])
def test_people_are_numbered_from_the_first_on(number: int) -> None:
    found = dg16.parse(people(*[ONE] * number)).people
    assert [each.name for each in found] == [Named("A", "B")] * number
    assert (found[0].recorded, found[0].telephone, found[0].address) == (None, None, ())
    assert "A" not in repr(found[0]).replace("PersonToNotify", "")


@pytest.mark.parametrize(
    "raw",
    [b"", people(), people(ONE, count=2), people(ONE, ONE, count=1), people(ONE, first=0xA2),
     people(ONE, first=0xA0), do(0x70, do(0xA1, ONE)), people(*[ONE] * 16), do(0x6F, b""),
     people(two(0x5F51, b"\xff")), people(ONE + ONE), people(b"\x5f")],
)  # fmt: skip
def test_what_names_nobody_is_malformed(raw: bytes) -> None:
    with pytest.raises(ChipMalformed):
        dg16.parse(raw)


# --- any bytes

SAMPLES = {
    dg7.parse: signatures(JPEG, J2K),
    dg11.parse: ICAO["DG11"],
    dg12.parse: listed(0x6C, (0x5F19, "A"), (0x5F26, "20210601"), (0x5F1D, JPEG)),
    dg16.parse: ICAO["DG16"],
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


@given(st.text(max_size=60), st.text(max_size=60))
def test_what_is_written_is_read(surname: str, given_names: str) -> None:
    """Any two texts come back as their words, composed."""
    import unicodedata

    with contextlib.suppress(UnicodeEncodeError):
        parsed = dg11.parse(listed(0x6B, (0x5F0E, f"{surname}<<{given_names}".encode())))
        words = unicodedata.normalize("NFC", f"{surname}<<{given_names}")
        words = "".join(" " if unicodedata.category(c) == "Cc" or c == "<" else c for c in words)
        shown = parsed.name.surname + " " + parsed.name.given_names if parsed.name else ""
        assert shown.split() == words.split()
