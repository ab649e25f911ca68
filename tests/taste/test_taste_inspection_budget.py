"""What an inspection may cost a citizen at a slow link: commands, computing, memory.

`make bench` tells the figures; here is what none of them may pass.
"""

from __future__ import annotations

import pytest

from tests.bench import chip_memory
from tests.bench.chip import COMMAND_MS, KBIT_PER_S, MAX_PEAK_MIB, PLANS
from tests.bench.chip_floor import fewest_commands, protected_room
from tests.bench.chip_session import Field

MOST_COMMANDS, SPARE_COMMANDS = 1.05, 1
"""Over the fewest: chip authentication has a command of its own that proves it."""
MOST_WALL = 1.10


@pytest.fixture(scope="module")
def card() -> Field:
    return Field()


def test_the_fewest_commands_are_counted_from_the_steps() -> None:
    sizes = dict.fromkeys(("CardAccess", "SOD", "DG14", "DG15", "DG1", "DG13", "DG2"), 200)
    # EF.CardAccess 2, PACE 5, the application 1, six files of 2, chip 2 and active authentication.
    assert fewest_commands(sizes, response_bytes=256) == 2 + 5 + 1 + 6 * 2 + 2 + 1
    assert fewest_commands({**sizes, "DG2": 224}, response_bytes=256) == 24
    assert fewest_commands(sizes, response_bytes=256, select_files=False) == 16


@pytest.mark.parametrize("name", PLANS)
def test_no_command_is_sent_that_has_no_reason(card: Field, name: str) -> None:
    plan, response_bytes = PLANS[name]
    assert protected_room(response_bytes) == plan.max_le
    least = fewest_commands(card.sizes, response_bytes=response_bytes)
    sent = len(card.take(plan).exchanges)
    assert least <= sent <= least + SPARE_COMMANDS
    assert sent / least <= MOST_COMMANDS


@pytest.mark.parametrize("name", PLANS)
def test_the_reader_keeps_no_link_waiting(card: Field, name: str) -> None:
    plan, _ = PLANS[name]
    taken = min((card.take(plan) for _ in range(3)), key=lambda each: each.reader_ms)
    for speed in KBIT_PER_S:
        link = taken.link_ms(kbit_per_s=speed, command_ms=COMMAND_MS)
        assert (link + taken.reader_ms) / link <= MOST_WALL


def test_memory_is_bounded(card: Field) -> None:
    for plan, _ in PLANS.values():
        assert chip_memory.peak_mib(card, plan) <= MAX_PEAK_MIB
