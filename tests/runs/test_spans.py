from __future__ import annotations

import pandas as pd
import pytest

from dltrader.errors import BarsError, ConfigError
from dltrader.evaluation.folds import FoldsConfig, make_folds
from dltrader.runs import ExperimentConfig
from dltrader.runs.experiment import DataConfig
from dltrader.runs.spans import Spans
from market_bars import random_walk
from small_runs import experiment

DAYS = {
    "train": [["2001-01-01", "2001-01-20"], ["2001-02-10", "2001-02-20"]],
    "validation": ["2001-02-22", "2001-02-28"],
    "test": [["2001-01-25", "2001-02-05"], ["2001-03-02", "2001-03-10"]],
}


def days(frame):
    return [f"{day:%m-%d}" for day in (frame.index[0], frame.index[-1])], len(frame)


def test_bars_are_cut_by_the_spans_of_a_fold():
    bars = {"a": random_walk(100), "b": random_walk(90, 1)}
    data = DataConfig(bars=dict.fromkeys(bars, "sample:AAPL"), spans=Spans.from_mapping(DAYS))
    train, (validation, begins), (test, tested) = data.cut(bars)
    for name in bars:
        pieces = [days(piece[name]) for piece in data.spans.pieces(bars)]
        assert pieces == [(["01-01", "01-20"], 20), (["02-10", "02-20"], 11)]
        assert train[name].index.equals(bars[name].index[[*range(20), *range(40, 51)]])
        # It warms up on the bars of its own piece, and on no test.
        assert days(validation[name]) == (["02-10", "02-28"], 19)
        assert days(test[name]) == (["01-01", "03-10"], 69)
    assert (begins, tested) == (pd.Timestamp("2001-02-22", tz="UTC"), pd.Timestamp("2001-01-25", tz="UTC"))


def test_spans_of_a_fold_name_its_bars():
    frame = random_walk(120)
    for scheme in ({"folds": 3}, {"scheme": "cpcv", "groups": 4}):
        for fold in make_folds(FoldsConfig.from_mapping(scheme), len(frame), first=3):
            spans = Spans.of(fold, frame.index)
            data = DataConfig(spans=spans)
            slices = data.cut({"asset": frame})
            rows = [bar for span in fold.train for bar in range(span.first, span.stop)]
            pd.testing.assert_frame_equal(slices.train["asset"], frame.iloc[rows], check_freq=False)
            history, begins = slices.validation
            assert history["asset"].index[-1] == frame.index[fold.validation.stop - 1]
            assert begins == frame.index[fold.validation.first]
            history, begins = slices.test
            assert history["asset"].index[-1] == frame.index[fold.test[-1].stop - 1]
            assert begins == frame.index[fold.test[0].first]
            assert Spans.from_mapping(spans.to_mapping()) == spans


def test_what_knows_nothing_of_spans_and_folds_is_written_as_before():
    plain = ExperimentConfig.load(experiment())
    assert "spans" not in plain.to_mapping()["data"]
    assert "walk_forward" not in plain.to_mapping()
    assert "spans" not in plain.to_yaml()
    walked = plain.with_overrides({"walk_forward.folds": 3, "data.spans": DAYS})
    again = ExperimentConfig.from_mapping(walked.to_mapping())
    assert again == walked
    assert again.walk_forward == FoldsConfig(folds=3)
    assert again.with_overrides({"walk_forward": None, "data.spans": None}).to_yaml() == plain.to_yaml()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"validation": ["2001-02-15", "2001-02-28"]},
            (
                "spans must not overlap: train 2001-02-10 to 2001-02-20 and validation 2001-02-15 to 2001-02-28; "
                "end one before the other begins"
            ),
        ),
        (
            {"test": [["2001-01-10", "2001-02-05"]]},
            "spans must not overlap: train 2001-01-01 to 2001-01-20 and test 2001-01-10 to 2001-02-05",
        ),
        ({"train": DAYS["train"][::-1]}, "spans must be in the order of time"),
        ({"validation": ["2001-02-28", "2001-02-22"]}, "a span must not end before it begins"),
        ({"validation": "2001-02-28"}, "a span must be the times of its first and its last bar, was '2001-02-28'"),
        ({"validation": ["2001-02-22", "soon"]}, "a time of a span must be a date or time such as '2001-01-31'"),
        ({"train": []}, "train must have at least 1 item"),
    ],
)
def test_spans_that_cannot_be_are_refused(changes, message):
    with pytest.raises(ConfigError) as caught:
        Spans.from_mapping(DAYS | changes)
    assert message.replace("2001-01-31", "2010-01-31") in str(caught.value)


def test_a_span_without_bars_is_refused():
    data = DataConfig(spans=Spans.from_mapping(DAYS))
    with pytest.raises(BarsError, match=r"asset has no bar from 2001-02-10 to 2001-02-20; change data\.spans"):
        data.cut({"asset": random_walk(30)})
