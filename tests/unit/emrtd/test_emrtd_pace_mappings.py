"""PACE in every mapping, group and cipher: ICAO's examples, another implementation, and cheats."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openssl_issuer import needs_openssl, openssl
from pace_card_end import CURVES, MAPPINGS, PACECard, retail, value_of
from reader_material import answering, do, replay, script, stream, testdata, vector

from emrtd import pace, pace_mapping
from emrtd._crypto import Cipher
from emrtd._curves import STANDARDISED as STANDARD_CURVES
from emrtd._groups import MODULAR, STANDARDISED
from emrtd.apdu import Command
from emrtd.channel import PlainChannel
from emrtd.chip_auth import verify_cam
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
from emrtd.keys import CAN, PIN, MRZKey, SessionKeys
from emrtd.pace_parameters import Offer, offer
from emrtd.security_infos import (
    ChipAuthenticationPublicKeyInfo,
    PACEInfo,
    parse_security_infos,
)

if TYPE_CHECKING:
    from emrtd.dialogue import Randomness, Transmit

CAN_KEY = CAN("123456")


@dataclass(frozen=True)
class ZoneOf123456:
    """Appendix H says that its password is the zone, and derives its key from 123456."""

    REFERENCE = 1

    @staticmethod
    def secret() -> bytes:
        return b"123456"


ZONE = MRZKey("T22000129", "640812", "101031")
CAM_ZONE = MRZKey("C11T002JM", "960812", "231031")
EXAMPLES = {
    "g1_pace_gm_ecdh": ("2.2", 13, ZONE),
    "g2_pace_gm_dh": ("1.2", 0, ZONE),
    "h1_pace_im_ecdh": ("4.2", 13, ZoneOf123456()),
    "h2_pace_im_dh": ("3.2", 0, ZoneOf123456()),
    "i_pace_cam": ("6.2", 13, CAM_ZONE),
}
PARAMETERS = sorted(STANDARDISED)


def way(arcs: str, parameter_id: int) -> Offer:
    found = offer(PACEInfo(f"0.4.0.127.0.7.2.2.4.{arcs}", 2, parameter_id))
    assert found is not None
    return found


def opened(made: Offer, password: Any, randomness: Randomness, chip: Transmit) -> pace.Opened:
    channel = PlainChannel(max_commands=16)
    return drive(pace.run(made, password, channel, randomness=randomness), chip)


def keys_of(channel: Any) -> SessionKeys:
    assert channel._session.counter == 0
    return channel._session.keys


def named(command: str, parameter_id: int) -> str:
    """Return ICAO's MSE:Set AT as we send it: the parameters are always named."""
    if command.startswith("0022C1A40F"):
        return f"0022C1A412{command[10:]}8401{parameter_id:02X}"
    return command


# --- ICAO's worked examples


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_command_and_key_of_icaos_examples(name: str) -> None:
    arcs, parameter_id, password = EXAMPLES[name]
    v, made = vector(f"9303_11_app_{name}"), way(arcs, parameter_id)
    # What is longer than the order, as one printed private key is, is the same key reduced.
    width = (made.group.order.bit_length() + 7) // 8
    first = v["t"] if "t" in v else v["map_pcd_priv"]
    last = (int(v["eph_pcd_priv"], 16) % made.group.order).to_bytes(width, "big").hex()
    chip = replay([(named(sent, parameter_id), answer) for sent, answer in v["apdus"]])
    result = opened(made, password, script(first, last), chip)
    assert chip.left == []  # type: ignore[attr-defined] # every published command was sent
    assert keys_of(result.channel) == SessionKeys(
        bytes.fromhex(v["KSenc"]), bytes.fromhex(v["KSmac"])
    )
    assert (result.cam is not None) == (name == "i_pace_cam")
    theirs = bytes.fromhex(v["eph_ic_pub"])
    # [TR-03110-3]: the first coordinate of a point, or the hash of an integer.
    identity = theirs[:32] if parameter_id == 13 else hashlib.sha1(theirs).digest()  # noqa: S324 - the standard's
    assert result.chip_identity == identity


@pytest.mark.testdata
def test_every_key_of_bsis_example_with_a_pin() -> None:
    """TR-03110's own, with private keys longer than the order, and other objects beside."""
    path = testdata("vectors", "bsi_eac2_dh.json")
    v = json.loads(path.read_text(encoding="utf-8"))["fields"]
    infos = parse_security_infos(bytes.fromhex(v["ef_cardaccess"]))
    ways = [offer(each, infos) for each in infos if isinstance(each, PACEInfo)]
    (made,) = (each for each in ways if each is not None)
    # A chip is given the same keys in the length that is drawn.
    private = [
        (int(v[name], 16) % made.group.order).to_bytes(20, "big").hex()
        for name in ("map_pcd_priv_key", "pcd_priv_key")
    ]
    answers = [b"", *(
        do(0x7C, do(tag, bytes.fromhex(v[name])))
        for tag, name in ((0x80, "nonce_enc"), (0x82, "map_picc_pub_key"), (0x84, "picc_pub_key"),
                          (0x86, "authentication_token_picc"))
    )]  # fmt: skip
    seen: list[Command] = []
    chip = answering(lambda _: answers[len(seen) - 1] + b"\x90\x00", seen)
    keys = keys_of(opened(made, PIN("123456"), script(*private), chip).channel)
    assert (keys.encryption.hex().upper(), keys.mac.hex().upper()) == (v["k_enc"], v["k_mac"])
    sent = [each.data.hex().upper() for each in seen]
    assert sent[2].endswith(v["map_pcd_pub_key"])
    assert sent[3].endswith(v["pcd_pub_key"][2:])
    assert sent[4].endswith(v["authentication_token_pcd"])


def test_every_intermediate_value_of_the_integrated_examples() -> None:
    for name in ("h1_pace_im_ecdh", "h2_pace_im_dh"):
        v = vector(f"9303_11_app_{name}")
        group = STANDARDISED[EXAMPLES[name][1]]
        s, t = bytes.fromhex(v["s"]), bytes.fromhex(v["t"])
        assert int(v["R"], 16) % group.p == int(v["Rp"], 16)
        assert pace_mapping.pseudo_random(s, t, cipher=Cipher.AES, p=group.p) == int(v["Rp"], 16)
        mapped = group.encode(group.map_integer(int(v["Rp"], 16)))
        assert mapped.hex().upper().endswith(v.get("mapped_G", v.get("mapped_g")))


def test_what_icaos_chip_gave_to_prove_itself_by() -> None:
    v = vector("9303_11_app_i_pace_cam")
    chip = replay([(named(sent, 13), answer) for sent, answer in v["apdus"]])
    cam = opened(way("6.2", 13), CAM_ZONE, script(v["map_pcd_priv"], v["eph_pcd_priv"]), chip).cam
    assert cam is not None
    assert cam.parameter_id == 13
    assert cam.mapping_key.hex().upper() == "04" + v["map_ic_pub"]
    assert cam.chip_auth_data.hex().upper() == v["CA_IC"]
    # [9303-11] 4.4.3.5.2: the terminal's check, with the key that the appendix prints.
    curve, spki = STANDARD_CURVES[13], v["PK_IC_ChipAuthenticationPublicKeyInfo"]
    static = curve.decode(bytes.fromhex(spki)[-68:-3])
    assert curve.encode(curve.multiply(int(v["CA_IC"], 16), static)) == cam.mapping_key
    assert v["CA_IC"] not in repr(cam)
    (announced,) = parse_security_infos(do(0x31, bytes.fromhex(spki)))
    assert isinstance(announced, ChipAuthenticationPublicKeyInfo)
    assert verify_cam(cam, [announced]) == announced
    # None at all, one more, and one for another mapping key: recorded, and never passed.
    other_scalars = int(v["CA_IC"], 16) + 1, 0, curve.order
    for other in (b"", *(each.to_bytes(32, "big") for each in other_scalars)):
        with pytest.raises(ChipLied):
            verify_cam(dataclasses.replace(cam, chip_auth_data=other), [announced])
    with pytest.raises(ChipLied):
        verify_cam(dataclasses.replace(cam, mapping_key=curve.encode(curve.generator)), [announced])


@needs_openssl
@pytest.mark.parametrize("parameter_id", sorted(MODULAR))
def test_the_groups_of_integers_are_those_that_openssl_knows(parameter_id: int) -> None:
    made = openssl(
        "genpkey", "-genparam", "-algorithm", "DHX", "-pkeyopt", f"dh_rfc5114:{parameter_id + 1}",
    )  # fmt: skip
    text = openssl("asn1parse", "-in", "m", m=made).decode()
    numbers = [int(each, 16) for each in re.findall(r"INTEGER +:([0-9A-F]+)", text)]
    group = MODULAR[parameter_id]
    assert numbers == [group.p, group.generator, group.order]
    assert pow(group.generator, group.order, group.p) == 1


# --- another implementation


def names(arcs: tuple[int, int]) -> str:
    return f"{arcs[0]}.{arcs[1]}"


def runs() -> list[tuple[tuple[int, int], int]]:
    """Every group in every mapping with ciphers in turn, and every cipher in two groups."""
    found = set()
    for number, parameter_id in enumerate(PARAMETERS):
        agreements = (2, 4, 6) if parameter_id in CURVES else (1, 3)
        for arc in agreements:
            if parameter_id == 10 and arc == 4:
                continue
            found.add(((arc, 1 + number % 4 if arc != 6 else 2 + number % 3), parameter_id))
    for cipher in (1, 2, 3, 4):
        found |= {((1, cipher), 1), ((2, cipher), 12), ((3, cipher), 2), ((4, cipher), 13)}
        if cipher > 1:
            found.add(((6, cipher), 13))
    return sorted(found)


@pytest.mark.parametrize(("arcs", "parameter_id"), runs())
def test_both_ends_agree_in_every_mapping_group_and_cipher(arcs, parameter_id: int) -> None:
    card = PACECard(arcs, parameter_id)
    made = way(names(arcs), parameter_id)
    result = opened(made, CAN_KEY, stream("reader"), card)
    keys = keys_of(result.channel)
    assert (keys.encryption, keys.mac) == card.keys
    assert keys.cipher is (Cipher.TRIPLE_DES if arcs[1] == 1 else Cipher.AES)
    assert card.seen[0].data[-3:] == bytes((0x84, 1, parameter_id))
    assert made.mapping == MAPPINGS[arcs[0]]
    if arcs[0] != 6:
        assert result.cam is None
        return
    assert result.cam is not None
    assert result.cam.parameter_id == parameter_id
    curve = STANDARD_CURVES[parameter_id]
    static = curve.multiply(card.static, curve.generator)
    scalar = int.from_bytes(result.cam.chip_auth_data, "big")
    assert curve.encode(curve.multiply(scalar, static)) == result.cam.mapping_key


@pytest.mark.parametrize("arcs", [(1, 2), (2, 1), (3, 4), (4, 3), (6, 2)])
def test_a_card_with_another_password_refuses_ours(arcs: tuple[int, int]) -> None:
    card = PACECard(arcs, 0 if arcs[0] in {1, 3} else 13, secret=b"654321")

    def chip(command: Command) -> Any:
        with contextlib.suppress(AssertionError):
            return card(command)
        return type(card(Command(0, 0x22, 0, 0)))(b"", 0x6300)

    with pytest.raises(WrongPassword):
        opened(way(names(arcs), card.parameter_id), CAN_KEY, stream("reader"), chip)


@pytest.mark.parametrize(("cipher", "length"), [(1, 8), (1, 16), (2, 32), (3, 16), (4, 64)])
def test_the_generic_mapping_takes_a_nonce_of_whole_blocks(cipher: int, length: int) -> None:
    card = PACECard((2, cipher), 13, nonce=bytes(range(1, length + 1)))
    keys = keys_of(opened(way(f"2.{cipher}", 13), CAN_KEY, stream("r"), card).channel)
    assert (keys.encryption, keys.mac) == card.keys


@pytest.mark.parametrize(
    ("cipher", "length"), [(1, 8), (1, 24), (2, 32), (3, 16), (3, 48), (4, 16), (4, 64)]
)
def test_the_integrated_mapping_takes_one_length_of_nonce(cipher: int, length: int) -> None:
    card = PACECard((4, cipher), 13, nonce=bytes(range(1, length + 1)))
    with pytest.raises(ChipMalformed, match="PACE nonce"):
        opened(way(f"4.{cipher}", 13), CAN_KEY, stream("r"), card)
    assert len(card.seen) == 2


def test_our_nonce_is_drawn_once_and_in_full() -> None:
    card, asked = PACECard((4, 3), 13), []

    def randomness(size: int) -> bytes:
        asked.append(size)
        return bytes(range(1, size + 1))

    opened(way("4.3", 13), CAN_KEY, randomness, card)
    assert asked == [24, 32]
    assert card.seen[2].data == do(0x7C, do(0x81, bytes(range(1, 25))))
    for short in (b"", bytes(23), bytes(25)):
        with pytest.raises(ValueError, match="gives no nonce"):
            opened(way("4.3", 13), CAN_KEY, lambda _, raw=short: raw, PACECard((4, 3), 13))


# --- chips that cheat


def lying(step: str, objects: bytes, arcs: tuple[int, int] = (1, 2)) -> PACECard:
    """Return a card that answers one step with something else."""
    return PACECard(arcs, 0 if arcs[0] in {1, 3} else 13, change={step: lambda _: objects})


def refused(card: PACECard, error: type[EMRTDError], match: str) -> EMRTDError:
    with pytest.raises(error, match=match) as caught:
        opened(way(names(card.arcs), card.parameter_id), CAN_KEY, stream("reader"), card)
    return caught.value


G0 = MODULAR[0]
SMALL = pow(2, G0.order, G0.p)
"""An integer whose order divides the cofactor: a chip with it would learn or fix our secret."""


@pytest.mark.parametrize("step", ["map", "agree"])
@pytest.mark.parametrize(
    "key",
    [b"", b"\0", b"\1", (G0.p - 1).to_bytes(128, "big"), G0.p.to_bytes(128, "big"),
     (G0.p + 2).to_bytes(128, "big"), SMALL.to_bytes(128, "big"), b"\2",
     (SMALL * G0.generator % G0.p).to_bytes(128, "big"), b"\0" + G0.encode(G0.generator),
     bytes(200)],
)  # fmt: skip
def test_what_is_no_integer_of_the_subgroup_is_malformed(step: str, key: bytes) -> None:
    tag = {"map": 0x82, "agree": 0x84}[step]
    refused(lying(step, do(tag, key)), ChipMalformed, "public key")


def test_a_key_with_zeros_before_it_that_is_no_longer_than_the_prime_is_one() -> None:
    small = next(
        value
        for exponent in range(1, 5000)
        if (value := pow(G0.generator, exponent, G0.p)) < 1 << 1016
    )
    assert G0.decode(small.to_bytes(128, "big")) == G0.decode(G0.encode(small)) == small
    assert len(G0.encode(small)) == 127
    assert len(G0.secret(small)) == 128
    # The same element written otherwise could be our own key and not look like it.
    with pytest.raises(ChipMalformed, match="not in the subgroup"):
        G0.decode((G0.p + small).to_bytes(128, "big"))


@pytest.mark.parametrize(("arcs", "step"), [
    ((1, 2), "map"), ((1, 2), "agree"), ((2, 1), "map"), ((2, 1), "agree"), ((3, 2), "agree"),
    ((4, 2), "agree"), ((6, 2), "map"), ((6, 2), "agree"),
])  # fmt: skip
def test_our_own_key_sent_back_is_a_lie(arcs: tuple[int, int], step: str) -> None:
    card = PACECard(arcs, 0 if arcs[0] in {1, 3} else 13)

    def mirror(_: bytes) -> bytes:
        body = value_of(card.seen[-1].data)
        return bytes((body[0] + 1,)) + body[1:]

    card.change = {step: mirror}
    error = refused(card, ChipLied, "our own key")
    assert error.fault is Fault.PUBLIC_KEY_ECHOED


def test_a_generator_that_is_neutral_is_malformed() -> None:
    """A chip that knows the nonce could cancel its part out of the generic mapping."""
    card = PACECard((1, 2), 0)
    own = int.from_bytes(stream("reader")(20), "big") % 2**160
    assert 0 < own < G0.order
    nonce = int.from_bytes(card.s, "big")
    inverse = pow(G0.generator, -nonce * pow(own, -1, G0.order) % G0.order, G0.p)
    card.change = {"map": lambda _: do(0x82, G0.encode(inverse))}
    refused(card, ChipMalformed, "neutral")


@pytest.mark.parametrize("arcs", [(1, 2), (2, 2)])
def test_a_nonce_of_zeros_maps_to_nothing(arcs: tuple[int, int]) -> None:
    card = PACECard(arcs, 0 if arcs[0] == 1 else 13, nonce=bytes(16))
    refused(card, ChipMalformed, "public key")


@pytest.mark.parametrize("parameter_id", [each for each in PARAMETERS if each >= 8 and each != 10])
def test_field_elements_without_a_point_are_malformed(parameter_id: int) -> None:
    curve = STANDARD_CURVES[parameter_id]
    for value in (0, 1, curve.p - 1):
        with pytest.raises(ChipMalformed, match="no generator"):
            curve.map_integer(value)
    for value in (2, curve.p - 2, curve.p // 3):
        point = curve.map_integer(value)
        assert curve.decode(curve.encode(point)) == point


@given(st.integers(2, STANDARD_CURVES[13].p - 2))
def test_the_two_forms_of_the_point_encoding_agree_but_for_a_sign(value: int) -> None:
    """The roots that appendix B.2 and B.3 take may be each other's negative.

    It does not matter: what the two sides share is a first coordinate, and each side's token is
    over what was sent.
    """
    theirs = PACECard((4, 2), 13)._jacobian(value)
    ours = STANDARD_CURVES[13].map_integer(value)
    assert ours.x == int(theirs.x())
    assert int(theirs.y()) in {ours.y, STANDARD_CURVES[13].p - ours.y}


@pytest.mark.parametrize("parameter_id", sorted(MODULAR))
def test_integers_without_a_generator_are_malformed(parameter_id: int) -> None:
    group = MODULAR[parameter_id]
    for value in (0, 1, group.p - 1, pow(3, group.order, group.p)):
        with pytest.raises(ChipMalformed, match="no generator"):
            group.map_integer(value)
    assert pow(group.map_integer(3), group.order, group.p) == 1


def test_p_224_has_no_point_encoding() -> None:
    assert not STANDARD_CURVES[10].maps_integers
    assert all(group.maps_integers for number, group in STANDARDISED.items() if number != 10)


@pytest.mark.parametrize("answer", [b"", do(0x82, b"")])
def test_the_answer_to_our_nonce_is_empty_or_absent(answer: bytes) -> None:
    card = PACECard((4, 2), 13, change={"map": lambda _: answer})
    assert opened(way("4.2", 13), CAN_KEY, stream("r"), card).channel.alive


@pytest.mark.parametrize("answer", [do(0x82, b"\0"), do(0x82, b"") + do(0x82, b"x")])
def test_an_answer_to_our_nonce_that_says_something_is_malformed(answer: bytes) -> None:
    refused(lying("map", answer, (4, 2)), ChipMalformed, "not empty")


@pytest.mark.parametrize("arcs", [(2, 1), (1, 1), (3, 1)])
def test_a_token_of_3des_is_the_retail_mac_over_the_key(arcs: tuple[int, int]) -> None:
    card = PACECard(arcs, 0 if arcs[0] in {1, 3} else 13)
    card.change = {"prove": lambda honest: honest[:-1] + bytes((honest[-1] ^ 1,))}
    refused(card, ChannelBroken, "token")
    assert len(retail(card.keys[1], bytes(8))) == 8


# --- chip authentication mapping: what is not right is kept, and proves nothing


def cam_of(change) -> bytes:
    card = PACECard((6, 2), 13, change={"prove": change})
    result = opened(way("6.2", 13), CAN_KEY, stream("reader"), card)
    assert result.channel.alive
    assert result.cam is not None
    return result.cam.chip_auth_data


def test_a_chip_that_gives_no_proof_is_recorded_as_giving_none() -> None:
    assert cam_of(lambda honest: honest[:10]) == b""
    assert cam_of(lambda honest: honest + honest[10:]) == b""  # which of two


@pytest.mark.parametrize("secret", [b"", bytes(15), bytes(16), bytes(48), bytes(64), bytes(4096)])
def test_a_proof_that_does_not_decrypt_is_recorded_as_none(secret: bytes) -> None:
    assert cam_of(lambda honest: honest[:10] + do(0x8A, secret)) == b""


@pytest.mark.parametrize("size", [0, 1, 31, 33, 47])
def test_a_proof_of_another_length_is_recorded_as_none(size: int) -> None:
    """As a number it could still be the right one: the standard says how long it is."""
    card = PACECard((6, 2), 13)

    def resized(honest: bytes) -> bytes:
        plain = Cipher.AES.pad(bytes(size))
        iv = Cipher.AES.encrypt(card.keys[0], bytes(16), b"\xff" * 16)
        return honest[:10] + do(0x8A, Cipher.AES.encrypt(card.keys[0], iv, plain))

    card.change = {"prove": resized}
    cam = opened(way("6.2", 13), CAN_KEY, stream("reader"), card).cam
    assert cam is not None
    assert cam.chip_auth_data == b""


def test_a_proof_with_another_key_is_kept_as_it_is() -> None:
    card = PACECard((6, 2), 13, static=0x7654321)
    cam = opened(way("6.2", 13), CAN_KEY, stream("reader"), card).cam
    assert cam is not None
    curve = STANDARD_CURVES[13]
    announced = curve.multiply(0x1234567, curve.generator)
    scalar = int.from_bytes(cam.chip_auth_data, "big")
    assert curve.encode(curve.multiply(scalar, announced)) != cam.mapping_key


def test_the_proof_counts_only_after_the_token() -> None:
    card = PACECard((6, 2), 13)
    card.change = {"prove": lambda honest: do(0x86, bytes(8)) + honest[10:]}
    refused(card, ChannelBroken, "token")


# --- PIN


@pytest.mark.parametrize(("status", "goes_on"), [
    (0x63C3, True), (0x63C2, True), (0x63CF, True), (0x63C1, False), (0x63C0, False),
    (0x6300, False), (0x6983, False),
])  # fmt: skip
def test_a_pin_that_may_still_be_tried_is_tried(status: int, goes_on: bool) -> None:
    for password, may in ((PIN("123456"), goes_on), (CAN_KEY, False)):
        card = PACECard((2, 2), 13)

        def counting(command: Command, card: PACECard = card) -> Any:
            answer = card(command)
            return type(answer)(b"", status) if command.ins == 0x22 else answer

        with contextlib.nullcontext() if may else pytest.raises(ChipRefused):
            assert opened(way("2.2", 13), password, stream("r"), counting).channel.alive
        assert card.seen[0].data[12:15] == bytes((0x83, 1, password.REFERENCE))


# --- any chip


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([((1, 2), 0), ((2, 1), 12), ((3, 1), 0), ((4, 2), 13), ((6, 2), 13)]),
    st.sampled_from(["nonce", "map", "agree", "prove"]),
    st.one_of(
        st.binary(max_size=80),
        st.builds(do, st.sampled_from([0x80, 0x82, 0x84, 0x86, 0x8A]), st.binary(max_size=140)),
    ),
)
def test_any_answer_at_any_step_is_a_typed_error_or_no_one_elses_channel(
    run, step, objects
) -> None:
    arcs, parameter_id = run
    card = PACECard(arcs, parameter_id, change={step: lambda _: objects})
    with contextlib.suppress(EMRTDError, AssertionError):
        result = opened(way(names(arcs), parameter_id), CAN_KEY, stream("reader"), card)
        keys = keys_of(result.channel)
        assert (keys.encryption, keys.mac) == card.keys
    assert len(card.seen) <= 5
