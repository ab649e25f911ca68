"""A small file as h5py writes it: a group, a tree, names, and an array."""

from __future__ import annotations

from pathlib import Path

FILE = Path(__file__).parents[2] / "vectors" / "hdf5" / "small.h5"


def seeds() -> dict[str, list[bytes]]:
    """Return the file whole: two kilobytes, nearly all of them structure."""
    return {"provisioning.weights_h5.read": [FILE.read_bytes()]}
