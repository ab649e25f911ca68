"""What the commands share: what is said when something takes long, and which device is ailing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tram.parts.preflight import ailing
from tram.parts.progress import said_if_late

if TYPE_CHECKING:
    from pathlib import Path


def test_what_is_late_is_said_once_and_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    with said_if_late("waiting for a card", after_s=0.05):
        time.sleep(0.4)
        assert capsys.readouterr().err == "waiting for a card\n"
    assert capsys.readouterr() == ("", "")


def test_what_is_in_time_is_not_said(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(OSError, match="gone"), said_if_late("waiting for a card", after_s=0.2):
        raise OSError(5, "gone")
    time.sleep(0.4)
    assert capsys.readouterr() == ("", "")


def test_each_device_that_does_not_answer_is_named_with_what_to_do(tmp_path: Path) -> None:
    card, camera = f"sim://card?file={tmp_path}/none.json", "v4l2:///dev/no-such-video"
    reader, eye = ailing(card, camera)
    assert reader.startswith(f"card reader {card}: card: device_missing")
    assert eye.startswith(f"camera {camera}: camera: device_missing")
    assert eye.endswith("is it attached, and may this user open it?")
