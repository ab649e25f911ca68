"""A station whose disk is full to the last byte by somebody else; run on a small disk of its own.

Run by the tests: python outbox_full_disk.py FOLDER CASE. Every claim is an assertion here.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

from outbox_material import deliver, draft, marks, opened

from kiosk.outbox import Outbox, OutboxError, QueueFull


def eat(folder: Path) -> None:
    """Take every byte that is left, as a log that grows would."""
    with contextlib.suppress(OSError), (folder / "hog").open("ab", buffering=0) as hog:
        while True:
            hog.write(bytes(4096))


def until_full(outbox: Outbox, sod: int = 2_000) -> list[int]:
    """File one by one until there is no room; return the sequence numbers."""
    filed = []
    with contextlib.suppress(QueueFull):
        while True:
            filed += [one.seq for one in outbox.append([draft(len(filed), sod=sod)])]
    return filed


def drain(outbox: Outbox, folder: Path) -> None:
    """Every acknowledgement is taken, though somebody eats what each sets free."""
    for group in outbox.unacknowledged("normal", limit=10_000):
        assert deliver(outbox, group.last) == "advanced"
        eat(folder)
    assert outbox.lane("normal").waiting == 0
    assert outbox.verify()


def main(folder: Path, case: str) -> None:
    path = folder / "outbox.db"
    outbox = opened(path)
    match case:
        case "fills":
            filed = until_full(outbox)
            assert len(filed) > 50
            eat(folder)
            assert [seq for seq, _ in marks(outbox)] == filed
            drain(outbox, folder)
        case "fills_again":
            for _ in range(6):
                filed = until_full(outbox)
                eat(folder)
                drain(outbox, folder)
            assert filed, "a drained queue takes records again, in its own pages"
        case "restarts":
            filed = until_full(outbox)
            outbox.close()
            eat(folder)
            outbox = opened(path)
            assert [seq for seq, _ in marks(outbox)] == filed
            drain(outbox, folder)
        case "restarts_with_little":
            for n in range(20):
                outbox.append([draft(n, sod=30_000)])
            for high_water in range(1, 20):
                outbox.close()
                eat(folder)
                outbox = opened(path)
                eat(folder)
                assert deliver(outbox, high_water) == "advanced"
            drain(outbox, folder)
        case "begins":
            outbox.close()
            for each in folder.iterdir():
                each.unlink()
            eat(folder)
            try:
                opened(folder / "new.db")
            except OutboxError:
                (folder / "hog").unlink()
            else:
                raise AssertionError("a queue began on a full disk")
            outbox = opened(folder / "new.db")
            assert outbox.append([draft(1)])[0].seq == 1
    outbox.close()
    os.write(1, b"held")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
