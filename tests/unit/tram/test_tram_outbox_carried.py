"""From a damaged queue to a fleet and back without a network: repair, export, import, receipts."""

from __future__ import annotations

import io
import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from test_tram_outbox import DRAFT

from kiosk.outbox import Outbox
from kiosk.station.home import DeviceHome
from tram.cli import main
from wire.carried import read_carried, write_carried
from wire.cose import PrivateKeySigner

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result


def tram(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(each) for each in arguments], catch_exceptions=False)


def said(result: Result, *, code: int = 0) -> Any:
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


@dataclass
class Site:
    """A fleet and one of its devices, with no network between them."""

    fleet: Path
    home: Path
    folder: Path

    def queue(self) -> Outbox:
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        place = DeviceHome(self.home)
        key = load_pem_private_key(place.station_key.read_bytes(), password=None)
        return Outbox.open(
            place.outbox,
            device=place.config().id,
            signer=PrivateKeySigner(key),  # type: ignore[arg-type]  # an EC key, as enrolled
            recipients=place.fleet_keys().recipients,
        )

    def damage(self, statement: str) -> None:
        with closing(sqlite3.connect(self.home / "outbox.db")) as db, db:
            db.execute(statement)

    def carried(self, name: str = "groups", *, code: int = 0) -> tuple[Any, Any]:
        """Export, import, take the receipts; return what import and receipts said."""
        groups, receipts = self.folder / f"{name}.tram", self.folder / f"{name}.receipts"
        said(tram("outbox", "export", "--home", self.home, "--out", groups, "--json"))
        taken = tram(
            "fleet", "import", groups, "--home", self.fleet, "--receipts", receipts, "--json"
        )
        back = tram("outbox", "import-receipts", receipts, "--home", self.home, "--json")
        return said(taken, code=code), said(back)

    def held(self) -> list[int]:
        found = said(tram("fleet", "records", "--home", self.fleet, "--json"))
        return [int(one["record"].rpartition("/")[2]) for one in found]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    fleet, home, trust = tmp_path / "fleet", tmp_path / "kiosk", tmp_path / "trust"
    trust.mkdir()
    (trust / "csca.der").write_bytes(b"x")
    assert tram("fleet", "init", "--home", fleet, "--port", 0, "--shards", 2).exit_code == 0
    enrolled = tram(
        *("provision", "enrol", "--fleet", fleet, "--home", home, "--device", "kiosk-1"),
        *("--site", "hn-1", "--trust", trust),
        *("--card", "pcsc://0", "--camera", "v4l2:///dev/video0"),
    )
    assert enrolled.exit_code == 0, enrolled.output
    one = Site(fleet, home, tmp_path)
    with one.queue() as queue:
        for _ in range(5):
            queue.append([DRAFT])
    return one


def test_a_whole_queue_by_hand(site: Site) -> None:
    taken, back = site.carried()
    assert taken == {
        "items": 5,
        "refused": {},
        "unreadable": 0,
        "cut_off": False,
        "receipts": 1,
    }
    assert (back["believed"], back["refused"]) == (1, 0)
    assert set(back["waiting"].values()) == {0}
    assert site.held() == [1, 2, 3, 4, 5]
    taken, back = site.carried("again")
    assert (taken["items"], back["believed"]) == (0, 0)


def test_repair_looks_first_then_mends_then_has_nothing_to_do(site: Site) -> None:
    site.damage("UPDATE groups SET raw = zeroblob(50) WHERE first IN (2, 3)")
    broken = tram("outbox", "export", "--home", site.home, "--out", site.folder / "x")
    assert broken.exit_code == 1
    assert not (site.folder / "x").exists()
    before = (site.home / "outbox.db").read_bytes()
    plan = said(tram("outbox", "repair", "--home", site.home, "--json"), code=1)
    assert (site.home / "outbox.db").read_bytes() == before
    assert (plan["whole"], plan["applied"], plan["quarantine"]) == (False, False, None)
    assert plan["lanes"]["normal"] == {
        "next": 6,
        "acked": 0,
        "records": 3,
        "tombstones": [{"first": 2, "last": 3, "given": 2}],
    }
    words = tram("outbox", "repair", "--home", site.home)
    assert "would be given up: 2 to 3, 2 of them surely used" in words.stdout
    assert words.stdout.endswith("nothing was changed; --apply does it\n")
    done = said(tram("outbox", "repair", "--home", site.home, "--apply", "--json"))
    assert done["lanes"] == plan["lanes"]
    assert done["applied"]
    assert (site.folder / done["quarantine"] / "outbox.db").read_bytes() == before
    for apply in ([], ["--apply"]):
        again = tram("outbox", "repair", "--home", site.home, *apply)
        assert (again.exit_code, again.stdout) == (0, "the queue is whole: nothing to do\n")
    taken, back = site.carried()
    assert (taken["items"], set(back["waiting"].values())) == (4, {0})
    assert site.held() == [1, 4, 5]
    device = said(tram("fleet", "devices", "--home", site.fleet, "--json"))[0]
    assert (device["tombstones"], device["forks"], device["refused"]) == (1, 0, 0)


def test_an_export_from_before_the_damage_gives_back_what_was_lost(site: Site) -> None:
    old = site.folder / "old.tram"
    assert tram("outbox", "export", "--home", site.home, "--out", old).exit_code == 0
    site.damage("DELETE FROM lanes WHERE lane = 'normal'")
    site.damage("UPDATE groups SET raw = zeroblob(50) WHERE first > 2")
    assert tram("outbox", "repair", "--home", site.home, "--apply").exit_code == 0
    with site.queue() as queue:
        after = queue.append([DRAFT])[0].seq
    assert after > 4_096
    _, back = site.carried()
    assert set(back["waiting"].values()) == {0}
    assert site.held() == [1, 2, after]
    late = site.folder / "late.receipts"
    taken = tram("fleet", "import", old, "--home", site.fleet, "--receipts", late, "--json")
    assert said(taken)["items"] == 5
    assert site.held() == [1, 2, 3, 4, 5, after]
    assert said(tram("fleet", "devices", "--home", site.fleet, "--json"))[0]["forks"] == 0


def test_groups_go_as_they_are_and_nothing_else_goes(site: Site) -> None:
    file = site.folder / "groups.tram"
    told = said(tram("outbox", "export", "--home", site.home, "--out", file, "--json"))
    with closing(sqlite3.connect(site.home / "outbox.db")) as db:
        groups = [raw for (raw,) in db.execute("SELECT raw FROM groups ORDER BY first")]
    raw = file.read_bytes()
    assert list(read_carried(io.BytesIO(raw), kind="groups")) == groups
    frame = 16 + sum(4 + len(group) for group in groups) + 4 + 40
    assert told == {
        "file": str(file),
        "groups": 5,
        "records": 5,
        "tombstones": 0,
        "bytes": frame,
    }
    assert len(raw) == frame
    assert file.stat().st_mode & 0o777 == 0o600
    for clear in (b"hn-ward-7", b"identity-check", b"referred", str(site.home).encode()):
        assert clear not in raw
    assert tram("outbox", "export", "--home", site.home, "--out", file).exit_code == 3
    everything = tram(
        *("outbox", "export", "--home", site.home, "--out", site.folder / "all", "--all", "--json")
    )
    assert said(everything)["records"] == 5


def test_a_hostile_file_is_taken_like_hostile_messages(site: Site) -> None:
    file, back = site.folder / "bad.tram", site.folder / "bad.receipts"
    with closing(sqlite3.connect(site.home / "outbox.db")) as db:
        groups = [raw for (raw,) in db.execute("SELECT raw FROM groups ORDER BY first")]
    changed = groups[0][:-1] + bytes([groups[0][-1] ^ 1])
    with file.open("wb") as handle:
        write_carried(handle, [b"noise", changed, groups[1], groups[0]], kind="groups")
    taken = tram("fleet", "import", file, "--home", site.fleet, "--receipts", back, "--json")
    assert said(taken, code=1) == {
        "items": 3,
        "refused": {"signature_invalid": 1},
        "unreadable": 1,
        "cut_off": False,
        "receipts": 1,
    }
    assert site.held() == [1]
    file.write_bytes(file.read_bytes()[:-50])
    taken = tram(
        *("fleet", "import", file, "--home", site.fleet, "--json"),
        *("--receipts", site.folder / "cut.receipts"),
    )
    assert said(taken, code=1)["cut_off"]
    (site.folder / "no").write_bytes(b"no such file")
    for wrong in ("no", "absent"):
        taken = tram(
            *("fleet", "import", site.folder / wrong, "--home", site.fleet),
            *("--receipts", site.folder / f"{wrong}.receipts"),
        )
        assert taken.exit_code == 3
    word = tram("outbox", "import-receipts", file, "--home", site.home)
    assert word.exit_code == 3


def test_receipts_of_nobody_change_nothing(site: Site) -> None:
    site.carried()
    receipts = site.folder / "groups.receipts"
    with receipts.open("rb") as handle:
        (word,) = read_carried(handle, kind="receipts")
    with (site.folder / "forged").open("wb") as handle:
        forged = word[:-1] + bytes([word[-1] ^ 1])
        write_carried(handle, [forged, b"noise", word], kind="receipts")
    back = tram("outbox", "import-receipts", site.folder / "forged", "--home", site.home, "--json")
    assert said(back, code=1) == {
        "believed": 1,
        "refused": 2,
        "cut_off": False,
        "waiting": {"urgent": 0, "security": 0, "normal": 0},
    }
    receipts.write_bytes(receipts.read_bytes()[:-1])
    back = tram("outbox", "import-receipts", receipts, "--home", site.home, "--json")
    assert said(back, code=1)["cut_off"]


def test_a_queue_in_use_is_not_mended(site: Site) -> None:
    site.damage("UPDATE groups SET raw = zeroblob(50) WHERE first = 2")
    with site.queue():
        done = tram("outbox", "repair", "--home", site.home, "--apply")
    assert done.exit_code == 3
    assert "in use" in done.stderr
