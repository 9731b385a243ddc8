"""Trainings on bars that were made: an experiment, bars in place of its own, and what came of it out of sample."""

from __future__ import annotations

import math
import multiprocessing
import tempfile
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any, Literal, TypeVar

import pandas as pd

from dltrader.agents.policy import Policy
from dltrader.data import expand, load_bars
from dltrader.envs.market import instrument_of
from dltrader.envs.rewards import growth_between
from dltrader.errors import ConfigError
from dltrader.evaluation.backtest import backtest
from dltrader.evaluation.result import BacktestResult
from dltrader.registry import did_you_mean
from dltrader.runs import ExperimentConfig
from dltrader.runs.experiment import shipped_configs
from dltrader.workflows.train import train

Key = TypeVar("Key", bound=Hashable)
Argument = TypeVar("Argument")
Found = TypeVar("Found")

BLOCK_BARS = 20
"""Bars of a block: a month, in which volatility stays alike."""


def experiment_of(kind: Literal["planted", "placebo"], name: str, overrides: Mapping[str, Any]) -> ExperimentConfig:
    """An experiment by its name among those that are shipped for the benchmark, by any other shipped name, or a file.

    Raises:
        ConfigError: There is no such experiment, or a value is wrong.
    """
    shipped = shipped_configs() | shipped_configs(kind)
    if name not in shipped and not Path(name).suffix and not Path(name).is_file():
        raise ConfigError(f"no configuration file {name!r}{did_you_mean(name, shipped)}")
    return ExperimentConfig.load(shipped.get(name, Path(name)), overrides)


def markets_of(uris: Sequence[str]) -> dict[str, pd.DataFrame]:
    """The bars of source URIs, and of all that a wildcard stands for, by URI.

    Raises:
        ConfigError: A market is named twice.
        SourceError: Nothing matches a wildcard, or bars cannot be had.
    """
    expanded = [one for uri in uris for one in expand(uri)]
    twice = next((uri for uri in expanded if expanded.count(uri) > 1), None)
    if twice is not None:
        raise ConfigError(f"the bars {twice} are named twice; name every market once")
    return {uri: load_bars(uri) for uri in expanded}


def trained_on(experiment: ExperimentConfig, bars: pd.DataFrame) -> Policy:
    """Train as `workflows.train` does, on bars in place of the experiment's own; the best policy on validation bars."""
    with tempfile.TemporaryDirectory(prefix="dltrader-") as folder:
        run = train(experiment, bars=bars, out=Path(folder) / "run", kind="benchmark")
        if run.manifest["status"] == "interrupted":
            raise KeyboardInterrupt
        return run.policy()


def tested(policy: Policy, experiment: ExperimentConfig, bars: pd.DataFrame) -> BacktestResult:
    """The backtest of a policy on the experiment's test bars, in Cerebro, without baselines beside it."""
    frames, start = experiment.data.cut({instrument_of(bars): bars}).test
    return backtest(policy, frames, experiment.env, start=start, benchmark=False)


def growth_of(result: BacktestResult) -> float:
    """Log growth of equity from the first decision to the last bar; about -13.8 where it was ruined."""
    equity = result.equity
    return math.log(growth_between(float(equity.iloc[0]), float(equity.iloc[-1])))


def for_each(
    function: Callable[[Argument], Found],
    arguments: Mapping[Key, Argument],
    *,
    jobs: int,
    watch: Callable[[Key, Found], Any],
) -> dict[Key, Found]:
    """The results of a function by key, in the order of the keys however many processes find them.

    Args:
        function: Of a module, as processes need it.
        arguments: What it is called with.
        jobs: Processes; one is this one.
        watch: Called with every result as it comes.
    """
    found: dict[Key, Found] = {}

    def keep(key: Key, result: Found) -> None:
        found[key] = result
        watch(key, result)

    if jobs == 1:
        for key, argument in arguments.items():
            keep(key, function(argument))
        return found
    spawn = multiprocessing.get_context("spawn")  # a fork of a process that has used torch may hang
    with ProcessPoolExecutor(min(jobs, len(arguments)), mp_context=spawn) as pool:
        waiting = {pool.submit(function, argument): key for key, argument in arguments.items()}
        for done in as_completed(waiting):
            keep(waiting[done], done.result())
    return {key: found[key] for key in arguments}
