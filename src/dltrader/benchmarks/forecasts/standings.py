"""Standings: how forecasters stand after several seeds, and whether that is what is asked of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, stdev
from typing import Any, NamedTuple

from dltrader.benchmarks.forecasts.setting import Setting
from dltrader.benchmarks.forecasts.significance import too_many_chance
from dltrader.benchmarks.forecasts.trials import ENSEMBLE, Trial, run_trial
from dltrader.benchmarks.planted.trainings import for_each
from dltrader.errors import ConfigError

SHARE_ASKED = 0.9
"""Of what can be achieved over the base rate."""
CALIBRATION_ASKED = 0.03
"""Largest calibration error."""
LEVEL = 0.05
"""Of the test of a gain over the base rate, one-sided."""
TOO_MANY = 0.01
"""So many false positives or more, and so unlikely, are more than chance."""
EXCESS_ALLOWED = 0.001
"""Of what can be achieved: so near to its best member an ensemble is no worse. Its weights are fitted on other bars,
and which of several equally good members comes out best is luck."""


@dataclass(frozen=True)
class Standing:
    """How a model stands; tuples have one element a seed, log losses are in nats.

    Attributes:
        model: Its name.
        target: What it was asked: "side", or "win_5h".
        base: Log loss of the base rate on unseen bars.
        best: That of the law on the same bars; nan where there is none.
        expected: That of the law in the long run; nan where there is none.
        loss: The model's.
        calibration_errors: Over ten bins.
        best_calibration_errors: Those of the law, which chance makes; nan where there is none.
        p_values: Chance of a gain over the base rate so large, were there none to be had.
    """

    model: str
    target: str
    base: tuple[float, ...]
    best: tuple[float, ...]
    expected: float
    loss: tuple[float, ...]
    calibration_errors: tuple[float, ...]
    best_calibration_errors: tuple[float, ...]
    p_values: tuple[float, ...]

    @property
    def is_known(self) -> bool:
        """Whether there is a law, and so something to be learned."""
        return not math.isnan(self.expected)

    @property
    def share(self) -> float:
        """Of what can be achieved over the base rate, over all seeds; nan without a law."""
        return (sum(self.base) - sum(self.loss)) / (sum(self.base) - sum(self.best)) if self.is_known else math.nan

    @property
    def gain(self) -> float:
        """How much smaller the log loss is than the base rate's, in the mean over seeds."""
        return fmean(self.base) - fmean(self.loss)

    @property
    def gain_error(self) -> float:
        """Its standard error; nan for one seed."""
        gains = [base - loss for base, loss in zip(self.base, self.loss, strict=True)]
        return stdev(gains) / math.sqrt(len(gains)) if len(gains) > 1 else math.nan

    @property
    def calibration_error(self) -> float:
        """The mean over seeds."""
        return fmean(self.calibration_errors)

    @property
    def winners(self) -> int:
        """Seeds with a significant gain over the base rate."""
        return sum(p_value < LEVEL for p_value in self.p_values)

    @property
    def winners_chance(self) -> float:
        """How likely so many are, or more, where nothing can be learned."""
        return too_many_chance(self.winners, len(self.p_values), LEVEL)

    @property
    def is_as_asked(self) -> bool:
        """Where there is a law, enough of what can be achieved, and calibrated; else, no gain beyond chance."""
        if self.is_known:
            return self.share >= SHARE_ASKED and self.calibration_error <= CALIBRATION_ASKED
        return self.winners_chance >= TOO_MANY

    def to_mapping(self) -> dict[str, Any]:
        """Plain values, as JSON holds them: null where there is no number."""
        found = asdict(self) | {
            "share": self.share,
            "gain": self.gain,
            "calibration_error": self.calibration_error,
            "winners": self.winners,
            "winners_chance": self.winners_chance,
            "is_as_asked": self.is_as_asked,
        }
        return {name: _without_nan(value) for name, value in found.items()}


@dataclass(frozen=True)
class Measured:
    """What a setting came to.

    Attributes:
        setting: Its name.
        task: The name of its task.
        standings: Of every model and of the ensemble.
        sides: Model -> its log loss over sides, one a seed, whether it learns them or not.
        weights: Model -> its share in the ensemble's vote, in the mean over seeds.
        learned: Bars that were learned from.
        unseen: Bars that were scored on.
        seconds: Mean seconds of a seed.
    """

    setting: str
    task: str
    standings: tuple[Standing, ...]
    sides: Mapping[str, tuple[float, ...]]
    weights: Mapping[str, float]
    learned: int
    unseen: int
    seconds: float

    @property
    def is_known(self) -> bool:
        """Whether there is something to be learned."""
        return self.standings[0].is_known

    @property
    def best_member(self) -> str:
        """The model with the smallest log loss over sides."""
        return min(self.sides, key=lambda model: sum(self.sides[model]))

    @property
    def ensemble(self) -> Standing:
        """The ensemble's."""
        return next(standing for standing in self.standings if standing.model == ENSEMBLE)

    @property
    def excess(self) -> float:
        """Log loss of the ensemble over that of its best member; at most 0 where it is no worse."""
        return fmean(self.ensemble.loss) - fmean(self.sides[self.best_member])

    @property
    def is_no_worse(self) -> bool:
        """Whether the ensemble comes up to its best member; nothing is asked of it where nothing can be learned."""
        if not self.is_known:
            return True
        achievable = fmean(self.ensemble.base) - fmean(self.ensemble.best)
        return self.excess <= EXCESS_ALLOWED * achievable

    @property
    def is_as_asked(self) -> bool:
        """Every model is, and the ensemble is no worse than its best member."""
        return self.is_no_worse and all(one.is_as_asked for one in self.standings)

    def to_mapping(self) -> dict[str, Any]:
        """Plain values, as JSON holds them."""
        return {
            "setting": self.setting,
            "task": self.task,
            "standings": [standing.to_mapping() for standing in self.standings],
            "sides": {model: list(losses) for model, losses in self.sides.items()},
            "weights": dict(self.weights),
            "best_member": self.best_member,
            "excess": self.excess,
            "learned": self.learned,
            "unseen": self.unseen,
            "seconds": self.seconds,
            "is_as_asked": self.is_as_asked,
        }


class _Todo(NamedTuple):
    """One trial, as a process is told of it."""

    setting: Setting
    seed: int


def measure_forecasts(
    settings: Mapping[str, Setting],
    *,
    seeds: Mapping[str, Sequence[int]],
    jobs: int = 1,
    watch: Callable[..., Any] = lambda *_: None,
) -> list[Measured]:
    """Let the forecasters of every setting learn with each of its seeds, and score them on unseen bars.

    Args:
        settings: By name.
        seeds: Name -> seeds of bars and trainings.
        jobs: Processes; what comes out does not depend on how many.
        watch: Called with (setting, seed) and the trial, after each.

    Raises:
        BarsError: There are too few bars.
        ConfigError: There is no seed.
    """
    if idle := [name for name in settings if not seeds[name]]:
        raise ConfigError(f"at least one seed is needed, {idle[0]} has none")
    todo = {(name, seed): _Todo(setting, seed) for name, setting in settings.items() for seed in seeds[name]}
    found = for_each(_tried, todo, jobs=jobs, watch=watch)
    return [
        measured_of(name, setting, [found[name, seed] for seed in seeds[name]]) for name, setting in settings.items()
    ]


def measured_of(name: str, setting: Setting, trials: Sequence[Trial]) -> Measured:
    """The trials of a setting as one."""
    first = trials[0]
    rows = [[trial.scores[row] for trial in trials] for row in range(len(first.scores))]
    return Measured(
        setting=name,
        task=setting.task.name,
        standings=tuple(
            Standing(
                model=row[0].model,
                target=row[0].target,
                base=tuple(score.base for score in row),
                best=tuple(score.best for score in row),
                expected=row[0].expected,
                loss=tuple(score.loss for score in row),
                calibration_errors=tuple(score.calibration_error for score in row),
                best_calibration_errors=tuple(score.best_calibration_error for score in row),
                p_values=tuple(score.p_value for score in row),
            )
            for row in rows
        ),
        sides={model: tuple(trial.sides[model] for trial in trials) for model in first.sides},
        weights={model: fmean(trial.weights[model] for trial in trials) for model in first.weights},
        learned=first.learned,
        unseen=first.unseen,
        seconds=fmean(trial.seconds for trial in trials),
    )


def _tried(todo: _Todo) -> Trial:
    return run_trial(todo.setting, todo.seed)


def _without_nan(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_without_nan(each) for each in value]
    return None if isinstance(value, float) and math.isnan(value) else value
