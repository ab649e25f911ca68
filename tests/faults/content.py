"""What the record of a given mark says: made by the test, told again by the checker.

Knows plain values only; nothing of the product is imported. A mark is an integer that one device
uses once. Everything that varies is a hash of it, so that no two records are alike.
"""

from __future__ import annotations

import hashlib
from typing import Any

LANES = ("urgent", "security", "normal")
BANDS = {"pa": "passed", "aa": "passed", "ca": "absent", "face": "same", "live": "absent"}


def operations_of(mark: int) -> dict[str, Any]:
    """The operations part, as JSON would have it."""
    return {
        "outcome": "referred",
        "reasons": ["face_unsure"],
        "bands": BANDS,
        "procedure": "identity-check",
        "site": f"s{_digest(mark, 'site')[:12]}",
        "versions": {"software": "0.1.0", "policy": "policy-1", "models": {}},
        "at_hour": mark,
        "time_quality": "ntp",
        "simulated": {"card": False, "camera": False},
    }


def identity_of(mark: int) -> dict[str, Any] | None:
    """The identity part of a person who doesn't exist; of every fourth mark there is none."""
    if mark % 4 == 3:
        return None
    sod = bytes.fromhex(_digest(mark, "sod")) * (4 + mark % 40)
    return {
        "number": "999095012345",
        "dg1": b"DG1 " + _digest(mark, "dg1").encode(),
        "sod": sod,
        "policy": "policy-1",
        "bands": BANDS,
    }


def differs(found: Any, expected: Any) -> bool:
    """Whether something the test said is told otherwise; what it didn't say may be added."""
    if isinstance(expected, dict):
        if not isinstance(found, dict):
            return True
        return any(key not in found or differs(found[key], one) for key, one in expected.items())
    return bool(found != expected)


def _digest(mark: int, what: str) -> str:
    return hashlib.sha256(f"{what} {mark}".encode()).hexdigest()
