"""The README is true: its example runs, and its tables name what there is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import emrtd
from emrtd.errors import Fault
from emrtd.sim import FAULTS
from emrtd.verify import ChipOutcome

if TYPE_CHECKING:
    import pytest

README = (Path(emrtd.__file__).parent / "README.md").read_text(encoding="utf-8")
OTHERS = (
    "ValueError", "TypeError", "SmartcardException", "SoftwareSigner", "Terminal", "TerminalSigner",
)  # fmt: skip
EXAMPLES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_the_example_prints_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    example, _ = EXAMPLES
    exec(compile(example, "README.md", "exec"), {})  # noqa: S102 - our own document
    assert capsys.readouterr().out == "genuine []\nNGUYEN\n"
    assert "It prints `genuine []` and `NGUYEN`." in README


def test_the_counterfeit_of_the_example_is_found_out(capsys: pytest.CaptureFixture[str]) -> None:
    example, _ = EXAMPLES
    honest, comment = (
        'randomness=os.urandom)  # fault="clone"',
        'randomness=os.urandom, fault="clone")',
    )
    assert honest in example
    assert "clone" in FAULTS
    exec(compile(example.replace(honest, comment + " #"), "README.md", "exec"), {})  # noqa: S102 - as above
    assert capsys.readouterr().out == "not_genuine ['chip_key_mismatch']\n"


def test_every_fault_and_every_outcome_is_explained() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", README, re.MULTILINE)
    assert sorted(rows) == sorted([*map(str, ChipOutcome), *map(str, Fault)])


def test_every_name_in_it_is_there() -> None:
    for name in re.findall(r"`(\w+)[(.`]", README):
        if name[0].isupper() and name != "NGUYEN":
            assert name in {*emrtd.__all__, *OTHERS}, name
