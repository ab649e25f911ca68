"""The card's side of the virtual reader, against a reader of our own on the loopback."""

from __future__ import annotations

import socket
import struct
import threading
import time

import pytest
from contract_card import ONE_ATR, OTHER_ATR, EchoChip, echo
from hypothesis import given
from hypothesis import strategies as st

from emrtd.errors import ChipGone
from hw.card.vpcd import VirtualCard, play, react
from hw.errors import DeviceFailed, DeviceMissing

OFF, ON, RESET, ATR = b"\x00", b"\x01", b"\x02", b"\x04"


class ReaderSide:
    """Listens like vpcd and powers a card as soon as it is there."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(3)
        self.port = self.listener.getsockname()[1]
        self.wire: socket.socket | None = None

    def accept(self) -> None:
        self.hang_up()
        self.wire, _ = self.listener.accept()
        self.wire.settimeout(3)
        self.send(ON)

    def send(self, payload: bytes) -> None:
        self.wire.sendall(struct.pack(">H", len(payload)) + payload)

    def receive(self) -> bytes:
        head = self._exactly(2)
        return self._exactly(int.from_bytes(head, "big")) if head else b""

    def _exactly(self, size: int) -> bytes:
        got = b""
        while len(got) < size and (part := self.wire.recv(size - len(got))):
            got += part
        return got

    def ask(self, payload: bytes) -> bytes:
        self.send(payload)
        return self.receive()

    def hang_up(self) -> None:
        if self.wire is not None:
            self.wire.close()
            self.wire = None

    def close(self) -> None:
        self.hang_up()
        self.listener.close()


@pytest.fixture
def reader():
    side = ReaderSide()
    yield side
    side.close()


@pytest.fixture
def card(reader):
    with VirtualCard(port=reader.port) as virtual:
        yield virtual


def insert(card: VirtualCard, reader: ReaderSide, chip: EchoChip) -> None:
    accepting = threading.Thread(target=reader.accept)
    accepting.start()
    card.insert(chip)
    accepting.join()


def test_controls_and_commands_reach_the_chip(reader: ReaderSide, card: VirtualCard) -> None:
    chip = EchoChip()
    insert(card, reader, chip)
    assert reader.ask(ATR) == ONE_ATR
    assert chip.resets == 1
    reader.send(RESET)
    reader.send(OFF)
    assert reader.ask(echo(60_000))[-2:] == b"\x90\x00"
    assert chip.resets == 2
    assert card.inserted


def test_frames_may_come_in_any_pieces(reader: ReaderSide, card: VirtualCard) -> None:
    insert(card, reader, EchoChip())
    stream = b"\x00\x01\x04" + b"\x00\x05\x00\xec\x00\x00\x00"
    for byte in stream:
        reader.wire.sendall(bytes((byte,)))
    assert reader.receive() == ONE_ATR
    assert reader.receive() == b"\x90\x00"


@pytest.mark.parametrize(
    "stream",
    [
        b"\x00",
        b"\x00\x05\x00\xec",
        b"\xff\xff\x00",
        b"\x00\x00",
        b"\x00\x01\x03",
        b"\x00\x04\0\xee\0\0",
    ],
    ids=["half a length", "half a frame", "a long claim", "nothing", "unknown control", "leaves"],
)
def test_the_card_ends_with_the_wire(reader: ReaderSide, card: VirtualCard, stream: bytes) -> None:
    insert(card, reader, EchoChip())
    reader.wire.sendall(stream)
    reader.wire.shutdown(socket.SHUT_WR)
    assert reader.receive() == b""
    until = time.monotonic() + 3
    while card.inserted:
        assert time.monotonic() < until
        time.sleep(0.001)


def test_a_swapped_chip_is_powered_and_answers_on_the_same_wire(
    reader: ReaderSide, card: VirtualCard
) -> None:
    with pytest.raises(DeviceMissing):
        card.swap(EchoChip())
    insert(card, reader, EchoChip())
    other = EchoChip(OTHER_ATR)
    card.swap(other)
    assert reader.ask(ATR) == OTHER_ATR
    assert other.resets == 1


def test_a_card_taken_out_hangs_up(reader: ReaderSide, card: VirtualCard) -> None:
    insert(card, reader, EchoChip())
    card.remove()
    assert not card.inserted
    assert reader.receive() == b""
    card.remove()


def test_without_a_virtual_reader_there_is_no_inserting() -> None:
    side = ReaderSide()
    side.close()
    with VirtualCard(port=side.port) as card, pytest.raises(DeviceMissing):
        card.insert(EchoChip())
    with pytest.raises(ConnectionRefusedError):
        play(EchoChip(), "127.0.0.1", side.port)


def test_play_puts_a_chip_back_that_left_and_ends_when_stopped(reader: ReaderSide) -> None:
    stop = threading.Event()
    playing = threading.Thread(
        target=play, args=(EchoChip(), "127.0.0.1", reader.port), kwargs={"stop": stop}
    )
    playing.start()
    try:
        reader.accept()
        reader.send(b"\x00\xee\x00\x00")
        assert reader.receive() == b""
        reader.accept()
        assert reader.ask(ATR) == ONE_ATR
    finally:
        stop.set()
        playing.join(3)
    assert not playing.is_alive()


@given(st.binary(max_size=300))
def test_any_payload_is_answered_ignored_or_refused(payload: bytes) -> None:
    class Chip(EchoChip):
        def answer(self, command: bytes) -> bytes:
            return command

    try:
        answer = react(Chip(), payload)
    except DeviceFailed:
        assert len(payload) < 2
    else:
        assert answer in {None, ONE_ATR, payload}


def test_what_no_frame_holds_is_not_sent() -> None:
    class Endless(EchoChip):
        def answer(self, command: bytes) -> bytes:
            del command
            return bytes(65_536)

    with pytest.raises(DeviceFailed):
        react(Endless(), bytes(4))
    with pytest.raises(ChipGone):
        react(EchoChip(), b"\x00\xee\x00\x00")
