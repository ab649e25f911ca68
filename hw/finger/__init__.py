"""Fingerprint sensors: the port, what a touch gives, and what it can fail with."""

from hw.finger.errors import (
    BadPicture,
    LineBroken,
    LineTorn,
    ModuleRefused,
    NoFinger,
    NotForgotten,
    PortClosed,
    UnknownImageSize,
    Unproven,
    WrongPassword,
)
from hw.finger.port import (
    Agreed,
    CodedFinger,
    FingerImage,
    FingerPort,
    Light,
    OnLine,
    Phase,
    Touch,
)

__all__ = [
    "Agreed",
    "BadPicture",
    "CodedFinger",
    "FingerImage",
    "FingerPort",
    "Light",
    "LineBroken",
    "LineTorn",
    "ModuleRefused",
    "NoFinger",
    "NotForgotten",
    "OnLine",
    "Phase",
    "PortClosed",
    "Touch",
    "UnknownImageSize",
    "Unproven",
    "WrongPassword",
]
