from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dltrader.errors import BarsError, ConfigError
from dltrader.evaluation.folds import FoldsConfig
from dltrader.evaluation.sample_cuts import SampleSpans, Stretch, cut_samples, label_folds
from dltrader.forecast.samples import Samples

TIMES = pd.date_range("2001-01-01", periods=400, freq="D", tz="UTC")


def samples(horizon, n_bars=400, times=TIMES):
    """A sample at every bar with a future, whose features are its bar's number."""
    rows = np.arange(n_bars - horizon)
    return Samples(
        features=np.arange(n_bars, dtype=np.float32)[:, np.newaxis],
        names=("bar",),
        rows=rows,
        times=times[rows],
        side=rows % 3,
        movement=rows / 100,
        risk=rows / 200,
        wins={horizon: rows % 2},
        ends=times[rows + horizon],
    )


def between(first, last):
    return Stretch(TIMES[first], TIMES[last])


def numbers(part):
    return part.rows.tolist()


def test_what_reaches_into_later_slices_is_purged():
    spans = SampleSpans((between(0, 199),), between(200, 299), (between(300, 399),))
    cut = cut_samples(samples(10), spans)
    assert numbers(cut.train) == list(range(190))
    assert numbers(cut.validation) == list(range(200, 290))
    assert numbers(cut.test) == list(range(300, 390))
    assert cut.purged == 20
    assert cut.train.ends[-1] == TIMES[199]


def test_bars_that_were_left_out_before_a_test_hold_the_ends_of_labels():
    spans = SampleSpans((between(0, 189),), between(200, 289), (between(300, 399),))
    cut = cut_samples(samples(10), spans)
    assert [len(part) for part in (cut.train, cut.validation, cut.test)] == [190, 90, 90]
    assert cut.purged == 0


def test_behind_a_test_nothing_is_learned_before_its_last_label_has_ended():
    spans = SampleSpans((between(0, 99), between(200, 349)), between(360, 399), (between(100, 199),))
    cut = cut_samples(samples(10), spans)
    # The label of bar 199 ends at the close of 209, at which that of 209 begins.
    assert numbers(cut.train) == [*range(90), *range(209, 350)]
    assert numbers(cut.validation) == list(range(360, 390))
    assert cut.purged == 19


def test_markets_of_their_own_are_cut_at_the_same_times():
    later = TIMES[100:]
    joined = Samples.joined([samples(5), samples(5, 300, later)])
    spans = SampleSpans((between(0, 199),), between(200, 299), (between(300, 399),))
    cut = cut_samples(joined, spans)
    assert numbers(cut.train) == [*range(195), *range(400, 495)]
    assert cut.train.ends.max() == TIMES[199]
    assert cut.validation.times.min() == TIMES[200]
    assert len(cut.test) == 2 * 95


def test_samples_that_do_not_say_where_labels_end_are_not_cut():
    without = Samples(**{**vars(samples(5)), "ends": None})
    with pytest.raises(BarsError, match="do not say where their labels end; make them with samples_of"):
        cut_samples(without, SampleSpans((between(0, 9),), between(10, 19), (between(20, 29),)))


def test_slices_are_spans_from_their_first_to_their_last_bar():
    bars = {
        name: pd.DataFrame({"close": 1.0}, TIMES[part])
        for name, part in {"A": slice(0, 300), "B": slice(50, 400)}.items()
    }
    train = {name: frame.loc[frame.index < TIMES[200]] for name, frame in bars.items()}
    validation = {name: frame.loc[frame.index < TIMES[250]] for name, frame in bars.items()}
    spans = SampleSpans.of_slices(train, (validation, TIMES[200]), (bars, TIMES[250]))
    assert spans == SampleSpans((between(0, 199),), between(200, 249), (between(250, 399),))
    assert spans.held_out == (between(200, 249), between(250, 399))


def test_training_bars_on_both_sides_of_what_is_held_out_are_two_pieces():
    bars = pd.DataFrame({"close": 1.0}, TIMES)
    train = {"A": bars.iloc[[*range(100), *range(150, 200)]]}
    spans = SampleSpans.of_slices(train, ({"A": bars.iloc[:140]}, TIMES[105]), ({"A": bars}, TIMES[210]))
    assert spans.train == (between(0, 99), between(150, 199))
    assert spans.validation == between(105, 139)


@given(
    scheme=st.sampled_from([{"scheme": "anchored", "folds": 4}, {"scheme": "sliding", "folds": 3}, {"scheme": "cpcv"}]),
    horizon=st.integers(1, 30),
    embargo=st.integers(0, 20),
)
def test_in_every_fold_no_bar_is_told_of_on_both_sides(scheme, horizon, embargo):
    config = FoldsConfig.from_mapping({**scheme, "embargo_bars": max(embargo, 1)})
    assume(embargo == 0 or embargo >= horizon)
    if embargo == 0:
        config = config.changed({"embargo_bars": None})
    try:
        folds = label_folds(config, 400, horizon)
    except BarsError:
        assume(condition=False)
    for fold in folds:
        cut = cut_samples(samples(horizon), SampleSpans.of_fold(fold, TIMES))
        told = {
            name: {bar for row in numbers(part) for bar in range(row + 1, row + horizon + 1)}
            for name, part in {"train": cut.train, "validation": cut.validation, "test": cut.test}.items()
        }
        assert len(cut.train) > 0
        assert not told["train"] & told["validation"]
        assert not (told["train"] | told["validation"]) & told["test"]
        # What a fold leaves out is enough: nothing more has to be.
        assert cut.purged == 0


def test_a_longer_horizon_of_labels_leaves_out_more():
    fold = label_folds(FoldsConfig(), 400, 30)[0]
    assert fold.test[0].first - fold.validation.stop == 30
    assert fold.validation.first - fold.train[-1].stop == 30
    longer = label_folds(FoldsConfig(horizon_bars=40), 400, 30)[0]
    assert longer.test[0].first - longer.validation.stop == 40


def test_a_purge_that_is_shorter_than_the_labels_is_refused():
    with pytest.raises(ConfigError, match="horizon_bars 30 is longer than purge_bars 5"):
        label_folds(FoldsConfig(purge_bars=5), 400, 30)


def test_bars_that_are_too_few_for_folds_say_what_fits():
    with pytest.raises(BarsError, match="the largest folds that fits is"):
        label_folds(FoldsConfig(folds=12, test_bars=60), 400, 30)
