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
from dltrader.plotting import plot_oracle, save_figure
from dltrader.plotting.oracle import columns_for
from dltrader.plotting.style import BLUE, INK, LONG, SHORT, to_png

SIGNAL = np.linspace(-2.5, 2.5, 41)
HELD = np.array([-1.0, 0.0, 1.0])


def jumps(enter):
    """From short, none and long: to the other side where the signal is beyond `enter`."""
    return np.stack([np.where(np.abs(SIGNAL) > enter, np.sign(SIGNAL), held) for held in HELD])


def standing(task="discrete(1)", agent="ppo (mlp)", *, axis="signal", seeds=3, optimal=None, learned=None, held=HELD):
    optimal = jumps(1.0) if optimal is None else optimal
    learned = np.stack([jumps(0.5 + 0.2 * seed) for seed in range(seeds)]) if learned is None else learned
    return {
        "name": f"{task}_{agent}",
        "task": task,
        "agent": agent,
        "fractions": [0.9 + 0.01 * seed for seed in range(seeds)],
        "fraction": 0.9123,
        "interval": [0.9, 0.92],
        "curves": {
            "axis": axis,
            "signal": SIGNAL.tolist(),
            "held": list(held),
            "optimal": optimal.tolist(),
            "learned": learned.tolist(),
        },
    }


def smooth():
    optimal = 0.5 * HELD[:, None] * 3.0 + 0.8 * SIGNAL
    return standing("quadratic", optimal=optimal, learned=optimal[None] + 0.1, seeds=1, held=3.0 * HELD)


MANY = [
    standing(),
    standing("linear_capped", "recurrent_ppo (attention)", seeds=10),
    smooth(),
    standing("hidden(3, 1)", "recurrent_ppo (mlp)", axis="estimate of the signal"),
    standing("hidden(3, 1)", axis="estimate of the signal"),
    standing("ritter"),
]


def draw(found=MANY, **options):
    figure = plot_oracle({"standings": found}, **options)
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
    return [text for text in figure.findobj(Text) if text.get_text() and text.get_visible() and text not in beyond]


def words(figure):
    return [text.get_text() for text in texts(figure)]


def curves_in(axes):
    return [line for line in axes.lines if len(line.get_xdata()) == len(SIGNAL)]


def test_the_optimum_and_every_training_are_drawn_from_each_position():
    one = standing()
    lines = curves_in(draw([one]).axes[0])
    assert len(lines) == 3 * (2 + 3)  # a broad and a dark line for the optimum, a thin one for each of three seeds
    for held, colour in enumerate((SHORT, BLUE, LONG)):
        broad, dark, *learned = lines[5 * held : 5 * held + 5]
        for line in (broad, dark):
            assert line.get_ydata().tolist() == one["curves"]["optimal"][held]
        assert [line.get_ydata().tolist() for line in learned] == [seed[held] for seed in one["curves"]["learned"]]
        assert all(line.get_xdata().tolist() == SIGNAL.tolist() for line in (broad, dark, *learned))
        assert [to_hex(line.get_color()) for line in (broad, dark, *learned)] == [colour, INK, *[colour] * 3]
        assert broad.get_linewidth() > max(learned[0].get_linewidth(), dark.get_linewidth())


def test_positions_that_jump_stand_apart_and_those_that_glide_where_they_are():
    jumping, gliding = draw([standing(), smooth()]).axes
    for axes, apart in ((jumping, 5.0), (gliding, 0.0)):
        for number, way in ((0, -1.0), (1, 0.0), (2, 1.0)):
            line = [line for line in curves_in(axes) if line.get_color() != INK][
                number * (len(curves_in(axes)) // 3 - 1)
            ]
            moved = line.get_transform().transform((0.0, 0.0)) - axes.transData.transform((0.0, 0.0))
            np.testing.assert_allclose(moved, [-way * apart, way * apart], atol=1e-6)


def test_each_panel_says_task_agent_fraction_and_interval():
    seen = words(draw([standing()]))
    for expected in ("discrete(1)", "ppo (mlp)", "91.2% of the optimum", "90.0% … 92.0%"):
        assert expected in seen
    assert "position taken at each signal  ·  3 trainings  ·  interquartile mean and its 95% interval" in seen


def test_the_heading_says_from_how_many_to_how_many_trainings_the_panels_show():
    seen = words(draw([standing(seeds=5), standing(seeds=10)]))
    assert "position taken at each signal  ·  5 to 10 trainings  ·  interquartile mean and its 95% interval" in seen


def test_what_is_done_from_none_is_fainter_where_none_is_only_held_at_the_start():
    always = jumps(1.0)
    sometimes = always.copy()
    sometimes[[0, 2]] = np.where(np.abs(SIGNAL) < 0.5, 0.0, sometimes[[0, 2]])  # goes back to none
    for optimal, is_start in ((always, True), (sometimes, False)):
        figure = draw([standing(optimal=optimal)])
        short, none, long = (curves_in(figure.axes[0])[i + 2] for i in (0, 5, 10))
        assert short.get_alpha() == long.get_alpha()
        assert (none.get_alpha() < short.get_alpha()) == is_start
        assert figure.axes[0].get_xlabel() == ("signal  ·  held none only at the start" if is_start else "signal")


def test_a_single_training_has_no_interval():
    seen = words(draw([smooth()]))
    assert "position taken at each signal  ·  1 training" in seen
    assert "90.0% … 92.0%" not in seen


def test_levels_alone_are_numbered_where_positions_jump():
    labels = [text.get_text() for text in draw([standing()]).axes[0].get_yticklabels()]
    assert labels == ["\u22121", "0", "1"]


def test_the_limits_contain_what_is_drawn_and_positions_held():
    learned = jumps(1.0)[None] * 1.4
    low, high = draw([standing(seeds=1, learned=learned)]).axes[0].get_ylim()
    assert low < -1.4
    assert high > 1.4
    low, high = draw([smooth() | {"curves": smooth()["curves"] | {"held": [-9.0, 0.0, 9.0]}}]).axes[0].get_ylim()
    assert low < -9.0
    assert high > 9.0


def test_what_is_not_known_leaves_a_gap():
    learned = jumps(1.0)[None].copy()
    learned[:, :, -4:] = np.nan
    one = standing(seeds=1, learned=learned)
    one["curves"]["learned"] = [[[None if np.isnan(y) else y for y in row] for row in seed] for seed in learned]
    line = curves_in(draw([one]).axes[0])[2]
    assert np.isnan(line.get_ydata()[-4:]).all()
    assert np.isfinite(line.get_ydata()[:-4]).all()


@pytest.mark.parametrize("width", [480, 760, 1000, 1200, 1600])
def test_no_words_overlap_and_none_leave_the_sheet(width):
    figure = draw(width_px=width)
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts(figure)]
    assert len(boxes) > 50
    hidden = [(a, b) for (a, one), (b, other) in combinations(boxes, 2) if one.padded(-1).overlaps(other.padded(-1))]
    assert hidden == []
    sheet = figure.bbox
    assert [name for name, box in boxes if box.x0 < 0 or box.x1 > sheet.x1 or box.y0 < 0 or box.y1 > sheet.y1] == []


@pytest.mark.parametrize(("panels", "width", "columns"), [(1, 1200, 1), (2, 1200, 2), (4, 1200, 2), (5, 1200, 3),
                                                          (9, 1200, 3), (5, 800, 2), (5, 480, 1)])  # fmt: skip
def test_panels_stand_side_by_side_where_there_is_room(panels, width, columns):
    assert columns_for(panels, width) == columns


def test_the_json_gives_the_same_picture(tmp_path):
    write_json(tmp_path / "oracle.json", {"standings": MANY})
    read = json.loads((tmp_path / "oracle.json").read_text())
    measured = [SimpleNamespace(to_mapping=lambda one=one: one) for one in MANY]
    assert to_png(plot_oracle(read)) == to_png(plot_oracle(measured))


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_equal_standings_give_equal_files(tmp_path, suffix):
    with mpl.rc_context({"axes.facecolor": "black", "font.size": 20, "axes.grid": True}):
        ours = save_figure(plot_oracle(MANY), tmp_path / f"a{suffix}")
    assert ours.read_bytes() == save_figure(plot_oracle(MANY), tmp_path / f"b{suffix}").read_bytes()


@pytest.mark.parametrize("thing", [{"stepping": {}}, None, [], {"standings": []}, [{"task": "ritter"}], "ritter"])
def test_what_is_no_standing_is_refused(thing):
    with pytest.raises(ConfigError, match=r"cannot draw \w+ without standings that have task, .*measure_oracle"):
        plot_oracle(thing)


@pytest.mark.parametrize(("options", "size"), [({}, (798, 1200)), ({"width_px": 500, "height_px": 2000}, (2000, 500))])
def test_the_picture_has_the_size_asked_for(tmp_path, options, size):
    assert imread(save_figure(plot_oracle(MANY, **options), tmp_path / "a.png")).shape[:2] == size


def test_a_height_without_room_is_refused():
    with pytest.raises(ConfigError, match=r"height_px must be in \[\d+, 10000\], was 300"):
        plot_oracle(MANY, height_px=300)
