from __future__ import annotations

import dataclasses

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.image import imread
from matplotlib.text import Text

from dltrader.errors import ConfigError, UnknownNameError
from dltrader.evaluation.metrics import drawdown
from dltrader.plotting import plot_backtest, save_figure
from dltrader.plotting.panels import set_limits
from dltrader.plotting.style import BENCHMARK, MATCHED, STRATEGY, dress, new_chart
from dltrader.plotting.timeaxis import BarScale, day_numbers

from .conftest import METRICS, make_bars, make_result


def draw(result, **options):
    figure = plot_backtest(result, **options)
    figure.canvas.draw()
    return figure


def words(figure):
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def fills_in(axes, side):
    (points,) = [points for points in axes.collections if points.get_gid() == f"fills-{side}"]
    return np.asarray(points.get_offsets())


def line_of(axes, colour):
    (line,) = [line for line in axes.lines if line.get_color() == colour and len(line.get_xdata()) > 2]
    return line


def several(count, bars=120):
    return make_result({name: make_bars(bars, seed=i) for i, name in enumerate("ABCDEFG"[:count])})


# Price and fills


@pytest.mark.parametrize("bars", [60, 300])
@pytest.mark.parametrize("side", ["buy", "sell"])
def test_fills_stand_at_their_time_and_price(bars, side):
    result = make_result(make_bars(bars), switches=20)
    those = result.orders[result.orders["side"] == side]
    drawn = fills_in(draw(result).axes[0], side)
    assert len(those) > 3
    np.testing.assert_allclose(drawn[:, 0], day_numbers(those["time"]))
    np.testing.assert_allclose(drawn[:, 1], those["price"])


def test_buys_and_sells_differ_in_shape_and_colour(result):
    buy, sell = (
        next(c for c in draw(result).axes[0].collections if c.get_gid() == f"fills-{side}") for side in ("buy", "sell")
    )
    up, down = (points.get_paths()[0].vertices for points in (buy, sell))
    assert up[:, 1].max() == pytest.approx(-down[:, 1].min())
    assert up[np.argmax(up[:, 1]), 0] == pytest.approx(0.0, abs=1e-9)  # ▲ has its one upper corner in the middle
    assert down[np.argmin(down[:, 1]), 0] == pytest.approx(0.0, abs=1e-9)
    assert abs(up[np.argmin(up[:, 1]), 0]) == pytest.approx(up[:, 0].max())
    assert not np.allclose(buy.get_facecolor(), sell.get_facecolor())


def test_many_fills_are_drawn_smaller():
    few, many = (
        next(
            c
            for c in draw(make_result(make_bars(2500), switches=switches)).axes[0].collections
            if c.get_gid() == "fills-buy"
        ).get_sizes()[0]
        for switches in (10, 500)
    )
    assert many == 24.0
    assert few == 76.0


def test_the_fills_are_counted_above_the_price(result):
    counts = result.orders["side"].value_counts()
    assert f"▲ {counts['buy']} buys" in words(draw(result))
    assert f"▼ {counts['sell']} sells" in words(draw(result))


def test_long_stretches_show_the_closes_as_a_line():
    result = make_result(make_bars(151))
    line = draw(result).axes[0].lines[0]
    np.testing.assert_array_equal(line.get_ydata(), result.bars["AAPL"]["close"])
    np.testing.assert_allclose(line.get_xdata(), day_numbers(result.equity.index))


def test_short_stretches_show_candles():
    result = make_result(make_bars(150))
    axes = draw(result).axes[0]
    (bodies,) = [c for c in axes.collections if isinstance(c, PolyCollection) and len(c.get_paths()) == 150]
    bars = result.bars["AAPL"]
    for path, (_, bar) in zip(bodies.get_paths(), bars.iterrows(), strict=True):
        low, high = path.vertices[:, 1].min(), path.vertices[:, 1].max()
        assert low == pytest.approx(min(bar["open"], bar["close"]))
        assert high == pytest.approx(max(bar["open"], bar["close"]))
    assert len(axes.lines) == 0


@pytest.mark.parametrize("bars", [2, 60, 300, 2500])
def test_the_limits_contain_what_is_drawn(bars):
    result = make_result(make_bars(bars, drift=0.001), switches=10)
    price, position, equity, fall = draw(result).axes
    low, high = price.get_ylim()
    closes = result.bars["AAPL"]["close"]
    assert low < closes.min()
    assert low < min(closes.min(), result.orders["price"].min(initial=np.inf) if False else closes.min())
    assert high > closes.max()
    if len(result.orders):
        assert low < result.orders["price"].min()
        assert high > result.orders["price"].max()
    assert position.get_ylim()[0] <= min(0.0, result.exposure["AAPL"].min())
    assert position.get_ylim()[1] >= max(0.0, result.exposure["AAPL"].max())
    assert equity.get_ylim()[0] < min(result.equity.min(), result.benchmark.equity.min())
    assert equity.get_ylim()[1] > max(result.equity.max(), result.benchmark.equity.max())
    assert fall.get_ylim()[0] <= drawdown(result.equity).min()
    assert fall.get_ylim()[1] == 0.0
    x = day_numbers(result.equity.index)
    assert all(axes.get_xlim()[0] < x[0] for axes in (price, position, equity, fall))
    assert all(axes.get_xlim()[1] > x[-1] for axes in (price, position, equity, fall))


# Position


def test_the_position_is_filled_where_it_is_held():
    result = make_result(make_bars(200), switches=9)
    position = draw(result).axes[1]
    levels = np.concatenate(
        [path.vertices[:, 1] for c in position.collections if isinstance(c, PolyCollection) for path in c.get_paths()]
    )
    assert sorted(set(levels.tolist())) == [-1.0, 0.0, 1.0]


def test_the_tint_covers_exactly_the_bars_held():
    bars = make_bars(200)
    result = make_result(bars, switches=0)
    exposure = result.exposure.copy()
    exposure.iloc[20:50] = 1.0
    exposure.iloc[70:71] = -0.5
    axes = draw(dataclasses.replace(result, exposure=exposure)).axes[0]
    edges = BarScale(bars.index).edges
    spans = [
        (path.vertices[:, 0].min(), path.vertices[:, 0].max())
        for c in axes.collections
        if c.get_zorder() == 0
        for path in c.get_paths()
    ]
    np.testing.assert_allclose(spans, [(edges[20], edges[50]), (edges[70], edges[71])])


# Equity and drawdown


def test_the_lines_are_the_equities(result):
    axes = draw(result).axes[2]
    np.testing.assert_array_equal(line_of(axes, STRATEGY).get_ydata(), result.equity)
    np.testing.assert_allclose(line_of(axes, BENCHMARK).get_ydata(), result.benchmark.equity)


def test_both_lines_begin_with_the_same_money(result):
    poor = dataclasses.replace(result.benchmark, equity=result.benchmark.equity / 50)
    axes = draw(dataclasses.replace(result, benchmark=poor)).axes[2]
    held = line_of(axes, BENCHMARK).get_ydata()
    assert held[0] == pytest.approx(result.equity.iloc[0])
    np.testing.assert_allclose(held, result.benchmark.equity)


def test_the_lines_are_named_with_their_last_value(result):
    shown = words(draw(result))
    assert f"ppo_attention\n{result.equity.iloc[-1]:,.0f}" in shown
    assert f"buy and hold\n{result.benchmark.equity.iloc[-1]:,.0f}" in shown


def matched_of(result, exposure=0.5):
    """The result beside its mean exposure, held constantly."""
    growth = result.benchmark.equity.pct_change().fillna(0.0) * exposure
    equity = result.equity.iloc[0] * (1.0 + growth).cumprod()
    metrics = METRICS | {"total_return": 0.0717, "trades": 0.0}
    return dataclasses.replace(
        result, matched=dataclasses.replace(result.benchmark, equity=equity, metrics=metrics, benchmark=None)
    )


def test_the_same_exposure_is_a_dashed_line_beside_buy_and_hold(result):
    result = matched_of(result)
    figure = draw(result)
    line = line_of(figure.axes[2], MATCHED)
    np.testing.assert_allclose(line.get_ydata(), result.matched.equity)
    assert line.is_dashed()
    assert not line_of(figure.axes[2], BENCHMARK).is_dashed()
    seen = words(figure)
    assert f"same exposure\n{result.matched.equity.iloc[-1]:,.0f}" in seen
    assert "+7.2%" in seen
    assert seen.count("same exposure") == 1  # the row of the table


def test_the_limits_contain_the_same_exposure(result):
    high = matched_of(result, exposure=6.0)
    low, top = draw(high).axes[2].get_ylim()
    assert low < high.matched.equity.min()
    assert top > high.matched.equity.max()


def test_a_row_more_makes_the_sheet_higher(result):
    assert draw(matched_of(result)).get_size_inches()[1] == pytest.approx(draw(result).get_size_inches()[1] + 0.21)


@pytest.mark.parametrize(("switches", "collapse"), [(0, "the policy never traded"), (24, None)])
def test_a_collapse_is_named_below_the_title(switches, collapse):
    seen = words(draw(make_result(make_bars(300), switches=switches)))
    (line,) = [text for text in seen if "300 bars" in text]
    assert line.endswith("300 bars" if collapse is None else collapse)


def test_a_fivefold_change_is_shown_on_a_log_scale():
    rising = draw(make_result(make_bars(1500, drift=0.003)))
    assert [axes.get_yscale() for axes in rising.axes] == ["log", "linear", "log", "linear"]
    assert "price, log scale" in words(rising)


def test_money_that_was_lost_altogether_stays_on_a_linear_scale(result):
    equity = result.equity.copy()
    equity.iloc[-1] = -5.0
    axes = draw(dataclasses.replace(result, equity=equity)).axes[2]
    assert axes.get_yscale() == "linear"
    assert axes.get_ylim()[0] < -5.0


def test_the_drawdown_is_that_of_the_equity(result):
    axes = draw(result).axes[3]
    fall = drawdown(result.equity)
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), fall)
    assert axes.lines[1].get_ydata()[0] == fall.min()
    assert f"{100 * fall.min():.1f}%".replace("-", "\u2212") in words(axes)


# Words


def test_the_header_holds_the_metrics_as_percent(result):
    shown = words(draw(result))
    for text in ("+53.2%", "+12.3%", "18.8%", "0.71", "\u221223.4%", "41", "53.7%", "1.31", "1,234"):
        assert text in shown, text
    assert shown.count("+21.0%") == 1  # buy-and-hold's total return
    assert "Total return" in shown


def test_a_metric_that_is_nan_or_missing_is_a_dash(result):
    figure = draw(dataclasses.replace(result, metrics={"sharpe": float("nan"), "win_rate": 0.5}))
    shown = words(figure)
    assert "Sharpe" in shown
    assert "\u2013" in shown
    assert "Profit factor" not in shown


def test_without_metrics_there_is_no_table(result):
    bare = dataclasses.replace(result, metrics={})
    assert "Sharpe" not in words(draw(bare))
    assert draw(bare).bbox.height == pytest.approx(draw(result).bbox.height - 74)


def test_the_title_names_policy_and_instruments(result):
    shown = words(draw(result))
    assert "ppo_attention on AAPL" in shown
    assert "2 Jan 2015 \u2013 25 Feb 2016  ·  300 bars" in shown


def test_a_title_of_ones_own_moves_the_policy_below(result):
    shown = words(draw(result, title="Spring"))
    assert "Spring" in shown
    assert "ppo_attention on AAPL  ·  2 Jan 2015 \u2013 25 Feb 2016  ·  300 bars" in shown


def test_names_with_dollars_are_no_formulas(result):
    assert "$x^2$ on AAPL" in words(draw(dataclasses.replace(result, policy="$x^2$")))


def test_rejections_are_named(result):
    refused = pd.DataFrame({"time": result.equity.index[:2], "instrument": "AAPL"})
    assert any("2 orders rejected" in text for text in words(draw(dataclasses.replace(result, rejections=refused))))


# Several instruments


def test_every_one_of_several_instruments_has_a_price_panel():
    result = several(3)
    figure = draw(result)
    assert len(figure.axes) == 6
    for axes, name in zip(figure.axes, "ABC", strict=False):
        orders = result.orders
        buys = orders[(orders["instrument"] == name) & (orders["side"] == "buy")]
        np.testing.assert_allclose(fills_in(axes, "buy")[:, 1], buys["price"])
    assert "ppo_attention on A, B and C" in words(figure)


def test_of_many_instruments_the_four_traded_most_are_shown():
    result = several(6)
    orders = result.orders[~result.orders["instrument"].isin(["A", "D"])]
    figure = draw(dataclasses.replace(result, orders=orders))
    assert len(figure.axes) == 7
    assert any("prices of B, C, E and F" in text for text in words(figure))
    assert "■ others" in words(figure)


def test_stacked_exposures_end_at_their_sum():
    result = several(5)
    position = draw(result).axes[4]
    tops = np.concatenate([p.vertices[:, 1] for c in position.collections for p in c.get_paths() if len(p.vertices)])
    exposure = result.exposure
    assert tops.max() == pytest.approx(exposure.clip(lower=0).sum(axis=1).max(), abs=0.2)
    assert position.get_ylim()[1] >= tops.max()
    assert position.get_ylim()[0] <= tops.min()


def test_a_named_instrument_is_drawn_alone():
    result = several(3)
    figure = draw(result, instrument="B")
    assert len(figure.axes) == 4
    assert fills_in(figure.axes[0], "buy")[:, 1].tolist() == pytest.approx(
        result.orders.query("instrument == 'B' and side == 'buy'")["price"].tolist()
    )


def test_the_nearest_instrument_is_offered_for_an_unknown_one(result):
    with pytest.raises(UnknownNameError, match=r"unknown instrument 'APPL'; did you mean 'AAPL'\?"):
        plot_backtest(result, instrument="APPL")


# Sizes and small cases


@pytest.mark.parametrize(("width", "height"), [(1200, None), (640, 560), (480, 480), (2000, 1500)])
def test_the_picture_has_the_size_asked_for(result, tmp_path, width, height):
    picture = imread(save_figure(draw(result, width_px=width, height_px=height), tmp_path / "a.png"))
    assert picture.shape[1] == width
    assert picture.shape[0] == (1086 if height is None else height)


@pytest.mark.parametrize("bars", [1, 2, 3])
@pytest.mark.parametrize("hold", [True, False])
def test_the_smallest_results_can_be_drawn(bars, hold):
    figure = draw(make_result(make_bars(bars), switches=0, metrics={"sharpe": np.nan}, hold=hold))
    assert len(figure.axes) == 4
    assert "▲ 0 buys" in words(figure)


def test_nan_in_the_records_is_left_blank(result):
    exposure, equity = result.exposure.copy(), result.equity.copy()
    exposure.iloc[5:9] = np.nan
    equity.iloc[5:9] = np.nan
    figure = draw(dataclasses.replace(result, exposure=exposure, equity=equity))
    assert np.isnan(line_of(figure.axes[2], STRATEGY).get_ydata()[5:9]).all()


def test_an_equity_of_nan_alone_can_be_drawn(result):
    figure = draw(dataclasses.replace(result, equity=result.equity * np.nan))
    assert figure.axes[2].get_ylim()[1] > result.benchmark.equity.max()


def test_a_result_without_bars_is_refused(result):
    with pytest.raises(ConfigError, match="no bars"):
        plot_backtest(dataclasses.replace(result, equity=result.equity.iloc[:0]))


def test_intraday_bars_leave_no_room_for_nights():
    days = pd.date_range("2024-03-04", periods=3, tz="UTC")
    index = [day + pd.Timedelta(hours=14, minutes=5 * bar) for day in days for bar in range(78)]
    result = make_result(make_bars(234).set_axis(pd.DatetimeIndex(index, name="time")))
    axes = draw(result).axes[0]
    x = day_numbers(result.equity.index)
    pixels = axes.transData.transform(np.column_stack([x, np.full(234, 100.0)]))[:, 0]
    np.testing.assert_allclose(np.diff(pixels), axes.bbox.width / 234, rtol=1e-6)


def test_a_height_that_cannot_hold_the_panels_is_refused(result):
    with pytest.raises(ConfigError, match=r"height_px must be in \[478, 10000\], was 477"):
        plot_backtest(result, height_px=477)


def test_no_figure_is_left_with_pyplot(result):
    draw(result)
    assert plt.get_fignums() == []


def test_the_result_draws_itself(result):
    figure = result.plot(title="By itself", width_px=900)
    assert figure.bbox.width == 900
    assert "By itself" in words(figure)


def test_the_metrics_are_printed_and_not_computed(result):
    shown = words(draw(dataclasses.replace(result, metrics={**METRICS, "sharpe": 99.5})))
    assert "99.50" in shown


@pytest.mark.parametrize(
    ("values", "scale"),
    [([1.0, 4.9], "linear"), ([1.0, 5.0], "log"), ([1.0, 9e6], "log"), ([np.nan], "linear"), ([], "linear")],
)
def test_the_scale_follows_the_range(values, scale):
    axes = new_chart(640, 400).add_axes((0.1, 0.1, 0.8, 0.8))
    dress(axes)
    assert set_limits(axes, np.array(values), may_be_log=True) == (scale == "log")
    assert axes.get_yscale() == scale
    assert 1 <= len(axes.get_yticks()) <= 12
