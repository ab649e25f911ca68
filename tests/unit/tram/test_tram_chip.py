from __future__ import annotations

import io
import json
import os
import socket
import stat
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from emrtd.sim import FAULTS, CardImage, Chip, TestPKI
from tram.chip import _Paced, chip
from tram.parts.card_press import issuer, portrait

if TYPE_CHECKING:
    from pathlib import Path


ALL = {"DG1", "DG2", "DG13", "DG14", "DG15"}


def tram_chip(*arguments: object) -> Result:
    return CliRunner().invoke(chip, [str(each) for each in arguments], catch_exceptions=False)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "face.png"
    noise = Image.effect_noise((640, 480), 90).convert("RGB")
    noise.save(path)
    return path


def issue(tmp_path: Path, picture: Path, *more: object) -> Result:
    return tram_chip(
        "personalise", "--out", tmp_path / "card.json", "--pki", tmp_path / "pki",
        "--portrait", picture, *more,
    )  # fmt: skip


def test_a_card_is_issued_and_trust_holds_only_the_country_signer_and_what_it_revoked(
    tmp_path: Path, picture: Path
) -> None:
    assert issue(tmp_path, picture).exit_code == 0
    card = CardImage.from_json((tmp_path / "card.json").read_bytes())
    assert card.generation == "2021"
    assert card.can == "012345"
    pki = issuer(tmp_path / "pki")
    files = (tmp_path / "pki" / "trust").iterdir()
    trusted = {each.name: each.read_bytes() for each in files}
    assert trusted == {"csca.der": pki.csca.certificate, "csca.crl": pki.crl}
    for private in (tmp_path / "card.json", tmp_path / "pki" / "pki.json"):
        assert stat.S_IMODE(private.stat().st_mode) == 0o600


def test_a_card_that_takes_anothers_place_is_said_to(tmp_path: Path, picture: Path) -> None:
    assert "instead of the file that was there" not in issue(tmp_path, picture).stderr
    assert "instead of the file that was there" in issue(tmp_path, picture).stderr


def test_the_same_issuer_signs_the_next_card(tmp_path: Path, picture: Path) -> None:
    issue(tmp_path, picture)
    before = (tmp_path / "pki" / "pki.json").read_bytes()
    assert issue(tmp_path, picture, "--generation", "2024").exit_code == 0
    assert (tmp_path / "pki" / "pki.json").read_bytes() == before
    assert (
        TestPKI.from_json(before).signer.certificate
        in (CardImage.from_json((tmp_path / "card.json").read_bytes()).files["SOD"])
    )


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--pace", "im", "--auth", "cam"), "not the integrated one"),
        (("--fingers", "."), "named by position"),
        (("--access", "pin"), "--access takes"),
        (("--curve", "modp1024-160", "--pace", "cam"), "no cam over"),
        (("--auth", "xx"), "--auth takes"),
        (("--number", "001195012345"), "starts with 999"),
        (("--name", "123"), "letters"),
        (("--issued", "1990-01-01"), "order"),
    ],
)
def test_what_cannot_be_issued_is_refused_before_anything_is_written(
    tmp_path: Path, picture: Path, options: tuple[str, ...], says: str
) -> None:
    done = issue(tmp_path, picture, *options)
    assert done.exit_code == 2
    assert says in done.stderr
    assert not (tmp_path / "card.json").exists()


@pytest.mark.parametrize(
    ("options", "generation", "files"),
    [
        (("--auth", "none"), "2021", {"DG1", "DG2", "DG13", "DG14"}),
        (("--auth", "ca"), "2021", {"DG1", "DG2", "DG13", "DG14"}),
        (("--auth", "aa,ca", "--generation", "2024"), "2024", ALL),
        (("--aa-key", "rsa", "--cipher", "aes-256", "--curve", "P-521"), "2021", ALL),
        (("--pace", "cam"), "2021", ALL),
        (("--auth", "cam"), "2021", {"DG1", "DG2", "DG13", "DG14"}),
        (("--pace", "im", "--cipher", "3des", "--curve", "modp2048-256"), "2021", ALL),
        (("--access", "bac,pace", "--extended-bytes", "4096"), "2021", ALL),
        (
            ("--generation", "passport"),
            "passport",
            {"DG1", "DG2", "DG11", "DG12", "DG14", "DG15"},
        ),
    ],
)  # fmt: skip
def test_options_reach_the_card(
    tmp_path: Path, picture: Path, options: tuple[str, ...], generation: str, files: set[str]
) -> None:
    assert issue(tmp_path, picture, *options).exit_code == 0
    card = CardImage.from_json((tmp_path / "card.json").read_bytes())
    assert card.generation == generation
    assert {name for name in card.files if name.startswith("DG")} == files


def test_fingers_are_read_by_their_names(tmp_path: Path, picture: Path) -> None:
    folder = tmp_path / "fingers"
    folder.mkdir()
    for name in ("2.png", "7.jpg"):
        Image.effect_noise((64, 64), 90).save(folder / name)
    assert issue(tmp_path, picture, "--fingers", folder).exit_code == 0
    card = CardImage.from_json((tmp_path / "card.json").read_bytes())
    assert card.files["DG3"].count(b"FIR\0") == 2
    assert {"DG3", "CVCA"} <= card.files.keys()
    terminal = tmp_path / "pki" / "terminal"
    pki = issuer(tmp_path / "pki")
    assert card.trust_points == (pki.cvca.certificate,)
    assert (terminal / "terminal.cvcert").read_bytes() == pki.terminal.certificate
    assert stat.S_IMODE((terminal / "terminal.key").stat().st_mode) == 0o600


@pytest.mark.parametrize("names", [(), ("thumb.png",), ("11.png",), ("2.png", "2.jpg"), ("2.txt",)])
def test_fingers_that_are_none_are_refused(
    tmp_path: Path, picture: Path, names: tuple[str, ...]
) -> None:
    folder = tmp_path / "fingers"
    folder.mkdir()
    for name in names:
        if name.endswith("txt"):
            (folder / name).write_text("no finger")
        else:
            Image.effect_noise((64, 64), 90).save(folder / name)
    assert issue(tmp_path, picture, "--fingers", folder).exit_code == 2


def test_what_costs_time_is_waited_for(tmp_path: Path, picture: Path) -> None:
    issue(tmp_path, picture)
    image = CardImage.from_json((tmp_path / "card.json").read_bytes())
    played = Chip(image, randomness=bytes, fault="slow")
    played._manner.delay_s = 0.2
    paced = _Paced(played, kbit_per_s=0, apdu_ms=0)
    began = time.monotonic()
    paced.answer(bytes.fromhex("00A4020C02011C"))
    assert time.monotonic() - began >= 0.2


@pytest.mark.parametrize("size", [(1200, 1600), (640, 480), (90, 120), (1, 1)])
def test_any_picture_fits_a_chip(tmp_path: Path, size: tuple[int, int]) -> None:
    path = tmp_path / "any.png"
    Image.effect_noise(size, 120).save(path)
    coded = portrait(path)
    assert len(coded) <= 16_384
    with Image.open(io.BytesIO(coded)) as small:
        assert small.format == "JPEG2000"
        assert small.mode == "RGB"
        assert small.width <= 300
        assert small.height <= 400


def test_what_is_no_picture_is_a_usage_error(tmp_path: Path) -> None:
    path = tmp_path / "face.png"
    path.write_bytes(b"no picture")
    done = issue(tmp_path, path)
    assert done.exit_code in {2, 3}
    assert done.stderr


def test_every_fault_is_listed() -> None:
    done = tram_chip("serve", "--fault", "list")
    assert done.exit_code == 0
    assert [line.split()[0].removesuffix(":N") for line in done.stdout.splitlines()] == list(FAULTS)


def test_serve_refuses_what_it_cannot_play(tmp_path: Path, picture: Path) -> None:
    issue(tmp_path, picture)
    card = tmp_path / "card.json"
    assert tram_chip("serve").exit_code == 2
    assert tram_chip("serve", card, "--fault", "nothing").exit_code == 2
    assert tram_chip("serve", card, "--vpcd", "nowhere").exit_code == 2
    assert tram_chip("serve", tmp_path / "none.json").exit_code == 3
    card.write_text(json.dumps({"version": 1}))
    assert tram_chip("serve", card).exit_code == 3


def read(tmp_path: Path, *more: object, fault: str = "", can: str = "012345") -> Result:
    lie = f"&fault={fault}" if fault else ""
    url = f"sim://card?file={tmp_path / 'card.json'}{lie}"
    return tram_chip("read", "--card", url, "--can", can, *more)


def test_who_is_trusted_is_never_nobody_in_silence(tmp_path: Path, picture: Path) -> None:
    issue(tmp_path, picture)
    pki, empty = tmp_path / "pki", tmp_path / "empty"
    empty.mkdir()
    done = read(tmp_path, "--trust", pki / "trust")
    assert (done.exit_code, done.stderr) == (0, "")
    done = read(tmp_path, "--trust", pki, "--out", tmp_path / "kept")
    assert (done.exit_code, done.stdout.split()[0]) == (1, "issuer_unknown")
    assert f"nobody is trusted; did you mean {pki / 'trust'}?" in done.stderr
    done = tram_chip("verify", tmp_path / "kept", "--trust", empty)
    assert f"{empty} holds no issuer's certificate (*.der): nobody is trusted\n" in done.stderr
    (empty / "list.ml").write_bytes(b"")
    assert "tram trust import" in read(tmp_path, "--trust", empty).stderr
    # Who says that nobody is to be trusted is not told so.
    assert read(tmp_path).stderr == ""


def test_an_unread_card_tells_how_far_it_came(tmp_path: Path, picture: Path) -> None:
    issue(tmp_path, picture)
    done = read(tmp_path, can="999999")
    assert done.exit_code == 1
    lines = done.stdout.splitlines()
    assert lines[0] == "unreadable wrong_password"
    assert [line.partition(":")[0] for line in lines[1:]] == ["checks", "apdus"]
    assert lines[-1] == "apdus: 10, the last for access"
    told = json.loads(read(tmp_path, "--json", fault="torn:12").stdout)
    assert (told["reasons"], told["apdus"], told["phase"]) == (["chip_gone"], 12, "sod")
    assert (told["files"], told["unsigned"], told["dg1"]) == ({}, [], None)
    # What comes whole ends in no phase.
    assert "phase" not in json.loads(read(tmp_path, "--json").stdout)


def test_a_chip_that_asks_for_no_access_is_read_by_who_wants_it(
    tmp_path: Path, picture: Path
) -> None:
    assert issue(tmp_path, picture, "--access", "none").exit_code == 0
    assert read(tmp_path).stdout.startswith("unreadable access_unsupported\n")
    trust, kept = tmp_path / "pki" / "trust", tmp_path / "kept"
    done = read(tmp_path, "--allow-no-access", "--trust", trust, "--out", kept, "--json")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["access"] == {
        "protocol": "NONE", "password": None, "downgraded": False, "failed": [],
    }  # fmt: skip
    assert tram_chip("verify", kept, "--trust", trust).exit_code == 0


def test_everything_that_may_be_kept_is_read(tmp_path: Path, picture: Path) -> None:
    issue(tmp_path, picture)
    card = CardImage.from_json((tmp_path / "card.json").read_bytes())
    read(tmp_path, "--out", tmp_path / "kept")
    kept = {path.stem: path.read_bytes() for path in (tmp_path / "kept").glob("*.bin")}
    assert kept == dict(card.files)
    assert "COM" in kept


def test_a_folder_never_holds_files_of_two_readings(tmp_path: Path, picture: Path) -> None:
    issue(tmp_path, picture)
    kept = tmp_path / "kept"
    assert read(tmp_path, "--out", kept).exit_code == 1
    (kept / "DG16.bin").write_bytes(b"an earlier person's")
    (kept / ".DG1.bin.part").write_bytes(b"an earlier person's")
    read(tmp_path, "--out", kept)
    card = CardImage.from_json((tmp_path / "card.json").read_bytes())
    assert {path.name for path in kept.iterdir()} == {
        "evidence.cbor", *(f"{name}.bin" for name in card.files)
    }  # fmt: skip


@pytest.mark.parametrize("fails", [{"can": "999999"}, {"fault": "torn:12"}])
def test_a_reading_that_fails_leaves_nobodys_files(
    tmp_path: Path, picture: Path, fails: dict[str, str]
) -> None:
    issue(tmp_path, picture)
    kept = tmp_path / "kept"
    read(tmp_path, "--out", kept)
    assert read(tmp_path, "--out", kept, **fails).exit_code == 1
    assert list(kept.iterdir()) == []


@pytest.mark.parametrize("name", ["letter.txt", "firmware.bin", "DG1.bin/deeper"])
def test_a_folder_with_anything_else_is_refused_and_left_alone(
    tmp_path: Path, picture: Path, name: str
) -> None:
    issue(tmp_path, picture)
    other = tmp_path / "home" / name
    other.parent.mkdir(parents=True)
    other.write_text("mine")
    done = read(tmp_path, "--out", tmp_path / "home")
    assert (done.exit_code, done.stdout) == (3, "")
    assert "name another folder" in done.stderr
    assert other.read_text() == "mine"
    assert len(list((tmp_path / "home").iterdir())) == 1


def test_a_folder_without_evidence_is_told_what_is_missing(tmp_path: Path) -> None:
    done = tram_chip("verify", tmp_path)
    assert (done.exit_code, done.stdout) == (3, "")
    assert f"{tmp_path} has no evidence.cbor" in done.stderr


def test_without_a_virtual_reader_it_is_named(tmp_path: Path, picture: Path) -> None:
    issue(tmp_path, picture)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    done = tram_chip("serve", tmp_path / "card.json", "--vpcd", f"127.0.0.1:{port}")
    assert done.exit_code == 3
    assert f"no virtual reader listens at 127.0.0.1:{port} (Connection refused)" in done.stderr
    assert "pcscd" in done.stderr
    assert "Errno" not in done.stderr


def test_without_a_reader_the_service_is_asked_after(tmp_path: Path) -> None:
    # In a process of its own: the PC/SC library settles once, for good, whom it talks to.
    asked = subprocess.run(
        [sys.executable, "-m", "tram", "chip", "read", "--card", "pcsc://0", "--can", "012345"],
        env={**os.environ, "PCSCLITE_CSOCK_NAME": f"{tmp_path}/nobody.comm"},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (asked.returncode, asked.stdout) == (3, "")
    assert "does pcscd run?" in asked.stderr
    done = tram_chip("read", "--card", "sim://card?file=none.json", "--can", "012345")
    assert done.exit_code == 3
    assert "pcscd" not in done.stderr
    assert tram_chip("read", "--card", "pcsc://", "--can", "012345").exit_code == 3


@pytest.mark.parametrize("command", sorted(chip.commands))
def test_every_command_has_help_with_an_example(command: str) -> None:
    assert "Example: tram chip" in tram_chip(command, "--help").stdout
