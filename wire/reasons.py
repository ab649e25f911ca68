"""The closed list of outcomes and reasons: the one place where a new one is added first.

Kiosk, fleet and every `--json` speak these codes. Words for people are made from them in the
kiosk's catalogues; a test asks for words in each language for every reason.
"""

from __future__ import annotations

from enum import StrEnum


class Outcome(StrEnum):
    """How a verification ended."""

    ACCEPTED = "accepted"
    """The chip is genuine and its holder stands here, by every layer the policy requires."""
    REFUSED = "refused"
    """The card or its data is not what it says. See the desk; no accusation is shown."""
    NOT_HOLDER = "not_holder"
    """A genuine card, another face. To the desk; no accusation, no score."""
    REFERRED = "referred"
    """Not enough is proven either way; a person looks."""
    INCOMPLETE = "incomplete"
    """The session ended before anything was decided."""


class Reason(StrEnum):
    """Why. Several may hold; the first one decided."""

    # the chip (the values of emrtd.errors.Fault)
    CHIP_GONE = "chip_gone"
    CHIP_REFUSED = "chip_refused"
    WRONG_PASSWORD = "wrong_password"  # noqa: S105 - a reason code, not a secret
    ACCESS_UNSUPPORTED = "access_unsupported"
    CHIP_MALFORMED = "chip_malformed"
    CHANNEL_BROKEN = "channel_broken"
    ADVERTISED_FILE_MISSING = "advertised_file_missing"
    DATA_HASH_MISMATCH = "data_hash_mismatch"
    SIGNATURE_INVALID = "signature_invalid"
    ISSUER_UNKNOWN = "issuer_unknown"
    SIGNER_EXPIRED = "signer_expired"
    SIGNER_REVOKED = "signer_revoked"
    CHIP_KEY_MISMATCH = "chip_key_mismatch"
    CARD_SWAPPED = "card_swapped"
    CHIP_MAY_BE_COPY = "chip_may_be_copy"
    # the face
    FACE_NOT_HOLDER = "face_not_holder"
    FACE_UNSURE = "face_unsure"
    NOT_LIVE = "not_live"
    NO_FACE = "no_face"
    SEVERAL_FACES = "several_faces"
    NO_PORTRAIT = "no_portrait"
    QUALITY_PORTRAIT = "quality_portrait"
    QUALITY_SIZE = "quality_size"
    QUALITY_SHARPNESS = "quality_sharpness"
    QUALITY_EXPOSURE = "quality_exposure"
    QUALITY_POSE = "quality_pose"
    # the finger
    NO_REFERENCE = "no_reference"
    FINGER_NOT_HOLDER = "finger_not_holder"
    # the card's dates
    CARD_STATUS_EXPIRED = "card_status_expired"
    # the policy
    POLICY_MISSING = "policy_missing"
    POLICY_UNSIGNED = "policy_unsigned"
    POLICY_EXPIRED = "policy_expired"
    POLICY_LAYER_MISSING = "policy_layer_missing"
    POLICY_SIMULATOR = "policy_simulator"
    # the session and the device
    TIMEOUT = "timeout"
    CANCELLED = "cancelled"
    DEVICE_MISSING = "device_missing"
    DEVICE_FAILED = "device_failed"
    DEVICE_TIMEOUT = "device_timeout"
    DEVICE_URL = "device_url"
    QUEUE_FULL = "queue_full"
    QUEUE_FAILED = "queue_failed"
