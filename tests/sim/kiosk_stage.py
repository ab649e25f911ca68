"""A whole kiosk on simulated devices: a stage without the fleet's processes, and a person to play.

The station, the session, the queue and the vision worker are the real ones; the card lies in a
reader that tests can reach into.
"""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.serialization import load_pem_private_key

from emrtd.keys import CAN
from emrtd.sim import CardImage, Chip
from hw.card.sim import SimulatedReader
from kiosk.outbox import Draft
from kiosk.session.events import Dismissed
from kiosk.station.main import Kiosk, Options
from kiosk.station.view import Screen
from tram.parts.stage import CAN as DIGITS
from tram.parts.stage import Stage, build
from tram.verify import attend
from wire.cose import PrivateKeySigner
from wire.policy import Layer, Patience, Policy, sign_policy
from wire.reasons import Outcome, Reason
from wire.record import Bands, CheckBand, OperationsPart, TimeQuality, Versions

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
MODELS, PORTRAITS = ROOT / "build" / "models", ROOT / "build" / "portraits"
CARD_LAYERS = (Layer.PA, Layer.CHIP, Layer.VALIDITY)
OPENS = CAN(DIGITS)
REST_S = 30
NOTHING = Bands(pa=CheckBand.ABSENT, aa=CheckBand.ABSENT, ca=CheckBand.ABSENT)
DRAFT = Draft(
    operations=OperationsPart(
        outcome=Outcome.INCOMPLETE, reasons=(Reason.CANCELLED,), bands=NOTHING, procedure="test",
        site="test", versions=Versions(software="test", policy="test"), at_hour=1,
        time_quality=TimeQuality.NTP,
    )
)  # fmt: skip


def make_stage(root: Path) -> Stage:
    """Build a stage: cards, heads, a fleet home, a device home."""
    stage = Stage(root)
    build(stage, models=MODELS, portraits=PORTRAITS, say=lambda _: None)
    return stage


def sign(stage: Stage, name: str, **fields: Any) -> Path:
    """Sign a policy with the fleet's policy key."""
    key = load_pem_private_key(stage.fleet.policy_key.read_bytes(), password=None)
    given = {
        "not_before": 0, "not_after": 2**39, "layers": tuple(Layer), "simulators_allowed": True,
    }  # fmt: skip
    policy = Policy(id=name, **{**given, **fields})
    path = stage.root / f"{name}.cose"
    path.write_bytes(sign_policy(policy, PrivateKeySigner(key)))  # type: ignore[arg-type] # P-256
    return path


def card_only(stage: Stage, **patience: int) -> Path:
    """Sign a policy that looks at no face: for tests of the card."""
    name = "-".join(["card-only", *map(str, patience.values())])
    return sign(stage, name, layers=CARD_LAYERS, patience=Patience(**patience))


def chip(stage: Stage, *, card: str = "2021", fault: str | None = None) -> Chip:
    """Load a card as a chip that may misbehave."""
    image = CardImage.from_json(stage.card(card).read_bytes())
    return Chip(image, randomness=os.urandom, fault=fault)


class Desk:
    """A running kiosk and the reader that its cards are put into."""

    def __init__(self, kiosk: Kiosk, reader: SimulatedReader) -> None:
        self.kiosk, self.reader = kiosk, reader

    def serve(self, chip: Chip, *, opens: CAN = OPENS) -> dict[str, Any]:
        """Put a card down, play its holder, take it away, and return the report."""
        self.reader.insert(chip)
        try:
            return self.watch(opens=opens)
        finally:
            self.reader.remove()
            self.rest()

    def watch(self, *, opens: CAN = OPENS) -> dict[str, Any]:
        """Play the holder of the card that lies there."""
        return attend(self.kiosk.station, opens, wait_s=10)

    def rest(self) -> None:
        """Read the verdict at once, and wait until the welcome screen is on."""
        station = self.kiosk.station
        until = time.monotonic() + REST_S
        while station.view().screen is not Screen.WELCOME:
            assert time.monotonic() < until
            station.post(Dismissed())
            time.sleep(0.02)

    def records(self) -> int:
        """How many records wait in the queue."""
        return self.kiosk.outbox.status()["lanes"]["normal"]["next"] - 1


@contextmanager
def desk(stage: Stage, **options: Any) -> Iterator[Desk]:
    """Run a kiosk of the stage's device with a queue of its own."""
    reader = SimulatedReader()
    outbox = stage.root / f"outbox-{os.urandom(4).hex()}.db"
    given: dict[str, Any] = {
        "models": MODELS, "outbox": outbox, "policy": card_only(stage), "open_card": lambda: reader,
    }  # fmt: skip
    with Kiosk(stage.device, Options(**{**given, **options})) as kiosk:
        yield Desk(kiosk, reader)
