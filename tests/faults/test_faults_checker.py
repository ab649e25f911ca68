"""The checker sees every wrong twin of the product, and says nothing of the right one."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from tests.faults import checker, content
from tests.faults.twins import LEAST, Twin, judged

PRODUCT = {"kiosk", "wire", "fleet", "provisioning", "tram", "hw", "models", "emrtd"}


@pytest.fixture(scope="module")
def twins() -> dict[str, Twin]:
    return {one.bug: one for one in judged()}


def test_the_right_one_passes(twins) -> None:
    assert twins["goes-on"].found == frozenset()


def test_each_wrong_one_is_caught_by_name(twins) -> None:
    wrong = [one for one in twins.values() if one.caught_as]
    assert len(wrong) >= LEAST
    assert not [f"{one.bug}: {sorted(one.found)}" for one in wrong if not one.caught]


@pytest.mark.parametrize("module", [checker, content, checker.spec], ids=lambda one: one.__name__)
def test_the_checker_imports_nothing_of_the_product(module) -> None:
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    named = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [each.name for each in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert not named & PRODUCT
    assert named <= {*sys.stdlib_module_names, "tests", "cryptography", "cbor2", "wire_independent"}
