"""The names of the package: each where it is said to be, and fetched only when it is asked for."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import emrtd

HEAVY = ("asn1crypto", "cbor2", "cryptography", "ecdsa", "gmpy2")


def typed() -> dict[str, str]:
    """Return what the type checker is told: the module of each name."""
    tree = ast.parse(Path(emrtd.__file__).read_text(encoding="utf-8"))
    return {
        alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("emrtd.")
        for alias in node.names
    }


def test_the_type_checker_is_told_what_is_so() -> None:
    assert typed() == emrtd._HOMES
    assert list(emrtd.__all__) == list(emrtd._HOMES)
    assert len(emrtd.__all__) == len(set(emrtd.__all__))


@pytest.mark.parametrize("name", emrtd.__all__)
def test_a_name_is_the_one_of_its_module(name: str) -> None:
    assert getattr(emrtd, name) is getattr(import_module(emrtd._HOMES[name]), name)
    assert name in dir(emrtd)


def test_a_name_that_is_none_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"module 'emrtd' has no attribute 'Inspector'"):
        _ = emrtd.Inspector


@pytest.mark.parametrize(
    "what", ["import emrtd", "import emrtd.errors, emrtd.apdu, emrtd.dialogue, emrtd.channel"]
)
def test_commands_and_errors_load_no_cryptography(what: str) -> None:
    ask = f"import sys; {what}; print(*sorted({{*{HEAVY!r}}} & sys.modules.keys()))"
    done = subprocess.run(
        [sys.executable, "-c", ask], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == ""
