"""Cuts of samples: which are learned from, which stop the training, and which are scored, with no label in common.

The label of a sample reaches ahead of its bar, up to the close at which its longest horizon ends. A sample whose label
reaches into bars that are held out, or that begins before the labels of what is held out have ended, tells of the same
bars as those it is scored on: such samples are purged.

Source: López de Prado 2018, "Advances in Financial Machine Learning", chapter 7.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from dltrader.errors import BarsError
from dltrader.evaluation.folds import LEAST_STEPS_BARS, Fold, FoldsConfig, Span, make_folds
from dltrader.forecast.samples import Samples

Chosen = npt.NDArray[np.bool_]


class Stretch(NamedTuple):
    """Bars in a row, by their times.

    Attributes:
        first: Of the first.
        last: Of the last, which is one of them.
    """

    first: pd.Timestamp
    last: pd.Timestamp


@dataclass(frozen=True)
class SampleSpans:
    """Where the bars of a training lie in time.

    Attributes:
        train: Bars to learn from, in pieces; in order.
        validation: Bars that stop the training.
        test: Bars that are scored out of sample, in pieces; in order.
    """

    train: tuple[Stretch, ...]
    validation: Stretch
    test: tuple[Stretch, ...]

    @classmethod
    def of_fold(cls, fold: Fold, times: pd.Index[Any]) -> Self:
        """The spans of a fold over bars with these times."""

        def timed(span: Span) -> Stretch:
            return Stretch(times[span.first], times[span.stop - 1])

        return cls(tuple(map(timed, fold.train)), timed(fold.validation), tuple(map(timed, fold.test)))

    @classmethod
    def of_slices(
        cls,
        train: Mapping[str, pd.DataFrame],
        validation: tuple[Mapping[str, pd.DataFrame], pd.Timestamp],
        test: tuple[Mapping[str, pd.DataFrame], pd.Timestamp],
    ) -> Self:
        """The spans of an experiment's slices; these three stand in the order of `DataConfig.cut`.

        Bars to learn from that have a gap where the validation or the test lies are as many pieces.
        """
        later = _opened(*validation), _opened(*test)
        times = _times_of(train)
        place = np.searchsorted(pd.DatetimeIndex([one.first for one in later]), times)
        pieces = [times[place == number] for number in range(len(later) + 1)]
        return cls(tuple(Stretch(one[0], one[-1]) for one in pieces if len(one)), later[0], (later[1],))

    @property
    def held_out(self) -> tuple[Stretch, ...]:
        """What nothing may be learned from."""
        return self.validation, *self.test


@dataclass(frozen=True, eq=False)
class CutSamples:
    """Samples of a training.

    Attributes:
        train: To learn from.
        validation: To stop by, and to calibrate on.
        test: To be scored out of sample.
        purged: How many were left out of training and validation, for their labels tell of bars that are held out.
    """

    train: Samples
    validation: Samples
    test: Samples
    purged: int


def cut_samples(samples: Samples, spans: SampleSpans) -> CutSamples:
    """Cut samples of one market or of several into those of training, validation and test, and purge them.

    Args:
        samples: With `ends`, as `samples_of` makes them.
        spans: Where the parts lie; the markets are cut at the same times.

    Raises:
        BarsError: It is not known where labels end.
    """
    if samples.ends is None:
        raise BarsError("the samples do not say where their labels end; make them with samples_of, or give them ends")
    ends = samples.ends
    learned = np.logical_or.reduce([_within(samples.times, piece) for piece in spans.train])
    validated = _within(samples.times, spans.validation)
    scored = np.logical_or.reduce([_within(samples.times, piece) for piece in spans.test])
    kept_train = learned & ~_told_of(samples.times, ends, spans.held_out)
    kept_validation = validated & ~_told_of(samples.times, ends, spans.test)
    return CutSamples(
        samples.take(kept_train),
        samples.take(kept_validation),
        samples.take(scored),
        int(learned.sum() - kept_train.sum() + validated.sum() - kept_validation.sum()),
    )


def label_folds(
    config: FoldsConfig, n_bars: int, horizon: int, *, first: int = 0, least: int = LEAST_STEPS_BARS
) -> tuple[Fold, ...]:
    """Folds for labels: between what is learned from and what is scored at least their horizon is left out.

    Args:
        config: How bars are cut; a horizon that is shorter there than that of the labels is lengthened.
        n_bars: Bars that there are.
        horizon: How many bars ahead the longest label reaches.
        first: The first bar at which a decision can be made.
        least: The fewest bars in a row that can be learned from, warm-up and window included.

    Raises:
        ConfigError: The configuration leaves out fewer bars than the horizon has.
        BarsError: The bars are too few; the message says what fits.
    """
    reach = max(config.horizon_bars, horizon)
    return make_folds(config.changed({"horizon_bars": reach}), n_bars, first=first, least=least)


def _within(times: pd.DatetimeIndex, stretch: Stretch) -> Chosen:
    return np.asarray((times >= stretch.first) & (times <= stretch.last))


def _told_of(times: pd.DatetimeIndex, ends: pd.DatetimeIndex, held_out: tuple[Stretch, ...]) -> Chosen:
    """Samples whose labels tell of bars that the labels of held-out bars tell of, or reach up to these bars."""
    found = np.zeros(len(times), bool)
    for stretch in held_out:
        inside = _within(times, stretch)
        reach = max(stretch.last, ends[inside].max()) if inside.any() else stretch.last
        found |= np.asarray((ends >= stretch.first) & (times < reach))
    return found


def _times_of(bars: Mapping[str, pd.DataFrame]) -> pd.DatetimeIndex:
    every = [pd.DatetimeIndex(frame.index) for frame in bars.values()]
    return pd.DatetimeIndex(every[0].append(list(every[1:])).unique().sort_values())


def _opened(bars: Mapping[str, pd.DataFrame], start: pd.Timestamp) -> Stretch:
    """The bars of a slice that are decided on."""
    times = _times_of(bars)
    return Stretch(times[times >= start][0], times[-1])
