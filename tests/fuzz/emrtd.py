"""The reader's parsers: every file, response and kept value that somebody else may have written."""

from __future__ import annotations

from asn1crypto import algos

from emrtd import certificate, mrz, security_infos, signatures, tlv
from emrtd._asn1 import reading
from emrtd.apdu import Command, Response
from emrtd.channel import PlainChannel
from emrtd.errors import ChannelBroken, ChipMalformed
from emrtd.evidence import Evidence
from emrtd.keys import MRZKey, SessionKeys
from emrtd.lds import card_access, com, dg1, dg2, dg13, dg14, dg15, sod
from emrtd.secure_messaging import SecureChannel
from emrtd.trust import TrustStore

_KEYS = SessionKeys.derive(b"fuzz", key_bytes=16)
_READ, _READ_ODD = Command(0, 0xB0, 0, 0, le=223), Command(0, 0xB1, 0, 0, b"\x54\x01\x00", 223)


def _answered(raw: bytes) -> Response:
    """Open any answer to a protected command; the checksum never holds."""
    return _opened(raw, _READ)


def _under_a_right_checksum(raw: bytes) -> Response:
    """Open any objects under a checksum that holds: what a chip with the keys may send."""
    odd, body = bool(raw[:1] > b"\x7f"), raw[1:] + b"\x99\x02\x90\x00"
    return _opened(body + b"\x8e\x08" + _checksum(body) + b"\x90\x00", _READ_ODD if odd else _READ)


def _checksum(body: bytes) -> bytes:
    from cryptography.hazmat.primitives.ciphers.algorithms import AES
    from cryptography.hazmat.primitives.cmac import CMAC

    cmac = CMAC(AES(_KEYS.mac))
    cmac.update((2).to_bytes(16, "big") + body + b"\x80" + bytes(-(len(body) + 1) % 16))
    return cmac.finalize()[:8]


def _opened(raw: bytes, command: Command) -> Response:
    dialogue = SecureChannel(_KEYS, PlainChannel(max_commands=1)).exchange(command)
    next(dialogue)
    try:
        dialogue.send(Response.from_bytes(raw))
    except StopIteration as stop:
        value: Response = stop.value
        return value
    raise ChannelBroken("fuzz", "it asks for more")


def _certificate(raw: bytes) -> object:
    parsed = certificate.parse(raw)
    return parsed.key(), parsed.scheme(), repr(parsed)


def _scheme(raw: bytes) -> object:
    with reading("AlgorithmIdentifier"):
        algorithm = algos.SignedDigestAlgorithm.load(raw)
    return signatures.scheme_of(algorithm)


_MALFORMED = (ChipMalformed,)
_CHANNEL = (ChannelBroken, ChipMalformed)

TARGETS = {
    "emrtd.tlv.parse": (tlv.parse, _MALFORMED),
    "emrtd.tlv.length_from_head": (tlv.length_from_head, _MALFORMED),
    "emrtd.mrz": (lambda raw: mrz.parse(raw.decode("latin-1")), _MALFORMED),
    "emrtd.keys.MRZKey": (lambda raw: MRZKey.from_mrz(raw.decode("latin-1")), _MALFORMED),
    "emrtd.apdu.Command": (Command.from_bytes, _MALFORMED),
    "emrtd.apdu.Response": (Response.from_bytes, _MALFORMED),
    "emrtd.secure_messaging": (_answered, _CHANNEL),
    "emrtd.secure_messaging.objects": (_under_a_right_checksum, _CHANNEL),
    "emrtd.security_infos": (security_infos.parse_security_infos, _MALFORMED),
    "emrtd.lds.card_access": (card_access.parse, _MALFORMED),
    "emrtd.lds.com": (com.parse, _MALFORMED),
    "emrtd.lds.sod": (sod.parse, _MALFORMED),
    "emrtd.lds.sod.security_object": (sod.parse_security_object, _MALFORMED),
    "emrtd.lds.dg1": (dg1.parse, _MALFORMED),
    "emrtd.lds.dg2": (dg2.parse, _MALFORMED),
    "emrtd.lds.dg13": (dg13.parse, _MALFORMED),
    "emrtd.lds.dg14": (dg14.parse, _MALFORMED),
    "emrtd.lds.dg15": (dg15.parse, _MALFORMED),
    "emrtd.certificate": (_certificate, _MALFORMED),
    "emrtd.signatures.key": (signatures.load_public_key, _MALFORMED),
    "emrtd.signatures.scheme": (_scheme, _MALFORMED),
    "emrtd.trust.anchor": (lambda raw: TrustStore([raw]).list(), ()),
    "emrtd.trust.crl": (lambda raw: TrustStore([], [raw]).revocation_lists(), _MALFORMED),
    "emrtd.evidence": (Evidence.from_cbor, _MALFORMED),
}
