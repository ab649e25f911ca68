"""A station made from a device home, with its queue and its line to the link, in a thread.

Knows which file of a home becomes what. Does not know screens nor the command line: both drive the
`Station` in here. Drivers are chosen by URL; no vendor's library is named.
"""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, Self

from emrtd.errors import EMRTDError
from hw.open import open_card, open_key
from hw.open import open_finger as open_finger_url
from kiosk.bundles.policy import load as load_policy
from kiosk.bundles.trust import load_trust
from kiosk.outbox import Outbox
from kiosk.station.chance import by_chance
from kiosk.station.eyes import SIMULATED, ChildWorkers, HasWorkers, TouchChildWorkers
from kiosk.station.home import HomeUnusableError
from kiosk.station.link_socket import LinkServer
from kiosk.station.station import Equipment, Station
from kiosk.station.terminal import terminal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from emrtd.terminal_auth import Terminal
    from hw.card.port import CardPort
    from hw.finger.port import FingerPort
    from kiosk.station.home import DeviceConfig, DeviceHome, FleetKeys
    from kiosk.vision.port import Challenge

START_S: Final = 10.0
END_S: Final = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What may differ from what the home says.

    Attributes:
        models: where the model files are.
        card_url: another reader.
        open_card: makes the reader's port instead of any URL: for whoever holds the reader.
        camera_url: another camera.
        finger_url: another fingerprint sensor.
        open_finger: makes the sensor's port instead of any URL.
        policy: another signed policy's file; the home's policy keys must have signed it.
        trust: another folder of issuers.
        outbox: another queue's file.
        link_socket: where the link connects; None: no link is served.
        touch_workers: where touch workers come from; None: children of this process.
        workers: where vision workers come from; None: children of this process. If the home names
            a net, they must run it.
        challenges: draws what a person is asked to show life by.
    """

    models: Path
    card_url: str | None = None
    open_card: Callable[[], CardPort] | None = None
    camera_url: str | None = None
    finger_url: str | None = None
    open_finger: Callable[[], FingerPort] | None = None
    policy: Path | None = None
    trust: Path | None = None
    outbox: Path | None = None
    link_socket: Path | None = None
    workers: HasWorkers | None = None
    touch_workers: HasWorkers | None = None
    challenges: Callable[[], tuple[Challenge, ...]] = by_chance


class Kiosk:
    """Owns the thread, the queue and the key; a context manager around a running `Station`."""

    def __init__(self, home: DeviceHome, options: Options) -> None:
        """Read the home and open the queue.

        Raises:
            HomeUnusableError: the home is not complete.
            TrustUnusableError: its issuers cannot be loaded.
            DeviceError: the station's key cannot be used.
            OutboxError: the queue cannot be used, or is another device's.
        """
        self._home = home
        self._options = options
        config, keys = home.config(), home.fleet_keys()
        self._key = open_key(f"file://{home.station_key}")
        self.outbox = Outbox.open(
            options.outbox or home.outbox,
            device=config.id,
            signer=self._key,
            recipients=keys.recipients,
            quota_bytes=config.queue_bytes,
            mends=True,
        )
        self._link = self._link_server(config, keys)
        self.station = self._station(config, keys)
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="station", daemon=True)
        self._ready = threading.Event()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Run the station in its thread; return when it takes events.

        Raises:
            HomeUnusableError: it did not come up, e.g. the link's socket cannot be made.
        """
        self._thread.start()
        self._ready.wait(START_S)
        if self._failed is not None or not self._ready.is_set():
            raise HomeUnusableError("the station did not start") from self._failed

    def stop(self) -> None:
        """End the station, then close queue and key."""
        self.station.stop()
        self._thread.join(END_S)
        self.outbox.close()
        self._key.close()

    @property
    def running(self) -> bool:
        """Whether the station lives."""
        return self._thread.is_alive()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - told to whoever waits in `start`
            self._failed = error
            self._ready.set()

    async def _serve(self) -> None:
        if self._link is not None:
            self._link.listen()
        link = None if self._link is None else asyncio.ensure_future(self._link.run())
        try:
            asyncio.get_running_loop().call_soon(self._ready.set)
            await self.station.run()
        finally:
            if link is not None:
                # Whatever became of the link, it never ends the station: records wait.
                link.cancel()
                await asyncio.wait([link])

    def _link_changed(self) -> None:
        self.station.queue_changed()

    def _link_server(self, config: DeviceConfig, keys: FleetKeys) -> LinkServer | None:
        path = self._options.link_socket
        if path is None:
            return None
        return LinkServer(
            path,
            self.outbox,
            shards=config.shards,
            receipt_keys=keys.receipt_keys,
            changed=self._link_changed,
        )

    def _terminal(self) -> Terminal | None:
        """Return what chips are shown for their fingerprints, None if this device may not read any.

        Raises:
            HomeUnusableError: its files are not what they should be.
        """
        if not self._home.terminal.is_dir():
            return None
        try:
            return terminal(self._home.terminal)
        except (OSError, ValueError, EMRTDError) as error:
            raise HomeUnusableError(f"{self._home.terminal}: {error}") from error

    def _station(self, config: DeviceConfig, keys: FleetKeys) -> Station:
        home, options, link = self._home, self._options, self._link
        card_url = options.card_url or config.card_url
        policy_file = options.policy or home.policy
        trust = load_trust(options.trust or home.trust, now=time.time())
        camera_url = options.camera_url or config.camera_url
        finger_url = options.finger_url or config.finger_url
        open_finger = options.open_finger
        if open_finger is None and finger_url is not None:
            open_finger = partial(open_finger_url, finger_url)
        workers = options.workers or ChildWorkers(camera_url, options.models, config.net)
        equipment = Equipment(
            open_card=options.open_card or (lambda: open_card(card_url)),
            workers=workers,
            outbox=self.outbox,
            trust=trust.store,
            policy=lambda: load_policy(policy_file, keys.policy_keys, now=int(time.time())),
            site=config.site,
            procedure=config.procedure,
            net=config.net,
            open_finger=open_finger,
            touch_workers=options.touch_workers or TouchChildWorkers(options.models),
            terminal=self._terminal() if open_finger else None,
            trust_days=trust.age_days,
            trust_at=time.time(),
            simulated=any(
                url.startswith(SIMULATED) for url in (card_url, camera_url, finger_url or "")
            ),
        )
        if link is None:
            return Station(equipment, challenges=options.challenges)
        return Station(
            equipment,
            challenges=options.challenges,
            health=lambda: link.health,
            filed=link.wake,
        )
