"""The stage of the demo: made-up citizens, a fleet, a device, and the real parts they run on.

Knows what is made (an issuer, cards, heads for the simulated camera, a fleet home, a device home)
and which processes are started: pcscd with a virtual reader, mosquitto, the fleet's ingest, the
link. Does not know what is played nor what should come out.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Final, Self

from PIL import Image

from emrtd.sim import CardImage, Chip, Holder, expiry, personalise
from fleet.home import FleetHome
from hw.card.vpcd import VirtualCard
from kiosk.station.home import DeviceHome
from provisioning import enrol as enrolment
from provisioning.fleet_home import init as make_fleet
from tram.parts import card_press, finger_press, head_press
from tram.parts.child import TramChild
from tram.parts.mosquitto import Mosquitto
from tram.parts.pcscd import Pcscd

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path
    from types import TracebackType

    from emrtd.sim.personalise import Generation

DEVICE: Final = "demo-kiosk-1"
SITE: Final = "demo-commune"
HOST: Final = "127.0.0.1"
READER_URL: Final = "pcsc://Virtual PCD 00 00"

NUMBER: Final = "999095012345"
"""Of the made-up holder; no province has 999."""
CAN: Final = NUMBER[-6:]
BIRTH: Final = date(1995, 3, 14)
ISSUED: Final = {"2021": date(2021, 6, 1), "2024": date(2024, 7, 15)}
GENERATIONS: Final[tuple[Generation, ...]] = ("2021", "2024")

CARD_PICTURE: Final = "obama.jpg"
"""The photograph in the holder's chip; the head before the camera is made from another one."""
FINGERS: Final = {"holder": {2: 101, 7: 107}, "other": {2: 202}}
"""Whose finger, at which position, is grown from which seed: nobody has them."""
TOUCHES: Final = 6
HEADS: Final = {"holder": "obama2.jpg", "other": "biden.jpg"}


@dataclass(frozen=True, slots=True)
class Stage:
    """Files below one folder."""

    root: Path

    @property
    def pki(self) -> Path:
        """The test issuer."""
        return self.root / "pki"

    @property
    def fleet(self) -> FleetHome:
        """The fleet."""
        return FleetHome(self.root / "fleet")

    @property
    def device(self) -> DeviceHome:
        """The kiosk."""
        return DeviceHome(self.root / "kiosk")

    @property
    def logs(self) -> Path:
        """What the processes said."""
        return self.root / "logs"

    def card(self, name: str) -> Path:
        """One card."""
        return self.root / "cards" / f"{name}.json"

    def head(self, name: str) -> Path:
        """One person for the simulated camera."""
        return self.root / "heads" / f"{name}.npz"

    def camera_url(self, head: str, *, flat: bool, recorded: Sequence[str] = ()) -> str:
        """The camera before which that person stands, or a print of that person, or a recording.

        Args:
            head: whose.
            flat: whether it is a print.
            recorded: the acts of the challenge that a recording shows; none: it is no recording.
        """
        shown = ("&flat=1" if flat else "") + (f"&replay={','.join(recorded)}" if recorded else "")
        return f"sim://camera?file={self.head(head)}{shown}"

    def finger_url(self, whose: str) -> str:
        """The sensor on which that person's right index finger is laid, several times."""
        return f"sim://finger?images={self.root / 'fingers' / whose}&model=as608&speed=8"

    def chip(self, card: str, *, fault: str | None) -> Chip:
        """Load a card as a chip that may misbehave."""
        image = CardImage.from_json(self.card(card).read_bytes())
        return Chip(image, randomness=os.urandom, fault=fault)


class StageTakenError(Exception):
    """Another process plays on this stage."""


@contextmanager
def alone_on(stage: Stage) -> Iterator[None]:
    """Keep other processes off the stage until we leave it or end.

    Raises:
        StageTakenError: another one is there.
        OSError: the file beside the stage can't be made.
    """
    path = stage.root.with_name(f"{stage.root.name}.lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StageTakenError(
                f"another demo, kiosk or fleet still runs on {stage.root}: end it first"
            ) from None
        yield


def build(stage: Stage, *, models: Path, portraits: Path, say: Callable[[str], None]) -> None:
    """Make everything anew below the stage's folder.

    Args:
        stage: what was there is removed.
        models: the model files.
        portraits: the photographs that `tram models portraits` fetched.
        say: told what is being made.

    Raises:
        OSError, ValueError, EMRTDError: a file is missing or is not what it should be.
    """
    shutil.rmtree(stage.root, ignore_errors=True)
    for folder in ("cards", "heads", "fingers", "logs"):
        (stage.root / folder).mkdir(parents=True, mode=0o700)
    say("an issuer and its cards")
    pki = card_press.issuer(stage.pki)
    portrait = card_press.portrait(portraits / CARD_PICTURE)
    prints = {
        position: card_press.fingerprint(finger_press.touch(seed))
        for position, seed in FINGERS["holder"].items()
    }
    for generation in GENERATIONS:
        card = personalise(
            holder(generation),
            portrait,
            generation=generation,
            pki=pki,
            randomness=os.urandom,
            fingers=prints,
        )
        card_press.write_private(stage.card(generation), card.to_json().encode())
    for head, picture in HEADS.items():
        say(f"a head for the camera: {head}")
        head_press.press(portraits / picture, stage.head(head), models=models)
    say("fingers of nobody for the sensor")
    for whose, seeds in FINGERS.items():
        _lay(stage.root / "fingers" / whose, seed=seeds[2])
    say("a fleet and a device")
    now = datetime.now(UTC)
    make_fleet(stage.fleet.root, now=now, host=HOST, simulators_allowed=True, finger="ask")
    enrolment.enrol(
        stage.fleet,
        stage.device.root,
        device=DEVICE,
        site=SITE,
        card_url=READER_URL,
        camera_url=stage.camera_url("holder", flat=False),
        finger_url=stage.finger_url("holder"),
        terminal=stage.pki / card_press.TERMINAL_DIR,
        trust=stage.pki / card_press.TRUST_DIR,
        now=now,
    )


def _lay(folder: Path, *, seed: int) -> None:
    """Write several touches of one finger, to be laid on the sensor in the order of their names."""
    folder.mkdir(mode=0o700)
    for number in range(1, TOUCHES + 1):
        Image.fromarray(finger_press.touch(seed, number=number)).save(folder / f"{number}.png")


def holder(generation: Generation) -> Holder:
    """Return the made-up citizen, with a card of that generation."""
    issued = ISSUED[generation]
    return Holder(
        number=NUMBER,
        name="Nguyễn Văn Mẫu",
        birth=BIRTH,
        sex="M",
        issued=issued,
        expiry=expiry(BIRTH, issued),
    )


class Parts:
    """The real parts, running; a context manager that ends what it started.

    Attributes:
        reader: the PC/SC service with the virtual reader.
        card: the card's side of that reader.
        broker: mosquitto.
        ingest: the fleet's ingest.
        link: the kiosk's network process.
    """

    def __init__(self, stage: Stage) -> None:
        """Choose the parts; nothing is started yet."""
        config = stage.fleet.config()
        self.reader = Pcscd()
        self.card = VirtualCard(HOST, 0)
        self.broker = Mosquitto(
            stage.fleet.broker / "mosquitto.conf", host=config.host, port=config.port
        )
        self.ingest = TramChild(
            *("fleet", "serve", "--home", str(stage.fleet.root)), log=stage.logs / "ingest.log"
        )
        self.link = TramChild(
            *("link", "run", "--home", str(stage.device.root)),
            *("--socket", str(stage.device.link_socket)),
            log=stage.logs / "link.log",
        )
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self.reader)
            self.card = stack.enter_context(VirtualCard(HOST, self.reader.port))
            stack.enter_context(self.broker)
            stack.enter_context(self.ingest)
            stack.enter_context(self.link)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()
