"""From a URL to a driver: `pcsc://0`, `sim://card?file=…`, `file://…`, `picamera://`, `v4l2://…`.

Knows which drivers there are and what each may be asked. Imports a driver, and with it a vendor's
library, only when its URL is opened; a profile without simulators never imports one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from hw.errors import BadDeviceURL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hw.camera.port import CameraPort
    from hw.card.port import CardPort
    from hw.keys.port import KeyPort

MAX_URL_CHARS = 4096
CARD_SCHEMES = ("pcsc", "sim")
CAMERA_SCHEMES = ("picamera", "v4l2", "file", "sim")
KEY_SCHEMES = ("file",)


@dataclass(frozen=True, slots=True)
class DeviceURL:
    """A device's address, taken apart.

    Attributes:
        scheme: in lower case, e.g. "pcsc".
        target: what follows "://", with escapes resolved, e.g. "0" or "/path/of a file.png".
        query: the values after "?", each key once.
    """

    scheme: str
    target: str = field(repr=False)
    query: Mapping[str, str] = field(repr=False)


def parse_url(text: str, *, device: str) -> DeviceURL:
    """Take a device URL apart; %XX stands for a byte of UTF-8, so "?" in a path is "%3F".

    Raises:
        BadDeviceURL: it is none.
    """
    if len(text) > MAX_URL_CHARS:
        raise BadDeviceURL(device, "longer than any device URL")
    scheme, separator, rest = text.partition("://")
    if not separator or not scheme.isascii() or not scheme.isalnum():
        raise BadDeviceURL(device, "a device URL begins with SCHEME://")
    target, asked, query_text = rest.partition("?")
    query: dict[str, str] = {}
    for pair in query_text.split("&") if asked else ():
        key, equals, value = pair.partition("=")
        if not key or not equals or key in query:
            raise BadDeviceURL(device, "after ? stand KEY=VALUE, joined by &, each key once")
        query[key] = _unescaped(value, device)
    return DeviceURL(scheme.lower(), _unescaped(target, device), query)


def open_card(url: str, *, allow_simulators: bool = True) -> CardPort:
    """Make the reader that a URL names; the card is waited for by its `connect`.

    Args:
        url: `pcsc://INDEX`, `pcsc://PART-OF-NAME` or `sim://card?file=CARD.json[&fault=NAME]`.
        allow_simulators: False in the production profile.

    Raises:
        BadDeviceURL: no such driver or option, or a simulator where none is allowed.
        DeviceMissing, DeviceFailed: a simulated card's file is not there, or holds no card.
    """
    parsed = _known(url, "card", CARD_SCHEMES)
    if parsed.scheme == "pcsc":
        _refuse_unknown(parsed, "card", optional=())
        if not parsed.target:
            raise BadDeviceURL("card", "pcsc:// takes a reader's place or a part of its name")
        from hw.card.pcsc import PCSCReader

        return PCSCReader(parsed.target)
    _refuse_simulator("card", allowed=allow_simulators)
    _need_target(parsed, "card", "card")
    _refuse_unknown(parsed, "card", required=("file",), optional=("fault",))
    from hw.card.sim import SimulatedReader

    return SimulatedReader.of_file(Path(parsed.query["file"]), fault=parsed.query.get("fault"))


def open_camera(url: str, *, allow_simulators: bool = True) -> CameraPort:
    """Make the camera that a URL names; it is started by its own `open`.

    Args:
        url: `picamera://[INDEX]`, `v4l2:///dev/videoN`, `file://DIR-OR-IMAGE[?fps=N]` or
            `sim://camera?file=…`.
        allow_simulators: False in the production profile; pictures from files count as such.

    Raises:
        BadDeviceURL: no such driver or option, or a simulator where none is allowed.
    """
    parsed = _known(url, "camera", CAMERA_SCHEMES)
    if parsed.scheme == "picamera":
        _refuse_unknown(parsed, "camera", optional=())
        index = parsed.target or "0"
        if not (index.isascii() and index.isdigit() and len(index) == 1):
            raise BadDeviceURL("camera", "picamera:// takes a digit, the camera's place")
        from hw.camera.picamera import PiCamera

        return PiCamera(int(index))
    if parsed.scheme == "v4l2":
        _refuse_unknown(parsed, "camera", optional=())
        if not parsed.target.startswith("/dev/") or ".." in parsed.target:
            raise BadDeviceURL("camera", "v4l2:// takes a device, e.g. v4l2:///dev/video0")
        from hw.camera.v4l2 import V4L2Camera

        return V4L2Camera(parsed.target)
    _refuse_simulator("camera", allowed=allow_simulators)
    if parsed.scheme == "file":
        return _file_camera(parsed)
    _need_target(parsed, "camera", "camera")
    from hw.camera.sim import HeadCamera

    return HeadCamera.from_url_query(dict(parsed.query))


def open_key(url: str) -> KeyPort:
    """Load the key that a URL names: `file://PATH`.

    Raises:
        BadDeviceURL: no such driver or option.
        DeviceMissing, DeviceFailed: no such key, or it must not be used.
    """
    parsed = _known(url, "keys", KEY_SCHEMES)
    _refuse_unknown(parsed, "keys", optional=())
    if not parsed.target:
        raise BadDeviceURL("keys", "file:// takes the path of a key")
    from hw.keys.file import FileKey

    return FileKey(Path(parsed.target))


def _file_camera(parsed: DeviceURL) -> CameraPort:
    _refuse_unknown(parsed, "camera", optional=("fps",))
    if not parsed.target:
        raise BadDeviceURL("camera", "file:// takes a picture or a folder of pictures")
    from hw.camera.file import FileCamera

    try:
        return FileCamera(Path(parsed.target), fps=float(parsed.query.get("fps", "10")))
    except ValueError as error:
        raise BadDeviceURL("camera", "fps is a number from 0.5 to 240") from error


def _known(url: str, device: str, schemes: tuple[str, ...]) -> DeviceURL:
    parsed = parse_url(url, device=device)
    if parsed.scheme not in schemes:
        known = ", ".join(f"{scheme}://" for scheme in schemes)
        raise BadDeviceURL(device, f"no driver for {parsed.scheme}://; there are {known}")
    return parsed


def _refuse_unknown(
    parsed: DeviceURL, device: str, *, required: tuple[str, ...] = (), optional: tuple[str, ...]
) -> None:
    missing = [key for key in required if not parsed.query.get(key)]
    if missing:
        raise BadDeviceURL(device, f"needs {', '.join(missing)}")
    if parsed.query.keys() - {*required, *optional}:
        known = ", ".join((*required, *optional)) or "no options"
        raise BadDeviceURL(device, f"{parsed.scheme}:// takes {known}")


def _refuse_simulator(device: str, *, allowed: bool) -> None:
    if not allowed:
        raise BadDeviceURL(device, "this profile allows no simulated device")


def _need_target(parsed: DeviceURL, device: str, target: str) -> None:
    if parsed.target != target:
        raise BadDeviceURL(device, f"the simulator is {parsed.scheme}://{target}")


def _unescaped(text: str, device: str) -> str:
    try:
        plain = unquote(text, errors="strict")
    except UnicodeDecodeError as error:
        raise BadDeviceURL(device, "an escape is not UTF-8") from error
    if not plain.isprintable():
        raise BadDeviceURL(device, "a control character")
    return plain
