"""Strict JSON for cards and issuers that were kept in files.

Knows how to refuse what is not of the expected form. Does not know what a card is.
"""

from __future__ import annotations

import json
from datetime import date
from typing import Any, cast

from emrtd.errors import ChipMalformed


def parse_object(raw: str | bytes, doing: str, *, limit: int) -> dict[str, Any]:
    """Parse one JSON object, strictly: bounded, no duplicate keys.

    Args:
        raw: UTF-8 bytes or text.
        doing: what is being read, for the error.
        limit: most characters or bytes.

    Raises:
        ChipMalformed: it is none.
    """
    if len(raw) > limit:
        raise ChipMalformed(doing, "too long")
    try:
        tree = json.loads(raw, object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError) as error:
        raise ChipMalformed(doing, "not strict JSON") from error
    if type(tree) is not dict:
        raise ChipMalformed(doing, "not a JSON object")
    return tree


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    tree = dict(pairs)
    if len(tree) != len(pairs):
        raise ValueError("a key stands twice")
    return tree


def require(holds: bool, what: str) -> None:  # noqa: FBT001 - reads as a sentence
    """Go on only if it holds. Raises ChipMalformed."""
    if not holds:
        raise ChipMalformed("CardImage", f"{what} out of bounds")


def text(value: Any, what: str, *, limit: int) -> str:
    """Return a string. Raises ChipMalformed: it is none, or longer."""
    require(type(value) is str and len(value) <= limit, what)
    return cast("str", value)


def octets(value: Any, what: str, *, limit: int) -> bytes:
    """Return the bytes that hexadecimal digits stand for. Raises ChipMalformed."""
    digits = text(value, what, limit=2 * limit)
    try:
        return bytes.fromhex(digits)
    except ValueError as error:
        raise ChipMalformed("CardImage", f"{what} is not hex") from error


def array(value: Any, most: int, what: str) -> list[Any]:
    """Return a list of at most so many. Raises ChipMalformed."""
    require(type(value) is list and len(value) <= most, what)
    return cast("list[Any]", value)


def optional_integer(value: Any, what: str) -> int | None:
    """Return a number or nothing. Raises ChipMalformed."""
    require(value is None or type(value) is int, what)
    return cast("int | None", value)


def day(value: Any, what: str) -> date:
    """Return a date of the form YYYY-MM-DD. Raises ChipMalformed."""
    try:
        return date.fromisoformat(text(value, what, limit=10))
    except ValueError as error:
        raise ChipMalformed("CardImage", f"{what} is no date") from error
