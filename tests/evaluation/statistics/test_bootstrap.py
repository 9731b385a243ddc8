from __future__ import annotations

import math
import sys
from functools import partial

import numpy as np
import pytest

from dltrader.benchmarks.statistics.paths import autoregressive
from dltrader.errors import ConfigError, MissingExtraError
from dltrader.evaluation.statistics.bootstrap import bootstrap_interval, difference_interval
from dltrader.evaluation.statistics.measures import growth, max_drawdown, sharpe_ratio
from dltrader.evaluation.statistics.resampling import draws_of, optimal_blocks

annual_sharpe = partial(sharpe_ratio, periods_per_year=252)
RETURNS = np.random.default_rng(0).normal(0.0005, 0.01, 1000)
MARKET = np.random.default_rng(1).normal(0.0004, 0.01, 1000)


def test_the_interval_of_independent_returns_is_that_of_the_error():
    found = bootstrap_interval(RETURNS, annual_sharpe)
    assert found.estimate == pytest.approx(RETURNS.mean() / RETURNS.std(ddof=1) * math.sqrt(252), rel=1e-12)
    assert found.low < found.estimate < found.high
    assert found.high - found.low == pytest.approx(2 * 1.96 * math.sqrt(252 / 1000), rel=0.1)
    assert found.why is None


def test_the_interval_is_seeded():
    assert bootstrap_interval(RETURNS, growth) == bootstrap_interval(RETURNS, growth)
    assert bootstrap_interval(RETURNS, growth, seed=1) != bootstrap_interval(RETURNS, growth)


def test_draws_in_chunks_are_those_at_once(monkeypatch):
    at_once = bootstrap_interval(RETURNS, max_drawdown, resamples=50)
    monkeypatch.setattr("dltrader.evaluation.statistics.resampling.CHUNK_ELEMENTS", 7_000)
    assert bootstrap_interval(RETURNS, max_drawdown, resamples=50) == at_once
    assert [len(rows) for rows in draws_of(1000, block=3.0, resamples=20, seed=0)] == [7, 7, 6]


def test_a_lower_level_is_narrower():
    wide, narrow = bootstrap_interval(RETURNS, growth), bootstrap_interval(RETURNS, growth, level=0.5)
    assert wide.low < narrow.low < narrow.high < wide.high


def test_dependence_asks_for_longer_blocks_and_wider_intervals():
    path = 0.01 * autoregressive(0.5)(np.random.default_rng(0), 1, 2000)[0]
    assert optimal_blocks(path)[0] > 8.0
    alone, together = bootstrap_interval(path, sharpe_ratio, block=1.0), bootstrap_interval(path, sharpe_ratio)
    assert (together.high - together.low) > 1.4 * (alone.high - alone.low)


def test_blocks_hold_the_mean_length_that_was_asked_for():
    rows = next(draws_of(1000, block=10.0, resamples=50, seed=0))
    assert np.mean((np.diff(rows, axis=1) % 1000) == 1) == pytest.approx(0.9, abs=0.01)
    assert optimal_blocks(np.column_stack([RETURNS, np.zeros(1000)]))[1] == 1.0


def test_the_difference_of_equals_is_nothing_and_what_is_shared_does_not_widen():
    same = difference_interval(RETURNS, RETURNS, growth)
    assert (same.estimate, same.low, same.high) == (0.0, 0.0, 0.0)
    alike = difference_interval(MARKET + 0.1 * RETURNS, MARKET, growth)
    assert alike.estimate == pytest.approx(growth(MARKET + 0.1 * RETURNS) - growth(MARKET), rel=1e-12)
    apart = difference_interval(RETURNS, MARKET, growth)
    assert (alike.high - alike.low) < 0.15 * (apart.high - apart.low)


def test_growth_of_never_trading_is_known_and_a_sharpe_ratio_of_it_is_not():
    flat = np.zeros(1000)
    found = bootstrap_interval(flat, growth)
    assert (found.estimate, found.low, found.high) == (0.0, 0.0, 0.0)
    assert difference_interval(RETURNS, flat, growth).estimate == pytest.approx(growth(RETURNS))
    why = "all 1000 returns are 0; without variation there is no Sharpe ratio"
    for unknown in (bootstrap_interval(flat, sharpe_ratio), difference_interval(RETURNS, flat, sharpe_ratio)):
        assert math.isnan(unknown.estimate)
        assert math.isnan(unknown.low)
        assert unknown.why == why


def test_a_measure_that_is_rarely_a_number_has_no_interval():
    once = np.zeros(100)
    once[50] = 0.01
    found = bootstrap_interval(once, sharpe_ratio, block=1.0)
    assert found.estimate == pytest.approx(0.1)
    assert math.isnan(found.low)
    assert "drawn paths" in found.why


def test_growth_beyond_every_float_is_inf():
    found = bootstrap_interval(np.full(100, 0.5) + 0.001 * RETURNS[:100], partial(growth, periods_per_year=1e6))
    assert (found.estimate, found.low, found.high) == (math.inf, math.inf, math.inf)


@pytest.mark.parametrize(
    ("returns", "why"),
    [
        (RETURNS[:19], "19 returns; at least 20 are needed"),
        (np.append(RETURNS, np.nan), "1 of 1001 returns are not finite"),
    ],
)
def test_what_cannot_be_resampled_says_why(returns, why):
    assert bootstrap_interval(returns, growth).why == why
    assert difference_interval(returns, returns, growth).why == why


def test_a_benchmark_of_other_bars_says_why():
    assert "same bars" in difference_interval(RETURNS, MARKET[:-1], growth).why


def test_arguments_that_cannot_be_are_refused():
    with pytest.raises(ConfigError, match="level must be above 0 and below 1, was 95"):
        bootstrap_interval(RETURNS, growth, level=95)
    with pytest.raises(ConfigError, match="resamples must be 1 or more, was 0"):
        bootstrap_interval(RETURNS, growth, resamples=0)
    with pytest.raises(ConfigError, match=r"block must be 1 return or more, was 0\.5"):
        bootstrap_interval(RETURNS, growth, block=0.5)


def test_without_arch_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "arch.bootstrap", None)
    with pytest.raises(MissingExtraError, match=r"arch is not installed; run: pip install \"dltrader\[report\]\""):
        bootstrap_interval(RETURNS, growth)
