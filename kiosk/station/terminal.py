"""What an operator shows a chip, from a folder: certificates (*.cvcert) and `terminal.key`.

Knows the names of the files. An authority that signed itself is a trust point, all else belongs to
chains. The key is a file here, for tests and for who has no token; a chip gives rights to whoever
holds it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emrtd.cvc import MAX_BYTES, Role, parse_cvc
from emrtd.terminal_auth import SoftwareSigner, Terminal

if TYPE_CHECKING:
    from pathlib import Path

CERTIFICATES = "*.cvcert"
KEY_FILE = "terminal.key"
MAX_CERTIFICATES = 64
MAX_KEY_BYTES = 8192


def terminal(directory: Path) -> Terminal:
    """Return the terminal of a folder.

    Raises:
        ValueError: too many certificates, none of a terminal, or a key that is none of its kind.
        ChipMalformed: a certificate is none.
        OSError: a file cannot be read.
    """
    paths = sorted(directory.glob(CERTIFICATES))
    if len(paths) > MAX_CERTIFICATES:
        raise ValueError("too many certificates")
    found = [parse_cvc(_read(path, MAX_BYTES)) for path in paths]
    points = tuple(
        each for each in found if each.role is Role.AUTHORITY and each.issuer == each.holder
    )
    terminals = [each for each in found if each.role is Role.TERMINAL]
    if not points or not terminals:
        raise ValueError("no authority or no terminal among the certificates")
    signer = SoftwareSigner(_read(directory / KEY_FILE, MAX_KEY_BYTES), signs=terminals[0].key)
    return Terminal(points, tuple(each for each in found if each not in points), signer)


def _read(path: Path, most: int) -> bytes:
    with path.open("rb") as file:
        raw = file.read(most + 1)
    if len(raw) > most:
        raise ValueError(f"{path.name} is too long")
    return raw
