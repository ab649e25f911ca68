"""Frames between station and link: five shapes, bounded; anything else closes the connection."""

from __future__ import annotations

import math
import socket

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.cose import MAX_SIGNED_BYTES
from wire.errors import HandoverError
from wire.handover import (
    MAX_FRAME_BYTES,
    Frame,
    GroupOut,
    Hello,
    LinkState,
    ReceiptIn,
    StatusOut,
    decode,
    encode,
)
from wire.record import MAX_SEQ
from wire.versions import HANDOVER_VERSION

RAW = st.binary(min_size=1, max_size=200)
FRAMES = st.one_of(
    st.builds(
        Hello,
        version=st.just(HANDOVER_VERSION),
        device=st.from_regex(r"\A[a-z0-9-]{3,32}\Z"),
        epoch=st.binary(min_size=16, max_size=16),
        shard=st.integers(0, 4095),
    ),
    st.builds(
        GroupOut,
        lane=st.sampled_from(["urgent", "security", "normal"]),
        first=st.integers(1, MAX_SEQ),
        count=st.integers(1, 64),
        raw=RAW,
    ),
    st.builds(StatusOut, raw=RAW),
    st.builds(ReceiptIn, raw=RAW),
    st.builds(LinkState, connected=st.booleans(), since_s=st.floats(0, 1e12)),
)
HELLO = {"type": "hello", "version": 1, "device": "kiosk-7", "epoch": bytes(16), "shard": 5}
GROUP = {"type": "group", "lane": "normal", "first": 1, "count": 1, "raw": b"x"}
LINK = {"type": "link", "connected": True, "since_s": 1.5}


def packed(frame: dict) -> bytes:
    return msgspec.msgpack.encode(frame)


@given(FRAMES)
def test_every_frame_comes_back(frame: Frame) -> None:
    assert decode(encode(frame)) == frame


@given(FRAMES, st.data())
def test_a_frame_cut_or_longer_is_refused(frame: Frame, data: st.DataObject) -> None:
    raw = encode(frame)
    for wrong in (raw[: data.draw(st.integers(0, len(raw) - 1))], raw + b"\0", raw + raw):
        with pytest.raises(HandoverError):
            decode(wrong)


@given(st.binary(max_size=200) | FRAMES.map(encode), st.data())
def test_any_bytes_are_a_frame_in_its_bounds_or_an_error(raw: bytes, data: st.DataObject) -> None:
    changed = bytearray(raw)
    if changed:
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    try:
        frame = decode(bytes(changed))
    except HandoverError:
        return
    assert decode(encode(frame)) == frame


def test_frames_are_plain_maps_with_their_type() -> None:
    """What an implementation in another language meets."""
    frame = Hello(version=1, device="kiosk-7", epoch=bytes(16), shard=5)
    assert msgspec.msgpack.decode(encode(frame)) == HELLO
    assert decode(packed(HELLO)) == frame
    assert msgspec.msgpack.decode(encode(LinkState(connected=True, since_s=1.5))) == LINK


@pytest.mark.parametrize(
    "frame",
    [
        {},
        {"type": "else"},
        {"type": 1},
        {"type": None},
        {**HELLO, "device": "K"},
        {**HELLO, "device": "kiosk-7\n"},
        {**HELLO, "epoch": bytes(15)},
        {**HELLO, "shard": 4096},
        {**HELLO, "shard": -1},
        {**HELLO, "version": "1"},
        {**HELLO, "more": 1},
        {name: value for name, value in HELLO.items() if name != "type"},
        {name: value for name, value in HELLO.items() if name != "epoch"},
        {**GROUP, "lane": "fast"},
        {**GROUP, "first": 0},
        {**GROUP, "first": MAX_SEQ + 1},
        {**GROUP, "count": 0},
        {**GROUP, "count": MAX_SEQ + 1},
        {**GROUP, "raw": b""},
        {**GROUP, "raw": "text"},
        {**GROUP, "raw": bytes(MAX_SIGNED_BYTES + 1)},
        {"type": "status", "raw": b""},
        {"type": "receipt", "raw": None},
        {**LINK, "since_s": -0.1},
        {**LINK, "since_s": 1e13},
        {**LINK, "since_s": math.nan},
        {**LINK, "since_s": math.inf},
        {**LINK, "connected": 1},
    ],
)
def test_a_frame_out_of_bounds_is_refused(frame: dict) -> None:
    with pytest.raises(HandoverError):
        decode(packed(frame))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x80",
        b"\x90",
        b"\xc0",
        b"\xc1",
        b"\x01",
        b"\x91" * 100_000,
        b"\x81\xa4type" * 10_000,
        b"\xdf\xff\xff\xff\xff",
        b"\xdd\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\xdb\xff\xff\xff\xff",
        b"\xd6\xff\x00\x00\x00\x00",
        b"\x81\xa4type\xa2\xff\xfe",
        b"\x81\xa2\xff\xfe\x01",
        bytes(MAX_FRAME_BYTES + 1),
    ],
)
def test_bombs_and_other_values_are_refused(raw: bytes) -> None:
    with pytest.raises(HandoverError):
        decode(raw)


@pytest.mark.parametrize(
    "frame",
    [
        Hello(version=1, device="K", epoch=bytes(16), shard=5),
        Hello(version=2**70, device="kiosk-7", epoch=bytes(16), shard=5),
        Hello(version=1, device="kiosk-\ud800", epoch=bytes(16), shard=5),
        Hello(version=object(), device="kiosk-7", epoch=bytes(16), shard=5),
        StatusOut(raw=b""),
        ReceiptIn(raw=bytes(MAX_SIGNED_BYTES + 1)),
        StatusOut(raw=bytes(MAX_FRAME_BYTES)),
        LinkState(connected=True, since_s=math.nan),
    ],
)
def test_nobody_sends_what_the_other_side_would_refuse(frame: Frame) -> None:
    with pytest.raises(HandoverError):
        encode(frame)


def test_a_frame_longer_than_allowed_is_refused_though_it_reads_well() -> None:
    raw = msgspec.msgpack.encode("raw") + msgspec.msgpack.encode(bytes(MAX_SIGNED_BYTES))
    once = b"\x82" + msgspec.msgpack.encode("type") + msgspec.msgpack.encode("status") + raw
    assert decode(once) == StatusOut(raw=bytes(MAX_SIGNED_BYTES))
    with pytest.raises(HandoverError, match="are allowed"):
        decode(b"\x83" + once[1:] + raw)


def test_the_largest_frame_passes_the_socket_whole() -> None:
    largest = encode(GroupOut(lane="normal", first=MAX_SEQ, count=64, raw=bytes(MAX_SIGNED_BYTES)))
    assert len(largest) <= MAX_FRAME_BYTES
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        ours.settimeout(5)
        theirs.settimeout(5)
        ours.send(largest)
        received, _, flags, _ = theirs.recvmsg(MAX_FRAME_BYTES + 1)
        assert (received, flags & socket.MSG_TRUNC) == (largest, 0)
        assert flags & socket.MSG_EOR or decode(received)
