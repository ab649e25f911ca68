"""Inspecting a chip: processor time, commands, time over a slow link, memory.

Everything in one run: PACE with the generic mapping on brainpoolP256r1, chip, active and passive
authentication; DG1, a DG2 of 20 kB, DG13, DG14, DG15; in short APDUs and in extended ones.
"""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from emrtd.verify import verify
from tests.bench import chip_memory
from tests.bench.chip_floor import (
    EXTENDED_RESPONSE,
    SHORT_RESPONSE,
    cryptography,
    fewest_commands,
)
from tests.bench.chip_session import AT, EXTENDED, SHORT, Field
from tests.bench.measure import median_cpu_ms, row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from emrtd.files import ReadPlan
    from tests.bench.chip_session import Taken
    from tests.bench.measure import Row

TIMES = 25
KBIT_PER_S = (106, 424, 848)
COMMAND_MS = 15.0
"""What chip and driver take for each command."""
MAX_PEAK_MIB = 30.0
PLANS = {"": (SHORT, SHORT_RESPONSE), "_extended": (EXTENDED, EXTENDED_RESPONSE)}
SELECTING = "the fewest by the protocols' steps, each file selected, its chunks full"
UNSELECTED = "the fewest if files were named by short identifiers, without SELECT"
OPENSSL = "the same cryptography by OpenSSL alone"
NO_COMPUTING = "the same bytes with no computing at the reader"
A_TENTH = "a tenth of the link's time: as much slower may the reader's processor be"
ALLOWED = "what an inspection may take over the imports"
PURE = """
import sys
sys.modules["gmpy2"] = None
from tests.bench import chip
print(*chip.reader_ms().values())
"""


def rows() -> Iterator[Row]:
    """Measure without any wire; the link's time is counted, not waited for."""
    card = Field()
    taken = {name: _median(card, plan) for name, (plan, _) in PLANS.items()}
    pure = dict(zip(PLANS, _without_gmpy2(), strict=True))
    yield from _commands(card, taken)
    for name, each in taken.items():
        floor = median_cpu_ms(cryptography(card, each), times=TIMES)
        yield row(f"chip_inspect_cpu{name}", each.reader_ms, "ms", baseline=floor, of=OPENSSL)
        yield row(f"chip_inspect_cpu_pure{name}", pure[name], "ms", baseline=floor, of=OPENSSL)
    evidence = taken[""].evidence
    judged = median_cpu_ms(lambda: verify(evidence, card.trust, at=AT), times=TIMES)
    yield row("chip_verify_cpu", judged, "ms", baseline=taken[""].reader_ms, of="an inspection")
    for name, each in taken.items():
        yield from _wall(name, each, pure[name])
    for name, (plan, _) in PLANS.items():
        peak = chip_memory.peak_mib(card, plan)
        yield row(f"chip_peak_memory{name}", peak, "MiB", baseline=MAX_PEAK_MIB, of=ALLOWED)


def reader_ms() -> dict[str, float]:
    """Return the reader's processor time by plan."""
    card = Field()
    return {name: _median(card, plan).reader_ms for name, (plan, _) in PLANS.items()}


def _commands(card: Field, taken: dict[str, Taken]) -> Iterator[Row]:
    for select_files, kind, of in ((True, "", SELECTING), (False, "_unselected", UNSELECTED)):
        for name, (_, response_bytes) in PLANS.items():
            least = fewest_commands(
                card.sizes, response_bytes=response_bytes, select_files=select_files
            )
            sent = len(taken[name].exchanges)
            yield row(f"chip_apdus{kind}{name}", sent, "commands", baseline=least, of=of)


def _wall(name: str, taken: Taken, pure_ms: float) -> Iterator[Row]:
    """Yield the time over each link, and how much of the tenth that is allowed is used."""
    for speed in KBIT_PER_S:
        link = taken.link_ms(kbit_per_s=speed, command_ms=COMMAND_MS)
        spent = link + taken.reader_ms
        yield row(f"chip_wall_{speed}{name}", spent, "ms", baseline=link, of=NO_COMPUTING)
    for kind, spent in (("", taken.reader_ms), ("_pure", pure_ms)):
        yield row(f"chip_wall_budget{kind}{name}", spent, "ms", baseline=link / 10, of=A_TENTH)


def _median(card: Field, plan: ReadPlan) -> Taken:
    """Return the inspection whose processor time is the median of many, after one to warm up."""
    card.take(plan)
    taken = [card.take(plan) for _ in range(TIMES)]
    return sorted(taken, key=lambda each: each.reader_ms)[TIMES // 2]


def _without_gmpy2() -> list[float]:
    """Return the same figures from a process whose curve arithmetic is Python's own."""
    done = subprocess.run([sys.executable, "-c", PURE], capture_output=True, text=True, check=True)
    return [float(each) for each in done.stdout.split()]
