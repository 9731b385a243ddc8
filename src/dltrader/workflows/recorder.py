"""The recorder of a training: its curve, and its checkpoints with what they did on the validation bars."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import Any, NamedTuple

import pandas as pd

from dltrader.agents.learning import Rollout
from dltrader.agents.policy import Policy
from dltrader.agents.state import State
from dltrader.agents.trained import TrainedPolicy
from dltrader.data.bars import median_gap, times_of
from dltrader.envs.rewards import growth_between
from dltrader.envs.stepper import Prepare
from dltrader.evaluation.backtest import backtest
from dltrader.evaluation.behaviour import Collapse
from dltrader.runs import Run
from dltrader.workflows.task import Task

TRADING = ("sharpe", "net_exposure", "turnover", "exposure_entropy", "correlation")
"""What the curve says of how a checkpoint traded the validation bars, of markets apart in the mean."""

GiveUp = Callable[[Sequence[tuple[int, float]]], bool]
"""Whether to end a training early, by its checkpoints so far: bars, and log growth on the validation bars."""


class GivenUp(Exception):  # noqa: N818 - no error
    """A training that is not worth going on with."""


class Recorder:
    """Keeps the curve, and checkpoints with their growth on the validation bars.

    Args:
        run: Where they are kept.
        task: What is trained.
        kept: What an earlier recorder of the run kept, to go on from there.
        give_up: Says after a checkpoint whether to go on.
    """

    def __init__(self, run: Run, task: Task, kept: Mapping[str, Any] | None, give_up: GiveUp | None) -> None:
        self._give_up = give_up
        self._run = run
        self._experiment = task.experiment
        self._markets = task.markets
        self._validation = task.slices.validation
        self._interval = median_gap(times_of(next(iter(task.slices.train.values()))))
        self._prepare = task.prepare
        self._context = task.context
        self._rows: list[dict[str, float]] = list(kept["curve"]) if kept else []
        self._steps = self._validated = int(kept["steps"]) if kept else 0
        self.policy: TrainedPolicy | None = None

    def start(self, network: Any) -> None:
        """Take the network that is going to learn: from now on there is a policy to be kept."""
        experiment, markets = self._experiment, self._markets
        self.policy = TrainedPolicy(
            experiment.agent, experiment.env, markets.pipeline, markets.instruments, network, self._interval
        )

    def record(self, rollout: Rollout) -> None:
        """Take the state after a rollout; make a checkpoint where one is due."""
        self._steps = rollout.steps
        self._rows.append(
            {
                "steps": rollout.steps,
                "bars_per_second": rollout.bars_per_second,
                "episode_growth": rollout.episode_growth,
                "validation_growth": math.nan,
                "policy_entropy": rollout.policy_entropy,
                "value_loss": rollout.value_loss,
                "learning_rate": rollout.learning_rate,
            }
        )
        if rollout.steps - self._validated >= self._experiment.train.evaluate_every:
            self.validate()
            if self._give_up is not None and self._steps < self._experiment.train.total_timesteps:
                growths = [(int(row["steps"]), row["validation_growth"]) for row in self._rows]
                if self._give_up([(steps, growth) for steps, growth in growths if not math.isnan(growth)]):
                    raise GivenUp
            if rollout.state is not None and self._experiment.train.keep_state:
                self._run.keep_state(self._kept(rollout.state()), self._steps)
        else:
            self._run.write_curve(self._rows)

    def _kept(self, learning: State) -> dict[str, Any]:
        """What it takes to go on from the checkpoint that has just been made."""
        hooked = self._prepare is not None
        return {"learning": learning, "steps": self._steps, "curve": self._rows, "prepare": hooked}

    def validate(self) -> None:
        """Backtest the policy as it is now on the validation bars, unless that has been done."""
        if self.policy is None or self._validated == self._steps:
            return
        bars, start = self._validation
        # Of markets apart it is the mean that counts.
        each = [{name: frame} for name, frame in bars.items()] if self._experiment.data.apart else [bars]
        found = [validation(self.policy, one, start, prepare=self._prepare, context=self._context) for one in each]
        growth = fmean(one.growth for one in found)
        self._validated = self._steps
        collapse = collapse_on_all(found)
        self._rows[-1] |= {"validation_growth": growth, "validation_collapsed": float(collapse is not None)}
        self._rows[-1] |= {f"validation_{name}": fmean(one.trading[name] for one in found) for name in found[0].trading}
        self._run.add_checkpoint(self.policy, self._steps, growth, collapse)
        self._run.write_curve(self._rows)


class Validation(NamedTuple):
    """What a policy did on validation bars.

    Attributes:
        growth: Log growth of equity; about -13.8 when ruined.
        collapse: How it collapsed; None where it did not.
        trading: How it traded: those of its numbers that `TRADING` names.
    """

    growth: float
    collapse: Collapse | None
    trading: Mapping[str, float]


def validation(
    policy: Policy,
    bars: Mapping[str, pd.DataFrame],
    start: pd.Timestamp,
    *,
    prepare: Prepare | None = None,
    context: Mapping[str, pd.DataFrame] | None = None,
) -> Validation:
    """Backtest a policy from a time on, without the baselines: it happens often, and only the policy is judged."""
    result = backtest(policy, bars, context=context, start=start, prepare=prepare, benchmark=False)
    growth = growth_between(float(result.equity.iloc[0]), float(result.equity.iloc[-1]))
    behaviour = result.behaviour
    numbers = {**result.metrics, **behaviour.numbers}
    return Validation(math.log(growth), behaviour.collapse, {name: numbers[name] for name in TRADING})


def collapse_on_all(found: Sequence[Validation]) -> str | None:
    """How a policy collapsed, in words; None where it traded properly on at least one of the markets."""
    ways = dict.fromkeys(one.collapse for one in found)
    return None if None in ways else " or ".join(str(way) for way in ways)
