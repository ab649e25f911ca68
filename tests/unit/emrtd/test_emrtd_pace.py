"""PACE as ICAO and BSI worked it over a curve, and against chips that answer otherwise.

The other mappings, groups and ciphers are in test_emrtd_pace_mappings.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reader_material import answering, cmac8, do, replay, script, testdata, vector

from emrtd import pace
from emrtd._crypto import Cipher
from emrtd._curves import STANDARDISED, Point
from emrtd.apdu import Response
from emrtd.channel import PlainChannel
from emrtd.dialogue import drive
from emrtd.errors import (
    ChannelBroken,
    ChipLied,
    ChipMalformed,
    ChipRefused,
    EMRTDError,
    Fault,
    WrongPassword,
)
from emrtd.keys import CAN, PIN, KeyUse, MRZKey, SessionKeys, derive_key
from emrtd.pace_parameters import offer
from emrtd.security_infos import PACEInfo, parse_security_infos

if TYPE_CHECKING:
    from emrtd.apdu import Command
    from emrtd.dialogue import Transmit
    from emrtd.secure_messaging import SecureChannel

G1 = vector("9303_11_app_g1_pace_gm_ecdh")
KEY = MRZKey("T22000129", "640812", "101031")
CURVE = STANDARDISED[13]
(INFO,) = parse_security_infos(bytes.fromhex("3114" + G1["PACEInfo"]))
OFFER = offer(INFO)
PRIVATE = G1["map_pcd_priv"], G1["eph_pcd_priv"]
PROTOCOL = "04007F00070202040202"


def point(coordinates: str) -> Point:
    return CURVE.decode(b"\x04" + bytes.fromhex(coordinates))


def run(
    chip: Transmit, *, info: Any = INFO, password: Any = KEY, private: tuple[str, ...] = PRIVATE
) -> SecureChannel:
    channel, way = PlainChannel(max_commands=16), offer(info)
    assert way is not None
    opened = drive(pace.run(way, password, channel, randomness=script(*private)), chip)
    assert opened.cam is None
    return opened.channel


def changed(step: int, answer: str) -> Transmit:
    """Return ICAO's chip, but for one answer."""
    pairs = [(asked, given) for asked, given in G1["apdus"]]
    pairs[step] = pairs[step][0], answer
    return replay(pairs)


def test_every_command_and_key_of_icaos_example() -> None:
    assert KEY.secret().hex().upper() == G1["K"]
    chip = replay(G1["apdus"])
    channel = run(chip)
    assert chip.left == []  # type: ignore[attr-defined] # every published command was sent
    assert channel.alive
    session = channel._session
    assert session is not None
    assert session.keys == SessionKeys(bytes.fromhex(G1["KSenc"]), bytes.fromhex(G1["KSmac"]))
    assert session.counter == 0


def test_every_intermediate_value_of_icaos_example() -> None:
    key = derive_key(KEY.secret(), KeyUse.PASSWORD, key_bytes=16)
    assert key.hex().upper() == G1["Kpi"]
    assert Cipher.AES.decrypt(key, bytes(16), bytes.fromhex(G1["z"])).hex().upper() == G1["s"]
    own, theirs = int(G1["map_pcd_priv"], 16), point(G1["map_ic_pub"])
    assert CURVE.multiply(own, CURVE.generator) == point(G1["map_pcd_pub"])
    assert CURVE.multiply(own, theirs) == point(G1["H"])
    nonce = int(G1["s"], 16)
    mapped = CURVE.add(CURVE.multiply(nonce, CURVE.generator), point(G1["H"]))
    assert mapped == point(G1["mapped_G"])
    own = int(G1["eph_pcd_priv"], 16)
    assert CURVE.multiply(own, mapped) == point(G1["eph_pcd_pub"])
    shared = CURVE.coordinate(CURVE.multiply(own, point(G1["eph_ic_pub"])).x)
    assert shared.hex().upper() == G1["K_shared_x"]
    keys = SessionKeys.derive(shared, key_bytes=16)
    assert CURVE.secret(CURVE.multiply(own, point(G1["eph_ic_pub"]))) == shared
    for public_key, token in (("eph_ic_pub", "token_pcd"), ("eph_pcd_pub", "token_ic")):
        encoded = b"\x04" + bytes.fromhex(G1[public_key])
        made = pace._token(keys, bytes.fromhex(PROTOCOL), 0x86, encoded)
        assert made.hex().upper() == G1[token]
        written = do(0x06, bytes.fromhex(PROTOCOL)) + do(0x86, encoded)
        assert cmac8(keys.mac, b"\x7f\x49" + do(0x7F, written)[1:]) == made


@pytest.mark.testdata
def test_every_key_of_bsis_example() -> None:
    path = testdata("vectors", "bsi_eac2_ecdh.json")
    fields = json.loads(path.read_text(encoding="utf-8"))["fields"]
    infos = parse_security_infos(bytes.fromhex(fields["ef_cardaccess"]))
    (info,) = (each for each in infos if isinstance(each, PACEInfo))
    answers = ["", "7C128010" + fields["nonce_enc"], "7C438241" + fields["map_picc_pub_key"],
               "7C438441" + fields["picc_pub_key"]]  # fmt: skip
    answers.append("7C0A8608" + fields["authentication_token_picc"])
    seen: list[Command] = []
    chip = answering(lambda _: bytes.fromhex(answers[len(seen) - 1] + "9000"), seen)
    private = fields["map_pcd_priv_key"], fields["pcd_priv_key"][2:]
    session = run(chip, info=info, password=PIN("123456"), private=private)._session
    sent = [each.to_bytes().hex().upper() for each in seen]
    for command, value in zip(
        sent[2:], ("map_pcd_pub_key", "pcd_pub_key", "authentication_token_pcd"), strict=True
    ):
        assert fields[value] in command
    assert session is not None
    assert session.keys == SessionKeys(
        bytes.fromhex(fields["k_enc"]), bytes.fromhex(fields["k_mac"])
    )


@pytest.mark.parametrize("status", ["6300", "63C0", "63C2", "63CF"])
def test_a_token_that_the_chip_refuses_means_another_password(status: str) -> None:
    with pytest.raises(WrongPassword) as caught:
        run(changed(4, status))
    assert (caught.value.fault, caught.value.sw) == (Fault.WRONG_PASSWORD, int(status, 16))


@pytest.mark.parametrize("step", range(5))
@pytest.mark.parametrize("status", ["6982", "6A80", "6D00", "6283", "6310", "9001"])
def test_a_refusal_is_a_refusal_and_not_a_wrong_password(step: int, status: str) -> None:
    with pytest.raises(ChipRefused) as caught:
        run(changed(step, status))
    assert (caught.value.fault, caught.value.sw) == (Fault.CHIP_REFUSED, int(status, 16))


@pytest.mark.parametrize("status", ["6983", "63C0", "63C1"])
def test_a_password_that_has_no_tries_left_is_told_apart(status: str) -> None:
    """Only a PIN's tries are counted when it is named; 6983 says it of any password."""
    sw = int(status, 16)
    for password, blocked in ((KEY, sw == 0x6983), (PIN("123456"), True)):
        with pytest.raises(ChipRefused) as caught:
            run(lambda _: Response(b"", sw), password=password)
        fault = Fault.PASSWORD_BLOCKED if blocked else Fault.CHIP_REFUSED
        assert (caught.value.fault, caught.value.sw) == (fault, sw)


def test_a_password_may_be_blocked_by_the_try_itself() -> None:
    with pytest.raises(ChipRefused) as caught:
        run(changed(4, "6983"))
    assert caught.value.fault is Fault.PASSWORD_BLOCKED


@pytest.mark.parametrize("step", [0, 1, 2, 3])
def test_6300_before_the_token_is_no_wrong_password(step: int) -> None:
    with pytest.raises(ChipRefused) as caught:
        run(changed(step, "6300"))
    assert caught.value.fault is Fault.CHIP_REFUSED


@pytest.mark.parametrize("at", range(8))
def test_a_chip_whose_token_is_wrong_in_any_byte_does_not_know_the_password(at: int) -> None:
    token = bytearray.fromhex(G1["token_ic"])
    token[at] ^= 1
    with pytest.raises(ChannelBroken, match="token"):
        run(changed(4, "7C0A8608" + token.hex() + "9000"))


@pytest.mark.parametrize("token", ["", "3A", G1["token_ic"][:14], G1["token_ic"] + "00"])
def test_a_token_of_another_length_is_wrong(token: str) -> None:
    raw = bytes.fromhex(token)
    with pytest.raises(ChannelBroken):
        run(changed(4, (do(0x7C, do(0x86, raw)) + b"\x90\x00").hex()))


def test_the_chip_may_not_send_our_own_token_back() -> None:
    with pytest.raises(ChannelBroken):
        run(changed(4, "7C0A8608" + G1["token_pcd"] + "9000"))


@pytest.mark.parametrize(("step", "own"), [(2, "map_pcd_pub"), (3, "eph_pcd_pub")])
def test_the_chip_may_not_send_our_own_key_back(step: int, own: str) -> None:
    with pytest.raises(ChipLied, match="our own key") as caught:
        run(changed(step, f"7C43{0x80 + 2 * (step - 1):02X}4104{G1[own]}9000"))
    assert caught.value.fault is Fault.PUBLIC_KEY_ECHOED


@pytest.mark.parametrize("step", [2, 3])
@pytest.mark.parametrize(
    "key",
    [
        "04" + G1["map_ic_pub"][:-1] + "5",  # not on the curve
        "02" + G1["map_ic_pub"][:64],  # compressed
        "04" + G1["map_ic_pub"][:126],
        "04" + G1["map_ic_pub"] + "00",
        "05" + G1["map_ic_pub"],
        "04" + "00" * 64,
        "00",  # infinity
        "",
        f"04{CURVE.p + 1:064X}" + G1["map_ic_pub"][64:],  # not reduced
    ],
)
def test_what_is_no_point_of_the_curve_is_malformed(step: int, key: str) -> None:
    answer = do(0x7C, do(0x80 + 2 * (step - 1), bytes.fromhex(key))) + b"\x90\x00"
    with pytest.raises(ChipMalformed, match="public key"):
        run(changed(step, answer.hex()))


def test_a_mapping_to_infinity_is_malformed() -> None:
    """A chip that knows the nonce and our key could cancel the nonce's part out; it can't go on."""
    inverse = CURVE.multiply(
        (CURVE.order - int(G1["s"], 16)) * pow(int(G1["map_pcd_priv"], 16), -1, CURVE.order)
        % CURVE.order,
        CURVE.generator,
    )  # fmt: skip
    answer = do(0x7C, do(0x82, CURVE.encode(inverse))) + b"\x90\x00"
    with pytest.raises(ChipMalformed, match="infinity"):
        run(changed(2, answer.hex()))


NONCE = do(0x80, bytes.fromhex(G1["z"]))


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        NONCE,  # without its template
        do(0x7C, b""),
        do(0x7C, NONCE + NONCE),  # which of two
        do(0x7C, do(0x81, bytes(16))),
        do(0x7C, do(0x80, b"")),
        do(0x7C, do(0x80, bytes(15))),  # no whole block
        do(0x7C, do(0x80, bytes(80))),
        do(0x7C, NONCE) * 2,
        do(0x7C, NONCE)[:-1],
        do(0x7D, NONCE),
    ],
)
def test_a_nonce_out_of_form_is_malformed(answer: bytes) -> None:
    with pytest.raises(ChipMalformed):
        run(changed(1, answer.hex() + "9000"))


def test_objects_beside_the_answer_do_not_matter() -> None:
    """A chip with terminal authentication names its issuers beside its token."""
    extended = "7C198608" + G1["token_ic"] + "870D" + b"DECVCAAT00001".hex()
    assert run(changed(4, extended + "9000")).alive


def test_a_can_is_named_as_one() -> None:
    seen: list[Command] = []
    with pytest.raises(ChipRefused):
        run(answering(lambda _: b"\x6a\x88", seen), password=CAN("123456"))
    assert seen[0].data.hex() == "800a04007f0007020204020283010284010d"


@pytest.mark.parametrize("parameter_id", sorted(STANDARDISED))
def test_every_standardised_curve_is_one_of_prime_order(parameter_id: int) -> None:
    curve = STANDARDISED[parameter_id]
    minus = curve.multiply(curve.order - 1, curve.generator)
    assert minus == Point(curve.generator.x, curve.p - curve.generator.y)
    with pytest.raises(ChipMalformed, match="infinity"):
        curve.add(minus, curve.generator)
    assert curve.decode(curve.encode(minus)) == minus


@pytest.mark.parametrize("drawn", [b"", b"\0" * 31])
def test_a_source_that_gives_too_little_is_an_error_of_its_owner(drawn: bytes) -> None:
    channel = PlainChannel(max_commands=16)
    with pytest.raises(ValueError, match="no scalar"):
        drive(pace.run(OFFER, KEY, channel, randomness=lambda _: drawn), replay(G1["apdus"]))


def test_a_source_that_never_gives_a_scalar_is_given_up() -> None:
    channel = PlainChannel(max_commands=16)
    for constant in (b"\0", b"\xff"):
        with pytest.raises(ValueError, match="no scalar"):
            drive(
                pace.run(OFFER, KEY, channel, randomness=lambda size, c=constant: c * size),
                replay(G1["apdus"]),
            )


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 4), st.one_of(st.binary(min_size=2, max_size=90), st.just(b"\x61\x10")))
def test_any_answer_at_any_step_is_a_typed_error(step: int, answer: bytes) -> None:
    if answer[-2:] == b"\x90\x00" and answer.hex().upper() == G1["apdus"][step][1]:
        return
    given = [bytes.fromhex(each) for _, each in G1["apdus"]]
    seen: list[Command] = []
    chip = answering(lambda _: given[len(seen) - 1] if len(seen) - 1 < step else answer, seen)
    with pytest.raises(EMRTDError):
        run(chip)
    assert len(seen) <= 16
