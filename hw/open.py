"""From a URL to a driver: `pcsc://0`, `sim://card?file=…`, `picamera://`, `serial:///dev/ttyUSB0`.

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
    from hw.finger.port import FingerPort
    from hw.keys.port import KeyPort

MAX_URL_CHARS = 4096
FINGER_BAUDS = ("9600", "19200", "38400", "57600", "115200")
SERVICE_PORTS = frozenset(str(port) for port in range(4501, 4601))
CARD_SCHEMES = ("pcsc", "sim")
CAMERA_SCHEMES = ("picamera", "v4l2", "file", "sim")
FINGER_SCHEMES = ("serial", "fprint", "sbi", "sim")
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


def open_finger(url: str, *, allow_simulators: bool = True) -> FingerPort:
    """Make the fingerprint sensor that a URL names; it is found by its own `open`.

    Args:
        url: `serial:///dev/NAME[?baud=N&password=HEX&address=HEX]`, `fprint://`,
            `sbi://127.0.0.1:PORT?trust=CERTIFICATE.pem[&env=NAME&score=N]` or
            `sim://finger?images=DIR[&fault=NAME&model=NAME&speed=N&noise=N]`.
        allow_simulators: False in the production profile; a device service of another environment
            than production counts as one.

    Raises:
        BadDeviceURL: no such driver or option, or a simulator where none is allowed.
        DeviceMissing, DeviceFailed: the pictures or the certificate are not there, or unusable.
    """
    parsed = _known(url, "finger", FINGER_SCHEMES)
    if parsed.scheme == "serial":
        return _serial_finger(parsed)
    if parsed.scheme == "fprint":
        _refuse_unknown(parsed, "finger", optional=())
        if parsed.target:
            raise BadDeviceURL("finger", "fprint:// takes the first reader that there is")
        from hw.finger.fprint import FprintReader

        return FprintReader()
    if parsed.scheme == "sbi":
        return _service_finger(parsed, allow_simulators=allow_simulators)
    _refuse_simulator("finger", allowed=allow_simulators)
    _need_target(parsed, "finger", "finger")
    optional = ("fault", "model", "speed", "noise")
    _refuse_unknown(parsed, "finger", required=("images",), optional=optional)
    speed = _number(parsed, "speed", "1", device="finger")
    from hw.finger.sim import NOISE, SimulatedFinger

    return SimulatedFinger.of_folder(
        Path(parsed.query["images"]),
        model=parsed.query.get("model", "r503"),
        fault=parsed.query.get("fault"),
        speed=speed,
        noise=_number(parsed, "noise", f"{NOISE:g}", device="finger"),
    )


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


def _serial_finger(parsed: DeviceURL) -> FingerPort:
    _refuse_unknown(parsed, "finger", optional=("baud", "password", "address"))
    if not parsed.target.startswith("/dev/") or ".." in parsed.target:
        raise BadDeviceURL("finger", "serial:// takes a device, e.g. serial:///dev/ttyUSB0")
    baud = parsed.query.get("baud", "115200")
    if baud not in FINGER_BAUDS:
        raise BadDeviceURL("finger", f"baud is one of {', '.join(FINGER_BAUDS)}")
    password, address = (
        _hexadecimal(parsed.query.get(key, usual), key)
        for key, usual in (("password", "0"), ("address", "FFFFFFFF"))
    )
    from hw.finger.r503 import R503

    return R503(parsed.target, baud=int(baud), password=password, address=address)


def _service_finger(parsed: DeviceURL, *, allow_simulators: bool) -> FingerPort:
    _refuse_unknown(parsed, "finger", required=("trust",), optional=("env", "score"))
    host, _, port = parsed.target.partition(":")
    if host != "127.0.0.1" or port not in SERVICE_PORTS:
        raise BadDeviceURL("finger", "sbi:// takes 127.0.0.1 and a port from 4501 to 4600")
    from hw.finger.sbi import ENVIRONMENTS, PRODUCTION, SBIReader, Service

    environment = parsed.query.get("env", PRODUCTION)
    if environment not in ENVIRONMENTS:
        raise BadDeviceURL("finger", f"env is one of {', '.join(sorted(ENVIRONMENTS))}")
    if environment != PRODUCTION:
        _refuse_simulator("finger", allowed=allow_simulators)
    score = _number(parsed, "score", "40", device="finger")
    if not 1 <= score <= 100:
        raise BadDeviceURL("finger", "score is from 1 to 100")
    return SBIReader.of_file(
        Service(int(port), environment, int(score)), Path(parsed.query["trust"])
    )


def _hexadecimal(text: str, key: str) -> int:
    if not 1 <= len(text) <= 8 or not set(text) <= set("0123456789abcdefABCDEF"):
        raise BadDeviceURL("finger", f"{key} is up to eight hexadecimal digits")
    return int(text, 16)


def _number(parsed: DeviceURL, key: str, usual: str, *, device: str) -> float:
    try:
        return float(parsed.query.get(key, usual))
    except ValueError as error:
        raise BadDeviceURL(device, f"{key} is a number") from error


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
