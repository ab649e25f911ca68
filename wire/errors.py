"""What can be wrong with bytes that a station and a fleet exchange, by who must act.

One root. No error carries a byte of what was refused: it may be a person's. The message names the
part of the wire that was being read, never its content.
"""

from __future__ import annotations


class WireError(Exception):
    """Root of everything this package raises on purpose.

    Attributes:
        what: the part of the wire in question, e.g. "group", "receipt", "operations part".
    """

    def __init__(self, what: str, message: str) -> None:
        super().__init__(f"{what}: {message}")
        self.what = what


class Malformed(WireError):
    """Bytes that are not what they should be, or a value that may not be sent.

    Attributes:
        field: of a value that may not be sent: the field that breaks its bounds, by its name in our
            own code, e.g. "versions.models"; empty if that is not known.
    """

    def __init__(self, what: str, message: str, *, field: str = "") -> None:
        super().__init__(what, message)
        self.field = field


class TooLarge(Malformed):
    """More bytes than the format allows; refused before they were looked at.

    Attributes:
        size: bytes given.
        limit: bytes allowed.
    """

    def __init__(self, what: str, *, size: int, limit: int) -> None:
        super().__init__(what, f"{size} bytes, at most {limit} are allowed")
        self.size = size
        self.limit = limit


class VersionUnsupported(Malformed):
    """Well-formed, and of a version that this software does not speak."""


class HandoverError(Malformed):
    """A frame between station and link that breaks their agreement: close the connection."""


class SignatureInvalid(WireError):
    """The signature does not hold for this content, this kind and this key."""


class SealBroken(WireError):
    """A sealed part does not open: another key, another place, or changed bytes."""


class ConsentLacking(WireError):
    """The person's consent does not cover this.

    Attributes:
        why: "purpose" (it was given for something else) or "time" (not yet, or no longer).
    """

    def __init__(self, what: str, why: str) -> None:
        super().__init__(what, f"the consent does not cover this {why}")
        self.why = why
