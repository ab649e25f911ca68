"""What can be known to be wrong before anyone stands at the kiosk: in one sentence, and at once.

Knows device URLs, the files behind simulated devices, and the model files. What only a running
device can tell, the station tells.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

from emrtd.errors import EMRTDError
from hw.errors import DeviceError, DeviceTimeout
from hw.open import open_camera, open_card
from models.calibration import CalibrationError
from models.calibration import find as find_calibration
from models.face.embed import names_of, net_of
from models.manifest import load_verified, manifests
from models.runtime import ModelError

if TYPE_CHECKING:
    from pathlib import Path


GLANCE_S: Final = 0.3
"""How long a card may take that nobody needs."""


class NotReadyError(Exception):
    """Something is missing that no session can do without.

    Attributes:
        reason: the closed reason code, e.g. "device_missing".
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def check_devices(card_url: str, camera_url: str) -> None:
    """Return if both URLs can be opened, as far as that is known without a card or a person.

    Raises:
        NotReadyError: naming the URL and what is wrong with it.
    """
    for url, check in ((card_url, _check_card), (camera_url, _check_camera)):
        try:
            check(url)
        except DeviceError as error:
            raise NotReadyError(error.reason, _told(error, error.device, url)) from error


def check_models(folder: Path, net: str | None = None) -> None:
    """Return if every model file is there and as its manifest says, and its calibration is one.

    Args:
        folder: of the model files.
        net: which net embeds, as `models.face.embed.open_embedder` wants it named.

    Raises:
        NotReadyError: naming what is missing, and how it is made.
    """
    others = [each.name for each in manifests().values() if each.role != "embed"]
    for name in (*others, *names_of(folder, net)):
        try:
            load_verified(folder, name)
        except ModelError as error:
            message = f"{folder}: {error}; make setup, or tram models build, makes it"
            raise NotReadyError("device_missing", message) from error
    compares = net_of(folder) if net is None else net
    try:
        find_calibration(folder, compares)
    except CalibrationError as error:
        raise NotReadyError("device_failed", f"{folder}: {error} ({compares})") from error


def ailing(card_url: str, camera_url: str) -> tuple[str, ...]:
    """Return a sentence for each device that does not answer now: why, which, and what to do.

    No card and no person is needed, nor read. Only while no kiosk holds the devices.
    """
    asked = (
        ("card reader", card_url, _reader_answers, "is it attached, and does pcscd run?"),
        ("camera", camera_url, _camera_answers, "is it attached, and may this user open it?"),
    )
    told = []
    for name, url, answers, remedy in asked:
        try:
            answers(url)
        except DeviceError as error:
            told.append(f"{_told(error, name, url)}; {remedy}")
    return tuple(told)


def _told(error: DeviceError, name: str, url: str) -> str:
    """Return reason, device and what else is known, each once."""
    return ": ".join(filter(None, (error.reason, f"{name} {url}", error.detail)))


def _reader_answers(url: str) -> None:
    port = open_card(url)
    try:
        # That no card lies there is no fault of the reader's, nor is a card that leaves.
        with contextlib.suppress(DeviceTimeout, EMRTDError):
            port.connect(timeout_s=GLANCE_S)
    finally:
        port.close()


def _camera_answers(url: str) -> None:
    camera = open_camera(url)
    try:
        camera.open()
    finally:
        camera.close()


def _check_card(url: str) -> None:
    open_card(url).close()


def _check_camera(url: str) -> None:
    if open_camera(url).simulated:
        _camera_answers(url)
