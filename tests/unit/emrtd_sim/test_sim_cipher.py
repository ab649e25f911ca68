"""Keys and checksums against openssl's primitives and published values."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sim_material import vector

from emrtd.sim._cipher import CIPHERS, ENCRYPTING, PASSWORD, TRIPLE_DES
from emrtd.sim._status import StatusError

KEY = bytes.fromhex("7962D9ECE03D1ACD4C76089DCE131543")


def openssl(cipher: str, key: bytes, data: bytes) -> bytes:
    command = ["openssl", "enc", f"-{cipher}", "-K", key.hex(), "-nopad"]
    if cipher.endswith("cbc"):
        command += ["-iv", bytes(8).hex()]
    return subprocess.run(command, input=data, capture_output=True, check=True).stdout


@pytest.mark.parametrize("size", [16, 24, 40, 200])
def test_the_retail_mac_is_single_des_with_a_triple_end(size: int) -> None:
    message = bytes(range(size))
    # Single DES is triple DES with one key.
    chained = openssl("des-ede3-cbc", KEY[:8] * 3, message[:-8])[-8:]
    last = bytes(a ^ b for a, b in zip(chained, message[-8:], strict=True))
    assert TRIPLE_DES.mac(KEY, message) == openssl("des-ede", KEY, last)


def test_the_retail_mac_of_the_worked_example() -> None:
    found = vector("9303-11/bac_card_side.json")["apdus"][1][0]
    sealed = bytes.fromhex(found)[5:-1]
    assert TRIPLE_DES.mac_of_any(KEY, sealed[:32]) == sealed[32:]


def test_triple_des_is_openssls() -> None:
    assert TRIPLE_DES.encrypt(KEY, bytes(24)) == openssl("des-ede3-cbc", KEY + KEY[:8], bytes(24))


@pytest.mark.parametrize("bits", ["128", "192", "256"])
def test_a_password_gives_the_published_key(bits: str) -> None:
    published = vector("9303-11/password_keys.json")
    key = CIPHERS[f"AES-{bits}"].derive(published["can"].encode(), PASSWORD)
    assert key.hex().upper() == published["keys"][bits]


def test_triple_des_keys_have_odd_parity_as_published() -> None:
    seed = bytes.fromhex("239AB9CB282DAF66231DC5A4DF6BFBAE")
    assert TRIPLE_DES.derive(seed, ENCRYPTING).hex().upper() == "AB94FDECF2674FDFB9B391F85D7F76F2"
    assert all(byte.bit_count() % 2 for byte in TRIPLE_DES.derive(b"any", PASSWORD))


@given(data=st.binary(max_size=70))
@pytest.mark.parametrize("name", CIPHERS)
def test_padding_goes_on_and_off(name: str, data: bytes) -> None:
    cipher = CIPHERS[name]
    padded = cipher.pad(data)
    assert len(padded) % cipher.block == 0
    assert cipher.unpad(padded) == data


@pytest.mark.parametrize("padded", [b"", bytes(8), b"\x80" + bytes(8), b"\x80" + bytes(15)])
def test_what_is_no_padding_is_refused(padded: bytes) -> None:
    with pytest.raises(StatusError):
        TRIPLE_DES.unpad(padded)
