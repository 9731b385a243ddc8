from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dltrader.plotting.style import new_chart
from dltrader.plotting.timeaxis import BarScale, day_numbers, set_time_axis


def business_days(count):
    return pd.date_range("2024-01-01", periods=count, freq="B", tz="UTC")


def drawn_dates(times, width_px=1200):
    chart = new_chart(width_px, 400)
    axes = chart.add_axes((0.05, 0.1, 0.9, 0.8))
    set_time_axis([axes], BarScale(times))
    chart.draw_without_rendering()
    low, high = axes.get_xlim()
    ticks = [tick for tick in axes.xaxis.get_major_ticks() if low <= tick.get_loc() <= high]
    pixels = axes.transData.transform([(tick.get_loc(), 0.5) for tick in ticks])[:, 0]
    return [tick.label1.get_text() for tick in ticks], pixels


def test_days_are_counted_from_1970():
    assert day_numbers(["1970-01-02 00:00", "1970-01-03 06:00"]).tolist() == [1.0, 2.25]


def test_days_of_another_zone_are_those_of_utc():
    times = pd.DatetimeIndex(["1970-01-02 05:00"], tz="Etc/GMT-5")
    assert day_numbers(times).tolist() == [1.0]


def test_no_times_have_no_days():
    assert day_numbers(pd.Series([], dtype=object)).tolist() == []


def test_bars_are_one_apart_whatever_lies_between():
    scale = BarScale(business_days(30))
    assert scale.number(scale.days).tolist() == list(range(30))
    assert len(scale) == 30


def test_the_axis_goes_on_evenly_beyond_the_bars():
    scale = BarScale(business_days(10))
    assert scale.day([-2.0]) == pytest.approx(scale.days[0] - 2)
    assert scale.day([11.0]) == pytest.approx(scale.days[-1] + 2)


def test_a_single_bar_is_a_day_wide():
    scale = BarScale(business_days(1))
    assert np.ptp(scale.edges) == pytest.approx(1.0)


def test_edges_lie_half_a_bar_around_each_bar():
    scale = BarScale(business_days(7))
    np.testing.assert_allclose(scale.number(scale.edges), np.arange(8) - 0.5, atol=1e-9)


@given(st.floats(-50.0, 200.0))
def test_a_day_comes_back_from_its_number(number):
    scale = BarScale(business_days(100))
    assert float(scale.number(scale.day(number))) == pytest.approx(number, abs=1e-6)


def test_ten_years_are_labelled_by_year():
    labels, _ = drawn_dates(business_days(2600))
    assert labels == [str(year) for year in range(2024, 2034)]


def test_dates_that_a_night_pushes_together_are_left_out():
    hours = [day + pd.Timedelta(hours=14, minutes=5 * bar) for day in business_days(3) for bar in range(78)]
    labels, pixels = drawn_dates(pd.DatetimeIndex(hours))
    assert {"02 Jan", "03 Jan"} <= set(labels)
    assert np.diff(pixels).min() >= 62.0


@pytest.mark.parametrize("count", [1, 2, 5, 40, 400, 4000])
@pytest.mark.parametrize("freq", ["min", "h", "D"])
@pytest.mark.parametrize("width_px", [480, 1200])
def test_labels_never_crowd(count, freq, width_px):
    times = pd.date_range("2024-01-01", periods=count, freq=freq, tz="UTC")
    labels, pixels = drawn_dates(times, width_px)
    assert 1 <= len(labels) <= 14
    assert len(pixels) == 1 or np.diff(pixels).min() >= 62.0
