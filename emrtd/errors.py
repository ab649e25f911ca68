"""What can go wrong between a reader and a chip, by who must act.

One root for the distribution. Every error names a `Fault`: a closed set whose values are the reason
codes that programs may rely on. Messages are for engineers; words for people are made elsewhere
from the fault. No error carries a secret, an expected MAC or a byte of personal data.
"""

from __future__ import annotations

from enum import StrEnum


class Fault(StrEnum):
    """What is wrong with a chip, its data or the talk with it: each asks for another answer."""

    # the chip and the talk with it
    CHIP_GONE = "chip_gone"
    """The chip left the field or the reader lost it."""
    CHIP_REFUSED = "chip_refused"
    """The chip answered a necessary command with an error status."""
    APPLICATION_MISSING = "application_missing"
    """The chip has no eMRTD application: it is another kind of card."""
    RESPONSE_MALFORMED = "response_malformed"
    """A response has not the form or the length that its command asks for."""
    WORK_EXCEEDED = "work_exceeded"
    """The chip asks for more commands than its data is worth."""
    CHANNEL_BROKEN = "channel_broken"
    """Secure messaging failed: a MAC, a counter or a padding was wrong."""
    SESSION_LOST = "session_lost"
    """The chip ended the protected session, or never knew it: a bare error status."""
    CARD_SWAPPED = "card_swapped"
    """What answers now is not the chip that was read."""
    # access
    WRONG_PASSWORD = "wrong_password"  # noqa: S105 - a reason code, not a secret
    """The CAN or MRZ does not open this chip."""
    PASSWORD_BLOCKED = "password_blocked"  # noqa: S105 - a reason code, not a secret
    """The chip takes no more tries with that password: the next one does harm, or nothing."""
    ACCESS_UNSUPPORTED = "access_unsupported"
    """The chip offers no access protocol that this library speaks."""
    ACCESS_UNPROVED = "access_unproved"
    """The chip took the password and did not show that it knows it."""
    CARD_ACCESS_MISMATCH = "card_access_mismatch"
    """EF.CardAccess, which nobody signs, offers PACE otherwise than the signed DG14."""
    PUBLIC_KEY_INVALID = "public_key_invalid"
    """A public key of the chip's is no element of its group."""
    PUBLIC_KEY_ECHOED = "public_key_echoed"
    """The chip sent the terminal's own key back."""
    # the data
    CHIP_MALFORMED = "chip_malformed"
    """Data in the chip cannot be parsed."""
    FILE_TOO_LARGE = "file_too_large"
    """A file claims to be longer than any may be."""
    SECURITY_OBJECT_MISSING = "security_object_missing"
    """EF.SOD cannot be read: nothing in the chip is signed."""
    SECURITY_OBJECT_MALFORMED = "security_object_malformed"
    """EF.SOD is no security object: nothing can be verified."""
    ADVERTISED_FILE_MISSING = "advertised_file_missing"
    """A file whose hash is signed was asked for and cannot be read."""
    DATA_HASH_MISMATCH = "data_hash_mismatch"
    """A file differs from what was signed."""
    DATA_CONTRADICTORY = "data_contradictory"
    """Two signed files say different things of one holder."""
    # the issuer
    SIGNATURE_INVALID = "signature_invalid"
    """The signature over the document does not verify."""
    CERTIFICATE_INVALID = "certificate_invalid"
    """The signer's certificate was not signed by the trusted key that it names."""
    SIGNER_NOT_ALLOWED = "signer_not_allowed"
    """The signer's certificate does not let its key sign documents."""
    SIGNER_EXPIRED = "signer_expired"
    """The signer's certificate is over at the instant of inspection."""
    SIGNER_NOT_YET_VALID = "signer_not_yet_valid"
    """The signer's certificate has not begun at the instant of inspection."""
    SIGNER_REVOKED = "signer_revoked"
    """The signer's certificate is on its issuer's revocation list."""
    ISSUER_UNKNOWN = "issuer_unknown"
    """Hashes and signature hold, but no trusted issuer stands behind them."""
    ISSUER_EXPIRED = "issuer_expired"
    """The issuer's own certificate is not valid at the instant of inspection."""
    ISSUER_REVOKED = "issuer_revoked"
    """The issuer's own certificate is on a revocation list."""
    ALGORITHM_WEAK = "algorithm_weak"
    """What holds does so by a digest or a key that is too weak to be believed."""
    # the chip's own proofs
    CHIP_KEY_MISMATCH = "chip_key_mismatch"
    """The chip does not hold a private key that its signed data announces; the checks say which."""
    PROOF_UNSUPPORTED = "proof_unsupported"
    """The chip announces a proof that this library cannot ask for."""
    NOT_ASKED = "not_asked"
    """What is announced was never asked for: the reader's doing, not the chip's."""


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
    """What came from the chip cannot be parsed, exceeds a bound, or is of no use: nothing is known.

    It accuses nobody: bytes are lost and issuers err.
    """

    def __init__(
        self, doing: str, message: str = "", *, fault: Fault = Fault.CHIP_MALFORMED
    ) -> None:
        super().__init__(fault, doing, message)


class ChannelBroken(EMRTDError):
    """The protected channel failed, or was never agreed; the session is dead."""

    def __init__(
        self, doing: str, message: str = "", *, fault: Fault = Fault.CHANNEL_BROKEN
    ) -> None:
        super().__init__(fault, doing, message)


class ChipLied(EMRTDError):
    """A hash, signature or key proof did not hold: the chip or its data is not what it says."""
