"""A station that files until it is killed, saying each identity once `append` returned it.

Run by the tests: python outbox_child.py DATABASE MARK HOW [COUNT]; HOW is "append", "writer" or
"many" (COUNT drafts in one call). A line is "lane seq mark".
"""

from __future__ import annotations

import os
import random
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

from outbox_material import draft, opened

from kiosk.outbox import Outbox, OutboxWriter
from wire.record import LANES


def say(lane: str, seq: int, mark: int) -> None:
    os.write(1, f"{lane} {seq} {mark}\n".encode())


def by_append(outbox: Outbox, mark: int, limit: int | None) -> None:
    rng = random.Random(mark)
    numbers = count(mark) if limit is None else iter(range(mark, mark + limit))
    for number in numbers:
        marks = [number] if limit else [number * 8 + n for n in range(rng.randint(1, 5))]
        drafts = [
            draft(each, lane=rng.choice(LANES) if limit is None else "normal") for each in marks
        ]
        for one, each in zip(outbox.append(drafts), marks, strict=True):
            say(one.lane, one.seq, each)


def by_writer(outbox: Outbox, mark: int) -> None:
    numbers = count(mark * 8)
    with OutboxWriter(outbox) as writer, ThreadPoolExecutor(4) as pool:

        def run() -> None:
            for number in numbers:
                one = writer.submit(draft(number)).result()
                say(one.lane, one.seq, number)

        for future in [pool.submit(run) for _ in range(4)]:
            future.result()


def main(path: str, mark: str, how: str, limit: str = "") -> None:
    with opened(Path(path)) as outbox:
        os.write(1, b"ready\n")
        match how:
            case "append":
                by_append(outbox, int(mark), int(limit) if limit else None)
            case "writer":
                by_writer(outbox, int(mark))
            case "many":
                for one in outbox.append([draft(n) for n in range(int(limit))]):
                    say(one.lane, one.seq, one.seq - 1)


if __name__ == "__main__":
    main(*sys.argv[1:])
