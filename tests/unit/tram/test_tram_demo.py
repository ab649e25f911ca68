"""What the demo says of its rows in the end, and that two never play on one stage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tram.demo import _summary, demo
from tram.parts.stage import Stage, StageTakenError, alone_on

STAGE = Stage(Path.cwd() / "build" / "demo")


def row(*, ok: bool = True, record: str | None = "r", fleet: bool = True) -> dict[str, Any]:
    return {"ok": ok, "record": record, "fleet": {} if fleet else None}


def test_all_green_is_said_in_one_breath() -> None:
    said = _summary(STAGE, [row(), row()], once=True)
    assert said == "2 of 2 as expected; the fleet holds each record exactly once"


def test_a_red_row_counts_what_was_filed_and_names_the_logs() -> None:
    rows = [row(), row(ok=False, record=None, fleet=False), row(ok=False, fleet=False)]
    assert _summary(STAGE, rows, once=True) == (
        "1 of 3 as expected; the fleet holds 1 of the 2 records that the station filed; "
        "why: build/demo/logs"
    )
    assert ", and NOT each exactly once; why: " in _summary(STAGE, rows, once=False)


def test_a_stage_elsewhere_is_named_whole(tmp_path: Path) -> None:
    assert str(tmp_path / "logs") in _summary(Stage(tmp_path), [row(ok=False)], once=True)


@pytest.mark.parametrize("options", [[], ["--fleet"]])
def test_a_stage_that_is_taken_is_refused_and_untouched(
    tmp_path: Path, options: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    stage, out = Stage(tmp_path / "stage"), tmp_path / "out.json"
    out.write_text("the last table")
    arguments = ["--root", str(stage.root), "--out", str(out), *options]
    with alone_on(stage):
        said = CliRunner().invoke(demo, arguments)
        assert (said.exit_code, said.stdout) == (3, "")
        assert said.stderr.endswith(f" still runs on {stage.root}: end it first\n")
        assert out.read_text() == "the last table"
        assert not stage.root.exists()
        with pytest.raises(StageTakenError), alone_on(stage):
            pytest.fail("two on one stage")
    with alone_on(stage):
        assert not stage.root.exists()
