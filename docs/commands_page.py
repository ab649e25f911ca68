"""The page of the commands: the help of every one, as click prints it."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

import click

from tram.cli import GROUPS, main

if TYPE_CHECKING:
    from collections.abc import Iterator

HEAD: Final = """\
# Commands

Standard output is data, standard error is talk; `--json` where machines read. Exit codes: 0 done as
expected; 1 a verdict other than the good one; 2 usage; 3 a device, a file or the environment
failed. The help of every command, as it prints it; made by `docs/generate.py`.
"""
WIDTH: Final = 96


def render() -> str:
    """Return the page, Markdown."""
    parts = [HEAD]
    for path, help_text in commands():
        level = "##" if " " not in path.removeprefix("tram ") else "###"
        parts.append(f"\n{level} `{path}`\n\n```text\n{help_text}\n```\n")
    return "".join(parts)


def commands() -> Iterator[tuple[str, str]]:
    """Yield each group and command that there is: how it is called, and its help."""
    for name in sorted(GROUPS):
        if find_spec(f"tram.{name}") is not None:
            command = main.get_command(click.Context(main), name)
            yield from _below(command, f"tram {name}") if command else ()


def _below(command: click.Command, path: str) -> Iterator[tuple[str, str]]:
    # A command keeps the help option that it was first asked for, by whomever: ask anew, as the
    # program does. And click guesses the width anew for each context that has none.
    command._help_option = None  # noqa: SLF001 - click has no other way to forget it
    context = click.Context(
        command,
        info_name=path,
        terminal_width=WIDTH,
        max_content_width=WIDTH,
        help_option_names=main.context_settings["help_option_names"],
    )
    yield path, "\n".join(line.rstrip() for line in command.get_help(context).splitlines())
    if isinstance(command, click.Group):
        for name in sorted(command.commands):
            yield from _below(command.commands[name], f"{path} {name}")
