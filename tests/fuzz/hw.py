"""The devices' parsers: URLs, portraits, pictures, keys, what readers and wires say."""

from __future__ import annotations

import io
import zipfile
from functools import cache

import numpy as np

from emrtd.errors import ChipGone
from hw.camera import file, portrait
from hw.card import part10, vpcd
from hw.errors import DeviceError, DeviceFailed
from hw.keys.file import parse_key
from hw.open import open_camera, open_card, open_finger, open_key, parse_url


@cache
def _members() -> dict[str, bytes]:
    arrays = {
        "rgb": np.zeros((120, 160, 3), np.uint8),
        "mesh": np.full((portrait.POINTS, 3), 60, np.float32),
        "version": np.int64(portrait.VERSION),
    }
    found = {}
    for name, array in arrays.items():
        out = io.BytesIO()
        np.lib.format.write_array(out, np.asanyarray(array))
        found[f"{name}.npy"] = out.getvalue()
    return found


def _member(raw: bytes) -> portrait.Portrait:
    """Parse a portrait in whose sound archive one array is anything."""
    name = sorted(_members())[len(raw) % 3]
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for each, content in {**_members(), name: raw}.items():
            archive.writestr(each, content)
    return portrait.parse(out.getvalue())


def _url(raw: bytes) -> None:
    text = raw.decode("utf-8", "surrogateescape")
    parse_url(text, device="card")
    for opener in (open_card, open_camera, open_finger, open_key):
        try:
            opener(text)
        except DeviceError:
            continue


class _Echo:
    atr = b"\x3b"

    def reset(self) -> None:
        """Nothing is kept."""

    def answer(self, command: bytes) -> bytes:
        return command


TARGETS = {
    "hw.open.parse_url": (_url, (DeviceError,)),
    "hw.camera.portrait": (portrait.parse, (DeviceFailed,)),
    "hw.camera.portrait.member": (_member, (DeviceFailed,)),
    "hw.camera.file.decode": (file.decode, (DeviceFailed,)),
    "hw.card.part10.features": (part10.properties_control_code, ()),
    "hw.card.part10.properties": (part10.max_command_bytes, ()),
    "hw.card.vpcd.react": (lambda raw: vpcd.react(_Echo(), raw), (ChipGone, DeviceFailed)),
    "hw.keys.file": (parse_key, (DeviceFailed,)),
}
