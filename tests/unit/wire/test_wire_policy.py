"""The signed policy: its bounds, and that one of the fleet's policy keys must have signed it."""

from __future__ import annotations

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, structs
from wire_independent import payload_of
from wire_material import STATION, STRANGER

from wire.canonical import dump
from wire.cose import sign1
from wire.errors import Malformed, SignatureInvalid, VersionUnsupported, WireError
from wire.policy import MAX_POLICY_BYTES, Layer, Policy, sign_policy, verify_policy

KEY = STATION.public_key_der
POLICY = Policy(
    id="policy-1", not_before=1_700_000_000, not_after=1_800_000_000, layers=(Layer.PA,)
)

LATER = ("downgrade", "finger", "finger_fmr")
"""Fields that policies of before them do not have."""


def signed_map(**changes: object) -> bytes:
    plain = cbor2.loads(payload_of(sign_policy(POLICY, STATION))) | changes
    plain = {name: value for name, value in plain.items() if value != "absent"}
    return sign1(dump(plain), STATION, kind="policy")


@given(st.lists(st.sampled_from(Layer), unique=True).map(tuple), st.sampled_from(["1e-3", "1e-5"]))
def test_a_policy_comes_back(layers: tuple[Layer, ...], face_fmr: str) -> None:
    policy = structs.replace(POLICY, layers=layers, face_fmr=face_fmr)
    assert verify_policy(sign_policy(policy, STATION), [STRANGER.public_key_der, KEY]) == policy


def test_a_policy_of_before_the_question_of_downgrades_is_read_and_lets_a_person_look() -> None:
    """Bytes that were signed before there was that field stay what they are."""
    raw = signed_map()
    assert "downgrade" not in cbor2.loads(payload_of(raw))
    old = verify_policy(raw, [KEY])
    assert (old.downgrade, old.on_downgrade) == (UNSET, "refer")
    assert payload_of(sign_policy(old, STATION)) == payload_of(raw)


@pytest.mark.parametrize("downgrade", ["accept", "refer", "refuse"])
def test_what_a_policy_says_of_downgrades_comes_back(downgrade: str) -> None:
    policy = structs.replace(POLICY, downgrade=downgrade)
    back = verify_policy(sign_policy(policy, STATION), [KEY])
    assert (back, back.on_downgrade) == (policy, downgrade)
    assert verify_policy(signed_map(downgrade=downgrade), [KEY]) == policy


def test_a_policy_of_before_fingers_asks_for_none() -> None:
    raw = signed_map()
    assert not {"finger", "finger_fmr"} & cbor2.loads(payload_of(raw)).keys()
    old = verify_policy(raw, [KEY])
    assert (old.on_finger, old.fmr_of_finger, old.patience.finger_s) == ("never", "1e-4", 40)


@pytest.mark.parametrize("finger", ["never", "ask", "instead", "require"])
def test_what_a_policy_says_of_fingers_comes_back(finger: str) -> None:
    patience = structs.replace(POLICY.patience, finger=25)
    policy = structs.replace(POLICY, finger=finger, finger_fmr="1e-3", patience=patience)
    back = verify_policy(sign_policy(policy, STATION), [KEY])
    assert back == policy
    assert (back.on_finger, back.fmr_of_finger, back.patience.finger_s) == (finger, "1e-3", 25)


@pytest.mark.parametrize("keys", [(), (STRANGER.public_key_der,)])
def test_without_its_key_it_is_refused(keys: tuple[bytes, ...]) -> None:
    with pytest.raises(SignatureInvalid):
        verify_policy(sign_policy(POLICY, STATION), keys)


def test_each_flipped_byte_is_refused() -> None:
    raw = sign_policy(POLICY, STATION)
    for at in range(len(raw)):
        changed = bytearray(raw)
        changed[at] ^= 0x01
        with pytest.raises(WireError):
            verify_policy(bytes(changed), [KEY])


def test_nothing_else_that_the_key_signed_is_a_policy() -> None:
    payload = payload_of(sign_policy(POLICY, STATION))
    with pytest.raises(Malformed):
        verify_policy(sign1(payload, STATION, kind="status"), [KEY])


@pytest.mark.parametrize(
    "change",
    [
        {"layers": ["pa", "pa"]},
        {"layers": ["smell"]},
        {"not_after": POLICY.not_before},
        {"not_before": -1},
        {"not_after": 2**40 + 1},
        {"id": "a policy"},
        {"face_fmr": "1e-1"},
        {"key_attempts": 0},
        {"key_attempts": 6},
        {"simulators_allowed": 1},
        {"patience": {}},
        {"more": 1},
        {"more": bytes(MAX_POLICY_BYTES)},
        {"downgrade": "ignore"},
        {"downgrade": None},
        {"finger": "always"},
        {"finger": None},
        {"finger_fmr": "1e-1"},
        {"patience": {"finger": 601}},
        *({name: "absent"} for name in Policy.__struct_fields__ if name not in LATER),
    ],
    ids=lambda each: next(iter(each)),
)
def test_a_policy_out_of_bounds_is_malformed_though_it_is_signed(change: dict) -> None:
    verify_policy(signed_map(), [KEY])
    with pytest.raises(Malformed):
        verify_policy(signed_map(**change), [KEY])


@pytest.mark.parametrize(
    "change",
    [{"layers": (Layer.PA, Layer.PA)}, {"not_after": 0}, {"key_attempts": 9}, {"id": ""}],
    ids=lambda each: next(iter(each)),
)
def test_a_policy_out_of_bounds_is_not_signed(change: dict) -> None:
    with pytest.raises(Malformed):
        sign_policy(structs.replace(POLICY, **change), STATION)


def test_another_version_is_told_apart() -> None:
    with pytest.raises(VersionUnsupported):
        verify_policy(signed_map(version=2), [KEY])


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_by_a_typed_error(raw: bytes) -> None:
    for candidate in (raw, sign1(raw, STATION, kind="policy")):
        with pytest.raises(WireError):
            verify_policy(candidate, [KEY])
