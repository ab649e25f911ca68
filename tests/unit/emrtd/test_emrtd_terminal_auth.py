"""Terminal authentication against a card's end that lets openssl check what it is shown."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cvc_issuer import (
    CVCA,
    DV_NAME,
    IS_NAME,
    ROOT,
    ROOT_NAME,
    TERMINAL,
    VERIFIER,
    Holder,
    bsi,
    certificate,
    root,
    terminal,
    verifier,
)
from hypothesis import given
from hypothesis import strategies as st
from issued_documents import BSI, CA_AES_128, PACE_AES_128, dg14, info, number, oid
from openssl_issuer import needs_openssl, openssl, public_key
from reader_material import CardEnd, answering, do

from emrtd import terminal_auth
from emrtd._curves import STANDARDISED
from emrtd._groups import MODULAR
from emrtd.channel import PlainChannel
from emrtd.cvc import TerminalKind, parse_cvc, verify_chain
from emrtd.dialogue import drive
from emrtd.errors import ChannelBroken, ChipLied, ChipMalformed, ChipRefused
from emrtd.evidence import TerminalAuthFacts
from emrtd.key_agreement import compress
from emrtd.keys import SessionKeys
from emrtd.secure_messaging import SecureChannel
from emrtd.terminal_auth import SoftwareSigner, Terminal, parse_cvca

if TYPE_CHECKING:
    from emrtd.apdu import Command

pytestmark = needs_openssl

DAY = date(2026, 6, 1)
KEYS = SessionKeys.derive(b"what chip authentication agreed", key_bytes=16)
IDENTITY, OWN_KEY, CHALLENGE = b"identity of the chip", b"x of our key", bytes(range(8))
PASSED = TerminalAuthFacts("passed", IS_NAME, 3)
FAILED = TerminalAuthFacts("failed", "", 0)


def ef_cvca(*references: str) -> bytes:
    return b"".join(do(0x42, each.encode()) for each in references).ljust(36, b"\0")


def head_and_size(data: bytes, tag_bytes: int) -> int:
    """Return how long the data object is that these bytes begin with."""
    size, at = data[tag_bytes], tag_bytes + 1
    more = size - 0x80 if size > 0x80 else 0
    return at + more + (int.from_bytes(data[at : at + more], "big") if more else size)


@dataclass
class Card:
    """A card that knows one authority, and wants a chain and a signature over its challenge."""

    knows: Holder = ROOT
    cvca: bytes = ef_cvca(ROOT_NAME)
    challenge: bytes = CHALLENGE
    refusing: dict[int, int] = field(default_factory=dict)
    end: CardEnd = field(default_factory=lambda: CardEnd(KEYS.encryption, KEYS.mac))
    asked: list[tuple[str, bytes, int | None]] = field(default_factory=list)
    trusted: bytes = b""
    selected: str = ""
    granted: bool = False
    pending: bytes = b""

    def __post_init__(self) -> None:
        self.holders = {ROOT_NAME: self.knows, DV_NAME: VERIFIER, IS_NAME: TERMINAL}
        self.proven = {ROOT_NAME}

    def __call__(self, command: Command) -> bytes:
        header, data, le = self.end.open(command.to_bytes())
        self.asked.append((header.hex(), data, le))
        if header[1] in self.refusing:
            return self.end.protect(b"", self.refusing[header[1]])
        if header[0] & 0x10:
            self.pending += data
            return self.end.protect(b"")
        data, self.pending = self.pending + data, b""
        match header[1], header[2:4].hex():
            case 0xA4, "020c":
                return self.end.protect(b"", 0x9000 if data == b"\x01\x1c" else 0x6A82)
            case 0xB0, "0000":
                return self.end.protect(self.cvca)
            case 0x22, "81b6" | "81a4":
                self.selected = data[2:].decode()
                assert data[:2] == bytes((0x83, len(data) - 2))
                known = self.selected in self.proven
                return self.end.protect(b"", 0x9000 if known else 0x6A88)
            case 0x2A, "00be":
                return self.end.protect(b"", 0x9000 if self.verified(data) else 0x6300)
            case 0x84, "0000":
                return self.end.protect(self.challenge)
            case 0x82, "0000":
                signed = IDENTITY + self.challenge + OWN_KEY
                self.granted = self.openssl_accepts(self.selected, data, signed)
                return self.end.protect(b"", 0x9000 if self.granted else 0x6300)
        return self.end.protect(b"", 0x6D00)

    def verified(self, data: bytes) -> bool:
        at = head_and_size(data, 2)
        body, rest = data[:at], data[at:]
        assert head_and_size(rest, 2) == len(rest)
        signature = rest[3 if rest[2] < 0x80 else 3 + rest[2] - 0x80 :]
        if not self.openssl_accepts(self.selected, signature, body):
            return False
        name = body.rindex(b"\x5f\x20")
        self.proven.add(body[name + 3 : name + 3 + body[name + 2]].decode())
        return True

    def openssl_accepts(self, name: str, signature: bytes, signed: bytes) -> bool:
        holder = self.holders[name]
        if holder.kind.startswith("rsa"):
            return self.openssl_accepts_rsa(holder, signature, signed)
        half = len(signature) // 2
        r, s = int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big")
        pem = openssl("pkey", "-pubin", "-inform", "DER", "-in", "k", k=public_key(holder.private))
        try:
            openssl(
                "dgst", f"-{holder.md}", "-verify", "k", "-signature", "s", "m",
                k=pem, s=encode_dss_signature(r, s), m=signed,
            )  # fmt: skip
        except AssertionError:
            return False
        return True

    def openssl_accepts_rsa(self, holder: Holder, signature: bytes, signed: bytes) -> bool:
        pem = openssl("pkey", "-pubin", "-inform", "DER", "-in", "k", k=public_key(holder.private))
        pss = ("-sigopt", "rsa_padding_mode:pss") if holder.padding == "pss" else ()
        try:
            openssl(
                "dgst", f"-{holder.md}", "-verify", "k", *pss, "-signature", "s", "m",
                k=pem, s=signature, m=signed,
            )  # fmt: skip
        except AssertionError:
            return False
        return True


def operator(*certificates: Any, signer: Any = TERMINAL, points: Any = None) -> Terminal:
    return Terminal(
        (root(),) if points is None else points, certificates or (terminal(), verifier()), signer
    )


def authenticate(card: Any, who: Terminal, **changed: Any) -> TerminalAuthFacts:
    facts: dict[str, Any] = {"chip_identity": IDENTITY, "own_key": OWN_KEY, "on": DAY} | changed
    channel = SecureChannel(KEYS, PlainChannel(max_commands=64))
    return drive(terminal_auth.authenticate(who, channel, **facts), answering(card))


def test_a_terminal_with_a_chain_is_let_in() -> None:
    card = Card()
    assert authenticate(card, operator()) == PASSED
    assert card.granted


def test_what_is_sent_is_the_standards() -> None:
    card = Card()
    authenticate(card, operator())
    assert [header for header, _, _ in card.asked] == [
        "0ca4020c", "0cb00000", "0c2281b6", "0c2a00be", "0c2281b6", "0c2a00be", "0c2281a4",
        "0c840000", "0c820000",
    ]  # fmt: skip
    data = [each for _, each, _ in card.asked]
    assert data[2] == do(0x83, ROOT_NAME.encode())
    assert data[3] == verifier().body + b"\x5f\x37\x40" + verifier().signature
    assert data[4] == do(0x83, DV_NAME.encode())
    assert data[6] == do(0x83, IS_NAME.encode())
    assert len(data[8]) == 64
    assert [le for _, _, le in card.asked] == [None, 36] + [None] * 5 + [8, None]


@pytest.mark.parametrize("max_data", [1, 16, 223])
def test_long_commands_go_in_a_chain_where_they_must(max_data: int) -> None:
    card = Card()
    channel = SecureChannel(KEYS, PlainChannel(max_commands=4096))
    dialogue = terminal_auth.authenticate(
        operator(), channel, chip_identity=IDENTITY, own_key=OWN_KEY, on=DAY, max_data=max_data
    )
    assert drive(dialogue, answering(card)) == PASSED
    assert all(len(data) <= max(max_data, 2) for _, data, _ in card.asked)
    assert any(header.startswith("1c2a") for header, _, _ in card.asked) == (max_data < 200)


def test_a_link_is_shown_to_a_chip_that_knows_the_older_key() -> None:
    new, name = Holder(at=541), "VNCVCA00002"
    link = parse_cvc(certificate(ROOT, new, car=ROOT_NAME, chr_=name, role=CVCA))
    made = (link, verifier(new, VERIFIER, car=name), terminal())
    card = Card()
    card.holders[name] = new
    assert authenticate(card, operator(*made)) == PASSED
    newer = Card(cvca=ef_cvca(name, ROOT_NAME))
    newer.holders[name] = new
    newer.proven = {name}
    points = (root(), root(new, car=name, chr_=name))
    assert authenticate(newer, operator(*made, points=points)) == PASSED
    assert len(newer.asked) == 9
    older = Card()
    older.holders[name] = new
    assert authenticate(older, operator(*made, points=points)) == PASSED
    assert len(older.asked) == 11


def test_what_ran_out_may_lie_beside_its_successor() -> None:
    old = terminal(expires="260501", chr_="VNIS00000"), verifier(expires="260501")
    for made in ((*old, terminal(), verifier()), (terminal(), verifier(), *old)):
        assert authenticate(Card(), operator(*made)) == PASSED


@pytest.mark.parametrize(
    ("who", "card"),
    [
        (lambda: operator(points=()), Card),
        (lambda: operator(terminal()), Card),  # a gap
        (lambda: operator(verifier()), Card),
        (operator, lambda: Card(cvca=ef_cvca("VNCVCA00009"))),
        (lambda: operator(verifier(), terminal(expires="260501")), Card),
        (lambda: operator(verifier(), terminal(VERIFIER, TERMINAL, kind="3")), Card),
        (lambda: operator(verifier(), terminal(ROOT)), Card),  # signed by another
        (lambda: operator(points=(root(domain=False),)), Card),
    ],
    ids=range(8),
)
def test_without_a_chain_that_holds_nothing_is_shown(who: Any, card: Any) -> None:
    chip = card()
    assert authenticate(chip, who()) == FAILED
    assert len(chip.asked) == 2


@pytest.mark.parametrize("ins", [0xA4, 0xB0, 0x22, 0x2A, 0x84, 0x82])
def test_a_refusal_at_any_step_is_a_fact(ins: int) -> None:
    card = Card(refusing={ins: 0x6982})
    assert authenticate(card, operator()) == FAILED
    assert card.asked[-1][0][2:4] == f"{ins:02x}"
    assert not card.granted


def test_a_chip_that_knows_another_key_by_that_name_refuses() -> None:
    assert authenticate(Card(knows=Holder(at=561)), operator()) == FAILED


def test_the_signature_is_over_this_chip_this_session_and_this_challenge() -> None:
    for changed in ({"chip_identity": b"another"}, {"own_key": b"another"}):
        card = Card()
        assert authenticate(card, operator(), **changed) == FAILED
        assert card.asked[-1][0] == "0c820000"


def pkcs8(holder: Holder) -> bytes:
    return openssl(
        "pkcs8", "-topk8", "-nocrypt", "-outform", "DER", "-in", "k", k=holder.private
    )  # fmt: skip


SIGNERS = [
    *(Holder(f"ec:{curve}", md, at=520)
      for curve, md in (("brainpoolP256r1", "sha224"), ("prime256v1", "sha256"),
                        ("brainpoolP384r1", "sha384"), ("secp521r1", "sha512"))),
    *(Holder("rsa:2048", md, padding, at=521)
      for md in ("sha256", "sha512") for padding in ("pkcs1", "pss")),
]  # fmt: skip


@pytest.mark.parametrize("holder", SIGNERS, ids=lambda each: f"{each.kind} {each.md}")
def test_a_signer_in_memory_signs_as_its_certificate_says(holder: Holder) -> None:
    signer = SoftwareSigner(pkcs8(holder), signs=terminal(VERIFIER, holder).key)
    card = Card()
    card.holders["x"] = holder
    for data in (b"", b"chip, challenge and key", bytes(300)):
        signature = signer.sign(data)
        assert card.openssl_accepts("x", signature, data)
        assert not card.openssl_accepts("x", signature, data + b"\0")


def test_a_terminal_whose_key_is_in_memory_is_let_in() -> None:
    signer = SoftwareSigner(pkcs8(TERMINAL), signs=terminal().key)
    assert authenticate(Card(), operator(signer=signer)) == PASSED


def test_a_chain_of_rsa_is_let_in_whatever_a_command_carries() -> None:
    kinds = [Holder("rsa:2048", padding=each, at=at) for each, at in
             (("pkcs1", 530), ("pss", 531), ("pkcs1", 532))]  # fmt: skip
    made = verifier(*kinds[:2]), terminal(*kinds[1:])
    for max_data in (223, 65_535):
        card = Card(knows=kinds[0])
        card.holders |= {DV_NAME: kinds[1], IS_NAME: kinds[2]}
        signer = SoftwareSigner(pkcs8(kinds[2]), signs=made[1].key)
        who = Terminal((root(kinds[0]),), made, signer)
        assert authenticate(card, who, max_data=max_data) == PASSED
        assert max(len(data) for _, data, _ in card.asked) <= max_data


@pytest.mark.parametrize(
    ("raw", "signs"),
    [
        (lambda: b"", lambda: terminal().key),
        (lambda: pkcs8(TERMINAL)[:-1], lambda: terminal().key),
        (lambda: pkcs8(SIGNERS[-1]), lambda: terminal().key),
        (lambda: pkcs8(TERMINAL), lambda: terminal(VERIFIER, SIGNERS[-1]).key),
        (lambda: pkcs8(TERMINAL), lambda: terminal(VERIFIER, Holder(md="sha1")).key),
        (lambda: openssl("pkcs8", "-topk8", "-passout", "pass:x", "-outform", "DER", "-in", "k",
                         k=TERMINAL.private), lambda: terminal().key),
    ],
    ids=range(6),
)  # fmt: skip
def test_what_is_no_key_of_a_terminal_signs_nothing(raw: Any, signs: Any) -> None:
    with pytest.raises(ValueError, match="not a") as caught:
        SoftwareSigner(raw(), signs=signs())
    assert caught.value.__cause__ is None


class Replaying:
    """A signer that gives what it once signed."""

    def sign(self, data: bytes) -> bytes:
        return TERMINAL.sign(data[:-1])


@pytest.mark.parametrize("signer", [VERIFIER, Replaying()])
def test_a_signer_without_the_key_is_the_operators_mistake(signer: Any) -> None:
    card = Card()
    with pytest.raises(ValueError, match="terminal's key"):
        authenticate(card, operator(signer=signer))
    assert card.asked[-1][0] == "0c840000"


@pytest.mark.parametrize("challenge", [b"\1", bytes(7), bytes(9), bytes(16)])
def test_a_challenge_of_another_length_is_none(challenge: bytes) -> None:
    with pytest.raises(ChipMalformed, match="GET CHALLENGE"):
        authenticate(Card(challenge=challenge), operator())


def test_another_file_may_tell_the_references() -> None:
    assert authenticate(Card(), operator(), file=0x011D) == FAILED


def test_a_broken_channel_is_no_refusal() -> None:
    with pytest.raises(ChannelBroken):
        authenticate(lambda _: b"\x69\x88", operator())


def test_a_refusal_names_the_step() -> None:
    channel = SecureChannel(KEYS, PlainChannel(max_commands=64))
    made = verify_chain((verifier(), terminal()), root(), on=DAY)
    card = Card(refusing={0x2A: 0x6300})
    with pytest.raises(ChipRefused, match="PSO Verify certificate domestic_verifier"):
        drive(
            terminal_auth.run(made, TERMINAL, channel, chip_identity=b"", own_key=b""),
            answering(card),
        )


# --- what DG14 announces


TA = oid(BSI + "02")


@pytest.mark.parametrize(
    ("infos", "file"),
    [
        ((info(TA, number(1)),), 0x011C),
        ((CA_AES_128, info(TA, number(1), info(do(4, b"\x01\x1a"), do(4, b"\x1a")))), 0x011A),
        ((info(TA, number(1), info(do(4, b"\x01\x1b"))),), 0x011B),
        ((info(TA, number(2)), CA_AES_128), None),
        ((CA_AES_128, PACE_AES_128), None),
        ((info(TA, number(2)), info(TA, number(1))), 0x011C),
    ],
)
def test_a_chip_announces_where_its_references_are(
    infos: tuple[bytes, ...], file: int | None
) -> None:
    assert terminal_auth.announced(dg14(*infos)) == file


@pytest.mark.parametrize(
    "raw",
    [
        b"", dg14() + b"\0", do(0x6E, b""), dg14(info(TA, number(1), number(1))),
        dg14(info(TA, number(1), info(do(4, b"\x01")))),
        dg14(info(TA, number(1), info(do(2, b"\x01\x1c")))), dg14(info(TA, do(4, b"\1"))),
    ],
)  # fmt: skip
def test_what_announces_nothing_that_can_be_read(raw: bytes) -> None:
    with pytest.raises(ChipMalformed):
        terminal_auth.announced(raw)


# --- EF.CVCA


def test_one_or_two_references() -> None:
    assert parse_cvca(ef_cvca(ROOT_NAME)) == (ROOT_NAME,)
    assert parse_cvca(ef_cvca("DECVCAeID00102", "DECVCAeID00103")) == (
        "DECVCAeID00102", "DECVCAeID00103",
    )  # fmt: skip
    assert parse_cvca(do(0x42, ROOT_NAME.encode())) == (ROOT_NAME,)


@pytest.mark.parametrize(
    "raw",
    [
        b"", bytes(36), ef_cvca(ROOT_NAME) + b"\0", ef_cvca(ROOT_NAME)[:-1] + b"\1",
        ef_cvca("VN000001", "VN000002", "VN000003"), do(0x43, ROOT_NAME.encode()),
        b"\x42\x0bVNCVCA0000", do(0x42, b""), do(0x42, b"lower00001"),
        b"\x42\x84\xff\xff\xff\xff", bytes(4) + do(0x42, ROOT_NAME.encode()),
    ],
)  # fmt: skip
def test_what_is_no_ef_cvca(raw: bytes) -> None:
    with pytest.raises(ChipMalformed):
        parse_cvca(raw)


@given(st.binary(max_size=40))
def test_any_bytes_are_references_or_none(raw: bytes) -> None:
    for each in (raw, do(0x42, raw)):
        try:
            found = parse_cvca(each)
        except ChipMalformed:
            continue
        assert 1 <= len(found) <= 2


# --- what BSI worked out


@pytest.mark.testdata
@pytest.mark.parametrize("name", ["bsi_eac2_ecdh", "bsi_eac2_dh"])
def test_bsis_terminal_signed_what_we_would_sign(name: str) -> None:
    """Its second version signs the same three parts, the chip's fresh key of PACE first."""
    fields = bsi(name)
    point, dv, made = (
        parse_cvc(fields[each])
        for each in ("cvca" if name.endswith("_dh") else "cvca_cert", "dv_cert", "ta_cert")
    )
    found = verify_chain(
        (dv, made), dataclasses.replace(point, kind=TerminalKind.AUTHENTICATION),
        on=dv.effective, kind=TerminalKind.AUTHENTICATION, allow_sha1=True,
    )  # fmt: skip
    group: Any = MODULAR[0] if name.endswith("_dh") else STANDARDISED[13]
    identity = compress(group, group.decode(fields["picc_pub_key"]))
    own = compress(group, group.decode(fields["ca_pcd_pub_key"]))
    found.check(fields["ta_pcd_signature"], identity + fields["ta_nonce"] + own)
    with pytest.raises(ChipLied):
        found.check(fields["ta_pcd_signature"], identity + bytes(8) + own)


def test_a_signer_is_not_printed() -> None:
    assert "signer" not in repr(operator())
