"""Data group 15: the public key of active authentication.

Spec: [9303-10] EF.DG15; [9303-11] active authentication.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from emrtd import tlv
from emrtd.signatures import load_public_key

if TYPE_CHECKING:
    from emrtd.signatures import PublicKey

TAG = 0x6F
MAX_BYTES = 4096
MIN_RSA_BITS = 1024
"""A key that lives in a card answers fresh challenges only; cards in use have short ones."""


@dataclass(frozen=True, slots=True)
class DG15:
    """The key whose private half is in the chip that was issued."""

    public_key: PublicKey = field(repr=False)


def parse(raw: bytes) -> DG15:
    """Parse the file. Raises ChipMalformed, also for a key that cannot be used."""
    info = tlv.parse_one(raw, TAG, limit=MAX_BYTES).value
    return DG15(load_public_key(info, min_rsa_bits=MIN_RSA_BITS))
