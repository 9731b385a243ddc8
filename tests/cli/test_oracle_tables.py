from __future__ import annotations

import json

import numpy as np
import pytest
from matplotlib.image import imread
from typer.testing import CliRunner

from dltrader.benchmarks.oracle import training
from dltrader.benchmarks.oracle.curves import Curves, curves_of, learned_curve
from dltrader.benchmarks.oracle.observation import OptimalPolicy
from dltrader.benchmarks.oracle.solver import solve
from dltrader.benchmarks.oracle.tasks import Discrete
from dltrader.benchmarks.oracle.training import Setting, Standing
from dltrader.cli.app import app
from dltrader.cli.oracle_tables import chosen_settings, print_standings
from dltrader.errors import ConfigError
from dltrader.plotting import plot_oracle
from dltrader.plotting.style import to_png

NO_CURVES = Curves("signal", *(np.zeros(1) for _ in range(3)), np.zeros((2, 3, 1)))


def setting(task, extractor, agent="ppo"):
    return Setting.from_mapping({"task": task, "agent": {"name": agent, "extractor": extractor}})


SHIPPED = {
    "a": setting("quadratic", "mlp"),
    "b": setting("quadratic", "lstm"),
    "c": setting("discrete", "mlp", "dqn"),
    "d": setting("discrete", "attention"),
}


@pytest.mark.parametrize(
    ("names", "filters", "expected"),
    [
        ([], {}, ["a", "b", "c", "d"]),
        (["c", "a"], {}, ["c", "a"]),
        ([], {"tasks": "quadratic"}, ["a", "b"]),
        ([], {"agents": "dqn"}, ["c"]),
        ([], {"extractors": "lstm, attention"}, ["b", "d"]),
        (["a", "b"], {"tasks": "quadratic", "agents": "ppo", "extractors": "mlp"}, ["a"]),
    ],
)
def test_settings_are_chosen_by_name_task_agent_and_extractor(names, filters, expected):
    assert list(chosen_settings(SHIPPED, names, **filters)) == expected


def test_where_none_is_left_all_that_was_asked_and_all_there_is_are_named():
    with pytest.raises(ConfigError) as found:
        chosen_settings(SHIPPED, [], tasks="ritter", agents="ppo,sac", extractors="lstm")
    assert str(found.value) == (
        "no setting has tasks ritter and agents ppo, sac and extractors lstm; there are, with task, agent and "
        "extractor: a (quadratic, ppo, mlp); b (quadratic, ppo, lstm); c (discrete, dqn, mlp); d (discrete, ppo, "
        "attention)"
    )


def test_the_table_fits_80_columns(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    standings = [
        Standing("a", "linear_capped", "recurrent_ppo (mlp)", (0.99, 0.995), 0.83437, 1_500_000, 121.4, NO_CURVES),
        Standing("b", "ritter", "ppo (attention)", (0.8, 0.9), 3.8106, 400_000, 7.0, NO_CURVES),
    ]
    print_standings(standings)
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == "fraction of the optimum, interquartile mean over 2 seeds"
    assert max(map(len, lines)) <= 80
    assert lines[2].split() == ["task", "agent", "fraction", "95", "%", "optimum", "steps", "s/seed"]
    rows = [line.split() for line in lines[4:]]
    assert rows[0] == ["linear_capped", "recurrent_ppo", "0.9925", "0.990", "…", "0.995", "0.8344", "1.5M", "121"]
    assert rows[1] == ["(mlp)"]
    assert rows[2] == ["ritter", "ppo", "0.8500", "0.800", "…", "0.900", "3.8106", "400k", "7"]
    assert lines[-1] == "optimum: reward per step of the optimal policy; of ritter its Sharpe ratio"


def test_one_seed_has_no_interval_and_paths_for_tuning_are_named(capsys):
    print_standings([Standing("a", "ritter", "q_table", (0.9,), 3.8, 400_000, 7.0, NO_CURVES)], tuning=True)
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert lines[4].split() == ["ritter", "q_table", "0.9000", "\N{EN DASH}", "3.8000", "400k", "7"]
    assert lines[-1].startswith("scored on the paths of --tuning")


def test_the_picture_can_be_drawn_again_from_the_json(tmp_path, monkeypatch):
    task = Discrete(psi=4.0)
    curves = curves_of(task, [learned_curve(OptimalPolicy(solve(task)), task, window_bars=1)])
    found = [Standing("discrete4_ppo", task.label, "ppo (mlp)", (1.0,), 0.417, 1_000_000, 60.0, curves)]
    monkeypatch.setattr(training, "measure_oracle", lambda *_, **__: found)
    files = tmp_path / "oracle.json", tmp_path / "oracle.png"
    arguments = ["bench", "oracle", "--extractors", "mlp", "--json", str(files[0]), "--out", str(files[1])]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert imread(files[1]).shape[1] == 1200
    assert json.loads(files[0].read_text())["paths"] == "test"
    assert to_png(plot_oracle(json.loads(files[0].read_text()))) == files[1].read_bytes()


def test_a_picture_that_cannot_be_written_is_refused_before_anything_is_trained(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "measure_oracle", lambda *_, **__: pytest.fail("was trained"))
    for out, message in (("oracle.gif", "oracle.gif has .gif"), (str(tmp_path / "no" / "a.png"), "cannot write")):
        done = CliRunner().invoke(app, ["bench", "oracle", "--out", out])
        assert isinstance(done.exception, ConfigError)
        assert message in str(done.exception)
