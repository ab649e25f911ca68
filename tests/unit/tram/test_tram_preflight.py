"""What `tram verify` says before anyone stands at the kiosk about nets and calibrations."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.calibration import FOLDER
from models.manifest import manifests
from tram.parts.preflight import NotReadyError, check_models

MODELS = Path(__file__).parents[3] / "build" / "models"

pytestmark = pytest.mark.skipif(
    not all((MODELS / each.file_name).exists() for each in manifests().values()),
    reason="build/models: made by `make setup`",
)


def models(folder: Path, *, without: str = "") -> Path:
    for path in MODELS.glob("*.tflite"):
        if path.stem != without:
            (folder / path.name).symlink_to(path)
    return folder


@pytest.mark.parametrize("net", [None, "mobilefacenet", "dlib-resnet", "strict"])
def test_what_is_there_is_ready(tmp_path: Path, net: str | None) -> None:
    check_models(models(tmp_path), net)


def test_the_net_that_the_device_names_must_be_there(tmp_path: Path) -> None:
    folder = models(tmp_path, without="dlib-resnet")
    check_models(folder)
    with pytest.raises(NotReadyError, match="dlib-resnet") as caught:
        check_models(folder, "strict")
    assert caught.value.reason == "device_missing"


def test_a_calibration_that_cannot_be_read_is_told_with_its_net(tmp_path: Path) -> None:
    folder = models(tmp_path)
    (folder / "calibration-strict.json").write_bytes((FOLDER / "strict.json").read_bytes()[:-9])
    check_models(folder, "mobilefacenet")
    with pytest.raises(NotReadyError, match="strict") as caught:
        check_models(folder, "strict")
    assert caught.value.reason == "device_failed"
