"""The signed policy: which layers a verification must pass, and how patient a device is.

Knows a policy's fields and bounds, and that the fleet's policy key signs it. Does not know how it
is applied (kiosk.session) nor where it is kept (kiosk.bundles). What a policy does not grant is not
granted: without a valid one a device decides by the most restrictive that there is.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from wire.canonical import decode, encode
from wire.cose import Signer, sign1, verify1
from wire.errors import Malformed, SignatureInvalid
from wire.record import Code

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_POLICY_BYTES: Final = 4_096
POLICY_VERSION: Final = 1
"""Of this format; a policy's own name is its id."""

NominalFMR = Literal["1e-3", "1e-4", "1e-5"]
"""A false match rate for which a matcher's manifest has a threshold."""

OnDowngrade = Literal["accept", "refer", "refuse"]
"""What follows if a chip was opened in a weaker way than it can."""

Finger = Literal["never", "ask", "instead", "require"]
"""What a finger is asked for where the chip has fingerprints that this device may read: never; as
one more proof; to stand in for a face that is neither the same nor another; or of everybody, and
whoever cannot goes to a person."""

Seconds = Annotated[int, Meta(ge=1, le=600)]


class Layer(StrEnum):
    """What can be required of a verification."""

    PA = "pa"
    """The data was signed by a trusted issuer."""
    CHIP = "chip"
    """The chip holds the private key that its signed data announces."""
    VALIDITY = "validity"
    """The card has not expired."""
    LIVE = "live"
    """A living head was before the camera."""
    FACE = "face"
    """It is like the portrait in the chip."""


FINGER_S: Final = 40
ALL_LAYERS: Final = tuple(Layer)


class Patience(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long each step may take before the session ends by itself, in seconds.

    Attributes:
        key: to type or scan what opens the card.
        reading: to read the chip.
        face: to look into the camera, all cues included.
        confirming: to ask the card once more.
        filing: to put the record on the disk.
        showing: how long a verdict stays on the screen.
        finger: to put a finger down, all touches included; unsaid: `FINGER_S`.
    """

    key: Seconds = 60
    reading: Seconds = 60
    face: Seconds = 45
    confirming: Seconds = 5
    filing: Seconds = 10
    showing: Seconds = 20
    finger: Seconds | UnsetType = UNSET

    @property
    def finger_s(self) -> int:
        """How long a finger is waited for, all touches included."""
        return FINGER_S if self.finger is UNSET else self.finger


class Policy(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a device must see before it accepts.

    Attributes:
        id: its name; it stands in every record that it decided.
        not_before: UTC seconds since 1970 from which it holds.
        not_after: UTC seconds until which it holds.
        layers: what is required; each once.
        face_fmr: the nominal false match rate at which a face counts as the same.
        key_attempts: how often the card's key may be typed.
        simulators_allowed: whether simulated devices may take part at all.
        patience: how long each step may take.
        downgrade: what follows if the chip was opened in a weaker way than it can. Policies of
            before that question do not have it and stay as they were signed: UNSET.
        finger: what a finger is asked for; unsaid: never. Whether it is there or not never ends a
            service: what a policy asks for and does not get is for a person to look at.
        finger_fmr: the nominal false match rate at which a finger counts as the same; unsaid: 1e-4.
        version: of this format.
    """

    id: Code
    not_before: Annotated[int, Meta(ge=0, le=2**40)]
    not_after: Annotated[int, Meta(ge=0, le=2**40)]
    layers: Annotated[tuple[Layer, ...], Meta(max_length=len(Layer))]
    face_fmr: NominalFMR = "1e-4"
    key_attempts: Annotated[int, Meta(ge=1, le=5)] = 3
    simulators_allowed: bool = False
    patience: Patience = Patience()
    downgrade: OnDowngrade | UnsetType = UNSET
    finger: Finger | UnsetType = UNSET
    finger_fmr: NominalFMR | UnsetType = UNSET
    version: int = POLICY_VERSION

    @property
    def on_downgrade(self) -> OnDowngrade:
        """What follows if a chip was opened in a weaker way than it can; unsaid: a person looks."""
        return "refer" if self.downgrade is UNSET else self.downgrade

    @property
    def on_finger(self) -> Finger:
        """What a finger is asked for."""
        return "never" if self.finger is UNSET else self.finger

    @property
    def fmr_of_finger(self) -> NominalFMR:
        """The nominal false match rate at which a finger counts as the same."""
        return "1e-4" if self.finger_fmr is UNSET else self.finger_fmr


def sign_policy(policy: Policy, signer: Signer) -> bytes:
    """Sign a policy with a policy key.

    Raises:
        Malformed: a field is out of bounds, or a layer stands twice.
    """
    _check(policy)
    return sign1(encode(policy, what="policy", limit=MAX_POLICY_BYTES), signer, kind="policy")


def verify_policy(raw: bytes, keys: Iterable[bytes]) -> Policy:
    """Return the policy that one of these keys signed; whether it holds now is the caller's.

    Args:
        raw: the COSE_Sign1, from anyone.
        keys: SubjectPublicKeyInfo of each policy key, as enrolment gave them.

    Raises:
        Malformed: not a policy of this version.
        SignatureInvalid: none of the keys signed it.
    """
    for key in keys:
        try:
            payload = verify1(raw, key, kind="policy")
        except SignatureInvalid:
            continue
        policy = decode(
            payload, Policy, what="policy", limit=MAX_POLICY_BYTES, version=POLICY_VERSION
        )
        _check(policy)
        return policy
    raise SignatureInvalid("policy", "no policy key signed it")


def _check(policy: Policy) -> None:
    if len(set(policy.layers)) != len(policy.layers):
        raise Malformed("policy", "a layer stands twice")
    if policy.not_after <= policy.not_before:
        raise Malformed("policy", "it ends before it begins")
