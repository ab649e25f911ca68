"""What a module's answers mean: settings, sizes of sensors, pixels of four bits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.errors import DeviceFailed
from hw.finger import Light, UnknownImageSize
from hw.finger.module import LIGHTS, SENSORS, parse_image, parse_parameters

SETTINGS = bytes.fromhex("0008 0009 00C8 0003 FFFFFFFF 0003 000C")


def test_settings_are_read() -> None:
    found = parse_parameters(SETTINGS)
    assert (found.holds_image, found.packet_bytes, found.baud) == (True, 256, 115_200)
    assert not parse_parameters(b"\0\0" + SETTINGS[2:]).holds_image


@given(st.one_of(st.binary(max_size=20), st.binary(min_size=16, max_size=16)))
def test_any_settings_are_read_or_refused(raw: bytes) -> None:
    try:
        found = parse_parameters(raw)
    except DeviceFailed:
        return
    assert found.packet_bytes in {32, 64, 128, 256}
    assert found.baud % 9600 == 0
    assert 9600 <= found.baud <= 115_200


@pytest.mark.parametrize(
    ("size", "shape", "dpi"), [(18_432, (192, 192), 508), (36_864, (288, 256), 500)]
)
def test_the_size_tells_the_sensor_and_the_high_half_is_the_first_pixel(
    size: int, shape: tuple[int, int], dpi: int
) -> None:
    pixels, sensor = parse_image(b"\x0f\x81" + bytes(size - 2))
    assert pixels.shape == shape
    assert pixels.dtype == np.uint8
    assert list(pixels[0, :5]) == [0, 255, 136, 17, 0]
    assert sensor.dpi == dpi
    assert sensor.width_px * sensor.height_px == 2 * size
    with pytest.raises(ValueError, match="read-only"):
        pixels[0, 0] = 1


@given(st.integers(0, 80_000).filter(lambda size: size not in SENSORS))
def test_other_sizes_are_refused_with_their_number(size: int) -> None:
    with pytest.raises(UnknownImageSize) as caught:
        parse_image(bytes(size))
    assert caught.value.size_bytes == size


def test_every_light_is_one_the_oldest_firmware_has() -> None:
    assert LIGHTS.keys() == set(Light)
    for how, _, colour, _ in LIGHTS.values():
        assert 1 <= how <= 6
        assert 1 <= colour <= 3
    assert len(set(LIGHTS.values())) == len(Light)
