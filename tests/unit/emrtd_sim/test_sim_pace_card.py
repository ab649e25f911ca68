from __future__ import annotations

import dataclasses

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from sim_material import script, vector

from emrtd.sim import CardImage, Chip
from emrtd.sim._protocols import PACEOffer

EXAMPLE = vector("9303-11/pace_gm_ecdh_card_side.json")
APDUS = [(bytes.fromhex(asked), bytes.fromhex(given)) for asked, given in EXAMPLE["apdus"]]


def chip(card: CardImage, **options) -> Chip:
    drawn = script(EXAMPLE["s"], EXAMPLE["map_ic_priv"], EXAMPLE["eph_ic_priv"])
    return Chip(card, randomness=drawn, **options)


def test_the_card_answers_icaos_worked_example_byte_for_byte(example_card: CardImage) -> None:
    own = chip(example_card)
    for command, response in APDUS:
        assert own.answer(command) == response


def test_a_wrong_token_ends_in_6300_and_the_run_is_over(example_card: CardImage) -> None:
    own = chip(example_card)
    for command, _ in APDUS[:4]:
        own.answer(command)
    last = APDUS[4][0]
    assert own.answer(last[:-2] + bytes((last[-2] ^ 1, last[-1]))).hex() == "6300"
    assert own.answer(last).hex() == "6985"
    assert own.answer(bytes.fromhex("00A4020C02011E")).hex() == "6982"


def test_a_wrong_password_shows_only_in_the_last_step(example_card: CardImage) -> None:
    # Who decrypts by a wrong password goes on with another nonce than the card's.
    another = "00" + EXAMPLE["s"][2:]
    drawn = script(another, EXAMPLE["map_ic_priv"], EXAMPLE["eph_ic_priv"])
    own = Chip(example_card, randomness=drawn)
    statuses = [own.answer(command)[-2:].hex() for command, _ in APDUS]
    assert statuses == ["9000"] * 4 + ["6300"]


@pytest.mark.parametrize(("bits", "suffix"), [(128, "02"), (192, "03"), (256, "04")])
def test_the_can_encrypts_the_nonce_by_the_published_key(
    card: CardImage, bits: int, suffix: str
) -> None:
    published = vector("9303-11/password_keys.json")
    offer = PACEOffer("gm", "brainpoolP256r1", f"AES-{bits}")
    own = chip(dataclasses.replace(card, can=published["can"], pace=(offer,)))
    chosen = f"0022C1A412800A04007F000702020402{suffix}83010284010D"
    assert own.answer(bytes.fromhex(chosen)).hex() == "9000"
    secret = own.answer(APDUS[1][0])[4:-2]
    key = bytes.fromhex(published["keys"][str(bits)])
    assert Cipher(AES(key), CBC(bytes(16))).decryptor().update(secret).hex().upper() == EXAMPLE["s"]


def test_the_password_encrypts_the_nonce(card: CardImage) -> None:
    own = chip(card)
    own.answer(APDUS[0][0])
    assert own.answer(APDUS[1][0]) != APDUS[1][1]


@pytest.mark.parametrize(
    "point",
    [
        "04" + "00" * 64,
        "04" + EXAMPLE["map_ic_pub"][:-1] + "C",
        "04" + "FF" * 64,
        "02" + EXAMPLE["map_ic_pub"][:64],
        "00",
        "",
    ],
)
@pytest.mark.parametrize("step", [2, 3])
def test_what_is_no_point_of_the_curve_is_refused(
    example_card: CardImage, point: str, step: int
) -> None:
    own = chip(example_card)
    for command, _ in APDUS[:step]:
        own.answer(command)
    inner = bytes((0x81 if step == 2 else 0x83, len(point) // 2)) + bytes.fromhex(point)
    data = bytes((0x7C, len(inner))) + inner
    asked = bytes.fromhex("10860000") + bytes((len(data),)) + data + b"\0"
    assert own.answer(asked).hex() == "6a80"
    assert own.answer(asked).hex() == "6985"


def test_our_own_key_sent_back_to_the_card_is_refused(example_card: CardImage) -> None:
    own = chip(example_card)
    for command, _ in APDUS[:3]:
        own.answer(command)
    reflected = bytes.fromhex("10860000457C43834104" + EXAMPLE["eph_ic_pub"] + "00")
    assert own.answer(reflected).hex() == "6a80"


@pytest.mark.parametrize(
    ("data", "status"),
    [
        ("800A04007F00070202040202830101", "9000"),  # one PACEInfo: its number may be left out
        ("800A04007F0007020204020283010284010D", "9000"),  # by CAN
        ("800A04007F0007020204020283010384010D", "6a88"),  # by PIN
        ("800A04007F0007020204020283010184010C", "6a88"),  # another curve
        ("800A04007F0007020204020483010184010D", "6a80"),  # another key length
        ("800A04007F00070202040202", "6a88"),
        ("80", "6a80"),
    ],
)
def test_mse_set_at_takes_what_the_card_announced(
    example_card: CardImage, data: str, status: str
) -> None:
    command = bytes.fromhex("0022C1A4") + bytes((len(data) // 2,)) + bytes.fromhex(data)
    assert chip(example_card).answer(command).hex() == status


@pytest.mark.parametrize(("step", "cla"), [(1, 0x00), (4, 0x10)])
def test_chaining_marks_all_but_the_last_step(example_card: CardImage, step: int, cla: int) -> None:
    own = chip(example_card)
    for command, _ in APDUS[:step]:
        own.answer(command)
    assert own.answer(bytes((cla,)) + APDUS[step][0][1:]).hex() == "6884"
