"""`tram models attacks`: play the attack suite to the worker's own eyes, or render pictures of it.

Knows options, files and exit codes. What is played and counted is `tram.parts.attacks`'.

Exit codes: 0 done; 1 an attack passed more often than is promised, or people too seldom; 2 usage;
3 a photograph or a model cannot be used.
"""

from __future__ import annotations

import csv
import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from kiosk.vision.sight import Eyes
from kiosk.vision.worker import likeness
from models.evaluate import pictures
from tram.models_evaluate import FILE, FOLDER, MODELS, OUT
from tram.parts import attacks as suite_of
from tram.parts.measured import Counted, commit, failing
from tram.parts.portraits import PortraitsError, fetch

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hw.camera.attack import Cast

PORTRAITS: Final = Path("build/portraits")
REQUIREMENTS: Final = Path("requirements/portraits.txt")
NOT_KEPT, FAILED = 1, 3
MAX_REPLAYS, MIN_PEOPLE = 0.02, 0.9
REPLAYS: Final = frozenset({"replay", "replay_screen"})


@click.group()
def attacks() -> None:
    """Rendered attacks: play them, or make pictures of them.

    Example: tram models attacks play --json
    """


photographs_option = click.option(
    "--portraits", type=OUT, default=PORTRAITS, show_default=True, help="The free photographs."
)
directory_option = click.option(
    "--dir", "directory", type=OUT, default=MODELS, show_default=True, help="The models."
)
requirements_option = click.option(
    "--requirements",
    type=FILE,
    default=REQUIREMENTS,
    show_default=True,
    help="The packages that hold them, pinned by hash.",
)


@attacks.command("play")
@photographs_option
@requirements_option
@directory_option
@click.option("--suite", "suite_file", type=FILE, help="Another list of what is played.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Keep the table here too, as JSON; a page is made of it by docs/generate.py.",
)
@click.option("--json", "as_json", is_flag=True, help="The table as JSON.")
def play_command(
    *,
    portraits: Path,
    requirements: Path,
    directory: Path,
    suite_file: Path | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Play every attack of the suite through the examination, and count what passed.

    Heads, prints, screens and recordings are rendered from free photographs and looked at by the
    nets and layers that a kiosk uses. Rendered attacks show what each layer is for; they say
    nothing about an attack that somebody will try.

    Example: tram models attacks play --json
    """
    with failing("tram models attacks", {}):
        suite = suite_of.read_suite(suite_file or suite_of.SUITE)
        photographs = _photographs(portraits, requirements)
        eyes = Eyes(directory)
        counted = Counted("sessions", sum(each.sessions for each in suite.kinds))
        with tempfile.TemporaryDirectory() as folder:
            cast = suite_of.cast_of(photographs, Path(folder), models=directory)
            rows = suite_of.play(suite, cast, photographs, eyes, tick=counted.tick)
    whole = {
        "date": datetime.now(UTC).date().isoformat(),
        "seed": suite.seed,
        "frames_per_second": suite.frames_per_second,
        "commit": commit(),
        "models": eyes.models,
        "least_closeness": likeness(eyes).least,
        "rows": rows,
    }
    told = json.dumps(whole, ensure_ascii=False, indent=1)
    if out is not None:
        out.write_text(told + "\n", encoding="utf-8")
    if as_json:
        click.echo(told)
    else:
        for row in rows:
            low, high = row["ci95"]
            click.echo(
                f"{row['kind']:14} {row['passed']:4} of {row['sessions']:4} passed "
                f"[{low:.1%} .. {high:.1%}], by the challenge alone {row['alone']:4}; {row['ends']}"
            )
    raise SystemExit(0 if kept(rows) else NOT_KEPT)


def kept(rows: list[dict[str, Any]]) -> bool:
    """Return whether replays pass no more often, and people no less, than is promised."""
    replays = [each for each in rows if each["kind"] in REPLAYS]
    people = [each for each in rows if each["kind"] == "person"]

    def share(of: list[dict[str, Any]]) -> float:
        return float(sum(each["passed"] for each in of) / sum(each["sessions"] for each in of))

    few = not replays or share(replays) <= MAX_REPLAYS
    return few and (not people or share(people) >= MIN_PEOPLE)


@attacks.command("render")
@photographs_option
@requirements_option
@directory_option
@click.option(
    "--photographs", "photographs_dir", type=FOLDER, help="Other pictures of people, one of each."
)
@click.option(
    "--each",
    type=click.IntRange(1, 5000),
    default=60,
    show_default=True,
    help="Of each free photograph; of others: how many are taken, evenly.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="The folder; it shows real people: keep it as carefully as the photographs.",
)
def render_command(
    *,
    portraits: Path,
    requirements: Path,
    directory: Path,
    photographs_dir: Path | None,
    each: int,
    out: Path,
) -> None:
    """Render pictures of people, prints and screens, and the labels, to train the passive layer.

    Makes of each photograph so many pictures of the person, of prints, of good screens and of
    screens whose grid can be seen. With --photographs, of each of so many pictures of a folder
    itself, a print and two screens, without a head.

    Example: tram models attacks render --out build/pad --each 60
    """
    with failing("tram models attacks", {}):
        out.mkdir(parents=True, exist_ok=True)
        if photographs_dir is not None:
            found = pictures.listed(photographs_dir)
            taken = found[:: max(len(found) // each, 1)][:each]
            _write_labels(out, suite_of.render_flat(taken, out), 4 * len(taken))
            return
        photographs = _photographs(portraits, requirements)
        with tempfile.TemporaryDirectory() as folder:
            cast: Cast = suite_of.cast_of(photographs, Path(folder), models=directory)
            made = suite_of.render(cast, sorted(photographs), out, each=each)
            _write_labels(out, made, 4 * each * len(photographs))


def _write_labels(out: Path, made: Iterable[tuple[str, str]], count: int) -> None:
    counted = Counted("pictures", count)
    with (out / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(("file", "attack"))
        for row in made:
            rows.writerow(row)
            counted.tick()
    click.echo(f"{out}", err=True)


def _photographs(portraits: Path, requirements: Path) -> dict[str, Path]:
    try:
        return fetch(portraits, requirements)
    except PortraitsError as error:
        click.echo(f"tram models attacks: {error}", err=True)
        raise SystemExit(FAILED) from error
