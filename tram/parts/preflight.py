"""What can be known to be wrong before anyone stands at the kiosk: in one sentence, and at once.

Knows device URLs, the files behind simulated devices, and the model files. What only a running
device can tell, the station tells.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hw.errors import DeviceError
from hw.open import open_camera, open_card
from models.calibration import CalibrationError
from models.calibration import find as find_calibration
from models.face.embed import names_of, net_of
from models.manifest import load_verified, manifests
from models.runtime import ModelError

if TYPE_CHECKING:
    from pathlib import Path


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
            raise NotReadyError(error.reason, f"{url}: {error}") from error


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


def _check_card(url: str) -> None:
    open_card(url).close()


def _check_camera(url: str) -> None:
    camera = open_camera(url)
    if camera.simulated:
        try:
            camera.open()
        finally:
            camera.close()
