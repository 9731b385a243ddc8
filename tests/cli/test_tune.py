from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dltrader.cli import executors
from dltrader.cli.app import app
from dltrader.cli.many_tables import DASH
from dltrader.cli.tune_tables import print_tuned
from dltrader.distributed import ray as on_ray
from dltrader.errors import ConfigError
from dltrader.runs import ExperimentConfig
from dltrader.workflows import many
from dltrader.workflows import tune as workflow
from dltrader.workflows.space import Space
from dltrader.workflows.study import Trial
from dltrader.workflows.trials import Search
from dltrader.workflows.tune import Tuned
from small_runs import experiment

SPACE = """
agent.learning_rate: {low: 1e-4, high: 3e-3, log: true}
agent.n_epochs: {low: 1, high: 3}
agent.extractor.hidden: {choices: [[8], [16, 8]]}
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working folder with a configuration and a space."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    Path("one.yaml").write_text(ExperimentConfig.load(experiment({"name": "one"})).to_yaml())
    Path("space.yaml").write_text(SPACE)
    return tmp_path


def tuned(*growths, interrupted=False):
    """A tuning whose trials came to so much; None: it failed."""
    config, space = ExperimentConfig.load(experiment({"name": "one"})), Space.load("space.yaml")
    trials = [
        Trial(
            number=number,
            drawn={
                "agent.learning_rate": 1e-3 * (number + 1),
                "agent.n_epochs": 2,
                "agent.extractor.hidden": "[16, 8]",
            },
            state="failed" if growth is None else "finished",
            validation_growth=growth,
            curves=[],
            error="seed 0 killed: [why]" if growth is None else None,
        )
        for number, growth in enumerate(growths)
    ]
    return Tuned(Path("out"), trials, Search(config, space, Path("out"), 1, 8, prune=True), interrupted)


def test_every_trial_has_a_row_and_the_best_a_star(here, capsys):
    print_tuned(tuned(-0.5, None, 0.25, 0.125, interrupted=True))
    lines = capsys.readouterr().out.splitlines()
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if line.startswith("│")]
    assert rows == [
        ["0", "finished", "-0.5000", "learning_rate=0.001, n_epochs=2, hidden=[16, 8]"],
        ["1", "failed", DASH, "learning_rate=0.002, n_epochs=2, hidden=[16, 8]"],
        ["* 2", "finished", "+0.2500", "learning_rate=0.003, n_epochs=2, hidden=[16, 8]"],
        ["3", "finished", "+0.1250", "learning_rate=0.004, n_epochs=2, hidden=[16, 8]"],
    ]
    assert lines[-5:] == [
        "trial 1 failed: seed 0 killed: [why]",
        "interrupted; the same command goes on",
        "best: trial 2, agent.learning_rate=0.003, agent.n_epochs=2, agent.extractor.hidden=[16, 8]",
        "the best of 4 scores flatters itself; the test bars tell what it is worth, once",
        "next: dltrader train out/best.yaml",
    ]


def test_what_was_typed_is_what_is_tuned(here, monkeypatch):
    calls = []

    def answer(*arguments, **more):
        calls.append((arguments, more))
        return tuned(None)

    monkeypatch.setattr(workflow, "tune", answer)
    arguments = "one.yaml", "train.n_envs=4", "--space", "space.yaml", "--trials", "9", "--seeds", "2", "--jobs", "3"
    more = "--batch", "5", "--no-pruning", "--time-limit", "60", "--out", "out", "--quiet"
    result = CliRunner().invoke(app, ["--plugin", "json", "tune", *arguments, *more])
    assert result.exit_code == 1  # no trial has finished
    assert calls == [
        (
            ("one.yaml", "space.yaml"),
            {
                "trials": 9,
                "overrides": {"train.n_envs": 4},
                "out": Path("out"),
                "seeds": 2,
                "jobs": 3,
                "batch": 5,
                "prune": False,
                "time_limit": 60.0,
                "plugins": ["json"],
                "executor": None,
                "progress": False,
            },
        )
    ]


@pytest.mark.parametrize("words", [["train", "one.yaml"], ["tune", "one.yaml", "--space", "ppo", "--trials", "1"]])
def test_an_address_of_ray_gives_the_executor(here, monkeypatch, words):
    given, named = [], []

    @contextmanager
    def cluster(address):
        named.append(address)
        yield "the cluster"

    def answer(*arguments, executor, **more):
        given.append(executor)
        raise ConfigError("enough")

    monkeypatch.setattr(on_ray, "RayCluster", cluster)
    monkeypatch.setattr(many, "train_many", answer)
    monkeypatch.setattr(workflow, "tune", answer)
    with pytest.raises(ConfigError, match="enough"):
        CliRunner().invoke(app, [*words, "--ray", "somewhere:6379"], catch_exceptions=False)
    assert (named, given) == (["somewhere:6379"], ["the cluster"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["one.yaml", "--space", "pppo"], "no search space 'pppo'; did you mean 'ppo'"),
        (["one.yaml", "agent.gama=1", "--space", "space.yaml"], "unknown key 'agent.gama'; did you mean 'agent.gamma'"),
        (["one.yaml", "gamma", "--space", "space.yaml"], "cannot read 'gamma'; write key=value"),
        (["one.yaml", "agent.extractor=lstm", "--space", "space.yaml"], "the search space does not fit the configur"),
        (["one.yaml", "--space", "space.yaml", "--ray", "127.0.0.1:1"], "cannot reach a Ray cluster at 127.0.0.1:1: "),
    ],
)
def test_what_cannot_be_is_refused_and_writes_nothing(here, arguments, message):
    with pytest.raises(ConfigError, match=message):
        CliRunner().invoke(app, ["tune", *arguments, "--trials", "2"], catch_exceptions=False)
    assert sorted(file.name for file in here.iterdir()) == ["one.yaml", "space.yaml"]


def test_without_an_address_the_workflow_chooses():
    with executors.executor_on(None) as executor:
        assert executor is None
