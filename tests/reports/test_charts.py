from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest

from dltrader.evaluation.series import distribution
from dltrader.reports.charts.curves import Band, Line, cost_chart, drawdown_chart, equity_chart, rolling_chart
from dltrader.reports.charts.panel import NARROW, WIDE
from dltrader.reports.charts.price import MOST_BARS, as_json, price_chart, zoom_data
from dltrader.reports.charts.scales import Scale, area, dates, line, runs, spanning, ticks
from dltrader.reports.charts.spread import Estimate, excursion_chart, forest_chart, returns_chart
from market_bars import random_walk

BARS = random_walk(400, 2)
INDEX = BARS.index
X = np.arange(400.0)
FILLS = pd.DataFrame(
    {"time": INDEX[[10, 50]], "side": ["buy", "sell"], "price": BARS["open"].iloc[[10, 50]].to_numpy()}
)
HELD = pd.Series(np.where((X >= 10) & (X < 50), 1.0, np.where(X > 300, -0.5, 0.0)), INDEX)


def points(path):
    return np.array([[float(a), float(b)] for a, b in re.findall(r"[ML](\S+?) (-?[\d.]+)", path)])


def test_a_scale_puts_its_ends_where_they_belong():
    assert Scale(0, 10, 100, 0)([0, 5, 10]).tolist() == [100, 50, 0]
    assert Scale(1, 100, 0, 10, log=True)([1, 10, 100]).tolist() == pytest.approx([0, 5, 10])
    assert np.isnan(Scale(1, 100, 0, 10, log=True)([0.0, -1.0, np.nan])).all()


def test_a_scale_is_logarithmic_where_values_span_much():
    assert spanning([[1.0, 6.0]], 0, 1, log=True).log
    assert not spanning([[1.0, 3.0]], 0, 1, log=True).log
    assert not spanning([[-1.0, 6.0]], 0, 1, log=True).log
    flat = spanning([[2.0, 2.0, np.nan]], 0, 1)
    assert flat.low < 2.0 < flat.high
    assert spanning([[np.nan]], 0, 1).high > 0


@pytest.mark.parametrize(("low", "high", "most"), [(0.0, 1.0, 4), (-0.3, 0.21, 5), (9e4, 3.1e5, 6), (-1e-6, 2e-6, 3)])
def test_ticks_are_round_and_few(low, high, most):
    found = ticks(Scale(low, high, 0, 1), most)
    assert 1 <= len(found) <= most + 1
    assert all(low - 1e-12 <= value <= high + 1e-12 for value in found)
    steps = np.diff(found)
    assert np.ptp(steps) < 1e-9 * (high - low) + 1e-15


def test_ticks_of_a_logarithm():
    assert ticks(Scale(0.9, 110, 0, 1, log=True), 8) == [1, 2, 5, 10, 20, 50, 100]
    assert ticks(Scale(0.9, 110, 0, 1, log=True), 3) == [1, 10, 100]


@pytest.mark.parametrize(
    ("freq", "count", "first"),
    [("D", 1500, "2002"), ("D", 300, "Apr 2001"), ("D", 5, "2 Jan"), ("5min", 70, "01:00"), ("h", 60, "2 Jan")],
)
def test_dates_stand_where_a_period_begins(freq, count, first):
    index = pd.date_range("2001-01-01", periods=count, freq=freq, tz="UTC")
    found = dates(index, 7)
    assert 1 <= len(found) <= 7
    assert found[0][1] == first
    assert all(np.diff([place for place, _ in found]) > 0)


def test_a_path_goes_through_its_points_with_gaps_at_nan():
    path = line(np.array([0.0, 10.0, 20.0, 30.0]), np.array([1.0, 2.0, np.nan, 4.04]))
    assert path == "M0 1L10 2M30 4"


def test_a_long_path_keeps_its_extremes():
    y = np.random.default_rng(0).normal(size=50_000)
    drawn = points(line(np.linspace(0, 100, 50_000), y))
    assert len(drawn) <= 4 * 101
    assert drawn[:, 1].max() == pytest.approx(y.max(), abs=0.06)
    assert drawn[:, 1].min() == pytest.approx(y.min(), abs=0.06)


def test_an_area_is_closed_around_every_stretch():
    low, high = np.array([0.0, 0.0, np.nan, 0.0, 0.0]), np.ones(5)
    assert area(np.arange(5.0), low, high).count("Z") == 2


def test_runs_are_stretches_of_equal_values():
    assert runs(np.array([0.0, 0.0, 1.0, -1.0])) == [(0, 2, 0.0), (2, 3, 1.0), (3, 4, -1.0)]


CHARTS = {
    "equity": lambda w: equity_chart(w, INDEX, [Line(X, BARS["close"].to_numpy(), "self")], [Band(X, X, X + 1)]),
    "drawdown": lambda w: drawdown_chart(w, INDEX, [Line(X, -X / 800, "self"), Line(X, X * 0, "hold")]),
    "rolling": lambda w: rolling_chart(w, INDEX, [Line(X, np.where(X < 100, np.nan, 1.0), "self")]),
    "price": lambda w: price_chart(w, BARS, FILLS, HELD),
    "returns": lambda w: returns_chart(w, distribution(BARS["close"].pct_change())),
    "excursions": lambda w: excursion_chart(w, pd.DataFrame({"adverse": [-0.1], "return_": [0.2]}), "adverse"),
    "costs": lambda w: cost_chart(w, [{"cost_bp": 0.0, "growth": 0.1}, {"cost_bp": 20.0, "growth": None}], 15.0, 3.0),
    "forest": lambda w: forest_chart(w, [Estimate("<b>", 0.1, float("nan"), float("nan"), "self", [0.0])], "growth"),
}


@pytest.mark.parametrize("width", [WIDE, NARROW])
@pytest.mark.parametrize("name", CHARTS)
def test_every_chart_is_well_formed_and_within_its_sheet(name, width):
    tree = ET.fromstring(CHARTS[name](width))
    assert tree.get("viewBox").split()[2] == f"{width:g}"
    height = float(tree.get("height"))
    assert "nan" not in ET.tostring(tree, encoding="unicode")
    for path in tree.iter("path"):
        places = points(path.get("d")).reshape(-1, 2)
        assert (places >= -0.5).all()
        assert (places <= [width + 0.5, height + 0.5]).all()


def test_no_bar_at_all_can_still_be_drawn():
    one = BARS.iloc[:1]
    ET.fromstring(price_chart(WIDE, one, FILLS.iloc[:0], HELD.iloc[:1]))
    ET.fromstring(equity_chart(WIDE, one.index, [Line(X[:1], np.ones(1), "self")]))


def test_a_triangle_stands_at_every_fill():
    tree = ET.fromstring(price_chart(WIDE, BARS, FILLS, HELD))
    kinds = [path.get("class") for path in tree.iter("path")]
    assert (kinds.count("buy"), kinds.count("sell")) == (1, 1)
    assert [kind for kind in kinds if kind.startswith("step")] == ["step-long", "step-short"]


def test_the_data_to_zoom_are_the_bars():
    data = json.loads(as_json(zoom_data(BARS, FILLS, HELD)))
    assert len(data["t"]) == len(data["o"]) == len(data["c"]) == len(data["e"]) == 400
    assert data["t"][1] - data["t"][0] == 86_400
    assert data["c"] == pytest.approx(BARS["close"].tolist(), rel=1e-5)
    assert [fill[::2] for fill in data["f"]] == [[10, 1], [50, -1]]


def test_many_bars_are_zoomed_several_at_a_time():
    bars = random_walk(MOST_BARS * 2 + 1)
    data = zoom_data(bars, FILLS.assign(time=bars.index[[3, 7]]), pd.Series(0.0, bars.index))
    assert len(data["t"]) == -(-len(bars) // 3)
    assert data["h"][0] == pytest.approx(bars["high"].iloc[:3].max(), rel=1e-5)
    assert data["o"][1] == pytest.approx(bars["open"].iloc[3], rel=1e-5)
    assert [fill[0] for fill in data["f"]] == [1, 2]
    assert data["t"][-1] == bars.index[-1].timestamp()


def test_data_cannot_leave_their_script():
    assert "</script>" not in as_json({"name": "</script>"})
