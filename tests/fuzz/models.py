"""What a chip says its portrait is, and what a manifest's file may hold."""

from __future__ import annotations

from models.manifest import parse
from models.portrait import PortraitError, decode
from models.runtime import ModelError

TARGETS = {
    "models.portrait.decode": (decode, (PortraitError,)),
    "models.portrait.decode.jpeg": (lambda raw: decode(b"\xff\xd8\xff" + raw), (PortraitError,)),
    "models.portrait.decode.j2k": (
        lambda raw: decode(b"\xff\x4f\xff\x51\x00\x2f" + raw),
        (PortraitError,),
    ),
    "models.manifest.parse": (parse, (ModelError,)),
}
