"""Every parser of the house meets bytes it never asked for: a value or its typed error, soon.

A smoke: what it would rather meet, then a few hundred changes of that. `make fuzz` does the rest.
"""

from __future__ import annotations

import pytest

from tests.fuzz import _plain, _seeded, targets
from tests.fuzz.corpus import corpora

SECONDS, LEAST, MOST = 0.02, 10, 300

NEVER_A_VALUE = {
    "emrtd.access": "a talk with another terminal's numbers",
    "emrtd.active_auth.ecdsa": "a signature that does not hold",
    "emrtd.active_auth.rsa": "a signature that does not hold",
    "emrtd.bac": "a checksum that does not hold",
    "emrtd.chip_auth.cam": "a key that is not the chip's",
    "emrtd.pace": "a talk with another terminal's numbers",
    "emrtd.secure_messaging": "a checksum that does not hold",
    "hw.camera.portrait.member": "one array too many",
    "hw.finger.jws": "a signature that does not hold",
    "wire.cose": "a signature of another key",
    "wire.group": "a signature of another key",
    "wire.policy.verify_policy": "a signature of another key",
    "wire.public_key": "a signature of another key",
    "wire.receipt": "a signature of another key",
    "wire.tombstone": "a signature of another key",
}
"""Targets whose seeds end in their typed error, and why."""


@pytest.mark.parametrize("name", sorted(targets()))
def test_any_bytes_give_a_value_or_a_typed_error(name: str) -> None:
    seeds = corpora().get(name, [])
    runs, found = _plain.attack(
        targets()[name], seeds, seed=name, seconds=SECONDS, least=LEAST, most=MOST
    )
    assert found is None, f"{found.why} on {found.raw.hex()}"
    assert runs >= LEAST


@pytest.mark.parametrize("name", sorted(corpora()))
def test_a_seed_is_read(name: str) -> None:
    read = any(_plain.tried(targets()[name], raw)[0] for raw in corpora()[name])
    assert read == (name not in NEVER_A_VALUE)


def test_the_seeds_are_of_targets_and_the_library_has_them_all() -> None:
    without = targets().keys() - corpora().keys()
    assert corpora().keys() <= targets().keys()
    assert not [name for name in without if name.startswith("emrtd.")]


def test_the_mistake_made_on_purpose_is_one_that_chance_does_not_find() -> None:
    assert _plain.tried(_seeded.TARGET, bytes.fromhex("7F608400015F2E"))[1] is not None
    runs, found = _plain.attack(
        _seeded.TARGET, _seeded.SEEDS, seed="1", seconds=0, least=20_000, most=20_000
    )
    assert (runs, found) == (20_000, None)


def test_a_finding_is_told() -> None:
    def breaks(raw: bytes) -> int:
        return raw[5]

    target = _seeded.TARGET._replace(parse=breaks)
    runs, found = _plain.attack(target, [b"abcdef"], seed="1", seconds=9, least=1, most=500)
    assert found is not None
    assert found.why == "IndexError: index out of range"
    assert len(found.raw) < 6
    assert runs < 500
