"""What the worker gives up before it looks at anything that came from outside.

Knows the kernel's switches, and that each may be refused: under systemd most of it has been done
already, in a container some of it is not allowed. What held is returned, so that it can be told.
Does not know what the worker does.
"""

from __future__ import annotations

import ctypes
import os
import resource
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MAX_ADDRESS_SPACE_BYTES: Final = 1536 * 1024 * 1024
"""Reserved, not resident: threads and the tensor runtime reserve far more than they touch."""
MAX_OPEN_FILES: Final = 128
"""A camera opens a few dozen: buffers and media devices."""
FIRST_INHERITED: Final = 3
MAX_CLOSED: Final = 65_536

_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 4, 38
_CAPABILITY_VERSION_3 = 0x20080522


class Measure(StrEnum):
    """What can be given up."""

    NO_OTHER_FILES = "no_other_files"
    NO_NETWORK = "no_network"
    NO_CAPABILITIES = "no_capabilities"
    NO_NEW_PRIVILEGES = "no_new_privileges"
    NO_DUMP = "no_dump"
    NO_CORE = "no_core"
    NO_FILE_GROWTH = "no_file_growth"
    FEW_FILES = "few_files"
    BOUNDED_MEMORY = "bounded_memory"


def isolate(kept_fd: int) -> frozenset[Measure]:
    """Give up what no later step needs; before the first thread and before the models.

    Args:
        kept_fd: the station's socket: the one inherited descriptor that stays open, besides 0 to 2.

    Returns:
        The measures that the kernel took.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    return _held(
        (
            (Measure.NO_OTHER_FILES, lambda: _close_all_but(kept_fd)),
            (Measure.NO_NETWORK, lambda: _leave_network(libc)),
            (Measure.NO_CAPABILITIES, lambda: _drop_capabilities(libc)),
            (Measure.NO_NEW_PRIVILEGES, lambda: _prctl(libc, _PR_SET_NO_NEW_PRIVS, 1)),
            (Measure.NO_DUMP, lambda: _prctl(libc, _PR_SET_DUMPABLE, 0)),
            (Measure.NO_CORE, lambda: _limit(resource.RLIMIT_CORE, 0)),
        )
    )


def seal() -> frozenset[Measure]:
    """Give up what only loading needed; before the camera and before the first portrait.

    Returns:
        The measures that the kernel took.
    """
    return _held(
        (
            (Measure.NO_FILE_GROWTH, lambda: _limit(resource.RLIMIT_FSIZE, 0)),
            (Measure.FEW_FILES, lambda: _limit(resource.RLIMIT_NOFILE, MAX_OPEN_FILES)),
            (Measure.BOUNDED_MEMORY, lambda: _limit(resource.RLIMIT_AS, MAX_ADDRESS_SPACE_BYTES)),
        )
    )


def _held(measures: Iterable[tuple[Measure, Callable[[], None]]]) -> frozenset[Measure]:
    held = set()
    for measure, take in measures:
        try:
            take()
        except (OSError, ValueError):
            continue
        held.add(measure)
    return frozenset(held)


def _close_all_but(kept_fd: int) -> None:
    os.closerange(FIRST_INHERITED, kept_fd)
    os.closerange(max(kept_fd + 1, FIRST_INHERITED), MAX_CLOSED)


def _leave_network(libc: ctypes.CDLL) -> None:
    """Enter a network namespace of one's own, which has not even a loopback that is up."""
    if libc.unshare(_CLONE_NEWNET) != 0:
        _asked(libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET))


def _drop_capabilities(libc: ctypes.CDLL) -> None:
    """Empty all three sets; a namespace of one's own comes with all of them."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    _asked(libc.capset(header, (ctypes.c_uint32 * 6)()))


def _prctl(libc: ctypes.CDLL, option: int, value: int) -> None:
    zero = ctypes.c_ulong(0)
    _asked(libc.prctl(option, ctypes.c_ulong(value), zero, zero, zero))


def _asked(answer: int) -> None:
    if answer != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _limit(what: int, most: int) -> None:
    """Lower a limit for good; one that is lower already stays."""
    _, hard = resource.getrlimit(what)
    allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(what, (allowed, allowed))
