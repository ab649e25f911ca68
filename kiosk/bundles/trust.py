"""The folder of trusted issuers: certificates (*.der) and revocation lists (*.crl).

Knows names, sizes and ages of files. Whether one can be used is `emrtd.trust`'s: an issuer that
cannot is listed with the reason, a revocation list of a trusted issuer's that cannot (it is forged,
or says what is not understood) stops everything, because to ignore it would be to un-revoke. A list
of somebody who is not trusted revokes nothing that is believed here, and is listed with the reason.
Subfolders and other names are not looked at.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from emrtd.errors import EMRTDError
from emrtd.trust import MAX_CRL_BYTES, TrustStore
from kiosk.bundles.files import read_bounded

if TYPE_CHECKING:
    from pathlib import Path

MAX_ANCHOR_BYTES: Final = 65_536
MAX_FILES: Final = 4_096
"""Of one folder, of each kind; the world has some 800 issuers' certificates."""
MAX_TRUST_BYTES: Final = 32 * 1024 * 1024
"""Of one folder."""

_SECONDS_PER_DAY: Final = 86_400


class TrustUnusableError(ValueError):
    """The folder cannot be read, breaks a bound, or has a revocation list that cannot be used."""


@dataclass(frozen=True, slots=True)
class Trust:
    """Who is trusted, and how old that knowledge is.

    Attributes:
        store: the issuers.
        age_days: whole days since the newest file was written, never below 0; None if there is no
            file.
    """

    store: TrustStore
    age_days: int | None


def load_trust(folder: Path, *, now: float) -> Trust:
    """Load a folder; an empty one trusts nobody.

    Args:
        folder: where the files lie.
        now: UTC seconds since 1970.

    Raises:
        TrustUnusableError: naming the file or the bound.
    """
    room = MAX_TRUST_BYTES
    kinds: dict[str, dict[bytes, Path]] = {".der": {}, ".crl": {}}
    written: list[float] = []
    for path in _listed(folder):
        limit = min(room, MAX_ANCHOR_BYTES if path.suffix == ".der" else MAX_CRL_BYTES)
        try:
            raw = read_bounded(path, limit=limit)
            written.append(path.stat().st_mtime)
        except (OSError, ValueError) as error:
            raise TrustUnusableError(f"{path}: {error}") from error
        room -= len(raw)
        kinds[path.suffix].setdefault(raw, path)
    try:
        store = TrustStore(kinds[".der"], kinds[".crl"])
    except EMRTDError as error:
        raise TrustUnusableError(f"{folder}: {error}") from error
    for path, entry in zip(kinds[".crl"].values(), store.revocation_lists(), strict=True):
        if entry["issuer_trusted"] and not entry["usable"]:
            raise TrustUnusableError(f"{path}: {entry['why_not']}")
    age_days = int(max(0.0, now - max(written)) // _SECONDS_PER_DAY) if written else None
    return Trust(store, age_days)


def _listed(folder: Path) -> list[Path]:
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix in {".der", ".crl"})
    except OSError as error:
        raise TrustUnusableError(f"{folder}: {error.strerror}") from error
    for ending in (".der", ".crl"):
        if sum(path.suffix == ending for path in paths) > MAX_FILES:
            raise TrustUnusableError(f"{folder}: more than {MAX_FILES} files *{ending}")
    return paths
