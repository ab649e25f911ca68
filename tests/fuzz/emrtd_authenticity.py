"""What the proofs read: certificates of terminals, EF.CVCA, EF.CardSecurity, keys, signatures."""

from __future__ import annotations

from datetime import date

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from emrtd import active_auth, chip_auth, cvc, key_agreement, terminal_auth
from emrtd.errors import ChipLied, ChipMalformed
from emrtd.evidence import ActiveAuthTranscript, CAMTranscript
from emrtd.lds import card_security, dg14
from emrtd.security_infos import ActiveAuthenticationInfo, ChipAuthenticationPublicKeyInfo
from emrtd.tlv import encode

_DAY = date(2026, 1, 1)
_POINT = ec.derive_private_key(7, ec.SECP256R1()).public_key()
_MODULUS = (1 << 1027) + 1
"""A number of the right size: nothing here is ever signed with it."""


def _cvc(raw: bytes) -> object:
    made = cvc.parse_cvc(raw)
    for kind in cvc.TerminalKind:
        try:
            return cvc.verify_chain((made,), made, on=_DAY, kind=kind, allow_sha1=True)
        except ChipLied:
            continue
    return made


def _cvc_fields(raw: bytes) -> object:
    return _cvc(encode(0x7F21, encode(0x7F4E, raw) + encode(0x5F37, b"\1")))


def _cvc_key(raw: bytes) -> object:
    """Parse a whole authority's certificate around a key of any bytes."""
    chat = encode(0x06, bytes.fromhex("04007F000703010201")) + encode(0x53, b"\xc3")
    names = [encode(tag, b"VNCVCA00001") for tag in (0x42, 0x5F20)]
    days = [encode(0x5F25, bytes((2, 5, 0, 1, 0, 1))), encode(0x5F24, bytes((2, 7, 0, 1, 0, 1)))]
    head = encode(0x5F29, b"\0") + names[0] + encode(0x7F49, raw) + names[1]
    return _cvc_fields(head + encode(0x7F4C, chat) + b"".join(days))


def _dg14(raw: bytes) -> object:
    return chip_auth.ways(dg14.parse(raw).infos)


def _cam(raw: bytes) -> object:
    transcript = CAMTranscript(13, raw[:65], raw[65:97])
    key = ChipAuthenticationPublicKeyInfo("0.4.0.127.0.7.2.2.1.2", raw[97:], None)
    return chip_auth.verify_cam(transcript, [key])


def _rsa(raw: bytes) -> object:
    key = rsa.RSAPublicNumbers(3, _MODULUS).public_key()
    return active_auth.verify_signature(ActiveAuthTranscript(bytes(8), raw[:129]), key)


def _ecdsa(raw: bytes) -> object:
    info = ActiveAuthenticationInfo(1, "1.2.840.10045.4.3.2")
    return active_auth.verify_signature(ActiveAuthTranscript(bytes(8), raw), _POINT, info)


_MALFORMED = (ChipMalformed,)
_LIED = (ChipMalformed, ChipLied)

TARGETS = {
    "emrtd.cvc": (_cvc, _LIED),
    "emrtd.cvc.fields": (_cvc_fields, _LIED),
    "emrtd.cvc.key": (_cvc_key, _LIED),
    "emrtd.terminal_auth.ef_cvca": (terminal_auth.parse_cvca, _MALFORMED),
    "emrtd.terminal_auth.announced": (terminal_auth.announced, _MALFORMED),
    "emrtd.lds.card_security": (card_security.parse, _MALFORMED),
    "emrtd.key_agreement": (key_agreement.parse_key, _MALFORMED),
    "emrtd.chip_auth.ways": (_dg14, _MALFORMED),
    "emrtd.chip_auth.cam": (_cam, _LIED),
    "emrtd.active_auth.rsa": (_rsa, _LIED),
    "emrtd.active_auth.ecdsa": (_ecdsa, _LIED),
}
