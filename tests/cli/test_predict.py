from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dltrader.cli.app import app
from dltrader.errors import ConfigError, RunError
from dltrader.workflows.predict import EnsemblePredictor
from small_predictions import BARS, run_of, snapshot, voters


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return run_of(tmp_path_factory.mktemp("runs") / "voters")


def predict(*words, said=""):
    return CliRunner().invoke(app, ["predict", *map(str, words)], input=said)


def test_snapshots_in_answers_out(run):
    values = [snapshot(voters(), row) for row in (60, 61)]
    result = predict(run, said="\n".join(map(json.dumps, values)) + "\n\n")
    assert result.exit_code == 0, result.output
    predictor = EnsemblePredictor(voters())
    assert [json.loads(line) for line in result.stdout.splitlines()] == [
        predictor.predict(each).to_mapping() for each in values
    ]


def test_a_bad_line_ends_with_1_after_all_lines(run):
    result = predict(run, said="nonsense\n" + json.dumps(snapshot(voters(), 60)))
    assert result.exit_code == 1
    first, second = map(json.loads, result.stdout.splitlines())
    assert first["line"] == 1
    assert second["symbol"] == "asset"


def test_the_newest_bar(run, tmp_path):
    BARS.iloc[:90].to_csv(tmp_path / "asset.csv")
    result = predict(run, "--bars", f"csv:{tmp_path / 'asset.csv'}")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["timestamp"] == "2001-03-31T00:00:00Z"


def test_the_schema_is_printed_with_and_without_a_run(run):
    general, own = (json.loads(predict("--schema", *words).stdout) for words in ([], [run]))
    assert "enum" not in general["$defs"]["Snapshot"]["properties"]["symbol"]
    assert own["$defs"]["Snapshot"]["properties"]["symbol"]["enum"] == ["asset"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "predict with what"),
        (["x", "--every", "5"], "--every says how often --bars --follow asks its source"),
        (["x", "--schema", "--follow"], "--schema only prints the schema"),
    ],
)
def test_contradictions_are_said(words, said):
    with pytest.raises(ConfigError, match=said):
        CliRunner().invoke(app, ["predict", *words], catch_exceptions=False)


def test_another_program_can_wait_for_each_answer(run):
    command = [sys.executable, "-W", "error", "-m", "dltrader", "predict", str(run), "--no-log"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        for row in (60, 61):
            process.stdin.write(json.dumps(snapshot(voters(), row)).encode() + b"\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["timestamp"] == snapshot(voters(), row)["timestamp"]
        process.stdin.close()
        assert process.wait() == 0


@pytest.mark.parametrize("every", ["0", "inf", "nan"])
def test_to_ask_a_source_never_or_without_a_pause_is_refused(every):
    result = predict("x", "--bars", "sample:AAPL", "--follow", "--every", every)
    assert result.exit_code == 2
    assert "Invalid value for '--every'" in result.output


@pytest.mark.parametrize("stream", ["stdin", "stdout"])
def test_a_closed_stream_is_told_of_in_one_line(run, stream):
    # Where the program that starts it has closed a stream, Python has None in its place.
    code = (
        f"import sys; sys.{stream} = None; sys.argv[1:] = ['predict', {str(run)!r}]; import dltrader.cli as c; c.main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        f"ConfigError: {stream} is closed, and snapshots in and answers out need it; give it a file or a pipe"
    ]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only some systems have a disk that is always full")
def test_a_full_disk_is_told_of_in_one_line(run):
    command = [sys.executable, "-m", "dltrader", "predict", str(run), "--no-log"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, input="nonsense\n", stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "RunError: snapshots are not read or answers not written any more: No space left on device"
    ]


def test_a_folder_that_is_no_run_is_told_of(tmp_path):
    with pytest.raises(RunError, match="is no run folder"):
        CliRunner().invoke(app, ["predict", str(tmp_path)], catch_exceptions=False)
