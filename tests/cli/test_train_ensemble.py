from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from dltrader.cli.app import app
from dltrader.errors import ConfigError
from dltrader.runs.ensemble_run import EnsembleRun
from dltrader.workflows import ensemble as workflow
from dltrader.workflows import member_jobs
from small_ensembles import ensemble


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working folder with the configuration of an ensemble."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    Path("small.yaml").write_text(yaml.safe_dump(ensemble({"folds": {"folds": 1, "train": 0.7}}), sort_keys=False))
    return tmp_path


def invoke(*arguments):
    done = CliRunner().invoke(app, [*arguments], catch_exceptions=False)
    return done.exit_code, done.output


def cells(text):
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in text.splitlines() if line.startswith("│")]


def test_an_ensemble_is_trained_listed_tested_and_drawn_as_any_run(here):
    code, out = invoke("train", "small.yaml", "--jobs", "1", "--quiet", "--out", "runs/mine")
    assert code == 0
    table = cells(out)
    assert [row[:2] for row in table] == [
        ["lstm", "side"], ["lgb_1d", "side"], ["lgb_1d", "win_1"], ["lgb_3d", "side"], ["lgb_3d", "win_3"],
        ["ensemble", "side"],
    ]  # fmt: skip
    assert all(re.fullmatch(r"\d\.\d{3}", cell) for row in table for cell in row[3:])
    assert table[-1][2] == "1.00"
    lines = out.splitlines()
    assert lines[0] == "runs/mine: finished"
    assert lines[-1] == "next: dltrader backtest runs/mine"
    assert any(line.startswith("on the validation bars: learned from 4") for line in lines)
    listed = cells(invoke("runs")[1])
    assert listed[0][1] == "finished"
    assert listed[0][4] == "lstm + lgb"
    assert invoke("backtest", "runs/mine")[0] == 0
    code, out = invoke("plot", "runs/mine")
    assert code == 0
    assert {Path(line).name for line in out.splitlines()} >= {"backtest.png", "training-lgb.png", "training-lstm.png"}


def test_a_member_that_fails_is_named_with_what_to_type_next(here, monkeypatch):
    def failing(member, samples):
        raise ConfigError("so it is")

    with monkeypatch.context() as patch:
        patch.setattr(member_jobs, "votes_on", failing)
        with pytest.raises(OSError, match=r"lstm failed: ConfigError: so it is \(and 3 more\); .* --resume runs/mine$"):
            invoke("train", "small.yaml", "--jobs", "1", "--quiet", "--out", "runs/mine")
    code, out = invoke("train", "--resume", "runs/mine", "--jobs", "1", "--quiet")
    assert (code, out.splitlines()[0]) == (0, "runs/mine: finished")


def test_what_was_interrupted_says_how_to_go_on(here, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(workflow, "_train", interrupted)
    code, out = invoke("train", "small.yaml", "--jobs", "1", "--quiet", "--out", "mine")
    assert code == 0
    assert out.splitlines()[-2:] == [
        "it ended before all members had been trained, so there is no ensemble yet",
        "to go on with it: dltrader train --resume mine",
    ]
    assert EnsembleRun.open("mine").scores.empty


def test_options_of_several_trainings_are_refused(here):
    with pytest.raises(ConfigError, match=r"^--jobs and --time-limit are for several trainings"):
        invoke("train", "small.yaml", "--time-limit", "5")
    assert [file.name for file in here.iterdir()] == ["small.yaml"]
