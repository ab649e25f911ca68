"""The card's side of PACE with generic mapping over elliptic curves.

Knows the four exchanges, in order, and that a wrong password shows only in the last. Does not know
which passwords a card has, nor what happens under the channel that it makes.

Spec: [9303-11] "Password Authenticated Connection Establishment"; the worked example is its
Appendix G.1.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Any

from ecdsa.ellipticcurve import INFINITY, PointJacobi

from emrtd.errors import ChipMalformed
from emrtd.sim._secure_channel import BLOCK, SecureChannel, derive_key, encrypt, mac
from emrtd.sim._status import StatusError
from emrtd.tlv import encode, parse

if TYPE_CHECKING:
    from collections.abc import Callable

    from emrtd.sim._curves import Curve, Randomness

_WRONG_DATA = 0x6A80
_NOT_AUTHENTICATED = 0x6300


class PACECard:
    """One run; made by MSE:Set AT, fed by GENERAL AUTHENTICATE, over after a wrong token.

    Draws from `randomness`, in this order: the nonce, the mapping key, the ephemeral key.

    Attributes:
        channel: the secure channel, once the reader has proved that it knows the password.
    """

    def __init__(
        self,
        password_seed: bytes,
        *,
        protocol: bytes,
        curve: Curve,
        aes_bits: int,
        randomness: Randomness,
        public_key: Callable[[int, bytes, bytes], bytes],
    ) -> None:
        """Begin a run.

        Args:
            password_seed: what the password turns into before the derivation of its key.
            protocol: the object identifier of this PACE, without tag and length.
            curve: the domain parameters.
            aes_bits: 128, 192 or 256.
            randomness: the card's source.
            public_key: what to send as (step, own key, reader's key); an honest card sends its own.
        """
        self._password_key = derive_key(password_seed, counter=3, aes_bits=aes_bits)
        self._protocol = protocol
        self._curve = curve
        self._aes_bits = aes_bits
        self._randomness = randomness
        self._public_key = public_key
        self._steps = [self._nonce, self._map, self._agree, self._confirm]
        self._nonce_number = 0
        self._generator: Any = None
        self._keys = (b"", b"")
        self._secret = b""
        self.channel: SecureChannel | None = None

    @property
    def at_last_step(self) -> bool:
        """Whether the next exchange is the last: it is not chained."""
        return len(self._steps) == 1

    def answer(self, data: bytes) -> bytes:
        """Answer one GENERAL AUTHENTICATE.

        Raises:
            StatusError: 6A80 or 6300; the run is over.
        """
        if not self._steps:
            raise StatusError(0x6985)
        tag, value = self._steps.pop(0)(dynamic_data(data))
        return encode(0x7C, encode(tag, value))

    def _nonce(self, objects: dict[int, bytes]) -> tuple[int, bytes]:
        if objects:
            raise StatusError(_WRONG_DATA)
        nonce = self._randomness(BLOCK)
        self._nonce_number = int.from_bytes(nonce, "big")
        return 0x80, encrypt(self._password_key, nonce)

    def _map(self, objects: dict[int, bytes]) -> tuple[int, bytes]:
        theirs = self._point(_only(objects, 0x81))
        number = self._curve.private_number(self._randomness)
        base = self._curve.points.generator
        own = (base * number).to_bytes("uncompressed")
        self._generator = base * self._nonce_number + theirs * number
        if self._generator == INFINITY:
            raise StatusError(_WRONG_DATA)
        return 0x82, self._public_key(2, own, _only(objects, 0x81))

    def _agree(self, objects: dict[int, bytes]) -> tuple[int, bytes]:
        theirs = _only(objects, 0x83)
        point = self._point(theirs)
        number = self._curve.private_number(self._randomness)
        own = (self._generator * number).to_bytes("uncompressed")
        if own == theirs:
            raise StatusError(_WRONG_DATA)
        shared = point * number
        self._secret = int(shared.x()).to_bytes(self._curve.field_bytes, "big")
        self._keys = own, theirs
        return 0x84, self._public_key(3, own, theirs)

    def _confirm(self, objects: dict[int, bytes]) -> tuple[int, bytes]:
        own, theirs = self._keys
        key = derive_key(self._secret, counter=2, aes_bits=self._aes_bits)
        if not hmac.compare_digest(_only(objects, 0x85), mac(key, self._token_data(own))):
            raise StatusError(_NOT_AUTHENTICATED)
        self.channel = SecureChannel(self._secret, aes_bits=self._aes_bits)
        return 0x86, mac(key, self._token_data(theirs))

    def _token_data(self, public_key: bytes) -> bytes:
        return encode(0x7F49, encode(0x06, self._protocol) + encode(0x86, public_key))

    def _point(self, raw: bytes) -> Any:
        """Decode an uncompressed point and see that it is on the curve."""
        size = self._curve.field_bytes
        if len(raw) != 1 + 2 * size or raw[0] != 4:
            raise StatusError(_WRONG_DATA)
        x, y = (int.from_bytes(half, "big") for half in (raw[1 : 1 + size], raw[1 + size :]))
        curve = self._curve.points.curve
        if max(x, y) >= curve.p() or not curve.contains_point(x, y):
            raise StatusError(_WRONG_DATA)
        return PointJacobi(curve, x, y, 1, self._curve.order)


def dynamic_data(data: bytes) -> dict[int, bytes]:
    """Return the objects inside a dynamic authentication data template.

    Raises:
        StatusError: 6A80, it is none.
    """
    try:
        (template,) = parse(data)
        objects = parse(template.value)
    except (ChipMalformed, ValueError) as error:
        raise StatusError(_WRONG_DATA) from error
    if template.tag != 0x7C:
        raise StatusError(_WRONG_DATA)
    return {each.tag: each.value for each in objects}


def _only(objects: dict[int, bytes], tag: int) -> bytes:
    """Return the one object that this step takes."""
    if objects.keys() != {tag}:
        raise StatusError(_WRONG_DATA)
    return objects[tag]
