"""What the commands share: what is said when something takes long, and which device is ailing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click
import pytest

from tram.parts.card_key import password
from tram.parts.preflight import ailing
from tram.parts.progress import said_if_late
from tram.parts.said import in_words_of

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
    assert reader.startswith(f"device_missing: card reader {card}: the card's file: No such")
    assert eye.startswith(f"device_missing: camera {camera}: the device: No such")
    assert eye.endswith("is it attached, and may this user open it?")


def test_a_file_that_is_missing_is_said_once_with_what_makes_it(tmp_path: Path) -> None:
    path = tmp_path / "none.toml"
    with pytest.raises(FileNotFoundError) as missing:
        path.read_text()
    wrapped = ValueError("in other words")
    wrapped.__cause__ = missing.value
    for error in (missing.value, wrapped):
        said = in_words_of(error, remedy="make it makes it")
        assert said == f"{path}: No such file or directory; make it makes it"
    assert in_words_of(ValueError("port: out of range"), remedy="no") == "port: out of range"
    assert in_words_of(PermissionError(13, "Denied", "f"), remedy="no") == "f: Denied"


@pytest.mark.parametrize("key", ["can", "pin", "mrz", "qr"])
def test_what_opens_no_card_is_told_by_what_its_kind_has(key: str) -> None:
    given = {"can": None} | {key: "123"}
    with pytest.raises(click.UsageError) as refused:
        password(**given)
    assert refused.value.message.startswith(f"--{key}: ")
    assert "123" not in refused.value.message
