"""Groups: signed whole, chained, sealed for two readers; every part opens in its place only."""

from __future__ import annotations

from itertools import pairwise

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs
from wire_independent import genesis, next_head, open_part, payload_of
from wire_material import (
    DEVICE,
    EPOCH,
    IDENTITY_KEY,
    NUMBER,
    OPERATIONS_KEY,
    P256_ORDER,
    RECIPIENTS,
    STATION,
    STRANGER,
    identity_part,
    operations_part,
    record,
    repeatable,
    sealed,
)

from wire import group as group_module
from wire.canonical import dump, encode
from wire.cose import sign1
from wire.errors import (
    Malformed,
    SealBroken,
    SignatureInvalid,
    TooLarge,
    VersionUnsupported,
    WireError,
)
from wire.group import (
    MAX_GROUP_BYTES,
    MAX_RECORDS,
    EncodedRecord,
    Group,
    GroupBody,
    chain_head,
    claimed_body,
    genesis_head,
    identity_key,
    open_identity,
    open_operations,
    partition,
    seal_group,
    verify_group,
)
from wire.record import MAX_IDENTITY_BYTES, MAX_OPERATIONS_BYTES, MAX_SEQ, RecordIdentity
from wire.seal import OpeningKey, Recipient, Recipients

KEY = STATION.public_key_der


def verified(raw: bytes) -> Group:
    return verify_group(raw, KEY)


def resigned(body: GroupBody, **changes: object) -> Group:
    """What a station would have signed that puts sealed bytes in another place."""
    changed = structs.replace(body, **changes)
    payload = encode(changed, what="group", limit=MAX_GROUP_BYTES)
    return verified(sign1(payload, STATION, kind="group"))


def signed_map(**changes: object) -> bytes:
    """A validly signed group whose body has these fields instead; "absent" takes one away."""
    body = cbor2.loads(payload_of(sealed(record(), record()).raw)) | changes
    body = {name: value for name, value in body.items() if value != "absent"}
    return sign1(dump(body), STATION, kind="group")


def test_both_readers_open_their_parts_and_another_implementation_does_too() -> None:
    made = sealed(record(1), record(2, person=False), record(3), first=5)
    group = verified(made.raw)
    opened = open_operations(group, OPERATIONS_KEY)
    assert [one.part for one in opened] == [operations_part(mark) for mark in (1, 2, 3)]
    assert [one.identity for one in opened] == [
        RecordIdentity(DEVICE, EPOCH, "normal", seq) for seq in (5, 6, 7)
    ]
    assert open_identity(group, 7, identity_key(group, 7, IDENTITY_KEY)) == identity_part()
    body = cbor2.loads(payload_of(made.raw))
    assert open_part(body, 6, "operations", OPERATIONS_KEY.private)["at_hour"] == 2
    person = open_part(body, 7, "identity", IDENTITY_KEY.private)
    assert (person["number"], person["dg14"]) == (NUMBER, None)


def test_nothing_of_a_person_is_readable_in_a_group() -> None:
    plain = record()
    assert NUMBER.encode() in (plain.identity or b"")
    assert NUMBER.encode() not in sealed(plain).raw
    assert b"face_unsure" in plain.operations
    assert b"face_unsure" not in sealed(plain).raw


def test_each_flipped_byte_of_a_signed_group_is_refused() -> None:
    raw = sealed(record()).raw
    verified(raw)
    for at in range(len(raw)):
        for mask in (0x01, 0x80, 0xFF):
            changed = bytearray(raw)
            changed[at] ^= mask
            with pytest.raises(WireError):
                verified(bytes(changed))


def test_each_truncation_of_a_signed_group_is_refused() -> None:
    raw = sealed(record(person=False)).raw
    for size in range(len(raw)):
        with pytest.raises(Malformed):
            verified(raw[:size])


def test_another_stations_group_is_refused() -> None:
    raw = sealed(record(), signer=STRANGER).raw
    assert claimed_body(raw).device == DEVICE
    with pytest.raises(SignatureInvalid):
        verified(raw)


def test_the_chain_covers_every_payload_and_no_signature() -> None:
    first = sealed(record(1))
    second = sealed(record(2), record(3), first=2, previous_head=first.head)
    assert genesis_head(device=DEVICE, epoch=EPOCH, lane="normal") == genesis(
        DEVICE, EPOCH, "normal"
    )
    head = genesis(DEVICE, EPOCH, "normal")
    for made in (first, second):
        assert made.previous_head == head
        head = next_head(head, payload_of(made.raw))
        assert made.head == verified(made.raw).head == head
    again = sign1(payload_of(second.raw), STATION, kind="group")
    parts = list(cbor2.loads(again).value)
    mirrored = P256_ORDER - int.from_bytes(parts[3][32:], "big")
    parts[3] = parts[3][:32] + mirrored.to_bytes(32, "big")
    other = cbor2.dumps(cbor2.CBORTag(18, parts))
    assert other != second.raw
    assert verified(other).head == second.head


@pytest.mark.parametrize(
    "place",
    [{"device": "kiosk-8"}, {"epoch": bytes(16)}, {"lane": "security"}],
    ids=lambda each: next(iter(each)),
)
def test_each_place_begins_a_chain_of_its_own(place: dict) -> None:
    here = {"device": DEVICE, "epoch": EPOCH, "lane": "normal"}
    assert genesis_head(**here) != genesis_head(**(here | place))
    assert chain_head(bytes(32), b"x") != chain_head(b"\1" + bytes(31), b"x")


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"device": "kiosk-8"},
        {"epoch": bytes(16)},
        {"lane": "urgent"},
        {"first": 6},
    ],
    ids=lambda each: next(iter(each)),
)
def test_a_group_moved_elsewhere_does_not_open(elsewhere: dict) -> None:
    body = verified(sealed(record(), record(), first=5).raw).body
    moved = resigned(body, **elsewhere)
    with pytest.raises(SealBroken):
        open_operations(moved, OPERATIONS_KEY)
    with pytest.raises(SealBroken):
        identity_key(moved, 6, IDENTITY_KEY)


def test_records_that_change_places_do_not_open() -> None:
    group = verified(sealed(record(1), record(2)).raw)
    swapped = resigned(group.body, records=group.body.records[::-1])
    with pytest.raises(SealBroken):
        open_operations(swapped, OPERATIONS_KEY)
    for seq in (1, 2):
        with pytest.raises(SealBroken):
            open_identity(swapped, seq, identity_key(swapped, seq, IDENTITY_KEY))


def test_a_part_in_the_other_compartment_does_not_open() -> None:
    """Not even for a reader that holds both private keys under either name."""
    body = verified(sealed(record()).raw).body
    one = body.records[0]
    crossed = resigned(body, records=(structs.replace(one, operations=one.identity),))
    with pytest.raises(SealBroken):
        open_operations(crossed, OPERATIONS_KEY)
    both = resigned(
        body,
        operations=body.identity,
        identity=body.operations,
        records=(structs.replace(one, operations=one.identity, identity=one.operations),),
    )
    with pytest.raises(SealBroken):
        open_operations(both, IDENTITY_KEY)


def test_a_renamed_recipient_does_not_open() -> None:
    body = verified(sealed(record()).raw).body
    renamed = resigned(body, operations=structs.replace(body.operations, recipient="other"))
    with pytest.raises(SealBroken):
        open_operations(renamed, OPERATIONS_KEY)
    with pytest.raises(SealBroken):
        open_operations(renamed, OpeningKey("other", OPERATIONS_KEY.private))


def test_a_key_that_only_has_the_name_opens_nothing() -> None:
    group = verified(sealed(record()).raw)
    with pytest.raises(SealBroken):
        open_operations(group, OpeningKey("operations-1", IDENTITY_KEY.private))
    with pytest.raises(SealBroken):
        identity_key(group, 1, OpeningKey("identity-1", OPERATIONS_KEY.private))


def test_each_reader_opens_its_own_compartment_only() -> None:
    group = verified(sealed(record()).raw)
    with pytest.raises(SealBroken):
        open_operations(group, IDENTITY_KEY)
    with pytest.raises(SealBroken):
        identity_key(group, 1, OPERATIONS_KEY)


def test_swapped_recipients_are_noticed_by_both_readers() -> None:
    swapped = Recipients(RECIPIENTS.identity, RECIPIENTS.operations)
    group = verified(sealed(record(), recipients=swapped).raw)
    with pytest.raises(SealBroken):
        open_operations(group, OPERATIONS_KEY)
    with pytest.raises(SealBroken):
        identity_key(group, 1, IDENTITY_KEY)


def test_an_identity_key_opens_one_record() -> None:
    group = verified(sealed(record(1), record(2), record(3)).raw)
    for seq in (1, 2, 3):
        key = identity_key(group, seq, IDENTITY_KEY)
        assert open_identity(group, seq, key) == identity_part()
        for other in {1, 2, 3} - {seq}:
            with pytest.raises(SealBroken):
                open_identity(group, other, key)


def test_the_two_compartments_never_share_a_key_nor_two_groups() -> None:
    keys = set()
    for made in (sealed(record()), sealed(record(), randomness=repeatable("other"))):
        body = verified(made.raw).body
        for compartment, key in (("operations", OPERATIONS_KEY), ("identity", IDENTITY_KEY)):
            wrapped = getattr(body, compartment)
            keys.add(group_module._unwrap(body, compartment, wrapped, key))
    assert len(keys) == 4


def test_asking_for_what_a_group_does_not_hold_is_malformed() -> None:
    group = verified(sealed(record(1, person=False), record(2), first=5).raw)
    for seq in (0, 4, 5, 7, -1):
        with pytest.raises(Malformed):
            identity_key(group, seq, IDENTITY_KEY)
        with pytest.raises(Malformed):
            open_identity(group, seq, bytes(32))
    nobody = verified(sealed(record(person=False)).raw)
    assert nobody.body.identity is None
    with pytest.raises(Malformed):
        identity_key(nobody, 1, IDENTITY_KEY)


def test_a_station_that_seals_nonsense_is_malformed() -> None:
    """Validly signed, sealed and placed, and still not a record."""
    nonsense = EncodedRecord(operations=b"\xa0", identity=b"\xff")
    group = verified(sealed(nonsense).raw)
    with pytest.raises(Malformed):
        open_operations(group, OPERATIONS_KEY)
    with pytest.raises(Malformed):
        open_identity(group, 1, identity_key(group, 1, IDENTITY_KEY))


@pytest.mark.parametrize(
    "change",
    [
        {"count": 1},
        {"count": 3},
        {"count": 0},
        {"count": 65},
        {"first": 0},
        {"first": MAX_SEQ},
        {"first": MAX_SEQ + 1},
        {"device": "KIOSK"},
        {"device": "kiosk-7\n"},
        {"epoch": bytes(15)},
        {"lane": "fast"},
        {"previous_head": bytes(31)},
        {"identity": None},
        {"records": []},
        {"operations": None},
        {"operations": {"recipient": "operations-1", "wrapped": bytes(1167)}},
        {"operations": {"recipient": "two words", "wrapped": bytes(1168)}},
        {"operations": {"recipient": "a", "wrapped": bytes(1168), "more": 1}},
        {"extra": 1},
        {"version": "absent"},
        {"lane": "absent"},
        {"identity": "absent"},
    ],
)
def test_a_body_out_of_bounds_is_malformed_though_it_is_signed(change: dict) -> None:
    verified(signed_map())
    with pytest.raises(Malformed):
        verified(signed_map(**change))


@pytest.mark.parametrize(
    "one",
    [
        ["verification", bytes(16)],
        ["verification", bytes(16), None, None],
        ["verification", bytes(15), bytes(16)],
        ["verification", bytes(MAX_OPERATIONS_BYTES + 17), bytes(16)],
        ["verification", bytes(16), bytes(MAX_IDENTITY_BYTES + 17)],
        ["verification", bytes(16), bytes(15)],
        ["verification", None, bytes(16)],
        ["else", bytes(16), bytes(16)],
        {"type": "verification", "operations": bytes(16), "identity": bytes(16)},
    ],
)
def test_a_record_out_of_bounds_is_malformed_though_it_is_signed(one: object) -> None:
    fits = ["verification", bytes(16), bytes(16)]
    verified(signed_map(records=[fits, fits]))
    with pytest.raises(Malformed):
        verified(signed_map(records=[fits, one]))


def test_an_identity_key_and_parts_come_together() -> None:
    without = ["verification", bytes(16), None]
    with pytest.raises(Malformed, match="without parts"):
        verified(signed_map(records=[without, without]))
    assert verified(signed_map(records=[without, without], identity=None)).body.identity is None


def test_another_version_is_told_apart() -> None:
    for read in (verified, claimed_body):
        with pytest.raises(VersionUnsupported):
            read(signed_map(version=2))


@pytest.mark.parametrize(
    "change",
    [{"device": "K"}, {"epoch": b""}, {"lane": "fast"}, {"first": 0}, {"previous_head": b""}],
    ids=lambda each: next(iter(each)),
)
def test_a_station_cannot_seal_what_its_reader_would_refuse(change: dict) -> None:
    place = {"device": DEVICE, "epoch": EPOCH, "lane": "normal", "first": 1} | {
        "previous_head": bytes(32)
    }
    with pytest.raises(Malformed):
        seal_group(
            [record()],
            **(place | change),
            recipients=RECIPIENTS,
            signer=STATION,
            randomness=repeatable("x"),
        )


@pytest.mark.parametrize("count", [0, MAX_RECORDS + 1])
def test_no_records_or_too_many_are_not_sealed(count: int) -> None:
    with pytest.raises(Malformed):
        sealed(*[record(person=False)] * count)


def test_records_that_do_not_fit_are_not_sealed() -> None:
    large = EncodedRecord(operations=bytes(9), identity=bytes(MAX_IDENTITY_BYTES))
    with pytest.raises(TooLarge):
        sealed(large, large)


SIZES = st.tuples(st.integers(1, MAX_OPERATIONS_BYTES), st.integers(0, MAX_IDENTITY_BYTES))
LONGEST = Recipients(
    Recipient("o" * 64, RECIPIENTS.operations.public_key),
    Recipient("i" * 64, RECIPIENTS.identity.public_key),
)


def of_size(operations: int, identity: int) -> EncodedRecord:
    return EncodedRecord(operations=bytes(operations), identity=bytes(identity) or None)


@settings(deadline=None, max_examples=40)
@given(st.lists(SIZES | st.tuples(st.integers(1, 99), st.integers(0, 99)), max_size=150))
def test_a_partition_keeps_order_fits_and_does_not_waste(sizes: list[tuple[int, int]]) -> None:
    records = [of_size(*each) for each in sizes]
    runs = list(partition(records))
    assert [one for run in runs for one in run] == records
    for run, following in pairwise(runs):
        together = sum(one.sealed_bytes for one in [*run, following[0]])
        assert len(run) == MAX_RECORDS or together > MAX_GROUP_BYTES - 4_096
    for run in runs:
        made = sealed(*run, device="d" * 32, recipients=LONGEST, first=MAX_SEQ - len(run))
        assert made.count == verified(made.raw).body.count == len(run)


def test_small_records_are_parted_by_their_number() -> None:
    small = of_size(1, 0)
    assert [len(run) for run in partition([small] * 150)] == [MAX_RECORDS, MAX_RECORDS, 22]
    assert sealed(*[small] * MAX_RECORDS).count == MAX_RECORDS


def test_the_largest_record_fits_a_group_alone() -> None:
    largest = of_size(MAX_OPERATIONS_BYTES, MAX_IDENTITY_BYTES)
    assert [len(run) for run in partition([largest] * 3)] == [1, 1, 1]
    assert len(sealed(largest, recipients=LONGEST).raw) <= MAX_GROUP_BYTES
    assert list(partition([])) == []


@given(st.binary(max_size=300))
def test_any_signed_bytes_are_a_group_or_malformed(payload: bytes) -> None:
    raw = sign1(payload, STATION, kind="group")
    for read in (verified, claimed_body):
        with pytest.raises(Malformed):
            read(raw)


def test_what_prints_a_group_prints_its_place() -> None:
    made = sealed(record(), record(), first=5)
    assert (repr(made), made.last) == ("<SealedGroup normal 5+2>", 6)
    assert repr(verified(made.raw)) == "<Group kiosk-7 normal 5+2>"
