"""Mutate noise and what it grew into against every parser: `python -m tests.fuzz --seconds 60`.

A plain, seeded mutator without coverage guidance; it prints the seed of whatever it finds.
"""

from __future__ import annotations

import argparse
import random
import sys
import time

from tests.fuzz import TARGETS, Target


def _bytes(rng: random.Random, corpus: list[bytes]) -> bytes:
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


def _attack(name: str, target: Target, *, seconds: float, seed: int) -> int:
    rng, corpus, runs = random.Random(f"{name}{seed}"), [], 0
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        raw = _bytes(rng, corpus)
        begun = time.monotonic()
        try:
            target.parse(raw)
        except target.errors:
            pass
        except Exception as found:  # noqa: BLE001 - any other error is the finding
            print(f"{name}: {type(found).__name__} on {raw.hex()} (seed {seed})")
            return -1
        else:
            corpus = [*corpus[-50:], raw]
        if time.monotonic() - begun > 2:
            print(f"{name}: over 2 s on {raw.hex()} (seed {seed})")
            return -1
        runs += 1
    return runs


def attack_all(*, seconds: float, seed: int) -> dict[str, int]:
    """Share the time over all targets; return executions by name, negative if it misbehaved."""
    runs = {}
    for name, target in sorted(TARGETS.items()):
        runs[name] = _attack(name, target, seconds=seconds / len(TARGETS), seed=seed)
        print(f"fuzz {name:40} {'FAILED' if runs[name] < 0 else runs[name]}", flush=True)
    return runs


def main() -> int:
    """Attack all targets; 1 if any misbehaved."""
    options = argparse.ArgumentParser()
    options.add_argument("--seconds", type=float, default=60)
    options.add_argument("--seed", type=int, default=1)
    given = options.parse_args()
    runs = attack_all(seconds=given.seconds, seed=given.seed)
    return int(any(count < 0 for count in runs.values()))


if __name__ == "__main__":
    sys.exit(main())
