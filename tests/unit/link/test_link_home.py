"""What a link reads of a device home, and what it refuses to run with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from link_material import DEVICE_TOML, link_home

from kiosk.link.backoff import FullJitter
from kiosk.link.home import MAX_FILE_BYTES, LinkConfig, LinkHomeUnusableError
from kiosk.link.mqtt import tls_context

if TYPE_CHECKING:
    from pathlib import Path


def test_a_folder_with_nothing_but_its_own_files_is_enough(tmp_path: Path) -> None:
    home = link_home(tmp_path / "home")
    config = LinkConfig.load(home, tmp_path / "link.sock")
    assert (config.device, config.shards, config.broker.host) == ("kiosk-1", 8, "127.0.0.1")
    assert {path.name for path in home.rglob("*") if path.is_file()} == {
        *("device.toml", "tls.cert.pem", "tls.key.pem", "broker-ca.pem")
    }
    context = tls_context(config.broker)
    assert context.check_hostname
    assert context.minimum_version.name == "TLSv1_3"


def test_a_whole_device_home_serves_too(tmp_path: Path) -> None:
    home = link_home(tmp_path, toml='site = "hn-1"\ncard_url = "pcsc://0"\n' + DEVICE_TOML)
    assert LinkConfig.load(home, tmp_path / "link.sock").device == "kiosk-1"


@pytest.mark.parametrize(
    "toml",
    [
        "",
        "id =",
        DEVICE_TOML.replace('"kiosk-1"', '"Kiosk 1"'),
        DEVICE_TOML.replace("8", "0"),
        DEVICE_TOML.replace('"127.0.0.1"', '""'),
        DEVICE_TOML.replace("port = {port}", "port = 0"),
        DEVICE_TOML + 'user = "someone"\n',
        "#" * (MAX_FILE_BYTES + 1),
    ],
)
def test_a_device_file_that_is_not_one_is_refused(tmp_path: Path, toml: str) -> None:
    with pytest.raises(LinkHomeUnusableError):
        LinkConfig.load(link_home(tmp_path, toml=toml), tmp_path / "link.sock")


def test_another_devices_certificate_is_refused(tmp_path: Path) -> None:
    home = link_home(tmp_path, named="kiosk-2")
    with pytest.raises(LinkHomeUnusableError, match="not kiosk-1's"):
        LinkConfig.load(home, tmp_path / "link.sock")


@pytest.mark.parametrize("name", ["device.toml", "keys/tls.cert.pem"])
@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe", b"-----BEGIN CERTIFICATE-----\n"])
def test_a_missing_or_foreign_file_is_refused_without_quoting_it(
    tmp_path: Path, name: str, content: bytes | None
) -> None:
    home = link_home(tmp_path)
    if content is None:
        (home / name).unlink()
    else:
        (home / name).write_bytes(content)
    with pytest.raises(LinkHomeUnusableError) as caught:
        LinkConfig.load(home, tmp_path / "link.sock")
    assert "BEGIN" not in str(caught.value)


@given(st.lists(st.booleans(), max_size=80), st.floats(0, 1, exclude_max=True))
def test_a_wait_never_passes_its_ceiling_and_begins_low_again(
    failures: list[bool], chance: float
) -> None:
    backoff, ceiling = FullJitter(0.5, 60.0, lambda: chance), 0.5
    for failed in failures:
        if failed:
            assert backoff.next_s() == ceiling * chance
            ceiling = min(60.0, 2 * ceiling)
        else:
            backoff.succeeded()
            ceiling = 0.5
