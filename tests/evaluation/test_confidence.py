from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from dltrader.evaluation.confidence import (
    Sample,
    Trials,
    log_growth,
    paired_difference,
    seed_probabilities,
    statistics_of,
)
from dltrader.evaluation.metrics import sharpe
from dltrader.evaluation.statistics.sharpe import deflated_sharpe, moments, probabilistic_sharpe

TIMES = pd.date_range("2020-01-01", periods=250, tz="UTC")
KNOWN = Trials(10, sharpes=(0.1, 0.05, -0.05))


def sample(n_seeds=5, n_bars=250, drift=0.001):
    generator = np.random.default_rng(7)
    held = pd.Series(generator.normal(0.0, 0.01, n_bars), TIMES[:n_bars])
    growths = pd.DataFrame(
        {f"seed-{i}": 0.5 * held + generator.normal(drift, 0.005, n_bars) for i in range(n_seeds)}, held.index
    )
    return Sample(growths, held, "seed-0", 252.0)


@pytest.fixture(scope="module")
def found():
    return statistics_of(sample(drift=0.002), KNOWN)


def test_every_statistic_has_a_value_and_a_meaning(found):
    assert list(found) == [
        "sharpe", "growth", "max_drawdown", "difference_growth", "difference_sharpe", "pooled_difference_growth",
        "seeds_difference_growth", "psr", "expected_maximum_sharpe", "dsr", "min_track_record_years",
        "min_backtest_years", "spa", "pbo",
    ]  # fmt: skip
    for row in found.values():
        assert math.isfinite(row["value"])
        assert row["why"] is None
        assert row["meaning"]
        if "low" in row:
            assert row["low"] < row["value"] < row["high"]


def test_the_median_seed_speaks_for_the_sharpe_ratio(found):
    one = sample(drift=0.002)
    returns = np.expm1(one.growths["seed-0"])
    assert found["sharpe"]["value"] == pytest.approx(sharpe(returns, periods_per_year=252.0))
    assert found["growth"]["value"] == pytest.approx(one.growths["seed-0"].mean() * 252.0)
    known = moments(returns.to_numpy())
    shape = {"n": 250, "skewness": known.skewness, "kurtosis": known.kurtosis}
    assert found["psr"]["value"] == pytest.approx(probabilistic_sharpe(known.sharpe, **shape))
    variance = float(np.var([0.1, 0.05, -0.05], ddof=1))
    assert found["dsr"]["value"] == pytest.approx(deflated_sharpe(known.sharpe, trials=10, variance=variance, **shape))
    assert found["dsr"]["value"] < found["psr"]["value"]


def test_differences_are_those_of_the_means(found):
    one = sample(drift=0.002)
    apart = (one.growths.mean() - one.held.mean()) * 252.0
    assert found["difference_growth"]["value"] == pytest.approx(apart["seed-0"])
    assert found["pooled_difference_growth"]["value"] == pytest.approx(apart.mean())
    assert found["seeds_difference_growth"]["value"] == pytest.approx(float(np.sort(apart)[1:4].mean()))


def test_a_seed_that_holds_differs_by_nothing():
    one = sample()
    same = paired_difference(one.held, one.held, 252.0)
    assert (same.estimate, same.low, same.high) == (0.0, 0.0, 0.0)


def test_a_constant_advantage_has_no_width():
    one = sample()
    ahead = paired_difference(one.held + 0.001, one.held, 252.0)
    assert (ahead.estimate, ahead.low, ahead.high) == pytest.approx((0.252, 0.252, 0.252))


def test_unknown_trials_leave_no_deflated_ratio():
    found = statistics_of(sample(), Trials(None, why="the ledger is off"))
    for name in ("dsr", "expected_maximum_sharpe", "min_backtest_years"):
        assert math.isnan(found[name]["value"])
        assert found[name]["why"] == "the ledger is off"
    assert math.isfinite(found["psr"]["value"])
    assert math.isnan(seed_probabilities(sample().growths["seed-0"], Trials(None))["dsr"])


def test_a_single_trial_is_not_deflated():
    both = seed_probabilities(sample().growths["seed-0"], Trials(1))
    assert both["dsr"] == both["psr"]


def test_the_variance_of_trials_is_at_least_that_of_luck():
    assert Trials(2, (0.1, 0.3, math.nan)).variance(101) == pytest.approx(0.02)
    for alike in ((0.1,), (0.1, 0.1001), ()):
        assert Trials(2, alike).variance(101) == pytest.approx(0.01)


def test_too_few_returns_give_nan_and_why():
    found = statistics_of(sample(n_bars=12), KNOWN)
    for name in ("sharpe", "growth", "difference_growth", "pooled_difference_growth"):
        assert math.isnan(found[name]["low"])
        assert found[name]["why"] == "12 returns; at least 20 are needed"
    assert found["spa"]["why"] is not None
    assert math.isfinite(found["psr"]["value"])


def test_few_seeds_are_no_choice():
    found = statistics_of(sample(n_seeds=3), KNOWN)
    assert found["pbo"]["why"] == "3 seeds traded; at least 4 are needed to choose among"
    assert math.isnan(found["pbo"]["value"])
    one = statistics_of(sample(n_seeds=1), KNOWN)["seeds_difference_growth"]
    assert math.isfinite(one["value"])
    assert math.isnan(one["low"])
    assert one["why"] == "one seed has no interval over seeds; evaluate several"


def test_a_losing_seed_needs_no_longer_record():
    found = statistics_of(sample(drift=-0.001), KNOWN)
    for name in ("min_track_record_years", "min_backtest_years"):
        assert found[name]["value"] == math.inf
        assert found[name]["why"] == "the Sharpe ratio is not above 0, so no length would do"


def test_log_growth_is_a_year_s():
    assert log_growth(np.array([[0.1, 0.1], [0.0, 0.0]]), periods_per_year=12.0).tolist() == pytest.approx(
        [12 * math.log(1.1), 0.0]
    )
