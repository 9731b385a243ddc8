from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dltrader.cli.app import app
from dltrader.cli.evaluation_tables import print_evaluation
from dltrader.errors import ConfigError
from dltrader.evaluation.evaluation import Evaluation
from dltrader.workflows import evaluate as workflow
from dltrader.workflows.train import train
from small_runs import experiment


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return train(experiment(), out=tmp_path_factory.mktemp("trained") / "run").path


@pytest.fixture(scope="module")
def shown(run):
    """What is shown of a run."""
    return CliRunner().invoke(
        app, ["evaluate", str(run), "--costs", "0,2.5", "--end", "2001-02-20", "--quiet"], env={"COLUMNS": "160"}
    )


def cells(text):
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in text.splitlines() if line.startswith("│")]


def test_the_verdict_comes_first(run, shown):
    assert shown.exit_code == 0, shown.output
    kept = Evaluation.open(run)
    lines = shown.output.splitlines()
    assert lines[0] == "small, ppo (mlp), 1 seed on gbm, 2000-12-25 to 2001-02-20, 41 bars"
    assert [line.strip() for line in lines[1 : 1 + len(kept.verdict)]] == kept.verdict
    assert lines[-1] == f"all numbers: {run / 'evaluation'}"


def test_numbers_are_those_of_the_evaluation(run, shown):
    kept = Evaluation.open(run)
    rows = {row[0]: row for row in reversed(cells(shown.output))}  # of one name, the first table's
    assert rows["sharpe"][1].replace("\N{MINUS SIGN}", "-") == f"{kept.summary['sharpe']['estimate']:.2f}"
    assert rows["sharpe"][2] == ""  # one seed has no interval
    assert [row[0] for row in cells(shown.output) if row[0] in {"0", "2.5"}] == ["0", "2.5"]
    hold = kept.baselines[0]["growth"]
    assert rows["buy and hold"][1].replace("\N{MINUS SIGN}", "-") == f"{100 * hold:+.1f}%"
    assert "pbo" in rows
    assert "1 seeds traded; at least 4 are needed" in " ".join(shown.output.replace("│", " ").split())


def test_what_is_asked_for_reaches_the_workflow(run, shown, monkeypatch):
    asked = []
    kept = Evaluation.open(run)
    lost = dataclasses.replace(kept, about={**kept.about, "left_out": [{"seed": 1, "path": "p", "reason": "why"}]})

    def answer(what, overrides, **options):
        asked.append((what, overrides, options))
        return lost

    monkeypatch.setattr(workflow, "evaluate", answer)
    words = ["one.yaml", "seed=3", "--seeds", "4", "--jobs", "2", "--costs", "5", "--out", "o", "--quiet"]
    result = CliRunner().invoke(app, ["evaluate", *words])
    assert result.exit_code == 1  # a seed was left out
    assert "left out: p: why" in result.output
    assert asked == [
        ("one.yaml", {"seed": 3}, {
            "seeds": 4, "jobs": 2, "bars": None, "market": None, "start": None, "end": None, "costs": [5.0],
            "out": Path("o"), "plugins": [], "progress": False,
        })
    ]  # fmt: skip


def test_costs_that_are_no_numbers_are_refused(run):
    result = CliRunner().invoke(app, ["evaluate", str(run), "--costs", "1,two"])
    assert isinstance(result.exception, ConfigError)
    assert str(result.exception) == "--costs must be numbers of basis points such as 0,1,2,5,10,20, was '1,two'"


def test_fewer_seeds_than_one_are_refused(run):
    result = CliRunner().invoke(app, ["evaluate", str(run), "--seeds", "0"])
    assert result.exit_code == 2


def test_notes_are_printed(run, shown, capsys):
    kept = Evaluation.open(run)
    print_evaluation(dataclasses.replace(kept, about={**kept.about, "notes": ["the bars [have] changed"]}), Path("x"))
    assert "note: the bars [have] changed" in capsys.readouterr().out
