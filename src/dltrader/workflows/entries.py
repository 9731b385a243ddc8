"""Entries: what trainings and backtests tell the trial ledger, and what it tells them of those before.

Whatever is wrong with the ledger, a training or a backtest goes on: one line says so through `logging`, and the number
of trials is kept as unknown where it would have stood.

Kept in a run's manifest and in the metrics of a backtest:
    trials               distinct trials behind the data, this one included; null where that is unknown
    trials_unknown       why it is; null where it is known
    test_looked_before   backtests before this one on the same test bars, in whole or in part; null as above
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd

from dltrader.data import fingerprint, periods_per_year
from dltrader.data.bars import times_of
from dltrader.data.cache import PROVENANCE
from dltrader.envs.rewards import growth_between
from dltrader.errors import LedgerError, RunError
from dltrader.evaluation.metrics import returns_of
from dltrader.evaluation.result import BacktestResult
from dltrader.evaluation.statistics.sharpe import moments
from dltrader.runs import Run
from dltrader.runs.experiment import Experiment, Slices
from dltrader.runs.ledger import Ledger
from dltrader.runs.trial import DataSet, Entry, Kind, Scores, Span, config_id, span_of, trial_id, written

logger = logging.getLogger(__name__)


def enter(entry: Entry) -> dict[str, Any]:
    """Tell the ledger of an entry; what it says of the trials behind the same data, for a file of the run."""
    ledger = Ledger.open()
    looked = ledger.looked(entry.data)
    try:
        ledger.record(entry)
    except LedgerError as error:
        logger.warning("LedgerError: %s; the run goes on, and how many trials stand behind it is unknown", error)
    trials = ledger.count(entry.data)
    return {
        "trials": trials,
        "trials_unknown": ledger.unknown,
        "test_looked_before": None if trials is None else looked,
    }


def about_training(
    experiment: Experiment,
    slices: Slices,
    frames: Mapping[str, pd.DataFrame],
    sha256: str,
    kind: Kind,
    *,
    variant: str = "",
) -> dict[str, Any]:
    """What a manifest has to say of a training, so that the ledger can be told of it however it ends.

    Args:
        experiment: What is trained.
        slices: Its bars as they are cut.
        frames: All of them.
        sha256: Their fingerprint.
        kind: What it is to the ledger; the trainings of a walk-forward are known by their spans.
        variant: What else decides what comes of it: a hook, the run whose weights it begins with.
    """
    is_fold = experiment.data.spans is not None
    uris = {name: uri for name, uri in experiment.data.uris().items() if name in frames}
    data = DataSet.of(sha256, uris, slices)
    spans = {"train": data.train, "validation": data.validation, "test": data.test}
    origins = {
        name: {key: frame.attrs[key] for key in PROVENANCE if key in frame.attrs} for name, frame in frames.items()
    }
    return {
        "kind": "walk-forward fold" if is_fold else kind,
        "trial": trial_id(config_id(experiment), experiment.seed, sha256, variant=variant),
        "data": {
            "uris": uris,
            **{part: [written(moment) for moment in span or ()] for part, span in spans.items()},
            "periods_per_year": periods_per_year(next(iter(frames.values()))),
            "origins": {name: origin for name, origin in origins.items() if origin},
        },
    }


def enter_training(run: Run) -> None:
    """Tell the ledger how a training has ended, and keep in its manifest what the ledger says."""
    manifest, config = run.manifest, run.config
    about = manifest.get("data", {})
    started, ended = (pd.Timestamp(manifest[name]) for name in ("started", "ended"))
    standing = enter(
        Entry(
            kind=manifest.get("kind", "train"),
            experiment=config.name,
            config_id=config_id(config),
            trial=_trial_of(run, manifest, "best"),
            data=data_of_manifest(manifest),
            seed=config.seed,
            engine=config.engine,
            status=manifest["status"],
            scores=_validated(run, manifest, about.get("periods_per_year")),
            run=str(run.path.resolve()),
            seconds=(ended - started).total_seconds(),
        )
    )
    run.keep_standing(standing)


def enter_backtest(
    run: Run, result: BacktestResult, data: DataSet, *, which: str | int, seconds: float
) -> dict[str, Any]:
    """Tell the ledger of a backtest; what it says, for the metrics.

    Args:
        run: Whose policy was tested.
        result: What was found.
        data: The bars that it was tested on; their test slice is what may have been looked at.
        which: Which of the run's policies.
        seconds: How long it took.
    """
    manifest = run.manifest
    own = data_of_manifest(manifest)
    tested = _span(result.equity.index)
    # Bars of its own markets before its test were seen in training anyway.
    learned = own.test is not None and set(data.markets) <= set(own.markets) and tested.last < own.test.first
    return enter(
        Entry(
            kind="backtest",
            experiment=run.config.name,
            config_id=config_id(run.config),
            trial=_trial_of(run, manifest, which),
            data=data,
            seed=run.config.seed,
            engine="cerebro",
            scores=scores_of(result),
            run=str(run.path.resolve()),
            seconds=seconds,
            tested=tested,
            looked=not learned,
        )
    )


def enter_result(
    kind: Kind, experiment: Experiment, result: BacktestResult, *, sha256: str, folder: str, seconds: float | None
) -> dict[str, Any]:
    """Tell the ledger of any other look at bars out of sample: a whole walk-forward, an evaluation.

    Args:
        kind: What it is.
        experiment: The whole configuration, with the seed.
        result: What was found, on bars that nothing was trained on.
        sha256: Fingerprint of all bars, those before included.
        folder: Where it is kept.
        seconds: How long it took.
    """
    tested = _span(result.equity.index)
    data = DataSet(sha256, experiment.data.uris(), test=tested)
    is_whole = kind == "walk-forward"
    config, variant = config_id(experiment, whole=is_whole), kind if is_whole else ""
    return enter(
        Entry(
            kind=kind,
            experiment=experiment.name,
            config_id=config,
            trial=trial_id(config, experiment.seed, sha256, variant=variant),
            data=data,
            seed=experiment.seed,
            engine="cerebro",
            scores=scores_of(result),
            run=folder,
            seconds=seconds,
            tested=tested,
            looked=True,
        )
    )


def warn_of_unknown(folders: Iterable[Path]) -> None:
    """Say in one line that the ledger could not be told of some of many trainings: their own words are in their logs.

    Args:
        folders: Of their runs, where there are any.
    """
    if Ledger.open().off:
        return
    reasons: list[str] = []
    for folder in folders:
        with suppress(RunError):  # a training that came to nothing has no run, or one that says nothing
            reasons += filter(None, [Run.open(folder).manifest.get("trials_unknown")])
    if reasons:
        logger.warning(
            "LedgerError: %s; so it was for %d training(s), and how many trials stand behind them is unknown",
            reasons[0],
            len(reasons),
        )


def data_of_test(run: Run, frames: Mapping[str, pd.DataFrame], slices: Slices, tested: Iterable[str]) -> DataSet:
    """A run's own data, as far as the instruments that are tested go."""
    uris, names = run.config.data.uris(), list(tested)
    sha256 = fingerprint({name: frames[name] for name in names})
    return DataSet.of(sha256, {name: uris[name] for name in names}, slices)


def data_of_others(uris: Mapping[str, str], frames: Mapping[str, pd.DataFrame], result: BacktestResult) -> DataSet:
    """Bars that a run was not trained on: all that were traded are test bars."""
    return DataSet(fingerprint(frames), dict(uris), test=_span(result.equity.index))


def scores_of(result: BacktestResult) -> Scores:
    """What the ledger keeps of a backtest."""
    equity = result.equity
    found = moments(returns_of(equity).to_numpy())
    return Scores(
        growth=math.log(growth_between(float(equity.iloc[0]), float(equity.iloc[-1]))),
        sharpe=found.sharpe,
        returns=found.n,
        max_drawdown=result.metrics["max_drawdown"],
        skewness=found.skewness,
        kurtosis=found.kurtosis,
        periods_per_year=periods_per_year(next(iter(result.bars.values()))),
    )


def _validated(run: Run, manifest: Mapping[str, Any], bars_a_year: float | None) -> Scores:
    """What the best checkpoint did on the validation bars."""
    best, curve = manifest["best"], run.curve
    if best is None:
        return Scores()
    annual = math.nan
    if "validation_sharpe" in curve.columns:
        annual = float(curve.loc[curve["steps"] == best["steps"], "validation_sharpe"].iloc[-1])
    sharpe = annual / math.sqrt(bars_a_year) if bars_a_year else math.nan
    return Scores(best["validation_growth"], sharpe, periods_per_year=bars_a_year)


def _trial_of(run: Run, manifest: Mapping[str, Any], which: str | int) -> str:
    """The trial that a policy of a run is: that of the run, or of a checkpoint that was not its best."""
    config, sha256 = run.config, str(manifest.get("data_sha256", ""))
    trial = manifest.get("trial") or trial_id(config_id(config), config.seed, sha256)
    curve, best = run.curve, manifest["best"]
    steps = int(curve["steps"].iloc[-1]) if which == "final" and len(curve) else which
    if which == "best" or best is None or steps == best["steps"]:
        return str(trial)
    return trial_id(str(trial), config.seed, sha256, variant=f"checkpoint {steps}")


def data_of_manifest(manifest: Mapping[str, Any]) -> DataSet:
    """The data of a run; without spans where an earlier version trained it."""
    about = manifest.get("data", {})
    spans = {part: span_of(*about[part]) for part in ("train", "validation", "test") if about.get(part)}
    return DataSet(str(manifest.get("data_sha256", "")), about.get("uris", {}), **spans)


def _span(index: pd.Index[Any]) -> Span:
    times = times_of(pd.DataFrame(index=index))
    return Span(times[0], times[-1])
