"""What can be said at all: the closed lists that both catalogues must have words for.

Knows names, those of the session and those that only a screen needs. Does not know words.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final, TypeAlias

from kiosk.session.prompts import CheckName, CheckState, Delivery, Prompt
from wire.reasons import Outcome, Reason

if TYPE_CHECKING:
    from collections.abc import Mapping


class Hint(StrEnum):
    """What to do differently; the values are those of their reasons."""

    NO_FACE = "no_face"
    SEVERAL_FACES = "several_faces"
    QUALITY_SIZE = "quality_size"
    QUALITY_SHARPNESS = "quality_sharpness"
    QUALITY_EXPOSURE = "quality_exposure"
    QUALITY_POSE = "quality_pose"
    QUALITY_LIGHT = "quality_light"
    QUALITY_EYES = "quality_eyes"
    QUALITY_MOUTH = "quality_mouth"
    QUALITY_EXPRESSION = "quality_expression"
    QUALITY_BACKGROUND = "quality_background"
    QUALITY_FINGER_PRESSURE = "quality_finger_pressure"
    QUALITY_FINGER_DRY = "quality_finger_dry"
    QUALITY_FINGER_CENTRE = "quality_finger_centre"

    @classmethod
    def of(cls, reason: Reason | None) -> Hint | None:
        """Return the hint that a reason has, None if there is nothing that a person can do."""
        known = {each.value for each in cls}
        return cls(reason.value) if reason is not None and reason.value in known else None


class Button(StrEnum):
    """What can be pressed."""

    CANCEL = "cancel"
    DONE = "done"
    SKIP = "skip"
    """Go on without a finger."""
    DELETE = "delete"
    DETAILS = "details"
    LANGUAGE = "language"
    """The name of the catalogue's own language: what is pressed to get it."""


class Label(StrEnum):
    """What stands beside."""

    TITLE = "title"
    TOO_SMALL = "too_small"
    LANGUAGE = "language"
    SIMULATED = "simulated"
    SIMULATED_SHORT = "simulated_short"
    ONLINE = "online"
    OFFLINE = "offline"
    OFFLINE_CLOSED = "offline_closed"
    STEP = "step"
    STEP_KEY = "step_key"
    STEP_CHIP = "step_chip"
    STEP_FACE = "step_face"
    STEP_FINGER = "step_finger"
    STEP_RESULT = "step_result"
    KEY_WHERE = "key_where"
    KEY_TYPED = "key_typed"
    ATTEMPTS_LEFT = "attempts_left"
    RECEIPT = "receipt"
    POLICY = "policy"
    POLICY_NONE = "policy_none"
    TRUST_DAYS = "trust_days"
    TRUST_UNKNOWN = "trust_unknown"


class Finger(StrEnum):
    """Which finger is asked for, by the numbers of ISO/IEC 19794-4; 0: any that is on the card."""

    ANY = "0"
    RIGHT_THUMB = "1"
    RIGHT_INDEX = "2"
    RIGHT_MIDDLE = "3"
    RIGHT_RING = "4"
    RIGHT_LITTLE = "5"
    LEFT_THUMB = "6"
    LEFT_INDEX = "7"
    LEFT_MIDDLE = "8"
    LEFT_RING = "9"
    LEFT_LITTLE = "10"

    @classmethod
    def of(cls, position: int) -> Finger:
        """Return the finger of a position; what is none of one finger is any."""
        return cls(str(position)) if str(position) in set(cls) else cls.ANY


Sayable: TypeAlias = (
    Prompt | Hint | Reason | Outcome | CheckName | CheckState | Delivery | Button | Label | Finger
)

_PREFIXES: Final[Mapping[type[StrEnum], str]] = {
    Prompt: "prompt",
    Hint: "hint",
    Reason: "reason",
    Outcome: "outcome",
    CheckName: "check",
    CheckState: "state",
    Delivery: "delivery",
    Button: "button",
    Label: "label",
    Finger: "finger",
}


def key_of(said: Sayable) -> str:
    """Return the key of what is to be said, e.g. "prompt.place_card"."""
    return f"{_PREFIXES[type(said)]}.{said.value}"


def every_key() -> frozenset[str]:
    """Return the keys that every catalogue has, no more and no fewer."""
    return frozenset(
        f"{prefix}.{member.value}" for kind, prefix in _PREFIXES.items() for member in kind
    )
