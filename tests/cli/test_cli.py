from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

import dltrader
from dltrader.benchmarks import parity, speed
from dltrader.benchmarks.oracle import training
from dltrader.benchmarks.oracle.curves import Curves
from dltrader.benchmarks.oracle.training import Standing
from dltrader.benchmarks.parity_cases import Case
from dltrader.cli.app import app
from dltrader.data import fingerprint, load_bars
from dltrader.errors import ConfigError, RunError
from dltrader.runs import Run
from dltrader.workflows.train import train
from small_runs import experiment

SMALL = """
data:
  bars: synthetic:gbm?n=300&sigma=0.3&seed=5
env:
  window_bars: 4
  features: [log_return, range]
  scaling: train
agent:
  extractor: {name: mlp, hidden: [8]}
  n_steps: 64
  batch_size: 64
train:
  total_timesteps: 256
  n_envs: 2
  evaluate_every: 128
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return train(experiment(), out=tmp_path_factory.mktemp("cli") / "run").path


@pytest.fixture
def here(tmp_path, monkeypatch, trained):
    """A working folder with a configuration and a run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    (tmp_path / "small.yaml").write_text(SMALL)
    shutil.copytree(trained, tmp_path / "runs" / "one")
    return tmp_path


def invoke(*arguments):
    """What a command prints, one line an element, without the ends of the lines."""
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return [line.rstrip() for line in result.output.splitlines()]


def dltrader_process(*arguments, cwd, **environment):
    command = [sys.executable, "-W", "error", "-m", "dltrader", *arguments]
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, check=False, env=os.environ | {"COLUMNS": "100"} | environment
    )


def commands():
    """Every command as the words that call it."""
    found = []
    todo = [((), typer.main.get_command(app))]
    while todo:
        words, command = todo.pop()
        if hasattr(command, "commands"):
            todo += [((*words, name), inner) for name, inner in command.commands.items()]
        else:
            found.append(words)
    return sorted(found)


def test_these_are_the_commands():
    assert [" ".join(words) for words in commands()] == [
        "backtest",
        "bench env",
        "bench forecasts",
        "bench oracle",
        "bench parity",
        "bench placebo",
        "bench planted",
        "bench predict",
        "bench speed",
        "bench statistics",
        "check",
        "compare",
        "data check",
        "data export",
        "data show",
        "evaluate",
        "monitor",
        "plot",
        "predict",
        "report",
        "runs",
        "train",
        "trials",
        "tune",
        "walk-forward",
    ]


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_help_shows_an_example(words, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    text = " ".join(" ".join(invoke(*words, "--help")).split())
    assert re.search(rf"Examples?: +dltrader {' '.join(words)}", text)


def test_version():
    assert invoke("--version") == [f"dltrader {dltrader.__version__}"]


def test_data_show_prints_ends_span_and_fingerprint(here):
    lines = invoke("data", "show", "synthetic:sine?n=50")
    assert lines[0] == "synthetic:sine?n=50"
    rows = [line for line in lines if re.search(r"\d{4}-\d\d-\d\d 00:00 │", line)]
    assert len(rows) == 6
    assert "50 bars, 2000-01-03 00:00 to 2000-03-10 00:00 UTC" in lines
    assert f"sha256 {fingerprint(load_bars('synthetic:sine?n=50'))}" in lines


def test_data_show_of_few_bars_shows_each_once(here):
    lines = invoke("data", "show", "synthetic:sine?n=50", "--start", "2000-03-07")
    assert sum("00:00 │" in line for line in lines) == 4
    assert "4 bars, 2000-03-07 00:00 to 2000-03-10 00:00 UTC" in lines


@pytest.mark.parametrize("name", ["bars.csv", "bars.csv.gz"])
def test_what_data_export_writes_csv_reads_back(here, name):
    uri = "synthetic:gbm?n=60&seed=2&interval=1h&calendar=continuous"
    assert invoke("data", "export", uri, "--out", name) == [f"60 bars written to {name}"]
    assert fingerprint(load_bars(f"csv:{name}")) == fingerprint(load_bars(uri))


def test_train_makes_a_run_and_says_what_to_type_next(here):
    lines = invoke("train", "small.yaml", "seed=7", "agent.learning_rate=1e-3", "--out", "runs/two", "--quiet")
    assert lines[0] == "runs/two: finished"
    assert re.fullmatch(r"best on the validation bars: after \d+ bars, log growth [+-]\d\.\d{4}", lines[1])
    assert lines[2].startswith("net exposure ")
    assert lines[3:5] == ["test bars looked at 0 times before", "trials behind these data: 1"]
    assert lines[5:] == ["next: dltrader backtest runs/two"]
    config = Run.open("runs/two").config
    assert (config.name, config.seed, config.agent.learning_rate) == ("small", 7, 0.001)


def test_train_shows_its_progress_unless_told_not_to(here):
    assert any("bars/s" in line for line in invoke("train", "small.yaml", "--out", "runs/loud"))


def test_backtest_prints_the_policy_beside_buy_and_hold(here):
    text = "\n".join(invoke("backtest", "runs/one"))
    metrics = Run.open("runs/one").metrics
    for name in ("metrics", "buy_and_hold"):
        assert f"{100 * metrics[name]['total_return']:.1f} %" in text
    assert "ppo (mlp)" in text
    assert "buy and hold" in text
    assert "gbm, 2000-12-25 to 2001-02-23, 44 bars" in text


def test_backtest_takes_other_bars_and_policies(here):
    text = "\n".join(
        invoke("backtest", "runs/one", "--bars", "synthetic:ou?n=100", "--start", "2000-02-01", "--policy", "128")
    )
    assert "ou, 2000-02-01 to 2000-05-19, 78 bars" in text
    assert Run.open("runs/one").metrics["policy"] == 128


def test_plot_names_the_files(here):
    assert invoke("plot", "runs/one") == ["runs/one/plots/backtest.png", "runs/one/plots/training.png"]
    assert invoke("plot", "runs/one", "--out", "images", "--format", "svg") == [
        "images/backtest.svg",
        "images/training.svg",
    ]
    assert Path("images/backtest.svg").stat().st_size > 10_000


def test_runs_are_listed(here, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    before = "\n".join(invoke("runs"))
    assert "runs/one" in before
    assert "finished" in before
    assert "%" not in before
    invoke("backtest", "runs/one")
    row = next(line for line in invoke("runs") if "runs/one" in line)
    metrics = Run.open("runs/one").metrics
    assert f"{100 * metrics['metrics']['total_return']:.1f} %" in row
    assert "256" in row
    invoke("backtest", "runs/one", "--bars", "synthetic:ou?n=100")  # which is no test return
    assert "%" not in next(line for line in invoke("runs") if "runs/one" in line)
    Path("runs/broken").mkdir()
    Path("runs/broken/manifest.json").write_text("{")
    Path("runs/broken/config.yaml").write_text("")
    text = "\n".join(invoke("runs"))
    assert "unreadable: cannot read runs/broken/manifest.json" in text
    assert "runs/one" in text
    shutil.rmtree("runs/broken")
    assert invoke("runs", "elsewhere") == ["no runs in elsewhere; make one with: dltrader train ppo_mlp"]


def test_bench_parity_prints_what_was_compared(here):
    lines = invoke("bench", "parity", "--episodes", "2", "--seed", "1")
    assert re.fullmatch(
        r"2 episodes, \d+ bars, \d+ fills, \d+ refused orders; largest relative difference .+", lines[0]
    )
    assert re.fullmatch(r"among them \d+ random starts, \d+ ruins, \d+ limit moves", lines[1])
    assert lines[2:] == ["no mismatch"]


def test_bench_parity_writes_the_counts(here):
    lines = invoke("bench", "parity", "--episodes", "3", "--json", "parity.json")
    counts = json.loads(Path("parity.json").read_text())
    assert lines[0].startswith(f"3 episodes, {counts['bars']} bars, {counts['fills']} fills")
    assert (counts["seed"], counts["episodes"], counts["mismatch"]) == (0, 3, None)
    with pytest.raises(ConfigError, match=r"cannot write nowhere/parity\.json: No such file or directory"):
        invoke("bench", "parity", "--episodes", "1", "--json", "nowhere/parity.json")


def test_bench_parity_prints_the_smallest_case_of_a_mismatch(here, monkeypatch):
    class Generous(parity.TradingVectorEnv):
        def step(self, actions):
            observation, rewards, *rest = super().step(actions)
            return observation, rewards + 0.5, *rest

    monkeypatch.setattr(parity, "TradingVectorEnv", Generous)
    result = CliRunner().invoke(app, ["bench", "parity", "--episodes", "3", "--seed", "4", "--json", "parity.json"])
    assert result.exit_code == 1
    lines = result.output.splitlines()
    found = json.loads(Path("parity.json").read_text())["mismatch"]
    assert lines[2] == f"mismatch in episode {found['episode']} of seed 4; the smallest case of it:"
    assert lines[3] == f"reward after 1 bars: Cerebro says {found['cerebro']}"
    assert lines[4].split() == ["the", "vectorised", "market", found["vector"]]
    assert lines[lines.index("actions:") + 1] == str(found["case"]["actions"])
    assert "window_bars: 1" in lines
    assert not any(line.startswith("reward:") for line in lines)  # of the rules only what differs from the default
    table = lines[next(i for i, line in enumerate(lines) if line.startswith("bars of ")) + 1 :]
    assert table[0] == "time,open,high,low,close,volume"
    assert len(table) == 1 + 3  # one bar warms up, one is decided on, one is filled on
    again = Case.from_mapping(found["case"])
    assert parity.compare(again.config, again.bars, again.actions).mismatch.what == "reward"


def test_bench_env_prints_both_speeds(here):
    lines = invoke("bench", "env", "--bars", "500", "--repeats", "1")
    assert lines[0] == "bars/s, 500 bars"
    for label in ("no orders", "an order on every bar"):
        row = next(line for line in lines if label in line)
        speeds = [float(number.replace(",", "")) for number in re.findall(r"[\d,.]+", row)]
        assert speeds[1] / speeds[0] == pytest.approx(speeds[2], abs=0.01)
        assert min(speeds) > 0
    assert re.fullmatch(r"reset after the first: \d+\.\d\d ms; medians of 1 interleaved repeats", lines[-1])


SPEED = speed.Speed(
    machine={"cores": "2", "python": "3.11.7", "numpy": "2.4.6"},
    bars=3000,
    repeats=3,
    stepping={"bare Cerebro": 6931.1, "TradingEnv": 4586.2, "64 lanes": 424113.7, "64 lanes, windows": 395881.3},
    learning={"lstm": {"stock, TradingEnv x 8": 1206.7, "stock, windows in lanes": 2166.6, "shared encodings": 8904.7}},
    growth={"TradingEnv": {2000: 184.5, 20000: 191.9}, "64 lanes": {2000: 2.43, 20000: 2.42}},
    peak={"bars": 20_000, "features": 8, "lanes": 64, "n_steps": 32, "bytes": 879550464},
)


@pytest.fixture
def measured(here, monkeypatch):
    """What was asked of `measure_speed`, which answers at once."""
    asked = []

    def measure(*, watch, **sizes):
        asked.append(sizes)
        watch("stepping")
        return SPEED

    monkeypatch.setattr(speed, "measure_speed", measure)
    return asked


def test_bench_speed_prints_what_was_measured(measured):
    lines = invoke("bench", "speed")
    assert measured == [{"bars": 3000}]
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if line.startswith("│")]
    assert cells == [
        ["bare Cerebro", "6,931"],
        ["TradingEnv", "4,586"],
        ["64 lanes", "424,114"],
        ["64 lanes, windows", "395,881"],
        ["lstm", "1,207  \u00d70.6", "2,167  \u00d71.0", "8,905  \u00d74.1"],
        ["TradingEnv", "184", "192", "+4 %"],
        ["64 lanes", "2.43", "2.42", "+0 %"],
    ]
    assert lines[-2:] == [
        "memory: 20,000 bars \u00d7 8 features, 64 lanes \u00d7 32 steps: peak 839 MiB",
        "medians of 3 interleaved repeats on 2 cores, python 3.11.7, numpy 2.4.6",
    ]


def test_bench_speed_writes_numbers_and_picture(measured):
    assert invoke("bench", "speed", "--quick", "--bars", "2000", "--json", "a.json", "--out", "a.svg", "--quiet")
    assert measured == [{"bars": 2000} | dict(speed.QUICK)]
    numbers = json.loads(Path("a.json").read_text())
    assert numbers["stepping"] == SPEED.stepping
    assert numbers["growth"]["TradingEnv"] == {"2000": 184.5, "20000": 191.9}
    assert Path("a.svg").read_text().startswith("<?xml")


def test_bench_speed_repeats_as_often_as_told_however_quick(measured):
    invoke("bench", "speed", "--quick", "--repeats", "5")
    assert measured == [{"bars": 3000} | dict(speed.QUICK) | {"repeats": 5}]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--out", "a.jpg"], r"a\.jpg has \.jpg; name the figure \.png, \.svg or \.pdf"),
        (["--out", "nowhere/a.png"], r"cannot write nowhere/a\.png: No such file or directory"),
        (["--json", "nowhere/a.json"], r"cannot write nowhere/a\.json: No such file or directory"),
        (["--json", "runs"], r"cannot write runs: it is a folder"),
    ],
)
def test_bench_speed_measures_nothing_that_it_could_not_write(measured, options, message):
    with pytest.raises(ConfigError, match=f"^{message}$"):
        invoke("bench", "speed", *options)
    assert measured == []
    assert sorted(path.name for path in Path().iterdir()) == ["runs", "small.yaml"]


def test_a_refused_picture_is_one_line_and_exit_code_2(here):
    result = dltrader_process("bench", "speed", "--out", "a.jpg", cwd=here)
    assert result.returncode == 2
    assert result.stderr == "ConfigError: a.jpg has .jpg; name the figure .png, .svg or .pdf\n"


def test_a_plugin_registers_what_a_configuration_names(here, monkeypatch):
    (here / "my_rewards.py").write_text(
        textwrap.dedent("""
            import dltrader

            def my_reward(step):
                return 2.0 * (step.equity / step.equity_before - 1.0)

            dltrader.REWARDS.register("my_cli_reward", my_reward)
        """)
    )
    options = "env.reward=my_cli_reward", "--out", "runs/mine", "--quiet"
    with pytest.raises(ConfigError, match="unknown reward 'my_cli_reward'"):
        invoke("train", "small.yaml", *options)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry not in {"", str(here)}])
    assert invoke("--plugin", "my_rewards", "train", "small.yaml", *options)[0] == "runs/mine: finished"
    assert Run.open("runs/mine").policy().env_config.reward is dltrader.REWARDS["my_cli_reward"]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (["train", "ppo_mpl"], "ConfigError", "no configuration file 'ppo_mpl'; did you mean 'ppo_mlp'?"),
        (["train", "nowhere.yaml"], "ConfigError", "cannot read the configuration nowhere.yaml: No such file"),
        (["train", "small.yaml", "seed"], "ConfigError", "cannot read 'seed'; write key=value, such as train.total"),
        (
            ["train", "small.yaml", "train.total_timestep=5"],
            "ConfigError",
            "unknown key 'train.total_timestep'; did you mean 'train.total_timesteps'?",
        ),
        (["train", "small.yaml", "data.bars=yaho:SPY"], "UnknownNameError", "unknown source 'yaho'; did you mean"),
        (["train", "small.yaml", "data.bars=csv:nowhere.csv"], "SourceError", "nowhere.csv"),
        (["train", "small.yaml", "--out", "runs/one"], "RunError", "runs/one already exists; choose another --out"),
        (["train", "small.yaml", "data.bars=synthetic:gbm?n=6"], "BarsError", "4 bars are too few"),
        (["backtest", "runs/none"], "RunError", "there is no run folder runs/none; list runs with: dltrader runs"),
        (["backtest", "runs"], "RunError", "runs is no run folder: it has no manifest.json with a config.yaml"),
        (["backtest", "runs/one", "--policy", "worst"], "RunError", "runs/one has no policy 'worst' (status finished)"),
        (["backtest", "runs/one", "--policy", "99"], "RunError", "has no policy 99 (status finished); it has check"),
        (["backtest", "runs/one", "--start", "soon"], "ConfigError", "start must be a date or time such as"),
        (["backtest", "runs/one", "--bars", "AAPL"], "SourceError", "'AAPL' names no source; sample:AAPL is what"),
        (["plot", "runs/one", "--format", "jpg"], "ConfigError", "the format of a picture must be png, svg, pdf"),
        (["data", "show", "csv:nowhere.csv"], "SourceError", "nowhere.csv"),
        (["data", "show", "synthetic:sin"], "UnknownNameError", "unknown synthetic process 'sin'; did you mean 'sine'"),
        (
            ["data", "export", "synthetic:ou", "--out", "a.txt"],
            "ConfigError",
            "--out must end in .csv, .csv.gz or .parquet",
        ),
        (["data", "export", "synthetic:ou", "--out", "small.csv"], "ConfigError", "small.csv already exists; choose"),
        (["data", "export", "synthetic:ou", "--out", "none/a.csv"], "ConfigError", "cannot write none/a.csv"),
        (["--plugin", "no_such_module", "runs"], "ConfigError", "cannot import the plugin 'no_such_module'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_the_user_did_wrong_is_one_line_and_writes_nothing(here, monkeypatch, capsys, arguments, error, message):
    (here / "small.csv").write_text("")
    before = sorted(here.rglob("*"))
    monkeypatch.setattr(sys, "argv", ["dltrader", *arguments])
    with pytest.raises(SystemExit) as caught:
        dltrader.cli.main()
    out, err = capsys.readouterr()
    assert caught.value.code == 2
    assert out == ""
    assert err.startswith(f"{error}: ")
    assert message in err
    assert err.count("\n") == 1
    assert sorted(here.rglob("*")) == before


def test_a_process_ends_with_code_2_and_one_line(here):
    done = dltrader_process("backtest", "runs/none", cwd=here)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "RunError: there is no run folder runs/none; list runs with: dltrader runs\n"


def test_a_usage_error_ends_with_code_2_and_no_traceback(here):
    done = dltrader_process("backtest", cwd=here)
    assert done.returncode == 2
    assert "Missing argument 'RUN'" in done.stderr
    assert "Traceback" not in done.stderr


def test_help_loads_neither_torch_nor_backtrader(here):
    script = """
        import sys
        from typer.testing import CliRunner
        from dltrader.cli.app import app
        assert CliRunner().invoke(app, ["train", "--help"]).exit_code == 0
        print(sorted({"torch", "backtrader", "matplotlib", "stable_baselines3"} & set(sys.modules)))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True, cwd=here
    )
    assert done.stdout == "[]\n"


def test_ctrl_c_in_a_process_leaves_a_run_that_can_be_loaded(here):
    (here / "stop.py").write_text(
        textwrap.dedent("""
            import os, signal
            import dltrader

            bars = 0

            def stopping(step):
                global bars
                bars += 1
                if bars == 300:  # of both lanes at once, and in validation
                    os.kill(os.getpid(), signal.SIGINT)
                return 0.0 * step.equity

            dltrader.REWARDS.register("stopping", stopping)
        """)
    )
    arguments = "env.reward=stopping", "train.total_timesteps=100000", "--out", "runs/stopped", "--quiet"
    done = dltrader_process("--plugin", "stop", "train", "small.yaml", *arguments, cwd=here)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("runs/stopped: interrupted\n")
    manifest = Run.open("runs/stopped").manifest
    assert manifest["status"] == "interrupted"
    assert [checkpoint["steps"] for checkpoint in manifest["checkpoints"]] == [128, 256]
    assert Path("runs/stopped/policy/weights.safetensors").is_file()


def test_an_export_that_fails_leaves_nothing(here, monkeypatch):
    def full(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(ConfigError, match=r"cannot write bars.csv: No space left on device"):
        CliRunner().invoke(app, ["data", "export", "synthetic:gbm?n=60", "--out", "bars.csv"], catch_exceptions=False)
    assert not list(here.glob("*bars.csv*"))


def test_a_digit_that_is_no_number_names_no_policy(here):
    with pytest.raises(RunError, match="has no policy '²'"):
        CliRunner().invoke(app, ["backtest", "runs/one", "--policy", "²"], catch_exceptions=False)


def test_bench_oracle_shows_the_fraction_of_the_optimum(tmp_path, monkeypatch):
    seen = {}

    def measured(settings, *, seeds, jobs, engine, tuning, watch):
        ((name, setting),) = settings
        seen.update(name=name, gamma=setting.agent.gamma, seeds=list(seeds), jobs=jobs, engine=engine, tuning=tuning)
        curves = Curves("signal", *(np.zeros(1) for _ in range(3)), np.zeros((2, 3, 1)))
        return [Standing("quadratic_ppo", "quadratic", "ppo (mlp)", (0.99, 0.995), 0.663, 1_000_000, 21.4, curves)]

    monkeypatch.setattr(training, "measure_oracle", measured)
    arguments = "--seeds", "2", "--jobs", "2", "--engine", "cerebro", "--json", str(tmp_path / "oracle.json")
    done = CliRunner().invoke(app, ["bench", "oracle", "quadratic_ppo", "agent.gamma=0.8", "--tuning", *arguments])
    assert done.exit_code == 0
    assert seen == {
        "name": "quadratic_ppo",
        "gamma": 0.8,
        "seeds": [0, 1],
        "jobs": 2,
        "engine": "cerebro",
        "tuning": True,
    }
    assert "0.992" in done.output
    assert "0.990 … 0.995" in done.output
    assert "0.6630" in done.output
    kept = json.loads((tmp_path / "oracle.json").read_text())["standings"][0]
    assert (kept["task"], kept["fractions"]) == ("quadratic", [0.99, 0.995])
    assert kept["fraction"] == pytest.approx(0.9925)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["quadratik_ppo"], "no setting 'quadratik_ppo'; did you mean 'quadratic_ppo'?"),
        (["quadratic_ppo", "agent.gama=1"], "unknown key 'agent.gama'; did you mean 'agent.gamma'?"),
        (["--engine", "arrays"], "--engine must be vector or cerebro, or left out, was 'arrays'"),
        (["--tasks", "ritter", "--agents", "sac"], "no setting has tasks ritter and agents sac"),
    ],
)
def test_bench_oracle_refuses_what_there_is_not(arguments, message):
    done = CliRunner().invoke(app, ["bench", "oracle", *arguments])
    assert isinstance(done.exception, ConfigError)
    assert message in str(done.exception)
