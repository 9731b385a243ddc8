"""Train: a configuration becomes a run."""

from __future__ import annotations

import datetime as dt
import importlib.util
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from dltrader.agents.learning import REPORT_BARS, Rollout, learn
from dltrader.agents.trained import TrainedPolicy
from dltrader.data import fingerprint, in_memory
from dltrader.envs.market import context_of, frames_of
from dltrader.envs.stepper import Prepare
from dltrader.runs import ExperimentConfig, Run
from dltrader.runs.trial import Kind
from dltrader.workflows.entries import about_training, enter_training
from dltrader.workflows.progress import TrainingProgress
from dltrader.workflows.recorder import GivenUp, GiveUp, Recorder
from dltrader.workflows.task import Task


def train(
    config: ExperimentConfig | Mapping[str, Any] | str | Path,
    overrides: Mapping[str, Any] | None = None,
    *,
    bars: pd.DataFrame | Mapping[str, pd.DataFrame] | None = None,
    context: Mapping[str, pd.DataFrame] | None = None,
    prepare: Prepare | None = None,
    out: str | Path | None = None,
    begin_with: Run | str | Path | None = None,
    give_up: GiveUp | None = None,
    kind: Kind = "train",
    progress: bool = False,
) -> Run:
    """Train a policy and keep everything about it in a run folder.

    The agent learns on the training bars. After every `train.evaluate_every` bars it is backtested on the validation
    bars, and the checkpoint that grew most there becomes the run's best. Test bars are not looked at.

    Ctrl-C ends the training early and leaves a run that can be loaded. However it ended early, `resume` goes on with it
    from its last checkpoint.

    When it has ended the trial ledger is told of it. Where that fails the training is none the worse: one line says so,
    and the manifest, that the number of trials is unknown.

    Args:
        config: A file, the name of a shipped configuration, a mapping, or an experiment.
        overrides: Dotted keys with new values, e.g. `{"train.total_timesteps": 50_000}`.
        bars: Bars at hand, in place of those that `data.bars` names: a frame, or instruments to frames, which are
            traded together unless `data.trade` is `apart`. The run remembers their names and fingerprint only.
        context: Bars at hand of markets that features look at, in place of those that `env.context` names; to be handed
            over again to whatever tests the policy.
        prepare: Called with the Cerebro of every episode and validation before it runs; it may set sizers, commissions
            and analyzers. Needs `train.engine: cerebro`.
        out: The run folder; by default one below `runs/`, named after the experiment and the time.
        begin_with: A run of the same agent and environment, whose best policy's weights are learned on from instead of
            drawn ones.
        give_up: Shown the checkpoints so far, bars and growth on the validation bars, after each but the last; where it
            says so, the training ends there, with the status `pruned`.
        kind: What it is to the trial ledger; a benchmark is no trial.
        progress: Whether to show a progress line.

    Raises:
        ConfigError: The configuration is wrong, or a hook is given to the vectorised market.
        BarsError: The bars break their rules, or a slice is too short.
        RunError: The folder is already there, or the run to begin with has no policy.
        BundleError: The run to begin with has another network.
        Exception: Whatever a user's reward raises; the run is then marked as failed.
    """
    experiment = ExperimentConfig.load(config, overrides)
    if bars is None:
        frames = experiment.data.load()
    else:
        frames = frames_of(bars)
        experiment = experiment.with_overrides({"data.bars": in_memory(frames)})
    seen = context_of(experiment.env, context)
    if context:
        experiment = experiment.with_overrides({"env.context": experiment.env.context | in_memory(context)})
    task = Task.of(experiment, frames, prepare, context=seen)
    folder = Path(out) if out is not None else Path("runs") / f"{experiment.name}-{dt.datetime.now():%Y%m%d-%H%M%S}"
    weights = None if begin_with is None else _weights_of(begin_with, task)
    began_with = None if begin_with is None else str(getattr(begin_with, "path", begin_with))
    sha256 = fingerprint(frames, seen)
    about = about_training(task, frames, sha256, kind, began_with)
    run = Run.create(folder, experiment, data_sha256=sha256, began_with=began_with, about=about)
    with run.held():
        return follow(task, run, weights=weights, give_up=give_up, progress=progress)


def _weights_of(begin_with: Run | str | Path, task: Task) -> Mapping[str, torch.Tensor]:
    """The weights of a run's best policy, for a training of the same network.

    Raises:
        RunError: There is no such run, or it has no policy.
        BundleError: Its network is another.
    """
    policy = (begin_with if isinstance(begin_with, Run) else Run.open(begin_with)).policy()
    experiment, markets = task.experiment, task.markets
    weights = policy.weights()
    TrainedPolicy.build(experiment.agent, experiment.env, markets.pipeline, markets.instruments, weights)
    return weights


def follow(
    task: Task,
    run: Run,
    *,
    kept: Mapping[str, Any] | None = None,
    weights: Mapping[str, torch.Tensor] | None = None,
    give_up: GiveUp | None = None,
    progress: bool = False,
) -> Run:
    """Train into a run folder, up to whatever end.

    Args:
        task: What is trained.
        run: Where it is kept.
        kept: What a recorder kept at a checkpoint, to go on from there; None: from the beginning.
        weights: What the network begins with; None: weights that are drawn.
        give_up: As `train` takes it.
        progress: Whether to show a progress line.

    Raises:
        Exception: Whatever a user's reward raises; the run is then marked as failed.
    """
    experiment = task.experiment
    recorder = Recorder(run, task, kept, give_up)
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
                weights=weights,
            )
        recorder.validate()
    except KeyboardInterrupt:
        run.finish(recorder.policy, status="interrupted")
    except GivenUp:
        run.finish(recorder.policy, status="pruned")
    except BaseException as error:
        run.finish(recorder.policy, status="failed", error=f"{type(error).__name__}: {error}")
        enter_training(run)
        raise
    else:
        run.finish(recorder.policy, status="finished")
    enter_training(run)
    return run


def _report(recorder: Recorder, show: Callable[[Rollout], None] | None, rollout: Rollout) -> None:
    recorder.record(rollout)
    if show is not None:
        show(rollout)
