from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dltrader.cli.app import app
from dltrader.cli.many_tables import DASH, print_trained
from dltrader.errors import ConfigError
from dltrader.runs import ExperimentConfig, Run
from dltrader.workflows import many
from dltrader.workflows.many import Trained
from small_runs import experiment


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working folder with two configurations."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    for name in ("one", "two"):
        Path(f"{name}.yaml").write_text(ExperimentConfig.load(experiment({"name": name})).to_yaml())
    return tmp_path


def outcome(name, seed, status="finished", growth=None, error=None):
    path = Path("out", f"{name}-s{seed}")
    seconds = math.nan if status == "interrupted" else 10.4 + seed
    return Trained(name, seed, path, path.with_name(f"{path.name}.log"), status, error, seconds, growth)


@pytest.fixture
def asked(here, monkeypatch):
    """What was asked of `train_many`, which answers at once that the first of all has failed."""
    calls = []

    def answer(experiments, **more):
        calls.append(([f"{each.name}-s{each.seed}" for each in experiments], more))
        statuses = ["failed"] + ["finished"] * (len(experiments) - 1)
        return [outcome(e.name, e.seed, status, 0.1) for e, status in zip(experiments, statuses, strict=True)]

    monkeypatch.setattr(many, "train_many", answer)
    return calls


def cells(text):
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in text.splitlines() if line.startswith("│")]


def test_two_seeds_at_once_end_in_one_table(here):
    result = CliRunner().invoke(
        app, ["train", "one.yaml", "agent.learning_rate=1e-3", "--seeds", "2", "--jobs", "2", "--out", "out"]
    )
    assert result.exit_code == 0, result.output
    assert "2/2 done, 0 running" in result.output
    rows = cells(result.output)
    growths = [Run.open(f"out/one-s{seed}").manifest["best"]["validation_growth"] for seed in (0, 1)]
    for seed, growth in enumerate(growths):
        assert [rows[seed][i] for i in (0, 1, 3)] == [f"out/one-s{seed}", "finished", f"{growth:+.4f}"]
    spread = abs(growths[0] - growths[1]) / math.sqrt(2)
    assert rows[2][0:2] == ["one", "2 of 2 seeds"]
    assert rows[2][3] == f"{sum(growths) / 2:+.4f} ± {spread:.4f}"
    assert result.output.splitlines()[-1] == "next: dltrader runs out"
    assert Run.open("out/one-s1").config.agent.learning_rate == 0.001


def test_a_best_policy_that_collapsed_is_named(capsys):
    held = dataclasses.replace(outcome("one", 0, growth=0.1), behaviour="bought once and held")
    print_trained([held, outcome("one", 1, growth=0.2)])
    said = [line for line in capsys.readouterr().out.splitlines() if "best policy" in line]
    assert said == [f"{Path('out', 'one-s0')}: on the validation bars the best policy bought once and held"]


def test_words_without_an_equals_sign_are_more_configurations(asked):
    result = CliRunner().invoke(
        app, ["train", "one.yaml", "two.yaml", "ppo_mlp", "seed=3", "--seeds", "2", "--time-limit", "9.5", "--quiet"]
    )
    assert result.exit_code == 1  # one has failed
    ((names, more),) = asked
    assert names == ["one-s3", "one-s4", "two-s3", "two-s4", "ppo_mlp-s3", "ppo_mlp-s4"]
    folder = more.pop("out")
    assert folder.parent == Path("runs")
    assert folder.name.startswith("many-")
    assert more == {"jobs": 1, "time_limit": 9.5, "plugins": [], "executor": None, "progress": False}


def test_plugins_are_passed_on(asked, monkeypatch):
    CliRunner().invoke(app, ["--plugin", "json", "--plugin", "csv", "train", "one.yaml", "--seeds", "1"])
    ((names, more),) = asked
    assert names == ["one-s0"]
    assert more["plugins"] == ["json", "csv"]
    assert more["out"].name.startswith("one-")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["one.yaml", "ppo_lstn"], "cannot read 'ppo_lstn'; write key=value, .* or name a configuration; did you mean"),
        (["one.yaml", "three.yaml"], "cannot read the configuration three.yaml: No such file"),
        (["one.yaml", "one.yaml"], "two trainings would be called one-s0"),
        (["one.yaml", "--jobs", "2"], "--jobs and --time-limit are for several trainings; add --seeds N or config"),
        (["one.yaml", "--time-limit", "5"], "--jobs and --time-limit are for several trainings; add --seeds N or"),
    ],
)
def test_what_cannot_be_is_refused_and_writes_nothing(here, arguments, message):
    with pytest.raises(ConfigError, match=message):
        CliRunner().invoke(app, ["train", *arguments], catch_exceptions=False)
    assert sorted(file.name for file in here.iterdir()) == ["one.yaml", "two.yaml"]


def test_the_table_names_what_went_wrong_with_the_end_of_its_log(here, capsys):
    Path("out").mkdir()
    Path("out/one-s1.log").write_text("".join(f"line {i} [bold]\n" for i in range(20)))
    print_trained(
        [
            outcome("one", 0, growth=0.25),
            outcome("one", 1, "killed", growth=0.5, error="its process was killed by SIGKILL"),
            outcome("one", 2, growth=0.75),
            outcome("two", 0, "interrupted", error="it had not begun"),
        ]
    )
    out = capsys.readouterr().out
    assert cells(out) == [
        ["out/one-s0", "finished", "10", "+0.2500"],
        ["out/one-s1", "killed", "11", "+0.5000"],
        ["out/one-s2", "finished", "12", "+0.7500"],
        ["out/two-s0", "interrupted", DASH, DASH],
        ["one", "2 of 3 seeds", "11", "+0.5000 ± 0.3536"],
    ]
    trouble = out[out.index("out/one-s1: ") :].splitlines()
    assert trouble[0] == "out/one-s1: killed: its process was killed by SIGKILL"
    assert trouble[1] == "the end of out/one-s1.log:"
    assert trouble[2:-1] == [f"  line {i} [bold]" for i in range(12, 20)]
    assert trouble[-1] == "next: dltrader runs out"
