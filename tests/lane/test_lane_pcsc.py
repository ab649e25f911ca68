"""The PC/SC driver on a real pcscd with vpcd's reader: the contract, lost cards, dead services.

The card at the other end is the simulator's chip; driver, service, reader and wire are real.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from typing import TYPE_CHECKING

import pytest

from emrtd.errors import ChannelBroken, ChipGone, WrongPassword
from emrtd.inspect import confirm_presence
from emrtd.verify import ChipOutcome, verify
from hw.card.pcsc import PCSCReader
from hw.card.planned import PlannedReads
from hw.card.reading import read
from hw.card.vpcd import VirtualCard
from hw.errors import BadDeviceURL, DeviceError, DeviceFailed, DeviceMissing, DeviceTimeout
from tests.unit.hw.card_material import AT, JPEG, PulledChip, card_of, inspection_of, trust
from tests.unit.hw.contract_card import HANG, SOON_S, CardContract, EchoChip, echo
from tram.parts.pcscd import Pcscd

if TYPE_CHECKING:
    from collections.abc import Iterator

    from emrtd.dialogue import Dialogue
    from emrtd.files import ReadPlan
    from emrtd.inspect import Inspection
    from emrtd.sim import CardImage

pytestmark = pytest.mark.lane

READER = "Virtual PCD 00 00"
PICTURE = JPEG[:-2] + bytes(12_000) + JPEG[-2:]
"""Long enough that its data group takes several commands."""


@pytest.fixture(scope="module")
def service() -> Iterator[Pcscd]:
    with Pcscd() as running:
        yield running


@pytest.fixture(scope="module")
def hands(service: Pcscd) -> Iterator[VirtualCard]:
    """One for all tests, for it knows how long ago the last card was taken out."""
    with VirtualCard(port=service.port) as card:
        yield card


@pytest.fixture
def slot(hands: VirtualCard) -> Iterator[VirtualCard]:
    yield hands
    hands.remove()


@pytest.fixture
def reader(service: Pcscd) -> Iterator[PCSCReader]:
    port = PCSCReader(READER)
    yield port
    port.close()


@pytest.fixture(scope="module")
def card() -> CardImage:
    return card_of("999095012345", PICTURE)


class PCSCRig:
    """Hands before the virtual reader."""

    def __init__(self, slot: VirtualCard) -> None:
        self.slot = slot
        self.ports: list[PCSCReader] = []

    def port(self) -> PCSCReader:
        self.ports.append(PCSCReader(READER))
        return self.ports[-1]

    def insert(self, chip: EchoChip) -> None:
        self.slot.insert(chip)

    def remove(self) -> None:
        self.slot.remove()


class TestContract(CardContract):
    SIMULATED = True
    """Its reader is the virtual one: its name says so, and the driver with it."""

    @pytest.fixture
    def rig(self, slot: VirtualCard) -> Iterator[PCSCRig]:
        hands = PCSCRig(slot)
        yield hands
        for port in hands.ports:
            port.close()


def test_a_whole_inspection_is_genuine_and_the_card_still_there(
    slot: VirtualCard, reader: PCSCReader, card: CardImage
) -> None:
    slot.insert(PulledChip(card))
    info = reader.connect(timeout_s=SOON_S)
    assert READER in info.reader
    reading = read(reader, inspection_of(card))
    findings = verify(reading.value.evidence, trust(), at=AT)
    assert findings.outcome is ChipOutcome.GENUINE
    assert findings.holder is not None
    assert len(reading.value.evidence.files["DG2"]) > len(PICTURE)
    read(reader, confirm_presence(reading.value))
    reading.value.channel.close()


def test_a_card_that_carries_much_is_read_in_few_commands(
    slot: VirtualCard, reader: PCSCReader, card: CardImage
) -> None:
    """The virtual reader passes extended length, and the card says that it does."""
    wide = dataclasses.replace(
        card,
        extended_bytes=4096,
        files={**card.files, "ATRInfo": bytes.fromhex("47030000407F66080202100002021000")},
    )
    slot.insert(PulledChip(wide))
    info = reader.connect(timeout_s=SOON_S)
    plans = []

    def dialogue(plan: ReadPlan) -> Dialogue[Inspection]:
        plans.append(plan)
        return inspection_of(wide, plan=plan)

    reading = PlannedReads().read(reader, info, dialogue)
    assert [plan.max_le for plan in plans] == [4063]
    assert verify(reading.value.evidence, trust(), at=AT).outcome is ChipOutcome.GENUINE
    assert reading.apdus < 40


def test_a_wrong_can_is_a_wrong_can_and_the_right_one_reads(
    slot: VirtualCard, reader: PCSCReader, card: CardImage
) -> None:
    slot.insert(PulledChip(card))
    reader.connect(timeout_s=SOON_S)
    wrong = f"{(int(card.can) + 1) % 1_000_000:06}"
    with pytest.raises(WrongPassword):
        read(reader, inspection_of(card, can=wrong))
    reader.disconnect()
    reader.connect(timeout_s=SOON_S)
    read(reader, inspection_of(card)).value.channel.close()


def test_pulled_at_some_commands_the_chip_is_gone_and_the_next_card_reads(
    slot: VirtualCard, reader: PCSCReader, card: CardImage
) -> None:
    slot.insert(PulledChip(card))
    reader.connect(timeout_s=SOON_S)
    whole = read(reader, inspection_of(card))
    last = whole.apdus
    for at in (1, 3, last // 3, last // 2, last - 3, last):
        chip = PulledChip(card, at=at)
        slot.insert(chip)
        reader.connect(timeout_s=SOON_S)
        begun = time.monotonic()
        with pytest.raises(ChipGone):
            read(reader, inspection_of(card))
        assert time.monotonic() - begun < SOON_S
        assert chip.asked == at
        assert not reader.present()
        slot.insert(PulledChip(card))
        reader.connect(timeout_s=SOON_S)
        again = read(reader, inspection_of(card))
        assert again.value.evidence.files == whole.value.evidence.files


def test_a_card_swapped_behind_the_readers_back_is_noticed(
    slot: VirtualCard, reader: PCSCReader, card: CardImage
) -> None:
    slot.insert(PulledChip(card))
    reader.connect(timeout_s=SOON_S)
    reading = read(reader, inspection_of(card))
    slot.swap(PulledChip(card_of("999095054321", PICTURE)))
    with pytest.raises(ChannelBroken):
        read(reader, confirm_presence(reading.value))


def test_the_service_dies_and_comes_back(
    service: Pcscd, slot: VirtualCard, reader: PCSCReader, card: CardImage
) -> None:
    slot.insert(PulledChip(card))
    reader.connect(timeout_s=SOON_S)
    service.kill()
    try:
        with pytest.raises(DeviceFailed):
            reader.transmit(echo(1))
        assert not reader.present()
        for port in (reader, PCSCReader("0")):
            with pytest.raises(DeviceMissing):
                port.connect(timeout_s=0.2)
        reader.disconnect()
    finally:
        service.start()
    with pytest.raises(DeviceTimeout):
        reader.connect(timeout_s=0.1)
    slot.insert(PulledChip(card))
    reader.connect(timeout_s=SOON_S)
    read(reader, inspection_of(card)).value.channel.close()


def test_the_service_dies_while_a_card_is_waited_for(service: Pcscd, reader: PCSCReader) -> None:
    later = threading.Timer(0.2, service.kill)
    later.start()
    begun = time.monotonic()
    try:
        with pytest.raises(DeviceMissing):
            reader.connect(timeout_s=20)
        assert time.monotonic() - begun < SOON_S
    finally:
        later.join()
        service.start()


def test_a_hung_card_is_let_go_by_close(slot: VirtualCard, reader: PCSCReader) -> None:
    chip = EchoChip()
    slot.insert(chip)
    reader.connect(timeout_s=SOON_S)
    raised: list[Exception] = []

    def ask() -> None:
        try:
            reader.transmit(bytes((0, HANG, 0, 0)))
        except DeviceError as error:
            raised.append(error)

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    time.sleep(0.2)
    assert asking.is_alive()
    begun = time.monotonic()
    reader.close()
    asking.join(SOON_S)
    assert not asking.is_alive()
    assert time.monotonic() - begun < SOON_S
    assert isinstance(raised[0], DeviceFailed)
    chip.let_go.set()
    slot.remove()
    other = PCSCReader(READER)
    slot.insert(EchoChip())
    other.connect(timeout_s=SOON_S)
    assert other.transmit(echo(3)) == bytes(3) + b"\x90\x00"
    other.close()


def test_a_reader_is_chosen_by_its_place_or_its_name(slot: VirtualCard) -> None:
    slot.insert(EchoChip())
    for wanted in ("0", READER, "PCD 00 00"):
        port = PCSCReader(wanted)
        assert READER in port.connect(timeout_s=SOON_S).reader
        port.close()
    for wanted in ("9", "ACR122", "²"):
        with pytest.raises(DeviceMissing):
            PCSCReader(wanted).connect(timeout_s=0.1)
    with pytest.raises(BadDeviceURL):
        PCSCReader("Virtual").connect(timeout_s=0.1)


def test_a_card_is_held_exclusively(slot: VirtualCard, reader: PCSCReader) -> None:
    slot.insert(EchoChip())
    reader.connect(timeout_s=SOON_S)
    other = PCSCReader(READER)
    with pytest.raises(DeviceTimeout):
        other.connect(timeout_s=0.3)
    assert reader.transmit(echo(3)) == bytes(3) + b"\x90\x00"
    reader.disconnect()
    other.connect(timeout_s=SOON_S)
    other.close()


def test_no_command_is_that_long(slot: VirtualCard, reader: PCSCReader) -> None:
    slot.insert(EchoChip())
    reader.connect(timeout_s=SOON_S)
    with pytest.raises(ValueError, match="longer"):
        reader.transmit(bytes(65_545))
