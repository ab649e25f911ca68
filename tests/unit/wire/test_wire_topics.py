"""Topics: one grammar, one shard a device; nothing else is ours."""

from __future__ import annotations

import hashlib
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.client import topic_matches_sub
from wire_independent import shard

from wire.errors import Malformed
from wire.topics import (
    DEFAULT_SHARDS,
    MAX_SHARDS,
    Topic,
    TopicKind,
    device_id,
    parse,
    shard_filter,
    shard_of,
    topic,
)

DEVICES = st.from_regex(r"\A[a-z0-9-]{3,32}\Z")
KINDS = st.sampled_from(get_args(TopicKind))
SHARDS = st.integers(1, MAX_SHARDS)
HERE = shard("kiosk-7")


@given(DEVICES, KINDS, SHARDS)
def test_a_topic_comes_back(device: str, kind: TopicKind, shards: int) -> None:
    text = topic(device, kind, shards=shards)
    assert parse(text, shards=shards) == Topic(shard(device, shards), device, kind)


@given(DEVICES, DEVICES, KINDS, KINDS)
def test_a_shards_subscription_finds_its_own_topics_only(
    device: str, other: str, kind: TopicKind, other_kind: TopicKind
) -> None:
    wanted = shard_filter(shard_of(device), kind)
    assert topic_matches_sub(wanted, topic(device, kind))
    same = (shard_of(other), other_kind) == (shard_of(device), kind)
    assert topic_matches_sub(wanted, topic(other, other_kind)) == same


def test_every_shard_has_devices() -> None:
    found = {shard_of(f"kiosk-{n}") for n in range(1000)}
    assert found == set(range(DEFAULT_SHARDS))


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"f/1/{HERE + 1}/kiosk-7/ev",
        f"f/1/0{HERE}/kiosk-7/ev",
        f"f/1/+{HERE}/kiosk-7/ev",
        f"f/1/-{HERE}/kiosk-7/ev",
        f"f/1/{HERE}/kiosk-7/else",
        f"f/1/{HERE}/kiosk-7/EV",
        f"f/1/{HERE}/kiosk-7/",
        f"f/1/{HERE}/kiosk-7",
        f"f/1/{HERE}/kiosk-7/ev/more",
        f"/f/1/{HERE}/kiosk-7/ev",
        f"f/1/{HERE}/kiosk-7/ev\n",
        f"f/1/{HERE}/kiosk-7/ev\0",
        f"f/2/{HERE}/kiosk-7/ev",
        f"g/1/{HERE}/kiosk-7/ev",
        f"f/1/{HERE}/+/ev",
        f"f/1/{HERE}/#",
        f"f/1/{HERE}/Kiosk-7/ev",
        f"f/1/{HERE}/kiosk_7/ev",
        f"f/1/{HERE}/../ev",
        "f/1/99999/kiosk-7/ev",
        "f/1/\u0667/kiosk-7/ev",
        "$SYS/broker/version",
        "$share/g/f/1/0/kiosk-7/ev",
        "f/1/0/" + "a" * 33 + "/ev",
        "f/1/0/" + "a" * 100_000 + "/ev",
    ],
)
def test_a_foreign_topic_is_refused(text: str) -> None:
    assert parse(f"f/1/{HERE}/kiosk-7/ev").device == "kiosk-7"
    with pytest.raises(Malformed):
        parse(text)


@given(st.text(max_size=80))
def test_any_text_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        parse(text)


@pytest.mark.parametrize(
    "text",
    ["", "ab", "a" * 33, "Kiosk", "kiosk_7", "kiosk.7", "kiosk 7", "kiosk-7\n", "kiosk/7", "é-é"],
)
def test_a_device_id_has_its_grammar(text: str) -> None:
    with pytest.raises(Malformed):
        device_id(text)
    with pytest.raises(Malformed):
        topic(text, "ev")


def test_a_good_device_id_is_returned() -> None:
    assert device_id("kiosk-7") == "kiosk-7"


@pytest.mark.parametrize("shards", [0, -1, MAX_SHARDS + 1])
def test_the_number_of_shards_is_bounded(shards: int) -> None:
    with pytest.raises(Malformed):
        shard_of("kiosk-7", shards=shards)
    with pytest.raises(Malformed):
        parse(f"f/1/{HERE}/kiosk-7/ev", shards=shards)


def test_a_shard_is_the_digests_first_eight_bytes() -> None:
    digest = hashlib.sha256(b"kiosk-7").digest()
    assert shard_of("kiosk-7") == int.from_bytes(digest[:8], "big") % 64 == HERE
