"""What every device key must do, wherever it lives; each driver's tests inherit it.

Signatures are judged by the `openssl` program.
"""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from hw.errors import DeviceFailed

if TYPE_CHECKING:
    from pathlib import Path

    from hw.keys.port import KeyPort

P256_DER_HEAD = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")
"""SubjectPublicKeyInfo of an uncompressed point of P-256, up to the point."""
MESSAGES = (b"", b"one", bytes(range(256)) * 400)


def openssl(*arguments: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["openssl", *arguments], input=given, capture_output=True, timeout=20, check=False
    )


def in_der(signature: bytes) -> bytes:
    """Return r and s of 32 bytes each as a DER SEQUENCE of INTEGERs."""
    parts = b""
    for half in (signature[:32], signature[32:]):
        number = int.from_bytes(half, "big")
        value = number.to_bytes(number.bit_length() // 8 + 1, "big")
        parts += bytes((2, len(value))) + value
    return bytes((0x30, len(parts))) + parts


def holds(public_key_der: bytes, message: bytes, signature: bytes, folder: Path) -> bool:
    """Tell whether openssl accepts a signature."""
    (folder / "key.der").write_bytes(public_key_der)
    (folder / "signature").write_bytes(in_der(signature))
    said = openssl(
        *("dgst", "-sha256", "-keyform", "DER", "-verify", str(folder / "key.der")),
        *("-signature", str(folder / "signature")),
        given=message,
    )
    assert said.returncode in {0, 1}, said.stderr
    assert (said.returncode == 0) is (b"Verified OK" in said.stdout)
    return said.returncode == 0


class KeyContract:
    """Inherit, and give a fixture `key`: a key port that is open."""

    def test_the_public_key_is_of_p256_and_stays_the_same(self, key: KeyPort) -> None:
        der = key.public_key_der
        assert der.startswith(P256_DER_HEAD)
        assert len(der) == 91
        assert key.public_key_der == der
        shown = openssl("pkey", "-pubin", "-inform", "DER", "-noout", "-text", given=der)
        assert b"P-256" in shown.stdout

    @pytest.mark.parametrize("message", MESSAGES, ids=["empty", "short", "long"])
    def test_openssl_accepts_its_signatures(
        self, key: KeyPort, tmp_path: Path, message: bytes
    ) -> None:
        signature = key.sign(message)
        assert len(signature) == 64
        assert holds(key.public_key_der, message, signature, tmp_path)
        assert not holds(key.public_key_der, message + b"x", signature, tmp_path)
        other = bytes((signature[0] ^ 1,)) + signature[1:]
        assert not holds(key.public_key_der, message, other, tmp_path)

    def test_short_numbers_keep_their_length(self, key: KeyPort) -> None:
        # One in 128 signatures has a leading zero byte in r or s.
        signatures = [key.sign(bytes((count & 255, count >> 8))) for count in range(700)]
        assert {len(each) for each in signatures} == {64}
        assert any(0 in {each[0], each[32]} for each in signatures)

    def test_it_never_shows_itself(self, key: KeyPort) -> None:
        assert not hasattr(key, "__dict__") or "PRIVATE" not in repr(key)
        assert all(name == "key" or "private" not in name for name in dir(key))

    def test_a_closed_key_signs_no_more(self, key: KeyPort) -> None:
        key.close()
        with pytest.raises(DeviceFailed):
            key.sign(b"one")
        key.close()
