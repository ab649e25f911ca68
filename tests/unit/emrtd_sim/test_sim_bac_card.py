from __future__ import annotations

import dataclasses

import pytest
from sim_material import script, vector

from emrtd.sim import CardImage, Chip

EXAMPLE = vector("9303-11/bac_card_side.json")
(CHALLENGE, PROOF), *SECURE = [
    (bytes.fromhex(asked), bytes.fromhex(given)) for asked, given in EXAMPLE["apdus"]
]
AUTHENTICATE = SECURE.pop(0)
SELECT = bytes.fromhex("00A4040C07A0000002471001")


@pytest.fixture
def old_card(card: CardImage) -> CardImage:
    zone = EXAMPLE["mrz_information"]
    files = {**card.files, "COM": bytes.fromhex(EXAMPLE["com"])}
    return dataclasses.replace(card, bac=True, pace=(), mrz_information=zone, files=files)


def chip(card: CardImage) -> Chip:
    return Chip(card, randomness=script(EXAMPLE["rnd_ic"], EXAMPLE["k_ic"]))


def test_the_application_is_shown_and_its_files_are_not(old_card: CardImage) -> None:
    own = chip(old_card)
    assert own.answer(SELECT).hex() == "9000"
    assert own.answer(bytes.fromhex("00A4020C02011E")).hex() == "6982"
    assert (
        own.answer(bytes.fromhex("0022C1A412800A04007F0007020204020283010184010D")).hex() == "6a80"
    )


def test_a_card_with_pace_alone_has_no_challenge(card: CardImage) -> None:
    own = chip(card)
    assert own.answer(SELECT).hex() == "6982"
    assert own.answer(CHALLENGE).hex() == "6d00"
    assert own.answer(AUTHENTICATE[0]).hex() == "6d00"


@pytest.mark.parametrize("at", [5, 20, 36, 37, 44])
def test_another_zone_ends_in_6300_and_the_challenge_is_spent(old_card: CardImage, at: int) -> None:
    own = chip(old_card)
    assert own.answer(CHALLENGE) == PROOF
    wrong = bytearray(AUTHENTICATE[0])
    wrong[at] ^= 1
    assert own.answer(bytes(wrong)).hex() == "6300"
    assert own.answer(AUTHENTICATE[0]).hex() == "6985"


def test_the_challenge_must_be_the_one_that_is_out(old_card: CardImage) -> None:
    own = Chip(old_card, randomness=script("00" * 8, EXAMPLE["k_ic"]))
    own.answer(CHALLENGE)
    assert own.answer(AUTHENTICATE[0]).hex() == "6300"


def test_lengths_are_checked(old_card: CardImage) -> None:
    own = chip(old_card)
    assert own.answer(bytes.fromhex("0084000010")).hex() == "6700"
    own.answer(CHALLENGE)
    assert own.answer(bytes.fromhex("0082000004AABBCCDD28")).hex() == "6700"


def test_the_channel_ends_with_a_changed_bit(old_card: CardImage) -> None:
    own = chip(old_card)
    own.answer(SELECT)
    for asked, given in ((CHALLENGE, PROOF), AUTHENTICATE, SECURE[0]):
        assert own.answer(asked) == given
    wrong = bytearray(SECURE[1][0])
    wrong[-3] ^= 1
    assert own.answer(bytes(wrong)).hex() == "6988"
    assert own.answer(SECURE[1][0]).hex() == "6988"


def test_wrong_passwords_cost_time_and_a_right_one_forgives(old_card: CardImage) -> None:
    draws = (EXAMPLE["rnd_ic"] * 11 + EXAMPLE["k_ic"]) + EXAMPLE["rnd_ic"]
    own = Chip(old_card, randomness=script(draws))
    wrong = AUTHENTICATE[0][:-2] + b"\0" + AUTHENTICATE[0][-1:]
    waited = []
    for _ in range(10):
        own.answer(CHALLENGE)
        waited.append(own.delay_s)
        assert own.answer(wrong).hex() == "6300"
        assert own.delay_s == 0
        own.reset()
    assert waited == [0, 0, 1, 2, 4, 8, 16, 16, 16, 16]
    own.answer(CHALLENGE)
    assert own.answer(AUTHENTICATE[0]) == AUTHENTICATE[1]
    own.reset()
    own.answer(CHALLENGE)
    assert own.delay_s == 0
