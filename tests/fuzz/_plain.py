"""The plain mutator: seeded chance over a corpus, guided by nothing but what parsed.

It smokes every target in the test run, serves where no guided engine is installed, and is what the
guided one is measured against.
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.fuzz import Target

MAX_SECONDS = 2.0
"""Of processor time for one input, from which on it is a finding."""


class Finding(NamedTuple):
    """An input that a target must not answer like this."""

    raw: bytes
    why: str


def tried(target: Target, raw: bytes) -> tuple[bool, Finding | None]:
    """Let a target meet one input; return whether it gave a value, and what is wrong with it."""
    begun, parsed = time.process_time(), True
    try:
        target.parse(raw)
    except target.errors:
        parsed = False
    except Exception as found:  # noqa: BLE001 - any other error is the finding
        return False, Finding(raw, f"{type(found).__name__}: {found}"[:200])
    spent = time.process_time() - begun
    if spent > MAX_SECONDS:
        return parsed, Finding(raw, f"{spent:.1f} s of processor time")
    return parsed, None


def mutated(rng: random.Random, corpus: Sequence[bytes]) -> bytes:
    """Return noise, or something of the corpus with a few changes."""
    raw = bytearray(rng.choice(corpus)) if corpus and rng.random() < 0.8 else bytearray()
    if not raw:
        return rng.randbytes(rng.randrange(200))
    for _ in range(rng.randrange(1, 6)):
        at = rng.randrange(len(raw) + 1)
        match rng.randrange(4):
            case 0 if at < len(raw):
                raw[at] ^= 1 << rng.randrange(8)
            case 1:
                raw[at:at] = rng.randbytes(rng.randrange(1, 5))
            case 2:
                del raw[at : at + rng.randrange(1, 9)]
            case _:
                raw[at : at + 2] = rng.choice((b"\xff\xff", b"\x84\xff", b"\x00\x00", b"\x30\x80"))
    return bytes(raw)


def attack(
    target: Target, seeds: Sequence[bytes], *, seed: str, seconds: float, least: int, most: int
) -> tuple[int, Finding | None]:
    """Mutate seeds and what parsed against a target.

    Args:
        target: what is attacked.
        seeds: where it begins; each is met once as it is, then changed.
        seed: of chance.
        seconds: when to end, if `least` executions were made.
        least: executions, however long they take.
        most: executions.

    Returns:
        how many executions, and what was found.
    """
    rng, kept, runs = random.Random(seed), list(seeds), 0
    until = time.monotonic() + seconds
    while runs < most and (runs < least or time.monotonic() < until):
        raw = seeds[runs] if runs < len(seeds) else mutated(rng, kept)
        runs += 1
        parsed, found = tried(target, raw)
        if found is not None:
            return runs, found
        if parsed and runs > len(seeds):
            kept = [*seeds, *kept[len(seeds) :][-50:], raw]
    return runs, None
