"""Check a configuration or a run for leaks."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dltrader.agents.trained import TrainedPolicy
from dltrader.data.cache import cache_key
from dltrader.envs.market import context_of
from dltrader.errors import LookAheadError
from dltrader.evaluation.leaks import LeakReport, Part, Plan, Span, Subject, check_cache_key
from dltrader.evaluation.leaks.cut import Fit
from dltrader.evaluation.leaks.environment import (
    apart,
    backtest_of,
    clock_of,
    feature_stage,
    observation_stage,
    random_backtest,
    reward_labels,
    together,
)
from dltrader.evaluation.leaks.subject import parts
from dltrader.evaluation.leaks.tables import Frames, Table
from dltrader.features import FittedPipeline, Pipeline
from dltrader.forecast.policy import EnsemblePolicy
from dltrader.runs import ExperimentConfig, Run
from dltrader.runs.ensemble import EnsembleConfig, load_experiment
from dltrader.runs.experiment import Experiment, Slices
from dltrader.runs.run import MANIFEST
from dltrader.workflows.check_ensemble import lessons_of, sample_sums, untrained_ensemble, with_ensemble
from dltrader.workflows.lesson import Lesson
from dltrader.workflows.untrained import untrained_policy


def check_leaks(
    config: Experiment | Run | str | Path | Mapping[str, Any],
    overrides: Mapping[str, Any] | None = None,
    *,
    every: int | None = None,
    sample: int | None = None,
    seed: int = 0,
) -> LeakReport:
    """Alter and remove bars, and see whether anything changes that was known before them.

    Looked at are the features, what the policy sees, the fit on the training bars and the cut after them, rewards, the
    policy's actions and its fills; and whether rows change when history begins later. The policy is that of the run, or
    of a configuration one whose weights are drawn and never trained. Every bar is looked at; of more than 5 000, as
    many, drawn. Backtests are made on the test bars, around a few fills.

    Of an ensemble also: what labels tell of, and whether any reaches over a border between training, validation and
    test, in every fold too; and what its members say of bars. Members of a configuration have hardly learned.

    Args:
        config: A configuration, a file, the name of a shipped one, or a run or its folder.
        overrides: Dotted keys with new values.
        every: Look at every so many bars.
        sample: Look at about so many bars.
        seed: Of all that is drawn.

    Raises:
        ConfigError: The configuration is wrong, or both `every` and `sample` are given.
        RunError: The folder is no run, or has no policy yet.
        SourceError: The bars cannot be had.
        BarsError: The bars break their rules, or are too few.
        FeatureError: A feature cannot be computed.
    """
    began = time.perf_counter()
    plan = Plan(every=every, sample=sample, seed=seed)
    run = _run_of(config)
    experiment = load_experiment(run.config if run is not None else config, overrides)
    frames = _frames_of(experiment)
    traded, context = apart(frames)
    slices = experiment.data.cut(traded)
    found: list[Part] = []
    refused: str | None = None
    pipeline: FittedPipeline | None = None
    try:
        pipeline = Pipeline(experiment.env.features, experiment.env.scaling).fit(slices.train, context)
    except LookAheadError as error:
        refused = f"all but the features: the pipeline refuses to be fitted: {error}"
    lessons = lessons_of(experiment, frames) if pipeline and isinstance(experiment, EnsembleConfig) else ()
    policy = (
        None if pipeline is None else (run.policy() if run is not None else _untrained(experiment, pipeline, lessons))
    )
    subjects = _subjects(experiment, frames, slices, pipeline, policy)
    if isinstance(policy, EnsemblePolicy):
        subjects = {
            name: with_ensemble(subject, lessons, policy) if subject.stages else subject
            for name, subject in subjects.items()
        }
    for name, subject in subjects.items():
        found += [_named(part, name) for part in parts(subject, plan)]
    found.append(_keys(traded, experiment))
    if refused is not None:
        found.append(Part(skipped=[refused]))
    return LeakReport.of(experiment.name, found, seconds=time.perf_counter() - began)


def _untrained(
    experiment: Experiment, pipeline: FittedPipeline, lessons: Sequence[Lesson]
) -> TrainedPolicy | EnsemblePolicy:
    """What a configuration would train, with nothing or hardly anything learned."""
    if isinstance(experiment, ExperimentConfig):
        return untrained_policy(experiment, pipeline)
    return untrained_ensemble(lessons[0])


def _keys(traded: Frames, experiment: Experiment) -> Part:
    """Whether the cache of what providers deliver tells the dates of requests apart."""
    times = next(iter(traded.values())).index
    uri = next(iter(experiment.data.uris().values()))
    request = {"uri": uri, "first": times[0], "last": times[-1]}
    return check_cache_key(cache_key, request, {"uri": f"{uri}.", "first": times[1], "last": times[-2]})


def _run_of(config: Any) -> Run | None:
    """The run that is meant; None where a configuration is."""
    if isinstance(config, Run):
        return config
    is_folder = isinstance(config, str | Path) and (Path(config) / MANIFEST).is_file()
    return Run.open(config) if is_folder or (isinstance(config, str | Path) and Path(config).is_dir()) else None


def _frames_of(experiment: Experiment) -> dict[str, pd.DataFrame]:
    """All bars that a training looks at."""
    return together(experiment.data.load(), context_of(experiment.env))


def _subjects(
    experiment: Experiment,
    frames: Frames,
    slices: Slices,
    pipeline: FittedPipeline | None,
    policy: TrainedPolicy | EnsemblePolicy | None,
) -> dict[str, Subject]:
    """What is checked by name: of markets apart each by itself, and what they have in common once."""
    traded, context = apart(frames)
    env = experiment.env
    if isinstance(policy, EnsemblePolicy):  # it also sees what its trading rules look at
        env, pipeline = policy.env_config, policy.pipeline
    env = env.model_copy(update={"episode_bars": None, "random_start": False})
    start = slices.test[1]
    markets = {name: {name: frame} for name, frame in traded.items()} if experiment.data.apart else {"": traded}
    subjects = {}
    for name, market in markets.items():
        bars = together(market, context)
        stages = [feature_stage(env, bars)]
        subject = Subject(name, bars, clock_of(bars), tuple(stages))
        if pipeline is not None:
            stages.append(observation_stage(env, bars, pipeline))
            subject = replace(subject, stages=tuple(stages))
        if policy is not None and set(market) <= set(slices.test[0]):
            trades = backtest_of(policy, env, pipeline, start), random_backtest(env, start)
            subject = replace(subject, labels=(reward_labels(env, start),), trades=trades)
        subjects[name] = subject
    if pipeline is None:
        return subjects
    times = [frame.index for frame in traded.values()]
    clock = pd.DatetimeIndex(times[0].append(times[1:]).unique().sort_values()) if len(times) > 1 else times[0]
    cut = Subject("", frames, pd.DatetimeIndex(clock), fit=_fit(experiment), spans=_spans(slices))
    if experiment.data.apart:
        return {"all markets": cut} | subjects
    return {"": replace(subjects[""], fit=cut.fit, spans=cut.spans)}


def _fit(experiment: Experiment) -> Fit:
    """What is learned of the training bars before anything else is: which they are, and the scaling's moments."""

    def fit(altered: Frames) -> Table:
        traded, context = apart(altered)
        train = experiment.data.cut(traded).train
        moments = Pipeline(experiment.env.features, experiment.env.scaling).fit(train, context).moments
        names = [f"training bars of {name}" for name in train]
        values = [float(frame.to_numpy().sum()) for frame in train.values()]
        if moments is not None:
            columns = Pipeline(experiment.env.features, experiment.env.scaling).names
            names += [f"{what} of {column}" for what in ("mean", "deviation") for column in columns]
            values += [*moments.mean, *moments.deviation]
        if isinstance(experiment, EnsembleConfig):
            sums = sample_sums(experiment, altered)
            names, values = [*names, *sums], [*values, *sums.values()]
        last = max(frame.index[-1] for frame in train.values())
        return Table(pd.DatetimeIndex([last]), tuple(names), np.array([values]))

    return fit


def _spans(slices: Slices) -> tuple[Span, ...]:
    """The slices by the bars that are learned from, chosen on and traded."""
    train = slices.train.values()
    later = {"validation": slices.validation, "test": slices.test}
    first = Span("train", min(frame.index[0] for frame in train), max(frame.index[-1] for frame in train))
    return first, *(
        Span(name, start, max(frame.index[-1] for frame in bars.values())) for name, (bars, start) in later.items()
    )


def _named(part: Part, name: str) -> Part:
    """A part with the market's name before what was found in it."""
    if not name:
        return part
    findings = [replace(each, feature=f"{name}: {each.feature}") for each in part.findings]
    checked = [replace(each, what=f"{each.what} ({name})") for each in part.checked]
    return Part(findings, checked, [f"{name}: {each}" for each in part.skipped])
