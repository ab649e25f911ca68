"""The simulated reader keeps the card port's contract, and reads its cards from files."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pytest
from contract_card import CardContract, EchoChip

from emrtd.apdu import Command
from emrtd.errors import ChipGone
from emrtd.sim import Holder, TestPKI, personalise
from hw.card.sim import MAX_CARD_FILE_BYTES, SimulatedReader
from hw.errors import BadDeviceURL, DeviceFailed, DeviceMissing

if TYPE_CHECKING:
    from pathlib import Path

SELECT_CARD_ACCESS = Command(0, 0xA4, 2, 0x0C, b"\x01\x1c").to_bytes()


class SimulatorRig:
    def __init__(self) -> None:
        self.reader = SimulatedReader()

    def port(self) -> SimulatedReader:
        return self.reader

    def insert(self, chip: EchoChip) -> None:
        self.reader.insert(chip)

    def remove(self) -> None:
        self.reader.remove()


class TestContract(CardContract):
    SIMULATED = True

    @pytest.fixture
    def rig(self):
        return SimulatorRig()


@pytest.fixture(scope="module")
def card_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    def same(size: int) -> bytes:
        return bytes(range(1, size + 1))

    day = date(2021, 6, 1)
    holder = Holder(
        number="999195012345", name="A", birth=day, sex="F", issued=day, expiry=None, father=""
    )
    pki = TestPKI.create(
        same,
        valid_from=datetime(2020, 1, 1, tzinfo=UTC),
        valid_until=datetime(2035, 1, 1, tzinfo=UTC),
    )
    jpeg = bytes.fromhex("FFD8FFC0000B080190012C01011100FFD9")
    card = personalise(holder, jpeg, generation="2021", pki=pki, randomness=same)
    path = tmp_path_factory.mktemp("cards") / "card.json"
    path.write_text(card.to_json())
    return path


def test_a_card_file_becomes_a_card(card_file: Path) -> None:
    reader = SimulatedReader.of_file(card_file)
    assert reader.connect(timeout_s=0).atr
    assert reader.transmit(SELECT_CARD_ACCESS) == b"\x90\x00"


def test_a_torn_card_leaves_at_its_command_and_answers_when_put_back(card_file: Path) -> None:
    reader = SimulatedReader.of_file(card_file, fault="torn:2")
    reader.connect(timeout_s=0)
    assert reader.transmit(SELECT_CARD_ACCESS) == b"\x90\x00"
    with pytest.raises(ChipGone):
        reader.transmit(SELECT_CARD_ACCESS)
    assert not reader.present()
    reader.connect(timeout_s=0)
    assert reader.transmit(SELECT_CARD_ACCESS) == b"\x90\x00"


def test_what_is_no_card_is_refused(card_file: Path, tmp_path: Path) -> None:
    with pytest.raises(DeviceMissing):
        SimulatedReader.of_file(tmp_path / "none.json")
    with pytest.raises(DeviceMissing):
        SimulatedReader.of_file(tmp_path)
    with pytest.raises(BadDeviceURL):
        SimulatedReader.of_file(card_file, fault="no such fault")
    wrong = tmp_path / "wrong.json"
    for content in (b"", b"{}", card_file.read_bytes()[:-9], bytes(MAX_CARD_FILE_BYTES + 9)):
        wrong.write_bytes(content)
        with pytest.raises(DeviceFailed):
            SimulatedReader.of_file(wrong)


def test_an_answer_is_lost_if_the_card_is_taken_away_meanwhile() -> None:
    reader = SimulatedReader()

    class Shy(EchoChip):
        def answer(self, command: bytes) -> bytes:
            reader.remove()
            return super().answer(command)

    reader.insert(Shy())
    reader.connect(timeout_s=0)
    with pytest.raises(ChipGone):
        reader.transmit(b"\x00\xec\x00\x00")
