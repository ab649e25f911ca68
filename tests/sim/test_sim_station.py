"""Whole sessions on simulated devices: bad cards, bad luck, bad people; ready for the next citizen.

Every session must end in a typed outcome, leave exactly one record, and leave the kiosk ready.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import io
import json
import os
import shutil
import socket
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from kiosk_stage import DRAFT, MODELS, OPENS, Desk, card_only, chip, desk, make_stage, sign

from emrtd.errors import ChipGone
from emrtd.keys import CAN
from emrtd.sim import FAULTS, CardImage, Chip
from kiosk.session.events import Cancelled, KeyGiven
from kiosk.session.prompts import Prompt
from kiosk.station.eyes import ChildWorkers
from kiosk.station.home import HomeUnusableError
from kiosk.station.view import Screen
from models.calibration import find
from tram.parts.service import log_as_json
from tram.parts.stage import Stage
from wire import handover
from wire.cose import PrivateKeySigner
from wire.policy import Patience
from wire.receipt import Receipt, sign_receipt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kiosk.station.station import Ended
    from kiosk.station.view import ViewModel

GOOD = ("accepted", [])
WRONG = CAN("999999")


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return make_stage(tmp_path_factory.mktemp("stage") / "stage")


@pytest.fixture(scope="module")
def counter(stage: Stage) -> Iterator[Desk]:
    """A kiosk that looks at cards only, for many citizens."""
    with desk(stage) as running:
        yield running


def ended(row: dict[str, Any]) -> tuple[str, list[str]]:
    return row["outcome"], row["reasons"]


EXPECTED = {
    "genuine": GOOD,
    "may_be_copy": ("referred", ["chip_may_be_copy"]),
    **dict.fromkeys(("wrong_password", "chip_gone"), "incomplete"),
    **dict.fromkeys(
        (
            "access_unproved", "access_unsupported", "application_missing", "channel_broken",
            "chip_malformed", "chip_refused", "data_contradictory", "file_too_large",
            "issuer_unknown", "password_blocked", "proof_unsupported",
            "public_key_invalid", "response_malformed", "security_object_malformed",
            "security_object_missing", "session_lost", "signer_expired", "signer_not_yet_valid",
            "work_exceeded",
        ),
        "referred",
    ),
    **dict.fromkeys(
        (
            "advertised_file_missing", "algorithm_weak",
            "card_access_mismatch", "card_swapped", "certificate_invalid", "chip_key_mismatch",
            "data_hash_mismatch", "public_key_echoed", "signature_invalid", "signer_not_allowed",
            "signer_revoked",
        ),
        "refused",
    ),
}  # fmt: skip
"""What a citizen's session becomes, by the reason that the table of lies promises."""


def due(code: str) -> tuple[str, list[str]]:
    """Return how a session must end by what the table of lies promises."""
    ends = EXPECTED[code]
    return (ends, [code]) if isinstance(ends, str) else ends


TOLD = [
    name
    for name, case in FAULTS.items()
    # The stage has citizen cards.
    if case.card == "citizen" and not case.takes_number
]


@pytest.mark.parametrize("fault", TOLD)
def test_every_lie_ends_in_its_own_outcome_and_the_next_citizen_is_served(
    counter: Desk, stage: Stage, fault: str
) -> None:
    before = counter.records()
    row = counter.serve(chip(stage, fault=fault))
    assert ended(row) == due(str(FAULTS[fault].expected))
    assert ended(counter.serve(chip(stage))) == GOOD
    assert counter.records() == before + 2


@pytest.mark.parametrize("at", [*range(1, 32, 3), 60, 90])
def test_a_card_pulled_and_put_back_is_served_anew(counter: Desk, stage: Stage, at: int) -> None:
    before = counter.records()
    counter.reader.insert(chip(stage, fault=f"torn:{at}"))
    first = counter.watch()
    assert ended(first) == ("incomplete", ["chip_gone"])
    again = counter.watch()
    assert ended(again) == GOOD
    counter.reader.remove()
    counter.rest()
    assert counter.records() == before + 2


def test_a_wrong_key_says_so_and_the_right_one_then_opens(counter: Desk, stage: Stage) -> None:
    keys = iter([WRONG, OPENS])
    prompts: list[tuple[Prompt, int | None]] = []

    def look(view: ViewModel) -> None:
        asked = (view.prompt, view.attempts_left)
        if view.screen is Screen.KEY and asked not in prompts:
            prompts.append(asked)
            counter.kiosk.station.post(KeyGiven(next(keys)))

    end = counter.kiosk.station.subscribe(look)
    ends: list[Any] = []
    counter.kiosk.station.on_ended(ends.append)
    counter.reader.insert(chip(stage))
    wait_for(lambda: bool(ends))
    end()
    counter.reader.remove()
    counter.rest()
    assert prompts == [(Prompt.ENTER_KEY, 3), (Prompt.KEY_REFUSED, 2)]
    assert ends[0].verdict.outcome == "accepted"


def test_the_key_is_asked_for_as_often_as_the_policy_says(counter: Desk, stage: Stage) -> None:
    ends: list[Any] = []
    asked: set[int | None] = set()

    def look(view: ViewModel) -> None:
        if view.screen is Screen.KEY and view.attempts_left not in asked:
            asked.add(view.attempts_left)
            counter.kiosk.station.post(KeyGiven(WRONG))

    end = counter.kiosk.station.subscribe(look)
    counter.kiosk.station.on_ended(ends.append)
    counter.reader.insert(chip(stage))
    wait_for(lambda: bool(ends))
    end()
    counter.reader.remove()
    counter.rest()
    assert [reason.value for reason in ends[0].verdict.reasons] == ["wrong_password"]
    assert asked == {3, 2, 1}


class Hanging:
    """A chip that never answers its n-th command, until it is let go."""

    def __init__(self, chip: Chip, *, at: int) -> None:
        self._chip, self._left = chip, at
        self.atr, self.reset = chip.atr, chip.reset
        self.let_go = False

    def answer(self, command: bytes) -> bytes:
        self._left -= 1
        while self._left == 0:
            if self.let_go:
                raise ChipGone
            time.sleep(0.01)
        return self._chip.answer(command)


def test_a_chip_that_hangs_ends_by_the_timer(stage: Stage) -> None:
    with desk(stage, policy=card_only(stage, reading=1)) as running:
        hanging = Hanging(chip(stage), at=20)
        running.reader.insert(hanging)
        row = running.watch()
        hanging.let_go = True
        running.reader.remove()
        running.rest()
        assert ended(row) == ("incomplete", ["timeout"])
        assert ended(running.serve(chip(stage))) == GOOD


def test_whoever_stops_while_the_chip_is_read_is_let_go(counter: Desk, stage: Stage) -> None:
    ends: list[Any] = []

    def look(view: ViewModel) -> None:
        if view.screen is Screen.READING and (view.progress or 0) > 0.3:
            counter.kiosk.station.post(Cancelled())

    counter.kiosk.station.on_ended(ends.append)
    end = counter.kiosk.station.subscribe(look)
    counter.reader.insert(slow(chip(stage)))
    row = counter.watch()
    end()
    counter.reader.remove()
    counter.rest()
    assert ended(row) == ("incomplete", ["cancelled"])


def slow(chip: Chip) -> Chip:
    """Let a chip take a hundredth of a second for each command."""
    answer = chip.answer

    def late(command: bytes) -> bytes:
        time.sleep(0.01)
        return answer(command)

    chip.answer = late  # type: ignore[method-assign] # a slower chip
    return chip


def test_a_card_swapped_before_the_verdict_is_noticed(stage: Stage) -> None:
    """The other card lies there when the chip is asked once more: it has no such channel."""
    with desk(stage) as running:
        # The first card of a kind is asked how much it carries; the next cost the same each.
        assert ended(running.serve(chip(stage))) == GOOD
        first, second = chip(stage), chip(stage)
        commands = 0
        answer = first.answer

        def swapping(command: bytes) -> bytes:
            nonlocal commands
            commands += 1
            return answer(command)

        # What reader and chip carry at once is asked of the first card only.
        assert ended(running.serve(chip(stage))) == GOOD
        first.answer = swapping  # type: ignore[method-assign] # it counts
        assert ended(running.serve(first)) == GOOD
        whole = commands
        commands = 0

        def swapped(command: bytes) -> bytes:
            nonlocal commands
            commands += 1
            return (answer if commands <= whole - 2 else second.answer)(command)

        first.answer = swapped  # type: ignore[method-assign] # another chip from there on
        assert ended(running.serve(first)) == ("refused", ["card_swapped"])


SAYS_4096 = bytes.fromhex("47030000407F66080202100002021000")
"""EF.ATR/INFO: extended length, and four kilobytes each way."""


def wide(stage: Stage) -> Chip:
    """Return a card that says that it carries much at once."""
    image = CardImage.from_json(stage.card("2021").read_bytes())
    files = {**image.files, "ATRInfo": SAYS_4096}
    return Chip(dataclasses.replace(image, files=files, extended_bytes=4096), randomness=os.urandom)


def test_a_card_that_promised_too_much_is_read_again_and_nobody_notices(stage: Stage) -> None:
    """Its long answers are cut off on the way, as by a reader that does not carry them."""
    with desk(stage) as running:
        broad = running.serve(wide(stage))
        narrow = wide(stage)
        answer = narrow.answer

        def cut(command: bytes) -> bytes:
            response = answer(command)
            return response if len(response) < 900 else response[:256] + response[-2:]

        narrow.answer = cut  # type: ignore[method-assign] # a poorer reader
        first, second = running.serve(narrow), running.serve(narrow)
        assert [ended(each) for each in (broad, first, second)] == [GOOD] * 3
        # It was opened three times, in smaller and smaller pieces; the next one at once in short.
        assert broad["apdus"] < second["apdus"] < first["apdus"]
        assert "again" in first["ms"]
        assert "again" not in second["ms"]
        assert running.records() == 3


# what the policy says


@pytest.mark.parametrize("made", ["missing", "unsigned", "expired"])
def test_without_a_valid_policy_nothing_is_accepted(stage: Stage, made: str) -> None:
    path = stage.root / f"{made}.cose"
    if made == "unsigned":
        path.write_bytes(b'{"layers": []}')
    elif made == "expired":
        path = sign(stage, "expired", not_after=1)
    with desk(stage, policy=path) as running:
        assert ended(running.serve(chip(stage))) == ("referred", [f"policy_{made}"])


def test_a_simulated_card_is_no_card_where_simulators_are_not_allowed(stage: Stage) -> None:
    with desk(stage, policy=sign(stage, "strict", simulators_allowed=False)) as running:
        assert ended(running.serve(chip(stage))) == ("referred", ["policy_simulator"])


# the queue


def test_a_full_queue_accepts_nobody_and_loses_nothing(stage: Stage) -> None:
    with desk(small_queue(stage)) as running:
        outbox = running.kiosk.outbox
        rows = [running.serve(chip(stage))]
        while rows[-1]["outcome"] == "accepted" and len(rows) < 100:
            rows.append(running.serve(chip(stage)))
        rows.append(running.serve(chip(stage)))
        last = rows[-1]
        assert (last["outcome"], last["reasons"][0], last["record"]) == (
            "incomplete", "queue_full", None,
        )  # fmt: skip
        stored = [row for row in rows if row["record"] is not None]
        assert len(stored) == len(rows) - 2
        assert running.records() == outbox.verify().records == len(stored)
        assert running.kiosk.station.view().screen is Screen.WELCOME


def small_queue(stage: Stage) -> Stage:
    """Return a stage whose device may keep very little."""
    small = Stage(stage.root.with_name("small"))
    shutil.copytree(stage.root, small.root)
    described = small.device.root / "device.toml"
    described.write_text("queue_bytes = 262144\n" + described.read_text())
    return small


# the face


def strict(stage: Stage) -> Stage:
    """Return a stage whose device compares by two nets that must agree."""
    other = Stage(stage.root.with_name("strict"))
    shutil.copytree(stage.root, other.root, dirs_exist_ok=True)
    described = other.device.root / "device.toml"
    described.write_text('net = "strict"\n' + described.read_text())
    return other


def test_the_net_that_the_home_names_is_the_one_that_compares(stage: Stage) -> None:
    device = strict(stage)
    camera = device.camera_url("holder", flat=False)
    policy = sign(device, "face", patience=quick())
    with desk(device, policy=policy, camera_url=camera) as running:
        ends: list[Ended] = []
        running.kiosk.station.on_ended(ends.append)
        assert ended(running.serve(chip(device))) == GOOD
    models = ends[0].verdict.match.models
    assert models["embed"].count("+") == 1
    assert models["calibration"] == find(MODELS, "strict").id


def test_a_worker_that_was_started_with_another_net_is_a_failed_device(stage: Stage) -> None:
    device = strict(stage)
    others = ChildWorkers(device.camera_url("holder", flat=False), MODELS, "mobilefacenet")
    with desk(device, policy=sign(device, "face", patience=quick()), workers=others) as running:
        assert ended(running.serve(chip(device))) == ("incomplete", ["device_failed"])


@pytest.mark.parametrize(
    ("query", "outcome", "reasons"),
    [
        ("&faces=0", "referred", ["no_face"]),
        ("&faces=3", "referred", ["several_faces"]),
    ],
)
def test_nobody_and_three_people_before_the_camera(
    stage: Stage, query: str, outcome: str, reasons: list[str]
) -> None:
    policy = sign(stage, "quick", patience=quick(face=4))
    url = stage.camera_url("holder", flat=False) + query
    with desk(stage, policy=policy, camera_url=url) as running:
        hints = []
        running.kiosk.station.subscribe(lambda view: hints.append(view.hint))
        assert ended(running.serve(chip(stage))) == (outcome, reasons)
        assert reasons[0] in {None if hint is None else hint.value for hint in hints}


def quick(face: int = 12) -> Patience:
    return Patience(face=face, showing=2)


def test_a_camera_that_is_not_there_is_a_device_not_a_person(stage: Stage) -> None:
    url = f"sim://camera?file={stage.root / 'nobody.npz'}"
    with desk(stage, policy=sign(stage, "whole"), camera_url=url) as running:
        assert ended(running.serve(chip(stage))) == ("incomplete", ["device_missing"])


def test_a_worker_that_died_while_it_waited_is_replaced(stage: Stage) -> None:
    policy = sign(stage, "face", patience=quick())
    with desk(stage, policy=policy, camera_url=stage.camera_url("holder", flat=False)) as running:
        eyes = running.kiosk.station._eyes
        wait_for(lambda: eyes._waiting is not None)
        eyes._waiting.process.kill()
        wait_for(lambda: eyes._waiting.gone)
        row = running.serve(chip(stage))
        assert (row["outcome"], row["face"]["band"]) == ("accepted", "same_strong")


def test_a_reader_that_is_not_there_is_shown_before_anybody_comes(stage: Stage) -> None:
    missing = f"sim://card?file={stage.root / 'nothing.json'}"
    with desk(stage, open_card=None, card_url=missing) as running:
        view = running.kiosk.station.view
        wait_for(lambda: view().around.trouble == "device_missing")
        assert (view().screen, view().prompt) == (Screen.WELCOME, Prompt.OUT_OF_SERVICE)


def wait_for(holds: Any, seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_reports_name_nobody(counter: Desk, stage: Stage) -> None:
    row = counter.serve(chip(stage))
    assert "012345" not in str(row)
    assert set(row) == {
        "outcome", "reasons", "checks", "face", "finger", "record", "row", "apdus", "ms",
    }  # fmt: skip
    assert row["finger"] == "no_reference"


def test_nothing_is_reported_twice(counter: Desk, stage: Stage) -> None:
    rows = []
    counter.kiosk.station.on_ended(rows.append)
    counter.serve(chip(stage))
    assert len(rows) == 1


# what must not stop a kiosk, and what must not stay in it


def test_a_full_log_disk_stops_nobody(stage: Stage) -> None:
    full = Path("/dev/full").open("w", buffering=1)  # noqa: SIM115 - to close it fails, too
    log_as_json(full)
    with desk(stage) as running:
        assert ended(running.serve(chip(stage))) == GOOD
        assert ended(running.serve(chip(stage, fault="clone"))) == due("chip_key_mismatch")
    with contextlib.suppress(OSError):
        full.close()


def test_nothing_that_was_read_outlives_its_session(stage: Stage) -> None:
    """Whoever stops while the chip is being judged is judged late: nobody wants that any more."""
    with desk(stage) as running:
        station = running.kiosk.station
        cancelled = threading.Event()
        told = station._told

        def late(message: Any) -> None:
            if message.evidence is not None:
                station._happen(Cancelled())
                cancelled.set()
            told(message)

        station._told = late  # type: ignore[method-assign] # a person who is quicker
        row = running.serve(chip(stage))
        assert cancelled.is_set()
        assert ended(row) == ("incomplete", ["cancelled"])
        assert station._session.evidence is None


def test_a_station_that_ended_says_so_on_its_screen(stage: Stage) -> None:
    with desk(stage) as running:
        station = running.kiosk.station
        running.reader.insert(chip(stage))
        assert ended(running.watch()) == GOOD
        assert station.view().screen is Screen.VERDICT
        running.kiosk.stop()
        view = station.view()
        assert (view.screen, view.prompt) == (Screen.WELCOME, Prompt.OUT_OF_SERVICE)


def test_a_link_socket_that_cannot_be_made_is_told_at_once(stage: Stage) -> None:
    nowhere = stage.root / "no" / "such" / "folder" / "link.sock"
    with pytest.raises(HomeUnusableError), desk(stage, link_socket=nowhere):
        pass


def test_a_record_that_the_disk_has_not_begun_is_given_up_with_its_verdict(stage: Stage) -> None:
    with desk(stage, policy=card_only(stage, filing=1)) as running:
        outbox = running.kiosk.outbox
        with outbox._lock:  # a disk that does not answer, with another record before ours
            other = running.kiosk.station._writer.submit(DRAFT)
            running.reader.insert(chip(stage))
            row = running.watch()
        assert ended(row) == ("incomplete", ["queue_failed"])
        assert row["record"] is None
        assert other.result(5).seq == 1
        running.reader.remove()
        running.rest()
        assert running.records() == 1


def test_a_record_out_of_form_is_not_filed_and_the_log_names_its_field(stage: Stage) -> None:
    said = io.StringIO()
    log_as_json(said)
    with desk(stage) as running:
        station = running.kiosk.station
        station._equipment = dataclasses.replace(station._equipment, site="Nhà số 999095")
        assert ended(running.serve(chip(stage))) == ("incomplete", ["queue_failed"])
        assert running.records() == 0
    lines = [json.loads(line) for line in said.getvalue().splitlines()]
    (line,) = [line for line in lines if line["event"] == "filing_failed"]
    assert (line["error"], line["why"]) == ("Malformed", "operations part: site")
    assert "999095" not in said.getvalue()


class FloodingLink:
    """Code in the link's place that says that the broker is there, again and again."""

    def __init__(self, path: Path) -> None:
        self.wire = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.wire.connect(str(path))
        self.wire.settimeout(5)
        self.hello = handover.decode(self.wire.recv(200_000))

    def flood(self, seconds: float) -> int:
        sent, until = 0, time.monotonic() + seconds
        while time.monotonic() < until:
            state = handover.LinkState(connected=bool(sent % 2), since_s=0.0)
            self.wire.sendall(handover.encode(state))
            sent += 1
        return sent


def test_a_link_that_floods_delays_nobody_and_fills_no_memory(stage: Stage) -> None:
    path = stage.root / "flood.sock"
    with desk(stage, link_socket=path) as running:
        link = FloodingLink(path)
        sending = threading.Thread(target=link.flood, args=(3.0,))
        sending.start()
        time.sleep(0.3)
        assert ended(running.serve(chip(stage))) == GOOD
        sending.join()
        station = running.kiosk.station
        assert len(asyncio.all_tasks(station._loop)) < 20
        link.wire.close()


def test_another_shards_key_says_nothing_about_this_devices_records(stage: Stage) -> None:
    """Every ingester has a key that the device knows; only its own shard's is believed."""
    path = stage.root / "shard.sock"
    with desk(stage, link_socket=path) as running:
        assert ended(running.serve(chip(stage))) == GOOD
        link = FloodingLink(path)
        group = handover.decode(link.wire.recv(200_000))
        assert isinstance(group, handover.GroupOut)
        head = running.kiosk.outbox.lane("normal").chain_head
        own = link.hello.shard
        for shard in (own + 1) % 64, own:
            pem = stage.fleet.receipt_key(shard).read_bytes()
            receipt = Receipt(
                shard=shard, device=link.hello.device, epoch=link.hello.epoch, lane="normal",
                high_water=1, chain_head=head, audit_head=bytes(32),
            )  # fmt: skip
            signed = sign_receipt(receipt, PrivateKeySigner(load_pem_private_key(pem, None)))
            link.wire.sendall(handover.encode(handover.ReceiptIn(raw=signed)))
            if shard != own:
                assert link.wire.recv(10) == b"", "the station hung up"
                assert running.kiosk.outbox.lane("normal").acked_seq == 0
                link.wire.close()
                link = FloodingLink(path)
                assert isinstance(handover.decode(link.wire.recv(200_000)), handover.GroupOut)
        wait_for(lambda: running.kiosk.outbox.lane("normal").acked_seq == 1)
        link.wire.close()
