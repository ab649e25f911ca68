"""`tram chip read` by who may read fingers, and by what a card's holder chose."""

from __future__ import annotations

import json
import os
import shutil
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from emrtd.sim import Holder, TestPKI, personalise
from kiosk.station.terminal import MAX_CERTIFICATES, terminal
from tram.chip import chip
from tram.parts import chip_report
from tram.parts.card_press import issuer

if TYPE_CHECKING:
    from pathlib import Path

JPEG = bytes.fromhex("FFD8FFE000040000FFC0000B080190012C01011100FFD9")


def tram_chip(*arguments: object) -> Result:
    return CliRunner().invoke(chip, [str(each) for each in arguments], catch_exceptions=False)


@pytest.fixture(scope="module")
def issued(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an issuer's `pki` and a card with two fingers, which carries much at once."""
    folder = tmp_path_factory.mktemp("issued")
    (folder / "fingers").mkdir()
    for name in ("2.jpg", "7.png"):
        Image.effect_noise((64, 80), 90).save(folder / "fingers" / name)
    Image.effect_noise((300, 400), 90).convert("RGB").save(folder / "face.png")
    done = tram_chip(
        "personalise", "--out", folder / "card.json", "--pki", folder / "pki",
        "--portrait", folder / "face.png", "--fingers", folder / "fingers",
        "--extended-bytes", 4096,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    return folder


def read(issued: Path, *more: object) -> Result:
    return tram_chip(
        "read", "--card", f"sim://card?file={issued / 'card.json'}", "--can", "012345",
        "--trust", issued / "pki" / "trust", *more,
    )  # fmt: skip


def test_a_terminal_reads_the_fingers_and_no_pixel_is_shown(issued: Path) -> None:
    done = read(issued, "--terminal", issued / "pki" / "terminal", "--json")
    assert done.exit_code == 0, done.output
    whole: dict[str, Any] = json.loads(done.stdout)
    assert (whole["outcome"], whole["checks"]["ta"]) == ("genuine", "passed")
    assert whole["files"]["DG3"] > 1000
    fingers = whole["dg3"]["fingers"]
    sizes = [each.pop("bytes") for each in fingers]
    assert fingers == [
        {"position": "right_index", "format": "jpeg", "width_px": 64, "height_px": 80},
        {"position": "left_index", "format": "png", "width_px": 64, "height_px": 80},
    ]
    assert 0 < sum(sizes) < whole["files"]["DG3"]
    assert "dg3" not in chip_report.without_people(whole)
    assert len(json.dumps(whole["dg3"])) < 300


def test_who_has_no_terminal_does_not_ask_for_fingers(issued: Path) -> None:
    done = read(issued, "--json")
    whole: dict[str, Any] = json.loads(done.stdout)
    assert (done.exit_code, whole["outcome"]) == (0, "genuine")
    assert (whole["checks"]["ta"], whole["dg3"]) == ("absent", None)
    assert "DG3" not in whole["files"]
    # EF.ATR/INFO says four kilobytes: one command or two to read a file, and its SELECT.
    assert whole["apdus"] <= 35


def test_a_terminal_of_another_country_reads_everything_but_the_fingers(
    issued: Path, tmp_path: Path
) -> None:
    issuer(tmp_path)
    done = read(issued, "--terminal", tmp_path / "terminal", "--json")
    whole: dict[str, Any] = json.loads(done.stdout)
    assert (done.exit_code, whole["outcome"]) == (0, "genuine")
    assert (whole["checks"]["ta"], whole["dg3"]) == ("failed", None)


@pytest.fixture
def folder(issued: Path, tmp_path: Path) -> Path:
    return shutil.copytree(issued / "pki" / "terminal", tmp_path / "terminal")


@pytest.mark.parametrize("name", ["cvca.cvcert", "terminal.cvcert", "terminal.key"])
def test_a_folder_without_one_of_its_files_is_no_terminals(
    issued: Path, folder: Path, name: str
) -> None:
    (folder / name).unlink()
    done = read(issued, "--terminal", folder)
    assert (done.exit_code, done.stdout) == (3, "")
    assert "tram chip:" in done.stderr


@pytest.mark.parametrize("name", ["cvca.cvcert", "terminal.key"])
@pytest.mark.parametrize("content", [b"", b"none", bytes(9000)])
def test_a_folder_with_something_else_is_no_terminals(
    issued: Path, folder: Path, name: str, content: bytes
) -> None:
    (folder / name).write_bytes(content)
    assert read(issued, "--terminal", folder).exit_code == 3


def test_somebody_elses_key_is_the_operators_mistake(issued: Path, folder: Path) -> None:
    (folder / "terminal.key").write_bytes(issuer(issued / "pki").verifier.key)
    done = read(issued, "--terminal", folder)
    assert done.exit_code == 3
    assert "does not hold the terminal's key" in done.stderr


def test_no_operator_has_so_many_certificates(folder: Path) -> None:
    for number in range(MAX_CERTIFICATES):
        (folder / f"{number}.cvcert").write_bytes((folder / "verifier.cvcert").read_bytes())
    with pytest.raises(ValueError, match="too many"):
        terminal(folder)


def test_a_folder_is_read_as_points_and_chains(folder: Path) -> None:
    found = terminal(folder)
    assert [each.holder for each in found.trust_points] == ["VNTRAMTEST00001"]
    assert sorted(each.holder for each in found.certificates) == ["VNTRAMDV00001", "VNTRAMIS00001"]
    assert "signer" not in repr(found)


def test_a_pin_opens_a_card_that_knows_one(tmp_path: Path) -> None:
    since, until = datetime(2021, 1, 1, tzinfo=UTC), datetime(2041, 1, 1, tzinfo=UTC)
    pki = TestPKI.create(os.urandom, valid_from=since, valid_until=until)
    holder = Holder(
        number="999195012345", name="A", birth=date(1995, 1, 1), sex="F", issued=date(2021, 6, 1),
        expiry=None, father="",
    )  # fmt: skip
    card = personalise(
        holder, JPEG, generation="2024", pki=pki, randomness=os.urandom, pin="135790"
    )
    (tmp_path / "card.json").write_text(card.to_json())
    url = f"sim://card?file={tmp_path / 'card.json'}"
    done = tram_chip("read", "--card", url, "--pin", "135790", "--json")
    assert json.loads(done.stdout)["access"]["password"] == "PIN"
    wrong = tram_chip("read", "--card", url, "--pin", "135791", "--json")
    assert json.loads(wrong.stdout)["reasons"] == ["wrong_password"]
    for keys in (("--pin", "135790", "--can", "012345"), ("--pin", "135"), ("--pin", "")):
        refused = tram_chip("read", "--card", url, *keys)
        assert refused.exit_code == 2
        assert "135790" not in refused.stderr
