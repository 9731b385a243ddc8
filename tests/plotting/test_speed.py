from __future__ import annotations

import json
from itertools import combinations
from types import SimpleNamespace

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.image import imread
from matplotlib.text import Text

from dltrader.errors import ConfigError
from dltrader.files import write_json
from dltrader.plotting import plot_speed, save_figure
from dltrader.plotting.speed import growth_over, machine_line, memory_line, stock_ratios
from dltrader.plotting.style import BENCHMARK, BLUE, SKY, to_png

PARTS = {
    "machine": {"cores": "2", "python": "3.11.7", "torch": "2.13.0+cpu", "stable-baselines3": "2.9.2"},
    "bars": 3000,
    "repeats": 3,
    "stepping": {
        "bare Cerebro": 6608.6,
        "TradingEnv": 5226.4,
        "1 lane": 6963.0,
        "64 lanes": 426_402.0,
        "1,024 lanes": 4_213_000.0,
        "16,384 lanes": 8_121_000.0,
        "1 lane, windows": 6757.0,
        "64 lanes, windows": 400_100.0,
        "1,024 lanes, windows": 3_222_444.0,
        "16,384 lanes, windows": 3_500_000.0,
    },
    "learning": {
        "mlp": {"stock, TradingEnv x 8": 3021.0, "stock, windows in lanes": 9834.0, "shared encodings": 16_831.0},
        "lstm": {"stock, TradingEnv x 8": 1131.0, "stock, windows in lanes": 2250.0, "shared encodings": 13_502.0},
        "attention": {"stock, TradingEnv x 8": 688.0, "stock, windows in lanes": 648.0, "shared encodings": 3410.0},
    },
    "growth": {
        "TradingEnv": {2000: 188.0, 20_000: 187.0, 200_000: 191.0, 1_000_000: 195.5},
        "1,024 lanes": {2000: 0.234, 20_000: 0.233, 200_000: 0.25, 1_000_000: 0.262},
        "1,024 lanes, windows": {2000: 0.31, 20_000: 0.32, 200_000: 0.36, 1_000_000: 0.4},
        "PPO, mlp": {2000: 16.4, 20_000: 26.7, 200_000: 29.2, 1_000_000: 29.9},
        "PPO, mlp, 8 lanes an episode": {2000: 20.1, 20_000: 19.5, 200_000: 19.6, 1_000_000: 19.9},
    },
    "peak": {"bars": 1_000_000, "features": 64, "lanes": 256, "n_steps": 512, "bytes": 1_181_116_006},
}


def draw(speed=PARTS, **options):
    figure = plot_speed(speed, **options)
    figure.canvas.draw()
    return figure


def texts(figure):
    """What is seen: no empty texts, and no numbers of ticks beyond an axis."""
    beyond = set()
    for axes in figure.axes:
        low, high = axes.get_xlim()
        beyond |= {label for label in axes.get_xticklabels() if not low <= label.get_position()[0] <= high}
        low, high = axes.get_ylim()
        beyond |= {label for label in axes.get_yticklabels() if not low <= label.get_position()[1] <= high}
    shown = [text for text in figure.findobj(Text) if text.get_text() and text.get_visible()]
    return [text for text in shown if text not in beyond]


def words(figure):
    return [text.get_text() for text in texts(figure)]


def test_every_value_of_stepping_stands_at_its_bar():
    axes = draw().axes[0]
    values = ["6.6k", "5.2k", "7.0k", "426k", "4.2M", "8.1M", "6.8k", "400k", "3.2M", "3.5M"]
    assert [text.get_text() for text in axes.texts] == values
    assert axes.get_xscale() == "log"
    bars = axes.patches
    np.testing.assert_allclose([bar.get_x() + bar.get_width() for bar in bars], list(PARTS["stepping"].values()))
    colours = [to_hex(bar.get_facecolor()) for bar in bars]
    assert colours == [BENCHMARK] * 2 + [BLUE] * 4 + [SKY] * 4
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert [name for name in names if name] == list(PARTS["stepping"])


def test_every_way_of_learning_stands_with_its_ratio_to_the_better_stock_way():
    axes = draw().axes[1]
    assert [text.get_text() for text in axes.texts] == [
        "3.0k  \u00d70.3", "9.8k  \u00d71.0", "16.8k  \u00d71.7",
        "1.1k  \u00d70.5", "2.2k  \u00d71.0", "13.5k  \u00d76.0",
        "688  \u00d71.0", "648  \u00d70.9", "3.4k  \u00d75.0",
    ]  # fmt: skip
    lengths = [bar.get_width() for bar in axes.patches]
    assert lengths[:3] == pytest.approx([3021 / 9834, 1.0, 16831 / 9834])
    assert lengths[6:] == pytest.approx([1.0, 648 / 688, 3410 / 688])
    ways = ["stock, TradingEnv \u00d7 8", "stock, windows in lanes", "shared encodings"]
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == ["mlp", *ways, "lstm", *ways, "attention", *ways]


def test_every_line_of_growth_is_named_with_its_cost_and_its_growth():
    axes = draw().axes[2]
    assert [text.get_text() for text in axes.texts] == [
        "TradingEnv\n196 µs, +4%",
        "1,024 lanes\n0.262 µs, +12%",
        "1,024 lanes, windows\n0.400 µs, +29%",
        "PPO, mlp\n29.9 µs, +82%",
        "PPO, mlp, 8 lanes an episode\n19.9 µs, \u22121%",
    ]
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert len({line.get_color() for line in axes.lines}) == 5
    for line, costs in zip(axes.lines, PARTS["growth"].values(), strict=True):
        assert dict(zip(line.get_xdata(), line.get_ydata(), strict=True)) == costs
    assert [label.get_text() for label in axes.get_xticklabels()] == ["2,000", "20k", "200k", "1M"]


def test_memory_machine_and_repeats_are_told():
    seen = words(draw())
    assert "1,000,000 bars \u00d7 64 features, 256 lanes \u00d7 512 steps: peak 1.1 GiB" in seen
    assert "2 cores, python 3.11.7, torch 2.13.0+cpu, stable-baselines3 2.9.2" in seen
    assert "3,000 bars  ·  an order on every bar  ·  medians of 3 interleaved repeats  ·  2 cores" in seen
    assert "3,000 bars  ·  an order on every bar  ·  each measured once  ·  2 cores" in words(
        draw(PARTS | {"repeats": 1})
    )


@pytest.mark.parametrize("width", [480, 700, 1000, 1200, 1600])
def test_no_words_overlap_and_none_leave_the_sheet(width):
    figure = draw(width_px=width)
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts(figure)]
    assert len(boxes) > 50
    # Letters themselves stand inside their boxes: two that touch by a pixel are still apart.
    hidden = [(a, b) for (a, one), (b, other) in combinations(boxes, 2) if one.padded(-1).overlaps(other.padded(-1))]
    assert hidden == []
    sheet = figure.bbox
    assert [name for name, box in boxes if box.x0 < 0 or box.x1 > sheet.x1 or box.y0 < 0 or box.y1 > sheet.y1] == []


def test_the_json_of_a_speed_gives_the_same_picture(tmp_path):
    write_json(tmp_path / "speed.json", PARTS)
    read = json.loads((tmp_path / "speed.json").read_text())
    assert read["growth"]["PPO, mlp"].keys() == {"2000", "20000", "200000", "1000000"}
    assert to_png(plot_speed(read)) == to_png(plot_speed(SimpleNamespace(**PARTS)))


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_equal_speeds_give_equal_files(tmp_path, suffix):
    with mpl.rc_context({"axes.facecolor": "black", "font.size": 20, "axes.grid": True}):
        ours = save_figure(plot_speed(PARTS), tmp_path / f"a{suffix}")
    assert ours.read_bytes() == save_figure(plot_speed(PARTS), tmp_path / f"b{suffix}").read_bytes()


def test_growth_may_have_a_single_size():
    single = {name: {2000: costs[2000]} for name, costs in PARTS["growth"].items()}
    assert "PPO, mlp\n16.4 µs" in words(draw(PARTS | {"growth": single}))


def test_growth_that_rounds_to_nothing_has_no_minus():
    assert "PPO, mlp\n61.3 µs, +0%" in words(draw(PARTS | {"growth": {"PPO, mlp": {2000: 61.4, 20_000: 61.3}}}))


@pytest.mark.parametrize("thing", [{"bars": 1}, None, SimpleNamespace(stepping={})])
def test_what_is_no_speed_is_refused(thing):
    with pytest.raises(ConfigError, match=r"cannot draw the speed of a \w+ without machine, .*measure_speed returned"):
        plot_speed(thing)


@pytest.mark.parametrize(
    ("options", "size"),
    [({}, (768, 1200)), ({"width_px": 600}, (1152, 600)), ({"width_px": 1100, "height_px": 900}, (900, 1100))],
)
def test_the_picture_has_the_size_asked_for(tmp_path, options, size):
    assert imread(save_figure(plot_speed(PARTS, **options), tmp_path / "a.png")).shape[:2] == size


def test_a_height_without_room_is_refused():
    with pytest.raises(ConfigError, match=r"height_px must be in \[\d+, 10000\], was 400"):
        plot_speed(PARTS, height_px=400)


def test_ratios_are_to_the_better_stock_way():
    assert stock_ratios({"stock a": 2.0, "stock b": 4.0, "ours": 6.0}) == {"stock a": 0.5, "stock b": 1.0, "ours": 1.5}


def test_growth_is_from_the_first_to_the_last():
    assert growth_over({1: 2.0, 2: 9.0, 3: 2.5}) == 0.25


def test_sizes_and_machine_in_words():
    assert machine_line({"cores": "1", "numpy": "2.4.6"}) == "1 core, numpy 2.4.6"
    peak = {"bars": 20_000, "features": 8, "lanes": 64, "n_steps": 32, "bytes": 879_550_464}
    assert memory_line(peak) == "20,000 bars \u00d7 8 features, 64 lanes \u00d7 32 steps: peak 839 MiB"
