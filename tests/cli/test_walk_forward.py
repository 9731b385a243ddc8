from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from dltrader.cli.app import app
from dltrader.cli.many_tables import DASH
from dltrader.errors import BarsError, ConfigError, MissingExtraError
from dltrader.runs import ExperimentConfig
from dltrader.workflows import evaluate as evaluation
from dltrader.workflows import walk_forward as workflow
from dltrader.workflows.jobs import Outcome
from dltrader.workflows.walk_forward import WalkForward
from small_runs import experiment


class Inline:
    """Makes the calls in this process, but for those that it kills."""

    kills: tuple[str, ...] = ()

    def require(self, jobs, at_once):
        pass

    def run(self, jobs, *, at_once, time_limit, plugins, started):
        for job in jobs:
            if job.name in self.kills:
                yield Outcome(job, "killed", 1.0, error="[why]")
            else:
                job.function(job.argument)
                yield Outcome(job, "finished", 1.0)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working folder with a configuration, where trainings run in this process."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(workflow, "Processes", Inline)
    small = experiment({"name": "one", "train.total_timesteps": 128, "walk_forward.train": 160})
    Path("one.yaml").write_text(ExperimentConfig.load(small).to_yaml())
    return tmp_path


def invoke(*words):
    return CliRunner().invoke(app, ["walk-forward", *words])


def rows(text):
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in text.splitlines() if line.startswith("│")]


def test_folds_and_curves_are_shown(here):
    done = invoke("one.yaml", "--folds", "2", "--purge", "3", "--embargo", "4", "--quiet")
    assert done.exit_code == 0, done.output
    walked = WalkForward.open(Path("runs") / "one-walk-forward")
    assert walked.config.walk_forward.to_mapping() | {"folds": 2, "purge_bars": 3, "embargo_bars": 4} == (
        walked.config.walk_forward.to_mapping()
    )
    first = next(spans for spans in walked.folds)
    days = [f"{a[:10]} to {b[:10]}" for a, b in (first.train[0], first.validation, first.test[0])]
    lines = done.output.splitlines()
    assert lines[0] == f"fold 1: trained {days[0]}, validated {days[1]}, tested {days[2]}"
    shown = rows(done.output)
    assert shown[0][:2] == ["fold-01-s0", "finished"]
    assert shown[0][2:4] == [f"{walked.rows[0][key]:+.4f}" for key in ("validation_growth", "growth")]
    result = walked.results[0]
    assert shown[2][:3] == ["0", f"{100 * result.metrics['total_return']:.1f} %", f"{result.metrics['sharpe']:.2f}"]
    assert shown[3][0] == "buy and hold"
    assert lines[-1] == "kept in runs/one-walk-forward"
    assert lines[-2].endswith("of 2 tests grew more than buy and hold did")
    assert max(len(line) for line in lines if line.startswith("│")) <= 80


def test_a_report_is_written_when_asked_for(here):
    done = invoke("one.yaml", "--folds", "2", "--quiet", "--report")
    assert done.exit_code == 0, done.output
    page = Path("runs") / "one-walk-forward" / "report" / "report.html"
    assert done.output.splitlines()[-3] == str(page)
    assert page.stat().st_size > 100_000


def test_without_its_packages_a_report_is_refused_before_anything_is_trained(here, monkeypatch):
    monkeypatch.setattr(evaluation.importlib.util, "find_spec", lambda name: None)
    done = invoke("one.yaml", "--folds", "2", "--quiet", "--report")
    assert isinstance(done.exception, MissingExtraError)
    assert not Path("runs").exists()


def test_a_fold_that_is_lost_makes_the_exit_code_1_and_the_rest_is_kept(here, monkeypatch):
    monkeypatch.setattr(Inline, "kills", ("fold-01-s0",))
    done = invoke("one.yaml", "--folds", "1", "--seeds", "2", "--out", "out", "--quiet")
    assert done.exit_code == 1
    shown = rows(done.output)
    assert shown[0] == ["fold-01-s0", "killed", DASH, DASH, DASH, DASH, DASH]
    assert shown[1][:2] == ["fold-01-s1", "finished"]
    assert "fold 1 seed 0 killed: [why]" in done.output
    assert "1 of 2 trainings finished; the same command goes on with the others" in done.output
    monkeypatch.setattr(Inline, "kills", ())
    again = invoke("one.yaml", "--folds", "1", "--seeds", "2", "--out", "out", "--quiet")
    assert again.exit_code == 0
    assert "over 2 curves, from" in again.output


def test_what_cannot_be_is_said_and_leaves_nothing(here):
    done = invoke("one.yaml", "--folds", "400")
    assert isinstance(done.exception, BarsError)
    assert str(done.exception).startswith("400 folds behind 160 bars of training need 960 bars, and there are 300; ")
    done = invoke("one.yaml", "--scheme", "cpcv", "--folds", "4")
    assert isinstance(done.exception, ConfigError)
    assert str(done.exception).startswith("folds means nothing to scheme cpcv")
    assert not Path("runs").exists()


def test_another_scheme_leaves_out_what_it_does_not_know(here, monkeypatch):
    asked = {}

    def walk(config, overrides, *, folds, **options):
        asked.update(folds=folds, overrides=overrides, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(workflow, "walk_forward", walk)
    invoke("one.yaml", "seed=3", "--scheme", "cpcv", "--groups", "5", "--test-groups", "1", "--jobs", "2",
           "--warm-start", "--time-limit", "9", "--seeds", "4")  # fmt: skip
    assert asked["folds"] == {"scheme": "cpcv", "groups": 5, "test_groups": 1}
    assert asked["overrides"] == {"seed": 3}
    assert (asked["jobs"], asked["warm_start"], asked["time_limit"], asked["seeds"]) == (2, True, 9.0, 4)
