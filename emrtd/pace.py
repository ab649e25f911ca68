"""PACE with generic mapping over elliptic curves: a password becomes a strong channel.

Knows the four steps and what a chip may not answer in each. Does not know how to choose between
several offers of a chip's, nor what is read afterwards. Private keys live for one run.

Spec: [9303-11] "PACE"; worked example in its appendix G.1.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from emrtd import _crypto
from emrtd._curves import STANDARDISED, Curve, Point, draw_scalar
from emrtd._der import oid_value
from emrtd.apdu import Command, Step
from emrtd.channel import ask
from emrtd.errors import (
    AccessUnsupported,
    ChannelBroken,
    ChipLied,
    ChipMalformed,
    ChipRefused,
    Fault,
    WrongPassword,
)
from emrtd.keys import KeyUse, SessionKeys, derive_key
from emrtd.secure_messaging import SecureChannel
from emrtd.tlv import encode, parse, parse_one

if TYPE_CHECKING:
    from emrtd.channel import Channel
    from emrtd.dialogue import Dialogue, Randomness
    from emrtd.keys import Password
    from emrtd.security_infos import PACEInfo

_CHAINED = 0x10
_MANAGE_SECURITY_ENVIRONMENT, _GENERAL_AUTHENTICATE = 0x22, 0x86
_DYNAMIC_DATA = 0x7C
_MAX_NONCE_BYTES = 64
_STEP = Step("access")


def supported(info: PACEInfo) -> bool:
    """Whether this module can run PACE so."""
    return (
        info.mapping == "ECDH-GM"
        and info.aes_key_bytes is not None
        and info.version == 2
        and info.parameter_id in STANDARDISED
    )


def run(
    info: PACEInfo, password: Password, channel: Channel, *, randomness: Randomness
) -> Dialogue[SecureChannel]:
    """Run PACE.

    Args:
        info: one that the chip offers.
        password: what opens the chip.
        channel: carries the commands, and later those of the channel that is returned.
        randomness: for the two private keys.

    Raises:
        AccessUnsupported: not a way that this module knows.
        WrongPassword: the chip refused our token.
        ChipRefused: the chip refused an earlier step.
        ChipLied: the chip sent our own key back.
        ChipMalformed: an answer out of form, or a point that is none.
        ChannelBroken: the chip accepted our token and its own is wrong.
    """
    parameter_id, key_bytes = info.parameter_id, info.aes_key_bytes
    if not supported(info) or parameter_id is None or key_bytes is None:
        raise AccessUnsupported("PACE", info.name)
    curve, protocol = STANDARDISED[parameter_id], oid_value(info.protocol)

    yield from _select(protocol, password, parameter_id, channel)
    secret_nonce = yield from _authenticate(channel, None, b"", expected=0x80, doing="PACE nonce")
    nonce = _decrypt_nonce(secret_nonce, password, key_bytes=key_bytes)

    own, own_public = _draw_pair(curve, curve.generator, randomness)
    theirs = yield from _agree(channel, curve, own_public, tag=0x81, doing="PACE map nonce")
    base = curve.add(curve.multiply(nonce, curve.generator), curve.multiply(own, theirs))

    own, own_public = _draw_pair(curve, base, randomness)
    theirs = yield from _agree(channel, curve, own_public, tag=0x83, doing="PACE key agreement")
    shared = curve.coordinate(curve.multiply(own, theirs).x)
    keys = SessionKeys.derive(shared, key_bytes=key_bytes)

    token = _token(keys, protocol, curve.encode(theirs))
    their_token = yield from _prove(channel, token)
    if not hmac.compare_digest(their_token, _token(keys, protocol, curve.encode(own_public))):
        raise ChannelBroken("PACE mutual authentication", "the chip's token is wrong")
    return SecureChannel(keys, channel)


def _select(
    protocol: bytes, password: Password, parameter_id: int, channel: Channel
) -> Dialogue[None]:
    # The parameters are named even where the chip offers one set: cards with several ask for it.
    data = encode(0x80, protocol) + encode(0x83, bytes((password.REFERENCE,)))
    data += encode(0x84, bytes((parameter_id,)))
    command = Command(0, _MANAGE_SECURITY_ENVIRONMENT, 0xC1, 0xA4, data, step=_STEP)
    yield from ask(channel, command, doing="PACE MSE:Set AT")


def _general_authenticate(tag: int | None, value: bytes, *, last: bool = False) -> Command:
    data = encode(_DYNAMIC_DATA, b"" if tag is None else encode(tag, value))
    return Command(0 if last else _CHAINED, _GENERAL_AUTHENTICATE, 0, 0, data, 256, _STEP)


def _authenticate(
    channel: Channel, tag: int | None, value: bytes, *, expected: int, doing: str
) -> Dialogue[bytes]:
    answer = yield from ask(channel, _general_authenticate(tag, value), doing=doing)
    return _dynamic_data(answer, expected, doing=doing)


def _agree(
    channel: Channel, curve: Curve, own_public: Point, *, tag: int, doing: str
) -> Dialogue[Point]:
    """Exchange public keys; the answer's tag is the next one."""
    raw = yield from _authenticate(
        channel, tag, curve.encode(own_public), expected=tag + 1, doing=doing
    )
    theirs = curve.decode(raw)
    if theirs == own_public:
        raise ChipLied(Fault.CHIP_KEY_MISMATCH, doing, "our own key came back")
    return theirs


def _prove(channel: Channel, token: bytes) -> Dialogue[bytes]:
    doing = "PACE mutual authentication"
    response = yield from channel.exchange(_general_authenticate(0x85, token, last=True))
    if response.sw == 0x6300 or response.sw >> 4 == 0x63C:
        raise WrongPassword(response.sw, doing)
    if not response.ok:
        raise ChipRefused(response.sw, doing)
    return _dynamic_data(response.data, 0x86, doing=doing)


def _dynamic_data(answer: bytes, expected: int, *, doing: str) -> bytes:
    found = [each for each in parse(parse_one(answer, _DYNAMIC_DATA).value) if each.tag == expected]
    if len(found) != 1:
        raise ChipMalformed(doing, f"no object {expected:X}")
    return found[0].value


def _decrypt_nonce(secret: bytes, password: Password, *, key_bytes: int) -> int:
    if not secret or len(secret) % _crypto.BLOCK_BYTES or len(secret) > _MAX_NONCE_BYTES:
        raise ChipMalformed("PACE nonce", f"{len(secret)} bytes")
    key = derive_key(password.secret(), KeyUse.PASSWORD, key_bytes=key_bytes)
    return int.from_bytes(_crypto.decrypt(key, _crypto.ZERO_IV, secret), "big")


def _draw_pair(curve: Curve, base: Point, randomness: Randomness) -> tuple[int, Point]:
    private = draw_scalar(curve.order, randomness)
    return private, curve.multiply(private, base)


def _token(keys: SessionKeys, protocol: bytes, public_key: bytes) -> bytes:
    return _crypto.mac(keys.mac, encode(0x7F49, encode(0x06, protocol) + encode(0x86, public_key)))
