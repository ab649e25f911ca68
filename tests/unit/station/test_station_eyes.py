"""What a vision worker may do to a station: nothing but answer for the citizen who is served."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from kiosk.session.events import DeviceFailed, FaceCued, FaceHinted, FaceJudged
from kiosk.station.eyes import MAX_FRAMES, Eyes, Worker
from kiosk.vision.port import (
    MAX_PORTRAIT_BYTES,
    Cued,
    Failed,
    Hinted,
    Judged,
    Match,
    Ready,
    Step,
    Watch,
    decode_to_worker,
    encode,
)
from wire.reasons import Reason
from wire.record import FaceBand

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ASKED = ((Step(act="turn_left"), Step(act="blink")), (Step(act="turn_right"),))
READY = Ready(models={"embed": "net-1"}, simulated=True)
SAME = Judged(band="same", live="passed", frames=3, ms={"whole": 5.0})


@dataclass
class Workshop:
    """Makes workers whose other end a test holds."""

    ends: list[socket.socket] = field(default_factory=list)

    def begin(self) -> Worker:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        theirs.settimeout(2)
        self.ends.append(theirs)
        return Worker(ours)


@dataclass
class Bench:
    """Eyes, the workers that they get, and what they told."""

    eyes: Eyes
    shop: Workshop
    told: list[Any]

    async def told_soon(self, count: int) -> list[Any]:
        async with asyncio.timeout(2):
            while len(self.told) < count:  # noqa: ASYNC110 - what tells knows no event
                await asyncio.sleep(0.005)
        return self.told

    def heard(self, number: int) -> Any:
        return decode_to_worker(self.shop.ends[number].recv(200_000))


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    shop, told = Workshop(), []
    async with asyncio.TaskGroup() as tasks:
        eyes = Eyes(shop, told.append, tasks.create_task)
        yield Bench(eyes, shop, told)
        await eyes.close()
    for end in shop.ends:
        end.close()


async def match(bench: Bench, portrait: bytes = b"coded") -> None:
    await bench.eyes.match(portrait, fmr="1e-4", challenges=ASKED, seconds=5)


async def test_one_citizen_is_watched_matched_and_forgotten(bench: Bench) -> None:
    bench.eyes.prepare()
    await bench.eyes.watch()
    await match(bench)
    assert bench.heard(0) == Watch()
    assert bench.heard(0) == Match(portrait=b"coded", fmr="1e-4", challenges=ASKED, seconds=5)
    for frame in (READY, Hinted("no_face"), Hinted(None), Cued("turn_left"), SAME):
        bench.shop.ends[0].sendall(encode(frame))
    hinted, clear, cued, judged = await bench.told_soon(4)
    assert (hinted, clear) == (FaceHinted(Reason.NO_FACE), FaceHinted(None))
    assert isinstance(cued, FaceCued)
    assert isinstance(judged, FaceJudged)
    assert (judged.match.band, judged.match.simulated) == (FaceBand.SAME, True)
    assert judged.match.models == {"embed": "net-1"}
    assert bench.eyes.seen.ms == {"whole": 5.0}
    await bench.eyes.forget()
    assert bench.shop.ends[0].recv(10) == b""
    assert bench.eyes.seen.ms == {}
    assert len(bench.shop.ends) == 2, "the next worker waits"


@pytest.mark.parametrize(
    "raw",
    [b"\xff", b"", encode(SAME), encode(Watch()), b"\x00" * 140_000],
    ids=["noise", "end", "judged before ready", "a station's frame", "too long"],
)
async def test_a_worker_that_breaks_the_agreement_is_a_failed_device(
    bench: Bench, raw: bytes
) -> None:
    await bench.eyes.watch()
    if raw:
        bench.shop.ends[0].sendall(raw)
    else:
        bench.shop.ends[0].shutdown(socket.SHUT_RDWR)
    assert await bench.told_soon(1) == [DeviceFailed(Reason.DEVICE_FAILED)]
    await match(bench)
    assert bench.told[1:] == [DeviceFailed(Reason.DEVICE_MISSING)]


async def test_after_its_last_word_a_worker_is_not_heard_again(bench: Bench) -> None:
    await bench.eyes.watch()
    for frame in (READY, Failed("device_timeout"), SAME):
        bench.shop.ends[0].sendall(encode(frame))
    await bench.told_soon(1)
    await asyncio.sleep(0.05)
    assert bench.told == [DeviceFailed(Reason.DEVICE_TIMEOUT)]


async def test_an_earlier_citizens_worker_never_answers_for_the_next(bench: Bench) -> None:
    """Asked in this order and at once: watch, forget, watch; only the last worker is heard."""
    await asyncio.gather(bench.eyes.watch(), bench.eyes.forget(), bench.eyes.watch(), match(bench))
    first, second = bench.shop.ends[0], bench.shop.ends[-1]
    assert decode_to_worker(first.recv(9_000)) == Watch()
    assert first.recv(10) == b""
    with pytest.raises(OSError, match="Broken pipe"):
        first.sendall(encode(READY))
    second.sendall(encode(READY))
    second.sendall(encode(SAME))
    (judged,) = await bench.told_soon(1)
    assert isinstance(judged, FaceJudged)


async def test_a_session_that_ends_while_a_worker_is_made_leaves_no_camera_on(
    bench: Bench,
) -> None:
    bench.eyes.prepare()
    bench.shop.ends[0].close()  # it died while it waited: to replace it takes a moment
    await asyncio.gather(bench.eyes.watch(), bench.eyes.forget())
    assert decode_to_worker(bench.shop.ends[1].recv(9_000)) == Watch()
    assert bench.shop.ends[1].recv(10) == b""


async def test_watching_twice_ends_the_first_worker(bench: Bench) -> None:
    await bench.eyes.watch()
    await bench.eyes.watch()
    assert decode_to_worker(bench.shop.ends[0].recv(9_000)) == Watch()
    assert bench.shop.ends[0].recv(10) == b""


async def test_a_portrait_that_no_frame_holds_is_said_to_be_unusable(bench: Bench) -> None:
    await bench.eyes.watch()
    await match(bench, bytes(MAX_PORTRAIT_BYTES + 1))
    (judged,) = bench.told
    assert judged.match.reasons == (Reason.QUALITY_PORTRAIT,)
    assert judged.match.band is FaceBand.NONE


async def test_without_a_worker_the_device_is_missing(bench: Bench) -> None:
    def none_left() -> Worker:
        raise FileNotFoundError

    bench.shop.begin = none_left  # type: ignore[method-assign] # nobody makes workers
    await bench.eyes.watch()
    await match(bench)
    assert bench.told == [DeviceFailed(Reason.DEVICE_MISSING)]


@pytest.mark.parametrize(
    "judged",
    [
        Judged(band="same", live="passed", frames=0),
        Judged(band="different", live="passed", frames=2),
    ],
)
async def test_a_likeness_that_rests_on_too_little_is_none(bench: Bench, judged: Judged) -> None:
    await bench.eyes.watch()
    await match(bench)
    bench.shop.ends[0].sendall(encode(READY))
    bench.shop.ends[0].sendall(encode(judged))
    assert await bench.told_soon(1) == [DeviceFailed(Reason.DEVICE_FAILED)]


async def test_a_verdict_before_the_question_is_none(bench: Bench) -> None:
    await bench.eyes.watch()
    bench.shop.ends[0].sendall(encode(READY))
    bench.shop.ends[0].sendall(encode(SAME))
    assert await bench.told_soon(1) == [DeviceFailed(Reason.DEVICE_FAILED)]


async def test_a_worker_without_models_has_no_verdict(bench: Bench) -> None:
    await bench.eyes.watch()
    await match(bench)
    bench.shop.ends[0].sendall(encode(Ready(models={}, simulated=False)))
    bench.shop.ends[0].sendall(encode(SAME))
    assert await bench.told_soon(1) == [DeviceFailed(Reason.DEVICE_FAILED)]


async def test_a_camera_that_we_know_to_be_simulated_stays_so(bench: Bench) -> None:
    begin = bench.shop.begin

    def before_a_renderer() -> Worker:
        worker = begin()
        worker.simulated = True
        return worker

    bench.shop.begin = before_a_renderer  # type: ignore[method-assign] # what ChildWorkers knows
    await bench.eyes.watch()
    await match(bench)
    bench.shop.ends[0].sendall(encode(Ready(models={"embed": "net-1"}, simulated=False)))
    bench.shop.ends[0].sendall(encode(SAME))
    (judged,) = await bench.told_soon(1)
    assert judged.match.simulated


async def test_a_flood_of_hints_ends_and_starves_nobody(bench: Bench) -> None:
    await bench.eyes.watch()
    flood = encode(Hinted("no_face"))
    turns = 0

    def send() -> None:
        with contextlib.suppress(OSError):
            for _ in range(MAX_FRAMES + 100):
                bench.shop.ends[0].sendall(flood)

    sending = asyncio.create_task(asyncio.to_thread(send))
    async with asyncio.timeout(10):
        while not bench.told or not isinstance(bench.told[-1], DeviceFailed):
            turns += 1
            await asyncio.sleep(0)
    assert turns > 100
    assert len(bench.told) == MAX_FRAMES + 1
    await bench.eyes.forget()
    await sending
