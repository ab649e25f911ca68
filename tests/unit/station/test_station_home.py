"""A device home: what its two files may say, and that nothing else gets through."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kiosk.station.home import MAX_CONFIG_BYTES, DeviceHome, HomeUnusableError
from wire.seal import OpeningKey

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = """\
id = "kiosk-1"
site = "commune-1"
card_url = "pcsc://0"
camera_url = "picamera://"
shards = 64

[broker]
host = "127.0.0.1"
port = 8883
"""
KEY = base64.b64encode(bytes(91)).decode()


def fleet(**changed: Any) -> dict[str, Any]:
    parts = {}
    for name in ("operations", "identity"):
        recipient = OpeningKey.generate(f"{name}-1", randomness=lambda size: b"\1" * size)
        public = recipient.recipient().public_key
        parts[name] = {"id": f"{name}-1", "public_key": base64.b64encode(public).decode()}
    return {"recipients": parts, "receipt_keys": {"0": KEY}, "policy_keys": [KEY], **changed}


@pytest.fixture
def home(tmp_path: Path) -> DeviceHome:
    (tmp_path / "device.toml").write_text(CONFIG)
    (tmp_path / "fleet.json").write_text(json.dumps(fleet()))
    return DeviceHome(tmp_path)


def test_a_home_is_read(home: DeviceHome) -> None:
    config, keys = home.config(), home.fleet_keys()
    assert (config.id, config.site, config.broker.port) == ("kiosk-1", "commune-1", 8883)
    assert config.queue_bytes == 256 * 1024 * 1024
    assert config.net is None, "homes of before say nothing of it"
    assert keys.recipients.identity.id == "identity-1"
    assert keys.receipt_keys == {0: bytes(91)}
    assert keys.policy_keys == (bytes(91),)


@pytest.mark.parametrize("net", ["strict", "mobilefacenet", "dlib-resnet", "ours-2"])
def test_a_home_may_name_the_net_that_compares(home: DeviceHome, net: str) -> None:
    (home.root / "device.toml").write_text(f'net = "{net}"\n{CONFIG}')
    assert home.config().net == net


@pytest.mark.parametrize(
    "line",
    [
        'net = ""', 'net = "../x"', 'net = "Strict"', "net = 1", 'net = "-x"',
        'id = "Kiosk 1"', 'site = "Nhà"', "shards = 0", "queue_bytes = 1", "unknown = 1",
        'card_url = ""', "id = 7", "[broker", 'procedure = "kiểm tra"',
    ],
)  # fmt: skip
def test_a_value_that_is_none_is_refused_with_its_file(home: DeviceHome, line: str) -> None:
    key = line.partition(" ")[0]
    kept = [each for each in CONFIG.splitlines() if not each.startswith(f"{key} ")]
    (home.root / "device.toml").write_text("\n".join([line, *kept]))
    with pytest.raises(HomeUnusableError, match=r"device\.toml"):
        home.config()


@pytest.mark.parametrize(
    "changed",
    [
        {"policy_keys": []},
        {"policy_keys": ["not base64!"]},
        {"receipt_keys": {"a": KEY}},
        {"recipients": {}},
        {"more": 1},
        {"recipients": {**fleet()["recipients"], "identity": {"id": "x", "public_key": KEY}}},
    ],
)
def test_a_fleet_that_is_none_is_refused_with_its_file(
    home: DeviceHome, changed: dict[str, Any]
) -> None:
    (home.root / "fleet.json").write_text(json.dumps(fleet(**changed)))
    with pytest.raises(HomeUnusableError, match=r"fleet\.json"):
        home.fleet_keys()


def test_a_home_without_files_or_with_too_large_ones_is_none(home: DeviceHome) -> None:
    (home.root / "device.toml").write_bytes(b"#" * (MAX_CONFIG_BYTES + 1))
    with pytest.raises(HomeUnusableError, match="too large"):
        home.config()
    (home.root / "fleet.json").unlink()
    with pytest.raises(HomeUnusableError):
        home.fleet_keys()


def test_nesting_without_end_is_no_home(home: DeviceHome) -> None:
    (home.root / "device.toml").write_text("a=" + "[" * 30_000)
    (home.root / "fleet.json").write_text("[" * 30_000)
    for read in (home.config, home.fleet_keys):
        with pytest.raises(HomeUnusableError):
            read()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(raw=st.binary(max_size=400))
def test_any_bytes_give_a_home_or_its_error(home: DeviceHome, raw: bytes) -> None:
    for name, read in (("device.toml", home.config), ("fleet.json", home.fleet_keys)):
        (home.root / name).write_bytes(raw)
        with pytest.raises(HomeUnusableError):
            read()
