"""PACE: a password becomes a strong channel.

Knows the four steps and what a chip may not answer in each; the second is `pace_mapping`. Does not
know how to choose between several offers of a chip's (access), nor what is read afterwards. Private
keys live for one run.

Spec: [9303-11] 4.4; worked examples in its appendices G, H and I.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from emrtd import _general_authenticate as general_authenticate
from emrtd import pace_mapping
from emrtd._crypto import Cipher, encrypt_block
from emrtd._der import oid_value
from emrtd.apdu import Command
from emrtd.errors import ChannelBroken, ChipMalformed, ChipRefused, Fault, WrongPassword
from emrtd.evidence import CAMTranscript
from emrtd.key_agreement import compress
from emrtd.keys import PIN, KeyUse, SessionKeys, derive_key
from emrtd.secure_messaging import SecureChannel
from emrtd.tlv import encode

if TYPE_CHECKING:
    from emrtd.channel import Channel, OpenChannel
    from emrtd.dialogue import Dialogue, Randomness
    from emrtd.keys import Password
    from emrtd.pace_mapping import Mapped
    from emrtd.pace_parameters import Offer

_MANAGE_SECURITY_ENVIRONMENT = 0x22
_MAX_NONCE_BYTES = 64
_MAX_PARAMETER_ID = 0xFF
_MINUS_ONE = b"\xff" * 16
_BLOCKED = frozenset({0x6983})
_BLOCKED_PIN = _BLOCKED | {0x63C0, 0x63C1}
"""No try is left; or one, which a card keeps for whoever knows its CAN as well."""


@dataclass(frozen=True, slots=True)
class Opened:
    """What PACE gave, or another way in.

    Attributes:
        channel: agreed with the chip.
        chip_identity: the chip's last key, as terminal authentication names it.
        cam: what the chip's own proof can be checked by, None if the mapping has none.
    """

    channel: OpenChannel = field(repr=False)
    chip_identity: bytes = field(repr=False)
    cam: CAMTranscript | None = None


def run(
    offer: Offer, password: Password, channel: Channel, *, randomness: Randomness
) -> Dialogue[Opened]:
    """Run PACE.

    Args:
        offer: one that the chip makes.
        password: what opens the chip.
        channel: carries the commands, and later those of the channel that is returned.
        randomness: for the private keys, or the nonce and the private key.

    Raises:
        WrongPassword: the chip refused our token.
        ChipRefused: the chip refused an earlier step; PASSWORD_BLOCKED if no try is left.
        ChipLied: the chip sent our own key back.
        ChipMalformed: an answer out of form, or an element that is none.
        ChannelBroken: the chip accepted our token and its own is wrong.
    """
    group, protocol = offer.group, oid_value(offer.info.protocol)
    yield from _select(protocol, password, offer.info.parameter_id, channel)
    secret_nonce = yield from general_authenticate.exchange(
        channel, None, b"", expected=0x80, doing="PACE nonce"
    )
    nonce = _decrypt_nonce(secret_nonce, password, offer)
    mapped = yield from _map(offer, nonce, channel, randomness)

    own, own_public = pace_mapping.draw_pair(group, mapped.generator, randomness)
    theirs, their_public = yield from pace_mapping.agree(
        channel, group, own_public, tag=0x83, doing="PACE key agreement"
    )
    shared = group.secret(group.multiply(own, theirs))
    keys = SessionKeys.derive(shared, key_bytes=offer.key_bytes, cipher=offer.cipher)

    tag, public = group.PUBLIC_KEY_TAG, group.encode(own_public)
    answer = yield from _prove(channel, _token(keys, protocol, tag, their_public))
    their_token = general_authenticate.one(answer, 0x86, doing="PACE mutual authentication")
    if not hmac.compare_digest(their_token, _token(keys, protocol, tag, public)):
        raise ChannelBroken(
            "PACE mutual authentication", "the chip's token is wrong", fault=Fault.ACCESS_UNPROVED
        )
    cam = _transcript(offer, mapped.chip_key, answer, keys) if offer.mapping == "CAM" else None
    return Opened(SecureChannel(keys, channel), compress(group, theirs), cam)


def _select(
    protocol: bytes, password: Password, parameter_id: int | None, channel: Channel
) -> Dialogue[None]:
    doing = "PACE MSE:Set AT"
    data = encode(0x80, protocol) + encode(0x83, bytes((password.REFERENCE,)))
    if parameter_id is not None:
        # Named even where the chip offers one set: cards with several ask for it.
        if parameter_id > _MAX_PARAMETER_ID:
            raise ChipMalformed(doing, "an identifier out of bounds")
        data += encode(0x84, bytes((parameter_id,)))
    step = general_authenticate.STEP
    command = Command(0, _MANAGE_SECURITY_ENVIRONMENT, 0xC1, 0xA4, data, step=step)
    response = yield from channel.exchange(command)
    # A card that counts wrong PINs says how many are left, and goes on while it is more than one.
    counts = isinstance(password, PIN) and 0x63C2 <= response.sw <= 0x63CF
    if not response.ok and not counts:
        raise _refusal(response.sw, doing, _BLOCKED_PIN if isinstance(password, PIN) else _BLOCKED)


def _refusal(sw: int, doing: str, blocked: frozenset[int]) -> ChipRefused:
    fault = Fault.PASSWORD_BLOCKED if sw in blocked else Fault.CHIP_REFUSED
    return ChipRefused(sw, doing, fault=fault)


def _map(
    offer: Offer, nonce: bytes, channel: Channel, randomness: Randomness
) -> Dialogue[Mapped[Any]]:
    if offer.mapping != "IM":
        return (yield from pace_mapping.generic(offer.group, nonce, channel, randomness=randomness))
    return (
        yield from pace_mapping.integrated(
            offer.group,
            nonce,
            channel,
            cipher=offer.cipher,
            key_bytes=offer.key_bytes,
            randomness=randomness,
        )
    )


def _prove(channel: Channel, token: bytes) -> Dialogue[bytes]:
    doing = "PACE mutual authentication"
    response = yield from channel.exchange(general_authenticate.command(0x85, token, last=True))
    if response.sw == 0x6300 or response.sw >> 4 == 0x63C:
        raise WrongPassword(response.sw, doing)
    if not response.ok:
        raise _refusal(response.sw, doing, _BLOCKED)
    return response.data


def _decrypt_nonce(secret: bytes, password: Password, offer: Offer) -> bytes:
    cipher = offer.cipher
    if not secret or len(secret) % cipher.block_bytes or len(secret) > _MAX_NONCE_BYTES:
        raise ChipMalformed("PACE nonce", f"{len(secret)} bytes", fault=Fault.RESPONSE_MALFORMED)
    key = derive_key(password.secret(), KeyUse.PASSWORD, key_bytes=offer.key_bytes, cipher=cipher)
    return cipher.decrypt(key, cipher.zero_iv, secret)


def _token(keys: SessionKeys, protocol: bytes, tag: int, public_key: bytes) -> bytes:
    data = encode(0x7F49, encode(0x06, protocol) + encode(tag, public_key))
    return keys.cipher.checksum(keys.mac, data)


def _transcript(
    offer: Offer, mapping_key: bytes, answer: bytes, keys: SessionKeys
) -> CAMTranscript:
    """Return what the chip gave to be checked by; nothing of it proves anything yet."""
    found = general_authenticate.values(answer, 0x8A)
    data = _decrypt_chip_auth_data(found[0], keys) if len(found) == 1 else b""
    # [9303-11] 4.4.5.6: as long as the order. What is not is no proof, whatever its number.
    size = (offer.group.order.bit_length() + 7) // 8
    return CAMTranscript(
        offer.info.parameter_id or 0, mapping_key, data if len(data) == size else b""
    )


def _decrypt_chip_auth_data(secret: bytes, keys: SessionKeys) -> bytes:
    """Return the chip authentication data, empty if it cannot be decrypted."""
    iv = encrypt_block(keys.encryption, _MINUS_ONE)  # [9303-11] 4.4.3.5.4
    try:
        return Cipher.AES.unpad(Cipher.AES.decrypt(keys.encryption, iv, secret))
    except ValueError:
        return b""
