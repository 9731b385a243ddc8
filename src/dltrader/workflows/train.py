"""Train: a configuration becomes a run."""

from __future__ import annotations

import datetime as dt
import importlib.util
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import pandas as pd

from dltrader.agents.lanes import LanesVecEnv
from dltrader.agents.learning import REPORT_BARS, Rollout, learn
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


def train(
    config: ExperimentConfig | Mapping[str, Any] | str | Path,
    overrides: Mapping[str, Any] | None = None,
    *,
    bars: pd.DataFrame | Mapping[str, pd.DataFrame] | None = None,
    prepare: Prepare | None = None,
    out: str | Path | None = None,
    progress: bool = False,
) -> Run:
    """Train a policy and keep everything about it in a run folder.

    The agent learns on the training bars. After every `train.evaluate_every` bars it is backtested on the validation
    bars, and the checkpoint that grew most there becomes the run's best. Test bars are not looked at.

    Ctrl-C ends the training early and leaves a run that can be loaded.

    Args:
        config: A file, the name of a shipped configuration, a mapping, or an experiment.
        overrides: Dotted keys with new values, e.g. `{"train.total_timesteps": 50_000}`.
        bars: Bars at hand, in place of those that `data.bars` names: a frame, or instruments to frames, which are
            traded together unless `data.trade` is `apart`. The run remembers their names and fingerprint only.
        prepare: Called with the Cerebro of every episode and validation before it runs; it may set sizers, commissions
            and analyzers. Needs `train.engine: cerebro`.
        out: The run folder; by default one below `runs/`, named after the experiment and the time.
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
    slices = experiment.data.cut(frames)
    markets = _markets(experiment, slices.train)
    # What cannot be must come up before a folder is made and an hour is spent.
    for later, start in (slices.validation, slices.test):
        _markets(experiment, later, pipeline=markets.pipeline, start=start)
    _require_fit(experiment, markets, prepare)
    environments = _environments(experiment, markets, prepare)
    folder = Path(out) if out is not None else Path("runs") / f"{experiment.name}-{dt.datetime.now():%Y%m%d-%H%M%S}"
    run = Run.create(folder, experiment, data_sha256=fingerprint(frames))
    recorder = _Recorder(run, experiment, markets, slices, prepare)
    bar = TrainingProgress(experiment.name, experiment.train.total_timesteps) if progress else None
    try:
        with bar or nullcontext():
            learn(
                experiment.agent,
                environments,
                total_timesteps=experiment.train.total_timesteps,
                seed=experiment.seed,
                device=experiment.train.device,
                threads=experiment.train.threads,
                tensorboard=run.path / "tensorboard" if importlib.util.find_spec("tensorboard") else None,
                report_every=min(REPORT_BARS, experiment.train.evaluate_every),
                on_start=recorder.start,
                on_rollout=partial(_report, recorder, bar.show if bar else None),
            )
        recorder.validate()
    except KeyboardInterrupt:
        run.finish(recorder.policy, status="interrupted")
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
    if experiment.train.engine == "cerebro":  # lanes show other observations, and are asked when they are made
        agent.require_room(n_envs, network.observation_space, network.action_space)


def _report(recorder: _Recorder, show: Callable[[Rollout], None] | None, rollout: Rollout) -> None:
    recorder.record(rollout)
    if show is not None:
        show(rollout)


class _Recorder:
    """Keeps the curve, and checkpoints with their growth on the validation bars."""

    def __init__(
        self, run: Run, experiment: ExperimentConfig, markets: Markets, slices: Slices, prepare: Prepare | None
    ) -> None:
        self._run = run
        self._experiment = experiment
        self._markets = markets
        self._validation = slices.validation
        self._prepare = prepare
        self._rows: list[dict[str, float]] = []
        self._steps = 0
        self._validated = 0
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
        else:
            self._run.write_curve(self._rows)

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
        self._rows[-1]["validation_growth"] = growth
        self._run.add_checkpoint(self.policy, self._steps, growth, collapse_on_all(found))
        self._run.write_curve(self._rows)


class Validation(NamedTuple):
    """What a policy did on validation bars.

    Attributes:
        growth: Log growth of equity; about -13.8 when ruined.
        collapse: How it collapsed; None where it did not.
    """

    growth: float
    collapse: Collapse | None


def validation(
    policy: TrainedPolicy, bars: Mapping[str, pd.DataFrame], start: pd.Timestamp, *, prepare: Prepare | None = None
) -> Validation:
    """Backtest a policy from a time on, without the baselines: it happens often, and only the policy is judged."""
    result = backtest(policy, bars, start=start, prepare=prepare, benchmark=False)
    growth = growth_between(float(result.equity.iloc[0]), float(result.equity.iloc[-1]))
    return Validation(math.log(growth), result.behaviour.collapse)


def collapse_on_all(found: Sequence[Validation]) -> str | None:
    """How a policy collapsed, in words; None where it traded properly on at least one of the markets."""
    ways = dict.fromkeys(one.collapse for one in found)
    return None if None in ways else " or ".join(str(way) for way in ways)
