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
    """The data is genuine, and the chip has not proved that it is its own."""
    # the face
    FACE_NOT_HOLDER = "face_not_holder"
    """The face before the camera is not the one in the chip."""
    FACE_UNSURE = "face_unsure"
    """The face could not be told to be the same, nor to be another."""
    NOT_LIVE = "not_live"
    """No living head was seen before the camera."""
    NO_FACE = "no_face"
    """No face was seen."""
    SEVERAL_FACES = "several_faces"
    """More than one face was seen."""
    NO_PORTRAIT = "no_portrait"
    """The signed data has no picture to compare with."""
    QUALITY_PORTRAIT = "quality_portrait"
    """The picture in the chip cannot be used."""
    QUALITY_SIZE = "quality_size"
    """The face is too small or too near."""
    QUALITY_SHARPNESS = "quality_sharpness"
    """The face is blurred."""
    QUALITY_EXPOSURE = "quality_exposure"
    """The face is too dark or too bright."""
    QUALITY_POSE = "quality_pose"
    """The face is turned too far away."""
    # the finger
    NO_REFERENCE = "no_reference"
    """The card has no fingerprints to compare with."""
    FINGER_NOT_HOLDER = "finger_not_holder"
    """The finger is not one of those on the card."""
    # the card's dates
    CARD_STATUS_EXPIRED = "card_status_expired"
    """The last day of the card is past."""
    # the policy
    POLICY_MISSING = "policy_missing"
    """The device has no policy."""
    POLICY_UNSIGNED = "policy_unsigned"
    """The policy is unreadable, or no policy key of the fleet signed it."""
    POLICY_EXPIRED = "policy_expired"
    """The policy does not hold today."""
    POLICY_LAYER_MISSING = "policy_layer_missing"
    """The policy requires what this device cannot check."""
    POLICY_SIMULATOR = "policy_simulator"
    """A simulated device took part, and the policy does not allow it."""
    # the session and the device
    TIMEOUT = "timeout"
    """A step took too long."""
    CANCELLED = "cancelled"
    """The person stopped."""
    DEVICE_MISSING = "device_missing"
    """A device is not there."""
    DEVICE_FAILED = "device_failed"
    """A device does not work."""
    DEVICE_TIMEOUT = "device_timeout"
    """A device does not answer."""
    DEVICE_URL = "device_url"
    """A device is named by an address that is none."""
    QUEUE_FULL = "queue_full"
    """The queue has no room for the record."""
    QUEUE_FAILED = "queue_failed"
    """The record could not be put on the disk."""
