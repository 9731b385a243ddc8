from __future__ import annotations

import sys
from importlib import import_module

import pytest

from dltrader.errors import MissingExtraError
from dltrader.workflows import study as module
from dltrader.workflows.space import Space
from dltrader.workflows.study import Study, differences

SPACE = Space.load({"a": {"low": 1, "high": 9, "step": 2}, "b": {"low": 0.1, "high": 0.4, "step": 0.1}})


def test_what_is_drawn_lies_on_the_steps_and_waits(tmp_path):
    study = Study.open(tmp_path / "study.db", SPACE, {}, seed=0)
    drawn = study.draw(12)
    assert [trial.number for trial in drawn] == list(range(12))
    assert {trial.state for trial in drawn} == {"waiting"}
    assert {trial.drawn["a"] for trial in drawn} <= {1, 3, 5, 7, 9}
    assert {round(trial.drawn["b"], 9) for trial in drawn} <= {0.1, 0.2, 0.3, 0.4}


def test_another_process_goes_on_where_one_was_ended(tmp_path):
    whole = Study.open(tmp_path / "whole.db", SPACE, {}, seed=3)
    parts = Study.open(tmp_path / "parts.db", SPACE, {}, seed=3)
    for study in (whole, parts):
        study.draw(2)
        study.finish(0, [[(10, 0.25), (20, 0.125)], [(10, 0.0), (20, 0.5), (30, 1.0)]], pruned=True)
        study.fail(1, "why")
    again = Study.open(tmp_path / "parts.db", SPACE, {}, seed=3)
    assert again.draw(3) == whole.draw(3)
    pruned, failed = again.trials[:2]
    assert (pruned.state, pruned.validation_growth) == ("pruned", pytest.approx(0.375))  # as far as both came
    assert (failed.state, failed.error, failed.validation_growth) == ("failed", "why", None)


def test_differences_are_named_by_their_keys():
    before, now = {"a": {"b": 1, "c": [2]}, "d": None, "e": 1}, {"a": {"b": 1, "c": [3]}, "d": {"x": 1}, "f": 1}
    assert differences(before, now) == [
        "a.c was [2], is [3]",
        "d was None, is {'x': 1}",
        "e was there, and is not",
        "f was not there, and is",
    ]
    assert differences(now, now) == []


def test_without_optuna_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    monkeypatch.delitem(sys.modules, module.__name__)
    with pytest.raises(MissingExtraError, match=r'^Optuna is not installed; run: pip install "dltrader\[tune\]"$'):
        import_module(module.__name__)
