"""Opening keys as files: read again as they were, and by OpenSSL where it knows them."""

from __future__ import annotations

import base64
import secrets
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.opening_key import new_opening_key, opening_key_from_pem, opening_key_to_pem
from wire.errors import Malformed
from wire.seal import MLKEM_PUBLIC_BYTES, OpeningKey, wrap

KEY = new_opening_key("operations", randomness=secrets.token_bytes)
PEM = opening_key_to_pem(KEY)
END = b"-----END PRIVATE KEY-----\n"
BEGIN = b"-----BEGIN PRIVATE KEY-----\n"
X25519_PREFIX = bytes.fromhex("302E020100300506032B656E04220420")
"""PKCS #8 around a key of X25519, whose identifier ends in 6E."""


def _of_no_known_kind() -> bytes:
    """Return a whole half whose algorithm nobody knows."""
    der = X25519_PREFIX.replace(b"\x2b\x65\x6e", b"\x2b\x65\x01") + bytes(32)
    return BEGIN + base64.b64encode(der) + b"\n" + END


def test_a_file_gives_the_key_back_and_opens_what_was_wrapped_for_it() -> None:
    found = opening_key_from_pem(PEM, "operations")
    assert found == KEY
    assert found.unwrap(wrap(b"k" * 32, KEY.recipient(), info=b"i"), info=b"i") == b"k" * 32


def test_the_name_is_made_from_the_public_half_and_the_compartment() -> None:
    other = new_opening_key("operations", randomness=secrets.token_bytes)
    assert KEY.id != other.id
    assert KEY.id.startswith("operations-")
    assert opening_key_from_pem(PEM, "identity").id == KEY.id.replace("operations", "identity")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_openssl_reads_the_x25519_half_and_derives_the_same_public_key() -> None:
    half = PEM.split(END)[1] + END
    done = subprocess.run(
        ["openssl", "pkey", "-pubout", "-outform", "DER"],
        input=half,
        capture_output=True,
        check=True,
    )
    assert done.stdout[-32:] == KEY.recipient().public_key[MLKEM_PUBLIC_BYTES:]


def test_no_repr_shows_a_private_half() -> None:
    assert KEY.private.hex() not in repr(KEY)
    assert repr(KEY.private)[2:-1] not in repr(KEY)


@pytest.mark.parametrize(
    "pem",
    [
        b"",
        PEM.split(END)[0] + END,
        b"".join(half + END for half in reversed(PEM.split(END)[:2])),
        PEM + PEM,
        PEM + b"more",
        PEM.replace(b"KEY", b"KEX"),
        b"\n" * 5_000 + PEM,
        PEM.split(END)[0] + END + _of_no_known_kind(),
    ],
    ids=["empty", "one half", "turned round", "twice", "a tail", "changed", "too long", "unknown"],
)
def test_what_is_no_key_file_is_refused(pem: bytes) -> None:
    with pytest.raises(Malformed):
        opening_key_from_pem(pem, "operations")


@given(st.integers(0, len(PEM) - 2))
def test_a_cut_file_is_refused(length: int) -> None:
    with pytest.raises(Malformed):
        opening_key_from_pem(PEM[:length], "operations")


@given(st.binary(min_size=96, max_size=96))
def test_any_key_survives_its_file(private: bytes) -> None:
    named = OpeningKey("operations", private)
    assert opening_key_from_pem(opening_key_to_pem(named), "operations").private == private
