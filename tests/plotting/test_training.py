from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread
from matplotlib.text import Text

from dltrader.errors import ConfigError
from dltrader.plotting import plot_training, save_figure

from .conftest import make_curve

CURVES = ["episode_growth", "validation_growth", "policy_entropy", "value_loss"]


def draw(curve, **options):
    figure = plot_training(curve, **options)
    figure.canvas.draw()
    return figure


def words(figure):
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


@pytest.fixture
def curve():
    return make_curve()


def test_each_curve_has_its_panel(curve):
    figure = draw(curve)
    for axes, key in zip(figure.axes, CURVES, strict=True):
        lines = [line for line in axes.lines if len(line.get_xdata()) > 2]
        seen = curve[["steps", key]].dropna()
        np.testing.assert_array_equal(lines[0].get_xdata(), seen["steps"])
        np.testing.assert_array_equal(lines[0].get_ydata(), seen[key])
        assert axes.get_ylim()[0] < seen[key].min()
        assert axes.get_ylim()[1] > seen[key].max()


def test_training_growth_is_smoothed_by_a_trailing_mean(curve):
    smooth = draw(curve).axes[0].lines[-1].get_ydata()
    growth = curve["episode_growth"]
    assert smooth[50] == pytest.approx(growth[41:51].mean())
    assert smooth[0] == growth[0]
    assert "log growth per episode, mean of 10 updates" in words(draw(curve))


def test_the_best_validation_is_marked(curve):
    figure = draw(curve)
    best = curve.loc[curve["validation_growth"].idxmax()]
    star = figure.axes[1].lines[-1]
    assert star.get_xdata()[0] == best["steps"]
    assert star.get_ydata()[0] == best["validation_growth"]
    expected = f"★ best +{best['validation_growth']:.3f} after {best['steps']:,.0f} steps"
    assert expected in words(figure)


def test_checkpoints_that_collapsed_are_hollow(curve):
    done = curve.index[curve["validation_growth"].notna()]
    best = int(curve["validation_growth"].idxmax())
    others = [index for index in done[:4] if index != best][:3]
    curve["validation_collapsed"] = np.where(curve["validation_growth"].notna(), 0.0, np.nan)
    curve.loc[others, "validation_collapsed"] = 1.0
    figure = draw(curve)
    (hollow,) = [line for line in figure.axes[1].lines if line.get_gid() == "collapsed"]
    assert hollow.get_xdata().tolist() == curve.loc[others, "steps"].tolist()
    assert hollow.get_ydata().tolist() == curve.loc[others, "validation_growth"].tolist()
    assert f"○ 3 of {len(done)} collapsed" in words(figure)
    assert any(text.startswith("★ best") for text in words(figure))
    curve.loc[best, "validation_collapsed"] = 1.0
    assert any(text.startswith("☆ best") for text in words(draw(curve)))


def test_where_none_collapsed_nothing_is_said_of_it(curve):
    curve["validation_collapsed"] = 0.0
    assert not any("collapsed" in text for text in words(draw(curve)))


def test_a_loss_that_falls_fivefold_is_shown_on_a_log_scale(curve):
    scales = [axes.get_yscale() for axes in draw(curve).axes]
    assert scales == ["linear", "linear", "linear", "log"]


def test_steps_speed_and_rate_stand_below_the_title(curve):
    speed = curve["bars_per_second"].median()
    line = f"409,600 steps  ·  {speed:,.0f} bars/s  ·  learning rate 0.0003 → 0"
    assert line in words(draw(curve, title="Seed 3"))
    assert "Seed 3" in words(draw(curve, title="Seed 3"))


def test_a_constant_learning_rate_is_named_once(curve):
    assert any(text.endswith("learning rate 0.001") for text in words(draw(curve.assign(learning_rate=1e-3))))


@pytest.mark.parametrize("missing", [*CURVES, "steps", "bars_per_second", "learning_rate"])
def test_any_column_may_be_missing_or_nan(curve, missing):
    panels = 4 - (missing in CURVES)
    assert len(draw(curve.drop(columns=missing)).axes) == panels
    assert len(draw(curve.assign(**{missing: np.nan})).axes) == panels


def test_without_steps_the_rows_are_counted(curve):
    line = draw(curve.drop(columns="steps")).axes[3].lines[0]
    np.testing.assert_array_equal(line.get_xdata(), np.arange(200))


@pytest.mark.parametrize("updates", [1, 2])
def test_the_first_updates_can_be_drawn(updates):
    assert len(draw(make_curve(updates)).axes) == 3


def test_nothing_recorded_says_so():
    figure = draw(pd.DataFrame({"steps": []}))
    assert figure.axes == []
    assert "nothing recorded yet" in words(figure)


def test_a_run_is_drawn_by_its_curve(curve):
    assert words(draw(SimpleNamespace(curve=curve))) == words(draw(curve))


@pytest.mark.parametrize("thing", [{"steps": [1]}, None, SimpleNamespace(curve=[1, 2])])
def test_what_is_no_curve_is_refused(thing):
    with pytest.raises(ConfigError, match=r"give a run, or its curve as a pandas DataFrame"):
        plot_training(thing)


@pytest.mark.parametrize(
    ("columns", "options", "size"),
    [
        (CURVES, {}, (676, 1200)),
        (CURVES[:1], {}, (384, 1200)),
        (CURVES, {"width_px": 700, "height_px": 500}, (500, 700)),
    ],
)
def test_the_picture_has_the_size_asked_for(curve, tmp_path, columns, options, size):
    path = save_figure(draw(curve[["steps", *columns]], **options), tmp_path / "a.png")
    assert imread(path).shape[:2] == size


def test_updates_in_which_no_episode_ended_leave_no_gap(curve):
    growth = curve["episode_growth"].where(np.arange(len(curve)) % 4 == 0)
    faint, _ = [line for line in draw(curve.assign(episode_growth=growth)).axes[0].lines if len(line.get_xdata()) > 2]
    assert faint.get_xdata().tolist() == curve["steps"][growth.notna()].tolist()
    assert faint.get_ydata().tolist() == growth.dropna().tolist()
