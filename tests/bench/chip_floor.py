"""What no reader can do without: the fewest commands, and OpenSSL's time for the cryptography.

Counted from the steps of the protocols, apart from the reader: it looks at the sizes of the card's
files and at nothing that was sent.

Spec: [9303-10] files; [9303-11] access, chip and active authentication, secure messaging.
"""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.cmac import CMAC

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.bench.chip_session import Field, Taken

PACE = 1 + 4
"""MSE:Set AT; then nonce, mapping, key agreement and tokens."""
APPLICATION = 1
CHIP_AUTH = 1 + 1
"""MSE:Set AT and GENERAL AUTHENTICATE; the next command, whichever it is, proves the new keys."""
ACTIVE_AUTH = 1
PROTECTED = ("SOD", "DG14", "DG15", "DG1", "DG13", "DG2")
"""What a verdict and a face need of a card of 2021. COM is signed by nobody."""
SHORT_RESPONSE, EXTENDED_RESPONSE = 256, 4096
"""Data bytes of a response APDU."""


def fewest_commands(
    sizes: Mapping[str, int], *, response_bytes: int, select_files: bool = True
) -> int:
    """Return the fewest commands that an inspection costs.

    Args:
        sizes: bytes by file.
        response_bytes: how many data bytes a response may have.
        select_files: whether each file costs a SELECT; else it is named in its first READ BINARY by
            a short identifier.
    """
    find = 1 if select_files else 0
    plain = find + math.ceil(sizes["CardAccess"] / response_bytes)
    room = protected_room(response_bytes)
    files = sum(find + math.ceil(sizes[name] / room) for name in PROTECTED)
    return plain + PACE + APPLICATION + files + CHIP_AUTH + ACTIVE_AUTH


def protected_room(response_bytes: int) -> int:
    """Return the most plain data whose protected response is no longer than that.

    A response is 87 length 01 cryptogram, 99 02 status, 8E 08 checksum; padding takes at least one
    byte of the cryptogram's last block.
    """
    for plain in range(response_bytes, 0, -1):
        value = 1 + plain // 16 * 16 + 16
        length = 1 if value < 0x80 else 2 if value < 0x100 else 3
        if 1 + length + value + 4 + 10 <= response_bytes:
            return plain
    raise ValueError("no room")


def cryptography(card: Field, taken: Taken) -> Callable[[], None]:
    """Return the cryptography of one inspection alone, as OpenSSL does it on the same bytes.

    Three key pairs and the moved generator; three secrets (mapping, PACE, chip authentication);
    the card signer's certificate, the security object and the active authentication verified; what
    came decrypted and authenticated once, and hashed. Each multiplication is taken for one that
    OpenSSL has: it has no key pair on a mapped generator.
    """
    curve = ec.BrainpoolP256R1()
    theirs = ec.generate_private_key(curve).public_key()
    anchor, signer = (
        x509.load_der_x509_certificate(each.certificate)
        for each in (card.pki.csca, card.pki.signer)
    )
    signing = ec.generate_private_key(curve)
    signature = signing.sign(b"", ec.ECDSA(hashes.SHA256()))
    key, air = os.urandom(16), sum(each.size for each in taken.exchanges)
    secret = os.urandom(air - air % 16)
    files = tuple(taken.evidence.files.values())

    def work() -> None:
        pairs = [ec.generate_private_key(curve) for _ in range(4)]
        for own in pairs[:3]:
            own.exchange(ec.ECDH(), theirs)
        signer.verify_directly_issued_by(anchor)
        for _ in ("security object", "active authentication"):
            signing.public_key().verify(signature, b"", ec.ECDSA(hashes.SHA256()))
        decryptor = Cipher(AES(key), CBC(bytes(16))).decryptor()
        decryptor.update(secret)
        mac = CMAC(AES(key))
        mac.update(secret)
        mac.finalize()
        for raw in files:
            digest = hashes.Hash(hashes.SHA256())
            digest.update(raw)
            digest.finalize()

    return work
