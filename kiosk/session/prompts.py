"""What is said to the person: a closed list. Words are made from it by the UI, in each language.

Knows names. Does not know words, languages or screens.
"""

from __future__ import annotations

from enum import StrEnum


class Prompt(StrEnum):
    """One thing to say; one action at most."""

    PLACE_CARD = "place_card"
    ENTER_KEY = "enter_key"
    """The last six digits of the number on the card."""
    KEY_REFUSED = "key_refused"
    """They do not open the card: look again."""
    HOLD_CARD_STILL = "hold_card_still"
    LOOK_AHEAD = "look_ahead"
    TURN_LEFT = "turn_left"
    TURN_RIGHT = "turn_right"
    BLINK = "blink"
    """Close the eyes for a moment and open them again."""
    PLACE_FINGER = "place_finger"
    LIFT_FINGER = "lift_finger"
    CHECKING = "checking"
    SAVING = "saving"
    ACCEPTED = "accepted"
    GO_TO_DESK = "go_to_desk"
    """Without a reason on the screen: no accusation, no score."""
    TRY_AGAIN = "try_again"
    OUT_OF_SERVICE = "out_of_service"
    TAKE_CARD = "take_card"


class CheckName(StrEnum):
    """What was checked, for the lines under a verdict."""

    ISSUER = "issuer"
    """The data is as an issuing state signed it."""
    CHIP = "chip"
    """The chip is the one that the data was issued in."""
    FACE = "face"
    """The face before the camera is like the portrait in the chip."""
    LIVE = "live"
    """A living person stood before the camera."""
    FINGER = "finger"


class CheckState(StrEnum):
    """How one check ended, as far as a person is told."""

    PASSED = "passed"
    NOT_PASSED = "not_passed"
    NOT_DONE = "not_done"


class Delivery(StrEnum):
    """Where the record is."""

    NOT_STORED = "not_stored"
    STORED = "stored"
    """Stored here, will be sent."""
    DELIVERED = "delivered"
    """The fleet signed for it."""
