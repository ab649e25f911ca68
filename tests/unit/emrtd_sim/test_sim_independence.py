"""The chip is a second reading of the standard: it may share no code with the first."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import emrtd.sim

SHARED = {"emrtd.tlv", "emrtd.apdu", "emrtd.errors"}
MODULES = sorted(Path(emrtd.sim.__file__).parent.glob("*.py"))


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_the_chip_shares_only_the_alphabet_with_the_reader(module: Path) -> None:
    imported = set()
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            imported.add(node.module or "")
            imported |= {f"{node.module}.{each.name}" for each in node.names}
        elif isinstance(node, ast.Import):
            imported |= {each.name for each in node.names}
    ours = {name for name in imported if name == "emrtd" or name.startswith("emrtd.")}
    allowed = tuple(f"{name}." for name in (*SHARED, "emrtd.sim"))
    assert not {name for name in ours if not f"{name}.".startswith(allowed)}
