from __future__ import annotations

import dataclasses
import subprocess
import sys

import pytest
from matplotlib.figure import Figure

from dltrader.agents.baselines import RandomTrader
from dltrader.evaluation.backtest import backtest
from dltrader.evaluation.result import PLOTS
from market_bars import flat_then, random_walk


@pytest.fixture
def result(quick):
    return backtest(RandomTrader(), random_walk(40), quick)


def test_a_result_cannot_be_changed(result):
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.policy = "better"
    assert result.policy == "random"


def test_a_result_equals_only_itself(quick, result):
    # Frames have no single answer to ==.
    assert result == result
    assert result != backtest(RandomTrader(), random_walk(40), quick)
    assert len({result, result}) == 1


def test_its_text_leaves_the_benchmark_out(result):
    assert result.matched is not None
    assert "buy_and_hold" not in repr(result)
    assert "constant_exposure" not in repr(result)
    assert repr(result).startswith("BacktestResult(policy='random', ")


def test_plot_calls_what_is_registered_with_the_result_and_the_options(result, monkeypatch):
    calls = []
    monkeypatch.setitem(PLOTS._entries, "backtest", lambda *given, **options: calls.append((given, options)))
    result.plot(title="mine")
    assert calls == [((result,), {"title": "mine"})]


def test_plot_draws_a_figure(result):
    assert isinstance(result.plot(), Figure)


def test_a_ruined_result_can_be_drawn(free):
    class Short:
        def predict(self, observation, state=None, episode_start=None, deterministic=False):
            return 0, state

    ruined = backtest(Short(), flat_then(100, 100, 200, 200, warmup=3), free)
    assert ruined.equity.iloc[-1] == 0.0
    assert isinstance(ruined.plot(), Figure)


def test_a_result_knows_its_plots_without_loading_matplotlib():
    script = "import sys, dltrader.evaluation.result as r; print(list(r.PLOTS), 'matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['backtest'] False"
