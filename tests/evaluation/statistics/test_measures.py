from __future__ import annotations

import math
from functools import partial

import numpy as np
import pandas as pd
import pytest

from dltrader.evaluation import metrics
from dltrader.evaluation.statistics.measures import growth, max_drawdown, sharpe_ratio

PATHS = np.random.default_rng(0).normal(0.0005, 0.02, (3, 4, 300))


def equity_of(returns):
    return pd.Series(np.concatenate([[1.0], np.cumprod(1.0 + returns)]))


@pytest.mark.parametrize(
    ("measure", "metric"),
    [
        (
            partial(sharpe_ratio, periods_per_year=252),
            lambda e: metrics.sharpe(metrics.returns_of(e), periods_per_year=252),
        ),
        (partial(growth, periods_per_year=252), lambda e: metrics.annual_return(e, periods_per_year=252)),
        (max_drawdown, lambda e: float(metrics.drawdown(e).min())),
    ],
    ids=["sharpe", "growth", "drawdown"],
)
def test_measures_of_many_paths_are_the_metrics_of_each(measure, metric):
    found = measure(PATHS)
    assert found.shape == (3, 4)
    assert found[1, 2] == pytest.approx(metric(equity_of(PATHS[1, 2])), rel=1e-9)
    assert found[2, 0] == pytest.approx(metric(equity_of(PATHS[2, 0])), rel=1e-9)


def test_the_sharpe_ratio_of_constant_returns_is_nan():
    assert math.isnan(sharpe_ratio(np.full(252, 0.1)))
    assert math.isnan(sharpe_ratio(np.zeros(10)))


def test_ruin_loses_all():
    ruined = np.array([0.1, -1.2, 0.5])
    assert growth(ruined) == -1.0
    assert max_drawdown(ruined) == -1.0


def test_a_first_loss_is_a_drawdown():
    assert max_drawdown(np.array([-0.1, 0.05])) == pytest.approx(-0.1)
    assert max_drawdown(np.array([0.1, 0.05])) == 0.0
