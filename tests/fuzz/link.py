"""The link's parsers: what a station says first and later, and what a receipt claims."""

from __future__ import annotations

from kiosk.link.station import greeted, said
from wire.errors import HandoverError, WireError
from wire.handover import decode
from wire.receipt import claimed_receipt


def _greeting(raw: bytes) -> object:
    return greeted(decode(raw), device="kiosk-1", shards=64)


def _later(raw: bytes) -> object:
    return said(decode(raw))


TARGETS = {
    "link.greeting": (_greeting, (HandoverError,)),
    "link.later_frame": (_later, (HandoverError,)),
    "link.claimed_receipt": (claimed_receipt, (WireError,)),
}
