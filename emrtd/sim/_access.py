"""How a reader gets into a chip: PACE and basic access control, and the price of a wrong password.

Knows which ways a card offers and which passwords open it. Does not know what lies behind.

Spec: [9303-11] "Access to the Contactless IC".
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from emrtd.sim._bac_card import CHALLENGE_BYTES, BACCard
from emrtd.sim._pace_card import PACECard
from emrtd.sim._status import StatusError

if TYPE_CHECKING:
    from emrtd.apdu import Command
    from emrtd.sim._curves import Randomness
    from emrtd.sim._manner import Manner
    from emrtd.sim._protocols import PACEOffer
    from emrtd.sim._secure_channel import SecureChannel
    from emrtd.sim.card_image import CardImage

_WRONG_LENGTH = 0x6700
_CHAINING_UNSUPPORTED = 0x6884
_OUT_OF_ORDER = 0x6985
_WRONG_DATA = 0x6A80
_AMBIGUOUS = 0x6A87
_NO_SUCH_REFERENCE = 0x6A88
_UNKNOWN_INSTRUCTION = 0x6D00
_WRONG_PASSWORD = 0x6300
_CHAINED = 0x10

FREE_TRIES = 2
"""So many wrong passwords in a row cost nothing."""
MAX_DELAY_S = 16.0


class Access:
    """The ways into one chip.

    Attributes:
        chip_name: what the chip is called in terminal authentication, once the reader is in.
    """

    def __init__(self, card: CardImage, *, randomness: Randomness, manner: Manner) -> None:
        self._card = card
        self._randomness = randomness
        self._manner = manner
        self._pace: PACECard | None = None
        self._bac = BACCard(card.mrz_information, randomness=randomness, manner=manner)
        self._failures = 0
        self.chip_name = b""

    @property
    def delay_s(self) -> float:
        """How long the chip takes before the next try: doubled with every wrong password."""
        over = self._failures - FREE_TRIES
        return min(2.0**over, MAX_DELAY_S) if over >= 0 else 0.0

    def forget(self) -> None:
        """Drop whatever is under way."""
        self._pace = None

    def choose_pace(self, objects: dict[int, bytes]) -> None:
        """Carry out MSE:Set AT for PACE. Raises StatusError."""
        offer = self._offer(objects)
        key = self._card.chip_auth_key
        self._pace = PACECard(
            self._manner.password_seed(self._password(objects.get(0x83, b""))),
            offer=offer,
            static_key=key.number if key is not None and offer.mapping == "cam" else 0,
            randomness=self._randomness,
            manner=self._manner,
        )

    def general_authenticate(self, command: Command) -> tuple[bytes, SecureChannel | None]:
        """Carry out one exchange of PACE; the last one brings the channel. Raises StatusError."""
        pace, self._pace = self._pace, None
        if pace is None:
            raise StatusError(_OUT_OF_ORDER)
        if pace.at_last_step == bool(command.cla & _CHAINED):
            raise StatusError(_CHAINING_UNSUPPORTED)
        data = self._counted(pace, command.data)
        if pace.channel is None:
            self._pace = pace
        else:
            self.chip_name = pace.compressed_key
        return data, pace.channel

    def bac_challenge(self, command: Command) -> bytes:
        """Carry out GET CHALLENGE before the chip is open. Raises StatusError."""
        if not self._card.bac:
            raise StatusError(_UNKNOWN_INSTRUCTION)
        if command.le != CHALLENGE_BYTES:
            raise StatusError(_WRONG_LENGTH)
        return self._bac.challenge()

    def bac_authenticate(self, data: bytes) -> tuple[bytes, SecureChannel]:
        """Carry out EXTERNAL AUTHENTICATE before the chip is open. Raises StatusError."""
        if not self._card.bac:
            raise StatusError(_UNKNOWN_INSTRUCTION)
        try:
            answer, channel = self._bac.authenticate(data)
        except StatusError as error:
            self._failures += error.sw == _WRONG_PASSWORD
            raise
        self._failures = 0
        self.chip_name = self._card.document_number.encode()
        return answer, channel

    def _counted(self, pace: PACECard, data: bytes) -> bytes:
        try:
            answer = pace.answer(data)
        except StatusError as error:
            self._failures += error.sw == _WRONG_PASSWORD
            raise
        if pace.channel is not None:
            self._failures = 0
        return answer

    def _offer(self, objects: dict[int, bytes]) -> PACEOffer:
        fitting = [each for each in self._card.pace if each.oid_value == objects.get(0x80)]
        if not fitting:
            raise StatusError(_WRONG_DATA)
        if 0x84 not in objects:
            if len(self._card.pace) > 1:
                raise StatusError(_AMBIGUOUS)
            return fitting[0]
        for offer in fitting:
            if objects[0x84] == bytes((offer.parameters.parameter_id,)):
                return offer
        raise StatusError(_NO_SUCH_REFERENCE)

    def _password(self, reference: bytes) -> bytes:
        match reference:
            case b"\x01":
                mrz = self._card.mrz_information.encode()
                return hashlib.sha1(mrz).digest()  # noqa: S324 - the standard's
            case b"\x02" if self._card.can:
                return self._card.can.encode()
            case b"\x03" if self._card.pin:
                return self._card.pin.encode()
            case _:
                raise StatusError(_NO_SUCH_REFERENCE)
