"""`tram chip` over a real PC/SC service: every kind of card, issued, played, read, verified again.

What a card should tell stands here as people would write it down from its print.
"""

from __future__ import annotations

import stat
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from lane_chip import READER_URL, Bench, tram

from hw.card.vpcd import AWAY_S
from tram.chip import TIMEOUT_S
from tram.parts.pcscd import Pcscd

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.lane

NUMBER, CAN = "999195012345", "012345"
GM, CAM = "PACE-ECDH-GM-AES-CBC-CMAC-128", "PACE-ECDH-CAM-AES-CBC-CMAC-128"
FIELDS = "195012345|950101|350101"
ZONE = """
IDVNM1950123452999195012345<<1
9501016F3501014VNM<<<<<<<<<<<8
NGUYEN<<THI<MAU<<<<<<<<<<<<<<<
"""
PASSPORT_ZONE = """
P<VNMNGUYEN<<THI<MAU<<<<<<<<<<<<<<<<<<<<<<<<
T999123455VNM9501016F3501014999195012345<<18
"""
CODE = f"{NUMBER}||Nguyễn Thị Mẫu|01011995|Nữ|Số 1, Phố Giả, Xã Mẫu, Hà Nội|01062021"
PHASES = {"access", "sod", "dg14", "dg1", "dg2"}
KEYS = {
    "access", "checks", "dg1", "dg7", "dg11", "dg12", "dg13", "dg16", "files", "apdus", "ms",
    "outcome", "reasons",
}  # fmt: skip


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with Pcscd() as service:
        made = Bench(tmp_path_factory.mktemp("bench"), service.port)
        yield made
        made.clear()


def checks(**differing: str) -> dict[str, str]:
    """Return how each check ends on a card of 2021 that is genuine, unless told otherwise."""
    return {
        "pa": "passed", "aa": "passed", "ca": "passed", "cam": "absent", "ta": "absent",
    } | differing  # fmt: skip


def is_as_promised(row: dict[str, Any], *, protocol: str, password: str) -> None:
    assert row.keys() >= KEYS
    assert row["access"]["protocol"] == protocol
    assert (row["access"]["password"], row["access"]["downgraded"]) == (password, False)
    assert {"CardAccess", "SOD", "DG1", "DG2"} <= row["files"].keys() or protocol == "BAC"
    assert all(isinstance(size, int) and size > 0 for size in row["files"].values())
    assert row["files"]["DG2"] > 8_000
    assert row["ms"].keys() >= PHASES
    assert all(spent >= 0 for spent in row["ms"].values())
    # A portrait in short answers and a dozen commands around it; each file's last byte is read.
    assert row["apdus"] > row["files"]["DG2"] // 224 + len(row["files"])


@pytest.mark.parametrize(
    ("generation", "keys", "differing"),
    [
        ("2021", {"CAN": ("--can", CAN), "MRZ": ("--mrz", ZONE)}, {}),
        ("2024", {"CAN": ("--can", CAN), "MRZ": ("--mrz", FIELDS)}, {"aa": "absent"}),
        ("passport", {"MRZ": ("--mrz", PASSPORT_ZONE)}, {}),
    ],
)
def test_each_document_is_read_by_each_key_that_is_printed_on_it(
    bench: Bench, generation: str, keys: dict[str, tuple[str, str]], differing: dict[str, str]
) -> None:
    with bench.played(bench.card("--generation", generation)):
        for password, key in keys.items():
            said = bench.read(*key)
            assert (said.code, said.talk) == (0, "")
            row = said.row
            is_as_promised(row, protocol=GM, password=password)
            assert (row["outcome"], row["reasons"]) == ("genuine", [])
            assert row["checks"] == checks(**differing)
            assert (row["dg1"]["surname"], row["dg1"]["given_names"]) == ("NGUYEN", "THI MAU")
            assert (row["dg1"]["birth"], row["dg1"]["expiry"]) == ("950101", "350101")
            if generation == "passport":
                assert (row["dg1"]["document_number"], row["dg13"]) == ("T99912345", None)
                assert row["dg1"]["optional"] == NUMBER
            else:
                assert row["dg1"]["personal_number"] == NUMBER
                assert (row["dg13"]["number"], row["dg13"]["name"]) == (NUMBER, "Nguyễn Thị Mẫu")
                assert row["dg13"]["birth"]["day"] == "1995-01-01"


def test_who_waits_for_a_card_is_told_so_and_how_long(bench: Bench) -> None:
    bench.clear()
    time.sleep(AWAY_S)
    reading = subprocess.Popen(
        [sys.executable, "-m", "tram", "chip", "read", "--card", READER_URL, "--can", CAN],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    with reading:
        assert reading.stderr is not None
        assert reading.stderr.readline() == (
            f"waiting for a card on {READER_URL}, {TIMEOUT_S:.0f} s at most\n"
        )
        bench.hold(bench.card("--generation", "2021"))
        out, talk = reading.communicate(timeout=TIMEOUT_S)
    assert (out.split()[0], talk) == ("issuer_unknown", "")


def test_a_card_is_read_by_its_code_kept_and_verified_again_years_later(
    bench: Bench, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    with bench.played(bench.card("--generation", "2021")):
        said = bench.read("--qr", CODE, "--out", kept)
    assert said.code == 0
    is_as_promised(said.row, protocol=GM, password="CAN")
    assert stat.S_IMODE(kept.stat().st_mode) == 0o700
    sizes = {path.stem: path.stat().st_size for path in kept.glob("*.bin")}
    assert sizes == said.row["files"]

    again = tram("chip", "verify", kept, "--trust", bench.trust, "--at", "2037-03-01", "--json")
    assert (again.code, again.row["outcome"], again.row["reasons"]) == (0, "genuine", [])
    same = KEYS - {"apdus", "ms"}
    assert {key: again.row[key] for key in same} == {key: said.row[key] for key in same}
    over = tram("chip", "verify", kept, "--trust", bench.trust, "--at", "2042-01-01", "--json")
    assert (over.code, over.row["reasons"]) == (1, ["signer_expired"])
    unknown = tram("chip", "verify", kept, "--json")
    assert (unknown.code, unknown.row["outcome"]) == (1, "issuer_unknown")
    assert unknown.row["checks"]["pa"] == "unknown_issuer"

    (kept / "evidence.cbor").write_bytes((kept / "evidence.cbor").read_bytes()[:-1])
    cut = tram("chip", "verify", kept, "--trust", bench.trust, "--json")
    assert (cut.code, cut.out) == (3, "")
    assert "Traceback" not in cut.talk


@pytest.mark.parametrize(
    ("options", "key", "protocol", "differing"),
    [
        (("--pace", "im"), "can", "PACE-ECDH-IM-AES-CBC-CMAC-128", {}),
        (("--pace", "cam"), "can", CAM, {"cam": "passed"}),
        (("--auth", "cam"), "mrz", CAM, {"cam": "passed", "aa": "absent", "ca": "absent"}),
        (("--curve", "brainpoolP512r1"), "can", GM, {}),
        (
            ("--curve", "P-521", "--cipher", "aes-256"),
            "can", "PACE-ECDH-GM-AES-CBC-CMAC-256", {},
        ),
        (("--curve", "modp2048-256"), "can", "PACE-DH-GM-AES-CBC-CMAC-128", {}),
        (("--aa-key", "rsa"), "can", GM, {}),
        (("--access", "bac"), "mrz", "BAC", {}),
        (("--cipher", "3des"), "can", "PACE-ECDH-GM-3DES-CBC-CBC", {}),
        (("--access", "bac", "--cipher", "3des"), "mrz", "BAC", {}),
    ],
    ids=lambda value: "_".join(value) if isinstance(value, tuple) else "",
)  # fmt: skip
def test_each_protocol_passes_through_the_same_stack(
    bench: Bench, options: tuple[str, ...], key: str, protocol: str, differing: dict[str, str]
) -> None:
    given = ("--can", CAN) if key == "can" else ("--mrz", FIELDS)
    bench.hold(bench.card(*options))
    said = bench.read(*given)
    assert said.code == 0, said.talk
    is_as_promised(said.row, protocol=protocol, password=key.upper())
    assert said.row["outcome"] == "genuine"
    assert said.row["checks"] == checks(**differing)


@pytest.mark.parametrize(
    ("fault", "outcome", "reason"),
    [
        ("clone", "not_genuine", "chip_key_mismatch"),
        ("torn:40", "unreadable", "chip_gone"),
    ],
)
def test_a_chip_that_lies_or_leaves_is_told_by_reason_and_exit_code(
    bench: Bench, fault: str, outcome: str, reason: str
) -> None:
    with bench.played(bench.card("--generation", "2021"), "--fault", fault):
        said = bench.read("--can", CAN)
    assert said.code == 1
    assert (said.row["outcome"], said.row["reasons"]) == (outcome, [reason])
    assert said.row.keys() >= KEYS
    assert NUMBER not in said.talk


def test_a_wrong_number_is_a_wrong_number_and_the_right_one_opens_the_same_card(
    bench: Bench,
) -> None:
    with bench.played(bench.card("--generation", "2021")):
        for wrong in (("--can", "999999"), ("--mrz", "195012345|950102|350101")):
            said = bench.read(*wrong)
            assert (said.code, said.row["reasons"]) == (1, ["wrong_password"])
            assert "999999" not in said.talk
        assert bench.read("--can", CAN, trusting=False).row["reasons"] == ["issuer_unknown"]


def test_a_chip_is_played_as_slowly_as_the_air_carries_it(bench: Bench) -> None:
    card = bench.card("--generation", "2021")
    with bench.played(card, "--bitrate", "424", "--apdu-ms", "2"):
        row = bench.read("--can", CAN).row
    assert row["outcome"] == "genuine"
    air_ms = row["apdus"] * 2 + sum(row["files"].values()) * 8 / 424
    assert sum(row["ms"].values()) > air_ms
