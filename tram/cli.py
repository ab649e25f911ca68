"""The command `tram`: finds each group by name when it is asked for, so that start-up is short.

Knows only the groups' names. What a group does stands in its own module.

Exit codes: 0 done as expected; 1 a verdict other than the good one; 2 usage; 3 a device, a file or
the environment failed; 70 the program itself did, and a traceback says where.
"""

from __future__ import annotations

import os
import traceback
from importlib import import_module
from typing import Any

import click

BROKEN = 70
"""EX_SOFTWARE of sysexits.h. Python's own 1 would be taken for a verdict."""
SINGLE_THREADED = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")
"""Matrices here are small: where another process has a core, threads that wait for each other make
a comparison of fingers twenty times slower. Set before anything imports numpy."""
GROUPS = {
    "camera": "Prepare a simulated person for the camera.",
    "chip": "Issue, play, read and verify chips.",
    "demo": "Run the main job from end to end on this machine.",
    "finger": "Try a fingerprint sensor.",
    "fleet": "The central service.",
    "kiosk": "The citizen's kiosk: station and screen.",
    "link": "The network process of a kiosk.",
    "models": "Make and check the model files.",
    "outbox": "The local queue.",
    "policy": "Show the signed policy, explain what it decides.",
    "provision": "Make and enrol devices; sign policies.",
    "trust": "What issuers are trusted, until when.",
    "verify": "One verification, headless.",
}


class _Lazy(click.Group):
    """A group whose commands are imported when they are named."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in alphabetical order."""
        del ctx
        return sorted(GROUPS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of that name and return its command."""
        del ctx
        if cmd_name not in GROUPS:
            return None
        for name in SINGLE_THREADED:
            os.environ.setdefault(name, "1")
        command: click.Command = getattr(import_module(f"tram.{cmd_name}"), cmd_name)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; what it should have caught ends in an exit code of its own."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except Exception:  # noqa: BLE001 - whatever it was, it is no verdict
            traceback.print_exc()
            raise SystemExit(BROKEN) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the groups without importing any."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(sorted(GROUPS.items()))


@click.command(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tram")
def main() -> None:
    """Trạm: read a citizen card's chip, prove it, match its holder, file and deliver a record.

    Example: tram chip read --card pcsc://0 --can 012345 --trust build/demo/pki/trust
    """
