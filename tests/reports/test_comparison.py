from __future__ import annotations

from pathlib import Path

import pytest

from dltrader.reports.comparison import STYLES, Compared, comparison_page, differences, warnings_of
from dltrader.reports.render import to_html, to_markdown
from small_evaluations import small_evaluation

CONFIG = {"seed": 0, "env": {"window_bars": 4, "costs": {"commission": 0.001}}, "agent": {"name": "ppo"}}
OTHER = {"seed": 0, "env": {"window_bars": 8, "costs": {"commission": 0.001}}, "agent": {"name": "ppo", "gamma": 0.9}}


def run(label, *, seeds=2, **about):
    return Compared(label, Path(label), small_evaluation(name=label, seeds=seeds, **about))


@pytest.fixture(scope="module")
def two():
    return [run("a", config=CONFIG), run("b", seeds=3, config=OTHER)]


def test_metrics_stand_side_by_side(two):
    page = comparison_page(two)
    for one in two:
        assert page.numbers[f"{one.label}.sharpe"] == one.evaluation.summary["sharpe"]["estimate"]
        assert page.numbers[f"{one.label}.growth.low"] == one.evaluation.summary["growth"]["low"]
    assert "All were tested on the same bars at the same costs." in to_html(page)


def test_only_differences_of_the_configurations_are_listed(two):
    assert differences(two) == {"env.window_bars": [4, 8], "agent.gamma": [None, 0.9]}
    html = to_html(comparison_page(two))
    assert "env.window_bars" in html
    assert "env.costs.commission" not in html
    assert "The configurations are the same" in to_html(comparison_page([two[0], two[0]]))


@pytest.mark.parametrize(
    ("about", "said"),
    [
        ({"costs": {"commission": 0.0}}, "b was tested with other costs than a"),
        ({"end": "2002-12-31 00:00:00+00:00"}, "b was tested with another last bar than a"),
        ({"data_sha256": "f" * 64, "start": "2001-06-01"}, "b was tested with another first bar, other data than a"),
    ],
)
def test_runs_that_were_tested_otherwise_are_flagged(about, said):
    runs = [run("a"), run("b", **about)]
    warnings = warnings_of(runs)
    assert len(warnings) == 1
    assert warnings[0].startswith(said)
    page = comparison_page(runs)
    assert "Not tested alike." in to_html(page)
    assert said in to_markdown(page)


def test_runs_tested_alike_raise_no_flag(two):
    assert warnings_of(two) == []


def test_every_run_has_its_line_as_far_as_lines_can_be_told_apart():
    runs = [run(f"r{i}") for i in range(STYLES + 1)]
    html = to_html(comparison_page(runs))
    assert f'line run-{STYLES - 1}"' in html
    assert f'line run-{STYLES}"' not in html
    assert html.count('scope="col"><bdi class="name">r6</bdi>') >= 1


def test_labels_are_folders_or_paths_where_folders_are_alike(tmp_path):
    evaluation = small_evaluation()
    paths = [tmp_path / "x" / "run", tmp_path / "y" / "run", tmp_path / "other"]
    labels = [one.label for one in Compared.named(dict.fromkeys(paths, evaluation))]
    assert labels == [str(paths[0]), str(paths[1]), "other"]
