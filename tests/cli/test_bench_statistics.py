from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from dltrader.benchmarks.statistics import coverage
from dltrader.benchmarks.statistics.coverage import Coverage, Mean, Rate
from dltrader.cli.app import app
from dltrader.errors import ConfigError


@pytest.fixture
def measured(monkeypatch):
    """What the benchmark is asked for, instead of minutes of simulation."""
    seen = {}

    def instead(*, simulations, seed, watch):
        watch()
        seen.update(simulations=simulations, seed=seed)
        deflated = Rate("deflated, best of 10", (0.0, 0.05), seen.get("times", 3), 100)
        naive = Rate("naive, best of 10", (0.4, 0.4), 41, 100)
        return Coverage(
            seed, (deflated, naive), (Rate("AR(1)", (0.9, 0.97), 94, 100),), (Mean("noise", 0.49, 0.5, 0.16, 100),)
        )

    monkeypatch.setattr(coverage, "measure_coverage", instead)
    return seen


def invoke(*words, code=0):
    done = CliRunner().invoke(app, ["bench", "statistics", *words], catch_exceptions=False, env={"COLUMNS": "100"})
    assert done.exit_code == code, done.output
    return [line.rstrip() for line in done.output.splitlines()]


def cells_of(lines):
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if line.startswith("│")]


def test_statistics_shows_asked_beside_measured(measured, tmp_path):
    file = tmp_path / "coverage.json"
    lines = invoke("--simulations", "100", "--seed", "7", "--json", str(file))
    assert measured == {"simulations": 100, "seed": 7}
    assert cells_of(lines) == [
        ["deflated, best of 10", "at most 5%", "3.0%", "1.0% … 8.5%", "yes"],
        ["naive, best of 10", "40.0%", "41.0%", "31.9% … 50.8%", "yes"],
        ["AR(1)", "90% … 97%", "94.0%", "87.5% … 97.2%", "yes"],
        ["noise", "0.49", "0.500", "± 0.160", "yes"],
    ]
    assert lines[-1] == "100 simulations a row, seed 7: all is as asked"
    kept = json.loads(file.read_text())
    assert kept["seed"] == 7
    assert kept["deflated"][0]["rate"] == 0.03
    assert kept["overfitting"][0]["mean"] == 0.5


def test_a_row_that_is_not_as_asked_is_marked_and_ends_with_1(measured):
    measured["times"] = 20
    lines = invoke("--quiet", code=1)
    assert cells_of(lines)[0][-1] == "no"
    assert lines[-1].endswith("a row marked no is significantly not as asked")


def test_a_file_that_cannot_be_written_is_refused_before_the_work(measured, tmp_path):
    with pytest.raises(ConfigError, match="cannot write"):
        invoke("--json", str(tmp_path / "missing" / "coverage.json"))
    assert measured == {}
