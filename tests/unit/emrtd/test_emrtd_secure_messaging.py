"""Secure messaging against a card's end of raw AES, and against cards that tamper with it."""

from __future__ import annotations

import contextlib
import hashlib

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from hypothesis import given
from hypothesis import strategies as st
from openssl_issuer import needs_openssl, openssl
from reader_material import CardEnd, answering, cbc, do, pad, vector

from emrtd._crypto import Cipher as ChipCipher
from emrtd.apdu import Command, Response
from emrtd.channel import PlainChannel
from emrtd.dialogue import drive
from emrtd.errors import ChannelBroken, ChipGone, EMRTDError, Fault
from emrtd.keys import SessionKeys
from emrtd.secure_messaging import MAX_SHORT_DATA, SecureChannel

G1 = vector("9303_11_app_g1_pace_gm_ecdh")
KEYS = SessionKeys(bytes.fromhex(G1["KSenc"]), bytes.fromhex(G1["KSmac"]))
SELECT = Command(0, 0xA4, 2, 0x0C, b"\x01\x1d")
READ = Command(0, 0xB0, 0, 0, le=223)
READ_ODD = Command(0, 0xB1, 0, 0, b"\x54\x03\x00\x80\x00", 223)


class Link:
    """Our channel and the card's end of it; the card gives `reply` to whatever it is asked."""

    def __init__(self, keys: SessionKeys = KEYS) -> None:
        self.card = CardEnd(keys.encryption, keys.mac)
        self.channel = SecureChannel(keys, PlainChannel(max_commands=10_000))
        self.opened: list[tuple[bytes, bytes, int | None]] = []

    def ask(self, command: Command, reply: bytes = b"", sw: int = 0x9000, **how) -> Response:
        def answer(sent: Command) -> bytes:
            self.opened.append(self.card.open(sent.to_bytes()))
            return self.card.protect(reply, sw, **how)

        return drive(self.channel.exchange(command), answering(answer))

    def broken(self, command: Command, answer) -> None:
        """Assert that an answer made from the card's end breaks the channel, for good."""

        def answering_(sent: Command) -> bytes:
            self.card.open(sent.to_bytes())
            return answer(self.card)

        with pytest.raises(ChannelBroken):
            drive(self.channel.exchange(command), answering(answering_))
        assert not self.channel.alive
        with pytest.raises(ChannelBroken, match="closed"):
            drive(self.channel.exchange(command), lambda _: pytest.fail("sent"))


COMMANDS = st.builds(
    Command, st.just(0), st.sampled_from([0xA4, 0xB0, 0xB1, 0x22, 0x86, 0x88]), st.integers(0, 255),
    st.integers(0, 255), st.binary(max_size=300),
    st.one_of(st.none(), st.integers(1, 65_536)),
)  # fmt: skip


@given(st.lists(st.tuples(COMMANDS, st.binary(max_size=600), st.integers(0, 0xFFFF)), max_size=5))
def test_what_is_asked_arrives_and_what_is_answered_comes_back(exchanges) -> None:
    link = Link()
    for command, reply, sw in exchanges:
        if sw >> 8 == 0x61:  # is never a final status
            continue
        assert link.ask(command, reply, sw) == Response(reply, sw)
        header, data, le = link.opened[-1]
        assert header == bytes((0x0C, command.ins, command.p1, command.p2))
        assert (data, le) == (command.data, command.le)


@pytest.mark.parametrize("key_bytes", [16, 24, 32])
def test_every_aes_key_length(key_bytes: int) -> None:
    link = Link(SessionKeys.derive(b"seed", key_bytes=key_bytes))
    assert link.ask(READ, b"answer").data == b"answer"


@needs_openssl
def test_the_first_command_is_what_openssl_makes_of_it() -> None:
    """CBC under the encrypted counter, and a CMAC over counter, header and object."""
    seen: list[Command] = []
    with pytest.raises(ChannelBroken):
        drive(Link().channel.exchange(SELECT), answering(lambda _: b"\x90\x00", seen))
    counter = (1).to_bytes(16, "big")
    enc, mac = G1["KSenc"], G1["KSmac"]
    block = openssl("enc", "-aes-128-ecb", "-nopad", "-K", enc, "-in", "m", m=counter)
    secret = openssl(
        "enc", "-aes-128-cbc", "-nopad", "-K", enc, "-iv", block.hex(), "-in", "m",
        m=b"\x01\x1d\x80" + bytes(13),
    )  # fmt: skip
    cryptogram = bytes.fromhex("871101") + secret
    signed = counter + bytes.fromhex("0CA4020C80") + bytes(11) + cryptogram + b"\x80" + bytes(12)
    checksum = openssl(
        "mac", "-cipher", "AES-128-CBC", "-macopt", f"hexkey:{mac}", "-binary", "-in", "m", "CMAC",
        m=signed,
    )  # fmt: skip
    assert seen[0].to_bytes() == (
        bytes.fromhex("0CA4020C1D") + cryptogram + b"\x8e\x08" + checksum[:8] + b"\0"
    )


def test_the_structure_is_that_of_icaos_worked_commands() -> None:
    """Appendix D runs 3DES: the objects, their order and their padding are the same."""
    for step in vector("9303_11_app_d_keys")["D4_secure_messaging"]:
        theirs = Command.from_bytes(bytes.fromhex(step["protected"]))
        plain = Command.from_bytes(bytes.fromhex(step["plain"]))
        seen: list[Command] = []
        with pytest.raises(ChannelBroken):
            drive(Link().channel.exchange(plain), answering(lambda _: b"\x90\x00", seen))
        ours = seen[0]
        assert (ours.cla, ours.ins, ours.p1, ours.p2) == (
            theirs.cla, theirs.ins, theirs.p1, theirs.p2,
        )  # fmt: skip
        assert [raw[0] for raw in objects(ours.data)] == [raw[0] for raw in objects(theirs.data)]
        assert [o for o in objects(ours.data) if o[0] == 0x97] == [
            o for o in objects(theirs.data) if o[0] == 0x97
        ]


def objects(data: bytes) -> list[bytes]:
    found, at = [], 0
    while at < len(data):
        size = 2 + data[at + 1]
        found.append(data[at : at + size])
        at += size
    return found


def test_the_longest_short_answer_fits_and_one_byte_more_does_not() -> None:
    assert len(CardEnd(KEYS.encryption, KEYS.mac).protect(bytes(MAX_SHORT_DATA))) <= 258
    assert len(CardEnd(KEYS.encryption, KEYS.mac).protect(bytes(MAX_SHORT_DATA + 1))) > 258


def test_extended_lengths_are_used_where_a_length_needs_them() -> None:
    for command, le in ((READ, 256), (Command(0, 0xB0, 0, 0, le=257), 65_536),
                        (Command(0, 0x88, 0, 0, bytes(8), 65_536), 65_536),
                        (Command(0, 0x22, 0, 0, bytes(255)), 65_536)):  # fmt: skip
        seen: list[Command] = []
        with pytest.raises(ChannelBroken):
            drive(Link().channel.exchange(command), answering(lambda _: b"\x90\x00", seen))
        assert seen[0].le == le


def test_a_counter_goes_up_twice_an_exchange() -> None:
    link = Link()
    for _ in range(300):
        assert link.ask(READ, b"x").data == b"x"
    assert link.card.counter == 600


@pytest.mark.parametrize("command", [SELECT, READ, READ_ODD])
@pytest.mark.parametrize("reply", [b"", b"fifteen bytes ->", b"sixteen bytes ->"])
def test_a_response_changed_in_any_byte_breaks_the_channel(command: Command, reply: bytes) -> None:
    size = len(CardEnd(KEYS.encryption, KEYS.mac).protect(reply))
    for at in range(size):

        def flipped(card: CardEnd, at: int = at) -> bytes:
            raw = bytearray(card.protect(reply))
            raw[at] ^= 1
            return bytes(raw)

        Link().broken(command, flipped)


def test_a_response_cut_short_anywhere_breaks_the_channel() -> None:
    for end in range(len(CardEnd(KEYS.encryption, KEYS.mac).protect(b"reply")) - 2):
        Link().broken(READ, lambda card, end=end: card.protect(b"reply")[:end] + b"\x90\x00")


@pytest.mark.parametrize("answer", ["9000", "6300", "6982", "6988", "0102039000", "990290009000"])
def test_a_plain_answer_is_none_whatever_its_status(answer: str) -> None:
    Link().broken(READ, lambda _: bytes.fromhex(answer))


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        ("6988", Fault.SESSION_LOST),
        ("6987", Fault.SESSION_LOST),
        ("6F00", Fault.SESSION_LOST),
        ("6400", Fault.SESSION_LOST),
        # Success, a warning or data in the clear is not how a chip ends a session.
        ("9000", Fault.CHANNEL_BROKEN),
        ("6282", Fault.CHANNEL_BROKEN),
        ("63CF", Fault.CHANNEL_BROKEN),
        ("9001", Fault.CHANNEL_BROKEN),
        ("006988", Fault.CHANNEL_BROKEN),
        ("990269886988", Fault.CHANNEL_BROKEN),
    ],
)
def test_only_a_bare_error_is_a_session_that_the_chip_ended(answer: str, fault: Fault) -> None:
    with pytest.raises(ChannelBroken) as caught:
        drive(Link().channel.exchange(READ), answering(lambda _: bytes.fromhex(answer)))
    assert caught.value.fault is fault


def test_a_response_is_good_once_and_in_its_turn() -> None:
    link, kept = Link(), []

    def keep(card: CardEnd) -> bytes:
        kept.append(card.protect(b"first"))
        return kept[0]

    sent = link.channel.exchange(READ)
    link.card.open(next(sent).to_bytes())
    with pytest.raises(StopIteration) as stop:
        sent.send(Response.from_bytes(keep(link.card)))
    assert stop.value.value.data == b"first"
    link.broken(READ, lambda _: kept[0])


@pytest.mark.parametrize("counter", [0, 1, 3, 4, 2**64 + 2])
def test_a_response_at_another_counter_breaks_the_channel(counter: int) -> None:
    def elsewhere(card: CardEnd) -> bytes:
        card.counter = counter - 1
        return card.protect(b"reply")

    Link().broken(READ, elsewhere)


def test_our_own_command_sent_back_breaks_the_channel() -> None:
    link, seen = Link(), []

    def mirror(sent: Command) -> bytes:
        seen.append(sent)
        return sent.data + b"\x90\x00"

    with pytest.raises(ChannelBroken):
        drive(link.channel.exchange(READ), answering(mirror))


def sealed(*parts: bytes, sw: bytes = b"\x90\x00"):
    """Return an answer whose checksum is right over whatever objects."""

    def answer(card: CardEnd) -> bytes:
        card.counter += 1
        return card.sealed(b"".join(parts)) + sw

    return answer


STATUS = do(0x99, b"\x90\x00")


@pytest.mark.parametrize(
    "parts",
    [
        (),
        (do(0x87, b"\x01" + bytes(16)),),  # no status
        (STATUS, STATUS),
        (STATUS, do(0x87, b"\x01" + bytes(16))),  # out of order
        (do(0x87, b"\x01" + bytes(16)), do(0x87, b"\x01" + bytes(16)), STATUS),
        (do(0x81, b"plain"), STATUS),  # an unencrypted answer
        (do(0xB3, b"plain"), STATUS),
        (do(0x85, bytes(16)), STATUS),  # the odd instruction's object
        (do(0x99, b"\x63\x00"),),  # two different statuses
        (do(0x99, b"\x90"),),
        (do(0x99, b""),),
        (do(0x87, b""), STATUS),
        (do(0x87, b"\x01"), STATUS),
        (do(0x87, b"\x02" + bytes(16)), STATUS),  # unpadded
        (do(0x87, b"\x01" + bytes(15)), STATUS),  # no whole block
        (do(0x87, b"\x01" + bytes(16)), STATUS),  # deciphers to no padding
        (b"\x87\x20\x01", STATUS),
        (b"\x00\x00", STATUS),
    ],
)
def test_a_right_checksum_over_other_objects_breaks_the_channel(parts: tuple[bytes, ...]) -> None:
    Link().broken(READ, sealed(*parts))


@pytest.mark.parametrize("plain", [bytes(16), b"\x80" + bytes(31), b"x" * 16])
def test_a_padding_that_is_none_breaks_the_channel(plain: bytes) -> None:
    def answer(card: CardEnd) -> bytes:
        card.counter += 1
        secret = cbc(card.encryption, card.counter, plain)
        return card.sealed(do(0x87, b"\x01" + secret) + STATUS) + b"\x90\x00"

    Link().broken(READ, answer)


@pytest.mark.parametrize("tag", [0x85, 0x87])
def test_the_odd_instruction_may_be_answered_in_either_object(tag: int) -> None:
    assert Link().ask(READ_ODD, b"\x53\x01\x00", tag=tag).data == b"\x53\x01\x00"


def test_an_error_status_under_protection_leaves_the_channel_alive() -> None:
    link = Link()
    assert link.ask(SELECT, sw=0x6A82) == Response(b"", 0x6A82)
    assert link.ask(READ, b"data").data == b"data"


def test_a_chip_that_leaves_takes_the_channel_with_it() -> None:
    link = Link()

    def gone(_: Command) -> Response:
        raise ChipGone

    with pytest.raises(ChipGone):
        drive(link.channel.exchange(READ), gone)
    assert not link.channel.alive


def test_a_dialogue_that_nobody_finishes_leaves_a_dead_channel() -> None:
    link = Link()
    next(link.channel.exchange(READ))
    with pytest.raises(ChannelBroken, match="closed"):
        next(link.channel.exchange(READ))


def test_a_closed_channel_refuses() -> None:
    link = Link()
    assert link.channel.alive
    link.channel.close()
    with pytest.raises(ChannelBroken, match="closed"):
        link.ask(READ)


@given(st.binary(min_size=2, max_size=80))
def test_any_answer_breaks_the_channel(raw: bytes) -> None:
    with pytest.raises(EMRTDError):
        drive(Link().channel.exchange(READ), answering(lambda _: raw))


@given(st.binary(max_size=60), st.booleans())
def test_any_objects_under_a_right_checksum_open_or_break(body: bytes, odd: bool) -> None:
    link = Link()

    def answer(sent: Command) -> bytes:
        link.card.open(sent.to_bytes())
        return sealed(body + STATUS)(link.card)

    with contextlib.suppress(ChannelBroken):
        opened = drive(link.channel.exchange(READ_ODD if odd else READ), answering(answer))
        assert len(opened.data) < max(len(body), 1)


@given(st.binary(max_size=70))
def test_padding_comes_off_as_it_went_on(data: bytes) -> None:
    padded = ChipCipher.AES.pad(data)
    assert padded == pad(data)
    assert ChipCipher.AES.unpad(padded) == data


def test_cbc_is_cryptographys() -> None:
    key, iv = hashlib.sha256(b"k").digest(), bytes(16)
    worker = Cipher(AES(key), CBC(iv)).encryptor()
    secret = worker.update(bytes(32)) + worker.finalize()
    assert ChipCipher.AES.encrypt(key, iv, bytes(32)) == secret
    assert ChipCipher.AES.decrypt(key, iv, secret) == bytes(32)
    with pytest.raises(ValueError, match="block length"):
        ChipCipher.AES.decrypt(key, iv, bytes(17))


def test_no_key_and_no_counter_shows() -> None:
    shown = repr(Link().channel._session)
    assert "counter" not in shown
    assert KEYS.mac.hex() not in shown
