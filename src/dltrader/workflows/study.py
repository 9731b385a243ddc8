"""The study: the trials of a tuning, in a SQLite file that only the process that tunes reads and writes.

- *trial*: values that were drawn from the search space, and what a training with them came to.
- *waiting*: a trial that was drawn and has no end yet; whoever goes on with the study trains it first.

The only file that knows Optuna.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np

from dltrader.errors import ConfigError, MissingExtraError, RunError
from dltrader.workflows.pruning import Curve, best_by
from dltrader.workflows.space import Choices, Range, Space

try:
    import optuna
    from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
    from optuna.trial import TrialState
except ImportError:
    raise MissingExtraError("Optuna", "tune") from None

NAME = "tune"
RANDOM_TRIALS = 8
"""Trials that are drawn at random before the sampler learns from what it has seen."""

State = Literal["waiting", "finished", "pruned", "failed"]
STATES: dict[TrialState, State] = {
    TrialState.COMPLETE: "finished",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
}


@dataclass(frozen=True)
class Trial:
    """One draw from the search space and what became of it.

    Attributes:
        number: 0, 1, … in the order of drawing.
        drawn: Key -> number or word, as the space draws it.
        state: `pruned`: ended early, because it was behind; `failed`: a training of it raised, was killed or took too
            long.
        validation_growth: Mean over its seeds of the best checkpoint's log growth on the validation bars; of a pruned
            trial as far as it came, of a failed one None.
        curves: The checkpoints of each seed.
        error: Why it failed, in one line.
    """

    number: int
    drawn: Mapping[str, Any]
    state: State
    validation_growth: float | None
    curves: Sequence[Curve]
    error: str | None


class Study:
    """A study; `open` finds or makes it."""

    def __init__(self, study: optuna.Study, space: Space, seed: int) -> None:
        self._study, self._seed = study, seed
        self._distributions = {key: _distribution(one) for key, one in space.dimensions.items()}

    @classmethod
    def open(cls, file: Path, space: Space, facts: Mapping[str, Any], seed: int) -> Self:
        """The study in a file, or a new one.

        Args:
            file: Its SQLite file.
            space: What is searched.
            facts: All that decides what a trial gives; a study goes on with the same only.
            seed: Of the draws.

        Raises:
            ConfigError: The study was begun with other facts; the message names one of them.
            RunError: The file is no study.
        """
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        try:
            study = optuna.create_study(
                storage=f"sqlite:///{file.resolve()}",
                study_name=NAME,
                direction="maximize",
                load_if_exists=True,
                pruner=optuna.pruners.NopPruner(),  # workers decide by themselves
            )
            begun = study.user_attrs.get("facts")
            if begun is None:
                study.set_user_attr("facts", dict(facts))
        except Exception as error:
            # Of SQLAlchemy's many, which come through as they are: it is Optuna's business, not ours.
            if not type(error).__module__.startswith(("sqlalchemy", "optuna")):
                raise
            raise RunError(f"{file} is no study: {str(error).splitlines()[0]}; choose another --out") from None
        if begun is not None:
            changes = differences(begun, json.loads(json.dumps(facts)))
            if changes:
                more = f", and {len(changes) - 1} more" if len(changes) > 1 else ""
                raise ConfigError(
                    f"the study in {file.parent} was begun otherwise: {changes[0]}{more}; "
                    "choose another --out, or change it back"
                )
        return cls(study, space, seed)

    @property
    def trials(self) -> list[Trial]:
        """All trials by number."""
        return [_trial(frozen) for frozen in self._study.get_trials(deepcopy=False)]

    def draw(self, n: int) -> list[Trial]:
        """Draw trials, which from now on are waiting.

        What is drawn depends on the seed, the number of the trial and the trials before, and on nothing that a process
        which was ended could have taken with it.
        """
        first = len(self._study.get_trials(deepcopy=False))
        for number in range(first, first + n):
            seed = int(np.random.SeedSequence([self._seed, number]).generate_state(1)[0])
            with warnings.catch_warnings():
                # Without it trials that are drawn together come out much alike; its name may yet change.
                warnings.filterwarnings("ignore", "Argument ``constant_liar`` is an experimental feature")
                self._study.sampler = optuna.samplers.TPESampler(
                    seed=seed, n_startup_trials=RANDOM_TRIALS, constant_liar=True
                )
            self._study.ask(self._distributions)
        return self.trials[first:]

    def finish(self, number: int, curves: Sequence[Curve], *, pruned: bool) -> None:
        """Say what the seeds of a waiting trial came to."""
        frozen = self._study.get_trials(deepcopy=False)[number]
        trial = optuna.trial.Trial(self._study, frozen._trial_id)  # noqa: SLF001 - it may be of another process
        trial.set_user_attr("curves", [list(curve) for curve in curves])
        shortest = min(curves, key=len)
        reached = [_mean_best(curves, bars) for bars, _ in shortest]
        for (bars, _), growth in zip(shortest, reached, strict=True):
            trial.report(growth, bars)
        if pruned:
            self._study.tell(number, state=TrialState.PRUNED)
        else:
            self._study.tell(number, reached[-1])

    def fail(self, number: int, error: str) -> None:
        """Say why a waiting trial came to nothing."""
        frozen = self._study.get_trials(deepcopy=False)[number]
        optuna.trial.Trial(self._study, frozen._trial_id).set_user_attr("error", error)  # noqa: SLF001 - as above
        self._study.tell(number, state=TrialState.FAIL)


def differences(before: Any, now: Any, key: str = "") -> list[str]:
    """What differs between two nested mappings of plain values, in words."""
    if not isinstance(before, dict) or not isinstance(now, dict):
        return [] if before == now else [f"{key} was {before!r}, is {now!r}"]
    found = []
    for name in dict.fromkeys([*before, *now]):
        inner = f"{key}.{name}" if key else name
        if name not in now:
            found.append(f"{inner} was there, and is not")
        elif name not in before:
            found.append(f"{inner} was not there, and is")
        else:
            found += differences(before[name], now[name], inner)
    return found


def _distribution(dimension: Range | Choices) -> BaseDistribution:
    if isinstance(dimension, Choices):
        return CategoricalDistribution(list(dimension.by_label))
    if dimension.whole:
        return IntDistribution(int(dimension.low), int(dimension.high), dimension.log, int(dimension.step or 1))
    return FloatDistribution(float(dimension.low), float(dimension.high), dimension.log, dimension.step)


def _trial(frozen: optuna.trial.FrozenTrial) -> Trial:
    attributes = frozen.user_attrs
    return Trial(
        number=frozen.number,
        drawn=frozen.params,
        state=STATES.get(frozen.state, "waiting"),
        validation_growth=frozen.value,
        curves=[[(int(bars), float(growth)) for bars, growth in curve] for curve in attributes.get("curves", [])],
        error=attributes.get("error"),
    )


def _mean_best(curves: Sequence[Curve], bars: int) -> float:
    """The mean over seeds of the best growth by then, of those that had a checkpoint."""
    reached = [best for curve in curves if (best := best_by(curve, bars)) is not None]
    return sum(reached) / len(reached)
