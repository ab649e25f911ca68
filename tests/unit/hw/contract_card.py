"""What every card port must do, whatever stands behind it; each driver's tests inherit it.

The chip here answers with what it was sent: it plays the card's side of a port, and nothing of a
real card.
"""

from __future__ import annotations

import threading
import time
from typing import Protocol

import pytest

from emrtd.apdu import Command, Response
from emrtd.errors import ChipGone
from hw.card.port import CardInfo, CardPort
from hw.errors import DeviceMissing, DeviceTimeout

ECHO, GIVE, LEAVE, HANG = 0xEC, 0xB0, 0xEE, 0xDD
ONE_ATR = bytes.fromhex("3B80800101")
OTHER_ATR = bytes.fromhex("3B8180014141")
SOON_S = 3.0


class EchoChip:
    """Echoes, gives as many bytes as asked for, leaves, or hangs until it is let go."""

    def __init__(self, atr: bytes = ONE_ATR) -> None:
        self.atr = atr
        self.resets = 0
        self.let_go = threading.Event()

    def reset(self) -> None:
        self.resets += 1

    def answer(self, command: bytes) -> bytes:
        asked = Command.from_bytes(command)
        match asked.ins:
            case 0xEC:
                return Response(asked.data, 0x9000).to_bytes()
            case 0xB0:
                return Response(bytes(asked.le or 0), 0x9000).to_bytes()
            case 0xEE:
                raise ChipGone
            case 0xDD:
                self.let_go.wait(20)
        return b"\x6d\x00"


class Rig(Protocol):
    """Hands that move cards before one kind of reader."""

    def port(self) -> CardPort:
        """Return a new port to the reader; the rig closes it."""

    def insert(self, chip: EchoChip) -> None:
        """Put a chip on the reader, instead of the one that lies there."""

    def remove(self) -> None:
        """Leave the reader empty."""


def echo(size: int) -> bytes:
    return Command(0, ECHO, 0, 0, bytes(range(256)) * (size // 256) + bytes(size % 256)).to_bytes()


class CardContract:
    """Inherit, and give a fixture `rig`."""

    SIMULATED: bool

    def test_connect_tells_what_lies_there(self, rig: Rig) -> None:
        rig.insert(EchoChip())
        port = rig.port()
        info = port.connect(timeout_s=SOON_S)
        assert isinstance(info, CardInfo)
        assert info.atr == ONE_ATR
        assert info.reader
        assert info.max_command_bytes >= 261
        assert port.simulated is self.SIMULATED
        assert port.present()

    def test_commands_and_responses_of_every_length_pass(self, rig: Rig) -> None:
        rig.insert(EchoChip())
        port = rig.port()
        port.connect(timeout_s=SOON_S)
        for size in (0, 1, 255, 256, 5000, 60_000):
            assert port.transmit(echo(size)) == echo(size)[-size or 4 :][:size] + b"\x90\x00"
        for le in (1, 256, 257, 65_533):
            assert len(port.transmit(Command(0, GIVE, 0, 0, le=le).to_bytes())) == le + 2

    def test_no_card_in_time_is_a_time_out_and_leaves_nothing_behind(self, rig: Rig) -> None:
        rig.remove()
        port = rig.port()
        begun = time.monotonic()
        with pytest.raises(DeviceTimeout):
            port.connect(timeout_s=0.05)
        assert 0.04 <= time.monotonic() - begun < 1
        assert not port.present()
        later = threading.Timer(0.02, rig.insert, [EchoChip()])
        later.start()
        try:
            port.connect(timeout_s=SOON_S)
        finally:
            later.join()
        assert port.transmit(echo(3)) == bytes(3) + b"\x90\x00"

    def test_a_card_taken_away_is_gone_until_connected_again(self, rig: Rig) -> None:
        chip = EchoChip()
        rig.insert(chip)
        port = rig.port()
        port.connect(timeout_s=SOON_S)
        rig.remove()
        for _ in range(2):
            with pytest.raises(ChipGone):
                port.transmit(echo(3))
        assert not port.present()
        resets = chip.resets
        rig.insert(chip)
        with pytest.raises(ChipGone):
            port.transmit(echo(3))
        port.connect(timeout_s=SOON_S)
        assert port.transmit(echo(3)) == bytes(3) + b"\x90\x00"
        assert chip.resets > resets

    def test_presence_is_noticed_without_a_command(self, rig: Rig) -> None:
        rig.insert(EchoChip())
        port = rig.port()
        port.connect(timeout_s=SOON_S)
        rig.remove()
        until = time.monotonic() + SOON_S
        while port.present():
            assert time.monotonic() < until
            time.sleep(0.01)

    def test_a_chip_that_leaves_in_mid_command_is_gone(self, rig: Rig) -> None:
        rig.insert(EchoChip())
        port = rig.port()
        port.connect(timeout_s=SOON_S)
        assert port.transmit(echo(3)) == bytes(3) + b"\x90\x00"
        with pytest.raises(ChipGone):
            port.transmit(Command(0, LEAVE, 0, 0).to_bytes())
        with pytest.raises(ChipGone):
            port.transmit(echo(3))

    def test_disconnect_is_harmless_and_each_connect_powers_anew(self, rig: Rig) -> None:
        chip = EchoChip()
        rig.insert(chip)
        port = rig.port()
        port.disconnect()
        port.connect(timeout_s=SOON_S)
        resets = chip.resets
        port.disconnect()
        port.disconnect()
        assert not port.present()
        with pytest.raises(ChipGone):
            port.transmit(echo(3))
        port.connect(timeout_s=SOON_S)
        assert chip.resets > resets

    def test_another_card_is_another_card(self, rig: Rig) -> None:
        rig.insert(EchoChip())
        port = rig.port()
        assert port.connect(timeout_s=SOON_S).atr == ONE_ATR
        port.disconnect()
        rig.insert(EchoChip(OTHER_ATR))
        assert port.connect(timeout_s=SOON_S).atr == OTHER_ATR

    def test_close_frees_who_waits_and_ends_the_port(self, rig: Rig) -> None:
        rig.remove()
        port = rig.port()
        later = threading.Timer(0.05, port.close)
        later.start()
        begun = time.monotonic()
        try:
            with pytest.raises(DeviceMissing):
                port.connect(timeout_s=20)
        finally:
            later.join()
        assert time.monotonic() - begun < SOON_S
        port.close()
        with pytest.raises(DeviceMissing):
            port.connect(timeout_s=0.1)
