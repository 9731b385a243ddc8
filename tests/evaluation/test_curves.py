from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from dltrader.evaluation.curves import growth_of, log_growths, median_seed, net, simple_returns, together


def curve(*values, start="2020-01-01"):
    return pd.Series([float(value) for value in values], pd.date_range(start, periods=len(values), tz="UTC"))


def test_growth_is_logarithmic_and_finite_at_ruin():
    assert growth_of(curve(100, 110)) == pytest.approx(math.log(1.1))
    assert growth_of(curve(100, -5)) == pytest.approx(math.log(1e-6))


def test_a_ruined_curve_stays_where_it_ended():
    found = together({"whole": curve(100, 90, 120, 130), "ruined": curve(100, -1)})
    assert found["ruined"].tolist() == [100.0, -1.0, -1.0, -1.0]
    assert found["whole"].tolist() == [100.0, 90.0, 120.0, 130.0]


def test_log_growths_sum_to_the_growth_of_each_curve():
    equity = together({"a": curve(100, 90, 120, 130), "ruined": curve(100, 50, -1)})
    growths = log_growths(equity)
    assert len(growths) == 3
    assert growths["a"].sum() == pytest.approx(growth_of(equity["a"]))
    assert growths["ruined"].tolist() == pytest.approx([math.log(0.5), math.log(2e-6), 0.0])


def test_simple_returns_are_those_of_the_equity():
    assert simple_returns(log_growths(curve(100, 110, 99).to_frame("a")))["a"].tolist() == pytest.approx([0.1, -0.1])


@pytest.mark.parametrize(
    ("growths", "seed"),
    [({3: 0.5}, 3), ({0: 0.1, 1: 0.3, 2: 0.2}, 2), ({0: 0.4, 1: 0.3, 2: 0.2, 3: 0.1}, 2), ({5: 0.1, 4: 0.1}, 4)],
)
def test_the_median_seed_is_one_of_them(growths, seed):
    assert median_seed(growths) == seed


def test_net_exposure_sums_with_signs_and_is_none_once_ruined():
    exposure = pd.DataFrame({"a": [0.5, 1.0, np.nan], "b": [-0.25, 0.5, np.nan]})
    assert net(exposure).tolist() == [0.25, 1.5, 0.0]
