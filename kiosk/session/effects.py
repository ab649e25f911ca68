"""What a session asks of the station: imperatives, each a value.

Knows the names. Does not know who obeys, nor how long it takes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from emrtd.keys import Password
    from emrtd.lds.dg3 import FingerImage
    from kiosk.session.verdict import Verdict
    from wire.policy import NominalFMR
    from wire.record import RecordIdentity


@dataclass(frozen=True, slots=True)
class WatchFaces:
    """Let the vision worker open its camera: nothing waits that needn't."""


@dataclass(frozen=True, slots=True)
class ReadChip:
    """Open the card, read it and judge it.

    Attributes:
        password: what opens it.
        fingers: whether its fingerprints are wanted, where this device may read them.
    """

    password: Password = field(repr=False)
    fingers: bool = False


@dataclass(frozen=True, slots=True)
class MatchFace:
    """Compare the living face with a portrait of verified data, and look whether it lives.

    Attributes:
        portrait: the coded image, JPEG or JPEG 2000, as it stands in DG2.
        fmr: the nominal false match rate at which a face counts as the same.
    """

    portrait: bytes = field(repr=False)
    fmr: NominalFMR


@dataclass(frozen=True, slots=True)
class MatchFinger:
    """Compare a finger with the fingerprints of verified data.

    Attributes:
        references: as they stand in DG3, in its order.
        fmr: the nominal false match rate at which a finger counts as the same.
    """

    references: tuple[FingerImage, ...] = field(repr=False)
    fmr: NominalFMR


@dataclass(frozen=True, slots=True)
class ConfirmCard:
    """Ask the chip once more under the live channel."""


@dataclass(frozen=True, slots=True)
class FileRecord:
    """Put the one record of this session on the disk."""

    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Show:
    """The verdict stands; show it.

    Attributes:
        record: the record's identity, None if it could not be filed.
    """

    verdict: Verdict
    record: RecordIdentity | None


@dataclass(frozen=True, slots=True)
class Forget:
    """End the vision worker, break off the reading, overwrite keys, drop all that was read."""


Effect: TypeAlias = (
    WatchFaces | ReadChip | MatchFace | MatchFinger | ConfirmCard | FileRecord | Show | Forget
)
