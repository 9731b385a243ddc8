from __future__ import annotations

import json
import math
import re
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from dltrader.benchmarks.forecasts import standings
from dltrader.benchmarks.forecasts.standings import Measured, Standing
from dltrader.cli.app import app
from dltrader.errors import ConfigError

NAN = math.nan
KNOWN = Standing("lstm", "side", (1.0396,), (0.7213,), 0.7079, (0.7236,), (0.021,), (0.008,), (0.0,))
UNKNOWN = Standing(
    "lgb_1d", "win_1d", (0.68, 0.7), (NAN, NAN), NAN, (0.682, 0.706), (0.1, 0.1), (NAN, NAN), (0.4, 0.01)
)


@pytest.fixture
def measured(monkeypatch):
    """What the benchmark is asked for, instead of minutes of training."""
    seen = {}

    def instead(settings, *, seeds, jobs, watch):
        seen.update(settings=settings, seeds=seeds, jobs=jobs)
        found = []
        for name, setting in settings.items():
            standing = UNKNOWN if setting.task.name == "shuffled" else replace(KNOWN, loss=(seen.get("loss", 0.7236),))
            ensemble = replace(standing, model="ensemble")
            sides = {"lstm": standing.loss}
            found.append(
                Measured(name, setting.task.name, (standing, ensemble), sides, {"lstm": 1.0}, 4954, 3970, 12.4)
            )
        return found

    monkeypatch.setattr(standings, "measure_forecasts", instead)
    return seen


def invoke(*words, code=0):
    done = CliRunner().invoke(app, ["bench", "forecasts", *words], catch_exceptions=False, env={"COLUMNS": "80"})
    assert done.exit_code == code, done.output
    return [line.rstrip() for line in done.output.splitlines()]


def cells_of(lines):
    return [re.split(r" {2,}", line.strip()) for line in lines if re.search(r"  (yes|no)$", line)]


def test_known_bars_show_the_share_of_what_can_be_achieved(measured, tmp_path):
    file = tmp_path / "forecasts.json"
    lines = invoke("ar1", "task.bars=5000", "--members", "lgb", "--seeds", "3", "--jobs", "2", "--json", str(file))
    assert (measured["jobs"], measured["seeds"]) == (2, {"ar1": range(3)})
    assert measured["settings"]["ar1"].task.bars == 5000
    assert list(measured["settings"]["ar1"].members) == ["lgb"]
    assert lines[0] == ("ar1: log loss in nats on 3,970 unseen bars, after 4,954 to learn from; 1 seed, 12 s each")
    row = ["side", "1.0396", "0.7236", "0.7213", "0.7079", "99.3%", "0.021", "0.008", "yes"]
    assert cells_of(lines) == [["lstm", *row], ["ensemble", *row]]
    assert lines[-1] == "ensemble: +0.00000 against its best member lstm, no worse; weights: lstm 1.00"
    kept = json.loads(file.read_text())["settings"][0]
    assert (kept["setting"], kept["standings"][0]["share"]) == ("ar1", pytest.approx(0.9928, abs=1e-4))


def test_shuffled_bars_show_how_often_the_base_rate_is_beaten(measured):
    lines = invoke("shuffled", "--shuffles", "2")
    assert measured["seeds"] == {"shuffled": range(2)}
    row = ["win_1d", "0.6900", "0.6940", "-0.0040 ± 0.0020", "1 of 2", "10%", "yes"]
    assert cells_of(lines) == [["lgb_1d", *row], ["ensemble", *row]]


def test_all_settings_by_default(measured):
    invoke("--quiet")
    assert {name: len(seeds) for name, seeds in measured["seeds"].items()} == {"ar1": 1, "shuffled": 20, "sine": 1}


def test_who_falls_short_is_said_with_the_exit_code(measured):
    measured["loss"] = 0.76
    assert cells_of(invoke("sine", code=1))[0][-4:] == ["87.8%", "0.021", "0.008", "no"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["ar"], "no setting 'ar'; did you mean 'ar1'"),
        (["ar1", "--members", "lbg"], "there is no forecaster 'lbg'; did you mean 'lgb'"),
        (["ar1", "task.bras=5"], "unknown key 'task.bras'; did you mean 'task.bars'"),
        (["ar1", "--json", "nowhere/x.json"], "cannot write nowhere/x.json"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_trained(measured, words, message):
    with pytest.raises(ConfigError, match=message):
        invoke(*words)
    assert not measured
