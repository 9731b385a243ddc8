from __future__ import annotations

import math

import pytest

from dltrader.errors import ConfigError
from dltrader.evaluation.statistics.lengths import min_backtest_years, min_track_record, min_track_record_years
from dltrader.evaluation.statistics.sharpe import probabilistic_sharpe


@pytest.mark.parametrize(
    ("sharpe", "benchmark", "periods", "skewness", "kurtosis", "years"),
    [
        (2.0, 1.0, 250, 0.0, 3.0, 2.731188),
        (2.0, 1.0, 52, 0.0, 3.0, 2.828834),
        (3.0, 2.5, 12, -0.72, 5.78, 27.352920),
    ],
)
def test_min_track_record_years(sharpe, benchmark, periods, skewness, kurtosis, years):
    found = min_track_record_years(
        sharpe, annual_benchmark=benchmark, periods_per_year=periods, skewness=skewness, kurtosis=kurtosis
    )
    assert found == pytest.approx(years, abs=1e-6)


def test_after_the_min_track_record_the_probabilistic_sharpe_is_at_its_level():
    returns = min_track_record(0.08, benchmark=0.02, skewness=-0.5, kurtosis=6.0, level=0.9)
    found = probabilistic_sharpe(0.08, n=math.ceil(returns), benchmark=0.02, skewness=-0.5, kurtosis=6.0)
    assert found == pytest.approx(0.9, abs=1e-3)


@pytest.mark.parametrize(("trials", "years"), [(45, 4.998), (7, 1.923)])
def test_min_backtest_years(trials, years):
    assert min_backtest_years(1.0, trials=trials) == pytest.approx(years, abs=5e-4)
    assert min_backtest_years(2.0, trials=trials) == pytest.approx(years / 4, abs=2e-4)


def test_what_is_not_above_its_benchmark_never_has_a_record():
    assert min_track_record(0.1, benchmark=0.1) == math.inf
    assert min_backtest_years(-0.5, trials=10) == math.inf
    assert math.isnan(min_track_record(math.nan))
    assert math.isnan(min_backtest_years(math.nan, trials=10))
    with pytest.raises(ConfigError, match=r"level must be above 0\.5 and below 1, was 95"):
        min_track_record(0.1, level=95)
