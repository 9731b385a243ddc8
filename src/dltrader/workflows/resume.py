"""Resume: a training that ended early goes on from its last checkpoint, as if it had not stopped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from dltrader.envs.stepper import Prepare
from dltrader.errors import ConfigError
from dltrader.runs import Run
from dltrader.runs.ensemble_run import EnsembleRun
from dltrader.runs.experiment import Experiment
from dltrader.workflows.ensemble import resume_ensemble
from dltrader.workflows.jobs import Executor
from dltrader.workflows.resume_policy import resume_policy


def resume(
    run: Run | str | Path,
    config: Experiment | Mapping[str, Any] | str | Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    *,
    bars: pd.DataFrame | Mapping[str, pd.DataFrame] | None = None,
    context: Mapping[str, pd.DataFrame] | None = None,
    prepare: Prepare | None = None,
    jobs: int | None = None,
    plugins: Sequence[str] = (),
    executor: Executor | None = None,
    progress: bool = False,
) -> Run:
    """Go on with a training that was killed, interrupted or failed, from its last checkpoint.

    On the CPU, with the same versions of dltrader, torch and NumPy, what comes of it equals what the training would
    have come to by itself, bit for bit: weights, checkpoints and curve, but for the speed. What came after the
    checkpoint is done again; TensorBoard's files go on in the same folder and show it twice. Of an ensemble the members
    that have finished are kept, and the others go on.

    Args:
        run: The run or its folder.
        config: What the run is believed to have been trained with, as `train` takes it; where it differs nothing is
            done. None: what the run says.
        overrides: Dotted keys with values, believed in the same way.
        bars: The bars that the training was given, if it was given bars.
        context: The bars of markets that features look at, if the training was given them.
        prepare: The hook that the training was given, if it was given one.
        jobs: Of an ensemble, how many of its trainings run at once; by default as many as there are cores.
        plugins: Of an ensemble, modules that its workers import first.
        executor: Of an ensemble, what runs its trainings; by default processes of this machine.
        progress: Whether to show a progress line.

    Raises:
        RunError: There is no such run, it has finished or keeps no state, its state is damaged, its bars have changed
            or were handed over and now are not, or another process trains it.
        ConfigError: The configuration is another than the run's, with the names of the fields that differ, or the hook
            is missing.
        Exception: As `train`.
    """
    run = run if isinstance(run, Run) else Run.open(run)
    if isinstance(run, EnsembleRun):
        if prepare is not None:
            raise ConfigError(f"{run.path} is an ensemble, whose training takes no prepare hook; leave it out")
        return resume_ensemble(
            run,
            config,
            overrides,
            bars=bars,
            context=context,
            jobs=jobs,
            plugins=plugins,
            executor=executor,
            progress=progress,
        )
    if jobs is not None or executor is not None:
        raise ConfigError(f"{run.path} is a policy's run, whose training is one job; leave jobs and executor out")
    return resume_policy(run, config, overrides, bars=bars, context=context, prepare=prepare, progress=progress)
