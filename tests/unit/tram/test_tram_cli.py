"""The command itself: which groups there are, and how what nobody caught ends."""

from __future__ import annotations

import sys
from types import ModuleType

import click
import pytest
from click.testing import CliRunner

from tram.cli import BROKEN, GROUPS, main


def ending(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> int:
    """Return the exit code of a command that raises this."""

    @click.command()
    def failing() -> None:
        raise error

    module = ModuleType("tram.failing")
    monkeypatch.setattr(module, "failing", failing, raising=False)
    monkeypatch.setitem(sys.modules, "tram.failing", module)
    monkeypatch.setitem(GROUPS, "failing", "Fails.")
    done = CliRunner().invoke(main, ["failing"])
    assert ("Traceback" in done.stderr) == (done.exit_code == BROKEN)
    return done.exit_code


@pytest.mark.parametrize("error", [RuntimeError(), OSError(5, "no"), KeyError("x"), ValueError()])
def test_what_nobody_caught_is_no_verdict(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    assert ending(monkeypatch, error) == BROKEN == 70


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SystemExit(1), 1), (SystemExit(3), 3), (click.UsageError("no"), 2), (click.Abort(), 1),
        (click.exceptions.Exit(4), 4), (BrokenPipeError(32, "gone"), 1),
    ],
)  # fmt: skip
def test_what_a_command_says_itself_stands(
    monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int
) -> None:
    assert ending(monkeypatch, error) == code


def test_an_unknown_group_is_a_usage_error() -> None:
    assert CliRunner().invoke(main, ["nothing"]).exit_code == 2
