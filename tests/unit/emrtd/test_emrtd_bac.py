"""Basic access control and 3DES: ICAO's example, OpenSSL, and chips that answer otherwise."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openssl_issuer import needs_openssl, openssl
from pace_card_end import TripleDESEnd, des3, odd, pad8, retail
from reader_material import answering, do, replay, script, vector

from emrtd import bac
from emrtd._crypto import Cipher
from emrtd.apdu import Command, Response
from emrtd.channel import PlainChannel
from emrtd.dialogue import Transmit, drive
from emrtd.errors import (
    ChannelBroken,
    ChipGone,
    ChipLied,
    ChipMalformed,
    ChipRefused,
    EMRTDError,
    Fault,
    WrongPassword,
)
from emrtd.keys import KeyUse, MRZKey, SessionKeys, derive_key
from emrtd.secure_messaging import MAX_SHORT_DATA, SecureChannel

D = vector("9303_11_app_d_keys")
D2, D3, D4 = D["D2"], D["D3"], D["D4_secure_messaging"]
KEY = MRZKey("L898902C<", "690806", "940623")
K_ENC, K_MAC = bytes.fromhex(D2["KEnc"]), bytes.fromhex(D2["KMAC"])
CHALLENGE = D3["GET_CHALLENGE"], D3["RND.IC"] + "9000"
ANSWER = D3["EXTERNAL_AUTHENTICATE"], D3["response"] + "9000"
TDES = Cipher.TRIPLE_DES
READ = Command(0, 0xB0, 0, 0, le=223)


def run(chip: Transmit, *, random: tuple[str, ...] = (D3["RND.IFD"], D3["K.IFD"])) -> SecureChannel:
    return drive(bac.run(KEY, PlainChannel(max_commands=8), randomness=script(*random)), chip)


def answered(challenge: str = CHALLENGE[1], answer: str = ANSWER[1]) -> SecureChannel:
    return run(replay([(CHALLENGE[0], challenge), (ANSWER[0], answer)]))


def made(plain: bytes, *, mac_key: bytes = K_MAC) -> str:
    """Return an answer with this plain text under the document's keys."""
    secret = des3(K_ENC, plain)
    return (secret + retail(mac_key, pad8(secret))).hex() + "9000"


# --- ICAO's worked example


def test_every_command_and_key_of_icaos_example() -> None:
    keys = KEY.document_keys()
    assert keys == SessionKeys(K_ENC, K_MAC, TDES)
    assert KEY.secret()[:16].hex().upper() == D2["Kseed"]
    chip = replay([CHALLENGE, ANSWER])
    session = run(chip)._session
    assert chip.left == []  # type: ignore[attr-defined] # both published commands were sent
    assert session is not None
    assert session.keys == SessionKeys(bytes.fromhex(D3["KSEnc"]), bytes.fromhex(D3["KSMAC"]), TDES)
    assert session.counter == int(D3["SSC"], 16)


def test_the_whole_dialogue_of_icaos_example_byte_for_byte() -> None:
    pairs = [CHALLENGE, ANSWER, *((step["protected"], step["response"]) for step in D4)]
    chip = replay(pairs)
    channel = run(chip)
    for step in D4:
        plain = Command.from_bytes(bytes.fromhex(step["plain"]))
        answer = Response.from_bytes(bytes.fromhex(step["plain_response"]))
        assert drive(channel.exchange(plain), chip) == answer
    assert chip.left == []  # type: ignore[attr-defined] # all of them
    assert channel.alive


def test_session_keys_have_odd_parity_and_no_other_bits_than_without() -> None:
    for seed, encryption, mac in (
        (D2["Kseed"], K_ENC, K_MAC),
        (D3["KSseed"], bytes.fromhex(D3["KSEnc"]), bytes.fromhex(D3["KSMAC"])),
    ):
        raw = bytes.fromhex(seed)
        assert SessionKeys.derive(raw, key_bytes=16, cipher=TDES) == SessionKeys(
            encryption, mac, TDES
        )
        plain = SessionKeys.derive(raw, key_bytes=16)
        assert (odd(plain.encryption), odd(plain.mac)) == (encryption, mac)


def test_the_published_password_key_for_3des() -> None:
    (case,) = (each for each in vector("password_keys")["K_pi"] if each["alg"] == "3DES")
    key = derive_key(KEY.secret(), KeyUse.PASSWORD, key_bytes=16, cipher=TDES)
    assert key.hex().upper() == case["value"]


# --- chips that answer otherwise


@pytest.mark.parametrize("status", ["6300", "63C0", "63C2", "6982", "6985", "6988"])
def test_a_refused_cryptogram_means_another_zone(status: str) -> None:
    with pytest.raises(WrongPassword) as caught:
        answered(answer=status)
    assert (caught.value.fault, caught.value.sw) == (Fault.WRONG_PASSWORD, int(status, 16))


@pytest.mark.parametrize("status", ["6D00", "6A80", "6F00", "6310", "9001"])
def test_another_refusal_is_a_refusal(status: str) -> None:
    with pytest.raises(ChipRefused) as caught:
        answered(answer=status)
    assert caught.value.fault is Fault.CHIP_REFUSED


@pytest.mark.parametrize("status", ["6D00", "6982", "6300", "6985"])
def test_a_refused_challenge_is_no_wrong_password(status: str) -> None:
    with pytest.raises(ChipRefused) as caught:
        answered(challenge=status)
    assert caught.value.fault is Fault.CHIP_REFUSED


@pytest.mark.parametrize("size", [0, 1, 7, 9, 16])
def test_a_challenge_has_eight_bytes(size: int) -> None:
    with pytest.raises(ChipMalformed, match=f"{size} bytes"):
        answered(challenge="00" * size + "9000")


@pytest.mark.parametrize("answer", ["", D3["response"][:-2], D3["response"] + "00", "00" * 32])
def test_an_answer_of_another_length_is_malformed(answer: str) -> None:
    with pytest.raises(ChipMalformed, match="bytes"):
        answered(answer=answer + "9000")


@pytest.mark.parametrize("at", range(40))
def test_an_answer_changed_in_any_byte_is_not_of_this_chip(at: int) -> None:
    raw = bytearray.fromhex(D3["response"])
    raw[at] ^= 1
    with pytest.raises(ChannelBroken, match="checksum"):
        answered(answer=raw.hex() + "9000")


OURS, THEIRS = bytes.fromhex(D3["RND.IFD"]), bytes.fromhex(D3["RND.IC"])
KEYING = bytes.fromhex(D3["K.IC"])


@pytest.mark.parametrize(
    "nonces", [OURS + THEIRS, THEIRS + bytes(8), bytes(8) + OURS, THEIRS + THEIRS, OURS + OURS]
)
def test_an_answer_for_another_run_is_none_for_this(nonces: bytes) -> None:
    with pytest.raises(ChannelBroken, match="another run"):
        answered(answer=made(nonces + KEYING))


def test_an_answer_under_another_checksum_key_is_none() -> None:
    with pytest.raises(ChannelBroken, match="checksum"):
        answered(answer=made(THEIRS + OURS + KEYING, mac_key=K_ENC))
    assert answered(answer=made(THEIRS + OURS + KEYING)).alive


def test_our_own_cryptogram_sent_back_is_none() -> None:
    with pytest.raises(ChannelBroken):
        answered(answer=D3["EXTERNAL_AUTHENTICATE"][10:-2] + "9000")


def test_our_own_keying_material_sent_back_is_a_lie() -> None:
    """Both sides' together would be zeros, and everybody knows the keys of that."""
    with pytest.raises(ChipLied, match="keying") as caught:
        answered(answer=made(THEIRS + OURS + bytes.fromhex(D3["K.IFD"])))
    assert caught.value.fault is Fault.PUBLIC_KEY_ECHOED


@pytest.mark.parametrize("random", [("", ""), (D3["RND.IFD"], "00" * 15), ("00" * 9, "00" * 16)])
def test_a_source_that_gives_another_amount_is_an_error_of_its_owner(random: Any) -> None:
    drawn = [bytes.fromhex(each) for each in random]
    dialogue = bac.run(KEY, PlainChannel(max_commands=8), randomness=lambda _: drawn.pop(0))
    with pytest.raises(ValueError, match="keying material"):
        drive(dialogue, replay([CHALLENGE]))


@given(st.integers(0, 1), st.binary(min_size=2, max_size=60))
def test_any_answer_at_any_step_is_a_typed_error(step: int, answer: bytes) -> None:
    seen: list[Command] = []
    honest = [bytes.fromhex(CHALLENGE[1]), bytes.fromhex(ANSWER[1])]
    honest[step] = answer if answer not in honest else b"\x6f\x00"
    chip = answering(lambda _: honest[min(len(seen), 2) - 1], seen)
    with pytest.raises(EMRTDError):
        run(chip)
    assert len(seen) <= 8


# --- 3DES on the wire


class Link:
    """Our channel and the card's end of it."""

    def __init__(self, counter: int = 0) -> None:
        self.card = TripleDESEnd(K_ENC, K_MAC, counter)
        keys = SessionKeys(K_ENC, K_MAC, TDES)
        self.channel = SecureChannel(keys, PlainChannel(max_commands=1000), counter=counter)
        self.opened: list[tuple[bytes, bytes, int | None]] = []

    def ask(self, command: Command, reply: bytes, sw: int = 0x9000) -> Response:
        def answer(sent: Command) -> bytes:
            self.opened.append(self.card.open(sent.to_bytes()))
            return self.card.protect(reply, sw)

        return drive(self.channel.exchange(command), answering(answer))


COMMANDS = st.builds(
    Command, st.just(0), st.sampled_from([0xA4, 0xB0, 0xB1, 0x22]), st.integers(0, 255),
    st.integers(0, 255), st.binary(max_size=300), st.one_of(st.none(), st.integers(1, 65_536)),
)  # fmt: skip


@given(
    st.integers(0, 2**64 - 1),
    st.lists(
        st.tuples(COMMANDS, st.binary(max_size=600), st.sampled_from([0x9000, 0x6A82, 0x6282])),
        max_size=4,
    ),
)
def test_what_is_asked_arrives_and_what_is_answered_comes_back(counter: int, exchanges) -> None:
    link = Link(counter)
    for command, reply, sw in exchanges:
        assert link.ask(command, reply, sw) == Response(reply, sw)
        header, data, le = link.opened[-1]
        assert header == bytes((0x0C, command.ins, command.p1, command.p2))
        assert (data, le) == (command.data, command.le)


@pytest.mark.parametrize("left", [1, 2, 3])
def test_the_counter_turns_over(left: int) -> None:
    link = Link(2**64 - left)
    for _ in range(3):
        assert link.ask(READ, b"data").data == b"data"
    assert link.card.counter == 6 - left


def test_the_longest_short_answer_fits() -> None:
    assert len(TripleDESEnd(K_ENC, K_MAC).protect(bytes(MAX_SHORT_DATA))) <= 258


@pytest.mark.parametrize("reply", [b"", b"seven b", b"eight by"])
def test_a_response_changed_in_any_byte_breaks_the_channel(reply: bytes) -> None:
    for at in range(len(TripleDESEnd(K_ENC, K_MAC).protect(reply))):
        link = Link()

        def flipped(sent: Command, link: Link = link, at: int = at) -> bytes:
            link.card.open(sent.to_bytes())
            raw = bytearray(link.card.protect(reply))
            raw[at] ^= 1
            return bytes(raw)

        with pytest.raises(ChannelBroken):
            drive(link.channel.exchange(READ), answering(flipped))
        assert not link.channel.alive


def test_a_response_is_good_once() -> None:
    link = Link()
    kept = []

    def keeping(sent: Command) -> bytes:
        link.card.open(sent.to_bytes())
        kept.append(link.card.protect(b"first"))
        return kept[0]

    assert drive(link.channel.exchange(READ), answering(keeping)).data == b"first"
    with pytest.raises(ChannelBroken):
        drive(link.channel.exchange(READ), answering(keeping))


@pytest.mark.parametrize("plain", [bytes(8), b"x" * 8, b"\x80" + bytes(8 + 7), b"x" * 7])
def test_a_padding_that_is_none_breaks_the_channel(plain: bytes) -> None:
    link = Link()

    def answer(sent: Command) -> bytes:
        link.card.open(sent.to_bytes())
        counter = link.card._next()
        secret = des3(K_ENC, plain) if len(plain) % 8 == 0 else plain
        body = do(0x87, b"\x01" + secret) + do(0x99, b"\x90\x00")
        return body + do(0x8E, retail(K_MAC, counter + pad8(body))) + b"\x90\x00"

    with pytest.raises(ChannelBroken, match="padding"):
        drive(link.channel.exchange(READ), answering(answer))


def test_a_chip_that_leaves_takes_the_channel_with_it() -> None:
    link = Link()

    def gone(_: Command) -> Response:
        raise ChipGone

    with pytest.raises(ChipGone):
        drive(link.channel.exchange(READ), gone)
    assert not link.channel.alive


@given(st.binary(min_size=2, max_size=60))
def test_any_answer_breaks_the_channel(raw: bytes) -> None:
    with pytest.raises(EMRTDError):
        drive(Link().channel.exchange(READ), answering(lambda _: raw))


# --- the primitives


@needs_openssl
@settings(max_examples=25, deadline=None)
@given(st.binary(min_size=16, max_size=16), st.integers(1, 5), st.data())
def test_3des_is_openssls(key: bytes, blocks: int, data: st.DataObject) -> None:
    plain = data.draw(st.binary(min_size=8 * blocks, max_size=8 * blocks))
    iv = data.draw(st.binary(min_size=8, max_size=8))
    theirs = openssl(
        "enc", "-des-ede-cbc", "-nopad", "-K", key.hex(), "-iv", iv.hex(), "-in", "m", m=plain
    )
    assert TDES.encrypt(key, iv, plain) == theirs
    assert TDES.decrypt(key, iv, theirs) == plain


@needs_openssl
@settings(max_examples=25, deadline=None)
@given(st.binary(min_size=16, max_size=16), st.binary(max_size=40))
def test_the_retail_mac_is_what_openssls_des_makes_of_it(key: bytes, message: bytes) -> None:
    """DES in CBC with the first key; of the last block, decrypted with two, encrypted with one."""

    def ecb(des_key: bytes, block: bytes, *how: str) -> bytes:
        return openssl(
            "enc", "-des-ede3-ecb", "-nopad", *how, "-K", (des_key * 3).hex(), "-in", "m", m=block
        )

    chain = openssl(
        "enc", "-des-ede3-cbc", "-nopad", "-K", (key[:8] * 3).hex(), "-iv", "00" * 8, "-in", "m",
        m=pad8(message),
    )  # fmt: skip
    expected = ecb(key[:8], ecb(key[8:], chain[-8:], "-d"))
    assert TDES.checksum(key, message) == TDES.mac(key, pad8(message)) == expected
    assert retail(key, pad8(message)) == expected


@pytest.mark.parametrize("size", [0, 1, 7, 9])
def test_what_is_no_whole_block_has_no_retail_mac(size: int) -> None:
    with pytest.raises(ValueError, match="block"):
        TDES.mac(K_MAC, bytes(size))


@pytest.mark.parametrize("size", [0, 8, 15, 24])
def test_3des_has_two_keys(size: int) -> None:
    with pytest.raises(ValueError, match="two keys"):
        TDES.encrypt(bytes(size), bytes(8), bytes(8))


@given(st.binary(max_size=30))
def test_padding_comes_off_as_it_went_on(data: bytes) -> None:
    assert TDES.pad(data) == pad8(data)
    assert TDES.unpad(TDES.pad(data)) == data


@given(st.binary(max_size=24))
def test_any_bytes_are_padded_or_not(raw: bytes) -> None:
    with contextlib.suppress(ValueError):
        assert TDES.pad(TDES.unpad(raw)).startswith(TDES.unpad(raw) + b"\x80")
