"""What opens a chip: every answer on the way there, and what a chip says of its own groups."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.modes import CBC, ECB

from emrtd import bac, pace, pace_parameters
from emrtd._groups import STANDARDISED
from emrtd.apdu import Command, Response
from emrtd.channel import PlainChannel
from emrtd.dialogue import drive
from emrtd.errors import ChannelBroken, ChipLied, ChipMalformed, ChipRefused, EMRTDError
from emrtd.inspect import inspect
from emrtd.keys import CAN, MRZKey, SessionKeys
from emrtd.secure_messaging import SecureChannel
from emrtd.security_infos import PACEInfo, parse_security_infos

if TYPE_CHECKING:
    from collections.abc import Callable

_ZONE = MRZKey("L898902C", "690806", "940623")
_DOCUMENT = _ZONE.document_keys()
_KEYS = SessionKeys(bytes(range(1, 17)), bytes(range(17, 33)), _DOCUMENT.cipher)
_READ, _READ_ODD = Command(0, 0xB0, 0, 0, le=223), Command(0, 0xB1, 0, 0, b"\x54\x01\x00", 223)
_RIGHT_NONCES = 0x80
_WAYS = [
    PACEInfo(f"0.4.0.127.0.7.2.2.4.{arcs}", 2, parameter_id)
    for arcs, parameter_id in (("1.2", 0), ("2.1", 8), ("3.1", 0), ("4.2", 8), ("6.2", 8))
]


def _chance() -> Callable[[int], bytes]:
    """Return a source of bytes, each time the same one from its beginning."""
    count = 0

    def randomness(size: int) -> bytes:
        nonlocal count
        count += 1
        return hashlib.shake_256(b"fuzz" + bytes((count & 0xFF,))).digest(size)

    return randomness


def _answers(raw: bytes) -> Callable[[Command], Response]:
    """Return a chip that gives these bytes in pieces, each with its length before it."""
    rest = raw

    def transmit(_: Command) -> Response:
        nonlocal rest
        size = rest[0] if rest else 0
        piece, rest = rest[1 : 1 + size], rest[1 + size :]
        return Response(piece, 0x9000 if rest else 0x6F00)

    return transmit


def _in_template(raw: bytes) -> Callable[[Command], Response]:
    """Return a chip that answers each step of PACE with the object it must, of these bytes."""
    pieces = _answers(raw)

    def transmit(command: Command) -> Response:
        if command.ins != 0x86:
            return Response(b"", 0x9000)
        piece = pieces(command).data[:120]
        tag = command.data[2] + 1 if len(command.data) > 2 else 0x80
        body = bytes((tag & 0xFF, len(piece))) + piece
        return Response(bytes((0x7C, len(body))) + body, 0x9000)

    return transmit


def _pace(raw: bytes) -> object:
    way = pace_parameters.offer(_WAYS[(raw[0] if raw else 0) % len(_WAYS)])
    if way is None:
        raise AssertionError("an offer of the standard")
    chip = (_answers, _in_template)[len(raw) % 2](raw[1:])
    channel = PlainChannel(max_commands=16)
    return drive(pace.run(way, CAN("123456"), channel, randomness=_chance()), chip)


def _bac(raw: bytes) -> object:
    channel = PlainChannel(max_commands=8)
    return drive(bac.run(_ZONE, channel, randomness=_chance()), _answers(raw))


def _bac_under_a_right_checksum(raw: bytes) -> object:
    """Answer as a chip that knows the zone may: any plain text, with our nonces or without."""
    plain = bytearray(raw[1:33].ljust(32, b"\0"))

    def transmit(command: Command) -> Response:
        if command.ins == 0x84:
            return Response(b"CHALLENG", 0x9000)
        if raw[:1] >= bytes((_RIGHT_NONCES,)):
            plain[:16] = b"CHALLENG" + _chance()(8)
        secret = _des(_DOCUMENT.encryption, bytes(plain))
        return Response(secret + _retail(_DOCUMENT.mac, secret), 0x9000)

    channel = PlainChannel(max_commands=8)
    return drive(bac.run(_ZONE, channel, randomness=_chance()), transmit)


def _under_a_right_checksum(raw: bytes) -> object:
    """Open any objects under a 3DES checksum that holds: what a chip with the keys may send."""
    odd, body = raw[:1] > b"\x7f", raw[1:] + b"\x99\x02\x90\x00"
    signed = (2).to_bytes(8, "big") + body + b"\x80" + bytes(-(len(body) + 1) % 8)
    answer = Response(body + b"\x8e\x08" + _mac(_KEYS.mac, signed), 0x9000)
    channel = SecureChannel(_KEYS, PlainChannel(max_commands=1))
    return drive(channel.exchange(_READ_ODD if odd else _READ), lambda _: answer)


def _des(key: bytes, data: bytes) -> bytes:
    cipher = Cipher(TripleDES(key + key[:8]), CBC(bytes(8))).encryptor()
    return cipher.update(data) + cipher.finalize()


def _retail(key: bytes, data: bytes) -> bytes:
    return _mac(key, data + b"\x80" + bytes(7 - len(data) % 8))


def _mac(key: bytes, blocks: bytes) -> bytes:
    single = Cipher(TripleDES(key[:8] * 3), CBC(bytes(8))).encryptor()
    last = (single.update(blocks) + single.finalize())[-8:]
    two = Cipher(TripleDES(key[8:] * 3), ECB()).decryptor()  # noqa: S305 - one block
    one = Cipher(TripleDES(key[:8] * 3), ECB()).encryptor()  # noqa: S305 - one block
    return one.update(two.update(last))


def _public_key(raw: bytes) -> object:
    group = STANDARDISED[sorted(STANDARDISED)[(raw[0] if raw else 0) % len(STANDARDISED)]]
    element = group.decode(raw[1:])
    if group.decode(group.encode(element)) != element:
        raise AssertionError("another element")
    return group.secret(element)


def _offers(raw: bytes) -> object:
    infos = parse_security_infos(raw)
    ways = [each for each in infos if isinstance(each, PACEInfo)]
    return [
        (pace_parameters.offer(each, infos), pace_parameters.rank(each, infos)) for each in ways
    ]


def _inspection(raw: bytes) -> object:
    dialogue = inspect(_ZONE, wanted=frozenset({"DG1"}), randomness=_chance(), aa_nonce=bytes(8))
    return drive(dialogue, _answers(raw))


_PACE = (ChipMalformed, ChipRefused, ChipLied, ChannelBroken)

TARGETS = {
    "emrtd.pace_parameters": (pace_parameters.standardised, (ChipMalformed,)),
    "emrtd.pace_parameters.offer": (_offers, (ChipMalformed,)),
    "emrtd.groups": (_public_key, (ChipMalformed,)),
    "emrtd.pace": (_pace, _PACE),
    "emrtd.bac": (_bac, _PACE),
    "emrtd.bac.plain": (_bac_under_a_right_checksum, (ChannelBroken, ChipLied)),
    "emrtd.secure_messaging.3des": (_under_a_right_checksum, (ChannelBroken, ChipMalformed)),
    "emrtd.access": (_inspection, (EMRTDError,)),
}
