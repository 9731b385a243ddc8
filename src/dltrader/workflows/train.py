"""Train: a configuration becomes a run."""

from __future__ import annotations

import datetime as dt
import importlib.util
import math
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from dltrader.agents.lanes import LanesVecEnv
from dltrader.agents.learning import Rollout, learn, require_device
from dltrader.agents.trained import TrainedPolicy
from dltrader.data import fingerprint
from dltrader.envs.cerebro import TradingEnv
from dltrader.envs.market import Market
from dltrader.envs.rewards import growth_between
from dltrader.evaluation.backtest import backtest
from dltrader.runs import ExperimentConfig, Run
from dltrader.runs.experiment import Slices
from dltrader.workflows.progress import TrainingProgress


def train(
    config: ExperimentConfig | Mapping[str, Any] | str | Path,
    overrides: Mapping[str, Any] | None = None,
    *,
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
        out: The run folder; by default one below `runs/`, named after the experiment and the time.
        progress: Whether to show a progress line.

    Raises:
        ConfigError: The configuration is wrong.
        BarsError: The bars break their rules, or a slice is too short.
        RunError: The folder is already there.
        Exception: Whatever a user's reward raises; the run is then marked as failed.
    """
    experiment = ExperimentConfig.load(config, overrides)
    bars = experiment.data.load()
    slices = experiment.data.cut(bars)
    market = Market.build(slices.train, experiment.env)
    # What cannot be must come up before a folder is made and an hour is spent.
    for frames, start in (slices.validation, slices.test):
        Market.build(frames, experiment.env, pipeline=market.pipeline, start=start)
    _require_fit(experiment, market)
    folder = Path(out) if out is not None else Path("runs") / f"{experiment.name}-{dt.datetime.now():%Y%m%d-%H%M%S}"
    run = Run.create(folder, experiment, data_sha256=fingerprint(bars))
    recorder = _Recorder(run, experiment, market, slices)
    bar = TrainingProgress(experiment.name, experiment.train.total_timesteps) if progress else None
    try:
        with bar or nullcontext():
            learn(
                experiment.agent,
                _environments(experiment, market),
                total_timesteps=experiment.train.total_timesteps,
                seed=experiment.seed,
                device=experiment.train.device,
                tensorboard=run.path / "tensorboard" if importlib.util.find_spec("tensorboard") else None,
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


def _environments(experiment: ExperimentConfig, market: Market) -> Any:
    """What the agent learns in, on the engine of the configuration."""
    n_envs = experiment.train.n_envs
    if experiment.train.engine == "vector":
        return LanesVecEnv(market, experiment.env, n_envs)
    return [partial(TradingEnv, market, experiment.env)] * n_envs


def _require_fit(experiment: ExperimentConfig, market: Market) -> None:
    """Raise a ConfigError where agent, environment and machine do not go together."""
    require_device(experiment.train.device)
    experiment.agent.require(experiment.train.n_envs)
    TrainedPolicy.network_for(experiment.agent, experiment.env, market.pipeline, len(market.instruments))


def _report(recorder: _Recorder, show: Callable[[Rollout], None] | None, rollout: Rollout) -> None:
    recorder.record(rollout)
    if show is not None:
        show(rollout)


class _Recorder:
    """Keeps the curve, and checkpoints with their growth on the validation bars."""

    def __init__(self, run: Run, experiment: ExperimentConfig, market: Market, slices: Slices) -> None:
        self._run = run
        self._experiment = experiment
        self._market = market
        self._validation = slices.validation
        self._rows: list[dict[str, float]] = []
        self._steps = 0
        self._validated = 0
        self.policy: TrainedPolicy | None = None

    def start(self, network: Any) -> None:
        """Take the network that is going to learn: from now on there is a policy to be kept."""
        experiment, market = self._experiment, self._market
        self.policy = TrainedPolicy(experiment.agent, experiment.env, market.pipeline, market.instruments, network)

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
        growth = validation_growth(self.policy, bars, start)
        self._validated = self._steps
        self._rows[-1]["validation_growth"] = growth
        self._run.add_checkpoint(self.policy, self._steps, growth)
        self._run.write_curve(self._rows)


def validation_growth(policy: TrainedPolicy, bars: Mapping[str, pd.DataFrame], start: pd.Timestamp) -> float:
    """Log growth of equity over a backtest from a time on; about -13.8 when ruined."""
    equity = backtest(policy, bars, start=start, benchmark=False).equity
    return math.log(growth_between(float(equity.iloc[0]), float(equity.iloc[-1])))
