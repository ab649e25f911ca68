"""The card answers what ICAO's worked examples print, command by command."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from sim_material import script, vector

from emrtd.sim import CardImage, Chip
from emrtd.sim._domains import DOMAINS
from emrtd.sim._key_proofs import ChipKey
from emrtd.sim._protocols import PACEOffer

PACE = ["pace_gm_ecdh", "pace_gm_dh", "pace_im_ecdh", "pace_im_dh"]


def example(name: str) -> dict[str, Any]:
    return vector(f"9303-11/{name}_card_side.json")


def opened_by(card: CardImage, found: dict[str, Any]) -> CardImage:
    """Return the card with the way in and the password of an example."""
    mapping = found.get("mapping", "gm")
    offer = PACEOffer(mapping, found.get("domain", "brainpoolP256r1"), "AES-128")
    zone = found.get("mrz_information") or found.get("mrz_info") or card.mrz_information
    return dataclasses.replace(
        card, pace=(offer,), can=found.get("can", card.can), mrz_information=zone
    )


@pytest.mark.parametrize("name", PACE)
def test_pace_is_answered_byte_for_byte(card: CardImage, name: str) -> None:
    found = example(name)
    draws = found.get("draws") or [found["s"], found["map_ic_priv"], found["eph_ic_priv"]]
    chip = Chip(opened_by(card, found), randomness=script(*draws))
    for command, response in found["apdus"]:
        assert chip.answer(bytes.fromhex(command)).hex().upper() == response


def test_chip_authentication_mapping_is_answered_byte_for_byte(card: CardImage) -> None:
    found = example("pace_cam")
    key = ChipKey("brainpoolP256r1", int(found["static"], 16))
    mapped = dataclasses.replace(card, chip_auth_key=key)
    chip = Chip(opened_by(mapped, found), randomness=script(*found["draws"], "11" * 32))
    commands = [(bytes.fromhex(a), bytes.fromhex(b)) for a, b in found["apdus"]]
    for command, response in commands[:3]:
        assert chip.answer(command) == response
    # The chip's ephemeral private key is not published: the shared point is computed by the
    # published one of the reader, and the run goes on as if the chip had done so.
    chip.answer(commands[3][0])
    run = chip._access._pace
    assert run is not None
    domain = DOMAINS["brainpoolP256r1"]
    assert domain.encode(run._generator).hex().upper() == found["mapped_g"]
    own = bytes.fromhex(found["eph_ic_pub"])
    shared = domain.power(domain.decode(own), int(found["eph_pcd_priv"], 16))
    run._secret = domain.secret(shared)
    assert run._secret.hex().upper() == found["shared"]
    run._keys = own, run._keys[1]
    assert chip.answer(commands[4][0]) == commands[4][1]


def test_the_static_key_is_announced_as_the_example_prints_it() -> None:
    from emrtd.sim._security_infos import chip_auth_public, standardised_key

    found = example("pace_cam")
    key = ChipKey("brainpoolP256r1", int(found["static"], 16))
    info = chip_auth_public(key, standardised_key(key), key_id=found["key_id"])
    assert info.hex().upper() == found["public_key_info"]


def test_basic_access_control_and_its_channel_are_answered_byte_for_byte(
    card: CardImage,
) -> None:
    found = example("bac")
    old = dataclasses.replace(
        card, bac=True, pace=(), mrz_information=found["mrz_information"],
        files={**card.files, "COM": bytes.fromhex(found["com"])},
    )  # fmt: skip
    chip = Chip(old, randomness=script(found["rnd_ic"], found["k_ic"]))
    # The example does not print the command that comes first.
    assert chip.answer(bytes.fromhex("00A4040C07A0000002471001")).hex() == "9000"
    for command, response in found["apdus"]:
        assert chip.answer(bytes.fromhex(command)).hex().upper() == response
