"""The card's side of basic access control.

Knows two commands: a challenge, and the mutual proof that both know the printed zone. Does not know
what follows under the channel.

Spec: [9303-11] "Basic Access Control"; the worked example is its Appendix D.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Protocol

from emrtd.sim._cipher import AUTHENTICATING, ENCRYPTING, TRIPLE_DES
from emrtd.sim._secure_channel import SecureChannel
from emrtd.sim._status import StatusError

if TYPE_CHECKING:
    from emrtd.sim._curves import Randomness

CHALLENGE_BYTES = 8
_KEY_BYTES = 16
_CRYPTOGRAM_BYTES = 2 * CHALLENGE_BYTES + _KEY_BYTES
_WRONG_LENGTH = 0x6700
_NOT_AUTHENTICATED = 0x6300
_OUT_OF_ORDER = 0x6985


class BACManner(Protocol):
    """Where a chip may lie in basic access control."""

    def bac_answer(self, plain: bytes) -> bytes:
        """Return what the card puts under its key: both challenges and its own half."""


class BACCard:
    """The keys of one card's printed zone and the challenge that is out.

    Draws from `randomness`: 8 bytes for each challenge, 16 for the card's half of the key.
    """

    def __init__(self, mrz_information: str, *, randomness: Randomness, manner: BACManner) -> None:
        """Derive the keys.

        Args:
            mrz_information: number, birth and expiry with their check digits.
            randomness: the card's source.
            manner: what to send in place of what is right.
        """
        seed = hashlib.sha1(mrz_information.encode()).digest()[:_KEY_BYTES]  # noqa: S324 - the standard's
        self._encrypting = TRIPLE_DES.derive(seed, ENCRYPTING)
        self._authenticating = TRIPLE_DES.derive(seed, AUTHENTICATING)
        self._randomness = randomness
        self._manner = manner
        self._challenge = b""

    def challenge(self) -> bytes:
        """Return a new challenge."""
        self._challenge = self._randomness(CHALLENGE_BYTES)
        return self._challenge

    def authenticate(self, data: bytes) -> tuple[bytes, SecureChannel]:
        """Check the reader's proof, return the card's and the channel.

        Raises:
            StatusError: 6985 without a challenge, 6700, or 6300 if the reader knows another zone.
        """
        challenge, self._challenge = self._challenge, b""
        if not challenge:
            raise StatusError(_OUT_OF_ORDER)
        if len(data) != _CRYPTOGRAM_BYTES + 8:
            raise StatusError(_WRONG_LENGTH)
        secret, checksum = data[:_CRYPTOGRAM_BYTES], data[_CRYPTOGRAM_BYTES:]
        expected = TRIPLE_DES.mac_of_any(self._authenticating, secret)
        if not hmac.compare_digest(checksum, expected):
            raise StatusError(_NOT_AUTHENTICATED)
        plain = TRIPLE_DES.decrypt(self._encrypting, secret)
        theirs, ours, their_half = plain[:8], plain[8:16], plain[16:]
        if not hmac.compare_digest(ours, challenge):
            raise StatusError(_NOT_AUTHENTICATED)
        own_half = self._randomness(_KEY_BYTES)
        answer = self._manner.bac_answer(challenge + theirs + own_half)
        sealed = TRIPLE_DES.encrypt(self._encrypting, answer)
        seed = bytes(a ^ b for a, b in zip(own_half, their_half, strict=True))
        counter = int.from_bytes(challenge[4:] + theirs[4:], "big")
        channel = SecureChannel(seed, cipher=TRIPLE_DES, counter=counter)
        return sealed + TRIPLE_DES.mac_of_any(self._authenticating, sealed), channel
