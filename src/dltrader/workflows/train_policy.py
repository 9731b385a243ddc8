"""Train a policy: the configuration of an agent becomes a run."""

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
from dltrader.data import fingerprint
from dltrader.envs.stepper import Prepare
from dltrader.errors import RunError
from dltrader.runs import ExperimentConfig, Run
from dltrader.runs.trial import Kind
from dltrader.workflows.entries import about_training, enter_training
from dltrader.workflows.handed_over import bars_for
from dltrader.workflows.progress import TrainingProgress
from dltrader.workflows.recorder import GivenUp, GiveUp, Recorder
from dltrader.workflows.task import Task


def train_policy(
    experiment: ExperimentConfig,
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
    """Train a policy and keep everything about it in a run folder, as `train` says.

    Args:
        experiment: What is trained.
        bars: Bars at hand, in place of those that `data.bars` names.
        context: Bars at hand of markets that features look at.
        prepare: Called with the Cerebro of every episode and validation before it runs.
        out: The run folder; by default one below `runs/`.
        begin_with: A run whose best policy's weights are learned on from instead of drawn ones.
        give_up: Says after a checkpoint whether to end early.
        kind: What it is to the trial ledger.
        progress: Whether to show a progress line.

    Raises:
        ConfigError: The configuration is wrong, or a hook is given to the vectorised market.
        BarsError: The bars break their rules, or a slice is too short.
        RunError: The folder is already there, or the run to begin with has no policy.
        BundleError: The run to begin with has another network.
        Exception: Whatever a user's reward raises; the run is then marked as failed.
    """
    experiment, frames, seen = bars_for(experiment, bars, context)
    task = Task.of(experiment, frames, prepare, context=seen)
    folder = Path(out) if out is not None else default_folder(experiment.name)
    weights = None if begin_with is None else _weights_of(begin_with, task)
    began_with = None if begin_with is None else str(getattr(begin_with, "path", begin_with))
    sha256 = fingerprint(frames, seen)
    variant = " ".join(filter(None, (_name_of(prepare), began_with)))
    about = about_training(experiment, task.slices, frames, sha256, kind, variant=variant)
    run = Run.create(folder, experiment, data_sha256=sha256, began_with=began_with, about=about)
    with run.held():
        return follow(task, run, weights=weights, give_up=give_up, progress=progress)


def default_folder(name: str) -> Path:
    """Where what is trained now is kept unless another place is named."""
    return Path("runs") / f"{name}-{dt.datetime.now():%Y%m%d-%H%M%S}"


def _name_of(prepare: Prepare | None) -> str | None:
    return None if prepare is None else str(getattr(prepare, "__qualname__", type(prepare).__qualname__))


def _weights_of(begin_with: Run | str | Path, task: Task) -> Mapping[str, torch.Tensor]:
    """The weights of a run's best policy, for a training of the same network.

    Raises:
        RunError: There is no such run, or it has no policy.
        BundleError: Its network is another.
    """
    run = begin_with if isinstance(begin_with, Run) else Run.open(begin_with)
    policy = run.policy()
    if not isinstance(policy, TrainedPolicy):
        raise RunError(f"{run.path} is an ensemble, which has no weights of one network; begin with a policy's run")
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
