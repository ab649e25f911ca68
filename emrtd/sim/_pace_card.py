"""The card's side of PACE.

Knows the four exchanges, in order, and that a wrong password shows only in the last. Does not know
which passwords a card has, nor what happens under the channel that it makes.

Spec: [9303-11] "Password Authenticated Connection Establishment"; the worked examples are its
Appendices G, H and I.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Any, Protocol

from emrtd.errors import ChipMalformed
from emrtd.sim._cipher import AUTHENTICATING, PASSWORD
from emrtd.sim._pace_mapping import (
    ChipAuthenticationMapping,
    GenericMapping,
    IntegratedMapping,
    Mapping,
    element_from,
    nonce_bytes,
)
from emrtd.sim._secure_channel import SecureChannel
from emrtd.sim._status import StatusError
from emrtd.tlv import encode, parse

if TYPE_CHECKING:
    from emrtd.sim._curves import Randomness
    from emrtd.sim._protocols import PACEOffer

_WRONG_DATA = 0x6A80
_NOT_AUTHENTICATED = 0x6300


class PACEManner(Protocol):
    """Where a chip may lie in PACE; an honest one returns what it is given."""

    def public_key(self, step: int, own: bytes, theirs: bytes) -> bytes:
        """Return the public key that is sent in a step."""

    def pace_answer(self, step: int, objects: dict[int, bytes]) -> dict[int, bytes]:
        """Return the objects that are sent in a step, by tag."""


class PACECard:
    """One run; made by MSE:Set AT, fed by GENERAL AUTHENTICATE, over after a wrong token.

    Draws from `randomness`, in this order: the nonce, the mapping key, the ephemeral key.

    Attributes:
        channel: the secure channel, once the reader has proved that it knows the password.
        compressed_key: what stands for the card's ephemeral key in terminal authentication.
    """

    def __init__(
        self,
        password_seed: bytes,
        *,
        offer: PACEOffer,
        static_key: int,
        randomness: Randomness,
        manner: PACEManner,
    ) -> None:
        """Begin a run.

        Args:
            password_seed: what the password turns into before the derivation of its key.
            offer: how.
            static_key: the chip's private number of chip authentication, for that mapping; else 0.
            randomness: the card's source.
            manner: what to send in place of what is right.
        """
        self._offer = offer
        self._cipher = offer.block_cipher
        self._domain: Any = offer.parameters
        self._password_key = self._cipher.derive(password_seed, PASSWORD)
        self._randomness = randomness
        self._manner = manner
        self._mapping = _mapping(offer, static_key, randomness)
        self._steps = [self._send_nonce, self._map, self._agree, self._confirm]
        self._nonce = b""
        self._generator: Any = None
        self._keys = (b"", b"")
        self._secret = b""
        self.channel: SecureChannel | None = None
        self.compressed_key = b""

    @property
    def at_last_step(self) -> bool:
        """Whether the next exchange is the last: it is not chained."""
        return len(self._steps) == 1

    def answer(self, data: bytes) -> bytes:
        """Answer one GENERAL AUTHENTICATE.

        Raises:
            StatusError: 6A80 or 6300; the run is over.
        """
        step = 5 - len(self._steps)
        objects = self._steps.pop(0)(dynamic_data(data))
        objects = self._manner.pace_answer(step, objects)
        return encode(0x7C, b"".join(encode(tag, value) for tag, value in objects.items()))

    def _send_nonce(self, objects: dict[int, bytes]) -> dict[int, bytes]:
        if objects:
            raise StatusError(_WRONG_DATA)
        self._nonce = self._randomness(nonce_bytes(self._offer.mapping, self._cipher))
        return {0x80: self._cipher.encrypt(self._password_key, self._nonce)}

    def _map(self, objects: dict[int, bytes]) -> dict[int, bytes]:
        theirs = _only(objects, 0x81)
        own, self._generator = self._mapping.map(self._nonce, theirs)
        return {0x82: self._manner.public_key(2, own, theirs) if own else own}

    def _agree(self, objects: dict[int, bytes]) -> dict[int, bytes]:
        theirs = _only(objects, 0x83)
        element = element_from(self._domain, theirs)
        number = self._domain.private_number(self._randomness)
        own = self._domain.encode(self._domain.power(self._generator, number))
        if own == theirs:
            raise StatusError(_WRONG_DATA)
        self._secret = self._domain.secret(self._domain.power(element, number))
        self._keys = own, self._domain.encode(element)
        self.compressed_key = self._domain.compressed(own)
        return {0x84: self._manner.public_key(3, own, theirs)}

    def _confirm(self, objects: dict[int, bytes]) -> dict[int, bytes]:
        own, theirs = self._keys
        key = self._cipher.derive(self._secret, AUTHENTICATING)
        expected = self._cipher.mac_of_any(key, self._token_data(own))
        if not hmac.compare_digest(_only(objects, 0x85), expected):
            raise StatusError(_NOT_AUTHENTICATED)
        self.channel = SecureChannel(self._secret, cipher=self._cipher)
        answer = {0x86: self._cipher.mac_of_any(key, self._token_data(theirs))}
        if proof := self._mapping.proof():
            answer[0x8A] = self.channel.encrypted_proof(proof)
        return answer

    def _token_data(self, public_key: bytes) -> bytes:
        protocol = encode(0x06, self._offer.oid_value)
        return encode(0x7F49, protocol + encode(self._domain.key_tag, public_key))


def _mapping(offer: PACEOffer, static_key: int, randomness: Randomness) -> Mapping:
    if offer.mapping == "im":
        return IntegratedMapping(offer.parameters, offer.block_cipher)
    if offer.mapping == "cam":
        return ChipAuthenticationMapping(offer.parameters, randomness, static=static_key)
    return GenericMapping(offer.parameters, randomness)


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
