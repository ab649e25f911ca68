"""The kept vectors: made again by our code, verified by others', quoted by the reference page."""

from __future__ import annotations

import importlib
import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import cbor2
import msgspec
import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, MLKEM768X25519PrivateKey, Suite
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from wire_independent import (
    cbor,
    genesis,
    hpke_open,
    next_head,
    open_part,
    payload_of,
    shard,
)
from wire_material import openssl_verifies, protected_header, sig_structure

from wire import enrolment, group, handover, policy, record, tombstone, topics
from wire.canonical import dump, load
from wire.cose import verify1
from wire.errors import Malformed, WireError
from wire.reasons import Outcome
from wire.receipt import Receipt, verify_receipt
from wire.seal import OpeningKey

ROOT = Path(__file__).parents[3]
VECTORS = ROOT / "tests" / "vectors" / "wire"
PAGE = (ROOT / "docs" / "reference" / "wire.md").read_text()
NAMES = sorted(path.name for path in VECTORS.glob("*.json"))


def vectors(name: str) -> dict[str, Any]:
    return json.loads((VECTORS / name).read_text())


def raw(text: str) -> bytes:
    return bytes.fromhex(text)


def test_our_code_makes_them_again_byte_for_byte() -> None:
    spec = importlib.util.spec_from_file_location("wire_vectors_make", VECTORS / "make.py")
    assert spec is not None
    assert spec.loader is not None
    make = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make)
    made = make.build()
    assert sorted(made) == NAMES
    for name, text in made.items():
        assert text == (VECTORS / name).read_text(), f"{name} is stale: run make.py"


@pytest.mark.parametrize("name", NAMES)
def test_each_says_where_it_is_from_and_who_verified_it(name: str) -> None:
    assert {"source", "verified_by"} <= vectors(name).keys()


def test_canonical_values() -> None:
    found = vectors("canonical.json")
    for each in found["accepted"]:
        encoded = raw(each["cbor"])
        assert cbor2.loads(encoded) == each["value"] == load(encoded, what="v", limit=99)
        assert dump(each["value"]) == encoded
    for each in found["accepted_bytes"]:
        assert cbor2.loads(raw(each["cbor"])) == raw(each["bytes"])
    for each in found["refused"]:
        with pytest.raises(Malformed):
            load(raw(each["cbor"]), what="v", limit=99)


def test_a_signature_taken_apart(tmp_path: Path) -> None:
    found = vectors("cose.json")
    protected, payload = protected_header(found["kind"]), raw(found["payload"])
    assert protected == raw(found["protected"])
    assert sig_structure(protected, payload) == raw(found["sig_structure"])
    signature, key = raw(found["signature"]), raw(found["public_key"])
    assert openssl_verifies(tmp_path, key, raw(found["sig_structure"]), signature)
    signed = cbor2.dumps(cbor2.CBORTag(18, [protected, {}, payload, signature]))
    assert signed == raw(found["signed"])
    assert verify1(signed, key, kind=found["kind"]) == payload


def test_envelopes_that_nobody_accepts() -> None:
    found = vectors("cose.json")
    bad = [raw(each["signed"]) for each in found["refused"]]
    assert len({*bad, raw(found["signed"])}) == len(bad) + 1 == 11
    for each in bad:
        with pytest.raises(WireError):
            verify1(each, raw(found["public_key"]), kind=found["kind"])


def test_a_wrapped_key_by_hpke_and_by_its_steps() -> None:
    found = vectors("sealing.json")
    private, wrapping = raw(found["recipient"]["private"]), found["wrapping"]
    where = wrapping["place"]
    info = cbor(
        [
            "tram group key",
            1,
            where["device"],
            raw(where["epoch"]),
            where["lane"],
            where["first"],
            where["compartment"],
            where["recipient"],
        ]
    )
    assert info == raw(wrapping["info"])
    group_key, wrapped = raw(wrapping["group_key"]), raw(wrapping["wrapped"])
    assert hpke_open(private, wrapped, info) == group_key
    mlkem = MLKEM768PrivateKey.from_seed_bytes(private[:64])
    x25519 = X25519PrivateKey.from_private_bytes(private[64:])
    suite = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
    assert suite.decrypt(wrapped, MLKEM768X25519PrivateKey(mlkem, x25519), info=info) == group_key
    public = mlkem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()
    assert public == raw(found["recipient"]["public"])
    with pytest.raises(InvalidTag):
        hpke_open(private, wrapped, info + b"\0")


def test_a_record_key_and_a_part() -> None:
    found = vectors("sealing.json")
    one, part, where = found["record_key"], found["part"], found["wrapping"]["place"]
    assert raw(one["info"]) == cbor(["tram record key", 1, one["seq"], one["compartment"]])
    derived = HKDF(hashes.SHA256(), 32, salt=None, info=raw(one["info"]))
    assert derived.derive(raw(found["wrapping"]["group_key"])) == raw(one["key"])
    place = [where["device"], raw(where["epoch"]), where["lane"], one["seq"], "verification"]
    associated = cbor([1, *place, one["compartment"], where["recipient"]])
    assert associated == raw(part["associated_data"])
    opened = AESGCM(raw(one["key"])).decrypt(bytes(12), raw(part["sealed"]), associated)
    assert opened == raw(part["plain"])


def test_a_group_opened_by_another_implementation(tmp_path: Path) -> None:
    found = vectors("group.json")
    signed = raw(found["signed"])
    protected, unprotected, payload, signature = cbor2.loads(signed).value
    assert (protected, unprotected) == (protected_header("group"), {})
    message = sig_structure(protected, payload)
    assert openssl_verifies(tmp_path, raw(found["station_key"]), message, signature)
    body = cbor2.loads(payload)
    assert payload == raw(found["payload"]) == cbor(body)
    start = genesis(found["device"], raw(found["epoch"]), found["lane"])
    assert start == raw(found["genesis_head"]) == body["previous_head"]
    assert next_head(start, payload) == raw(found["head"])
    keys = {name: raw(private) for name, private in found["opening_keys"].items()}
    for each in found["records"]:
        for compartment in ("operations", "identity"):
            if each[compartment] is not None:
                private = keys[body[compartment]["recipient"]]
                part = open_part(body, each["seq"], compartment, private)
                assert cbor(part) == raw(each[compartment])
            else:
                assert body["records"][each["seq"] - 1][2] is None


def test_a_group_opened_by_ours() -> None:
    found = vectors("group.json")
    one = group.verify_group(raw(found["signed"]), raw(found["station_key"]))
    keys = {name: OpeningKey(name, raw(key)) for name, key in found["opening_keys"].items()}
    parts = [each.part for each in group.open_operations(one, keys["operations-1"])]
    assert [each.outcome for each in parts] == [Outcome.ACCEPTED, Outcome.INCOMPLETE]
    secret = group.identity_key(one, 1, keys["identity-1"])
    assert group.open_identity(one, 1, secret).number == "999195012345"


@pytest.mark.parametrize(("name", "key"), [("receipt", "shard_key"), ("policy", "policy_key")])
def test_a_receipt_and_a_policy_by_openssl(name: str, key: str, tmp_path: Path) -> None:
    found = vectors(f"{name}.json")
    protected, _, payload, signature = cbor2.loads(raw(found["signed"])).value
    message = sig_structure(protected, payload)
    assert protected == protected_header(name)
    assert openssl_verifies(tmp_path, raw(found[key]), message, signature)
    assert cbor(cbor2.loads(payload)) == payload


def test_a_receipt_says_what_it_says() -> None:
    found = vectors("receipt.json")
    plain = cbor2.loads(payload_of(raw(found["signed"])))
    hexed = {name: each.hex() if isinstance(each, bytes) else each for name, each in plain.items()}
    assert hexed == found["fields"]
    assert hexed["chain_head"] == vectors("group.json")["head"]
    one = verify_receipt(raw(found["signed"]), {hexed["shard"]: raw(found["shard_key"])})
    assert one.high_water == 2


@pytest.mark.parametrize("name", ["bridge", "restart"])
def test_a_tombstone_by_openssl_and_its_head(name: str, tmp_path: Path) -> None:
    found = vectors("tombstone.json")
    key, one = raw(found["station_key"]), found[name]
    protected, _, payload, signature = cbor2.loads(raw(one["signed"])).value
    assert protected == protected_header("tombstone")
    assert openssl_verifies(tmp_path, key, sig_structure(protected, payload), signature)
    plain = cbor2.loads(payload)
    assert cbor(plain) == payload
    hexed = {each: plain[each].hex() for each in plain if isinstance(plain[each], bytes)}
    assert {**plain, **hexed} == one["fields"]
    assert plain["previous_head"].hex() == vectors("group.json")["head"]
    head = plain["next_head"] or next_head(plain["previous_head"], payload)
    assert head.hex() == one["head"]
    assert tombstone.verify_tombstone(raw(one["signed"]), key).head == head


def test_a_policy_is_read() -> None:
    found = vectors("policy.json")
    one = policy.verify_policy(raw(found["signed"]), [raw(found["policy_key"])])
    assert one.id == found["id"]


def test_topics() -> None:
    found = vectors("topics.json")
    for each in found["devices"]:
        assert each["shard_of_64"] == shard(each["device"])
        assert each["shard_of_4096"] == shard(each["device"], 4096)
        assert each["topic"] == f"f/1/{each['shard_of_64']}/{each['device']}/ev"
        assert topics.parse(each["topic"]).device == each["device"]
    for each in found["refused"]:
        with pytest.raises(Malformed):
            topics.parse(each)


def test_frames() -> None:
    for name, each in vectors("handover.json")["frames"].items():
        plain = msgspec.msgpack.decode(raw(each))
        assert plain["type"] == name
        assert handover.encode(handover.decode(raw(each))) == raw(each)


def at(document: Any, path: str) -> Any:
    for step in path.split("."):
        document = document[int(step)] if isinstance(document, list) else document[step]
    return document


def test_the_page_quotes_the_vectors() -> None:
    quoted = re.findall(r"`([a-z]+\.json)#([\w.]+)` \| `([^`]*)` \|", PAGE)
    assert len(quoted) == PAGE.count(".json#") - PAGE.count(".json#refused`")
    assert len(quoted) >= 20
    for name, path, value in quoted:
        assert str(at(vectors(name), path)) == value, f"{name}#{path}"


def test_the_page_states_every_limit_of_the_code() -> None:
    stated = re.findall(r"`(wire\.\w+)\.([A-Z_0-9]+)` \| (\d+) \|", PAGE)
    for module, name, value in stated:
        assert getattr(importlib.import_module(module), name) == int(value), name
    known = {(module, name) for module, name, _ in stated}
    for path in sorted((ROOT / "wire").glob("*.py")):
        module = f"wire.{path.stem}"
        for name in re.findall(
            r"^((?:MAX|\w+_VERSION)\w*): Final = ", path.read_text(), re.MULTILINE
        ):
            written_in_words = name == "MAX_SEQ"
            assert written_in_words or (module, name) in known, f"{module}.{name}"
    assert record.MAX_SEQ == 2**53 - 1


SHAPES = [
    record.OperationsPart,
    record.Bands,
    record.Versions,
    record.Simulated,
    record.IdentityPart,
    record.AATranscript,
    group.GroupBody,
    group.WrappedKey,
    group.SealedRecord,
    tombstone.TombstoneBody,
    Receipt,
    policy.Policy,
    policy.Patience,
    enrolment.Consent,
    handover.Hello,
    handover.GroupOut,
    handover.StatusOut,
    handover.ReceiptIn,
    handover.LinkState,
]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_the_page_has_every_field_of_every_shape(shape: type) -> None:
    section = re.search(rf"^### {shape.__name__}\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert section is not None
    fields = re.findall(r"^\| `(\w+)` \|", section[1], re.MULTILINE)
    assert set(fields) == set(shape.__struct_fields__)
    assert len(fields) == len(set(fields))


@pytest.mark.parametrize(
    "closed",
    [Outcome, record.CheckBand, record.FaceBand, record.LiveBand, record.TimeQuality, policy.Layer],
    ids=lambda closed: closed.__name__,
)
def test_the_page_has_every_word_of_every_closed_list(closed: type) -> None:
    for each in closed:
        assert f"`{each.value}`" in PAGE
