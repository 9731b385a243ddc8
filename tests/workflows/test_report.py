from __future__ import annotations

import dataclasses
import json
import re

import pytest

from dltrader.errors import ConfigError, RunError
from dltrader.evaluation.evaluation import Evaluation
from dltrader.workflows import report as reports
from dltrader.workflows.evaluate import evaluate
from dltrader.workflows.report import compare, report
from small_evaluations import small_evaluation


@pytest.fixture
def kept(tmp_path):
    """A folder with an evaluation."""
    folder = tmp_path / "kept"
    folder.mkdir()
    small_evaluation().keep(folder)
    return folder


@pytest.fixture
def asked(monkeypatch):
    """What would have been evaluated, instead of evaluating it."""
    calls = []

    def remember(what, **options):
        calls.append((what, options))
        return small_evaluation(seeds=options["seeds"] or 1)

    monkeypatch.setattr(reports, "evaluate", remember)
    return calls


def test_a_report_of_a_run_is_written_from_its_evaluation(run):
    evaluation = evaluate(run, costs=(0.0, 10.0))
    made = report(run.path)
    assert made.html == run.path / "report" / "report.html"
    numbers = json.loads(made.numbers.read_text())["numbers"]
    assert numbers["summary.sharpe"] == evaluation.summary["sharpe"]["estimate"]
    assert numbers["costs.10bp.growth"] == evaluation.costs["rows"][1]["growth"]
    shown = made.html.read_text()
    marked = re.findall(r'<data value="([^"]*)" data-key="([^"]*)">', shown)
    assert len(marked) > 100
    assert all((float(value) if value else None) == numbers[key] for value, key in marked)
    assert f"# {run.config.name}" in made.markdown.read_text()
    assert len(json.loads(made.numbers.read_text())["series"]["equity"]["seed-0"]) == len(evaluation.equity)


def test_what_has_been_evaluated_is_not_evaluated_again(kept, asked):
    made = report(kept)
    assert asked == []
    assert made.html.is_file()
    assert report(kept / "evaluation").html == made.html


def test_what_has_not_been_evaluated_is(tmp_path, asked):
    report(tmp_path, seeds=2, jobs=3)
    assert asked == [(tmp_path, {"seeds": 2, "jobs": 3, "market": None})]


@pytest.mark.parametrize(
    ("options", "again"),
    [
        ({"seeds": 3}, False),
        ({"seeds": 4}, True),
        ({"market": "A<i>"}, False),
        ({"market": "B"}, True),
        ({"again": True}, True),
    ],
)
def test_other_seeds_or_markets_are_evaluated_anew(kept, asked, options, again):
    report(kept, **options)
    assert bool(asked) == again


@pytest.mark.parametrize(("made", "again"), [("2001-01-01T00:00:00+00:00", True), ("2101-01-01T00:00:00+00:00", False)])
def test_a_run_that_was_trained_since_is_evaluated_anew(run, asked, made, again):
    small_evaluation(made=made).keep(run.path)
    report(run.path)
    assert bool(asked) == again


def test_further_seeds_of_a_run_are_found_beside_it(kept, asked):
    beside = kept.with_name("kept-seeds")
    beside.mkdir()
    small_evaluation(seeds=5).keep(beside)
    made = report(kept, seeds=5)
    assert asked == []
    assert json.loads(made.numbers.read_text())["numbers"]["about.seeds"] == 5


def test_a_page_of_ones_own_lies_beside_its_twin(kept, tmp_path):
    made = report(kept, out=tmp_path / "new" / "mine.html")
    assert [path.name for path in (made.html, made.markdown, made.numbers)] == [
        "mine.html", "mine.md", "mine.metrics.json",
    ]  # fmt: skip
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["mine.html", "mine.md", "mine.metrics.json"]
    assert not (kept / "report").exists()


@pytest.mark.parametrize(("out", "said"), [("x.pdf", "ends in .html"), ("folder.html", "is a folder")])
def test_an_out_that_cannot_be_is_refused_before_anything_is_done(kept, asked, tmp_path, out, said):
    (tmp_path / "folder.html").mkdir()
    with pytest.raises(ConfigError, match=said):
        report(kept, out=tmp_path / out, again=True)
    assert asked == []


def test_an_out_that_cannot_be_written_is_named(kept, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot write"):
        report(kept, out=tmp_path / "file" / "x.html")


def test_a_missing_folder_and_a_damaged_evaluation_are_named(kept, tmp_path):
    with pytest.raises(RunError, match="there is no folder"):
        report(tmp_path / "none")
    (kept / "evaluation" / "evaluation.json").write_text("{")
    with pytest.raises(RunError, match="cannot read the evaluation"):
        report(kept)
    assert not (kept / "report").exists()


def test_a_report_written_again_takes_the_place_of_the_old_one(kept):
    first = report(kept)
    first.html.with_name("left.txt").write_text("")
    text = first.html.read_text()
    second = report(kept)
    assert second.html.read_text() == text
    assert sorted(path.name for path in second.html.parent.iterdir()) == ["metrics.json", "report.html", "report.md"]


def test_an_evaluation_that_was_kept_gives_the_same_page(kept):
    evaluation = small_evaluation()
    opened = Evaluation.open(kept)
    assert reports.report_page(opened).numbers.keys() == reports.report_page(evaluation).numbers.keys()


def test_runs_are_compared_on_one_page(kept, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    small = small_evaluation(seeds=2)
    dataclasses.replace(small, about={**small.about, "costs": {"commission": 0.0}}).keep(other)
    compared, made = compare([kept, other], out=tmp_path / "both.html")
    assert [one.label for one in compared] == ["kept", "other"]
    numbers = json.loads(made.numbers.read_text())["numbers"]
    assert numbers["kept.seeds"] == 3
    assert numbers["other.seeds"] == 2
    assert "other was tested with other costs than kept" in made.html.read_text()


def test_a_comparison_needs_two_different_folders(kept, tmp_path):
    with pytest.raises(ConfigError, match="at least two folders, was given 1"):
        compare([kept], out=tmp_path / "x.html")
    with pytest.raises(ConfigError, match="is named twice"):
        compare([kept, kept / "evaluation"], out=tmp_path / "x.html")


def test_a_report_shows_its_files_in_a_notebook(kept, tmp_path):
    made = report(kept, out=tmp_path / "a&b.html")
    assert made._repr_html_().count("<li>") == 3
    assert "a&amp;b.html" in made._repr_html_()
