"""The reader of weights: equal to h5py's on h5py's own files, and at ease with any others."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from provisioning.weights_h5 import ROOT, HDF5Error, read

VECTORS = Path(__file__).parents[2] / "vectors" / "hdf5"
RAW = (VECTORS / "weights.h5").read_bytes()


def test_arrays_are_those_that_h5py_wrote():
    told = json.loads((VECTORS / "weights.json").read_text())["arrays"]
    found = read(RAW)
    assert found.keys() == told.keys()
    for path, each in told.items():
        assert found[path].shape == tuple(each["shape"])
        assert found[path].dtype == np.float32
        np.testing.assert_array_equal(found[path].ravel(), np.float32(each["values"]))


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("chunked", "one piece"),
        ("packed", "one piece"),
        ("integers", "float32"),
        ("doubles", "float32"),
        ("big_endian", "float32"),
        ("five_axes", "shape"),
        ("newest", "another form"),
    ],
)
def test_what_weights_do_not_need_is_refused(name, why):
    with pytest.raises(HDF5Error, match=why):
        read((VECTORS / f"{name}.h5").read_bytes())


@pytest.mark.parametrize("length", [0, 7, 8, 56, 95, 500, len(RAW) // 2])
def test_a_file_that_breaks_off_is_refused(length):
    with pytest.raises(HDF5Error):
        read(RAW[:length])


def test_an_array_of_another_size_than_its_shape_is_refused():
    raw = (VECTORS / "small.h5").read_bytes()
    # Version 1, one axis, whether a greatest size is told, nothing, and the axis.
    forms = [bytes([1, 1, told, 0, 0, 0, 0, 0]) + struct.pack("<Q", 4) for told in (0, 1)]
    place = max(raw.find(each) for each in forms)
    assert read(raw)["x"].shape == (4,)
    spoiled = raw[: place + 8] + struct.pack("<Q", 5) + raw[place + 16 :]
    with pytest.raises(HDF5Error, match="another size"):
        read(spoiled)


def test_a_group_that_holds_itself_is_refused():
    (header,) = struct.unpack_from("<Q", RAW, ROOT + 8)
    spoiled = bytearray(RAW)
    leaf = RAW.index(b"SNOD")
    spoiled[leaf + 16 : leaf + 24] = struct.pack("<Q", header)
    with pytest.raises(HDF5Error, match="deeply"):
        read(bytes(spoiled))


def test_a_tree_that_branches_into_itself_is_refused():
    own = struct.pack("<Q", len(RAW))
    tree = b"TREE" + struct.pack("<BBHQQ", 0, 1, 60_000, 0, 0) + (bytes(8) + own) * 60_000
    root_tree = struct.pack("<Q", RAW.index(b"TREE"))
    with pytest.raises(HDF5Error, match="too deep"):
        read(RAW.replace(root_tree, own) + tree)


def test_a_tree_that_is_wide_is_not_walked_to_its_end():
    at = len(RAW)
    inner = b"TREE" + struct.pack("<BBHQQ", 0, 0, 0, 0, 0)
    branch = bytes(8) + struct.pack("<Q", at)
    tree = inner + b"TREE" + struct.pack("<BBHQQ", 0, 1, 60_000, 0, 0) + branch * 60_000
    root_tree = struct.pack("<Q", RAW.index(b"TREE"))
    with pytest.raises(HDF5Error, match="too many"):
        read(RAW.replace(root_tree, struct.pack("<Q", at + len(inner))) + tree)


@settings(max_examples=150, deadline=None)
@example(place=0, put=b"")
@given(place=st.integers(0, len(RAW)), put=st.binary(max_size=24))
def test_a_damaged_file_is_read_or_refused(place, put):
    try:
        found = read(RAW[:place] + put + RAW[place + len(put) :])
    except HDF5Error:
        return
    assert all(each.dtype == np.float32 for each in found.values())


@settings(max_examples=50, deadline=None)
@given(raw=st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(raw):
    for head in (b"", RAW[:96]):
        try:
            read(head + raw)
        except HDF5Error:
            continue
