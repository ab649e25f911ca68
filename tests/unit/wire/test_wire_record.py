"""Both parts of a record: bounds, one encoding, and no way for a person to be printed."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import cbor2
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.pretty import pretty_repr
from wire_material import BANDS, NUMBER, identity_part, operations_part, record

from wire.errors import Malformed, TooLarge, WireError
from wire.reasons import Outcome, Reason
from wire.record import (
    LANES,
    MAX_IDENTITY_BYTES,
    MAX_OPERATIONS_BYTES,
    AATranscript,
    Bands,
    CheckBand,
    FaceBand,
    Lane,
    LiveBand,
    OperationsPart,
    RecordIdentity,
    Simulated,
    TimeQuality,
    Versions,
    decode_identity,
    decode_operations,
    encode_identity,
    encode_operations,
    hour_of,
)

CODES = st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._+-]{0,63}\Z")
OPERATIONS = st.builds(
    OperationsPart,
    outcome=st.sampled_from(Outcome),
    reasons=st.lists(st.sampled_from(Reason), max_size=16).map(tuple),
    bands=st.builds(
        Bands,
        pa=st.sampled_from(CheckBand),
        aa=st.sampled_from(CheckBand),
        ca=st.sampled_from(CheckBand),
        face=st.sampled_from(FaceBand),
        live=st.sampled_from(LiveBand),
    ),
    procedure=CODES,
    site=CODES,
    versions=st.builds(
        Versions,
        software=CODES,
        policy=CODES,
        models=st.dictionaries(CODES, CODES, max_size=12),
    ),
    at_hour=st.integers(0, 2**31),
    time_quality=st.sampled_from(TimeQuality),
    simulated=st.builds(Simulated, card=st.booleans(), camera=st.booleans()),
)


@given(OPERATIONS)
def test_any_operations_part_comes_back(part: OperationsPart) -> None:
    raw = encode_operations(part)
    assert decode_operations(raw) == part
    assert cbor2.loads(raw) == json.loads(msgspec.json.encode(part))


def test_an_identity_part_comes_back() -> None:
    part = identity_part(card_access=b"ca", dg14=b"14")
    raw = encode_identity(part)
    assert decode_identity(raw) == part
    assert cbor2.loads(raw)["number"] == NUMBER


def test_the_largest_parts_fit() -> None:
    # Eight models may look at a face and four at a finger.
    longest = {f"{n:02}" + "m" * 62: "v" * 64 for n in range(8 + 4)}
    operations = operations_part(
        2**31,
        reasons=(max(Reason, key=len),) * 16,
        procedure="p" * 64,
        site="s" * 64,
        versions=Versions(software="s" * 64, policy="p" * 64, models=longest),
    )
    assert decode_operations(encode_operations(operations)) == operations
    identity = identity_part(
        dg1=bytes(1_024),
        sod=bytes(32_768),
        dg14=bytes(8_192),
        dg15=bytes(4_096),
        card_access=bytes(4_096),
        aa=AATranscript(nonce=bytes(8), signature=bytes(1_024)),
        policy="p" * 64,
    )
    assert decode_identity(encode_identity(identity)) == identity


@pytest.mark.parametrize(
    "change",
    [
        {"outcome": "approved"},
        {"reasons": ("no_such_reason",)},
        {"reasons": (Reason.NOT_LIVE,) * 17},
        {"procedure": "Nguyễn Văn A"},
        {"procedure": ""},
        {"site": "two words"},
        {"site": "a" * 65},
        {"at_hour": -1},
        {"at_hour": 2**31 + 1},
        {"at_hour": 1.5},
        {"time_quality": "good"},
        {"versions": Versions(software="1", policy="p", models={str(n): "m" for n in range(13)})},
        {"versions": Versions(software="1", policy="p", models={"two words": "m"})},
        {"simulated": None},
        {"bands": None},
    ],
    ids=lambda each: next(iter(each)),
)
def test_an_operations_part_out_of_bounds_is_not_sent(change: dict) -> None:
    with pytest.raises(Malformed):
        encode_operations(operations_part(**change))


@pytest.mark.parametrize(
    "change",
    [
        {"number": "99919501234"},
        {"number": "9991950123456"},
        {"number": "99919501234x"},
        {"number": NUMBER + "\n"},
        {"number": "९९९१९५०१२३४५"},
        {"dg1": b""},
        {"dg1": bytes(1_025)},
        {"sod": b""},
        {"sod": bytes(32_769)},
        {"dg14": bytes(8_193)},
        {"dg15": bytes(4_097)},
        {"card_access": b""},
        {"aa": AATranscript(nonce=bytes(7), signature=b"s")},
        {"aa": AATranscript(nonce=bytes(8), signature=b"")},
        {"policy": "a policy"},
    ],
    ids=lambda each: next(iter(each)),
)
def test_an_identity_part_out_of_bounds_is_not_sent_and_not_quoted(change: dict) -> None:
    with pytest.raises(Malformed) as refused:
        encode_identity(identity_part(**change))
    assert "999195" not in repr(refused.value)


def test_a_portrait_has_no_field() -> None:
    """Neither in the shape nor as a field that someone adds on the way."""
    plain = cbor2.loads(encode_identity(identity_part()))
    assert not {"dg2", "dg3", "dg13"} & plain.keys()
    for name in ("dg2", "dg3", "dg13", "portrait", "score"):
        with pytest.raises(Malformed):
            decode_identity(cbor2.dumps(plain | {name: b"x"}, canonical=True))


@given(st.binary(max_size=300))
def test_any_bytes_are_malformed(raw: bytes) -> None:
    for read in (decode_operations, decode_identity):
        with pytest.raises(Malformed):
            read(raw)


def test_more_bytes_than_a_part_may_have_are_refused_unread() -> None:
    for read, limit in (
        (decode_operations, MAX_OPERATIONS_BYTES),
        (decode_identity, MAX_IDENTITY_BYTES),
    ):
        with pytest.raises(TooLarge):
            read(bytes(limit + 1))


@dataclass
class Holds:
    """Something of another room that has a part among its fields."""

    part: object
    other: dict = field(default_factory=dict)


@pytest.mark.parametrize("show", [repr, str, pretty_repr, "{}".format], ids=lambda f: f.__name__)
@pytest.mark.parametrize("wrap", [lambda x: x, Holds, lambda x: {"local": [x]}])
def test_no_part_of_a_person_is_printed(show, wrap) -> None:
    """rich.pretty is what draws the local variables of a traceback on a Textual screen."""
    part = identity_part()
    for secret in (part, part.aa, record()):
        shown = show(wrap(secret))
        assert type(secret).__name__ in shown
        for planted in (NUMBER, "sod", "signed by the chip", "face_unsure"):
            assert planted not in shown


@pytest.mark.parametrize(
    ("unix_s", "hour"), [(0, 0), (3599.9, 0), (3600, 1), (1_700_000_000, 472_222), (-5.0, 0)]
)
def test_a_time_is_rounded_down_to_its_hour(unix_s: float, hour: int) -> None:
    assert hour_of(unix_s) == hour


def test_an_identity_is_written_with_its_epoch_in_hex() -> None:
    one = RecordIdentity("kiosk-7", bytes(range(16)), "normal", 12)
    assert str(one) == "kiosk-7/000102030405060708090a0b0c0d0e0f/normal/12"
    assert one < RecordIdentity("kiosk-7", bytes(range(16)), "normal", 13)


def test_the_lanes_are_those_of_the_type() -> None:
    assert set(LANES) == set(Lane.__args__)
    assert LANES[0] == "urgent"


def test_an_error_names_the_part_and_carries_no_byte() -> None:
    error = TooLarge("receipt", size=7, limit=5)
    assert (error.what, error.size, error.limit) == ("receipt", 7, 5)
    assert str(error) == "receipt: 7 bytes, at most 5 are allowed"
    assert isinstance(error, WireError)


def test_the_bands_are_words_alone() -> None:
    assert json.loads(msgspec.json.encode(BANDS)) == {
        "pa": "passed",
        "aa": "passed",
        "ca": "absent",
        "face": "same_strong",
        "live": "passed",
    }
