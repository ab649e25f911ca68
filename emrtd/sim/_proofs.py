"""What a reader may ask of an open chip: chip, active and terminal authentication.

Knows the commands of the three and what each needs before it. Does not know the arithmetic
(`_key_proofs`) nor the certificates (`_terminal_auth`).

Spec: [9303-11].
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emrtd.sim._cipher import CIPHERS
from emrtd.sim._der import oid_value
from emrtd.sim._key_proofs import CHALLENGE_BYTES, SCHEMES, sign
from emrtd.sim._pace_card import dynamic_data
from emrtd.sim._protocols import TA_ECDSA, chip_auth_oid
from emrtd.sim._secure_channel import SecureChannel
from emrtd.sim._status import StatusError
from emrtd.sim._terminal_auth import TerminalAuth, TrustPoints
from emrtd.tlv import encode

if TYPE_CHECKING:
    from emrtd.apdu import Command
    from emrtd.sim._curves import Randomness
    from emrtd.sim._key_proofs import ChipKey
    from emrtd.sim._manner import Manner
    from emrtd.sim.card_image import CardImage

_WRONG_LENGTH = 0x6700
_CHAINING_UNSUPPORTED = 0x6884
_OUT_OF_ORDER = 0x6985
_WRONG_DATA = 0x6A80
_WRONG_PARAMETERS = 0x6A86
_NO_SUCH_REFERENCE = 0x6A88
_UNKNOWN_INSTRUCTION = 0x6D00
_CHAINED = 0x10


class Proofs:
    """The three protocols on one chip."""

    def __init__(self, card: CardImage, *, randomness: Randomness, manner: Manner) -> None:
        self._card = card
        self._randomness = randomness
        self._manner = manner
        self._chip_key = card.chip_auth_key
        self._signing_key = card.active_auth_private()
        self._cipher = CIPHERS[card.cipher]
        self._points = TrustPoints(card.trust_points, card.today)
        self.forget()

    @property
    def rights(self) -> int:
        """What the terminal may read beyond what everybody may."""
        return self._terminal.rights

    @property
    def chip_auth_chosen(self) -> bool:
        """Whether the next GENERAL AUTHENTICATE is one of chip authentication."""
        return self._chosen is not None

    def forget(self) -> None:
        """Drop the session: no rights, no terminal, no key of it."""
        self._chosen: ChipKey | None = None
        self._terminal_key = b""
        self._terminal = TerminalAuth(self._points, self._randomness)

    # --- chip authentication

    def drop_choice(self) -> None:
        """Forget that chip authentication was about to begin."""
        self._chosen = None

    def choose_chip_auth(self, objects: dict[int, bytes]) -> None:
        """Carry out MSE:Set AT for it. Raises StatusError."""
        key = self._chip_key
        if key is None:
            raise StatusError(_WRONG_DATA)
        if objects.get(0x80) != oid_value(chip_auth_oid(key.parameters, self._cipher)):
            raise StatusError(_WRONG_DATA)
        self._check_key_id(objects)
        self._chosen = key

    def chip_auth(self, command: Command) -> tuple[bytes, SecureChannel | None]:
        """Carry out its GENERAL AUTHENTICATE. Raises StatusError."""
        key, self._chosen = self._chosen, None
        if key is None or command.cla & _CHAINED:
            raise StatusError(_CHAINING_UNSUPPORTED)
        objects = dynamic_data(command.data)
        if objects.keys() != {0x80}:
            raise StatusError(_WRONG_DATA)
        return encode(0x7C, b""), self._agree(key, objects[0x80])

    def chip_auth_at_once(self, objects: dict[int, bytes]) -> SecureChannel | None:
        """Carry out MSE:Set KAT, the one command of it with triple DES. Raises StatusError."""
        key = self._chip_key
        if key is None or self._cipher.block != 8 or 0x91 not in objects:
            raise StatusError(_WRONG_DATA)
        self._check_key_id(objects)
        return self._agree(key, objects[0x91])

    def _check_key_id(self, objects: dict[int, bytes]) -> None:
        number = self._card.chip_auth_key_id
        expected = None if number is None else bytes((number,))
        if objects.get(0x84) != expected:
            raise StatusError(_NO_SUCH_REFERENCE)

    def _agree(self, key: ChipKey, reader_key: bytes) -> SecureChannel | None:
        secret = key.agree(reader_key)
        self._terminal_key = key.parameters.compressed(reader_key)
        return SecureChannel(secret, cipher=self._cipher) if self._manner.switches() else None

    # --- active authentication

    def active_auth(self, command: Command) -> bytes:
        """Carry out INTERNAL AUTHENTICATE. Raises StatusError."""
        key = self._signing_key
        if key is None:
            raise StatusError(_UNKNOWN_INSTRUCTION)
        if len(command.data) != CHALLENGE_BYTES or command.le is None:
            raise StatusError(_WRONG_LENGTH)
        scheme = SCHEMES[self._card.active_auth_scheme]
        challenge = self._manner.signs(command.data)
        return sign(key, challenge, scheme=scheme, randomness=self._randomness)

    # --- terminal authentication

    def choose_signer(self, objects: dict[int, bytes]) -> None:
        """Carry out MSE:Set DST. Raises StatusError."""
        self._need_chip_auth()
        if objects.keys() != {0x83}:
            raise StatusError(_WRONG_DATA)
        self._terminal.choose_signer(objects[0x83])

    def verify_certificate(self, command: Command) -> None:
        """Carry out PSO:Verify Certificate. Raises StatusError."""
        self._need_chip_auth()
        if (command.p1, command.p2) != (0x00, 0xBE):
            raise StatusError(_WRONG_PARAMETERS)
        self._terminal.verify_certificate(command.data)

    def choose_terminal(self, objects: dict[int, bytes]) -> None:
        """Carry out MSE:Set AT for it. Raises StatusError."""
        self._need_chip_auth()
        algorithm = objects.get(0x80, oid_value(TA_ECDSA) + b"\0")
        if not algorithm.startswith(oid_value(TA_ECDSA)):
            raise StatusError(_WRONG_DATA)
        self._terminal.choose_terminal(objects.get(0x83, b""))

    def terminal_challenge(self, command: Command) -> bytes:
        """Carry out GET CHALLENGE. Raises StatusError."""
        self._need_chip_auth()
        if command.le != CHALLENGE_BYTES:
            raise StatusError(_WRONG_LENGTH)
        return self._terminal.challenge()

    def terminal_auth(self, signature: bytes, *, chip_name: bytes) -> None:
        """Carry out EXTERNAL AUTHENTICATE. Raises StatusError."""
        self._need_chip_auth()
        self._terminal.authenticate(signature, chip=chip_name, terminal_key=self._terminal_key)

    def _need_chip_auth(self) -> None:
        if not self._points:
            raise StatusError(_UNKNOWN_INSTRUCTION)
        if not self._terminal_key:
            raise StatusError(_OUT_OF_ORDER)
