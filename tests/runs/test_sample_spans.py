from __future__ import annotations

from dltrader.evaluation.folds import FoldsConfig
from dltrader.evaluation.sample_cuts import SampleSpans, Stretch, label_folds
from dltrader.runs.experiment import DataConfig
from dltrader.runs.sample_spans import sample_spans
from dltrader.runs.spans import Spans
from market_bars import random_walk

BARS = {"A": random_walk(400)}
TIMES = BARS["A"].index


def test_two_cuts_are_three_spans_without_a_gap():
    data = DataConfig(validation_start=0.5, test_start=0.75)
    spans = sample_spans(data, data.cut(BARS))
    assert spans.train == (Stretch(TIMES[0], TIMES[199]),)
    assert spans.validation == Stretch(TIMES[200], TIMES[299])
    assert spans.test == (Stretch(TIMES[300], TIMES[399]),)


def test_the_spans_of_a_fold_are_those_that_it_was_cut_at():
    folds = label_folds(FoldsConfig(scheme="cpcv", groups=5), 400, 5)
    assert len(folds) == 10
    for fold in folds:
        data = DataConfig(spans=Spans.of(fold, TIMES))
        assert sample_spans(data, data.cut(BARS)) == SampleSpans.of_fold(fold, TIMES)
