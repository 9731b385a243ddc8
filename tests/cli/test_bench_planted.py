from __future__ import annotations

import json
import re

import pytest
from typer.testing import CliRunner

from dltrader.benchmarks.planted import placebo, recovery
from dltrader.benchmarks.planted.placebo import Placebo
from dltrader.benchmarks.planted.recovery import Recovery
from dltrader.cli.app import app
from dltrader.errors import ConfigError, SourceError, UnknownNameError

RECOVERY = Recovery("sample:IBM", 0.2, "ppo (mlp)", (0.19, 0.22), (2.0, 4.0), (1.5, 3.6), (0.1, -0.3), 50_000, 7.4)


@pytest.fixture
def planted(monkeypatch):
    """What the benchmark is asked for, instead of minutes of training."""
    seen = {}

    def measured(experiment, markets, *, strengths, seeds, watch, **options):
        seen.update(options, steps=experiment.train.total_timesteps, markets=list(markets))
        seen.update(strengths=strengths, seeds=list(seeds))
        return [RECOVERY]

    monkeypatch.setattr(recovery, "measure_planted", measured)
    return seen


@pytest.fixture
def dosed(monkeypatch):
    """As `planted`, with a function that makes the next result."""
    seen = {}

    def measured(experiment, markets, *, watch, **options):
        seen.update(options, env=experiment.env, markets=list(markets))
        lucky = seen.get("lucky", 1)
        p_values = tuple((0.01,) if shuffle < lucky else (0.6,) for shuffle in range(40))
        growths = tuple((0.5,) if shuffle % 2 else (-0.6,) for shuffle in range(40))
        return Placebo("ppo (mlp)", tuple(markets), growths, p_values, 0.63, 0.314, 50_000, 6.2)

    monkeypatch.setattr(placebo, "measure_placebo", measured)
    return seen


def invoke(*words, code=0):
    done = CliRunner().invoke(app, ["bench", *words], catch_exceptions=False, env={"COLUMNS": "80"})
    assert done.exit_code == code, done.output
    return [line.rstrip() for line in done.output.splitlines()]


def test_planted_shows_growths_and_share(planted, tmp_path):
    file = tmp_path / "planted.json"
    lines = invoke(
        "planted", "train.total_timesteps=6400", "--bars", "sample:I*", "--strength", "0.2", "--strength", "0.3",
        "--seeds", "2", "--jobs", "2", "--json", str(file),
    )  # fmt: skip
    assert planted == {
        "block_bars": 20, "jobs": 2, "steps": 6400, "markets": ["sample:IBM"], "strengths": [0.2, 0.3], "seeds": [0, 1]
    }  # fmt: skip
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if line.startswith("│")]
    assert cells == [["sample:IBM", "0.2", "0.205", "+3.00", "+2.55", "-0.10", "0.85", "0.75 … 0.90"]]
    assert lines[-2] == "ppo (mlp), 2 seeds of 50,000 bars, 7 s each"
    kept = json.loads(file.read_text())["recoveries"]
    assert (kept[0]["share"], kept[0]["reached"]) == (pytest.approx(0.85), [1.5, 3.6])


def test_one_seed_has_no_interval(monkeypatch):
    alone = Recovery("sample:IBM", 0.2, "ppo (mlp)", (0.19,), (2.0,), (1.5,), (0.1,), 50_000, 7.4)
    monkeypatch.setattr(recovery, "measure_planted", lambda *_, **__: [alone])
    row = next(line for line in invoke("planted", "--seeds", "1") if line.startswith("│"))
    assert [cell.strip() for cell in row.split("│")[-3:-1]] == ["0.75", "\N{EN DASH}"]


def test_planted_has_defaults(planted):
    invoke("planted")
    assert (planted["markets"], planted["strengths"], planted["seeds"]) == (
        ["sample:AAPL"],
        [0.1, 0.2, 0.4],
        [*range(5)],
    )
    assert planted["steps"] == 50_000


def test_placebo_shows_the_rate(dosed, tmp_path):
    file = tmp_path / "placebo.json"
    lines = invoke("placebo", "--shuffles", "40", "--block-bars", "5", "--json", str(file))
    assert (dosed["shuffles"], dosed["seeds"], dosed["block_bars"], dosed["jobs"]) == (40, 1, 5, 1)
    assert dosed["markets"] == ["sample:AAPL", "sample:GOOG", "sample:IBM", "sample:MSFT"]
    assert dosed["env"].costs.commission == 0
    assert lines[1:] == [
        "40 trainings on 40 shuffles, each of 50,000 bars",
        "in the market on 63% of the bars, 0.31 fills a bar",
        "log growth out of sample: -0.050 \N{PLUS-MINUS SIGN} 0.088, mean and standard error",
        "false positives: 1, 2.5% (95 %: 0.4% … 12.9%)",
        "not significantly more than 5 %",
    ]
    assert json.loads(file.read_text())["rate"] == 0.025


def test_placebo_fails_where_too_many_seem_to_grow(dosed):
    dosed["lucky"] = 6
    lines = invoke("placebo", code=1)
    assert lines[-1] == "significantly more than 5 %: something looks ahead"


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        (["planted", "--strength", "0.9"], ConfigError, "a strength must be above 0 and below 0.81, .* was 0.9"),
        (["planted", "--strength", "nan"], ConfigError, "was nan"),
        (["planted", "--strength", "0.2", "--strength", "0.2"], ConfigError, "--strength must name different numbers"),
        (["planted", "--block-bars", "99999"], ConfigError, "block_bars must be from 1 to 3268, .* was 99999"),
        (["planted", "ppo_lstn"], ConfigError, "no configuration file 'ppo_lstn'; did you mean 'ppo_lstm'"),
        (["planted", "ppo_mlp", "ppo_lstm"], ConfigError, "one experiment is measured at a time, found ppo_mlp, ppo_l"),
        (["planted", "train.total_timestep=1"], ConfigError, "unknown key 'train.total_timestep'"),
        (["planted", "env.costs.impact=1e-5"], ConfigError, "costs in proportion to the value traded"),
        (["planted", "env.action=target_units"], ConfigError, "chooses among exposures, found env.action target_units"),
        (["planted", "data.bars=sample:IBM"], ConfigError, "data.bars has no effect here, .* name the market with --b"),
        (["placebo", "data.bars=sample:IBM"], ConfigError, "data.bars has no effect here, .* name the market with --b"),
        (["planted", "--json", "nowhere/a.json"], ConfigError, r"cannot write nowhere/a\.json"),
        (["placebo", "--bars", "sample:APPL"], UnknownNameError, "unknown sample symbol 'APPL'; did you mean 'AAPL'"),
        (["placebo", "--bars", "sample:Z*"], SourceError, "nothing matches"),
        (["placebo", "--bars", "sample:*", "--bars", "sample:IBM"], ConfigError, "sample:IBM are named twice"),
        (["placebo", "--json", "nowhere/a.json"], ConfigError, r"cannot write nowhere/a\.json"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(words, error, message, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(recovery, "trained_on", lambda *_: pytest.fail("trained"))
    done = CliRunner().invoke(app, ["bench", *words])
    assert isinstance(done.exception, error)
    assert re.search(message, str(done.exception))
    assert "\n" not in str(done.exception)


@pytest.mark.parametrize(
    "words", [["planted", "--seeds", "0"], ["placebo", "--shuffles", "0"], ["placebo", "--jobs", "x"]]
)
def test_numbers_out_of_range_are_refused(words):
    done = CliRunner().invoke(app, ["bench", *words])
    assert done.exit_code == 2
    assert "Invalid value" in done.output
