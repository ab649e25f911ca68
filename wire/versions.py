"""The versions that are spoken. A version names a whole format; nothing is guessed from a shape."""

from __future__ import annotations

from typing import Final

WIRE_VERSION: Final = 1
"""Of commit groups, records and receipts: what travels between station and fleet."""

HANDOVER_VERSION: Final = 1
"""Of the frames between station and link on one device."""
