"""Frames: packed as the manual prints them, found whatever is lost, changed or added."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hw.finger.packets import (
    BEGIN,
    MAX_FRAME_BYTES,
    MAX_PAYLOAD_BYTES,
    Kind,
    Packet,
    PacketParser,
    pack,
)
from hw.finger.played import PlayedModule

packets = st.builds(Packet, st.sampled_from(sorted(Kind)), st.binary(max_size=MAX_PAYLOAD_BYTES))
false_heads = st.builds(
    lambda kind, length: BEGIN + b"\xff" * 4 + bytes([kind]) + length.to_bytes(2, "big"),
    st.sampled_from([0x01, 0x02, 0x07, 0x08, 0x33]),
    st.integers(0, 400),
)
noise = st.one_of(st.binary(max_size=40), false_heads, st.just(BEGIN), st.just(b"\xef"))


def packed(packet: Packet) -> bytes:
    return pack(packet.kind, packet.payload)


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    marks = sorted({0, len(stream), *(place % (len(stream) + 1) for place in places)})
    return [stream[a:b] for a, b in pairwise(marks)]


def settled(parser: PacketParser) -> list[Packet]:
    found: list[Packet] = []
    while more := parser.settle():
        found += more
    return found


@pytest.mark.parametrize(
    ("instruction", "frame"),
    [
        (b"\x01", "EF01FFFFFFFF010003010005"),
        (b"\x0a", "EF01FFFFFFFF0100030A000E"),
        (b"\x0b", "EF01FFFFFFFF0100030B000F"),
        (b"\x1d", "EF01FFFFFFFF0100031D0021"),
        (b"\x13\0\0\0\0", "EF01FFFFFFFF01000713000000000" + "01B"),
    ],
)
def test_commands_are_framed_as_the_manual_prints_them(instruction: bytes, frame: str) -> None:
    assert pack(Kind.COMMAND, instruction).hex().upper() == frame


@given(st.lists(packets, max_size=6), st.lists(st.integers(0), max_size=8))
def test_a_stream_gives_the_same_frames_however_it_is_cut(
    sent: list[Packet], places: list[int]
) -> None:
    parser = PacketParser()
    found = [
        packet
        for piece in cut(b"".join(map(packed, sent)), places)
        for packet in parser.feed(piece)
    ]
    assert found == sent
    assert parser.discarded_bytes == 0


@given(st.lists(st.tuples(noise, packets), max_size=6), noise, st.lists(st.integers(0), max_size=8))
@example([(BEGIN + b"\xff" * 4 + b"\x07\x01\x02", Packet(Kind.ANSWER, b"\0"))], b"", [])
def test_frames_are_found_between_any_noise(
    sent: list[tuple[bytes, Packet]], last: bytes, places: list[int]
) -> None:
    stream = b"".join(before + packed(packet) for before, packet in sent) + last
    parser = PacketParser()
    found = [packet for piece in cut(stream, places) for packet in parser.feed(piece)]
    found += settled(parser)
    assert found == [packet for _, packet in sent]


@settings(deadline=None)
@given(st.lists(st.one_of(st.binary(max_size=700), noise, packets.map(packed)), max_size=8))
def test_any_bytes_are_frames_or_nothing_and_little_is_held(pieces: list[bytes]) -> None:
    parser = PacketParser()
    fed = taken = 0
    for piece in pieces:
        fed += len(piece)
        for packet in parser.feed(piece):
            taken += len(packed(packet))
            assert packed(packet) in b"".join(pieces)
        assert len(parser._held) < MAX_FRAME_BYTES
        assert taken + parser.discarded_bytes + len(parser._held) == fed


@given(packets, st.data())
def test_a_changed_frame_is_not_taken_for_what_was_sent(sent: Packet, data: st.DataObject) -> None:
    frame = bytearray(packed(sent))
    at = data.draw(st.integers(0, len(frame) - 1))
    frame[at] ^= data.draw(st.integers(1, 255))
    parser = PacketParser()
    assert sent not in [*parser.feed(bytes(frame)), *settled(parser)]


def test_a_frame_of_another_module_is_none() -> None:
    frame = pack(Kind.ANSWER, b"\0", address=0x01020304)
    assert PacketParser().feed(frame) == []
    assert PacketParser(address=0x01020304).feed(frame) == [Packet(Kind.ANSWER, b"\0")]


def test_a_false_head_does_not_hide_what_follows_and_a_real_one_is_kept() -> None:
    answer = pack(Kind.ANSWER, b"\0")
    parser = PacketParser()
    assert parser.feed(BEGIN + b"\xff" * 4 + b"\x02\x01\x02" + answer) == []
    assert parser.settle() == [Packet(Kind.ANSWER, b"\0")]
    half = pack(Kind.DATA, b"\x55" * 64)
    assert parser.feed(half[:40]) == []
    assert parser.settle() == []
    assert parser.feed(half[40:]) == [Packet(Kind.DATA, b"\x55" * 64)]


def test_a_payload_too_long_is_not_packed_and_none_is_shown() -> None:
    with pytest.raises(ValueError, match="payload"):
        pack(Kind.DATA, bytes(MAX_PAYLOAD_BYTES + 1))
    assert "secret" not in repr(Packet(Kind.DATA, b"secret"))


@given(packets)
def test_driver_and_module_agree_though_they_share_no_line_of_it(packet: Packet) -> None:
    assert PacketParser().feed(PlayedModule._frame(packet.kind, packet.payload)) == [packet]
    ears = PlayedModule([], speed=1)._ears()
    next(ears)
    heard = [told for byte in packed(packet) if (told := ears.send(byte)) is not None]
    assert heard == [(packet.kind, packet.payload)]
