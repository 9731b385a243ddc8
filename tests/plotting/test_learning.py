from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dltrader.errors import ConfigError
from dltrader.plotting.learning import pieces_of, plot_learning
from dltrader.plotting.style import save_figure


def curve(**parts):
    passes = np.arange(1.0, 7.0)
    loss = {"train": 1.0 / passes, "validation": np.abs(passes - 4.0) + 0.5}
    return pd.DataFrame({"epoch": passes, **loss, **parts})


def stars(axes):
    return [line.get_xydata()[0].tolist() for line in axes.lines if line.get_gid() == "best"]


def texts(figure):
    return [text.get_text() for text in figure.texts] + [text.get_text() for axes in figure.axes for text in axes.texts]


def test_both_losses_and_a_star_where_validation_was_lowest():
    figure = plot_learning(curve())
    [panel] = figure.axes
    assert stars(panel) == [[4.0, 0.5]]
    np.testing.assert_array_equal(panel.lines[0].get_ydata(), 1.0 / np.arange(1.0, 7.0))
    assert "lowest validation loss 0.5" in texts(figure)


def test_a_panel_a_part_of_the_loss():
    figure = plot_learning(curve(side=np.linspace(1, 0, 6), movement=np.nan, risk=np.linspace(3, 2, 6)))
    assert len(figure.axes) == 3
    np.testing.assert_array_equal(figure.axes[2].lines[0].get_ydata(), np.linspace(3, 2, 6))


def test_forests_that_grew_one_after_the_other_are_not_joined(tmp_path):
    first, second = curve(model=5), curve(model=30)
    second["epoch"] += 6
    second["validation"] += 1.0
    figure = plot_learning(pd.concat([first, second], ignore_index=True))
    assert stars(figure.axes[0]) == [[4.0, 0.5], [10.0, 1.5]]
    assert "lowest validation loss 0.5 (5 bars)  ·  1.5 (30 bars)" in texts(figure)
    save_figure(figure, tmp_path / "learning.png")
    assert (tmp_path / "learning.png").stat().st_size > 5_000


def test_pieces_are_the_rows_of_a_model():
    assert pieces_of(curve()) == {"": slice(0, 6)}
    assert pieces_of(pd.DataFrame({"model": [5, 5, 5, 30]})) == {"5": slice(0, 3), "30": slice(3, 4)}


@pytest.mark.parametrize("given", [curve().drop(columns="train"), curve().iloc[:0]])
def test_what_is_no_curve_is_refused(given):
    with pytest.raises(ConfigError, match=r"^a learning curve has epoch, train and validation and a row a pass, f"):
        plot_learning(given)
