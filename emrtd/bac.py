"""Basic access control: the printed zone becomes a channel.

Knows the two commands and what a chip may not answer. The channel is as strong as the zone is hard
to guess, which is little: `access` says when it is used. Does not know what is read afterwards.

Spec: [9303-11] 4.3; worked example in its appendix D.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from emrtd._crypto import Cipher
from emrtd.apdu import Command, Step
from emrtd.channel import ask
from emrtd.errors import (
    ChannelBroken,
    ChipLied,
    ChipMalformed,
    ChipRefused,
    Fault,
    WrongPassword,
)
from emrtd.keys import SessionKeys
from emrtd.secure_messaging import SecureChannel

if TYPE_CHECKING:
    from emrtd.channel import Channel
    from emrtd.dialogue import Dialogue, Randomness
    from emrtd.keys import MRZKey

_NONCE_BYTES, _KEYING_BYTES, _ANSWER_BYTES = 8, 16, 40
_CHECKSUM_AT = 32
_STEP = Step("access")
_DOING = "BAC mutual authentication"
_3DES = Cipher.TRIPLE_DES
_WRONG = frozenset({0x6300, 0x6982, 0x6985, 0x6988})
"""How chips refuse a cryptogram that they cannot verify: the standard leaves the status to them."""


def run(password: MRZKey, channel: Channel, *, randomness: Randomness) -> Dialogue[SecureChannel]:
    """Run basic access control; the eMRTD application must be selected.

    Args:
        password: the key fields of the zone.
        channel: carries the commands, and later those of the channel that is returned.
        randomness: for the nonce and the keying material.

    Raises:
        WrongPassword: the chip cannot verify what the zone's keys made.
        ChipRefused: the chip knows no basic access control.
        ChannelBroken: the chip's answer is not made with the zone's keys, or not for this run.
        ChipLied: the chip sent our own keying material back.
        ChipMalformed: an answer of another length.
        ValueError: the source gives no randomness.
    """
    challenge = Command(0, 0x84, 0, 0, le=_NONCE_BYTES, step=_STEP)
    theirs = yield from ask(channel, challenge, doing="BAC GET CHALLENGE")
    if len(theirs) != _NONCE_BYTES:
        raise _out_of_form("BAC GET CHALLENGE", theirs)
    ours, keying = randomness(_NONCE_BYTES), randomness(_KEYING_BYTES)
    if (len(ours), len(keying)) != (_NONCE_BYTES, _KEYING_BYTES):
        raise ValueError("the randomness gives no keying material")

    keys = password.document_keys()
    secret = _3DES.encrypt(keys.encryption, _3DES.zero_iv, ours + theirs + keying)
    answer = yield from _authenticate(channel, secret + _3DES.checksum(keys.mac, secret))
    their_keying = _open(answer, keys, theirs + ours)
    if hmac.compare_digest(their_keying, keying):
        # The session keys would be those of a seed of zeros, which everybody knows.
        raise ChipLied(Fault.PUBLIC_KEY_ECHOED, _DOING, "our own keying material came back")
    seed = bytes(one ^ other for one, other in zip(keying, their_keying, strict=True))
    session = SessionKeys.derive(seed, key_bytes=16, cipher=_3DES)
    counter = int.from_bytes(theirs[4:] + ours[4:], "big")  # [9303-11] 9.8.6.3
    return SecureChannel(session, channel, counter=counter)


def _authenticate(channel: Channel, data: bytes) -> Dialogue[bytes]:
    command = Command(0, 0x82, 0, 0, data, _ANSWER_BYTES, _STEP)
    response = yield from channel.exchange(command)
    if response.sw in _WRONG or response.sw >> 4 == 0x63C:
        raise WrongPassword(response.sw, _DOING)
    if not response.ok:
        raise ChipRefused(response.sw, _DOING)
    if len(response.data) != _ANSWER_BYTES:
        raise _out_of_form(_DOING, response.data)
    return response.data


def _open(answer: bytes, keys: SessionKeys, nonces: bytes) -> bytes:
    """Return the chip's keying material, if its answer is made with these keys for this run."""
    secret, checksum = answer[:_CHECKSUM_AT], answer[_CHECKSUM_AT:]
    if not hmac.compare_digest(checksum, _3DES.checksum(keys.mac, secret)):
        raise ChannelBroken(_DOING, "the checksum is wrong", fault=Fault.ACCESS_UNPROVED)
    plain = _3DES.decrypt(keys.encryption, _3DES.zero_iv, secret)
    if not hmac.compare_digest(plain[: len(nonces)], nonces):
        raise ChannelBroken(_DOING, "the nonces are of another run", fault=Fault.ACCESS_UNPROVED)
    return plain[len(nonces) :]


def _out_of_form(doing: str, answer: bytes) -> ChipMalformed:
    return ChipMalformed(doing, f"{len(answer)} bytes", fault=Fault.RESPONSE_MALFORMED)
