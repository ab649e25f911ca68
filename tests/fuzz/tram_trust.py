"""What an operator may be handed as a file of issuers."""

from __future__ import annotations

from datetime import UTC, datetime

from tram.trust import describe, describe_lists, parts_of

TARGETS = {
    "tram.trust.parts_of": (lambda raw: list(parts_of(raw)), (ValueError,)),
    "tram.trust.describe": (lambda raw: describe(raw, at=datetime(2026, 6, 1, tzinfo=UTC)), ()),
    "tram.trust.describe_lists": (lambda raw: describe_lists([raw], issuers=[]), ()),
}
