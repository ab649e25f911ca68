"""Test cards as people have them: issued by one command, played by another, read by a third.

Between the second and the third stand a real PC/SC service and vpcd's virtual reader.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from click.testing import CliRunner
from PIL import Image

from emrtd.sim import CardImage, Chip
from hw.card.vpcd import AWAY_S, HOST, VirtualCard
from tram.cli import main
from tram.parts.child import TramChild

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

READER_URL = "pcsc://Virtual PCD 00 00"
TIMEOUT_S = 60


class Said(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    talk: str

    @property
    def row(self) -> dict[str, Any]:
        """The JSON on stdout, and nothing else may be there."""
        whole: dict[str, Any] = json.loads(self.out)
        return whole


def tram(*arguments: object) -> Said:
    """Run a command as people run it."""
    done = subprocess.run(
        [sys.executable, "-m", "tram", *map(str, arguments)],
        capture_output=True, text=True, check=False, timeout=TIMEOUT_S,
    )  # fmt: skip
    return Said(done.returncode, done.stdout, done.stderr)


@dataclass
class Bench:
    """One issuer, its cards, and the virtual reader that they are held to.

    Attributes:
        root: a folder.
        port: where vpcd listens.
    """

    root: Path
    port: int
    _left_s: float = field(default=0.0, init=False)
    _hand: VirtualCard = field(init=False)

    def __post_init__(self) -> None:
        self._hand = VirtualCard(port=self.port)
        # Grain, so that the portrait is as long as a photograph's.
        Image.effect_noise((300, 400), 60).convert("RGB").save(self.picture)

    @property
    def picture(self) -> Path:
        """The portrait."""
        return self.root / "face.png"

    @property
    def trust(self) -> Path:
        """Who issued the cards."""
        return self.root / "pki" / "trust"

    def card(self, *options: str) -> Path:
        """Return a card issued with these options; each is issued once.

        The command runs in this process: to start another for each card takes longer than it.
        """
        path = self.root / ("_".join(("card", *options)).replace(",", "-") + ".json")
        if not path.exists():
            command = ("chip", "personalise", "--out", path, "--pki", self.root / "pki")
            given = [str(each) for each in (*command, "--portrait", self.picture, *options)]
            issued = CliRunner().invoke(main, given, catch_exceptions=False)
            assert issued.exit_code == 0, issued.stderr
        return path

    def hold(self, card: Path) -> None:
        """Hold a card to the reader, from this process; it stays until another one comes.

        Once a card lies there, the next one takes its place without the reader's seeing it: for
        whoever powers it anew it makes no difference, and it costs no time.
        """
        chip = Chip(CardImage.from_json(card.read_bytes()), randomness=os.urandom)
        if self._hand.inserted:
            self._hand.swap(chip)
        else:
            self._wait()
            self._hand.insert(chip)

    def clear(self) -> None:
        """Take away what this process holds to the reader."""
        if self._hand.inserted:
            self._hand.remove()
            self._left_s = time.monotonic()

    @contextmanager
    def played(self, card: Path, *options: str) -> Iterator[None]:
        """Let the command hold a card to the reader; it is taken away in the end."""
        self.clear()
        self._wait()
        serving = TramChild(
            "chip", "serve", str(card), "--vpcd", f"{HOST}:{self.port}", *options,
            log=self.root / "serve.log",
        )  # fmt: skip
        try:
            with serving:
                yield
        finally:
            self._left_s = time.monotonic()

    def _wait(self) -> None:
        """Wait until the reader has seen that the last card is away."""
        time.sleep(max(self._left_s + AWAY_S - time.monotonic(), 0.0))

    def read(self, *key: object, trusting: bool = True) -> Said:
        """Read the card that is held to the reader."""
        trust = ("--trust", self.trust) if trusting else ()
        return tram("chip", "read", "--card", READER_URL, *key, *trust, "--json")
