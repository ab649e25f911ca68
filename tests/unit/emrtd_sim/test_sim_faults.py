"""Each fault does what its description says, seen from outside by raw bytes."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sim_material import HOLDER, JPEG, make_pki, opened, script, stream, vector

from emrtd.errors import ChipGone, Fault
from emrtd.sim import FAULTS, CardImage, Chip, TestPKI, personalise
from emrtd.sim.faults import Manner, begin

if TYPE_CHECKING:
    from pathlib import Path

EXAMPLE = vector("9303-11/pace_gm_ecdh_card_side.json")
APDUS = [(bytes.fromhex(asked), bytes.fromhex(given)) for asked, given in EXAMPLE["apdus"]]
APPLICATION = bytes.fromhex("A0000002471001")
FILE_IDS = {
    "COM": "011E", "SOD": "011D", "DG1": "0101", "DG2": "0102", "DG13": "010D", "DG14": "010E",
    "DG15": "010F",
}  # fmt: skip


def read_all(card: CardImage, fault: str) -> dict[str, bytes | int]:
    """Read every file under the worked example's keys; the status word where there is no file."""
    terminal = opened(card, fault=fault)
    assert terminal.ask(0xA4, 4, 0x0C, APPLICATION)[1] == 0x9000
    files: dict[str, bytes | int] = {}
    for name, identifier in FILE_IDS.items():
        _, status = terminal.ask(0xA4, 2, 0x0C, bytes.fromhex(identifier))
        files[name] = terminal.ask(0xB0, 0, 0, le=65536)[0] if status == 0x9000 else status
    return files


@pytest.mark.parametrize(
    ("fault", "changed"),
    [
        ("clone", set()),
        ("dg1_byte", {"DG1"}),
        ("dg2_byte", {"DG2"}),
        ("wrong_sod_signature", {"SOD"}),
        ("expired_signer", {"SOD"}),
        ("dg14_unreadable", {"DG14"}),
        ("dg15_unreadable", {"DG15"}),
        ("com_lies", {"COM"}),
        ("mf_unknown", set()),
        ("length_4gib", {"DG2"}),
    ],
)
def test_a_fault_changes_only_what_it_says(
    example_card: CardImage, fault: str, changed: set[str]
) -> None:
    seen = read_all(example_card, fault)
    assert {name for name in FILE_IDS if seen[name] != example_card.files[name]} == changed
    if fault == "length_4gib":
        assert seen["DG2"][:6] == b"\x75\x84\xff\xff\xff\xff"
    if fault == "com_lies":
        assert seen["COM"][-7:] == bytes.fromhex("5c0561756d6161")
    if fault.endswith("unreadable"):
        assert seen[changed.pop()] == 0x6A82


def test_an_unknown_issuer_signed_the_same_data(
    card: CardImage, pki: TestPKI, tmp_path: Path
) -> None:
    sod = begin("unknown_issuer", randomness=stream("stranger")).card(card).files["SOD"]
    (tmp_path / "sod").write_bytes(sod[4:])
    for name, made in (("known.pem", pki), ("stranger.pem", _stranger())):
        certificate = x509.load_der_x509_certificate(made.csca.certificate)
        (tmp_path / name).write_bytes(certificate.public_bytes(Encoding.PEM))
        command = ["openssl", "cms", "-verify", "-inform", "DER", "-in", "sod", "-purpose", "any",
                   "-CAfile", name, "-out", "content"]  # fmt: skip
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
        assert (done.returncode == 0) == (name == "stranger.pem")
    content = (tmp_path / "content").read_bytes()
    assert content in card.files["SOD"]


def _stranger() -> TestPKI:
    from datetime import UTC, datetime

    return TestPKI.create(
        stream("stranger"), valid_from=datetime(2000, 1, 1, tzinfo=UTC),
        valid_until=datetime(2049, 12, 31, tzinfo=UTC), organisation="Tram Test Stranger",
    )  # fmt: skip


def test_a_silent_clone_refuses_both_proofs_and_nothing_else(example_card: CardImage) -> None:
    terminal = opened(example_card, fault="silent_clone")
    assert terminal.ask(0xA4, 4, 0x0C, APPLICATION) == (b"", 0x9000)
    chosen = bytes.fromhex("800A04007F00070202030202")
    assert terminal.ask(0x22, 0x41, 0xA4, chosen) == (b"", 0x6D00)
    assert terminal.ask(0x88, 0, 0, bytes(8), 256) == (b"", 0x6D00)


def test_one_response_of_the_channel_has_a_wrong_checksum(example_card: CardImage) -> None:
    honest, lying = opened(example_card), opened(example_card, fault="wrong_mac")
    for number in range(1, 6):
        asked = [t.protect(0xA4, 4, 0x0C, APPLICATION) for t in (honest, lying)]
        given = [t.chip.answer(each) for t, each in zip((honest, lying), asked, strict=True)]
        for terminal in (honest, lying):
            terminal.counter += 1
        differing = [i for i, (a, b) in enumerate(zip(*given, strict=True)) if a != b]
        assert differing == ([len(given[0]) - 3] if number == 3 else [])


def test_one_response_is_the_one_before(example_card: CardImage) -> None:
    terminal = opened(example_card, fault="replayed_response")
    given = []
    for _ in range(4):
        given.append(terminal.chip.answer(terminal.protect(0xA4, 4, 0x0C, APPLICATION)))
        terminal.counter += 1
    assert given[2] == given[1]
    assert len(set(given)) == 3


def test_more_is_waiting_without_an_end(example_card: CardImage) -> None:
    terminal = opened(example_card, fault="loop_61xx")
    response = terminal.chip.answer(terminal.protect(0xA4, 4, 0x0C, APPLICATION))
    for _ in range(1000):
        assert response[-2] == 0x61
        response = terminal.chip.answer(bytes.fromhex("00C0000040"))


def test_the_chip_stops_answering_in_every_session(card: CardImage) -> None:
    chip = Chip(card, randomness=stream("chip"), fault="silent")
    for _ in range(2):
        for _ in range(12):
            assert chip.answer(bytes.fromhex("00A4020C02011C")).hex() == "9000"
        with pytest.raises(ChipGone):
            chip.answer(bytes.fromhex("00A4020C02011C"))
        chip.reset()


@pytest.mark.parametrize(
    ("fault", "step", "key"),
    [
        ("point_not_on_curve", 2, "04" + EXAMPLE["map_ic_pub"][:-1] + "5"),
        ("own_public_key", 3, APDUS[3][0][9:-1].hex()),
    ],
)
def test_a_public_key_of_pace_is_not_what_it_should_be(
    example_card: CardImage, fault: str, step: int, key: str
) -> None:
    drawn = script(EXAMPLE["s"], EXAMPLE["map_ic_priv"], EXAMPLE["eph_ic_priv"])
    chip = Chip(example_card, randomness=drawn, fault=fault)
    for number, (asked, honest) in enumerate(APDUS[: step + 1]):
        given = chip.answer(asked)
        if number < step:
            assert given == honest
    assert given[4:-2] == bytes.fromhex(key)
    assert given != honest


def test_no_password_opens_a_forgetful_chip(example_card: CardImage) -> None:
    drawn = script(EXAMPLE["s"], EXAMPLE["map_ic_priv"], EXAMPLE["eph_ic_priv"])
    chip = Chip(example_card, randomness=drawn, fault="wrong_password")
    assert chip.answer(APDUS[0][0]).hex() == "9000"
    assert chip.answer(APDUS[1][0]) != APDUS[1][1]


def test_mf_unknown_answers_6d00(card: CardImage) -> None:
    chip = Chip(card, randomness=stream("chip"), fault="mf_unknown")
    assert chip.answer(bytes.fromhex("00A4000C023F00")).hex() == "6d00"
    assert chip.answer(bytes.fromhex("00A4020C02011C")).hex() == "9000"


def test_com_of_a_2024_card_lies_too(pki: TestPKI) -> None:
    card = personalise(HOLDER, JPEG, generation="2024", pki=pki, randomness=stream("card"))
    com = begin("com_lies", randomness=stream("x")).card(card).files["COM"]
    assert com[-6:] == bytes.fromhex("5c0461756d61")


def test_every_fault_says_what_it_does_and_must_lead_to() -> None:
    for name, case in FAULTS.items():
        assert case.description
        assert isinstance(case.expected, Fault) or case.expected in {"genuine", "may_be_copy"}
        assert issubclass(case.manner, Manner)
        assert name == name.lower()


def test_an_honest_chip_has_the_plain_manner() -> None:
    assert type(begin(None, randomness=stream("x"))) is Manner
    assert make_pki("another") != make_pki()
