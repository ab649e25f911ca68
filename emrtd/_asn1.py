"""What asn1crypto may do with hostile bytes, made one typed error.

asn1crypto reads lazily: a broken field raises when it is first looked at, by many names.
Everything that touches such a value stands inside `reading()`.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from emrtd.errors import ChipMalformed

if TYPE_CHECKING:
    from collections.abc import Iterator

_UNREADABLE = (
    ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError, RecursionError,
)  # fmt: skip


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Turn whatever asn1crypto raises in this block into one error.

    Args:
        what: the structure that is read, in the standard's words.

    Raises:
        ChipMalformed: the block met bytes that are not that structure.
    """
    try:
        yield
    except _UNREADABLE as error:
        raise ChipMalformed(what, "not the structure it should be") from error
