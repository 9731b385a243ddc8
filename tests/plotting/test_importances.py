from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb

from dltrader.errors import ConfigError
from dltrader.plotting.importances import colours, plot_importances
from dltrader.plotting.style import BLUE, save_figure


def table(features=6, lags=3, horizons=(5, 30)):
    """Gains that fall with the number of the feature and with the lag."""
    parts = []
    for horizon in horizons:
        gain = np.array([[1 / ((number + 1) * (lag + 1)) for number in range(features)] for lag in range(lags)])
        parts.append(
            pd.DataFrame(
                {
                    "horizon_bars": horizon,
                    "feature": [f"x{number}" for _ in range(lags) for number in range(features)],
                    "lag_bars": np.repeat(range(lags), features),
                    "gain": (gain / gain.sum()).reshape(-1),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def texts(figure):
    """All words on a figure, by panel, and those outside of panels."""
    return [text.get_text() for text in figure.texts]


def names(axes):
    return [label.get_text() for label in axes.get_yticklabels()]


def test_a_panel_a_horizon_and_a_bar_a_feature_made_of_its_rows():
    given = table()
    figure = plot_importances(given)
    assert len(figure.axes) == 2
    for axes, (_, part) in zip(figure.axes, given.groupby("horizon_bars"), strict=True):
        assert names(axes) == [f"x{number}" for number in range(6)]
        widths = np.array([bar.get_width() for bar in axes.patches]).reshape(3, 6)
        expected = part["gain"].to_numpy().reshape(3, 6)
        np.testing.assert_allclose(widths, expected)
        ends = [text.get_text() for text in axes.texts]
        assert ends[0] == f"{expected[:, 0].sum():.1%}"
    assert "6 features  ·  3 rows of the window" in texts(figure)


def test_only_those_that_count_most_are_drawn_and_it_says_how_much_that_is():
    figure = plot_importances(table(features=30), most=4)
    assert names(figure.axes[0]) == ["x0", "x1", "x2", "x3"]
    share = sum(1 / n for n in range(1, 5)) / sum(1 / n for n in range(1, 31))
    assert f"the 4 of 30 features that count most  ·  3 rows of the window  ·  {share:.0%} of all gain" in texts(figure)


def test_a_forecaster_is_asked_for_its_own():
    class Forecaster:
        def importances(self):
            return table(horizons=(1,), lags=1)

    (axes,) = plot_importances(Forecaster(), title="Mine").axes
    assert len(axes.patches) == 6


def test_a_feature_that_one_horizon_does_not_know_is_drawn_empty():
    given = table()
    given = given[(given["horizon_bars"] == 5) | (given["feature"] != "x0")]
    last = plot_importances(given).axes[1]
    assert names(last)[-1] == "x5"
    assert "0.0%" in [text.get_text() for text in last.texts]


def test_a_single_feature_has_room(tmp_path):
    for lags in (1, 3):
        figure = plot_importances(table(features=1, lags=lags), width_px=480)
        assert figure.get_size_inches()[1] * 100 == 108 + 46 + 66 + 2 * 60
        save_figure(figure, tmp_path / "one.png")


def test_forests_that_never_split_are_drawn_with_nothing():
    given = table().assign(gain=0.0)
    assert {text.get_text() for text in plot_importances(given).axes[0].texts} == {"0.0%"}


@pytest.mark.parametrize(("lags", "width_px"), [(1, 1200), (2, 600), (12, 2000)])
def test_any_window_and_width_can_be_drawn_and_equal_ones_are_equal_files(tmp_path, lags, width_px):
    files = [
        save_figure(plot_importances(table(lags=lags), width_px=width_px), tmp_path / f"{number}.png")
        for number in (1, 2)
    ]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_rows_grow_paler_from_blue():
    assert colours(1) == [BLUE]
    lightness = [sum(to_rgb(colour)) for colour in colours(9)]
    assert colours(9)[0] == BLUE
    assert lightness == sorted(lightness)
    assert len(set(lightness)) == 9


@pytest.mark.parametrize("given", [None, pd.DataFrame(), pd.DataFrame({"gain": [1.0]}), table().iloc[:0]])
def test_what_is_no_table_of_importances_is_refused(given):
    with pytest.raises(ConfigError, match="give a forecaster that tells them"):
        plot_importances(given)


def test_sizes_out_of_range_are_refused():
    with pytest.raises(ConfigError, match="most must be >= 1, was 0"):
        plot_importances(table(), most=0)
    with pytest.raises(ConfigError, match="height_px"):
        plot_importances(table(), height_px=100)
