from __future__ import annotations

import pickle
import subprocess
import sys

import matplotlib as mpl
import pytest
from matplotlib.image import imread

from dltrader.errors import ConfigError
from dltrader.plotting import plot_backtest, save_figure
from dltrader.plotting.style import STYLE, dress, new_chart, styled, to_png

from .conftest import make_bars, make_result


@pytest.fixture
def figure():
    chart = new_chart(640, 400)
    axes = chart.add_axes((0.1, 0.1, 0.8, 0.8))
    dress(axes)
    axes.plot([1, 2, 3], [2, 1, 3])
    return chart


@pytest.mark.parametrize(
    ("suffix", "start"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF"), (".PNG", b"\x89PNG")]
)
def test_the_suffix_chooses_the_format(figure, tmp_path, suffix, start):
    path = save_figure(figure, tmp_path / f"plot{suffix}")
    assert path == tmp_path / f"plot{suffix}"
    assert path.read_bytes().startswith(start)


@pytest.mark.parametrize("name", ["plot.jpg", "plot", "plot.png.txt"])
def test_another_suffix_is_refused_and_nothing_is_written(figure, tmp_path, name):
    with pytest.raises(ConfigError, match=r"name the figure \.png, \.svg or \.pdf"):
        save_figure(figure, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("dpi", [0.0, -1.0, float("nan")])
def test_a_dpi_that_is_not_positive_is_refused(figure, tmp_path, dpi):
    with pytest.raises(ConfigError, match="dpi must be > 0"):
        save_figure(figure, tmp_path / "plot.png", dpi=dpi)


def test_a_png_has_the_size_in_pixels(figure, tmp_path):
    assert imread(save_figure(figure, tmp_path / "a.png")).shape[:2] == (400, 640)
    assert imread(save_figure(figure, tmp_path / "b.png", dpi=200)).shape[:2] == (800, 1280)


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_equal_figures_give_equal_files(tmp_path, suffix):
    contents = {
        save_figure(plot_backtest(make_result(make_bars(40), switches=6)), tmp_path / f"{name}{suffix}").read_bytes()
        for name in "ab"
    }
    assert len(contents) == 1


def test_missing_folders_are_made_and_no_temporary_file_stays(figure, tmp_path):
    path = save_figure(figure, tmp_path / "a" / "b" / "plot.png")
    assert [entry.name for entry in path.parent.iterdir()] == ["plot.png"]


def test_a_failed_write_leaves_the_old_file(figure, tmp_path, monkeypatch):
    path = tmp_path / "plot.png"
    path.write_bytes(b"old")

    def refuse(*_):
        raise OSError("disk full")

    monkeypatch.setattr("pathlib.Path.replace", refuse)
    with pytest.raises(OSError, match="disk full"):
        save_figure(figure, path)
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["plot.png"]


@pytest.mark.parametrize(("width", "height"), [(479, 400), (640, 319), (10_001, 400)])
def test_a_sheet_out_of_range_is_refused(width, height):
    with pytest.raises(ConfigError, match=r"must be in \[\d+, 10000\], was \d+; it is in pixels"):
        new_chart(width, height)


def test_the_users_settings_come_back():
    before = dict(mpl.rcParams)
    with styled():
        assert mpl.rcParams["text.color"] == STYLE["text.color"]
    assert dict(mpl.rcParams) == before


def test_the_picture_is_the_same_under_a_dark_style():
    result = make_result(make_bars(200), switches=8)
    light = to_png(plot_backtest(result))
    with mpl.rc_context(
        {
            "axes.facecolor": "black",
            "text.color": "white",
            "xtick.color": "white",
            "ytick.major.size": 9,
            "grid.color": "red",
            "axes.grid": True,
            "font.size": 20,
            "savefig.bbox": "tight",
            "figure.facecolor": "black",
        }
    ):
        dark = to_png(plot_backtest(result))
    assert dark == light


def test_drawing_needs_no_pyplot():
    code = (
        "import sys, dltrader.plotting, pandas as pd\n"
        "dltrader.plotting.plot_training(pd.DataFrame({'steps': [1, 2], 'value_loss': [1, 2]}))\n"
        "print('matplotlib.pyplot' in sys.modules)"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert output.stdout.strip() == "False"


def test_a_notebook_shows_the_figure(figure):
    formatters = pytest.importorskip("IPython.core.formatters")
    shown, _ = formatters.DisplayFormatter().format(figure)
    assert shown["image/png"] == to_png(figure)


def test_a_figure_survives_pickling(figure):
    assert to_png(pickle.loads(pickle.dumps(figure))) == to_png(figure)
