from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sim_material import HOLDER, JPEG, make_pki, stream

from emrtd.errors import ChipMalformed
from emrtd.sim import CardImage, personalise

CARD = personalise(HOLDER, JPEG, generation="2021", pki=make_pki(), randomness=stream("card"))
TREE: dict[str, Any] = json.loads(CARD.to_json())


def test_it_survives_its_json() -> None:
    assert CardImage.from_json(CARD.to_json()) == CARD
    assert CardImage.from_json(CARD.to_json().encode()) == CARD


@pytest.mark.parametrize("cut", range(0, 6000, 211))
def test_a_cut_off_card_is_refused(cut: int) -> None:
    with pytest.raises(ChipMalformed):
        CardImage.from_json(CARD.to_json()[:cut])


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("version", 3), ("version", True), ("version", "1"), ("extra", 1), ("generation", "2025"),
        ("generation", None), ("cipher", "AES-64"), ("cipher", 128), ("bac", 1),
        ("pace", [["gm", "P-256"]]), ("pace", ["gm"]), ("chip_auth_key", []),
        ("pace", [["gm", "P-255", "AES-128"]]), ("pace", {}),
        ("pace", [["xx", "P-256", "AES-128"]]), ("pace", [["im", "P-224", "AES-128"]]),
        ("pace", [["cam", "modp1024-160", "AES-128"]]), ("pace", [["cam", "P-256", "3DES"]]),
        ("pace", [["cam", "P-256", "AES-128"]]), ("pace", [["gm", "P-256", "AES-128"]] * 17),
        ("pin", "12345"), ("pin", None), ("today", "2021-13-01"), ("today", 5),
        ("trust_points", ["00"]), ("trust_points", {}), ("extended_bytes", 299),
        ("extended_bytes", 65_536), ("extended_bytes", True), ("extended_bytes", "300"),
        ("active_auth_scheme", "rsa-sha256"), ("active_auth_scheme", "none"),
        ("chip_auth_key_id", 256), ("chip_auth_key_id", -1), ("chip_auth_key_id", "1"),
        ("chip_auth_key", ["P-256"]), ("chip_auth_key", ["P-256", "0"]),
        ("chip_auth_key", ["P-256", "f" * 64]), ("chip_auth_key", ["P-256", "g"]),
        ("can", "12345"), ("can", "\uff11" * 6), ("can", 123456), ("mrz_information", ""),
        ("mrz_information", "x" * 65), ("mrz_information", "ẻ"), ("chip_auth_key", "00"),
        ("chip_auth_key", "zz"), ("chip_auth_key", "00" * 5000), ("active_auth_key", []),
        ("files", []), ("files", {}), ("files", {"CardAccess": ""}), ("files", None),
        ("files", {"CardAccess": "0"}), ("files", {"CardAccess": "00", "DG17": "00"}),
        ("files", {"CardAccess": "00" * 262_145}), ("alternatives", {"expired": ""}),
        ("alternatives", {"nobody": "00"}), ("alternatives", None),
    ],
)  # fmt: skip
def test_what_is_out_of_bounds_is_refused(key: str, value: Any) -> None:
    with pytest.raises(ChipMalformed):
        CardImage.from_json(json.dumps(TREE | {key: value}))


def test_missing_doubled_deep_and_long_are_refused() -> None:
    for key in TREE:
        with pytest.raises(ChipMalformed):
            CardImage.from_json(json.dumps({k: v for k, v in TREE.items() if k != key}))
    doubled = '{"version": 1, ' + CARD.to_json().lstrip()[1:]
    for raw in (doubled, "[" * 100_000, '{"a":' * 100_000, " " * 2_100_000, "[]", "null", b"\xff"):
        with pytest.raises(ChipMalformed):
            CardImage.from_json(raw)


def test_a_signing_key_and_its_scheme_are_of_one_kind() -> None:
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()).hex()
    with pytest.raises(ChipMalformed):
        CardImage.from_json(json.dumps(TREE | {"active_auth_key": der}))
    fits = TREE | {"active_auth_key": der, "active_auth_scheme": "rsa-sha1-bc"}
    assert CardImage.from_json(json.dumps(fits)).active_auth_key


@given(raw=st.one_of(st.binary(max_size=300), st.text(max_size=300)))
@settings(max_examples=100)
def test_any_bytes_are_refused(raw: bytes | str) -> None:
    with pytest.raises(ChipMalformed):
        CardImage.from_json(raw)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.binary(max_size=8).map(bytes.hex),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(key=st.sampled_from(sorted(TREE)), value=JSON)
@settings(max_examples=150, deadline=None)
def test_any_value_gives_a_card_or_is_refused(key: str, value: Any) -> None:
    raw = json.dumps(TREE | {key: value})
    try:
        card = CardImage.from_json(raw)
    except ChipMalformed:
        return
    assert CardImage.from_json(card.to_json()) == card
