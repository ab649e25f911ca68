"""The policy file of a device: read, verified, judged by its dates; never trusted otherwise.

Knows that whatever is wrong with the file, a device goes on and accepts nothing (`why_none`). Does
not know what a policy decides (kiosk.session) nor how a newer one gets here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kiosk.bundles.files import read_bounded
from kiosk.session.policy import PolicyInForce
from wire.errors import WireError
from wire.policy import MAX_POLICY_BYTES, Policy, verify_policy
from wire.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MAX_POLICY_FILE_BYTES: Final = MAX_POLICY_BYTES + 256
"""A policy and the signature around it."""


def load(path: Path, keys: Sequence[bytes], *, now: int) -> PolicyInForce:
    """Return the policy in force; never raises for what the file is.

    Args:
        path: the signed policy.
        keys: SubjectPublicKeyInfo of each policy key, DER, as enrolment gave them.
        now: UTC seconds since 1970.

    Returns:
        The policy; or the most restrictive one and why: POLICY_MISSING, there is no file;
        POLICY_UNSIGNED, it cannot be read, is too large, is none, or no key signed it;
        POLICY_EXPIRED, it does not hold now.
    """
    try:
        policy = verify_policy(read_bounded(path, limit=MAX_POLICY_FILE_BYTES), keys)
    except FileNotFoundError:
        return PolicyInForce.none(Reason.POLICY_MISSING)
    except (OSError, ValueError, WireError):
        return PolicyInForce.none(Reason.POLICY_UNSIGNED)
    return judge(policy, now=now)


def judge(policy: Policy, *, now: int) -> PolicyInForce:
    """Return a verified policy if it holds now, from `not_before` to `not_after`, both included.

    Args:
        policy: as a policy key signed it.
        now: UTC seconds since 1970.
    """
    if policy.not_before <= now <= policy.not_after:
        return PolicyInForce(policy)
    return PolicyInForce.none(Reason.POLICY_EXPIRED)
