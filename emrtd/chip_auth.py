"""Chip authentication over elliptic curves: the chip shows that it holds its signed key.

Knows how the chip is asked and what counts as an answer: a response under the keys that only the
holder of the private key could have agreed to. Does not know whether the public key is signed; the
caller compares DG14 with the security object before, and `emrtd.verify` judges after.

Spec: [9303-11] "Chip Authentication"; [TR-03110-1].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from emrtd._curves import draw_scalar
from emrtd._der import oid_value
from emrtd.apdu import Command, Step
from emrtd.channel import ask
from emrtd.errors import ChannelBroken, ChipLied, ChipMalformed, Fault
from emrtd.keys import SessionKeys
from emrtd.secure_messaging import SecureChannel
from emrtd.security_infos import ChipAuthenticationInfo, ChipAuthenticationPublicKeyInfo
from emrtd.signatures import load_public_key
from emrtd.tlv import encode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emrtd.dialogue import Dialogue, Randomness
    from emrtd.security_infos import SecurityInfo

_STEP = Step("chip_auth")
_ANY_FILE = b"\x01\x1d"


@dataclass(frozen=True, slots=True)
class Announced:
    """A way to run chip authentication that this module can go.

    Attributes:
        info: the protocol.
        key_bytes: of the AES keys to be agreed.
        public_key: the chip's.
    """

    info: ChipAuthenticationInfo
    key_bytes: int
    public_key: ec.EllipticCurvePublicKey


def choose(infos: Sequence[SecurityInfo]) -> Announced | None:
    """Return the strongest way (version 1) that DG14 announces and this module can go.

    A protocol and its key belong together by their identifier; a protocol that names none takes the
    only key there is. None if there is no such way.
    """
    keys = [each for each in infos if isinstance(each, ChipAuthenticationPublicKeyInfo)]
    found = []
    for info in infos:
        if not isinstance(info, ChipAuthenticationInfo) or info.version != 1:
            continue
        mine = [each for each in keys if info.key_id is None or each.key_id == info.key_id]
        public_key = _public_key(mine) if info.agreement == "ECDH" else None
        if info.aes_key_bytes is not None and public_key is not None:
            found.append(Announced(info, info.aes_key_bytes, public_key))
    return max(found, key=lambda each: each.key_bytes, default=None)


def run(
    announced: Announced, channel: SecureChannel, *, randomness: Randomness
) -> Dialogue[SecureChannel]:
    """Run chip authentication, and let the chip answer once under the new keys.

    Args:
        announced: what `choose` returned.
        channel: the one that access opened; it is closed in the end, whatever happens.
        randomness: for the private key.

    Returns:
        The new channel, proved by an answer.

    Raises:
        ChipRefused: the chip does not do what it announces.
        ChipLied: CHIP_KEY_MISMATCH: its answer under the new keys does not verify.
        ChannelBroken: the old channel failed.
    """
    curve = announced.public_key.curve
    own = ec.derive_private_key(draw_scalar(curve.group_order, randomness), curve)
    keys = SessionKeys.derive(
        own.exchange(ec.ECDH(), announced.public_key), key_bytes=announced.key_bytes
    )
    own_public = own.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)

    data = encode(0x80, oid_value(announced.info.protocol))
    if announced.info.key_id is not None:
        data += encode(0x84, _key_reference(announced.info.key_id))
    select = Command(0, 0x22, 0x41, 0xA4, data, step=_STEP)
    agree = Command(0, 0x86, 0, 0, encode(0x7C, encode(0x80, own_public)), 256, _STEP)
    try:
        yield from ask(channel, select, doing="chip authentication MSE:Set AT")
        yield from ask(channel, agree, doing="chip authentication key agreement")
    finally:
        channel.close()
    renewed = SecureChannel(keys, channel.below)
    try:
        # Whatever the status: that it verifies is the proof.
        yield from renewed.exchange(Command(0, 0xA4, 0x02, 0x0C, _ANY_FILE, step=_STEP))
    except ChannelBroken as error:
        raise ChipLied(Fault.CHIP_KEY_MISMATCH, "chip authentication") from error
    return renewed


def _public_key(
    keys: Sequence[ChipAuthenticationPublicKeyInfo],
) -> ec.EllipticCurvePublicKey | None:
    if len(keys) != 1 or keys[0].agreement != "ECDH":
        return None
    try:
        public_key = load_public_key(keys[0].public_key)
    except ChipMalformed:
        return None
    return public_key if isinstance(public_key, ec.EllipticCurvePublicKey) else None


def _key_reference(key_id: int) -> bytes:
    return key_id.to_bytes(key_id.bit_length() // 8 + 1, "big")
