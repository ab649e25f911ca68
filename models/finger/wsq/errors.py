"""What may be wrong with a WSQ picture."""

from __future__ import annotations


class WSQError(Exception):
    """The bytes are no WSQ picture that may be decoded.

    Attributes:
        why: "size" (too many bytes, pixels or segments, or too few), "format" (what no known
            encoder writes) or "damaged".
    """

    def __init__(self, why: str) -> None:
        super().__init__(f"WSQ: {why}")
        self.why = why
