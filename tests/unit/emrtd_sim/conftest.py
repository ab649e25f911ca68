from __future__ import annotations

import dataclasses

import pytest
from sim_material import HOLDER, JPEG, make_pki, stream, vector

from emrtd.sim import CardImage, TestPKI, personalise


@pytest.fixture(scope="session")
def pki() -> TestPKI:
    return make_pki()


@pytest.fixture(scope="session")
def card(pki: TestPKI) -> CardImage:
    """The 2021 card with everything on it."""
    return personalise(HOLDER, JPEG, generation="2021", pki=pki, randomness=stream("card"))


@pytest.fixture(scope="session")
def example_card(card: CardImage) -> CardImage:
    """The same card, opened by the password of ICAO's worked example."""
    example = vector("9303-11/pace_gm_ecdh_card_side.json")
    return dataclasses.replace(card, mrz_information=example["mrz_info"])
