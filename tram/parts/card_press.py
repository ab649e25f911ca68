"""Where test cards come from on disk: an issuer's folder, a picture small enough for a chip.

Knows files and pictures. Does not know what is on a card: that is `emrtd.sim`.
"""

from __future__ import annotations

import io
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from PIL import Image, ImageOps

from emrtd.sim import TestPKI

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

PKI_FILE = "pki.json"
TRUST_DIR = "trust"
TERMINAL_DIR = "terminal"
VALID_FROM = datetime(2021, 1, 1, tzinfo=UTC)
VALID_UNTIL = datetime(2041, 1, 1, tzinfo=UTC)

PORTRAIT_PX = (300, 400)
PORTRAIT_BYTES = 16_384
MAX_PICTURE_BYTES = 32 * 1024 * 1024
MAX_FINGER_BYTES = 65_536
FINGER_COMPRESSION = 10
"""A fingerprint's bytes before and after; minutiae outlast it."""
_RATES = (22, 26, 32, 40, 56, 80, 120)


def issuer(directory: Path) -> TestPKI:
    """Return the folder's test PKI; make one if there is none.

    The folder gets `pki.json`, which holds private keys and is the owner's only;
    `trust/csca.der` and what that issuer revoked, `trust/csca.crl`, which is all that a reader
    needs; and below `terminal/` the certificates and the key of one who may read fingers.

    Raises:
        ChipMalformed: the folder's file is no PKI.
        OSError: the folder cannot be read or written.
    """
    kept = directory / PKI_FILE
    if kept.exists():
        return TestPKI.from_json(kept.read_bytes())
    trust = directory / TRUST_DIR
    trust.mkdir(parents=True, exist_ok=True)
    pki = TestPKI.create(os.urandom, valid_from=VALID_FROM, valid_until=VALID_UNTIL)
    (trust / "csca.der").write_bytes(pki.csca.certificate)
    (trust / "csca.crl").write_bytes(pki.crl)
    _terminal(directory / TERMINAL_DIR, pki)
    write_private(kept, pki.to_json().encode())
    return pki


def _terminal(directory: Path, pki: TestPKI) -> None:
    directory.mkdir(exist_ok=True)
    for name in ("cvca", "verifier", "terminal"):
        (directory / f"{name}.cvcert").write_bytes(getattr(pki, name).certificate)
    write_private(directory / "terminal.key", pki.terminal.key)


def fingers(directory: Path) -> dict[int, bytes]:
    """Return the coded images of a folder by position, which is the name of their file.

    Raises:
        ValueError: a name is no position from 1 to 10, a file too large, or there is none.
        OSError: a file cannot be read.
    """
    found: dict[int, bytes] = {}
    for path in sorted(directory.iterdir()):
        if not (path.stem.isascii() and path.stem.isdigit() and 1 <= int(path.stem) <= 10):
            raise ValueError("finger images are named by position, 1 to 10")
        if path.stat().st_size > MAX_FINGER_BYTES or int(path.stem) in found:
            raise ValueError("a finger's image is too large, or there are two of one finger")
        found[int(path.stem)] = path.read_bytes()
    if not found:
        raise ValueError("no finger images")
    return found


def fingerprint(grey: NDArray[np.uint8]) -> bytes:
    """Return a picture of a finger as a chip stores it: JPEG 2000, at 500 pixels an inch.

    Args:
        grey: (H, W) uint8, ridges dark.
    """
    coded = io.BytesIO()
    Image.fromarray(grey).save(
        coded, "JPEG2000", quality_mode="rates", quality_layers=[FINGER_COMPRESSION]
    )
    return coded.getvalue()


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner reads, whole or not at all."""
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def portrait(picture: Path) -> bytes:
    """Return a picture as a chip stores it: JPEG 2000, within 300 x 400, at most 16 KiB.

    Raises:
        ValueError: no picture, or one that cannot be made so small.
        OSError: the file cannot be read.
    """
    if picture.stat().st_size > MAX_PICTURE_BYTES:
        raise ValueError("the picture's file is too large")
    with Image.open(picture) as opened:
        upright = ImageOps.exif_transpose(opened).convert("RGB")
    small = ImageOps.contain(upright, PORTRAIT_PX, Image.Resampling.LANCZOS)
    for rate in _RATES:
        out = io.BytesIO()
        small.save(out, "JPEG2000", quality_mode="rates", quality_layers=[rate], irreversible=True)
        if out.tell() <= PORTRAIT_BYTES:
            return out.getvalue()
    raise ValueError("the picture does not get small enough")
