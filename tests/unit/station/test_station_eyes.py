"""What a vision worker may do to a station: nothing but answer for the citizen who is served."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiosk.session.events import DeviceFailed, FaceCued, FaceHinted, FaceJudged
from kiosk.station.eyes import MAX_FRAMES, Eyes, Worker
from kiosk.station.hearing import PARTS, Hearing
from kiosk.vision.port import (
    MAX_COMPARED,
    MAX_PORTRAIT_BYTES,
    Cued,
    Failed,
    Hinted,
    Judged,
    Match,
    Ready,
    Step,
    VisionFrameError,
    Watch,
    decode_from_worker,
    decode_to_worker,
    encode,
)
from models.face.embed import STRICT, names_of
from wire.reasons import Reason
from wire.record import FaceBand

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ASKED = ((Step(act="turn_left"), Step(act="blink")), (Step(act="turn_right"),))
HASH = "0123456789ab"
MODELS = {
    "detect": f"face-detection-short-range-{HASH}",
    "mesh": f"face-landmark-{HASH}",
    "iris": f"iris-landmark-{HASH}",
    "embed": f"mobilefacenet-{HASH}",
    "calibration": f"mobilefacenet-{HASH[::-1]}",
    "texture": f"rendered-{HASH}",
}
BOTH = f"mobilefacenet-{HASH}+dlib-resnet-{HASH}"
READY = Ready(models=MODELS, simulated=True)
SAME = Judged(band="same", live="passed", frames=3, tries=1, ms={"whole": 5.0})
UNSEEN = Judged(band="none", live="absent", frames=0, reasons=("no_face",))
FIRST = ("turn_left", "look_ahead", "blink", "look_ahead")
"""Cues of the first challenge, shown to its end."""


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


def say(bench: Bench, *frames: Any, cues: tuple[str, ...] = FIRST, end: int = 0) -> None:
    """Let a worker be ready, give the cues, and say the frames."""
    for frame in (READY, *map(Cued, cues), *frames):
        bench.shop.ends[end].sendall(encode(frame))


async def last_told(bench: Bench) -> Any:
    """Return the first event that is no cue."""
    async with asyncio.timeout(2):
        while all(isinstance(each, FaceCued) for each in bench.told):  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.005)
    return next(each for each in bench.told if not isinstance(each, FaceCued))


FAILED = DeviceFailed(Reason.DEVICE_FAILED)


async def test_one_citizen_is_watched_matched_and_forgotten(bench: Bench) -> None:
    bench.eyes.prepare()
    await bench.eyes.watch()
    await match(bench)
    assert bench.heard(0) == Watch()
    assert bench.heard(0) == Match(portrait=b"coded", fmr="1e-4", challenges=ASKED, seconds=5)
    for frame in (READY, Hinted("no_face"), Hinted(None), *map(Cued, FIRST), SAME):
        bench.shop.ends[0].sendall(encode(frame))
    hinted, clear, cued, *_, judged = await bench.told_soon(7)
    assert (hinted, clear) == (FaceHinted(Reason.NO_FACE), FaceHinted(None))
    assert isinstance(cued, FaceCued)
    assert isinstance(judged, FaceJudged)
    assert (judged.match.band, judged.match.simulated) == (FaceBand.SAME, True)
    assert judged.match.models == MODELS
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
    first = bench.shop.ends[0]
    assert decode_to_worker(first.recv(9_000)) == Watch()
    assert first.recv(10) == b""
    with pytest.raises(OSError, match="Broken pipe"):
        first.sendall(encode(READY))
    say(bench, UNSEEN, cues=(), end=-1)
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
        Judged(band="same", live="passed", frames=0, tries=1),
        Judged(band="different", live="passed", frames=2, tries=1),
    ],
)
async def test_a_likeness_that_rests_on_too_little_is_none(bench: Bench, judged: Judged) -> None:
    await bench.eyes.watch()
    await match(bench)
    say(bench, judged)
    assert await last_told(bench) == FAILED


async def test_a_verdict_before_the_question_is_none(bench: Bench) -> None:
    await bench.eyes.watch()
    bench.shop.ends[0].sendall(encode(READY))
    bench.shop.ends[0].sendall(encode(SAME))
    assert await bench.told_soon(1) == [DeviceFailed(Reason.DEVICE_FAILED)]


@pytest.mark.parametrize("without", ["detect", "mesh", "iris", "embed", "calibration"])
async def test_a_worker_that_does_not_say_what_decides_has_no_verdict(
    bench: Bench, without: str
) -> None:
    await bench.eyes.watch()
    models = {role: name for role, name in MODELS.items() if role != without}
    bench.shop.ends[0].sendall(encode(Ready(models=models, simulated=False)))
    assert await bench.told_soon(1) == [FAILED]


@pytest.mark.parametrize(
    ("net", "calibration", "embed", "taken"),
    [
        ("strict", f"strict-{HASH}", BOTH, True),
        ("strict", f"site-strict-{HASH}", BOTH, True),
        ("strict", f"mobilefacenet-{HASH}", BOTH, False),
        ("strict", "strict", BOTH, False),
        ("strict", "strict-zzz", BOTH, False),
        ("strict", f"not-strict-{HASH}", BOTH, False),
        ("strict", f"strict-{HASH}", f"dlib-resnet-{HASH}", False),
        ("strict", f"strict-{HASH}", f"dlib-resnet-{HASH}+mobilefacenet-{HASH}", False),
        ("strict", f"strict-{HASH}", f"{BOTH}+own-{HASH}", False),
        ("own.int8", f"site-own.int8-{HASH}", f"own.int8-{HASH}", True),
        ("own.int8", f"site-own.int8-{HASH}", f"own-{HASH}", False),
        ("own.int8", f"site-own.int8-{HASH}", "own.int8", False),
        (None, f"dlib-resnet-{HASH}", f"dlib-resnet-{HASH}", True),
        (None, f"dlib-resnet-{HASH}", f"mobilefacenet-{HASH}", False),
        (None, f"strict-{HASH}", BOTH, True),
        (None, f"strict-{HASH}", f"mobilefacenet-{HASH}", False),
    ],
)
async def test_a_worker_must_run_the_net_that_the_device_names(
    net: str | None, calibration: str, embed: str, taken: bool
) -> None:
    shop, told = Workshop(), []
    async with asyncio.TaskGroup() as tasks:
        eyes = Eyes(shop, told.append, tasks.create_task, net=net)
        bench = Bench(eyes, shop, told)
        await eyes.watch()
        models = {**MODELS, "calibration": calibration, "embed": embed}
        ready = Ready(models=models, simulated=False)
        for frame in (ready, Hinted("no_face")):
            shop.ends[0].sendall(encode(frame))
        assert await bench.told_soon(1) == [FaceHinted(Reason.NO_FACE) if taken else FAILED]
        await eyes.close()
    for end in shop.ends:
        end.close()


@pytest.mark.parametrize("role", sorted(MODELS))
async def test_what_a_worker_runs_is_named_by_a_hash(bench: Bench, role: str) -> None:
    await bench.eyes.watch()
    name = MODELS[role].rpartition("-")[0]
    ready = Ready(models={**MODELS, role: f"{name}-0123"}, simulated=False)
    bench.shop.ends[0].sendall(encode(ready))
    assert await bench.told_soon(1) == [FAILED]


def test_the_nets_of_which_a_station_knows_more_than_a_name_are_the_embedders() -> None:
    assert {STRICT: names_of(Path(), STRICT)} == PARTS


@pytest.mark.parametrize("live", ["passed", "absent"])
async def test_nobody_passes_by_a_layer_that_was_not_there(bench: Bench, live: Any) -> None:
    await bench.eyes.watch()
    await match(bench)
    models = {role: name for role, name in MODELS.items() if role != "texture"}
    ready = Ready(models=models, simulated=False)
    reasons = () if live == "passed" else ("live_layer_missing",)
    judged = Judged(band="same", live=live, frames=3, tries=1, reasons=reasons)
    for frame in (ready, *map(Cued, FIRST), judged):
        bench.shop.ends[0].sendall(encode(frame))
    assert (await last_told(bench) == FAILED) == (live == "passed")


# What cannot be true, or comes out of turn


@pytest.mark.parametrize(
    "frames",
    [(READY, READY), (Hinted("no_face"),), (READY, Cued("turn_left")), (Cued("look_ahead"),)],
    ids=["ready twice", "a hint before", "a cue before the question", "a cue before"],
)
async def test_a_worker_that_speaks_out_of_turn_is_a_failed_device(
    bench: Bench, frames: tuple[Any, ...]
) -> None:
    await bench.eyes.watch()
    for frame in frames:
        bench.shop.ends[0].sendall(encode(frame))
    assert await bench.told_soon(1) == [FAILED]


PASSED = {"band": "same", "live": "passed", "frames": 3}
LIES = {
    "no cue": (Judged(**PASSED), ()),
    "no cue, a try": (Judged(**PASSED, tries=1), ()),
    "half of the challenge": (Judged(**PASSED, tries=1), FIRST[:2]),
    "all but a part": (Judged(**PASSED, tries=2), (*FIRST[:2], "blink")),
    "no try": (Judged(**PASSED), FIRST),
    "likeness, asked for nothing": (Judged(band="same_strong", live="absent", frames=3), ()),
    "stranger, asked for nothing": (Judged(band="different", live="failed", frames=3), ()),
    "a try more": (Judged(**PASSED, tries=2), FIRST),
    "failed, unshown": (Judged(band="same", live="failed", frames=3, tries=1), ()),
    "failed, one try less": (
        Judged(band="same", live="failed", frames=3, tries=1), (*FIRST, "turn_right"),
    ),
    "another act": (UNSEEN, ("blink",)),
    "another order": (UNSEEN, ("turn_right",)),
    "too many": (UNSEEN, (*FIRST, "turn_right", "turn_right")),
    "no likeness": (Judged(band="none", live="passed", frames=0, tries=1), FIRST),
    "likeness of nothing": (Judged(band="none", live="failed", frames=3, tries=1), FIRST),
    "no face, the same": (
        Judged(band="same", live="failed", frames=3, tries=1, reasons=("no_face",)), FIRST,
    ),
    "no portrait, the same": (
        Judged(band="same", live="absent", frames=3, reasons=("quality_portrait",)), (),
    ),
    "stale, the same": (
        Judged(band="same", live="failed", frames=3, reasons=("frames_not_fresh",)), (),
    ),
    "stale, alive": (
        Judged(band="none", live="absent", frames=0, reasons=("frames_not_fresh",)), (),
    ),
    "layer missing, passed": (
        Judged(**PASSED, tries=1, reasons=("live_layer_missing",)), FIRST,
    ),
    "layer missing, failed": (
        Judged(
            band="same", live="failed", frames=3, tries=1, reasons=("live_layer_missing",)
        ),
        FIRST,
    ),
    "reason twice": (
        Judged(band="none", live="absent", frames=0, reasons=("no_face", "no_face")), (),
    ),
}  # fmt: skip
TRUE = {
    "first challenge": (SAME, FIRST),
    "second challenge": (Judged(**PASSED, tries=2), (*FIRST[:1], "look_ahead", "turn_right")),
    "second, first shown whole": (Judged(**PASSED, tries=2), (*FIRST, "turn_right")),
    "layer missing": (
        Judged(
            band="same", live="absent", frames=3, tries=1, reasons=("live_layer_missing",)
        ),
        FIRST,
    ),
    "astray": (Judged(band="different", live="failed", frames=5, tries=1), FIRST[:1]),
    "nobody": (UNSEEN, ()),
    "stale": (Judged(band="none", live="failed", frames=0, reasons=("frames_not_fresh",)), ()),
    "portrait": (
        Judged(band="none", live="absent", frames=0, reasons=("quality_portrait",)), (),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LIES)
async def test_a_worker_that_contradicts_itself_is_a_failed_device(bench: Bench, name: str) -> None:
    judged, cues = LIES[name]
    await bench.eyes.watch()
    await match(bench)
    say(bench, judged, cues=cues)
    assert await last_told(bench) == FAILED


@pytest.mark.parametrize("name", TRUE)
async def test_what_can_be_true_is_heard(bench: Bench, name: str) -> None:
    judged, cues = TRUE[name]
    await bench.eyes.watch()
    await match(bench)
    say(bench, judged, cues=cues)
    heard = await last_told(bench)
    assert isinstance(heard, FaceJudged)
    assert heard.match.band == judged.band
    assert [each.cue for each in bench.told[:-1]] == list(cues)


async def test_where_one_try_could_go_on_or_another_begin_both_are_possible(bench: Bench) -> None:
    """The second act of the first challenge is the first of the second."""
    challenges = (
        (Step(act="turn_left"), Step(act="blink")),
        (Step(act="blink"), Step(act="turn_left")),
    )
    await bench.eyes.watch()
    await bench.eyes.match(b"coded", fmr="1e-4", challenges=challenges, seconds=5)
    say(bench, Judged(**PASSED, tries=2), cues=("turn_left", "blink", "turn_left"))
    assert isinstance(await last_told(bench), FaceJudged)


@pytest.mark.parametrize("more", [encode(SAME), encode(Hinted(None)), b"\xff"])
async def test_more_than_the_last_word_is_a_failed_device(bench: Bench, more: bytes) -> None:
    await bench.eyes.watch()
    await match(bench)
    # The loop hears nothing before both are said.
    say(bench, SAME)
    bench.shop.ends[0].sendall(more)
    assert await last_told(bench) == FAILED


async def test_more_after_the_last_word_was_heard_is_a_failed_device(bench: Bench) -> None:
    await bench.eyes.watch()
    await match(bench)
    say(bench, SAME)
    assert isinstance(await last_told(bench), FaceJudged)
    bench.shop.ends[0].sendall(encode(Hinted(None)))
    await bench.told_soon(6)
    assert bench.told[-1] == FAILED


async def test_after_its_last_word_a_worker_may_hang_up(bench: Bench) -> None:
    await bench.eyes.watch()
    await match(bench)
    bench.heard(0)
    bench.heard(0)  # what was sent to it and not read would be a hang-up of another kind
    say(bench, SAME)
    bench.shop.ends[0].close()
    assert isinstance(await last_told(bench), FaceJudged)
    await asyncio.sleep(0.05)
    assert len(bench.told) == 5


async def test_a_worker_is_asked_once(bench: Bench) -> None:
    await bench.eyes.watch()
    await match(bench)
    await match(bench)
    assert bench.told == [DeviceFailed(Reason.DEVICE_MISSING)]


def test_more_frames_than_are_compared_are_no_frame() -> None:
    raw = encode(Judged(band="same", live="passed", frames=MAX_COMPARED + 1, tries=1))
    with pytest.raises(VisionFrameError):
        decode_from_worker(raw)


@given(
    st.lists(st.sampled_from(["turn_left", "turn_right", "blink", "look_ahead"]), max_size=8),
    st.sampled_from(["passed", "failed", "absent"]),
    st.integers(0, 2),
)
def test_whoever_passes_was_shown_a_whole_challenge(cues: list[Any], live: Any, tries: int) -> None:
    hearing = Hearing()
    hearing.hear(READY)
    hearing.ask(ASKED)
    try:
        for cue in cues:
            hearing.hear(Cued(cue))
        hearing.hear(Judged(band="same", live=live, frames=3, tries=tries))
    except VisionFrameError:
        return
    acts = [cue for cue in cues if cue != "look_ahead"]
    wholes = {1: ["turn_left", "blink"], 2: ["turn_right"]}
    assert tries > 0, "nothing is said of whom nobody asked for anything"
    assert acts
    if live == "passed":
        whole = wholes[tries]
        assert acts[-len(whole) :] == whole


async def test_a_camera_that_we_know_to_be_simulated_stays_so(bench: Bench) -> None:
    begin = bench.shop.begin

    def before_a_renderer() -> Worker:
        worker = begin()
        worker.simulated = True
        return worker

    bench.shop.begin = before_a_renderer  # type: ignore[method-assign] # what ChildWorkers knows
    await bench.eyes.watch()
    await match(bench)
    bench.shop.ends[0].sendall(encode(Ready(models=MODELS, simulated=False)))
    bench.shop.ends[0].sendall(encode(UNSEEN))
    (judged,) = await bench.told_soon(1)
    assert judged.match.simulated


async def test_a_flood_of_hints_ends_and_starves_nobody(bench: Bench) -> None:
    await bench.eyes.watch()
    flood = encode(Hinted("no_face"))
    turns = 0

    def send() -> None:
        with contextlib.suppress(OSError):
            bench.shop.ends[0].sendall(encode(READY))
            for _ in range(MAX_FRAMES + 100):
                bench.shop.ends[0].sendall(flood)

    sending = asyncio.create_task(asyncio.to_thread(send))
    async with asyncio.timeout(10):
        while not bench.told or not isinstance(bench.told[-1], DeviceFailed):
            turns += 1
            await asyncio.sleep(0)
    assert turns > 100
    assert len(bench.told) == MAX_FRAMES
    await bench.eyes.forget()
    await sending
