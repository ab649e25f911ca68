"""The documents are true: generated pages are fresh, examples run, links lead somewhere.

A fence tagged `python run` or `console run` is an example that must run. The examples of one
document share a folder and run in their order. In a console, `$` begins a command, `>` goes on with
one that a here-document or a backslash leaves open, and what follows is its whole output; `...`
stands for anything.
"""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
from functools import cache
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), *ROOT.glob("*.md"), *ROOT.glob("emrtd/*.md")])
TIMEOUT_S = 120
FENCE = re.compile(
    r"^```(?P<kind>python|console) run\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL
)
LINK = re.compile(r"\]\((?!https?:|mailto:)(?P<path>[^)#\s]*)(?:#(?P<anchor>[^)\s]*))?\)")
UNFINISHED = re.compile(r"\bTODO\b|\bFIXME\b|\bTBD\b|work in progress|coming soon", re.IGNORECASE)


@cache
def generated(name: str) -> ModuleType:
    """Import a module of the generator, which stands beside its pages."""
    if str(DOCS) not in sys.path:
        sys.path.append(str(DOCS))
    return import_module(name)


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_generated_pages_are_fresh() -> None:
    assert generated("generate").stale() == []


def test_a_stale_page_is_told_and_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    generate = generated("generate")
    monkeypatch.setattr(generate, "REFERENCE", tmp_path / "reference")
    monkeypatch.setattr(sys, "argv", ["generate.py", "--check"])
    assert generate.main() == 1
    assert "session.md is old" in capsys.readouterr().err
    monkeypatch.setattr(sys, "argv", ["generate.py"])
    assert generate.main() == 0
    made = {path.name: path.read_text() for path in (tmp_path / "reference").iterdir()}
    assert made == {name: render() for name, render in generate.PAGES.items()}
    (tmp_path / "reference" / "session.md").write_text("old")
    assert generate.stale() == ["session.md"]


def test_every_group_of_the_command_exists() -> None:
    from tram.cli import GROUPS

    there = {path.split()[1] for path, _ in generated("commands_page").commands()}
    assert there == set(GROUPS)


def test_every_command_is_in_the_reference() -> None:
    page = (DOCS / "reference" / "commands.md").read_text(encoding="utf-8")
    for path, help_text in generated("commands_page").commands():
        assert re.search(rf"^##+ `{path}`$", page, re.MULTILINE), path
        assert help_text in page


def test_the_diagram_is_what_the_session_does() -> None:
    page = (DOCS / "reference" / "session.md").read_text(encoding="utf-8")
    drawn = set()
    for before, after, events in re.findall(r"^    (\w+) --> (\w+): (.+)$", page, re.MULTILINE):
        drawn |= {(before, event, after) for event in events.split(", ")}
    session = generated("session_page")
    assert drawn == {(each.before, each.event, each.after) for each in session.arrows()}
    assert {"accepted", "refused", "referred", "not_holder", "incomplete"} == {
        each.outcome for each in session.arrows() if each.outcome
    }


def test_each_reason_leads_where_its_page_says() -> None:
    session, reasons = generated("session_page"), generated("reasons_page")
    seen = {
        (each.reasons[0], each.outcome)
        for each in session.arrows()
        if each.after == "Filing" and each.reasons
    }
    assert len(seen) > 20
    for reason, outcome in seen:
        assert outcome in reasons.outcomes_of(reason), (reason, outcome)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    for link in LINK.finditer(_without_fences(page.read_text(encoding="utf-8"))):
        target = page.parent / link["path"] if link["path"] else page
        assert target.exists(), link[0]
        if link["anchor"]:
            assert link["anchor"] in _anchors(target.read_text(encoding="utf-8")), link[0]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_no_page_is_unfinished(page: Path) -> None:
    assert not UNFINISHED.findall(page.read_text(encoding="utf-8"))


WITH_EXAMPLES = [page for page in PAGES if FENCE.search(page.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("page", WITH_EXAMPLES, ids=name_of)
def test_examples_run(page: Path, tmp_path: Path) -> None:
    for fence in FENCE.finditer(page.read_text(encoding="utf-8")):
        if fence["kind"] == "python":
            _run([sys.executable, "-W", "error", "-c", fence["body"]], tmp_path)
        else:
            for command, expected in commands_of(fence["body"]):
                said = _run(["bash", "-euo", "pipefail", "-c", command], tmp_path)
                told = doctest.OutputChecker().check_output(expected, said, doctest.ELLIPSIS)
                assert told, f"$ {command}\n{said}"


def test_a_console_is_read_as_it_is_written() -> None:
    body = "$ cat <<E\n> $ one\n>  two\n> E\n$ one\n  two\n\n$ true\n"
    assert commands_of(body) == [
        ("cat <<E\n$ one\n two\nE", ""),
        ("one", "  two\n\n"),
        ("true", ""),
    ]


def test_a_console_goes_on_where_its_command_is_open() -> None:
    body = "$ cat <<E\n> one\n>\n> two\n> E\none\n\ntwo\n$ echo a \\\n>   b\na b\n> c\n"
    assert commands_of(body) == [
        ("cat <<E\none\n\ntwo\nE", "one\n\ntwo\n"),
        ("echo a \\\n  b", "a b\n> c\n"),
    ]


def commands_of(body: str) -> list[tuple[str, str]]:
    """Return each command of a console and the output that is told of it."""
    starts = [match.start() for match in re.finditer(r"^\$ ", body, re.MULTILINE)]
    assert starts, "a console without a command"
    found = []
    for begin, end in pairwise([*starts, len(body)]):
        first, *rest = body[begin:end].splitlines(keepends=True)
        more = len(rest)
        for at, line in enumerate(rest):
            if not line.startswith(("> ", ">\n")) or not _goes_on(first, rest[:at]):
                more = at
                break
        command = first[2:] + "".join(re.sub("^> ?", "", line) for line in rest[:more])
        found.append((command.rstrip("\n"), "".join(rest[more:])))
    return found


def _goes_on(first: str, rest: list[str]) -> bool:
    """Return whether a here-document of a command is still open, or its line does not end here."""
    if [first, *rest][-1].endswith("\\\n"):
        return True
    opened = re.search(r"<<'?(\w+)'?", first)
    return opened is not None and f"> {opened[1]}\n" not in rest


def _run(command: list[str], folder: Path) -> str:
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    done = subprocess.run(
        command,
        cwd=folder,
        env=os.environ | {"PATH": path, "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, f"{command[-1]}\n{done.stdout}{done.stderr}"
    return done.stdout


def _without_fences(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def _anchors(text: str) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", _without_fences(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}
