"""The checklist of conformity is true: every test that it names is there, every row has an answer.

And whatever the library cites is in the list of specifications, so that its edition is known.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CHECKLIST = (ROOT / "docs" / "reference" / "conformity.md").read_text(encoding="utf-8")
SPECIFICATIONS = (ROOT / "docs" / "reference" / "specs.md").read_text(encoding="utf-8")
ROWS = [
    line
    for line in CHECKLIST.splitlines()
    if line.startswith("| ") and not line.startswith(("| what is asked |", "| cases |"))
]
NAMED = sorted(set(re.findall(r"`([\w/]+\.py)::(\w+)`", CHECKLIST)))
TAG = re.compile(r"\[((?:TR-|PCSC-|X\.)\d[\d.-]*|\d{4,5}(?:-\d+)?)\]")
KNOWN = frozenset(re.findall(r"^\| \[([^\]]+)\] \|", SPECIFICATIONS, re.MULTILINE))
LIBRARY = sorted((ROOT / "emrtd").rglob("*.py"))


@cache
def names_in(path: str) -> frozenset[str]:
    """Return the names of the tests in a file, those of its classes included."""
    tree = ast.parse((ROOT / "tests" / path).read_text(encoding="utf-8"))
    return frozenset(
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    )


@pytest.mark.parametrize("path", sorted({path for path, _ in NAMED}))
def test_every_test_that_is_named_is_there(path: str) -> None:
    assert (ROOT / "tests" / path).is_file()
    assert {name for where, name in NAMED if where == path} <= names_in(path)


def test_every_row_names_a_test_or_says_why_there_is_none() -> None:
    assert len(ROWS) > 100
    for row in ROWS:
        answer = row.rsplit(" | ", 1)[1]
        tested, left_out = "::test_" in answer, "**not covered**: " in answer
        assert tested != left_out, row
        assert not left_out or len(answer.partition("**not covered**: ")[2]) > 8, row


def test_the_library_cites_what_the_list_of_specifications_has() -> None:
    cited = {
        (tag, path.name)
        for path in LIBRARY
        for tag in TAG.findall(path.read_text(encoding="utf-8"))
    }
    assert {tag for tag, _ in cited} - KNOWN == set(), sorted(cited)
    assert len({path for _, path in cited}) > 40


def test_a_module_says_its_specification_in_one_form() -> None:
    for path in LIBRARY:
        said = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        assert said.count("Spec:") <= 1, path
        cited = said.partition("Spec:")[2]
        assert not cited or TAG.search(cited) or cited.startswith(" none is public"), path


def test_the_checklist_cites_what_the_list_of_specifications_has() -> None:
    assert set(TAG.findall(CHECKLIST)) - KNOWN == set()
