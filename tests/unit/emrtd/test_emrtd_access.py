"""How a chip is opened: the order of ways, what may follow a failure, and what is recorded."""

from __future__ import annotations

import contextlib
import dataclasses
from datetime import UTC, date, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from access_chip import AccessChip, card_access, pace_info
from hypothesis import given, settings
from hypothesis import strategies as st
from issued_documents import CA_AES_128, dg14, info, number, oid
from pace_card_end import MAPPINGS
from reader_material import do, stream

from emrtd.access import MAX_OFFERS, AccessPolicy, open_chip
from emrtd.apdu import Command, Response
from emrtd.channel import PlainChannel
from emrtd.dialogue import drive
from emrtd.errors import (
    AccessUnsupported,
    ChannelBroken,
    ChipLied,
    ChipMalformed,
    ChipRefused,
    EMRTDError,
    Fault,
    WrongPassword,
)
from emrtd.evidence import Evidence, FailedAccess
from emrtd.inspect import Inspection, confirm_presence, inspect
from emrtd.keys import CAN, PIN, MRZKey, Password
from emrtd.pace_parameters import Rank, offer, rank
from emrtd.security_infos import PACEDomainParameterInfo, PACEInfo, parse_security_infos
from emrtd.sim import Holder, TestPKI, personalise
from emrtd.sim.personalise import signed_files

if TYPE_CHECKING:
    from collections.abc import Callable

ZONE = MRZKey("L898902C", "690806", "940623")
OTHER_ZONE = MRZKey("L898902C", "690806", "940624")
GM_128, GM_256, GM_3DES = (2, 2), (2, 4), (2, 1)
IM_256, CAM_128, DH_128 = (4, 4), (6, 2), (1, 2)
NAMES = {
    GM_128: "PACE-ECDH-GM-AES-CBC-CMAC-128", GM_256: "PACE-ECDH-GM-AES-CBC-CMAC-256",
    GM_3DES: "PACE-ECDH-GM-3DES-CBC-CBC", IM_256: "PACE-ECDH-IM-AES-CBC-CMAC-256",
    CAM_128: "PACE-ECDH-CAM-AES-CBC-CMAC-128", DH_128: "PACE-DH-GM-AES-CBC-CMAC-128",
}  # fmt: skip
POLICY = AccessPolicy()
PATIENT = AccessPolicy(fall_back_on=frozenset({Fault.CHIP_REFUSED, Fault.WRONG_PASSWORD}))
STRICT = AccessPolicy(fall_back_on=frozenset())
OPEN = AccessPolicy(order=("pace", "bac", "none"))


@cache
def pki() -> TestPKI:
    since, until = datetime(2020, 1, 1, tzinfo=UTC), datetime(2035, 1, 1, tzinfo=UTC)
    return TestPKI.create(stream("pki"), valid_from=since, valid_until=until)


@cache
def issued(dg14_file: bytes | None = None) -> dict[str, bytes]:
    """Return the files of a card without keys; its DG14, if any, is signed."""
    holder = Holder(
        number="999195012345", name="Nguyễn Thị Mẫu", birth=date(1995, 1, 1), sex="F",
        issued=date(2021, 6, 1), expiry=date(2035, 1, 1),
    )  # fmt: skip
    jpeg = bytes.fromhex("FFD8FFE000040000FFC0000B080190012C01011100FFD9")
    image = personalise(
        holder, jpeg, generation="2021", pki=pki(), randomness=stream("card"), auth=frozenset()
    )
    files = {name: raw for name, raw in image.files.items() if name in {"COM", "DG1", "DG2"}}
    if dg14_file is not None:
        files["DG14"] = dg14_file
    return {**files, "SOD": signed_files(files, pki().signer)}


def chip(
    *offers: bytes, signed: bytes | None = None, security: bytes | None = None, **options: Any
) -> AccessChip:
    """Return a chip that offers these ways of PACE, without EF.CardAccess if there are none."""
    files = dict(issued(signed))
    if offers:
        files["CardAccess"] = card_access(*offers)
    if security is not None:
        files["CardSecurity"] = security
    return AccessChip(files, **options)


def run(card: Any, password: Password = ZONE, policy: AccessPolicy = POLICY) -> Inspection:
    dialogue = inspect(
        password, wanted=frozenset({"DG1"}), randomness=stream("reader"), aa_nonce=bytes(8),
        policy=policy,
    )  # fmt: skip
    inspection = drive(dialogue, card)
    assert inspection.evidence.files["DG1"] == issued()["DG1"]
    assert Evidence.from_cbor(inspection.evidence.to_cbor()) == inspection.evidence
    drive(confirm_presence(inspection), card)
    return inspection


def failing(
    error: type[EMRTDError], card: AccessChip, password: Password = ZONE,
    policy: AccessPolicy = POLICY,
) -> Any:  # fmt: skip
    with pytest.raises(error) as caught:
        run(card, password, policy)
    assert type(caught.value) is error
    return caught.value


def asked(card: AccessChip) -> list[str]:
    """Return what was asked before the chip was open."""
    names = {0x22: "mse", 0x86: "pace", 0x84: "challenge", 0x82: "bac", 0xB0: "read"}
    selects = {0x00: "mf", 0x02: "ef", 0x04: "application"}
    plain = [each for each in card.seen if not each.cla & 0x0C]
    found = [selects[each.p1] if each.ins == 0xA4 else names[each.ins] for each in plain]
    return [each for at, each in enumerate(found) if at == 0 or found[at - 1] != each]


# --- one way


def test_without_card_access_the_zone_opens_the_chip_and_that_is_no_downgrade() -> None:
    card = chip()
    evidence = run(card).evidence
    assert (evidence.access.protocol, evidence.access.password) == ("BAC", "MRZ")
    assert (evidence.access.downgraded, evidence.access.failed) == (False, ())
    assert evidence.unreadable == {"CardAccess": 0x6A82}
    assert evidence.cam is None
    assert asked(card) == ["ef", "mf", "ef", "application", "challenge", "bac"]


@pytest.mark.parametrize("infos", [(), (CA_AES_128,)])
def test_card_access_without_pace_is_as_none(infos: tuple[bytes, ...]) -> None:
    card = chip(pace_info(GM_128, 13))
    card.files = {**card.files, "CardAccess": card_access(*infos)}
    access = run(card).evidence.access
    assert (access.protocol, access.downgraded) == ("BAC", False)


@pytest.mark.parametrize("arcs", sorted(NAMES))
@pytest.mark.parametrize("password", [ZONE, CAN("123456")])
def test_every_mapping_opens_a_chip_and_its_files_are_read(arcs, password: Password) -> None:
    parameter_id = 2 if arcs[0] == 1 else 13
    card = chip(pace_info(arcs, parameter_id), security=b"\x30\x00")
    evidence = run(card, password).evidence
    assert (evidence.access.protocol, evidence.access.password) == (NAMES[arcs], password.KIND)
    assert (evidence.access.downgraded, evidence.access.failed) == (False, ())
    assert (evidence.cam is not None) == (MAPPINGS[arcs[0]] == "CAM")
    assert ("CardSecurity" in evidence.files) == (MAPPINGS[arcs[0]] == "CAM")
    assert asked(card) == ["ef", "read", "mse", "pace"]
    first = next(each for each in card.seen if each.ins == 0x22)
    assert first.data[-3:] == bytes((0x84, 1, parameter_id))


def test_a_pin_opens_a_chip_and_is_kept_as_one() -> None:
    evidence = run(chip(pace_info(GM_128, 13), can=b"87654321"), PIN("87654321")).evidence
    assert evidence.access.password == "PIN"


@pytest.mark.parametrize("status", [0x6D00, 0x6A82, 0x6A86, 0x6E00])
def test_a_chip_need_not_know_its_master_file(status: int) -> None:
    for card in (chip(pace_info(GM_128, 13)), chip()):
        card.refuses["mf"] = status
        assert not run(card).evidence.access.downgraded


def test_what_proves_the_chip_in_passing_is_kept_and_judged_elsewhere() -> None:
    card = chip(pace_info(CAM_128, 13), security=b"\x30\x03\x02\x01\x00", static=0x7777)
    evidence = run(card).evidence
    assert evidence.files["CardSecurity"] == b"\x30\x03\x02\x01\x00"
    assert evidence.cam is not None
    assert (evidence.cam.parameter_id, len(evidence.cam.chip_auth_data)) == (13, 32)
    hidden = chip(pace_info(CAM_128, 13))
    assert run(hidden).evidence.unreadable["CardSecurity"] == 0x6A82


def test_what_names_the_chip_in_terminal_authentication_is_kept() -> None:
    for card, size in ((chip(), len("L898902C<3")), (chip(pace_info(GM_128, 13)), 32)):
        infos = parse_security_infos(card.files["CardAccess"]) if size == 32 else None
        dialogue = open_chip(
            ZONE, infos, PlainChannel(max_commands=20), policy=POLICY, randomness=stream("r")
        )
        opened = drive(dialogue, card)
        assert len(opened.chip_identity) == size
        assert size == 32 or opened.chip_identity == b"L898902C<3"
        assert repr(opened.chip_identity) not in repr(opened)


# --- several offers


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(
    ("offers", "taken"),
    [
        ([(GM_128, 13), (GM_256, 13)], GM_256),
        ([(GM_3DES, 13), (GM_128, 13)], GM_128),
        ([(GM_3DES, 18), (GM_128, 8)], GM_128),
        ([(GM_3DES, 13), (DH_128, 0)], DH_128),
        ([(GM_128, 13), (CAM_128, 13)], CAM_128),
        ([(GM_256, 17), (CAM_128, 13)], GM_256),
        ([(DH_128, 2), (GM_128, 13)], GM_128),
        ([(IM_256, 13), (GM_128, 13)], IM_256),
    ],
)
def test_the_strongest_is_taken_whatever_the_order(offers, taken, turned) -> None:
    infos = [pace_info(*each) for each in offers]
    access = run(chip(*(reversed(infos) if turned else infos))).evidence.access
    assert (access.protocol, access.downgraded, access.failed) == (NAMES[taken], False, ())


@pytest.mark.parametrize(
    "stronger",
    [
        pace_info(GM_256, 19),  # an identifier that is reserved
        pace_info(GM_256, None),  # the chip's own parameters, and it names none
        pace_info((5, 4), 13),  # a mapping that nobody knows
        info(oid("04007F00070202040204"), number(3), number(13)),
    ],
)
def test_an_offer_that_cannot_be_taken_up_and_was_stronger_is_a_downgrade(stronger) -> None:
    access = run(chip(stronger, pace_info(GM_128, 13))).evidence.access
    assert (access.protocol, access.downgraded, access.failed) == (NAMES[GM_128], True, ())


def test_a_curve_that_its_mapping_cannot_use_is_still_an_offer() -> None:
    access = run(chip(pace_info(IM_256, 10), pace_info(GM_3DES, 13))).evidence.access
    assert (access.protocol, access.downgraded) == (NAMES[GM_3DES], True)
    # Known to be weaker than the other, it is none to miss.
    access = run(chip(pace_info(IM_256, 10), pace_info(GM_128, 13))).evidence.access
    assert (access.protocol, access.downgraded) == (NAMES[GM_128], False)


def test_a_weaker_offer_that_cannot_be_taken_up_is_none() -> None:
    access = run(chip(pace_info(GM_3DES, 19), pace_info(GM_128, 13))).evidence.access
    assert not access.downgraded


def test_3des_where_aes_was_refused_is_a_downgrade_and_says_what_was_refused() -> None:
    card = chip(pace_info(GM_128, 13), pace_info(GM_3DES, 13), refuses_mse={GM_128})
    access = run(card).evidence.access
    assert (access.protocol, access.downgraded) == (NAMES[GM_3DES], True)
    assert access.failed == (FailedAccess(NAMES[GM_128], Fault.CHIP_REFUSED, 0x6A80),)
    only = run(chip(pace_info(GM_3DES, 13))).evidence.access
    assert (only.protocol, only.downgraded) == (NAMES[GM_3DES], False)


def test_few_offers_are_tried() -> None:
    arcs = [(2, 2), (2, 3), (2, 4), (4, 2), (4, 3), (4, 4)]
    card = chip(*(pace_info(each, 13) for each in arcs), refuses_mse=set(arcs))
    access = run(card).evidence.access
    assert access.protocol == "BAC"
    assert len(access.failed) == MAX_OFFERS < len(arcs)
    assert len([each for each in card.seen if each.ins == 0x22]) == MAX_OFFERS


# --- what may follow a failure


@pytest.mark.parametrize("step", ["mse", "nonce", "map", "agree"])
def test_bac_after_a_refused_pace_is_a_downgrade_and_says_so(step: str) -> None:
    card = chip(pace_info(GM_128, 13), refuses={step: 0x6982})
    access = run(card).evidence.access
    assert (access.protocol, access.downgraded) == ("BAC", True)
    assert access.failed == (FailedAccess(NAMES[GM_128], Fault.CHIP_REFUSED, 0x6982),)


@pytest.mark.parametrize("policy", [STRICT, AccessPolicy(order=("pace",))])
def test_a_policy_may_rule_bac_out(policy: AccessPolicy) -> None:
    card = chip(pace_info(GM_128, 13), refuses={"nonce": 0x6982})
    assert failing(ChipRefused, card, policy=policy).sw == 0x6982
    assert not {"challenge", "bac"} & set(asked(card))


def test_a_wrong_password_is_one_and_nothing_else_is_tried() -> None:
    card = chip(pace_info(GM_256, 13), pace_info(GM_128, 13))
    assert failing(WrongPassword, card, OTHER_ZONE).sw == 0x6300
    assert asked(card) == ["ef", "read", "mse", "pace"]
    assert len([each for each in card.seen if each.ins == 0x22]) == 1


def test_a_policy_may_let_bac_follow_a_wrong_password_but_no_other_pace() -> None:
    """Some chips take another zone for PACE than for BAC; it counts as a downgrade."""
    card = chip(pace_info(GM_256, 13), pace_info(GM_128, 13), refuses={"prove": 0x63C1})
    access = run(card, policy=PATIENT).evidence.access
    assert (access.protocol, access.downgraded) == ("BAC", True)
    assert access.failed == (FailedAccess(NAMES[GM_256], Fault.WRONG_PASSWORD, 0x63C1),)
    assert len([each for each in card.seen if each.ins == 0x22]) == 1
    assert failing(WrongPassword, card_again(card), OTHER_ZONE, PATIENT).sw == 0x63C1


def card_again(card: AccessChip) -> AccessChip:
    return dataclasses.replace(card, seen=[])


def test_of_several_refusals_a_wrong_password_is_what_the_caller_hears() -> None:
    card = chip(pace_info(GM_128, 13), refuses={"mse": 0x6985})
    assert failing(WrongPassword, card, OTHER_ZONE).sw == 0x6300
    card = chip(pace_info(GM_128, 13), refuses={"mse": 0x6985}, bac=False)
    assert failing(ChipRefused, card).sw == 0x6985
    card = chip(bac=False)
    assert failing(ChipRefused, card).sw == 0x6D00


def test_what_looks_like_somebody_in_between_is_followed_by_nothing() -> None:
    for changed, error in (
        (lambda raw: raw[:-1] + bytes((raw[-1] ^ 1,)), ChannelBroken),
        (lambda raw: raw[:4], ChipMalformed),
    ):
        card = chip(pace_info(GM_128, 13))
        failing(error, _between(card, changed), policy=PATIENT)
        assert not {"challenge", "bac"} & set(asked(card))


def test_our_own_key_sent_back_is_followed_by_nothing() -> None:
    card = chip(pace_info(GM_128, 13))

    def mirror(command: Command) -> Response:
        answer = card(command)
        if command.ins == 0x86 and command.data[2:3] == b"\x81":
            return Response(do(0x7C, do(0x82, command.data[4:])), 0x9000)
        return answer

    failing(ChipLied, mirror, policy=PATIENT)  # type: ignore[arg-type] # a chip is a function
    assert not {"challenge", "bac"} & set(asked(card))


def _between(card: AccessChip, changed: Callable[[bytes], bytes]) -> Any:
    def transmit(command: Command) -> Response:
        answer = card(command)
        last = command.ins == 0x86 and not command.cla
        return Response(changed(answer.data), answer.sw) if last else answer

    return transmit


@pytest.mark.parametrize("password", [CAN("123456"), PIN("123456")])
def test_only_a_zone_opens_bac(password: Password) -> None:
    error = failing(AccessUnsupported, chip(), password)
    assert "6A82" in str(error)
    card = chip(pace_info(GM_128, 13), refuses={"mse": 0x6982})
    assert failing(ChipRefused, card, password).sw == 0x6982
    assert not {"application", "challenge"} & set(asked(card))


def test_offers_that_cannot_be_taken_up_are_named() -> None:
    card = chip(pace_info(IM_256, 10), pace_info(GM_3DES, 19))
    error = failing(AccessUnsupported, card, CAN("123456"))
    assert "PACE-ECDH-IM-AES-CBC-CMAC-256, PACE-ECDH-GM-3DES-CBC-CBC" in str(error)
    assert failing(
        AccessUnsupported, chip(), policy=AccessPolicy(order=("pace",))
    ).fault is Fault.ACCESS_UNSUPPORTED  # fmt: skip


def test_bac_may_be_first_and_is_a_downgrade_where_pace_was_on_offer() -> None:
    first = AccessPolicy(order=("bac", "pace"))
    card = chip(pace_info(GM_128, 13))
    access = run(card, policy=first).evidence.access
    assert (access.protocol, access.downgraded, access.failed) == ("BAC", True, ())
    # PACE is run in the master file again.
    for refused in ({"challenge": 0x6D00}, {"application": 0x6A82}):
        card = chip(pace_info(GM_128, 13), refuses=dict(refused))
        if "application" in refused:
            card.refuses["mf"] = 0x9000
            with pytest.raises(ChipRefused, match="SELECT eMRTD"):
                run(card, policy=first)
        else:
            access = run(card, policy=first).evidence.access
            assert (access.protocol, access.downgraded) == (NAMES[GM_128], False)
            assert access.failed == (FailedAccess("BAC", Fault.CHIP_REFUSED, 0x6D00),)
        assert asked(card)[-3:] == ["mf", "mse", "pace"]


# --- no access


@pytest.mark.parametrize("password", [ZONE, CAN("123456")])
def test_a_chip_that_asks_for_no_access_is_read_where_the_policy_says_so(
    password: Password,
) -> None:
    zone = password is ZONE
    without = {"bac": False, "asks": False}
    for policy in (POLICY, PATIENT, STRICT):
        failing(ChipRefused if zone else AccessUnsupported, chip(**without), password, policy)
    card = chip(**without)
    inspection = run(card, password, OPEN)
    access = inspection.evidence.access
    assert (access.protocol, access.password, access.downgraded) == ("NONE", None, False)
    refused = (FailedAccess("BAC", Fault.CHIP_REFUSED, 0x6D00),)
    assert access.failed == (refused if zone else ())
    assert not any(each.cla for each in card.seen)
    assert inspection.channel.alive
    inspection.channel.close()
    assert not inspection.channel.alive
    with pytest.raises(ChannelBroken, match="closed"):
        drive(confirm_presence(inspection), card)


def test_whoever_offers_more_and_is_read_in_the_clear_was_downgraded() -> None:
    refuses = {"mse": 0x6985}
    card = chip(pace_info(GM_128, 13), refuses=refuses, bac=False, asks=False)
    access = run(card, CAN("123456"), OPEN).evidence.access
    assert (access.protocol, access.downgraded) == ("NONE", True)
    assert access.failed == (FailedAccess(NAMES[GM_128], Fault.CHIP_REFUSED, 0x6985),)
    # Hidden from who was to read it, and signed.
    signed = dg14(pace_info(GM_128, 13))
    access = run(chip(signed=signed, asks=False), CAN("123456"), OPEN).evidence.access
    assert (access.protocol, access.downgraded) == ("NONE", True)
    # It knows a wrong password, and lets everybody in.
    patient = dataclasses.replace(PATIENT, order=OPEN.order)
    access = run(chip(asks=False), OTHER_ZONE, patient).evidence.access
    assert (access.protocol, access.password, access.downgraded) == ("NONE", None, True)
    assert access.failed == (FailedAccess("BAC", Fault.WRONG_PASSWORD, 0x6300),)
    failing(WrongPassword, chip(asks=False), OTHER_ZONE, OPEN)


@pytest.mark.parametrize("shows", [False, True])
def test_a_chip_that_asks_for_access_is_never_taken_for_one_that_does_not(shows: bool) -> None:
    """Whether it refuses to select its files or to read them."""
    first = AccessPolicy(order=("none", "pace", "bac"))

    selected = b""

    def transmit(command: Command) -> Response:
        nonlocal selected
        answer = card(command)
        if command.ins not in {0xA4, 0xB0} or command.cla or not shows:
            return answer
        selected = command.data or selected
        if selected != b"\x01\x1d":
            return answer
        return Response(b"", 0x9000 if command.ins == 0xA4 else 0x6982)

    for card, name in ((chip(), "BAC"), (chip(pace_info(GM_128, 13)), NAMES[GM_128])):
        access = run(transmit, policy=first).evidence.access
        assert (access.protocol, access.downgraded) == (name, False)
        assert access.failed == (FailedAccess("NONE", Fault.CHIP_REFUSED, 0x6982),)
        # PACE is run in the master file again.
        assert name == "BAC" or asked(card)[-3:] == ["mf", "mse", "pace"]
    card = chip()
    with pytest.raises(ChipRefused, match="6982"):
        run(transmit, policy=AccessPolicy(order=("none",)))


@pytest.mark.parametrize(
    "bad",
    [{"order": ()}, {"order": ("pace", "pace")}, {"order": ("eac",)},
     {"fall_back_on": frozenset({Fault.CHANNEL_BROKEN})},
     {"fall_back_on": frozenset({Fault.CHIP_REFUSED, Fault.CHIP_MALFORMED})}],
)  # fmt: skip
def test_a_policy_that_makes_no_sense_is_an_error_of_its_owner(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"order|fall_back_on"):
        AccessPolicy(**bad)


# --- what the issuer signed


@pytest.mark.parametrize(
    ("signed", "offered", "downgraded"),
    [
        ([(GM_128, 13)], [], True),  # EF.CardAccess was hidden
        ([(GM_128, 13)], [(GM_3DES, 13)], True),
        ([(GM_128, 13), (GM_256, 13)], [(GM_128, 13)], True),
        ([(GM_128, 13)], [(GM_128, 13)], False),
        ([(GM_3DES, 13)], [(GM_128, 13)], False),
        ([], [], False),
    ],
)
def test_what_is_signed_and_was_not_offered_is_a_downgrade(signed, offered, downgraded) -> None:
    card = chip(
        *(pace_info(*each) for each in offered), signed=dg14(*(pace_info(*each) for each in signed))
    )
    assert run(card).evidence.access.downgraded is downgraded


def test_a_dg14_that_is_not_as_signed_says_nothing() -> None:
    card = chip(pace_info(GM_128, 13), signed=dg14(pace_info(GM_128, 13)))
    card.files = {**card.files, "DG14": dg14(pace_info(GM_256, 13))}
    dialogue = inspect(ZONE, wanted=frozenset(), randomness=stream("reader"), aa_nonce=bytes(8))
    assert not drive(dialogue, card).evidence.access.downgraded


# --- domain parameters that the chip brings


def parameters(der: bytes, arc: int = 2, parameter_id: int | None = None) -> bytes:
    more = () if parameter_id is None else (number(parameter_id),)
    return info(oid(f"04007F0007020204{arc:02X}"), der, *more)


def integer(value: int) -> bytes:
    return do(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


P, A, B, G, N = (
    0xA9FB57DBA1EEA9BC3E660A909D838D726E3BF623D52620282013481D1F6E5377,
    bytes.fromhex("7D5A0975FC2C3057EEF67530417AFFE7FB8055C126DC5C6CE94A4B44F330B5D9"),
    bytes.fromhex("26DC5C6CE94A4B44F330B5D9BBD77CBF958416295CF7E1CE6BCCDC18FF8C07B6"),
    bytes.fromhex(
        "048BD2AEB9CB7E57CB2C4B482FFC81B7AFB9DE27E1E3BD23C23A4453BD9ACE3262"
        "547EF835C3DAC4FD97F8461A14611DC9C27745132DED8E545C1D54C72F046997"
    ),
    0xA9FB57DBA1EEA9BC3E660A909D838D718C397AA3B561A6F7901E0E82974856A7,
)
"""BrainpoolP256r1 as appendix I of part 11 prints it."""


def explicit(p: int = P, a: bytes = A, b: bytes = B, g: bytes = G, n: int = N, f: int | None = 1,
             field: str = "2A8648CE3D0101", octets: int = 0x04) -> bytes:  # fmt: skip
    body = integer(1) + info(oid(field), integer(p)) + info(do(octets, a), do(0x04, b))
    body += do(0x04, g) + integer(n) + (b"" if f is None else integer(f))
    return info(oid("2A8648CE3D0201"), do(0x30, body))


STANDARD = info(oid("04007F00070102"), number(13))


@pytest.mark.parametrize("der", [STANDARD, explicit(), explicit(f=None)])
@pytest.mark.parametrize("parameter_id", [None, 40])
def test_parameters_that_are_a_standardised_groups_are_used(der: bytes, parameter_id) -> None:
    infos = parse_security_infos(
        card_access(pace_info(GM_128, parameter_id), parameters(der, parameter_id=parameter_id))
    )
    (way,) = (each for each in infos if isinstance(each, PACEInfo))
    made = offer(way, infos)
    assert made is not None
    assert made.group.p == P
    assert rank(way, infos) == Rank(128, aes=True, key_bytes=16)


def test_a_chip_with_its_own_identifier_is_opened_and_without_one_none_is_named() -> None:
    for parameter_id, named in ((40, "840128"), (None, "830101")):
        offers = pace_info(GM_128, parameter_id), parameters(explicit(), parameter_id=parameter_id)
        card = chip(*offers)

        def standard(command: Command, card: AccessChip = card, named: str = named) -> Response:
            """The chip itself knows its parameters by number 13."""
            if command.ins == 0x22 and not command.cla:
                assert command.data.hex().endswith(named)
                command = dataclasses.replace(
                    command, data=command.data[:15] + bytes.fromhex("84010D")
                )
            return card(command)

        access = run(standard).evidence.access
        assert (access.protocol, access.downgraded) == (NAMES[GM_128], False)


BAD_PARAMETERS = [
    explicit(p=P + 2), explicit(a=B), explicit(b=A), explicit(n=N - 2), explicit(f=2),
    explicit(g=G[:33] + bytes((G[33] ^ 1,)) + G[34:]), explicit(a=b"\0" + A),
    explicit(field="2A8648CE3D0102"), explicit(octets=0x03),
    info(oid("2A8648CE3D0201"), oid("2B2403030208010107")),  # a named curve: not as it must be
    info(oid("2A8648CE3D0201")), info(oid("04007F00070102"), number(5)), info(oid("2A0304"), b""),
    info(oid("2A0304"), number(13)), info(oid("04007F00070102"), number(0)),
    info(oid("04007F00070102"), oid("2A03")),
]  # fmt: skip


@pytest.mark.parametrize("der", BAD_PARAMETERS)
def test_parameters_that_are_no_standardised_groups_are_not_used(der: bytes) -> None:
    """A chip could bring parameters that leak the password; they are not signed."""
    infos = parse_security_infos(card_access(pace_info(GM_128, None), parameters(der)))
    (way,) = (each for each in infos if isinstance(each, PACEInfo))
    assert offer(way, infos) is None
    assert rank(way, infos) >= Rank(80, aes=True, key_bytes=16)


def dh_parameters(p: int, g: int, q: int) -> bytes:
    return info(oid("2A8648CE3E0201"), do(0x30, integer(p) + integer(g) + integer(q)))


def test_groups_of_integers_are_compared_in_all_their_numbers() -> None:
    from emrtd._groups import MODULAR

    group = MODULAR[1]
    numbers = group.p, group.generator, group.order
    for change in ((0, 0, 0), (2, 0, 0), (0, 1, 0), (0, 0, 2)):
        der = dh_parameters(*(one + more for one, more in zip(numbers, change, strict=True)))
        infos = parse_security_infos(card_access(pace_info(DH_128, None), parameters(der, arc=1)))
        (way,) = (each for each in infos if isinstance(each, PACEInfo))
        made = offer(way, infos)
        assert (made is not None) == (change == (0, 0, 0))
        assert made is None or made.group is group


def test_which_of_two_sets_of_parameters_is_not_guessed() -> None:
    for beside, found in (
        ([parameters(STANDARD)], True),
        ([parameters(STANDARD), parameters(STANDARD)], False),
        ([parameters(STANDARD, arc=4)], False),  # of another mapping
        ([parameters(STANDARD, parameter_id=41)], True),  # the only one there is
        ([], False),
    ):
        infos = parse_security_infos(card_access(pace_info(GM_128, None), *beside))
        (way,) = (each for each in infos if isinstance(each, PACEInfo))
        assert (offer(way, infos) is not None) == found
    infos = parse_security_infos(
        card_access(pace_info(GM_128, 40), parameters(STANDARD, parameter_id=41))
    )
    assert offer(next(each for each in infos if isinstance(each, PACEInfo)), infos) is None


@pytest.mark.parametrize(
    "way",
    [
        PACEInfo("0.4.0.127.0.7.2.2.4.2.9", 2, 13), PACEInfo("0.4.0.127.0.7.2.2.4.2.2", 1, 13),
        PACEInfo("0.4.0.127.0.7.2.2.4.2.2", 3, 13), PACEInfo("0.4.0.127.0.7.2.2.4.2.2", 2, 0),
        PACEInfo("0.4.0.127.0.7.2.2.4.1.2", 2, 13), PACEInfo("0.4.0.127.0.7.2.2.4.3.2", 2, 8),
        PACEInfo("0.4.0.127.0.7.2.2.4.6.1", 2, 13), PACEInfo("0.4.0.127.0.7.2.2.4.6.2", 2, 2),
        PACEInfo("0.4.0.127.0.7.2.2.4.6.2", 2, None), PACEInfo("0.4.0.127.0.7.2.2.4.4.2", 2, 10),
        PACEInfo("0.4.0.127.0.7.2.2.4.2.2", 2, 3), PACEInfo("0.4.0.127.0.7.2.2.4.2.2", 2, 7),
        PACEInfo("0.4.0.127.0.7.2.2.4.2.2", 2, 31), PACEInfo("0.4.0.127.0.7.2.2.4.2", 2, 13),
        PACEInfo("0.4.0.127.0.7.2.2.4.5.2", 2, 13),
    ],
)  # fmt: skip
def test_what_no_standard_has_is_no_offer(way: PACEInfo) -> None:
    assert offer(way) is None
    beside = PACEDomainParameterInfo("0.4.0.127.0.7.2.2.4.6", STANDARD, None)
    assert offer(way, [beside]) is None


def test_an_identifier_longer_than_a_byte_is_not_sent() -> None:
    card = chip(pace_info(GM_128, 13))
    wide = info(oid("04007F00070202040202"), number(2), do(0x02, b"\x01\x2c"))
    there = info(oid("04007F000702020402"), STANDARD, do(0x02, b"\x01\x2c"))
    card.files = {**card.files, "CardAccess": card_access(wide, there)}
    failing(ChipMalformed, card)
    assert 0x22 not in {each.ins for each in card.seen}


# --- any chip


@settings(max_examples=80, deadline=None)
@given(
    st.integers(1, 24),
    st.one_of(
        st.binary(min_size=2, max_size=60),
        st.sampled_from([b"\x63\x00", b"\x69\x82", b"\x69\x85", b"\x6a\x82", b"\x90\x00"]),
    ),
    st.sampled_from([POLICY, PATIENT, STRICT, AccessPolicy(order=("bac", "pace")), OPEN]),
    st.sampled_from([[], [(GM_128, 13)], [(CAM_128, 13), (GM_3DES, 12)]]),
    st.booleans(),
)
def test_any_answer_at_any_step_is_a_typed_error_or_a_fact(
    at, answer, policy, offers, asks
) -> None:
    card = chip(*(pace_info(*each) for each in offers), asks=asks)

    def transmit(command: Command) -> Response:
        honest = card(command)
        return Response.from_bytes(answer) if len(card.seen) == at else honest

    dialogue = inspect(
        ZONE, wanted=frozenset({"DG1"}), randomness=stream("reader"), aa_nonce=bytes(8),
        policy=policy,
    )  # fmt: skip
    evidence = None
    # The chip asserts where it was told something else than the reader heard.
    with contextlib.suppress(EMRTDError, AssertionError):
        evidence = drive(dialogue, transmit).evidence
    if evidence is None:
        return
    access = evidence.access
    listed = evidence.files.get("CardAccess", b"")
    strongest = access.protocol not in {"BAC", "NONE"}
    assert access.downgraded or strongest or pace_info(GM_128, 13) not in listed
    assert access.protocol != "NONE" or (policy is OPEN and not asks)
    assert {each.fault for each in access.failed} <= policy.fall_back_on
