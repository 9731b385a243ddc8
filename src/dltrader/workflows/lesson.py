"""A lesson: what all members of an ensemble learn from, and are scored on, in its own training or in that of a fold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from dltrader.data.bars import median_gap, times_of
from dltrader.envs.market import Market
from dltrader.errors import BarsError
from dltrader.evaluation.sample_cuts import CutSamples, SampleSpans, cut_samples
from dltrader.features import FittedPipeline, Pipeline
from dltrader.forecast.labels import longest_horizon
from dltrader.forecast.learnable import require_enough, require_sides, require_wins
from dltrader.forecast.samples import Samples
from dltrader.forecast.samples_of import samples_of
from dltrader.runs.ensemble import EnsembleConfig
from dltrader.runs.experiment import Slices
from dltrader.runs.sample_spans import sample_spans


@dataclass(frozen=True, eq=False)
class Lesson:
    """Samples of all markets, cut and purged, with the features that were fitted on the training bars.

    Attributes:
        experiment: The ensemble; of a fold with its `data.spans`.
        slices: Its bars.
        pipeline: Computes the features.
        samples: To learn from, to stop by, and to be scored on out of sample: of a fold only.
        instruments: The markets by name.
        interval: Median time between bars.
        lengths: Instrument -> bars that the samples' features are of, market below market.
    """

    experiment: EnsembleConfig
    slices: Slices
    pipeline: FittedPipeline
    samples: CutSamples
    instruments: tuple[str, ...]
    interval: pd.Timedelta
    lengths: Mapping[str, int]

    @classmethod
    def of(
        cls,
        experiment: EnsembleConfig,
        frames: Mapping[str, pd.DataFrame],
        context: Mapping[str, pd.DataFrame],
        *,
        learnable: bool = True,
    ) -> Lesson:
        """Cut the bars, compute features and labels, and check that there is something to be learned.

        Args:
            experiment: The ensemble; of a fold with its `data.spans`.
            frames: Instrument -> bars; of a fold those before the ensemble's own test.
            context: Markets that features look at.
            learnable: Whether to check that every member can learn from the samples.

        Raises:
            BarsError: The bars are too few, or have one label only.
            ConfigError: A feature looks at a market that is not there.
            FeatureError: A feature cannot be computed.
        """
        slices, env = experiment.data.cut(frames), experiment.members_env
        pipeline = Pipeline(env.features, env.scaling).fit(_learned_from(experiment, slices), context)
        # The ensemble's own test bars are not looked at; whoever cuts folds has left them out of the frames.
        known = slices.validation[0] if experiment.data.spans is None else frames
        each = [
            samples_of(
                Market.build({name: frame}, env, pipeline=pipeline, context=context),
                experiment.labels,
                env.costs,
                horizons=horizons_of(experiment),
                window_bars=env.window_bars,
            )
            for name, frame in known.items()
        ]
        joined = each[0] if len(each) == 1 else Samples.joined(each)
        samples = cut_samples(joined, sample_spans(experiment.data, slices))
        lengths = {name: len(frame) for name, frame in known.items()}
        lesson = cls(experiment, slices, pipeline, samples, tuple(known), _interval(frames), lengths)
        if learnable:
            lesson._require_learnable()
        return lesson

    @property
    def spans(self) -> SampleSpans:
        """Where training, validation and test lie in time."""
        return sample_spans(self.experiment.data, self.slices)

    def _require_learnable(self) -> None:
        train, validation = self.samples.train, self.samples.validation
        for name, member in self.experiment.forecasters.items():
            require_enough(train, validation, member.least_samples, f"members.{name}")
            require_sides(train, f"members.{name}")
            for horizon in member.horizons:
                require_wins(train, horizon, f"members.{name}")
        if not len(validation):
            raise BarsError("there is no bar with a label to validate on; let validation begin earlier or end later")


def horizons_of(experiment: EnsembleConfig) -> tuple[int, ...]:
    """The horizons whose wins any member learns, in bars, from the shortest on."""
    return tuple(sorted({bars for member in experiment.forecasters.values() for bars in member.horizons}))


def reach_of(experiment: EnsembleConfig) -> int:
    """How many bars ahead the longest label reaches."""
    return longest_horizon(experiment.labels, horizons_of(experiment))


def _learned_from(experiment: EnsembleConfig, slices: Slices) -> Mapping[str, pd.DataFrame]:
    """The training bars; pieces between which bars are left out by themselves, so that no feature reaches across."""
    spans = experiment.data.spans
    if spans is None or len(spans.train) == 1:
        return slices.train
    pieces = spans.pieces(slices.train)
    return {f"{name} {number}": frame for number, piece in enumerate(pieces, 1) for name, frame in piece.items()}


def _interval(frames: Mapping[str, pd.DataFrame]) -> pd.Timedelta:
    return median_gap(times_of(next(iter(frames.values()))))
