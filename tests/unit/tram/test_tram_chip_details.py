"""`tram chip read` on a document whose issuer signed more than the usual files."""

from __future__ import annotations

import dataclasses
import json
import os
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from emrtd.sim import CardImage, Holder, TestPKI, expiry, personalise
from emrtd.sim.personalise import signed_files
from emrtd.tlv import encode
from tram.chip import chip
from tram.parts import chip_report

if TYPE_CHECKING:
    from pathlib import Path

JPEG = bytes.fromhex(
    "FFD8FFE000104A46494600010100000100010000FFC0001108019001 2C03012200021101031101FFD9"
)
BIRTH, ISSUED = date(1995, 1, 1), date(2021, 6, 1)
DETAILS = {
    "DG7": encode(0x67, encode(2, b"\1") + encode(0x5F43, JPEG)),
    "DG11": encode(
        0x6B, encode(0x5C, b"\x5f\x0e\x5f\x2b") + encode(0x5F0E, b"NGUYEN<<THI<MAU")
        + encode(0x5F2B, b"\x19\x95\x01\x01"),
    ),
    "DG12": encode(
        0x6C, encode(0x5C, b"\x5f\x19\x5f\x55") + encode(0x5F19, b"BO<CONG<AN")
        + encode(0x5F55, b"20210601123059"),
    ),
    "DG16": encode(0x70, encode(2, b"\1") + encode(0xA1, encode(0x5F51, b"LE<<C"))),
}  # fmt: skip


@pytest.fixture(scope="module")
def pki() -> TestPKI:
    since, until = datetime(2021, 1, 1, tzinfo=UTC), datetime(2041, 1, 1, tzinfo=UTC)
    return TestPKI.create(os.urandom, valid_from=since, valid_until=until)


def issue(pki: TestPKI, folder: Path, **more: bytes) -> None:
    holder = Holder(
        number="999195012345", name="Nguyễn Thị Mẫu", birth=BIRTH, sex="F", issued=ISSUED,
        expiry=expiry(BIRTH, ISSUED),
    )  # fmt: skip
    card = personalise(holder, JPEG, generation="2021", pki=pki, randomness=os.urandom)
    files = {**card.files, **more}
    signed = {**files, "SOD": signed_files(files, pki.signer)}
    card = dataclasses.replace(card, files=signed)
    assert CardImage.from_json(card.to_json().encode()) == card
    (folder / "card.json").write_text(card.to_json())
    (folder / "trust").mkdir()
    (folder / "trust" / "csca.der").write_bytes(pki.csca.certificate)


def verify(kept: Path, *more: str) -> Result:
    return CliRunner().invoke(chip, ["verify", str(kept), *more], catch_exceptions=False)


def read(folder: Path, *more: str) -> dict[str, object]:
    done = CliRunner().invoke(
        chip,
        ["read", "--card", f"sim://card?file={folder / 'card.json'}", "--can", "012345",
         "--trust", str(folder / "trust"), "--json", *more],
        catch_exceptions=False,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    whole: dict[str, object] = json.loads(done.stdout)
    return whole


def test_what_is_signed_is_read_and_shown(tmp_path: Path, pki: TestPKI) -> None:
    issue(pki, tmp_path, **DETAILS)
    whole = read(tmp_path)
    assert whole["outcome"] == "genuine"
    assert whole["files"].keys() >= DETAILS.keys()  # type: ignore[attr-defined] # a JSON object
    assert whole["dg7"] == {"images": [{"format": "jpeg", "bytes": len(JPEG)}]}
    eleven, twelve = whole["dg11"], whole["dg12"]
    assert isinstance(eleven, dict)
    assert isinstance(twelve, dict)
    assert eleven["name"] == {"surname": "NGUYEN", "given_names": "THI MAU"}
    assert eleven["birth"] == {"text": "19950101", "day": "1995-01-01"}
    assert twelve["authority"] == "BO CONG AN"
    assert twelve["personalised"]["at"] == "2021-06-01T12:30:59"
    assert whole["dg16"]["people"][0]["name"]["surname"] == "LE"  # type: ignore[index] # a JSON object
    shown = json.dumps(chip_report.without_people(whole))
    for secret in ("NGUYEN", "MAU", "CONG", "LE", "1995", "195012345"):
        assert secret not in shown


def test_what_is_not_signed_is_not_asked_for(tmp_path: Path, pki: TestPKI) -> None:
    issue(pki, tmp_path)
    whole = read(tmp_path)
    assert [whole[name.lower()] for name in DETAILS] == [None] * 4
    assert not whole["files"].keys() & DETAILS.keys()  # type: ignore[attr-defined] # a JSON object


def test_details_that_nobody_understands_are_kept_and_not_shown(
    tmp_path: Path, pki: TestPKI
) -> None:
    issue(pki, tmp_path, **{**DETAILS, "DG11": encode(0x6B, b"\x5c\x00\x5f\x10\x01\xff")})
    whole = read(tmp_path)
    assert (whole["outcome"], whole["dg11"]) == ("genuine", None)
    assert whole["dg12"] is not None


def test_what_was_added_to_a_folder_is_named_and_never_shown(tmp_path: Path, pki: TestPKI) -> None:
    issue(pki, tmp_path)
    trust, kept = tmp_path / "trust", tmp_path / "kept"
    read(tmp_path, "--out", str(kept))
    evidence = chip_report.kept(kept)
    # Nobody signed it, so that it changes no verdict; a hash of it stands nowhere.
    added = dataclasses.replace(evidence, files={**evidence.files, "DG11": DETAILS["DG11"]})
    chip_report.keep(added, kept)
    whole = json.loads(verify(kept, "--trust", str(trust), "--json").stdout)
    assert (whole["outcome"], whole["dg11"], whole["unsigned"]) == ("genuine", None, ["DG11"])
    assert whole["dg1"]["surname"] == "NGUYEN"
    assert whole["files"]["DG11"] == len(DETAILS["DG11"])
    assert "unsigned: DG11\n" in verify(kept, "--trust", str(trust)).stdout
    # Of a folder whose signature does not hold, nothing is.
    changed = {**evidence.files, "DG1": evidence.files["DG1"][:-1] + b"A"}
    chip_report.keep(dataclasses.replace(evidence, files=changed), kept)
    whole = json.loads(verify(kept, "--trust", str(trust), "--json").stdout)
    assert (whole["outcome"], whole["dg1"], whole["dg13"]) == ("not_genuine", None, None)
    assert set(whole["unsigned"]) == {name for name in changed if name.startswith("DG")}
    # A chip that fails its own proof is not read whole: what was read is signed all the same.
    proof = dataclasses.replace(evidence.chip_auth, outcome="failed")
    read_so_far = {k: v for k, v in evidence.files.items() if k not in {"DG1", "DG2"}}
    cut = dataclasses.replace(evidence, files=read_so_far, chip_auth=proof)
    chip_report.keep(cut, kept)
    whole = json.loads(verify(kept, "--trust", str(trust), "--json").stdout)
    assert (whole["outcome"], whole["unsigned"]) == ("not_genuine", [])
    # Signed by somebody who is not known, it is shown for what it is.
    chip_report.keep(evidence, kept)
    whole = json.loads(verify(kept, "--json").stdout)
    assert (whole["outcome"], whole["unsigned"]) == ("issuer_unknown", [])
    assert whole["dg1"]["surname"] == "NGUYEN"
