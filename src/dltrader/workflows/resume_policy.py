"""Resume a policy's training that ended early, from its last checkpoint, as if it had not stopped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from dltrader.data import fingerprint, in_memory
from dltrader.envs.market import context_of, frames_of
from dltrader.envs.stepper import Prepare
from dltrader.errors import ConfigError, RunError
from dltrader.runs import ExperimentConfig, Run
from dltrader.runs.experiment import Experiment
from dltrader.workflows.handed_over import telling_of
from dltrader.workflows.task import Task
from dltrader.workflows.train_policy import follow


def resume_policy(
    run: Run,
    config: Experiment | Mapping[str, Any] | str | Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    *,
    bars: pd.DataFrame | Mapping[str, pd.DataFrame] | None = None,
    context: Mapping[str, pd.DataFrame] | None = None,
    prepare: Prepare | None = None,
    progress: bool = False,
) -> Run:
    """Go on with the training of a policy, as `resume` says.

    Args:
        run: The run.
        config: What the run is believed to have been trained with; None: what the run says.
        overrides: Dotted keys with values, believed in the same way.
        bars: The bars that the training was given, if it was given bars.
        context: The bars of markets that features look at, if the training was given them.
        prepare: The hook that the training was given, if it was given one.
        progress: Whether to show a progress line.

    Raises:
        RunError: The run has finished or keeps no state, its state is damaged, its bars have changed or were handed
            over and now are not, or another process trains it.
        ConfigError: The configuration is another than the run's, or the hook is missing.
        Exception: As `train`.
    """
    with run.held():
        kept = run.kept_state()
        believed = ExperimentConfig.load(run.config if config is None else config, overrides)
        require_equal(run, telling_of(believed, bars, context))
        experiment, training = run.config, kept["training"]
        assert isinstance(experiment, ExperimentConfig)
        frames = loaded_again(run) if bars is None else frames_of(bars)
        seen = context_of(experiment.env, context)
        require_bars(run, frames, seen)
        if training["prepare"] != (prepare is not None):
            had = "with a prepare hook; pass it again" if training["prepare"] else "without a prepare hook; pass none"
            raise ConfigError(f"{run.path} was trained {had}")
        task = Task.of(experiment, frames, prepare, context=seen)
        run.reopen(kept, training["steps"])
        return follow(task, run, kept=training, progress=progress)


def require_equal(run: Run, believed: Experiment) -> None:
    """Raise a ConfigError that names every field in which a configuration differs from a run's."""
    found = list(differences(run.config.to_mapping(), believed.to_mapping()))
    if found:
        raise ConfigError(
            f"{run.path} was trained with another configuration: {', '.join(found)}; "
            "resume it with its own, or train anew"
        )


def differences(was: Mapping[str, Any], now: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Every dotted key that differs, with both values; of things of another name those that both have."""
    others = path and was.get("name") != now.get("name")
    for key in dict.fromkeys([*was, *now]):
        one, two = was.get(key, ABSENT), now.get(key, ABSENT)
        if isinstance(one, Mapping) and isinstance(two, Mapping):
            yield from differences(one, two, f"{path}{key}.")
        elif one != two and not (others and ABSENT in (one, two)):
            yield f"{path}{key} was {_shown(one)}, now {_shown(two)}"


ABSENT = object()


def _shown(value: Any) -> str:
    return "absent" if value is ABSENT else repr(value)


def loaded_again(run: Run) -> dict[str, pd.DataFrame]:
    """The bars of a run from where its configuration says.

    Raises:
        RunError: They were handed over.
    """
    named = run.config.data.bars
    if isinstance(named, Mapping) and named == in_memory(named):
        raise RunError(
            f"{run.path} was trained on bars that were handed over ({', '.join(named)}); "
            "hand them over again: dltrader.resume(run, bars=bars)"
        )
    return run.config.data.load()


def require_bars(run: Run, frames: Mapping[str, pd.DataFrame], context: Mapping[str, pd.DataFrame]) -> None:
    """Raise a RunError unless bars are those that a run began with."""
    was, now = str(run.manifest.get("data_sha256")), fingerprint(frames, context)
    if was != now:
        raise RunError(
            f"the bars of {run.path} have changed since it began: their fingerprint was {was[:12]}…, now {now[:12]}…; "
            "give it the bars of then, or train anew"
        )
