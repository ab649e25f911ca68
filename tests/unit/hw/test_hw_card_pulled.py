"""A card that is pulled at each command of a whole inspection: typed, and the next one is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from card_material import PulledChip, card_of, inspection_of

from emrtd.errors import ChipGone, Fault
from hw.card.reading import read
from hw.card.sim import SimulatedReader

if TYPE_CHECKING:
    from emrtd.sim import CardImage


@dataclass
class Desk:
    reader: SimulatedReader
    card: CardImage
    whole: dict[str, bytes]
    apdus: int


@pytest.fixture(scope="module")
def desk() -> Desk:
    card = card_of("999195012345")
    reader = SimulatedReader(PulledChip(card))
    reader.connect(timeout_s=0)
    reading = read(reader, inspection_of(card))
    reading.value.channel.close()
    return Desk(reader, card, dict(reading.value.evidence.files), reading.apdus)


def test_a_whole_inspection_has_its_files_and_its_phases(desk: Desk) -> None:
    assert {"SOD", "DG1", "DG2", "DG13", "DG14", "DG15"} <= set(desk.whole)
    assert 20 < desk.apdus < 80


def test_pulled_at_every_command_the_chip_is_gone_and_the_next_is_read(desk: Desk) -> None:
    for at in range(1, desk.apdus + 1):
        chip = PulledChip(desk.card, at=at)
        desk.reader.insert(chip)
        desk.reader.connect(timeout_s=0)
        dialogue = inspection_of(desk.card)
        with pytest.raises(ChipGone) as caught:
            read(desk.reader, dialogue)
        assert caught.value.fault is Fault.CHIP_GONE
        assert chip.asked == at
        assert dialogue.gi_frame is None
        assert not desk.reader.present()
        # The same citizen taps again, the card as good as new.
        desk.reader.insert(PulledChip(desk.card))
        desk.reader.connect(timeout_s=0)
        again = read(desk.reader, inspection_of(desk.card))
        assert dict(again.value.evidence.files) == desk.whole
        again.value.channel.close()
