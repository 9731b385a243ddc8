from __future__ import annotations

import pytest

from dltrader.errors import RunError
from dltrader.evaluation.evaluation import Evaluation
from small_evaluations import small_evaluation


def test_what_was_kept_is_opened_again(tmp_path):
    made = small_evaluation(seeds=2)
    made.keep(tmp_path)
    for place in (tmp_path, tmp_path / "evaluation"):
        found = Evaluation.open(place)
        assert found.to_mapping() == made.to_mapping()
        assert found.equity.to_numpy() == pytest.approx(made.equity.to_numpy(), rel=1e-12)
    (tmp_path / "evaluation" / "evaluation.json").write_text("{")
    with pytest.raises(RunError, match=r"cannot read the evaluation in .*; evaluate anew"):
        Evaluation.open(tmp_path)


def test_a_notebook_shows_the_verdict_first_and_escapes_it():
    made = small_evaluation(name="<i>", seeds=2)
    shown = made._repr_html_()
    assert shown.index("<b>&lt;i&gt;") < shown.index(made.verdict[0].split(":")[0]) < shown.index("<table")
    assert "<i>" not in shown
    assert shown.count("<polyline") == 2
