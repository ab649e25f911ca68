"""The extractor, and two lists of minutiae laid over each other."""

from __future__ import annotations

from functools import cache

import numpy as np
from face_material import MODELS

from models.finger.extract import NAMES, Extractor

READY = all((MODELS / f"{name}.tflite").exists() for name in NAMES.values())
WHY_NOT = "build/models: made by `make setup`"


@cache
def extractor(precision="int8"):
    return Extractor(MODELS, precision=precision)


def found_share(found, x, y, angle, *, within_px, within_rad):
    """Return which part of the places given has a minutia there that looks the same way."""
    if not len(x):
        return 1.0
    away = np.hypot(found.x[:, None] - x, found.y[:, None] - y)
    turned = np.abs(np.angle(np.exp(1j * (found.angle[:, None] - np.asarray(angle)))))
    return float(((away <= within_px) & (turned <= within_rad)).any(axis=0).mean())
