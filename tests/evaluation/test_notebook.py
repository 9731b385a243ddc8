from __future__ import annotations

import dataclasses
import xml.etree.ElementTree as ET

import pandas as pd
import pytest

from dltrader.agents.baselines import RandomTrader
from dltrader.envs.contract import EnvConfig
from dltrader.evaluation.backtest import backtest
from dltrader.evaluation.formats import format_metric
from dltrader.evaluation.notebook import MOST_POINTS, sparkline, table
from market_bars import random_walk


@pytest.fixture(scope="module")
def result():
    config = EnvConfig(window_bars=3, features=["log_return"], scaling="none")
    return backtest(RandomTrader(), random_walk(60), config)


def test_a_result_shows_its_metrics_beside_buy_and_hold(result):
    tree = ET.fromstring(result._repr_html_())
    cells = [cell.text for cell in tree.iter("td")]
    for one in (result, result.benchmark, result.matched):
        assert format_metric("total_return", one.metrics["total_return"]) in cells
        assert format_metric("sharpe", one.metrics["sharpe"]) in cells
    assert [head.text for head in tree.iter("th")] == [None, "random", "buy and hold", "same exposure"]
    assert len(list(tree.iter("polyline"))) == 3


def test_every_name_is_escaped(result):
    evil = dataclasses.replace(
        result, policy="<script>alert(1)</script>", bars={"<i>": next(iter(result.bars.values()))}
    )
    shown = evil._repr_html_()
    assert "<script" not in shown
    assert "<i>" not in shown
    assert "&lt;script&gt;" in shown


def test_a_long_curve_becomes_a_short_line():
    curve = pd.Series(range(100_000), dtype=float)
    points = ET.fromstring(sparkline({"#000": curve})).find("polyline").get("points").split()
    assert len(points) == MOST_POINTS
    assert points[0].startswith("1,")
    assert float(points[0].split(",")[1]) > float(points[-1].split(",")[1])


def test_nothing_to_draw_gives_nothing():
    assert sparkline({}) == ""
    assert sparkline({"#000": pd.Series([1.0])}) == ""


def test_cells_of_a_table_are_escaped():
    tree = ET.fromstring(table(["", "<b>"], [["a & b", "1"]]))
    assert [cell.text for cell in tree.iter("td")] == ["a & b", "1"]
