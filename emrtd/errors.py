"""What can go wrong between a reader and a chip, by who must act.

One root for the distribution. Every error names a `Fault`: a closed set whose values are the reason
codes that programs may rely on. Messages are for engineers; words for people are made elsewhere
from the fault. No error carries a secret, an expected MAC or a byte of personal data.
"""

from __future__ import annotations

from enum import StrEnum


class Fault(StrEnum):
    """What is wrong with a chip, its data or the talk with it."""

    CHIP_GONE = "chip_gone"
    """The chip left the field or the reader lost it."""
    CHIP_REFUSED = "chip_refused"
    """The chip answered a necessary command with an error status."""
    WRONG_PASSWORD = "wrong_password"  # noqa: S105 - a reason code, not a secret
    """The CAN or MRZ does not open this chip."""
    ACCESS_UNSUPPORTED = "access_unsupported"
    """The chip offers no access protocol that this library speaks."""
    CHIP_MALFORMED = "chip_malformed"
    """Bytes from the chip cannot be parsed or exceed a bound."""
    CHANNEL_BROKEN = "channel_broken"
    """Secure messaging failed: a MAC, a counter or a padding was wrong."""
    ADVERTISED_FILE_MISSING = "advertised_file_missing"
    """A file whose hash is signed cannot be read."""
    DATA_HASH_MISMATCH = "data_hash_mismatch"
    """A file differs from what was signed."""
    SIGNATURE_INVALID = "signature_invalid"
    """The signature over the document or one of its certificates does not verify."""
    ISSUER_UNKNOWN = "issuer_unknown"
    """Hashes and signature hold, but no trusted issuer stands behind them."""
    SIGNER_EXPIRED = "signer_expired"
    """The signer's certificate was not valid at the instant of inspection."""
    SIGNER_REVOKED = "signer_revoked"
    """The signer's certificate is on its issuer's revocation list."""
    CHIP_KEY_MISMATCH = "chip_key_mismatch"
    """The chip does not hold the private key that its signed data announces."""
    CARD_SWAPPED = "card_swapped"
    """What answers now is not the chip that was read."""


class EMRTDError(Exception):
    """Root of everything this library raises on purpose.

    Attributes:
        fault: the closed reason code.
        doing: the step under way, in the standard's words, e.g. "READ BINARY DG2".
    """

    def __init__(self, fault: Fault, doing: str, message: str = "") -> None:
        super().__init__(f"{fault.value} while {doing}" + (f": {message}" if message else ""))
        self.fault = fault
        self.doing = doing


class ChipGone(EMRTDError):
    """The chip left the field. Raised by transports into a dialogue."""

    def __init__(self, doing: str = "transmit", message: str = "") -> None:
        super().__init__(Fault.CHIP_GONE, doing, message)


class ChipRefused(EMRTDError):
    """The chip answered with an error status.

    Attributes:
        sw: the two status bytes as an integer, e.g. 0x6982.
    """

    def __init__(self, sw: int, doing: str, *, fault: Fault = Fault.CHIP_REFUSED) -> None:
        super().__init__(fault, doing, f"status {sw:04X}")
        self.sw = sw


class WrongPassword(ChipRefused):
    """The CAN or MRZ does not open this chip; the card itself may be fine."""

    def __init__(self, sw: int, doing: str) -> None:
        super().__init__(sw, doing, fault=Fault.WRONG_PASSWORD)


class AccessUnsupported(EMRTDError):
    """The chip offers no access protocol that this library speaks."""

    def __init__(self, doing: str, message: str = "") -> None:
        super().__init__(Fault.ACCESS_UNSUPPORTED, doing, message)


class ChipMalformed(EMRTDError):
    """Bytes from the chip cannot be parsed or exceed a bound."""

    def __init__(self, doing: str, message: str = "") -> None:
        super().__init__(Fault.CHIP_MALFORMED, doing, message)


class ChannelBroken(EMRTDError):
    """Secure messaging failed; the session is dead and must not be used again."""

    def __init__(self, doing: str, message: str = "") -> None:
        super().__init__(Fault.CHANNEL_BROKEN, doing, message)


class ChipLied(EMRTDError):
    """A hash, signature or key proof did not hold: the chip or its data is not what it says."""
