"""The policy that a new fleet begins with: every layer required.

Knows values. Does not sign (fleet_home does, with the policy key) and reads no clock.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec import UNSET

from wire.policy import ALL_LAYERS, Finger, Policy

POLICY_LIFE = timedelta(days=365)
CLOCK_SKEW = timedelta(minutes=5)
"""How far a device's clock may be behind the signer's when it first meets a policy."""


def default_policy(now: datetime, *, simulators_allowed: bool, finger: Finger = "never") -> Policy:
    """Return a policy that requires every layer, named after its day.

    Args:
        now: aware; it holds from a little before, for a year.
        simulators_allowed: whether simulated devices may take part.
        finger: what a finger is asked for.
    """
    return Policy(
        id=f"default-{now:%Y%m%d}",
        not_before=int((now - CLOCK_SKEW).timestamp()),
        not_after=int((now + POLICY_LIFE).timestamp()),
        layers=ALL_LAYERS,
        simulators_allowed=simulators_allowed,
        finger=UNSET if finger == "never" else finger,
    )
