from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.text import Annotation

from dltrader.plotting.labels import EndLabel, Row, draw_header, draw_table, label_ends, spread
from dltrader.plotting.style import new_chart

PLACES = st.lists(st.floats(0.0, 100.0), min_size=1, max_size=8)


def test_places_far_apart_stay():
    assert spread([10.0, 90.0], 20.0, 0.0, 100.0) == pytest.approx([10.0, 90.0])


def test_places_too_close_give_way_alike():
    assert spread([50.0, 50.0], 20.0, 0.0, 100.0) == pytest.approx([40.0, 60.0])


def test_the_order_of_labels_is_that_of_their_lines():
    assert spread([52.0, 48.0], 20.0, 0.0, 100.0) == pytest.approx([60.0, 40.0])


def test_a_label_at_the_edge_stays_inside():
    assert spread([99.0, 100.0], 20.0, 0.0, 100.0) == pytest.approx([80.0, 100.0])


def test_labels_that_do_not_fit_leave_alike_at_both_ends():
    assert spread([5.0, 5.0, 5.0], 10.0, 0.0, 10.0) == pytest.approx([-5.0, 5.0, 15.0])


def test_no_labels_take_no_place():
    assert spread([], 20.0, 0.0, 100.0) == []


@given(places=PLACES, gap=st.floats(0.0, 12.0))
def test_labels_are_apart_in_order_and_inside(places, gap):
    moved = np.array(spread(places, gap, 0.0, 100.0))
    order = np.argsort(places, kind="stable")
    assert (np.diff(moved[order]) >= gap - 1e-6).all()
    assert moved.min() >= -1e-6
    assert moved.max() <= 100.0 + 1e-6


@given(places=PLACES)
def test_labels_with_room_do_not_move(places):
    assert spread(places, 0.0, 0.0, 100.0) == pytest.approx(places)


def test_end_labels_do_not_overlap_and_skip_what_is_not_finite():
    chart = new_chart(800, 400)
    axes = chart.add_axes((0.1, 0.1, 0.7, 0.8))
    label_ends(
        axes,
        [EndLabel(0.5, "a\n1", "k"), EndLabel(0.51, "b\n2", "k"), EndLabel(np.nan, "c", "k")],
    )
    chart.draw_without_rendering()
    texts = axes.findobj(Annotation)
    assert [text.get_text() for text in texts] == ["a\n1", "b\n2"]
    low, high = (text.get_window_extent() for text in texts)
    assert low.y1 <= high.y0
    assert low.x0 == pytest.approx(axes.bbox.x1 + 8.0 * 100 / 72, abs=1.5)


def test_without_a_finite_end_nothing_is_labelled():
    chart = new_chart(800, 400)
    axes = chart.add_axes((0.1, 0.1, 0.7, 0.8))
    label_ends(axes, [EndLabel(np.nan, "a", "k")])
    assert axes.findobj(Annotation) == []


def test_a_long_title_is_set_smaller_until_it_fits():
    chart = new_chart(600, 400)
    draw_header(chart, 30, 570, "A very long title " * 5, "short")
    title, subtitle = chart.texts
    assert title.get_window_extent().x1 <= 575
    assert subtitle.get_fontsize() == 10.5


@pytest.mark.parametrize(("width", "columns"), [(480, 3), (1200, 4)])
def test_a_table_has_as_many_columns_as_have_room(width, columns):
    chart = new_chart(width, 400)
    headings = ["Total return", "Per year", "Sharpe", "Max drawdown"]
    row = Row("ppo", ["+1.0%", "+2.0%", "0.71", "\u22123.0%"], "k", bold=True)
    assert draw_table(chart, 30, width - 30, headings, [row]) == columns
    words = [text.get_text() for text in chart.texts]
    cells = [item for pair in zip(headings, row.cells, strict=True) for item in pair]
    assert words == [*cells[: 2 * columns], "ppo"]
    boxes = [text.get_window_extent() for text in chart.texts[::2][:columns]]
    assert all(a.x1 + 4 < b.x0 for a, b in pairwise(boxes))
    assert max(text.get_window_extent().x1 for text in chart.texts) <= width - 29
