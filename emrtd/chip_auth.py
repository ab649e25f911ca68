"""Chip authentication: the chip shows that it holds its signed key, alone or while PACE runs.

Knows how the chip is asked, by Diffie-Hellman over curves and modulo primes, and what counts as an
answer: a response under the keys that only the holder of the private key could have agreed to; or,
in the mapping of PACE, a scalar that ties the chip's fresh key to its signed one. Does not know
whether the public key is signed: the caller compares DG14 with the security object before, and
`emrtd.verify` judges after.

Of several ways that a chip announces only the strongest is gone, once. A refusal is not followed by
the next one, though nothing was agreed yet: whoever refuses is the end that must prove itself, and
one that could choose would be a copy that knows the key of the weakest way alone. What is announced
is signed; a chip that announces what it does not do is not the one that was issued.

Spec: [9303-11] "Chip Authentication", "PACE" chip authentication mapping; [TR-03110-3].
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from emrtd._crypto import Cipher
from emrtd._curves import STANDARDISED
from emrtd._der import oid_value
from emrtd.apdu import Command, Step
from emrtd.channel import ask
from emrtd.errors import ChannelBroken, ChipLied, ChipMalformed, Fault
from emrtd.key_agreement import AgreementKey, parse_key
from emrtd.keys import SessionKeys
from emrtd.secure_messaging import SecureChannel
from emrtd.security_infos import (
    ID_CHIP_AUTH,
    ChipAuthenticationInfo,
    ChipAuthenticationPublicKeyInfo,
    PACEInfo,
)
from emrtd.tlv import encode

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from emrtd.channel import OpenChannel
    from emrtd.dialogue import Dialogue, Randomness
    from emrtd.evidence import CAMTranscript
    from emrtd.key_agreement import Agreement
    from emrtd.security_infos import SecurityInfo

MAX_KEYS = 4
"""A check of each costs time, and no chip has more."""

_STEP = Step("chip_auth")
_ANY_FILE = b"\x01\x1d"
_OLDEST = {"DH": f"{ID_CHIP_AUTH}1.1", "ECDH": f"{ID_CHIP_AUTH}2.1"}
_CAM = "chip authentication mapping"


@dataclass(frozen=True, slots=True)
class Announced:
    """A way to run chip authentication that this module can go.

    Attributes:
        info: the protocol; made up from the key where the first chips announce nothing but that.
        cipher: of the channel to be agreed.
        key_bytes: how long its keys are.
        public_key: the chip's.
    """

    info: ChipAuthenticationInfo
    cipher: Cipher
    key_bytes: int
    public_key: AgreementKey


@dataclass(frozen=True, slots=True)
class Authenticated:
    """A chip that showed its key.

    Attributes:
        channel: the new one, proved by an answer.
        own_key: the terminal's key of the agreement, as terminal authentication signs it.
    """

    channel: SecureChannel
    own_key: bytes = field(repr=False)


def choose(infos: Sequence[SecurityInfo]) -> Announced | None:
    """Return the one way to go: the strongest (version 1) that DG14 announces and is known here.

    None if there is no such way.

    Raises:
        ChipMalformed: more keys than any chip has.
    """
    return next(iter(ways(infos)), None)


def ways(infos: Sequence[SecurityInfo]) -> tuple[Announced, ...]:
    """Return every way (version 1) that can be gone, the strongest first.

    All of them are for judging an inspection that knew fewer; a chip is asked by the first.

    A protocol and its key belong together by their identifier; a protocol that names none takes the
    only key there is. The first chips announce keys and no protocol at all: theirs is 3DES. Beside
    chip authentication mapping, which is younger, such a key is the mapping's.

    Raises:
        ChipMalformed: more keys than any chip has.
    """
    keys = [each for each in infos if isinstance(each, ChipAuthenticationPublicKeyInfo)]
    if len(keys) > MAX_KEYS:
        raise ChipMalformed("choose chip authentication", f"{len(keys)} keys")
    announced = [each for each in infos if isinstance(each, ChipAuthenticationInfo)]
    maps = any(isinstance(each, PACEInfo) and each.authenticates_chip for each in infos)
    if not announced and not maps:
        announced = [
            ChipAuthenticationInfo(_OLDEST[each.agreement], 1, each.key_id) for each in keys
        ]
    # To find a key in its group is the work that a chip can ask for: once for each.
    usable = [(each.key_id, usable_key(each)) for each in keys]
    found = []
    for info in announced:
        mine = [key for key_id, key in usable if info.key_id in {None, key_id}]
        cipher, key_bytes = info.cipher, info.key_bytes
        if info.version != 1 or cipher is None or key_bytes is None or len(mine) != 1:
            continue
        key = mine[0]
        if key is not None and key.kind == info.agreement:
            found.append(Announced(info, cipher, key_bytes, key))
    return tuple(sorted(found, key=_strength, reverse=True))


def usable_key(info: ChipAuthenticationPublicKeyInfo) -> AgreementKey | None:
    """Return the key if it is one of its kind, None if it cannot be used."""
    try:
        key = parse_key(info.public_key)
    except ChipMalformed:
        return None
    return key if key.kind == info.agreement else None


def authenticate(
    announced: Announced, channel: OpenChannel, *, randomness: Randomness
) -> Dialogue[Authenticated]:
    """Run chip authentication, and let the chip answer once under the new keys.

    Args:
        announced: what `choose` returned.
        channel: the one that access opened; it is closed in the end, whatever happens.
        randomness: for the private key.

    Returns:
        The new channel, proved by an answer, and our key.

    Raises:
        ChipRefused: the chip does not do what it announces.
        ChipLied: CHIP_KEY_MISMATCH: its answer under the new keys does not verify.
        ChannelBroken: the old channel failed.
    """
    agreement = announced.public_key.agree(randomness)
    keys = SessionKeys.derive(
        agreement.secret, key_bytes=announced.key_bytes, cipher=announced.cipher
    )
    try:
        for command, doing in _commands(announced, agreement):
            yield from ask(channel, command, doing=f"chip authentication {doing}")
    finally:
        channel.close()
    renewed = SecureChannel(keys, channel.below)
    try:
        # Whatever the status: that it verifies is the proof.
        yield from renewed.exchange(Command(0, 0xA4, 0x02, 0x0C, _ANY_FILE, step=_STEP))
    except ChannelBroken as error:
        raise ChipLied(Fault.CHIP_KEY_MISMATCH, "chip authentication") from error
    return Authenticated(renewed, agreement.compressed)


def verify_cam(
    transcript: CAMTranscript, keys: Iterable[ChipAuthenticationPublicKeyInfo]
) -> ChipAuthenticationPublicKeyInfo:
    """Return the one of these keys whose holder ran PACE with chip authentication mapping.

    Args:
        transcript: what the chip gave.
        keys: that are signed. Only those on the curve of the mapping count, and of them only those
            whose identifier, if they have one, is that of the curve.

    Raises:
        ChipLied: CHIP_KEY_MISMATCH: none of them.
    """
    curve = STANDARDISED.get(transcript.parameter_id)
    scalar = int.from_bytes(transcript.chip_auth_data, "big")
    if curve is None or not 0 < scalar < curve.order:
        raise ChipLied(Fault.CHIP_KEY_MISMATCH, _CAM, "no scalar")
    try:
        mapped = curve.decode(transcript.mapping_key)
    except ChipMalformed as error:
        raise ChipLied(Fault.CHIP_KEY_MISMATCH, _CAM, "no mapping key") from error
    mine = [each for each in keys if each.key_id in {transcript.parameter_id, None}]
    for each in mine[:MAX_KEYS]:
        key = usable_key(each)
        if key and key.group is curve and curve.multiply(scalar, key.element) == mapped:
            return each
    raise ChipLied(Fault.CHIP_KEY_MISMATCH, _CAM, "not the key that is signed")


def _strength(announced: Announced) -> tuple[bool, int, bool, int]:
    key = announced.public_key
    return (
        announced.cipher is Cipher.AES, announced.key_bytes, key.kind == "ECDH", key.bits,
    )  # fmt: skip


def _commands(announced: Announced, agreement: Agreement) -> list[tuple[Command, str]]:
    key_id = announced.info.key_id
    reference = b"" if key_id is None else encode(0x84, _key_reference(key_id))
    if announced.cipher is Cipher.TRIPLE_DES:
        # One command does it all, and its answer comes under the old keys still.
        data = encode(0x91, agreement.public) + reference
        return [(Command(0, 0x22, 0x41, 0xA6, data, step=_STEP), "MSE:Set KAT")]
    select = encode(0x80, oid_value(announced.info.protocol)) + reference
    agree = encode(0x7C, encode(0x80, agreement.public))
    return [
        (Command(0, 0x22, 0x41, 0xA4, select, step=_STEP), "MSE:Set AT"),
        (Command(0, 0x86, 0, 0, agree, 256, _STEP), "key agreement"),
    ]


def _key_reference(key_id: int) -> bytes:
    return key_id.to_bytes(key_id.bit_length() // 8 + 1, "big")
