"""Train: a configuration becomes a run."""

from __future__ import annotations

import datetime as dt
import importlib.util
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import pandas as pd

from dltrader.agents.lanes import LanesVecEnv
from dltrader.agents.learning import REPORT_BARS, Rollout, learn
from dltrader.agents.state import State
from dltrader.agents.trained import TrainedPolicy
from dltrader.data import fingerprint, in_memory
from dltrader.envs.arrays import require_device
from dltrader.envs.cerebro import TradingEnv
from dltrader.envs.market import Market, frames_of
from dltrader.envs.markets import Markets
from dltrader.envs.rewards import growth_between
from dltrader.envs.stepper import Prepare
from dltrader.errors import ConfigError
from dltrader.evaluation.backtest import backtest
from dltrader.evaluation.behaviour import Collapse
from dltrader.features import FittedPipeline
from dltrader.runs import ExperimentConfig, Run
from dltrader.runs.experiment import Slices
from dltrader.workflows.progress import TrainingProgress

TRADING = ("net_exposure", "turnover", "exposure_entropy", "correlation")
"""What the curve says of how a checkpoint traded the validation bars, of markets apart in the mean."""

GiveUp = Callable[[Sequence[tuple[int, float]]], bool]
"""Whether to end a training early, by its checkpoints so far: bars, and log growth on the validation bars."""


def train(
    config: ExperimentConfig | Mapping[str, Any] | str | Path,
    overrides: Mapping[str, Any] | None = None,
    *,
    bars: pd.DataFrame | Mapping[str, pd.DataFrame] | None = None,
    prepare: Prepare | None = None,
    out: str | Path | None = None,
    give_up: GiveUp | None = None,
    progress: bool = False,
) -> Run:
    """Train a policy and keep everything about it in a run folder.

    The agent learns on the training bars. After every `train.evaluate_every` bars it is backtested on the validation
    bars, and the checkpoint that grew most there becomes the run's best. Test bars are not looked at.

    Ctrl-C ends the training early and leaves a run that can be loaded. However it ended early, `resume` goes on with it
    from its last checkpoint.

    Args:
        config: A file, the name of a shipped configuration, a mapping, or an experiment.
        overrides: Dotted keys with new values, e.g. `{"train.total_timesteps": 50_000}`.
        bars: Bars at hand, in place of those that `data.bars` names: a frame, or instruments to frames, which are
            traded together unless `data.trade` is `apart`. The run remembers their names and fingerprint only.
        prepare: Called with the Cerebro of every episode and validation before it runs; it may set sizers, commissions
            and analyzers. Needs `train.engine: cerebro`.
        out: The run folder; by default one below `runs/`, named after the experiment and the time.
        give_up: Shown the checkpoints so far, bars and growth on the validation bars, after each but the last; where it
            says so, the training ends there, with the status `pruned`.
        progress: Whether to show a progress line.

    Raises:
        ConfigError: The configuration is wrong, or a hook is given to the vectorised market.
        BarsError: The bars break their rules, or a slice is too short.
        RunError: The folder is already there.
        Exception: Whatever a user's reward raises; the run is then marked as failed.
    """
    experiment = ExperimentConfig.load(config, overrides)
    if bars is None:
        frames = experiment.data.load()
    else:
        frames = frames_of(bars)
        experiment = experiment.with_overrides({"data.bars": in_memory(frames)})
    task = Task.of(experiment, frames, prepare)
    folder = Path(out) if out is not None else Path("runs") / f"{experiment.name}-{dt.datetime.now():%Y%m%d-%H%M%S}"
    run = Run.create(folder, experiment, data_sha256=fingerprint(frames))
    with run.held():
        return follow(task, run, give_up=give_up, progress=progress)


@dataclass(frozen=True)
class Task:
    """A training that can begin: what has been made of a configuration and bars.

    Attributes:
        experiment: The configuration.
        slices: Its bars.
        markets: The training bars as the agent meets them.
        environments: What it learns in.
        prepare: The user's hook.
    """

    experiment: ExperimentConfig
    slices: Slices
    markets: Markets
    environments: Any
    prepare: Prepare | None

    @classmethod
    def of(cls, experiment: ExperimentConfig, frames: Mapping[str, pd.DataFrame], prepare: Prepare | None) -> Task:
        """Make all that a training needs, before there is a folder and an hour is spent.

        Raises:
            ConfigError: Configuration, hook and machine do not go together.
            BarsError: A slice is too short.
        """
        slices = experiment.data.cut(frames)
        markets = _markets(experiment, slices.train)
        for later, start in (slices.validation, slices.test):
            _markets(experiment, later, pipeline=markets.pipeline, start=start)
        _require_fit(experiment, markets, prepare)
        return cls(experiment, slices, markets, _environments(experiment, markets, prepare), prepare)


def follow(
    task: Task,
    run: Run,
    *,
    kept: Mapping[str, Any] | None = None,
    give_up: GiveUp | None = None,
    progress: bool = False,
) -> Run:
    """Train into a run folder, up to whatever end.

    Args:
        task: What is trained.
        run: Where it is kept.
        kept: What a recorder kept at a checkpoint, to go on from there; None: from the beginning.
        give_up: As `train` takes it.
        progress: Whether to show a progress line.

    Raises:
        Exception: Whatever a user's reward raises; the run is then marked as failed.
    """
    experiment = task.experiment
    recorder = _Recorder(run, task, kept, give_up)
    bar = TrainingProgress(experiment.name, experiment.train.total_timesteps) if progress else None
    try:
        with bar or nullcontext():
            learn(
                experiment.agent,
                task.environments,
                total_timesteps=experiment.train.total_timesteps,
                seed=experiment.seed,
                device=experiment.train.device,
                threads=experiment.train.threads,
                tensorboard=run.path / "tensorboard" if importlib.util.find_spec("tensorboard") else None,
                report_every=min(REPORT_BARS, experiment.train.evaluate_every),
                on_start=recorder.start,
                on_rollout=partial(_report, recorder, bar.show if bar else None),
                state=None if kept is None else kept["learning"],
            )
        recorder.validate()
    except KeyboardInterrupt:
        run.finish(recorder.policy, status="interrupted")
    except _GivenUp:
        run.finish(recorder.policy, status="pruned")
    except BaseException as error:
        run.finish(recorder.policy, status="failed", error=f"{type(error).__name__}: {error}")
        raise
    else:
        run.finish(recorder.policy, status="finished")
    return run


def _markets(
    experiment: ExperimentConfig,
    frames: Mapping[str, pd.DataFrame],
    *,
    pipeline: FittedPipeline | None = None,
    start: pd.Timestamp | None = None,
) -> Markets:
    """Bars as the market or the markets that the configuration makes of them; later ones are traded to their ends."""
    config = experiment.env if start is None else experiment.env.model_copy(update={"episode_bars": None})
    if experiment.data.apart:
        return Markets.build(frames, config, pipeline=pipeline, start=start)
    return Markets.of(Market.build(frames, config, pipeline=pipeline, start=start))


def _environments(experiment: ExperimentConfig, markets: Markets, prepare: Prepare | None) -> Any:
    """What the agent learns in, on the engine of the configuration.

    Raises:
        ConfigError: There is no memory for so many, or for what the agent keeps of them.
    """
    n_envs = experiment.train.n_envs
    if experiment.train.engine == "vector":
        together = experiment.train.lanes_per_episode
        lanes = LanesVecEnv(markets, experiment.env, n_envs, together=together, windows=False)
        experiment.agent.require_room(n_envs, lanes.observation_space, lanes.action_space)
        return lanes
    return [partial(TradingEnv, markets, experiment.env, prepare=prepare)] * n_envs


def _require_fit(experiment: ExperimentConfig, markets: Markets, prepare: Prepare | None) -> None:
    """Raise a ConfigError where agent, environment, hook and machine do not go together."""
    if prepare is not None and experiment.train.engine != "cerebro":
        raise ConfigError(
            f"a prepare hook changes a Cerebro, and train.engine is {experiment.train.engine}, which has none: sizers, "
            "commissions and orders of yours would have no effect; set train.engine: cerebro"
        )
    require_device(experiment.train.device, "train.device")
    agent, n_envs = experiment.agent, experiment.train.n_envs
    agent.require(n_envs)
    agent.require_length(experiment.train.total_timesteps)
    network = TrainedPolicy.network_for(agent, experiment.env, markets.pipeline, markets.n_instruments)
    agent.require_bars(markets)
    if experiment.train.engine == "cerebro":  # lanes show other observations, and are asked when they are made
        agent.require_room(n_envs, network.observation_space, network.action_space)


def _report(recorder: _Recorder, show: Callable[[Rollout], None] | None, rollout: Rollout) -> None:
    recorder.record(rollout)
    if show is not None:
        show(rollout)


class _GivenUp(Exception):  # noqa: N818 - no error
    """A training that is not worth going on with."""


class _Recorder:
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
        self._prepare = task.prepare
        self._rows: list[dict[str, float]] = list(kept["curve"]) if kept else []
        self._steps = self._validated = int(kept["steps"]) if kept else 0
        self.policy: TrainedPolicy | None = None

    def start(self, network: Any) -> None:
        """Take the network that is going to learn: from now on there is a policy to be kept."""
        experiment, markets = self._experiment, self._markets
        self.policy = TrainedPolicy(experiment.agent, experiment.env, markets.pipeline, markets.instruments, network)

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
                    raise _GivenUp
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
        found = [validation(self.policy, one, start, prepare=self._prepare) for one in each]
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
    policy: TrainedPolicy, bars: Mapping[str, pd.DataFrame], start: pd.Timestamp, *, prepare: Prepare | None = None
) -> Validation:
    """Backtest a policy from a time on, without the baselines: it happens often, and only the policy is judged."""
    result = backtest(policy, bars, start=start, prepare=prepare, benchmark=False)
    growth = growth_between(float(result.equity.iloc[0]), float(result.equity.iloc[-1]))
    behaviour = result.behaviour
    numbers = {**result.metrics, **behaviour.numbers}
    return Validation(math.log(growth), behaviour.collapse, {name: numbers[name] for name in TRADING})


def collapse_on_all(found: Sequence[Validation]) -> str | None:
    """How a policy collapsed, in words; None where it traded properly on at least one of the markets."""
    ways = dict.fromkeys(one.collapse for one in found)
    return None if None in ways else " or ".join(str(way) for way in ways)
