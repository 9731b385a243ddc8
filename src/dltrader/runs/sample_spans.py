"""Where the samples of an experiment lie: its slices, or the spans of its fold, as cuts of samples take them."""

from __future__ import annotations

from dltrader.data.times import moment
from dltrader.evaluation.sample_cuts import SampleSpans, Stretch
from dltrader.runs.experiment import DataConfig, Slices
from dltrader.runs.spans import Between


def sample_spans(data: DataConfig, slices: Slices) -> SampleSpans:
    """The spans to cut samples at.

    Args:
        data: What the slices were cut by; spans of a fold leave bars out between them.
        slices: What it gave.
    """
    if data.spans is None:
        return SampleSpans.of_slices(*slices)
    return SampleSpans(
        train=tuple(map(_stretch, data.spans.train)),
        validation=_stretch(data.spans.validation),
        test=tuple(map(_stretch, data.spans.test)),
    )


def _stretch(between: Between) -> Stretch:
    first, last = (moment(time, "a time of a span") for time in between)
    return Stretch(first, last)
