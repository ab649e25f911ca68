"""The policy file and a case to explain: both may come from anyone."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec

from tram.policy import CaseError, parse_case
from wire.cose import PrivateKeySigner, sign1
from wire.errors import WireError
from wire.policy import verify_policy

_SIGNER = PrivateKeySigner(ec.derive_private_key(0xF1EE7, ec.SECP256R1()))
_KEYS = (_SIGNER.public_key_der,)

TARGETS = {
    "wire.policy.verify_policy": (lambda raw: verify_policy(raw, _KEYS), (WireError,)),
    "wire.policy.verify_policy, signed": (
        lambda raw: verify_policy(sign1(raw, _SIGNER, kind="policy"), _KEYS),
        (WireError,),
    ),
    "tram.policy.parse_case": (parse_case, (CaseError,)),
}
