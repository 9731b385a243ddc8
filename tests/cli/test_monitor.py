from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from dltrader.cli.app import app
from small_logs import log_to
from small_predictions import BARS, run_of, snapshot, voters


@pytest.fixture
def bars(tmp_path):
    BARS.to_csv(tmp_path / "asset.csv")
    return f"csv:{tmp_path / 'asset.csv'}"


def dltrader(*words, said=""):
    return CliRunner().invoke(app, [*map(str, words)], input=said)


def test_predict_logs_and_monitor_tells(tmp_path, bars):
    run = run_of(tmp_path / "voters")
    lines = "\n".join(json.dumps(snapshot(voters(), row)) for row in (60, 61, 62))
    assert dltrader("predict", run, said=lines).exit_code == 0
    result = dltrader("monitor", run, "--bars", bars)
    assert result.exit_code == 0, result.output
    assert "nothing can be said of its forecasts yet: 3 predictions are known, and 30 are needed" in result.stdout
    assert (run / "predictions" / "monitoring" / "monitoring.png").stat().st_size > 10_000


def test_what_is_wrong_ends_with_1(tmp_path, bars):
    log_to(tmp_path / "log.jsonl", range(60, 120)).close()
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write("torn")
    result = dltrader("monitor", tmp_path / "log.jsonl", "--bars", bars, "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "! lines of the log that are no predictions, and are left out: 1" in result.stdout
    numbers = dltrader("monitor", tmp_path / "log.jsonl", "--bars", bars, "--out", tmp_path / "out", "--json")
    assert json.loads(numbers.stdout) == json.loads((tmp_path / "out" / "monitoring.json").read_text())
    assert json.loads(numbers.stdout)["predictions"]["known"] == 60


def test_what_is_not_known_yet_is_a_dash(tmp_path, bars):
    log_to(tmp_path / "log.jsonl", range(156, 158)).close()
    result = dltrader("monitor", tmp_path / "log.jsonl", "--bars", bars, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    [recommended] = [line for line in result.stdout.splitlines() if "recommendation" in line and "│" in line]
    assert recommended.replace(" ", "") == "\N{BOX DRAWINGS LIGHT VERTICAL}".join(
        ["", "recommendation", "0", *["\N{EN DASH}"] * 5, ""]
    )


def test_predictions_are_logged_elsewhere_or_nowhere_on_request(tmp_path):
    run = run_of(tmp_path / "voters")
    line = json.dumps(snapshot(voters(), 60))
    assert dltrader("predict", run, "--no-log", said=line).exit_code == 0
    assert not (run / "predictions").exists()
    assert dltrader("predict", run, "--log", tmp_path / "x.jsonl", said=line).exit_code == 0
    assert len((tmp_path / "x.jsonl").read_text().splitlines()) == 1
    assert not (run / "predictions").exists()


def test_contradictions_and_logs_that_cannot_be_written_are_said(tmp_path):
    run = run_of(tmp_path / "voters")
    with pytest.raises(Exception, match="--log and --no-log contradict"):
        CliRunner().invoke(app, ["predict", str(run), "--log", "x", "--no-log"], catch_exceptions=False)
    with pytest.raises(Exception, match="cannot write the prediction log"):
        CliRunner().invoke(app, ["predict", str(run), "--log", str(tmp_path)], catch_exceptions=False)
