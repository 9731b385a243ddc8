from __future__ import annotations

import pytest

from dltrader.benchmarks.statistics import coverage
from dltrader.benchmarks.statistics.coverage import (
    OVERFITTING,
    Coverage,
    Mean,
    Rate,
    deflated_rates,
    interval_rate,
    measure_coverage,
    overfitting_mean,
    simulations_of,
)
from dltrader.errors import ConfigError


def test_the_best_of_noise_is_significant_only_naively():
    deflated, naive = deflated_rates(100, 60, seed=0)
    assert deflated.times <= 3
    assert naive.times >= 58
    assert deflated.asked == (0.0, 0.05)
    assert naive.asked[0] == pytest.approx(1.0 - 0.95**100)


@pytest.mark.parametrize("name", ["AR(1), phi 0.3", "GARCH(1,1), normal"])
def test_intervals_hold_the_true_sharpe_ratio(name, monkeypatch):
    monkeypatch.setattr(coverage, "RESAMPLES", 200)
    found = interval_rate(name, 60, seed=0)
    assert 51 <= found.times <= 60
    assert found.as_asked


@pytest.mark.parametrize(("kind", "spread"), [("demeaned", 0.0), ("raw", 0.16), ("1", 0.04), ("2", 0.05), ("3", 0.003)])
def test_the_probability_of_overfitting(kind, spread):
    found = overfitting_mean(kind, 40, seed=0)
    assert found.mean == pytest.approx(OVERFITTING[kind], abs=0.02 + 3 * spread / 40**0.5)
    assert found.deviation == pytest.approx(spread, abs=0.02 + 0.25 * spread)
    assert found.as_asked
    assert found == overfitting_mean(kind, 40, seed=0)


def test_a_rate_is_as_asked_if_its_interval_reaches_what_is_asked():
    assert Rate("", (0.90, 0.97), 920, 1000).as_asked
    assert not Rate("", (0.90, 0.97), 870, 1000).as_asked
    assert not Rate("", (0.0, 0.05), 80, 1000).as_asked
    assert Rate("", (1.0, 1.0), 10, 10).as_asked
    assert Mean("", 0.1, 0.11, 0.05, 100).as_asked
    assert not Mean("", 0.1, 0.14, 0.05, 100).as_asked


def test_all_rows_are_measured_and_watched(monkeypatch):
    monkeypatch.setattr(coverage, "TRIALS", (3, 5))
    monkeypatch.setattr(coverage, "RESAMPLES", 20)
    watched = []
    found = measure_coverage(simulations=2, seed=1, watch=lambda: watched.append(1))
    assert len(watched) == simulations_of(2) == 24
    mapping = found.to_mapping()
    assert [len(mapping[part]) for part in ("deflated", "intervals", "overfitting")] == [4, 5, 5]
    assert mapping["as_asked"] == found.as_asked
    assert mapping["intervals"][0]["rate"] == found.intervals[0].times / 2
    assert isinstance(found, Coverage)
    with pytest.raises(ConfigError, match="simulations must be 2 or more, was 1"):
        measure_coverage(simulations=1, seed=0)
