"""The link's loop beside a station that the test plays by hand; no broker answers."""

from __future__ import annotations

import asyncio
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import msgspec
import pytest
import structlog
from cryptography.hazmat.primitives.asymmetric import ec
from link_material import (
    DEVICE,
    EPOCH,
    HELLO,
    BareStation,
    group,
    hear,
    hung_up,
    link_home,
    linked,
    running,
)

from kiosk.link import main
from kiosk.link.home import LinkConfig, LinkHomeUnusableError
from kiosk.link.shipper import Settings
from wire.cose import PrivateKeySigner
from wire.handover import MAX_FRAME_BYTES, LinkState, ReceiptIn, StatusOut, encode
from wire.receipt import Receipt, sign_receipt

if TYPE_CHECKING:
    from pathlib import Path

HELD = Settings().held


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Don't wait for politeness' sake."""
    monkeypatch.setattr(main, "LONGEST_WAIT_S", 0.05)
    monkeypatch.setattr(main, "HELLO_S", 0.3)


def test_says_at_once_that_no_broker_answers_and_takes_what_is_given(tmp_path: Path) -> None:
    with linked(tmp_path) as station, closing(station.accept()) as link:
        told = hear(link)
        assert isinstance(told, LinkState)
        assert not told.connected
        for number in range(1, HELD + 1):
            link.send(group(number))
        link.send(encode(StatusOut(raw=b"status")))
        link.settimeout(0.3)
        assert not hung_up(link)


@pytest.mark.parametrize(
    "first",
    [
        msgspec.structs.replace(HELLO, version=2),
        msgspec.structs.replace(HELLO, device="kiosk-2"),
        msgspec.structs.replace(HELLO, shard=(HELLO.shard + 1) % 8),
        group(1),
        b"\xff",
        bytes(MAX_FRAME_BYTES + 1),
        None,
    ],
    ids=["version", "device", "shard", "a group", "noise", "too long", "nothing"],
)
def test_leaves_a_station_that_is_not_the_one_it_is_for_and_comes_again(
    tmp_path: Path, first: bytes | None
) -> None:
    with linked(tmp_path) as station:
        for _ in range(2):
            with closing(station.accept(first)) as link:
                assert hung_up(link)
        with closing(station.accept()) as link:
            assert isinstance(hear(link), LinkState)


@pytest.mark.parametrize(
    "later",
    [
        [b"\x81\xa4type\xa5hello"],
        [bytes(MAX_FRAME_BYTES + 1)],
        [encode(HELLO)],
        [encode(ReceiptIn(raw=b"receipt"))],
        [encode(LinkState(connected=True, since_s=0))],
        [group(1), group(3)],
        [group(1), group(1)],
        [group(number) for number in range(1, HELD + 2)],
    ],
    ids=[
        "malformed",
        "too long",
        "Hello again",
        "a receipt",
        "a link's word",
        "a gap",
        "a repetition",
        "more than was agreed",
    ],
)
def test_leaves_a_station_that_breaks_the_agreement_and_begins_anew(
    tmp_path: Path, later: list[bytes]
) -> None:
    with linked(tmp_path) as station:
        with closing(station.accept()) as link:
            for frame in later:
                link.send(frame)
            assert hung_up(link)
        with closing(station.accept()) as link:
            link.send(group(1))
            link.settimeout(0.3)
            assert not hung_up(link)


def test_waits_for_a_station_that_is_away_and_for_one_that_comes_back(tmp_path: Path) -> None:
    config = LinkConfig.load(link_home(tmp_path / "home"), tmp_path / "link.sock")
    with running(config):
        for _ in range(2):
            station = BareStation(config.socket)
            with closing(station), closing(station.accept()) as link:
                assert isinstance(hear(link), LinkState)
            config.socket.unlink()


async def test_a_station_that_never_reads_is_left(tmp_path: Path) -> None:
    config = LinkConfig.load(link_home(tmp_path / "home"), tmp_path / "link.sock")
    receipt = Receipt(
        shard=0,
        device=DEVICE,
        epoch=EPOCH,
        lane="normal",
        high_water=0,
        chain_head=bytes(32),
        audit_head=bytes(32),
    )
    raw = sign_receipt(receipt, PrivateKeySigner(ec.generate_private_key(ec.SECP256R1())))
    link, stopping = main._Link(config), threading.Event()
    with closing(BareStation(config.socket)) as station:
        serving = asyncio.create_task(link.serve(stopping))
        with closing(await asyncio.to_thread(station.accept)) as wire:
            assert await asyncio.to_thread(hear, wire)  # its first word, and the last we read
            for _ in range(main.FRAMES_PENDING + 2):
                link._hear_receipt(raw)
            assert await asyncio.to_thread(hung_up, wire)
        stopping.set()
        await asyncio.wait_for(serving, 2)


def test_what_is_missing_is_said_at_the_start(tmp_path: Path) -> None:
    home = link_home(tmp_path / "home")
    config = LinkConfig.load(home, tmp_path / "link.sock")
    (home / "keys" / "tls.key.pem").write_text("no key")
    with pytest.raises(LinkHomeUnusableError, match="TLS files"):
        main.run(config, threading.Event())


def test_no_log_line_holds_what_it_carried(tmp_path: Path) -> None:
    secret = b"IDVNM999095012345NGUYEN"
    with structlog.testing.capture_logs() as lines, linked(tmp_path) as station:
        with closing(station.accept()) as link:
            link.send(group(1, secret))
            link.send(encode(StatusOut(raw=secret)))
            link.send(encode(ReceiptIn(raw=secret)))
            assert hung_up(link)
        with closing(station.accept(secret)) as link:
            assert hung_up(link)
    said = repr(lines)
    assert "station_broke_agreement" in said
    assert DEVICE in said  # the link's own name is no person's
    assert not [word for word in (secret.decode(), "NGUYEN", "999095", EPOCH.hex()) if word in said]
