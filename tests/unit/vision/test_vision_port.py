"""The frames: what is sent is what arrives; anything else is refused."""

from __future__ import annotations

import contextlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiosk.vision.port import (
    MAX_CHALLENGES,
    MAX_COMPARED,
    MAX_FRAME_BYTES,
    MAX_PORTRAIT_BYTES,
    MAX_STEPS,
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
from models.face import decide

ASKED = ((Step(act="turn_left"),),)


def test_as_many_frames_may_be_told_as_are_ever_compared() -> None:
    assert MAX_COMPARED == decide.MAX_FRAMES


STEPS = st.builds(
    Step,
    act=st.sampled_from(["turn_left", "turn_right", "blink"]),
    pause_s=st.floats(0, 5),
    within_s=st.floats(1, 30),
)
TO_WORKER = st.one_of(
    st.just(Watch()),
    st.builds(
        Match,
        portrait=st.binary(min_size=1, max_size=500),
        fmr=st.sampled_from(["1e-3", "1e-4", "1e-5"]),
        challenges=st.lists(
            st.lists(STEPS, min_size=1, max_size=MAX_STEPS).map(tuple),
            min_size=1,
            max_size=MAX_CHALLENGES,
        ).map(tuple),
        seconds=st.floats(0.001, 600),
    ),
)
NAMES = st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._+-]{0,63}\Z")
FROM_WORKER = st.one_of(
    st.builds(Ready, models=st.dictionaries(NAMES, NAMES, max_size=8), simulated=st.booleans()),
    st.builds(Cued, st.sampled_from(["look_ahead", "turn_left", "turn_right", "blink"])),
    st.builds(Hinted, st.sampled_from([None, "no_face", "several_faces", "quality_pose"])),
    st.builds(
        Judged,
        band=st.sampled_from(["same_strong", "same", "unsure", "different", "none"]),
        live=st.sampled_from(["passed", "failed", "absent"]),
        frames=st.integers(0, MAX_COMPARED),
        tries=st.integers(0, MAX_CHALLENGES),
        reasons=st.sampled_from([(), ("quality_portrait",), ("no_face",), ("frames_not_fresh",)]),
        ms=st.dictionaries(NAMES, st.floats(0, 1e9), max_size=16),
    ),
    st.builds(Failed, st.sampled_from(["device_missing", "device_failed", "device_timeout"])),
)


@given(TO_WORKER)
def test_what_a_station_sends_arrives(frame: Watch | Match) -> None:
    assert decode_to_worker(encode(frame)) == frame


@given(FROM_WORKER)
def test_what_a_worker_sends_arrives(frame: Ready | Cued | Hinted | Judged | Failed) -> None:
    assert decode_from_worker(encode(frame)) == frame


@given(st.one_of(TO_WORKER, FROM_WORKER), st.data())
def test_a_shortened_frame_is_refused(frame: msgspec.Struct, data: st.DataObject) -> None:
    raw = encode(frame)
    cut = raw[: data.draw(st.integers(0, len(raw) - 1))]
    for decode in (decode_to_worker, decode_from_worker):
        with pytest.raises(VisionFrameError):
            decode(cut)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_frame_or_refused(raw: bytes) -> None:
    for decode in (decode_to_worker, decode_from_worker):
        with contextlib.suppress(VisionFrameError):
            decode(raw)


@given(FROM_WORKER)
def test_a_station_does_not_say_what_a_worker_says(frame: Judged) -> None:
    with pytest.raises(VisionFrameError):
        decode_to_worker(encode(frame))


@pytest.mark.parametrize(
    "portrait",
    [b"", bytes(MAX_PORTRAIT_BYTES + 1), bytes(MAX_FRAME_BYTES)],
    ids=["none", "too large", "larger than a frame"],
)
def test_a_portrait_has_a_size(portrait: bytes) -> None:
    match = Match(portrait=portrait, fmr="1e-4", challenges=ASKED, seconds=9)
    with pytest.raises(VisionFrameError):
        decode_to_worker(encode(match))


def test_the_largest_portrait_fits() -> None:
    match = Match(portrait=bytes(MAX_PORTRAIT_BYTES), fmr="1e-4", challenges=ASKED, seconds=9)
    assert decode_to_worker(encode(match)) == match
    assert repr(match) == f"<Match, {MAX_PORTRAIT_BYTES} bytes>"


@pytest.mark.parametrize("seconds", [0.0, -1.0, 601.0, float("nan"), float("inf")])
def test_a_match_ends(seconds: float) -> None:
    match = Match(portrait=b"x", fmr="1e-4", challenges=ASKED, seconds=seconds)
    with pytest.raises(VisionFrameError):
        decode_to_worker(encode(match))


def test_no_number_but_time_and_count_leaves_the_worker() -> None:
    numbers = {
        field.name
        for frame in (Ready, Cued, Hinted, Judged, Failed)
        for field in msgspec.structs.fields(frame)
        if any(word in str(field.type) for word in ("float", "int", "bytes"))
    }
    assert numbers == {"frames", "tries", "ms"}


@pytest.mark.parametrize(
    "asked",
    [
        (),
        ((),),
        (ASKED[0],) * (MAX_CHALLENGES + 1),
        (ASKED[0] * (MAX_STEPS + 1),),
        ((Step(act="nod"),),),
        ((Step(act="blink", pause_s=-1),),),
        ((Step(act="blink", pause_s=float("nan")),),),
        ((Step(act="blink", within_s=0),),),
        ((Step(act="blink", within_s=31),),),
    ],
)
def test_a_challenge_has_few_steps_that_are_known_and_end(asked: tuple) -> None:
    match = Match(portrait=b"x", fmr="1e-4", challenges=asked, seconds=9)
    with pytest.raises(VisionFrameError):
        decode_to_worker(encode(match))
