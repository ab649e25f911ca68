"""Bombs in a coded portrait: small files that ask a decoder for gigabytes or minutes."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from models.codestream import LARGE, ExcessError, require_modest
from models.portrait import PortraitError, decode

WIDE = np.zeros((1600, 1200, 3), np.uint8)


def coded(rgb, kind="JPEG2000", **options):
    out = io.BytesIO()
    Image.fromarray(rgb).save(out, kind, **options)
    return out.getvalue()


def stream(**options):
    return coded(WIDE, no_jp2=True, **options)


def cut_into_tiles(raw, side_px):
    at = raw.index(b"\xff\x51") + 4 + 2 + 16
    return raw[:at] + struct.pack(">II", side_px, side_px) + raw[at + 8 :]


def with_segment(raw, before, marker, body):
    at = raw.index(before)
    return raw[:at] + struct.pack(">HH", marker, 2 + len(body)) + body + raw[at:]


def in_layers(raw, layers):
    at = raw.index(b"\xff\x52") + 6
    return raw[:at] + struct.pack(">H", layers) + raw[at + 2 :]


def many_scans(times):
    raw = coded(WIDE[:64, :64], "JPEG", progressive=True)
    end = raw.rindex(b"\xff\xd9")
    return raw[:end] + raw[raw.rindex(b"\xff\xda") : end] * times + raw[end:]


@pytest.mark.parametrize("kind", ["JPEG", "JPEG2000"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"tile_size": (256, 256)},
                                     {"precinct_size": (256, 256)}, {"num_resolutions": 6},
                                     {"no_jp2": True}, {"irreversible": True}])  # fmt: skip
def test_what_encoders_make_is_modest(kind, options):
    require_modest(coded(WIDE, kind, **options))
    assert decode(coded(WIDE, kind, **options)).shape == WIDE.shape


BOMBS = {
    "tiles": cut_into_tiles(stream(tile_size=(1600, 1600)), 8),
    "precincts": stream(precinct_size=(16, 16)),
    "blocks": stream(codeblock_size=(4, 4)),
    "a second style": with_segment(
        stream(), b"\xff\x90", 0xFF52, b"\x01\x00\x00\x01\x00\x00\x04\x04\x00\x00\x11"
    ),
    "a style of one component": with_segment(
        stream(), b"\xff\x90", 0xFF53, b"\x01\x01\x00\x04\x04\x00\x00\x11"
    ),
    "a style of one tile": with_segment(
        stream(), b"\xff\x93", 0xFF52, b"\x01\x00\x00\x01\x00\x00\x04\x04\x00\x00\x11"
    ),
    "layers": in_layers(stream(), 65_535),
    "a layer too many": in_layers(stream(), 65),
    "layers of many precincts": in_layers(stream(precinct_size=(64, 64)), 64),
    "layers of one tile": with_segment(
        stream(), b"\xff\x93", 0xFF52, b"\x00\x00\xff\xff\x00\x00\x04\x04\x00\x00"
    ),
    "layers before a style of one component": with_segment(
        in_layers(stream(), 64),
        b"\xff\x90",
        0xFF53,
        b"\x01\x01\x05\x04\x04\x00\x00" + b"\x66" * 6,
    ),
    "a marker of another part": with_segment(stream(), b"\xff\x90", 0xFF74, b"\x00\x00"),
    "another order of packets": with_segment(
        stream(), b"\xff\x90", 0xFF5F, b"\x00\x00\x00\x01\x0d\x03\x02" * 31
    ),
    "another order in one tile": with_segment(
        stream(), b"\xff\x93", 0xFF5F, b"\x00\x00\x00\x01\x0d\x03\x02"
    ),
    "a second size": with_segment(stream(), b"\xff\x90", 0xFF51, bytes(40)),
    "scans": many_scans(40),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_before_it_is_decoded(name):
    with pytest.raises(ExcessError):
        require_modest(BOMBS[name])
    with pytest.raises(PortraitError) as refused:
        decode(BOMBS[name])
    assert refused.value.why in {"size", "format"}


@pytest.mark.parametrize("layers", [2, 12, 64])
def test_pictures_in_layers_are_modest(layers):
    rates = [40.0 - 39.0 * place / layers for place in range(layers)]
    raw = stream(quality_mode="rates", quality_layers=rates)
    assert raw[raw.index(b"\xff\x52") + 6 :][:2] == struct.pack(">H", layers)
    assert decode(raw).shape == WIDE.shape


def test_large_pictures_may_ask_for_more_but_not_for_anything():
    tiled = coded(np.zeros((6000, 6000), np.uint8), no_jp2=True, codeblock_size=(16, 16))
    with pytest.raises(ExcessError, match="blocks"):
        require_modest(tiled)
    require_modest(tiled, LARGE)
    for bomb in ("layers", "precincts", "another order of packets"):
        with pytest.raises(ExcessError):
            require_modest(BOMBS[bomb], LARGE)


@settings(deadline=None)
@given(st.sampled_from(sorted(BOMBS)), st.integers(0, 300), st.binary(max_size=20))
def test_any_bytes_are_modest_or_refused(name, at, noise):
    raw = BOMBS[name][:400]
    try:
        require_modest(raw[:at] + noise + raw[at + len(noise) :])
    except ExcessError:
        return
