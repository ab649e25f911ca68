"""How much memory an inspection takes over its imports: `python -m tests.bench.chip_memory FILE`.

A child that holds nothing but the reader replays a recorded inspection: the card's answers come
from the file, and the reader draws the same numbers again. The peak is the kernel's, which counts
what Python's own accounting does not see.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emrtd import CAN, TrustStore, drive
from emrtd.apdu import Command, Response
from emrtd.files import ReadPlan
from emrtd.inspect import inspect
from emrtd.verify import ChipOutcome, verify

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.bench.chip_session import Field

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
RESET_PEAK = "5"


def peak_mib(card: Field, plan: ReadPlan) -> float:
    """Return by how much a reader's peak lies over what it had after its imports."""
    from tests.bench.chip_session import AT, WANTED

    taken = card.take(plan, randomness=numbers())
    recorded = {
        "can": card.can,
        "wanted": sorted(WANTED),
        "max_le": plan.max_le,
        "at": AT.isoformat(),
        "anchor": card.pki.csca.certificate.hex(),
        "exchanges": [(each.sent.hex(), each.received.hex()) for each in taken.exchanges],
    }
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(recorded, file)
        file.flush()
        done = subprocess.run(
            [sys.executable, "-m", "tests.bench.chip_memory", file.name],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
    return float(done.stdout)


def numbers() -> Callable[[int], bytes]:
    """Return a source that gives every process the same numbers."""
    count = 0

    def draw(size: int) -> bytes:
        nonlocal count
        count += 1
        return hashlib.shake_256(b"bench %d" % count).digest(size)

    return draw


def _replay(recorded: dict[str, Any]) -> None:
    answers = [(bytes.fromhex(sent), bytes.fromhex(got)) for sent, got in recorded["exchanges"]]
    waiting = iter(answers)

    def transmit(command: Command) -> Response:
        sent, received = next(waiting)
        if command.to_bytes() != sent:
            raise ValueError("another command than was recorded")
        return Response.from_bytes(received)

    draw = numbers()
    dialogue = inspect(
        CAN(recorded["can"]),
        wanted=frozenset(recorded["wanted"]),
        aa_nonce=draw(8),
        randomness=draw,
        plan=ReadPlan(max_le=recorded["max_le"]),
    )
    anchor, at = bytes.fromhex(recorded["anchor"]), datetime.fromisoformat(recorded["at"])
    findings = verify(drive(dialogue, transmit).evidence, TrustStore([anchor]), at=at)
    if findings.outcome is not ChipOutcome.GENUINE:
        raise ValueError("not genuine")


def memory_mib(name: str) -> float:
    """Return a line of this process's status: VmRSS is now, VmHWM the peak."""
    return int(STATUS.read_text().partition(f"{name}:")[2].split()[0]) / 1024


def reset_peak() -> float:
    """Let the peak begin again from now, and return what is in use."""
    CLEAR.write_text(RESET_PEAK)
    return memory_mib("VmRSS")


if __name__ == "__main__":
    given = json.loads(Path(sys.argv[1]).read_text())
    before = reset_peak()
    _replay(given)
    print(memory_mib("VmHWM") - before)
