from __future__ import annotations

import base64
import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from PIL import Image

from kiosk.session.verdict import TABLE
from tram.cli import main
from tram.policy import CaseError, parse_case
from wire.cose import PrivateKeySigner
from wire.policy import ALL_LAYERS, Layer, Policy, sign_policy
from wire.seal import OpeningKey

if TYPE_CHECKING:
    from pathlib import Path

KEY = ec.derive_private_key(0xF1EE7, ec.SECP256R1())
POLICY = Policy(
    id="policy-7", not_before=0, not_after=2**33, layers=ALL_LAYERS, simulators_allowed=True
)
LIVING = {"band": "same", "live": "passed"}
AT = "2026-06-01"


def tram(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(each) for each in arguments], catch_exceptions=False)


@pytest.fixture(scope="module")
def cards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what was kept of a genuine card and of its clone, the trust and a policy."""
    folder = tmp_path_factory.mktemp("cards")
    Image.effect_noise((300, 400), 90).convert("RGB").save(folder / "face.png")
    pki, card = folder / "pki", folder / "card.json"
    issued = tram(
        "chip", "personalise", "--out", card, "--pki", pki, "--portrait", folder / "face.png"
    )
    assert issued.exit_code == 0
    for name, fault in (("kept", ""), ("clone", "&fault=clone"), ("forged", "&fault=dg1_byte")):
        url = f"sim://card?file={card}{fault}"
        tram("chip", "read", "--card", url, "--can", "012345", "--out", folder / name)
    (folder / "policy.cose").write_bytes(sign_policy(POLICY, PrivateKeySigner(KEY)))
    public = KEY.public_key()
    for name, encoding in (("key.pem", Encoding.PEM), ("key.der", Encoding.DER)):
        raw = public.public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo)
        (folder / name).write_bytes(raw)
    return folder


def explained(cards: Path, code: int, **case: Any) -> dict[str, Any]:
    path = cards / "case.json"
    path.write_text(json.dumps({"evidence": "kept", "trust": "pki/trust", "at": AT, **case}))
    done = tram("policy", "explain", path, "--json")
    assert done.exit_code == code, done.output
    return json.loads(done.stdout)


SIGNED = {"policy": "policy.cose", "keys": ["key.pem"]}


@pytest.mark.parametrize(
    ("case", "outcome", "reasons", "row"),
    [
        ({"face": LIVING}, "accepted", [], "accept"),
        ({"face": LIVING | {"band": "different"}}, "not_holder", ["face_not_holder"], "other_face"),
        ({"face": {"band": "same_strong", "live": "failed"}}, "referred", ["not_live"], "not_live"),
        ({"face": {"reasons": ["no_face"]}}, "referred", ["no_face"], "nothing_seen"),
        ({}, "referred", ["not_live"], "not_live"),
        ({"evidence": "clone"}, "refused", ["chip_key_mismatch"], "not_genuine"),
        ({"evidence": "forged"}, "refused", ["data_hash_mismatch"], "not_genuine"),
        ({"face": LIVING, "trust": None}, "referred", ["issuer_unknown"], "issuer_unknown"),
        ({"face": LIVING, "at": "2035-01-02T00:00:00Z"}, "referred", ["card_status_expired"],
         "expired"),
        ({"face": LIVING, "keys": []}, "referred", ["policy_unsigned"], "no_policy"),
        ({"face": LIVING, "policy": None, "keys": []}, "referred", ["policy_missing"], "no_policy"),
        ({"face": LIVING, "policy": {"layers": ["face"]}, "keys": []}, "accepted", [], "accept"),
        ({"face": LIVING, "policy": {"layers": []}, "keys": [], "card_simulated": True}, "referred",
         ["policy_simulator"], "simulator"),
        ({"face": LIVING | {"simulated": True}, "policy": {"layers": []}, "keys": []}, "referred",
         ["policy_simulator"], "simulator"),
    ],
)  # fmt: skip
def test_what_decides_is_said(
    cards: Path, case: dict[str, Any], outcome: str, reasons: list[str], row: str
) -> None:
    whole = explained(cards, 0 if outcome == "accepted" else 1, **{**SIGNED, **case})
    assert (whole["outcome"], whole["reasons"], whole["row"]) == (outcome, reasons, row)
    assert [each["row"] for each in whole["rows"]] == [*(each.name for each in TABLE), "accept"]
    (deciding,) = (each for each in whole["rows"] if each["decides"])
    assert (deciding["row"], deciding["outcome"], deciding["holds"]) == (row, outcome, True)
    first = next(each for each in whole["rows"] if each["holds"])
    assert first is deciding


def test_a_home_brings_its_own_policy_keys_and_trust(cards: Path, tmp_path: Path) -> None:
    home = tmp_path / "kiosk-1"
    home.mkdir()
    (home / "policy.cose").write_bytes((cards / "policy.cose").read_bytes())
    (home / "trust").symlink_to(cards / "pki" / "trust")
    key = base64.b64encode((cards / "key.der").read_bytes()).decode()
    opening = OpeningKey.generate("r-1", randomness=os.urandom).recipient()
    recipient = {"id": "r-1", "public_key": base64.b64encode(opening.public_key).decode()}
    fleet = {
        "recipients": {"operations": recipient, "identity": recipient},
        "receipt_keys": {},
        "policy_keys": [key],
    }
    (home / "fleet.json").write_text(json.dumps(fleet))
    path = tmp_path / "case.json"
    case = {"evidence": str(cards / "kept"), "home": "kiosk-1", "face": LIVING, "at": AT}
    path.write_text(json.dumps(case))
    done = tram("policy", "explain", path)
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert lines[:2] == ["accepted", "policy policy-7: pa chip validity live face"]
    assert lines[-1].split() == [">", "accept", "accepted", "holds"]
    assert not any(line.startswith(">") for line in lines[:-1])
    shown = tram("policy", "show", home / "policy.cose", "--home", home)
    assert shown.exit_code == 0
    (home / "fleet.json").unlink()
    assert tram("policy", "explain", path).exit_code == 3
    assert tram("policy", "show", home / "policy.cose", "--home", home).exit_code == 3


def test_nobody_is_named(cards: Path) -> None:
    case = cards / "case.json"
    case.write_text(json.dumps({"evidence": "kept", "face": LIVING, **SIGNED}))
    for options in ((), ("--json",)):
        printed = tram("policy", "explain", case, *options).output
        assert "policy-7" in printed
        for secret in ("999195", "012345", "MAU", "Mẫu", "NGUYEN"):
            assert secret not in printed


@pytest.mark.parametrize(
    "case",
    [
        b"", b"[]", b"{}", b'{"evidence": 1}', b'{"evidence": "kept", "more": 1}', b"\xff",
        b'{"evidence": "kept", "at": "yesterday"}', b'{"evidence": "kept", "at": "2026-13-01"}',
        b'{"evidence": "kept", "policy": {"layers": ["smell"]}}',
        b'{"evidence": "kept", "home": "x", "trust": "y"}', b"[" * 60_000,
        b'{"evidence": "kept", "keys": ["key.pem"]}',
        b'{"evidence": "kept", "face": {"band": "alike"}}',
    ],
)  # fmt: skip
def test_what_is_no_case_is_a_usage_error(cards: Path, case: bytes) -> None:
    path = cards / "bad.json"
    path.write_bytes(case)
    assert tram("policy", "explain", path).exit_code == 2
    with pytest.raises(CaseError):
        parse_case(case)


@pytest.mark.parametrize(
    "case",
    [
        {"evidence": "nowhere"},
        {"evidence": "kept", "trust": "nowhere"},
        {"evidence": "kept", "policy": "policy.cose", "keys": ["nowhere"]},
        {"evidence": "kept", "policy": "policy.cose", "keys": ["face.png"]},
        {"evidence": "kept", "home": "nowhere"},
        {"evidence": "x" * 70_000},
    ],
)
def test_a_file_that_fails_ends_with_three(cards: Path, case: dict[str, Any]) -> None:
    path = cards / "bad.json"
    path.write_text(json.dumps(case))
    done = tram("policy", "explain", path)
    assert done.exit_code == 3
    assert done.stderr.startswith("tram policy: ")


@pytest.mark.parametrize("key", ["key.pem", "key.der"])
def test_a_signed_policy_is_shown(cards: Path, key: str) -> None:
    done = tram("policy", "show", cards / "policy.cose", "--key", cards / key, "--json")
    assert done.exit_code == 0
    whole = json.loads(done.stdout)
    assert whole["id"] == "policy-7"
    assert whole["layers"] == ["pa", "chip", "validity", "live", "face"]
    assert whole["not_before"] == "1970-01-01T00:00:00Z"
    assert whole["patience"]["face"] == 45
    assert (whole["in_force"], whole["why_not"]) == (True, None)
    lines = tram("policy", "show", cards / "policy.cose", "--key", cards / key).stdout.splitlines()
    assert "layers: pa chip validity live face" in lines
    assert "in_force: True" in lines


def test_one_that_does_not_hold_now_says_so(cards: Path, tmp_path: Path) -> None:
    over = Policy(id="over", not_before=1, not_after=2**40, layers=(Layer.PA,))
    for policy, why in ((over, None), (Policy(id="o", not_before=1, not_after=2, layers=()), 1)):
        path = tmp_path / "policy.cose"
        path.write_bytes(sign_policy(policy, PrivateKeySigner(KEY)))
        done = tram("policy", "show", path, "--key", cards / "key.pem", "--json")
        assert done.exit_code == (1 if why else 0)
        assert json.loads(done.stdout)["why_not"] == ("policy_expired" if why else None)


def test_what_nobody_signed_is_not_shown(cards: Path, tmp_path: Path) -> None:
    stranger = ec.derive_private_key(7, ec.SECP256R1())
    (tmp_path / "policy.cose").write_bytes(sign_policy(POLICY, PrivateKeySigner(stranger)))
    done = tram("policy", "show", tmp_path / "policy.cose", "--key", cards / "key.pem")
    assert (done.exit_code, done.stdout) == (3, "")
    assert tram("policy", "show", cards / "policy.cose").exit_code == 2
    private = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "private.pem").write_bytes(private)
    for key in (cards / "face.png", tmp_path / "private.pem"):
        assert tram("policy", "show", cards / "policy.cose", "--key", key).exit_code == 3


@pytest.mark.parametrize("command", ["explain", "show"])
def test_every_command_has_help_with_an_example(command: str) -> None:
    assert "Example: tram policy" in tram("policy", command, "--help").stdout
