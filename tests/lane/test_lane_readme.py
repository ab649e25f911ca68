"""The library's ten lines for a real reader, run as they stand, with a test passport on it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import emrtd
from emrtd.sim import CardImage, Holder, personalise
from hw.card.vpcd import VirtualCard
from tests.unit.hw.card_material import JPEG, PulledChip, issuer
from tram.parts.pcscd import Pcscd

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.lane

README = (Path(emrtd.__file__).parent / "README.md").read_text(encoding="utf-8")
_, EXAMPLE = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
TRUSTING_NOBODY = "TrustStore([])"
TRUSTING = 'TrustStore([Path("csca.der").read_bytes()])'


@pytest.fixture(scope="module")
def passport() -> CardImage:
    holder = Holder(
        number="999195012345", name="Nguyễn Thị Mẫu", birth=date(1995, 1, 1), sex="F",
        issued=date(2025, 1, 1), expiry=date(2034, 12, 31),
    )  # fmt: skip
    return personalise(holder, JPEG, generation="passport", pki=issuer(), randomness=os.urandom)


@pytest.fixture(scope="module")
def held(passport: CardImage) -> Iterator[None]:
    with Pcscd() as service, VirtualCard(port=service.port) as hands:
        hands.insert(PulledChip(passport))
        yield


def run(example: str, folder: Path, zone: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", example],
        cwd=folder, input=zone, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.rpartition(": ")[2]


@pytest.mark.usefixtures("held")
def test_the_ten_lines_read_a_passport(passport: CardImage, tmp_path: Path) -> None:
    zone = passport.files["DG1"][5:].decode("ascii") + "\n"
    assert run(EXAMPLE, tmp_path, zone) == "issuer_unknown ['issuer_unknown']\n"
    (tmp_path / "csca.der").write_bytes(issuer().csca.certificate)
    assert TRUSTING in README
    trusting = "from pathlib import Path\n" + EXAMPLE.replace(TRUSTING_NOBODY, TRUSTING)
    assert run(trusting, tmp_path, zone) == "genuine []\n"


def test_they_are_ten() -> None:
    body = EXAMPLE.partition("\n\nconnection = ")[2].splitlines()
    assert len([line for line in body if line]) == 10
    assert all(len(line) <= 100 for line in EXAMPLE.splitlines())
