from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from dltrader.benchmarks.predictions import measure
from dltrader.benchmarks.predictions.ensemble import CONFIG
from dltrader.benchmarks.predictions.measure import Latency, Predictions, measure_predictions
from dltrader.benchmarks.predictions.snapshots import Snapshots
from dltrader.cli.bench_predict import print_predictions
from dltrader.errors import BarsError, BundleError
from dltrader.runs import Run
from dltrader.runs.ensemble import EnsembleConfig
from dltrader.workflows.predict import EnsemblePredictor
from small_predictions import run_of, voters

ANSWERING = "import sys\nfor line in sys.stdin: print('{\"ensemble_recommendation\": 1}', flush=True)"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return Run.open(run_of(tmp_path_factory.mktemp("runs") / "voters"))


def acting(script):
    def process(run: Path):
        assert (run / "manifest.json").is_file()
        command = [sys.executable, "-c", script]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    return process


def test_snapshots_of_all_forms_are_answered_alike_and_go_round(run):
    asked = Snapshots(voters(), run)
    answers = {}
    for form in ("bars", "features"):
        predictor = EnsemblePredictor(voters())
        answers[form] = [predictor.predict(line) for line in asked.lines(150, form)]
    assert answers["bars"] == answers["features"]
    assert len({answer.timestamp for answer in answers["bars"]}) == 150  # of fewer bars
    kinds = ["bars" in json.loads(line) for line in asked.lines(5, "bars", "features", "features")]
    assert kinds == [True, False, False, True, False]


def test_bars_that_the_ensemble_does_not_know_are_refused(run, tmp_path):
    other = Run.open(run_of(tmp_path / "other"))
    config = run.config.with_overrides({"data.bars": "synthetic:gbm?n=160"})
    (other.path / "config.yaml").write_text(config.to_yaml())
    with pytest.raises(BarsError, match="are those of gbm, and the ensemble knows asset"):
        Snapshots(voters(), other)


def test_everything_is_measured(run, monkeypatch):
    monkeypatch.setattr(measure, "_process", acting(ANSWERING))
    watched = []
    found = measure_predictions(run, answers=4, snapshots=30, starts=1, watch=watched.append)
    assert watched == ["latency", "cold start", "memory"]
    assert found.models == ("ppo", "memory")
    assert list(found.memory) == [3 * i for i in range(1, 11)]
    assert all(size > 1e6 for size in found.memory.values())
    assert 0 < found.cold_start < 30
    for latency in found.latency.values():
        assert 0 < latency.median <= latency.most
        assert latency.processor > 0
    assert set(found.members) == {"ppo", "memory"}
    assert json.loads(json.dumps(found.to_mapping()))["as_asked"]["memory"] is True


def test_a_process_that_does_not_answer_is_told_of(run, monkeypatch):
    monkeypatch.setattr(measure, "_process", acting('print(\'{"error": "oh"}\')'))
    with pytest.raises(BundleError, match=r'answered \{"error": "oh"\}'):
        measure_predictions(run, answers=2, snapshots=10, starts=1)
    monkeypatch.setattr(measure, "_process", acting("pass"))
    with pytest.raises(BundleError, match="answered nothing"):
        measure_predictions(run, answers=2, snapshots=10, starts=1)


def test_what_is_asked_stands_beside_what_was_measured(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    found = Predictions(
        machine={"processor": "x", "cores": "2", "python": "3.12"},
        models=("ppo",),
        answers=10,
        latency={"features": Latency(0.004, 0.006, 0.0035), "bars": Latency(0.0051, 0.007, 0.005)},
        members={"ppo": 0.001},
        cold_start=3.9,
        memory={10: 100 << 20, 100: 110 << 20},
    )
    assert found.growth == pytest.approx(0.1)
    assert found.as_asked == {"features": True, "cold_start": True, "memory": False}
    print_predictions(found)
    said = capsys.readouterr().out
    for words in (
        "4.00 ms",
        "3.50 ms",
        "5.10 ms",
        "3.90 s",
        "+10.0 %",
        "ppo 1.00 ms",
        "after 100 snapshots the process holds 110 MB",
    ):
        assert words in said


def test_the_usual_ensemble_has_all_kinds_of_members():
    config = EnsembleConfig.from_mapping(CONFIG)
    assert list(config.members) == ["lgb", "lstm", "ppo"]
    assert config.forecasters["lgb"].horizons == (5, 30)
    assert config.forecasters["lstm"].window_bars == 60
