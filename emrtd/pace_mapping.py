"""How PACE maps the chip's nonce to a generator that nobody else knows: generic and integrated.

The mapping for chip authentication is the generic one; what it adds comes with the last step of
`pace`. Knows what a chip may not answer. Does not know the password.

Spec: [9303-11] 4.4.3.3; worked examples in its appendices G, H and I.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

from emrtd import _general_authenticate as general_authenticate
from emrtd._curves import draw_scalar
from emrtd.channel import ask
from emrtd.errors import ChipLied, ChipMalformed, Fault

if TYPE_CHECKING:
    from emrtd._crypto import Cipher
    from emrtd._groups import Group
    from emrtd.channel import Channel
    from emrtd.dialogue import Dialogue, Randomness

E = TypeVar("E")

_DOING = "PACE map nonce"
_SPARE_BITS = 64
"""How much longer than the prime the pseudo-random number is at least, so that it is uniform."""

_CONSTANTS = {
    16: ("a668892a7c41e3ca739f40b057d85904", "a4e136ac725f738b01c1f60217c188ad"),
    32: (
        "d463d65234124ef7897054986dca0a174e28df758cbaa03f240616414d5a1676",
        "54bd7255f0aaf831bec3423fcf39d69b6cbf066677d0faae5aadd99df8e53517",
    ),
}
"""c0 and c1, by the length of the nonce in bytes."""


@dataclass(frozen=True, slots=True)
class Mapped(Generic[E]):
    """What the mapping gave.

    Attributes:
        generator: of the key agreement that follows.
        chip_key: the chip's public key of this step as it sent it; empty if it sends none.
    """

    generator: E = field(repr=False)
    chip_key: bytes = field(default=b"", repr=False)


def generic(
    group: Group[E], nonce: bytes, channel: Channel, *, randomness: Randomness
) -> Dialogue[Mapped[E]]:
    """Agree on an element and move it by the nonce.

    Raises:
        ChipRefused: the chip refused.
        ChipLied: the chip sent our own key back.
        ChipMalformed: an answer out of form, no element, or a generator that is neutral.
    """
    own, own_public = draw_pair(group, group.generator, randomness)
    theirs, raw = yield from agree(channel, group, own_public, tag=0x81, doing=_DOING)
    moved = group.multiply(int.from_bytes(nonce, "big"), group.generator)
    return Mapped(group.add(moved, group.multiply(own, theirs)), raw)


def integrated(
    group: Group[E],
    nonce: bytes,
    channel: Channel,
    *,
    cipher: Cipher,
    key_bytes: int,
    randomness: Randomness,
) -> Dialogue[Mapped[E]]:
    """Send a nonce too, and map both to an element.

    Raises:
        ChipRefused: the chip refused.
        ChipMalformed: a nonce of another length, an answer, or nonces that have no generator.
        ValueError: the source gives no randomness.
    """
    # [9303-11] 4.4.3.3: the smallest multiple of the block that is no shorter than the key.
    if len(nonce) != key_bytes + -key_bytes % cipher.block_bytes:
        raise ChipMalformed("PACE nonce", f"{len(nonce)} bytes", fault=Fault.RESPONSE_MALFORMED)
    second = randomness(key_bytes)
    if len(second) != key_bytes:
        raise ValueError("the randomness gives no nonce")
    answer = yield from ask(channel, general_authenticate.command(0x81, second), doing=_DOING)
    if any(general_authenticate.values(answer, 0x82)):
        raise ChipMalformed(_DOING, "the answer is not empty", fault=Fault.RESPONSE_MALFORMED)
    return Mapped(group.map_integer(pseudo_random(nonce, second, cipher=cipher, p=group.p)))


def pseudo_random(first: bytes, second: bytes, *, cipher: Cipher, p: int) -> int:
    """Return the field element that two nonces give.

    Args:
        first: the chip's nonce, 16 or 32 bytes.
        second: the terminal's nonce, as long as a key of the cipher.
        cipher: of the protocol.
        p: the field's prime.
    """
    next_key, output = (bytes.fromhex(each) for each in _CONSTANTS[len(first)])
    key = cipher.encrypt(second, cipher.zero_iv, first)[: len(second)]
    stream = b""
    while len(stream) * 8 < p.bit_length() + _SPARE_BITS:
        stream += cipher.encrypt(key, cipher.zero_iv, output)
        key = cipher.encrypt(key, cipher.zero_iv, next_key)[: len(second)]
    return int.from_bytes(stream, "big") % p


def draw_pair(group: Group[E], base: E, randomness: Randomness) -> tuple[int, E]:
    """Draw a private key and return it with its public key. Raises ValueError."""
    private = draw_scalar(group.order, randomness)
    return private, group.multiply(private, base)


def agree(
    channel: Channel, group: Group[E], own_public: E, *, tag: int, doing: str
) -> Dialogue[tuple[E, bytes]]:
    """Exchange public keys; the answer's tag is the next one.

    Returns:
        The chip's key, decoded and as it was sent.

    Raises:
        ChipRefused: the chip refused.
        ChipLied: the chip sent our own key back.
        ChipMalformed: an answer out of form, or no element of the group.
    """
    sent = group.encode(own_public)
    raw = yield from general_authenticate.exchange(
        channel, tag, sent, expected=tag + 1, doing=doing
    )
    theirs = group.decode(raw)
    if theirs == own_public:  # [9303-11] 4.4.1
        raise ChipLied(Fault.PUBLIC_KEY_ECHOED, doing, "our own key came back")
    return theirs, raw
