"""Terminal authentication: the terminal shows that a country lets it read more, e.g. fingerprints.

Knows the dialogue, which certificates to show, and what is signed. Does not hold the terminal's
key: a `TerminalSigner` does, wherever that is; one that has it in memory is here. That a chip
refuses is a fact and no verdict on the chip: it may not know our authority.

What is signed ties the terminal to this chip and this session: the chip's identity (in PACE its
fresh key, in basic access control its number), its challenge, and the terminal's key of chip
authentication, which must have been run before.

Spec: [TR-03110-1] terminal authentication version 1; [TR-03110-3] its commands.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import load_der_private_key

from emrtd._der import SET, integer, oid, sequence
from emrtd.apdu import MAX_EXTENDED_LC, Command, Step
from emrtd.channel import ask
from emrtd.cvc import CVC, Role, RSAKey, VerifiedTerminal, path, reference, verify_chain
from emrtd.errors import ChipLied, ChipMalformed, ChipRefused, Fault
from emrtd.evidence import TerminalAuthFacts
from emrtd.security_infos import DG14_TAG, MAX_BYTES
from emrtd.tlv import encode, length_from_head, parse, parse_one

if TYPE_CHECKING:
    from datetime import date

    from emrtd.channel import Channel
    from emrtd.cvc import Key
    from emrtd.dialogue import Dialogue
    from emrtd.tlv import TLV

CHALLENGE_BYTES = 8
CVCA_FILE = 0x011C
CVCA_BYTES = 36
MAX_REFERENCES = 2
FILE_ID_BYTES = 2
ID_TERMINAL_AUTH = "0.4.0.127.0.7.2.2.2"

_DIGESTS = {
    each.name: each for each in (hashes.SHA224(), hashes.SHA256(), hashes.SHA384(), hashes.SHA512())
}
_STEP = Step("terminal_auth")
_CHAINED = 0x10
_OCTET_STRING = 0x04
_REFERENCE, _KEY_REFERENCE = 0x42, 0x83


class TerminalSigner(Protocol):
    """Holds the terminal's private key."""

    def sign(self, data: bytes) -> bytes:
        """Return the signature over data as the terminal's certificate says that it signs.

        ECDSA gives two plain numbers, each as long as the order of the curve. Nothing is hashed
        before the call.
        """


class SoftwareSigner:
    """A terminal's private key in this process's memory; a token is a better home for it."""

    def __init__(self, pkcs8: bytes, *, signs: Key) -> None:
        """Take the key.

        Args:
            pkcs8: the private key, DER, not encrypted.
            signs: the public key of the terminal's certificate, which says how it signs.

        Raises:
            ValueError: no private key, one of another kind, or one that signs by SHA-1.
        """
        kind = rsa.RSAPrivateKey if isinstance(signs, RSAKey) else ec.EllipticCurvePrivateKey
        try:
            key = load_der_private_key(pkcs8, None)
        except (TypeError, ValueError, UnsupportedAlgorithm):
            # Without its cause, which may quote the key.
            raise ValueError("not a private key") from None
        if not isinstance(key, kind) or signs.weak:
            raise ValueError("not a key that signs as the certificate says")
        self._key: Any = key
        self._signs = signs

    def sign(self, data: bytes) -> bytes:
        """Return the signature over data."""
        signs, key = self._signs, self._key
        if isinstance(signs, RSAKey):
            pss = padding.PSS(padding.MGF1(signs.digest), signs.digest.digest_size)
            made: bytes = key.sign(data, pss if signs.pss else padding.PKCS1v15(), signs.digest)
            return made
        numbers = decode_dss_signature(key.sign(data, ec.ECDSA(_DIGESTS[signs.digest])))
        size = (key.key_size + 7) // 8
        return b"".join(each.to_bytes(size, "big") for each in numbers)


@dataclass(frozen=True, slots=True)
class Terminal:
    """What an operator has, to read with rights.

    Attributes:
        trust_points: certificates of authorities.
        certificates: links, verifiers' and terminal's, in any order.
        signer: holds the key of the terminal's.
    """

    trust_points: tuple[CVC, ...]
    certificates: tuple[CVC, ...]
    signer: TerminalSigner = field(repr=False)

    def chain(self, references: tuple[str, ...], *, on: date) -> VerifiedTerminal | None:
        """Return the shortest chain that holds from a key that the chip knows, None without.

        Raises:
            ChipLied: there is a chain, and it does not hold on that day.
            ChipMalformed: one of its keys is none.
        """
        known = {each.holder: each for each in self.trust_points if each.holder in references}
        # Operators keep what ran out beside its successor; links may have run out and still serve.
        current = [
            each
            for each in self.certificates
            if each.role is Role.AUTHORITY or each.effective <= on <= each.expires
        ]
        found = path(current, known=known)
        return verify_chain(found, known[found[0].issuer], on=on) if found else None


def announced(dg14: bytes) -> int | None:
    """Return the identifier of EF.CVCA if DG14 announces version 1, None if it does not.

    Raises:
        ChipMalformed: not DG14, or no file's identifier.
    """
    infos = parse_one(parse_one(dg14, DG14_TAG, limit=MAX_BYTES).value, SET).value
    for member in parse(infos):
        name, version, *file = sequence(member, 2, 3)
        if oid(name) == ID_TERMINAL_AUTH and integer(version) == 1:
            return _file_identifier(file[0]) if file else CVCA_FILE
    return None


def parse_cvca(raw: bytes) -> tuple[str, ...]:
    """Parse EF.CVCA: the references of one or two keys of authorities that the chip knows.

    Raises:
        ChipMalformed: none, more than two, or anything but zeros after them.
    """
    if len(raw) > CVCA_BYTES:
        raise ChipMalformed("EF.CVCA", f"{len(raw)} bytes")
    found: list[str] = []
    left = raw
    while left.strip(b"\0") and len(found) < MAX_REFERENCES:
        header, length = length_from_head(left)
        item = parse_one(left[: header + length], _REFERENCE)
        found.append(reference(item.value))
        left = left[header + length :]
    if not found or left.strip(b"\0"):
        raise ChipMalformed("EF.CVCA", "no references, or more than references")
    return tuple(found)


def read_cvca(channel: Channel, *, file: int = CVCA_FILE) -> Dialogue[tuple[str, ...]]:
    """Read which authorities the chip knows.

    Args:
        channel: of the application, after access.
        file: its identifier, which `announced` tells.

    Raises:
        ChipRefused: the chip has no such file.
        ChipMalformed: it is no EF.CVCA.
    """
    select = Command(0, 0xA4, 0x02, 0x0C, file.to_bytes(2, "big"), step=_STEP)
    yield from ask(channel, select, doing="SELECT EF.CVCA")
    read = Command(0, 0xB0, 0, 0, le=CVCA_BYTES, step=_STEP)
    raw = yield from ask(channel, read, doing="READ BINARY EF.CVCA")
    return parse_cvca(raw)


def authenticate(
    terminal: Terminal,
    channel: Channel,
    *,
    chip_identity: bytes,
    own_key: bytes,
    on: date,
    file: int = CVCA_FILE,
    max_data: int = MAX_EXTENDED_LC,
) -> Dialogue[TerminalAuthFacts]:
    """Show the chip what it can follow to the terminal, and prove the terminal's key.

    Args:
        terminal: what the operator has.
        channel: the one of chip authentication.
        chip_identity: `access.Opened.chip_identity`: `key_agreement.compress` of the chip's last
            key in PACE, or its document's number after basic access control.
        own_key: `chip_auth.Authenticated.own_key`.
        on: the day, for choosing and checking certificates.
        file: EF.CVCA's identifier.
        max_data: the longest command data that reader and chip carry; longer is sent in chains.

    Returns:
        "passed" with the rights that the chip gave, or "failed": the chip refused, or the operator
        has no chain for it that holds.

    Raises:
        ChannelBroken, ChipGone: the talk ended.
        ChipMalformed: EF.CVCA or a challenge is none.
        ValueError: the signer does not hold the terminal's key.
    """
    try:
        references = yield from read_cvca(channel, file=file)
        try:
            verified = terminal.chain(references, on=on)
        except (ChipLied, ChipMalformed):
            verified = None
        if verified is None:
            return TerminalAuthFacts("failed", "", 0)
        yield from run(
            verified, terminal.signer, channel,
            chip_identity=chip_identity, own_key=own_key, max_data=max_data,
        )  # fmt: skip
    except ChipRefused:
        return TerminalAuthFacts("failed", "", 0)
    return TerminalAuthFacts("passed", verified.holder, verified.rights)


def run(
    verified: VerifiedTerminal,
    signer: TerminalSigner,
    channel: Channel,
    *,
    chip_identity: bytes,
    own_key: bytes,
    max_data: int = MAX_EXTENDED_LC,
) -> Dialogue[None]:
    """Run terminal authentication; see `authenticate`.

    Raises:
        ChipRefused: the chip does not take a certificate or the signature.
        ChipMalformed: the challenge has another length.
        ValueError: the signer does not hold the terminal's key.
    """
    for certificate in verified.chain:
        name = f"certificate {Role(certificate.role).name.lower()}"
        select = encode(_KEY_REFERENCE, certificate.issuer.encode("latin-1"))
        yield from _send(channel, (0x22, 0x81, 0xB6), select, max_data, f"MSE:Set DST {name}")
        shown = certificate.body + encode(0x5F37, certificate.signature)
        yield from _send(channel, (0x2A, 0x00, 0xBE), shown, max_data, f"PSO Verify {name}")
    select = encode(_KEY_REFERENCE, verified.holder.encode("latin-1"))
    yield from _send(channel, (0x22, 0x81, 0xA4), select, max_data, "MSE:Set AT terminal")
    ask_challenge = Command(0, 0x84, 0, 0, le=CHALLENGE_BYTES, step=_STEP)
    challenge = yield from ask(channel, ask_challenge, doing="GET CHALLENGE")
    if len(challenge) != CHALLENGE_BYTES:
        raise ChipMalformed(
            "GET CHALLENGE", f"{len(challenge)} bytes", fault=Fault.RESPONSE_MALFORMED
        )
    signed = chip_identity + challenge + own_key
    signature = signer.sign(signed)
    try:
        verified.check(signature, signed)
    except ChipLied as error:
        raise ValueError("the signer does not hold the terminal's key") from error
    yield from _send(channel, (0x82, 0, 0), signature, max_data, "EXTERNAL AUTHENTICATE")


def _file_identifier(item: TLV) -> int:
    identifier = sequence(item, 1, 2)[0]
    if identifier.tag != _OCTET_STRING or len(identifier.value) != FILE_ID_BYTES:
        raise ChipMalformed("TerminalAuthenticationInfo", "no file's identifier")
    return int.from_bytes(identifier.value, "big")


def _send(
    channel: Channel, head: tuple[int, int, int], data: bytes, max_data: int, doing: str
) -> Dialogue[None]:
    """Send a command that gives no data, in a chain if its own is too long for one."""
    starts = range(0, len(data), max_data)
    for start in starts:
        cla = 0 if start == starts[-1] else _CHAINED
        command = Command(cla, *head, data[start : start + max_data], step=_STEP)
        yield from ask(channel, command, doing=doing)
