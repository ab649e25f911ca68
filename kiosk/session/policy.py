"""The policy in force, or the reason why there is none.

Knows that without a valid policy nothing is accepted. Does not know where a policy comes from nor
how its signature is verified: that is `kiosk.bundles`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wire.policy import ALL_LAYERS, Policy

if TYPE_CHECKING:
    from wire.reasons import Reason

MOST_RESTRICTIVE: Final = Policy(
    id="none",
    not_before=0,
    not_after=1,
    layers=ALL_LAYERS,
    face_fmr="1e-5",
    key_attempts=1,
    downgrade="refuse",
)
"""Every layer is required, no simulator may take part, no chip may be opened in a weaker way than
it can; and `why_none` lets nothing be accepted."""


@dataclass(frozen=True, slots=True)
class PolicyInForce:
    """What decides.

    Attributes:
        policy: the signed policy, or the most restrictive one.
        why_none: POLICY_MISSING, POLICY_UNSIGNED or POLICY_EXPIRED if there is no valid policy.
    """

    policy: Policy
    why_none: Reason | None = None

    @classmethod
    def none(cls, why: Reason) -> PolicyInForce:
        """Return the most restrictive policy and why it is in force."""
        return cls(MOST_RESTRICTIVE, why)
