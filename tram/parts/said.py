"""How an error is said to whoever typed the command: a path once, and what makes what is missing.

Knows errors of files and what was raised from them. Does not know what the file was for.
"""

from __future__ import annotations


def in_words_of(error: BaseException, *, remedy: str) -> str:
    """Return one sentence for an error; of a file that is not there also the remedy."""
    cause = error if isinstance(error, OSError) else error.__cause__
    if not isinstance(cause, OSError) or cause.filename is None or not cause.strerror:
        return str(error)
    said = f"{cause.filename}: {cause.strerror}"
    return f"{said}; {remedy}" if isinstance(cause, FileNotFoundError) else said
