"""Fingers are read by a terminal with a chain, rights and the chip's own time, and by no other."""

from __future__ import annotations

import dataclasses
import hashlib
import shutil
import subprocess
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key
from sim_material import (
    AT,
    HOLDER,
    JPEG,
    SINCE,
    UNTIL,
    Terminal,
    opened,
    stream,
    terminal_of,
    vector,
)

from emrtd.apdu import Response
from emrtd.dialogue import drive
from emrtd.evidence import Evidence, TerminalAuthFacts
from emrtd.files import ReadPlan
from emrtd.inspect import inspect
from emrtd.keys import CAN, MRZKey
from emrtd.sim import CardImage, Chip, TestPKI, personalise
from emrtd.sim._cms import Identity, pkcs8
from emrtd.sim._cvc import (
    CVCA,
    DV_DOMESTIC,
    DV_FOREIGN,
    READS_FINGERS,
    READS_IRIS,
    CVCertificate,
    issue,
    sign_plain,
)
from emrtd.sim.personalise import PACEOffer

if TYPE_CHECKING:
    from pathlib import Path

EXAMPLE = vector("9303-11/pace_gm_ecdh_card_side.json")
APPLICATION = bytes.fromhex("A0000002471001")
READER = ec.derive_private_key(20_260_601, ec.BrainpoolP256R1())
POINT = READER.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
CHIP_NAME = bytes.fromhex(EXAMPLE["eph_ic_pub"])[:32]
CHALLENGE = "0102030405060708"
BOTH = READS_FINGERS | READS_IRIS


@pytest.fixture(scope="session")
def fingers_card(pki: TestPKI) -> CardImage:
    card = personalise(
        HOLDER, JPEG, generation="2021", pki=pki, randomness=stream("card"),
        fingers={2: JPEG, 7: JPEG},
    )  # fmt: skip
    return dataclasses.replace(card, mrz_information=EXAMPLE["mrz_info"])


def after_chip_authentication(card: CardImage, *draws: str, fault: str | None = None) -> Terminal:
    terminal = opened(card, *draws, fault=fault)
    assert terminal.ask(0xA4, 4, 0x0C, APPLICATION) == (b"", 0x9000)
    chosen = bytes.fromhex("800A04007F00070202030202")
    assert terminal.ask(0x22, 0x41, 0xA4, chosen) == (b"", 0x9000)
    assert terminal.ask(0x86, 0, 0, b"\x7c\x43\x80\x41" + POINT, 256) == (b"\x7c\x00", 0x9000)
    announced = card.files["DG14"]
    at = announced.index(bytes.fromhex("305A301406072A8648CE3D0201"))
    public = load_der_public_key(announced[at : at + 2 + announced[at + 1]])
    assert isinstance(public, ec.EllipticCurvePublicKey)
    secret = READER.exchange(ec.ECDH(), public)
    keys = [hashlib.sha1(secret + bytes((0, 0, 0, n))).digest()[:16] for n in (1, 2)]  # noqa: S324 - the standard's
    terminal.encrypting, terminal.authenticating = keys
    terminal.counter = 0
    return terminal


def named(certificate: bytes) -> tuple[bytes, bytes]:
    """Return the objects that name issuer and holder."""
    read = CVCertificate.from_bytes(certificate)
    return tuple(b"\x83" + bytes((len(each),)) + each for each in (read.issuer, read.holder))


def inner(certificate: bytes) -> bytes:
    """Return body and signature without the outer object."""
    return certificate[certificate.index(b"\x7f\x4e") :]


def present(terminal: Terminal, certificate: bytes) -> tuple[int, int]:
    issuer, _ = named(certificate)
    chosen = terminal.ask(0x22, 0x81, 0xB6, issuer)[1]
    return chosen, terminal.ask(0x2A, 0x00, 0xBE, inner(certificate))[1]


def prove(terminal: Terminal, identity: Identity, *, chip: bytes = CHIP_NAME) -> int:
    _, holder = named(identity.certificate)
    assert terminal.ask(0x22, 0x81, 0xA4, holder)[1] == 0x9000
    challenge, status = terminal.ask(0x84, 0, 0, le=8)
    assert (challenge.hex(), status) == (CHALLENGE, 0x9000)
    message = chip + challenge + POINT[1:33]
    return terminal.ask(0x82, 0, 0, sign_plain(identity.private_key(), message))[1]


def fingers(terminal: Terminal) -> int:
    return terminal.ask(0xA4, 2, 0x0C, bytes.fromhex("0103"))[1]


def identity(
    issuer: Identity, holder: str, authorisation: int, *, number: int,
    since: date = date(2021, 1, 1), until: date = date(2030, 1, 1),
) -> Identity:  # fmt: skip
    key = ec.derive_private_key(number, ec.BrainpoolP256R1())
    certificate = issue(
        issuer=CVCertificate.from_bytes(issuer.certificate).holder.decode(), holder=holder, key=key,
        issuer_key=issuer.private_key(), authorisation=authorisation, since=since, until=until,
    )  # fmt: skip
    return Identity(certificate, pkcs8(key))


def test_a_terminal_with_its_chain_reads_fingers(fingers_card: CardImage, pki: TestPKI) -> None:
    terminal = after_chip_authentication(fingers_card, CHALLENGE)
    assert fingers(terminal) == 0x6982
    for each in (pki.verifier, pki.terminal):
        assert present(terminal, each.certificate) == (0x9000, 0x9000)
    assert fingers(terminal) == 0x6982
    assert prove(terminal, pki.terminal) == 0x9000
    assert fingers(terminal) == 0x9000
    data, status = terminal.ask(0xB0, 0, 0, le=65536)
    assert (data, status) == (fingers_card.files["DG3"], 0x9000)
    assert terminal.ask(0xA4, 2, 0x0C, bytes.fromhex("011C"))[1] == 0x9000
    data, _ = terminal.ask(0xB0, 0, 0, le=256)
    assert data == (b"\x42\x0f" + b"VNTRAMTEST00001").ljust(36, b"\0")


def test_rights_end_with_the_session(fingers_card: CardImage, pki: TestPKI) -> None:
    terminal = after_chip_authentication(fingers_card, CHALLENGE)
    for each in (pki.verifier, pki.terminal):
        present(terminal, each.certificate)
    prove(terminal, pki.terminal)
    assert fingers(terminal) == 0x9000
    terminal.chip.reset()
    assert terminal.chip.answer(bytes.fromhex("00A4020C020103")).hex() == "6982"
    assert terminal.chip._proofs.rights == 0


def test_nothing_of_it_works_before_chip_authentication(
    fingers_card: CardImage, pki: TestPKI
) -> None:
    terminal = opened(fingers_card)
    assert present(terminal, pki.verifier.certificate) == (0x6985, 0x6985)
    _, holder = named(pki.terminal.certificate)
    assert terminal.ask(0x22, 0x81, 0xA4, holder) == (b"", 0x6985)
    assert terminal.ask(0x84, 0, 0, le=8) == (b"", 0x6985)
    assert terminal.ask(0x82, 0, 0, bytes(64)) == (b"", 0x6985)


def test_a_card_without_fingers_does_not_know_the_instructions(
    example_card: CardImage, pki: TestPKI
) -> None:
    terminal = opened(example_card)
    assert present(terminal, pki.verifier.certificate) == (0x6D00, 0x6D00)


@pytest.mark.parametrize("chip", [bytes(32), CHIP_NAME[:-1], b""])
def test_a_proof_for_another_chip_is_none(
    fingers_card: CardImage, pki: TestPKI, chip: bytes
) -> None:
    terminal = after_chip_authentication(fingers_card, CHALLENGE)
    for each in (pki.verifier, pki.terminal):
        present(terminal, each.certificate)
    assert prove(terminal, pki.terminal, chip=chip) == 0x6300
    assert fingers(terminal) == 0x6982
    # The challenge is spent.
    assert terminal.ask(0x82, 0, 0, bytes(64))[1] == 0x6985


def test_a_chain_begins_at_a_trust_point(fingers_card: CardImage, pki: TestPKI) -> None:
    terminal = after_chip_authentication(fingers_card, CHALLENGE)
    assert present(terminal, pki.terminal.certificate) == (0x6A88, 0x6985)
    stranger = identity(pki.cvca, "VNSTRANGE00001", DV_DOMESTIC | BOTH, number=5)
    assert present(terminal, stranger.certificate) == (0x9000, 0x9000)
    forged = issue(
        issuer="VNTRAMTEST00001", holder="VNFORGED00001", key=stranger.private_key(),
        issuer_key=stranger.private_key(), authorisation=DV_DOMESTIC | BOTH,
        since=date(2021, 1, 1), until=date(2030, 1, 1),
    )  # fmt: skip
    assert present(terminal, forged) == (0x9000, 0x6300)


def test_a_certificate_names_the_key_that_signed_it(fingers_card: CardImage, pki: TestPKI) -> None:
    key = ec.derive_private_key(5, ec.BrainpoolP256R1())
    made = issue(
        issuer="VNANOTHER00001", holder="VNDV00009", key=key,
        issuer_key=pki.cvca.private_key(), authorisation=DV_DOMESTIC | BOTH,
        since=date(2021, 1, 1), until=date(2030, 1, 1),
    )  # fmt: skip
    terminal = after_chip_authentication(fingers_card)
    assert terminal.ask(0x22, 0x81, 0xB6, b"\x83\x0fVNTRAMTEST00001")[1] == 0x9000
    assert terminal.ask(0x2A, 0x00, 0xBE, inner(made))[1] == 0x6300


def test_a_terminal_issues_nothing_and_a_verifier_only_terminals(
    fingers_card: CardImage, pki: TestPKI
) -> None:
    terminal = after_chip_authentication(fingers_card)
    for each in (pki.verifier, pki.terminal):
        present(terminal, each.certificate)
    sub_verifier = identity(pki.verifier, "VNSUB00001", DV_DOMESTIC | BOTH, number=6)
    assert present(terminal, sub_verifier.certificate) == (0x9000, 0x6300)
    below = identity(pki.terminal, "VNBELOW00001", BOTH, number=7)
    assert present(terminal, below.certificate) == (0x9000, 0x6300)
    short_cut = identity(pki.cvca, "VNSHORT00001", BOTH, number=8)
    assert present(terminal, short_cut.certificate) == (0x9000, 0x6300)


@pytest.mark.parametrize(
    ("verifier_rights", "terminal_rights", "status"),
    [
        (BOTH, READS_FINGERS, 0x9000),
        (BOTH, READS_IRIS, 0x6982),
        (READS_IRIS, BOTH, 0x6982),
        (0, BOTH, 0x6982),
    ],
)
def test_rights_are_what_the_whole_chain_has(
    fingers_card: CardImage, pki: TestPKI, verifier_rights: int, terminal_rights: int, status: int
) -> None:
    verifier = identity(pki.cvca, "VNDV00002", DV_DOMESTIC | verifier_rights, number=9)
    own = identity(verifier, "VNIS00002", terminal_rights, number=10)
    terminal = after_chip_authentication(fingers_card, CHALLENGE)
    for each in (verifier, own):
        assert present(terminal, each.certificate) == (0x9000, 0x9000)
    assert prove(terminal, own) == 0x9000
    assert fingers(terminal) == status


def test_a_certificate_that_is_over_is_refused_and_time_advances(
    fingers_card: CardImage, pki: TestPKI
) -> None:
    over = identity(pki.cvca, "VNOVER00001", DV_DOMESTIC | BOTH, number=11, until=date(2021, 5, 31))
    soon = identity(pki.cvca, "VNSOON00001", DV_DOMESTIC | BOTH, number=12, until=date(2022, 1, 1))
    later = identity(
        pki.cvca, "VNLATER00001", DV_DOMESTIC | BOTH, number=13, since=date(2022, 1, 2)
    )
    terminal = after_chip_authentication(fingers_card)
    # The card was issued on 1 June 2021, and that is its first today.
    assert present(terminal, over.certificate) == (0x9000, 0x6300)
    assert present(terminal, soon.certificate) == (0x9000, 0x9000)
    assert present(terminal, later.certificate) == (0x9000, 0x9000)
    assert present(terminal, soon.certificate) == (0x9000, 0x6300)
    terminal.chip.reset()
    assert terminal.chip._proofs._points.today == date(2022, 1, 2)


def test_a_foreign_verifier_does_not_set_the_clock(fingers_card: CardImage, pki: TestPKI) -> None:
    foreign = identity(
        pki.cvca, "DEVERIFY00001", DV_FOREIGN | BOTH, number=14, since=date(2025, 1, 1)
    )
    own = identity(foreign, "DETERM00001", BOTH, number=15, since=date(2025, 1, 1))
    terminal = after_chip_authentication(fingers_card, CHALLENGE)
    for each in (foreign, own):
        assert present(terminal, each.certificate) == (0x9000, 0x9000)
    assert terminal.chip._proofs._points.today == HOLDER.issued
    assert prove(terminal, own) == 0x9000
    assert fingers(terminal) == 0x9000


def test_a_link_certificate_makes_a_new_trust_point(fingers_card: CardImage, pki: TestPKI) -> None:
    # Links are taken even when they are over: they only lead on.
    link = identity(
        pki.cvca, "VNTRAMTEST00002", CVCA | BOTH, number=16, since=date(2020, 6, 1),
        until=date(2020, 12, 31),
    )  # fmt: skip
    verifier = identity(link, "VNDV00003", DV_DOMESTIC | BOTH, number=17)
    terminal = after_chip_authentication(fingers_card)
    assert present(terminal, verifier.certificate)[0] == 0x6A88
    assert present(terminal, link.certificate) == (0x9000, 0x9000)
    assert present(terminal, verifier.certificate) == (0x9000, 0x9000)


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ((0x22, 0x81, 0xB6, bytes.fromhex("8401AA")), 0x6A80),
        ((0x2A, 0x00, 0xAE, b"\x7f\x4e\x00"), 0x6A86),
        ((0x22, 0x81, 0xA4, bytes.fromhex("800A04007F00070202020103830141")), 0x6A80),
        ((0x22, 0x81, 0xA4, bytes.fromhex("830141")), 0x6A88),
        ((0x84, 0, 0, b"", 8), 0x6985),
    ],
)
def test_senseless_commands_are_refused(
    fingers_card: CardImage, command: tuple, status: int
) -> None:
    assert after_chip_authentication(fingers_card).ask(*command) == (b"", status)


@pytest.mark.parametrize(
    ("fault", "challenge", "status"),
    [("terminal_refused", CHALLENGE, 0x6300), ("terminal_short_challenge", CHALLENGE[:8], None)],
)
def test_faults_of_the_terminals_proof_are_as_described(
    fingers_card: CardImage, pki: TestPKI, fault: str, challenge: str, status: int | None
) -> None:
    terminal = after_chip_authentication(fingers_card, CHALLENGE, fault=fault)
    for each in (pki.verifier, pki.terminal):
        present(terminal, each.certificate)
    _, holder = named(pki.terminal.certificate)
    terminal.ask(0x22, 0x81, 0xA4, holder)
    assert terminal.ask(0x84, 0, 0, le=8) == (bytes.fromhex(challenge), 0x9000)
    if status:
        assert terminal.ask(0x82, 0, 0, bytes(64)) == (b"", status)
        assert fingers(terminal) == 0x6982


def test_a_certificate_may_come_in_parts(fingers_card: CardImage, pki: TestPKI) -> None:
    terminal = after_chip_authentication(fingers_card)
    issuer, _ = named(pki.verifier.certificate)
    assert terminal.ask(0x22, 0x81, 0xB6, issuer)[1] == 0x9000
    whole = inner(pki.verifier.certificate)
    parts = [whole[at : at + 100] for at in range(0, len(whole), 100)]
    for number, part in enumerate(parts, 1):
        cla = 0x0C if number == len(parts) else 0x1C
        asked = terminal.protect(0x2A, 0x00, 0xBE, part, cla=cla)
        assert terminal.open(terminal.chip.answer(asked)) == (b"", 0x9000)
    statuses = []
    for _ in range(5):
        asked = terminal.protect(0x2A, 0x00, 0xBE, bytes(900), cla=0x1C)
        statuses.append(terminal.open(terminal.chip.answer(asked))[1])
    assert statuses == [0x9000] * 4 + [0x6700]


def test_a_signer_is_taken_once_and_garbage_is_no_certificate(
    fingers_card: CardImage, pki: TestPKI
) -> None:
    terminal = after_chip_authentication(fingers_card)
    issuer, _ = named(pki.verifier.certificate)
    terminal.ask(0x22, 0x81, 0xB6, issuer)
    assert terminal.ask(0x2A, 0x00, 0xBE, b"\x7f\x4e\x00")[1] == 0x6A80
    assert terminal.ask(0x2A, 0x00, 0xBE, inner(pki.verifier.certificate))[1] == 0x6985


@pytest.mark.skipif(not shutil.which("cvc-create"), reason="openpace's cvc-create is not installed")
def test_a_chain_made_by_openpace_opens_the_fingers(
    fingers_card: CardImage, pki: TestPKI, tmp_path: Path
) -> None:
    keys = {
        name: ec.derive_private_key(number, ec.BrainpoolP256R1())
        for name, number in (("dv", 21), ("is", 22))
    }
    (tmp_path / "cvca.key").write_bytes(pki.cvca.key)
    (tmp_path / "cvca").write_bytes(pki.cvca.certificate)
    for name, key in keys.items():
        (tmp_path / f"{name}.key").write_bytes(pkcs8(key))
    for name, signer, role in (("dv", "cvca", "dv_domestic"), ("is", "dv", "terminal")):
        command = [
            "cvc-create", f"--role={role}", "--type=is", f"--chr=VNOPEN{name.upper()}00001",
            "--issued=220101", "--expires=300101", f"--sign-with={signer}.key",
            f"--sign-as={signer}", f"--key={name}.key", "--scheme=ECDSA_SHA_256", "--read-finger",
            f"--out-cert={name}",
        ]  # fmt: skip
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    terminal = after_chip_authentication(fingers_card, CHALLENGE)
    for name in keys:
        certificate = (tmp_path / name).read_bytes()
        assert certificate[:2] == b"\x7f\x21"
        issuer, _ = named(certificate)
        assert terminal.ask(0x22, 0x81, 0xB6, issuer)[1] == 0x9000
        assert terminal.ask(0x2A, 0x00, 0xBE, inner(certificate))[1] == 0x9000
    own = Identity((tmp_path / "is").read_bytes(), pkcs8(keys["is"]))
    assert prove(terminal, own) == 0x9000
    assert fingers(terminal) == 0x9000


# --- the library's reader shows its terminal


def read_with_a_terminal(
    card: CardImage,
    issuer: TestPKI,
    *,
    plan: ReadPlan = ReadPlan(),  # noqa: B008 - frozen
) -> Evidence:
    chip = Chip(card, randomness=stream("chip"))
    passport = card.generation == "passport"
    zone = card.files["DG1"][5:].decode("ascii")
    dialogue = inspect(
        MRZKey.from_mrz(zone) if passport else CAN(HOLDER.number[-6:]),
        wanted=frozenset({"DG1", "DG3"}), randomness=stream("reader"), aa_nonce=bytes(range(8)),
        plan=plan, terminal=terminal_of(issuer), on=AT.date(),
    )  # fmt: skip
    return drive(
        dialogue, lambda command: Response.from_bytes(chip.answer(command.to_bytes()))
    ).evidence


def issued(issuer: TestPKI, way: PACEOffer | None, **options: Any) -> CardImage:
    """Return a card with fingers, opened by a way of PACE, or None by its zone alone."""
    opens: dict[str, Any] = {"pace": (way,)} if way else {"access": frozenset({"bac"})}
    return personalise(
        HOLDER, JPEG, generation="2021" if way else "passport", pki=issuer,
        randomness=stream("card"), fingers={2: JPEG, 7: JPEG}, **opens, **options,
    )  # fmt: skip


PLAIN = PACEOffer("gm", "brainpoolP256r1", "AES-128")
AGREEMENTS = [("P-256", "3DES"), ("brainpoolP512r1", "AES-256"), ("modp1024-160", "3DES"),
              ("modp2048-256", "AES-192")]  # fmt: skip


@pytest.mark.parametrize("way", [None, PLAIN], ids=["bac", "pace"])
@pytest.mark.parametrize(("curve", "cipher"), AGREEMENTS)
def test_the_terminal_signs_the_key_of_any_chip_authentication(
    pki: TestPKI, way: PACEOffer | None, curve: str, cipher: str
) -> None:
    card = issued(pki, way, curve=curve, cipher=cipher)
    evidence = read_with_a_terminal(card, pki)
    assert evidence.terminal_auth == TerminalAuthFacts("passed", "VNTRAMIS00001", BOTH)
    assert evidence.files["DG3"] == card.files["DG3"]
    assert ("BAC" in evidence.access.protocol) == (way is None)


@pytest.mark.parametrize(
    "way",
    [
        PACEOffer("gm", "modp2048-224", "AES-128"), PACEOffer("im", "modp1024-160", "3DES"),
        PACEOffer("im", "brainpoolP384r1", "AES-192"), PACEOffer("gm", "P-521", "AES-256"),
        PACEOffer("cam", "P-256", "AES-128"),
    ],
    ids=str,
)  # fmt: skip
def test_the_terminal_signs_the_chips_last_key_of_any_pace(pki: TestPKI, way: PACEOffer) -> None:
    # The key of the mapping is that of chip authentication, too.
    curve = way.domain if way.mapping == "cam" else "brainpoolP256r1"
    card = issued(pki, way, curve=curve, auth=frozenset({"ca"}))
    evidence = read_with_a_terminal(card, pki)
    assert evidence.terminal_auth == TerminalAuthFacts("passed", "VNTRAMIS00001", BOTH)
    assert evidence.files["DG3"] == card.files["DG3"]


@pytest.mark.parametrize("curve", ["P-224", "brainpoolP384r1", "P-521"])
@pytest.mark.parametrize("plan", [ReadPlan(), ReadPlan(4063, max_data=4063)], ids=["short", "long"])
def test_terminals_sign_on_any_curve(curve: str, plan: ReadPlan) -> None:
    issuer = TestPKI.create(stream(curve), valid_from=SINCE, valid_until=UNTIL, signer_curve=curve)
    evidence = read_with_a_terminal(issued(issuer, PLAIN), issuer, plan=plan)
    assert evidence.terminal_auth == TerminalAuthFacts("passed", "VNTRAMIS00001", BOTH)


def test_a_terminal_without_the_right_is_let_in_and_reads_no_fingers(pki: TestPKI) -> None:
    poor = identity(pki.verifier, "VNTRAMIS00002", READS_IRIS, number=9)
    evidence = read_with_a_terminal(issued(pki, PLAIN), dataclasses.replace(pki, terminal=poor))
    assert evidence.terminal_auth == TerminalAuthFacts("passed", "VNTRAMIS00002", READS_IRIS)
    assert evidence.unreadable == {"DG3": 0x6982}
