"""What files of nets may hold, though they are read only after their hashes were compared."""

from __future__ import annotations

from provisioning import weights_h5
from provisioning.weights_dat import DatError, read

HEAD = b"input_rgb_image_sized" + b"\1\1" * 8 + b"con_4"

TARGETS = {
    "provisioning.weights_dat.read": (lambda raw: read(raw, convolutions=1), (DatError,)),
    "provisioning.weights_dat.layer": (lambda raw: read(HEAD + raw, convolutions=1), (DatError,)),
    "provisioning.weights_h5.read": (weights_h5.read, (weights_h5.HDF5Error,)),
}
