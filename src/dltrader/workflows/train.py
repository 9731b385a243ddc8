"""Train: a configuration becomes a run, that of a policy or of an ensemble with its members."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from dltrader.envs.stepper import Prepare
from dltrader.errors import ConfigError
from dltrader.runs import ExperimentConfig, Run
from dltrader.runs.ensemble import EnsembleConfig, load_experiment
from dltrader.runs.experiment import Experiment
from dltrader.runs.trial import Kind
from dltrader.workflows.ensemble import train_ensemble
from dltrader.workflows.jobs import Executor
from dltrader.workflows.recorder import GiveUp
from dltrader.workflows.train_policy import train_policy


def train(
    config: Experiment | Mapping[str, Any] | str | Path,
    overrides: Mapping[str, Any] | None = None,
    *,
    bars: pd.DataFrame | Mapping[str, pd.DataFrame] | None = None,
    context: Mapping[str, pd.DataFrame] | None = None,
    prepare: Prepare | None = None,
    out: str | Path | None = None,
    begin_with: Run | str | Path | None = None,
    give_up: GiveUp | None = None,
    kind: Kind = "train",
    jobs: int | None = None,
    plugins: Sequence[str] = (),
    executor: Executor | None = None,
    progress: bool = False,
) -> Run:
    """Train a policy, or an ensemble, and keep everything about it in a run folder.

    An agent learns on the training bars. After every `train.evaluate_every` bars it is backtested on the validation
    bars, and the checkpoint that grew most there becomes the run's best. Test bars are not looked at. What a
    configuration with `members` does, `train_ensemble` says.

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
        jobs: Of an ensemble, how many of its trainings run at once; by default as many as there are cores.
        plugins: Of an ensemble, modules that its workers import first.
        executor: Of an ensemble, what runs its trainings; by default processes of this machine.
        progress: Whether to show a progress line.

    Returns:
        The run; of an ensemble an `EnsembleRun`.

    Raises:
        ConfigError: The configuration is wrong, a hook is given to the vectorised market, or an argument has no meaning
            for what is trained.
        BarsError: The bars break their rules, or a slice is too short.
        RunError: The folder is already there, or the run to begin with has no policy.
        BundleError: The run to begin with has another network.
        Exception: Whatever a user's reward raises; the run is then marked as failed.
    """
    experiment = load_experiment(config, overrides)
    if isinstance(experiment, EnsembleConfig):
        _require_absent("a policy", "an ensemble", prepare=prepare, begin_with=begin_with, give_up=give_up)
        return train_ensemble(
            experiment,
            bars=bars,
            context=context,
            out=out,
            kind=kind,
            jobs=jobs,
            plugins=plugins,
            executor=executor,
            progress=progress,
        )
    assert isinstance(experiment, ExperimentConfig)
    _require_absent("an ensemble", "a policy", jobs=jobs, executor=executor)
    return train_policy(
        experiment,
        bars=bars,
        context=context,
        prepare=prepare,
        out=out,
        begin_with=begin_with,
        give_up=give_up,
        kind=kind,
        progress=progress,
    )


def _require_absent(theirs: str, ours: str, **arguments: Any) -> None:
    """Raise a ConfigError where an argument of the other kind of training is given."""
    given = next((name for name, value in arguments.items() if value is not None), None)
    if given is not None:
        raise ConfigError(f"{given} is for the training of {theirs}, and this is that of {ours}; leave it out")
