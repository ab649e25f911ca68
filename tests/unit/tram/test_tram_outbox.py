from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from kiosk.outbox import DEFAULT_QUOTA_BYTES, Draft, Outbox
from tram.outbox import _in_words, outbox
from wire.cose import PrivateKeySigner
from wire.reasons import Outcome
from wire.record import Bands, CheckBand, OperationsPart, TimeQuality, Versions
from wire.seal import OpeningKey, Recipients

if TYPE_CHECKING:
    from pathlib import Path

KEY = ec.derive_private_key(0x5747, ec.SECP256R1())
RECIPIENTS = Recipients(
    OpeningKey("operations-1", b"o" * 96).recipient(),
    OpeningKey("identity-1", b"i" * 96).recipient(),
)
DRAFT = Draft(
    operations=OperationsPart(
        outcome=Outcome.REFERRED,
        reasons=(),
        bands=Bands(pa=CheckBand.PASSED, aa=CheckBand.ABSENT, ca=CheckBand.ABSENT),
        procedure="identity-check",
        site="hn-ward-7",
        versions=Versions(software="0.1.0", policy="policy-1"),
        at_hour=1,
        time_quality=TimeQuality.NTP,
    )
)


def tram_outbox(*arguments: object) -> Result:
    return CliRunner().invoke(outbox, [str(each) for each in arguments], catch_exceptions=False)


def pem(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A device home with three groups in its queue, filed a minute ago."""
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "station.key.pem").write_bytes(pem(KEY))
    with Outbox.open(
        tmp_path / "outbox.db",
        device="kiosk-1",
        signer=PrivateKeySigner(KEY),
        recipients=RECIPIENTS,
        now=lambda: time.time() - 60,
    ) as queue:
        for _ in range(3):
            queue.append([DRAFT, DRAFT])
    return tmp_path


def change(home: Path, statement: str) -> None:
    with closing(sqlite3.connect(home / "outbox.db")) as db, db:
        db.execute(statement)


@pytest.mark.parametrize("by", ["--outbox", "--home"])
def test_status_is_what_machines_read(home: Path, by: str) -> None:
    where = home / "outbox.db" if by == "--outbox" else home
    said = tram_outbox("status", by, where, "--json")
    assert (said.exit_code, said.stderr) == (0, "")
    state = json.loads(said.stdout)
    assert set(state) == {"epoch", "lanes", "bytes", "quota", "chain"}
    assert len(bytes.fromhex(state["epoch"])) == 16
    assert set(state["lanes"]) == {"urgent", "security", "normal"}
    normal = state["lanes"]["normal"]
    assert 60 <= normal.pop("oldest_s") < 600
    assert normal == {"next": 7, "acked": 0, "waiting": 6}
    assert state["lanes"]["urgent"] == {"next": 1, "acked": 0, "waiting": 0, "oldest_s": None}
    assert (state["quota"], state["chain"]) == (DEFAULT_QUOTA_BYTES, "ok")
    assert 0 < state["bytes"] < DEFAULT_QUOTA_BYTES


def test_status_in_words(home: Path) -> None:
    said = tram_outbox("status", "--home", home)
    assert said.exit_code == 0
    assert "next 7, acknowledged 0, waiting 6, the oldest for" in said.stdout
    assert said.stdout.endswith("chain ok\n")


def test_status_in_words_says_what_is_wrong(home: Path) -> None:
    change(home, "UPDATE groups SET raw = CAST(raw || x'00' AS BLOB) WHERE first = 3")
    said = tram_outbox("status", "--home", home)
    assert said.exit_code == 1
    assert said.stdout.splitlines()[-1].startswith("chain broken: normal 3: ")
    assert said.stdout.splitlines()[-1].removeprefix("chain broken") in said.stderr


@pytest.mark.parametrize(("percent", "told"), [(89, False), (91, True), (100, True)])
def test_status_in_words_says_that_a_queue_is_nearly_full(
    home: Path, percent: int, told: bool
) -> None:
    state = json.loads(tram_outbox("status", "--home", home, "--json").stdout)
    state["bytes"] = state["quota"] * percent // 100
    assert ("nearly full" in _in_words(state, "")) is told


def test_verify_reads_every_group(home: Path) -> None:
    for where in (("--home", home), ("--outbox", home / "outbox.db")):
        said = tram_outbox("verify", *where, "--json")
        assert (said.exit_code, said.stderr) == (0, "")
        assert json.loads(said.stdout) == {
            "chain": "ok",
            "groups": 3,
            "records": 6,
            "tombstones": 0,
        }
        assert tram_outbox("verify", *where).stdout == "6 records held, all whole\n"


def test_a_changed_group_is_exit_code_1_and_its_place(home: Path) -> None:
    change(home, "UPDATE groups SET raw = CAST(raw || x'00' AS BLOB) WHERE first = 3")
    said = tram_outbox("verify", "--home", home, "--json")
    assert said.exit_code == 1
    assert json.loads(said.stdout) == {"chain": "broken", "lane": "normal", "seq": 3}
    assert "normal 3" in said.stderr
    assert tram_outbox("verify", "--home", home).stdout == "broken at normal 3\n"
    state = tram_outbox("status", "--home", home, "--json")
    assert (state.exit_code, json.loads(state.stdout)["chain"]) == (1, "broken")
    assert "chain: normal 3" in state.stderr


def test_another_key_at_home_finds_a_forger(home: Path) -> None:
    """The file alone names its own key: that finds damage, not somebody who wrote it all anew."""
    stranger = ec.generate_private_key(ec.SECP256R1())
    (home / "keys" / "station.key.pem").write_bytes(pem(stranger))
    assert tram_outbox("verify", "--outbox", home / "outbox.db").exit_code == 0
    for command in ("verify", "status"):
        assert tram_outbox(command, "--home", home).exit_code == 1


@pytest.mark.parametrize("command", ["status", "verify"])
def test_what_cannot_be_used_is_exit_code_3(home: Path, command: str) -> None:
    (home / "text").write_text("hello")
    (home / "empty").touch()
    for file in ("none.db", "text", "empty"):
        said = tram_outbox(command, "--outbox", home / file)
        assert (said.exit_code, said.stdout) == (3, "")
        assert said.stderr
    assert not (home / "none.db").exists()
    assert (home / "text").read_text() == "hello"


@pytest.mark.parametrize("command", ["status", "verify"])
@pytest.mark.parametrize("content", [None, b"", b"no key", b"-----BEGIN PRIVATE KEY-----\n"])
def test_a_home_without_its_key_is_exit_code_3(
    home: Path, command: str, content: bytes | None
) -> None:
    key = home / "keys" / "station.key.pem"
    key.unlink()
    if content is not None:
        key.write_bytes(content)
    said = tram_outbox(command, "--home", home)
    assert (said.exit_code, said.stdout) == (3, "")


@pytest.mark.parametrize("command", ["status", "verify"])
def test_a_queue_that_lost_its_tables_is_exit_code_3(home: Path, command: str) -> None:
    change(home, "DELETE FROM lanes WHERE lane = 'urgent'")
    said = tram_outbox(command, "--outbox", home / "outbox.db", "--json")
    assert (said.exit_code, said.stdout) == (3, "")


@pytest.mark.parametrize("command", ["status", "verify"])
def test_what_is_missing_is_named(tmp_path: Path, command: str) -> None:
    for home, missing in (
        (tmp_path / "nowhere", tmp_path / "nowhere"),
        (tmp_path, tmp_path / "outbox.db"),
    ):
        said = tram_outbox(command, "--home", home)
        assert (said.exit_code, said.stdout) == (3, "")
        assert said.stderr.startswith(f"{missing}: No such file or directory; ")
        assert "make demo" in said.stderr


@pytest.mark.parametrize("command", ["status", "verify"])
def test_one_place_must_be_named(home: Path, command: str) -> None:
    both = ("--outbox", home / "outbox.db", "--home", home)
    for arguments in ((), both, ("--outbox", home), ("--home", home / "outbox.db")):
        assert tram_outbox(command, *arguments).exit_code == 2


def test_looking_changes_nothing(home: Path) -> None:
    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    for command in ("status", "verify"):
        assert tram_outbox(command, "--home", home).exit_code == 0
    assert {path: path.read_bytes() for path in home.rglob("*") if path.is_file()} == before


def test_help_has_an_example_that_runs(home: Path) -> None:
    for command in ("status", "verify", "repair", "export", "import-receipts"):
        said = tram_outbox(command, "--help")
        assert said.exit_code == 0
        assert f"tram outbox {command} " in said.stdout
    assert "Exit codes" in (__import__("tram.outbox").outbox.__doc__ or "")
