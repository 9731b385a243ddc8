from __future__ import annotations

import math

import pytest

from dltrader.agents import BASELINES
from dltrader.cli.tables import format_metric, print_backtest, print_run, trading_remark
from dltrader.evaluation.backtest import backtest
from dltrader.runs import ExperimentConfig, Run
from market_bars import random_walk
from small_runs import experiment, untrained


class Always:
    """Takes one action for ever."""

    name = "always"

    def __init__(self, action):
        self.action = action

    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        return self.action, state


def remark(action, quick, n_instruments=1):
    names = ["asset"] if n_instruments == 1 else [f"asset{i}" for i in range(n_instruments)]
    bars = {name: random_walk(60, seed) for seed, name in enumerate(names)}
    return trading_remark(backtest(Always(action), bars, quick))


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        (0, "the policy sold short once and held"),
        (1, "the policy never traded"),
        (2, "the policy bought once and held"),
    ],
)
def test_a_policy_that_merely_holds_is_told_so(quick, action, expected):
    assert remark(action, quick) == expected


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ([1, 1], "the policy never traded"),
        ([2, 1], "the policy bought once and held in 1 of 2 instruments"),
        ([2, 2], "the policy bought once and held in 2 of 2 instruments"),
        ([2, 0], "the policy traded once and held in 2 of 2 instruments"),
    ],
)
def test_a_portfolio_that_merely_holds_is_told_so(quick, action, expected):
    assert remark(action, quick, 2) == expected


def test_a_policy_that_trades_is_told_nothing(quick):
    assert trading_remark(backtest(BASELINES["random"](), random_walk(60), quick)) is None


class Flipper(Always):
    """Long and short by turns."""

    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        bar = 0 if state is None else state
        return (2 if bar % 2 == 0 else 0), bar + 1


def test_a_policy_that_flips_is_told_so(quick):
    assert trading_remark(backtest(Flipper(0), random_walk(60), quick)) == (
        "the policy flips on nearly every bar: on 100 % of them its exposure went to another level"
    )


def rows_of(text):
    """Name of a row -> its cells."""
    cells = [[cell.strip() for cell in line.strip("│┃").replace("┃", "│").split("│")] for line in text.splitlines()]
    return {row[0]: row[1:] for row in cells if len(row) > 1}


def test_the_same_exposure_held_constantly_stands_beside(quick, capsys):
    result = backtest(BASELINES["random"](), random_walk(200), quick)
    print_backtest(result)
    rows = rows_of(capsys.readouterr().out)
    assert rows[""] == ["random", "buy and hold", "same exposure"]
    beside = (result, result.benchmark, result.matched)
    assert rows["total return"] == [f"{100 * one.metrics['total_return']:.1f} %" for one in beside]
    assert rows["net exposure"] == [f"{100 * one.behaviour.net_exposure:.1f} %" for one in beside]
    assert rows["correlation"][1] == "1.00"


def test_no_exposure_has_no_column(quick, capsys):
    print_backtest(backtest(Always(1), random_walk(60), quick))
    rows = rows_of(capsys.readouterr().out)
    assert rows[""] == ["always", "buy and hold"]
    assert rows["in market"] == ["0.0 %", "100.0 %"]


def test_the_remark_stands_below_the_table(quick, capsys):
    print_backtest(backtest(Always(2), random_walk(60), quick))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("asset, 2001-01-0")
    assert lines[-1] == "the policy bought once and held"


def test_refused_orders_are_counted(quick, capsys):
    config = quick.model_copy(update={"sizing": "at_close"})
    bars = random_walk(60)
    bars.iloc[10:, :4] *= 3.0  # a gap that no cash can follow
    quiet = backtest(Always(1), bars, config)
    assert len(quiet.rejections) == 0

    class Late(Always):
        def predict(self, observation, state=None, episode_start=None, deterministic=False):
            bar = 0 if state is None else state
            return (2 if bar == 9 - 3 else 1), bar + 1

    print_backtest(backtest(Late(1), bars, config))
    assert "1 order(s) refused by the broker" in capsys.readouterr().out.splitlines()


def test_a_run_without_a_policy_is_told_so(tmp_path, capsys):
    run = Run.create(tmp_path / "run", ExperimentConfig.load(experiment()), data_sha256="")
    run.finish(None, status="interrupted")
    print_run(run)
    assert capsys.readouterr().out.splitlines() == [
        f"{run.path}: interrupted",
        "it ended before the first update, so there is no policy",
    ]


@pytest.mark.parametrize(
    ("behaviour", "lines"),
    [("never traded", ["on the validation bars the best policy never traded"]), (None, [])],
)
def test_a_run_whose_best_policy_collapsed_is_told_so(tmp_path, capsys, behaviour, lines):
    run = Run.create(tmp_path / "run", ExperimentConfig.load(experiment()), data_sha256="")
    run.add_checkpoint(untrained(), 100, 0.0, behaviour)
    run.finish(untrained(), status="finished")
    print_run(run)
    assert capsys.readouterr().out.splitlines() == [
        f"{run.path}: finished",
        "best on the validation bars: after 100 bars, log growth +0.0000",
        *lines,
        f"next: dltrader backtest {run.path}",
    ]


def test_how_the_best_policy_traded_is_told(tmp_path, capsys):
    run = Run.create(tmp_path / "run", ExperimentConfig.load(experiment()), data_sha256="")
    run.add_checkpoint(untrained(), 100, 0.1)
    run.add_checkpoint(untrained(), 200, 0.0)
    numbers = {"net_exposure": 0.524, "turnover": 23.1, "exposure_entropy": 0.69, "correlation": math.nan}
    traded = {f"validation_{name}": value for name, value in numbers.items()}
    run.write_curve([{"steps": 100, **traded}, {"steps": 200, **dict.fromkeys(traded, 0.0)}])
    print_run(run)
    assert capsys.readouterr().out.splitlines()[2] == (
        "net exposure 52.4 %, turnover 23.10 a year, entropy of exposure 0.69, "
        "correlation with buy-and-hold \N{EN DASH}"
    )


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("total_return", 0.1234, "12.3 %"),
        ("max_drawdown", -0.5, "-50.0 %"),
        ("sharpe", 1.236, "1.24"),
        ("commission", 12345.6, "12,346"),
        ("trades", 3.0, "3"),
        ("commission", 1234567.8, "1,234,568"),
        ("annual_return", 1.7526e109, "1.8e+111 %"),
        ("calmar", 6.85e108, "6.8e+108"),
        ("calmar", math.nan, "\N{EN DASH}"),
        ("calmar", None, "\N{EN DASH}"),
    ],
)
def test_metrics_are_written_as_people_read_them(name, value, text):
    assert format_metric(name, value) == text


def test_every_metric_has_a_row(quick, capsys):
    result = backtest(BASELINES["random"](), random_walk(200), quick)
    print_backtest(result)
    text = capsys.readouterr().out
    assert all(name.replace("_", " ") in text for name in result.metrics)
