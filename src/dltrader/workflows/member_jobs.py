"""The trainings of an ensemble's members: one a member, and one a member and fold, each a job of its own.

A job leaves in its folder what it trained, and `votes.csv`: what the member said of the validation bars, and of the
test bars of a fold. The file is written last: where it is, the job is done.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from dltrader.agents.trained import TrainedPolicy
from dltrader.errors import BundleError, RunError
from dltrader.files import write_text
from dltrader.forecast.bundle import TrainedForecaster, load_forecaster, save_forecaster
from dltrader.forecast.forecasters import Epoch, ForecasterConfig
from dltrader.forecast.members import ForecasterMember, Member, PolicyMember, votes_on
from dltrader.forecast.vote import Vote
from dltrader.forecast.vote_table import read_votes, vote_table, votes_of, written_votes
from dltrader.runs import Run
from dltrader.runs.ensemble import EnsembleConfig, RunMember
from dltrader.runs.ensemble import PolicyMember as TrainedMember
from dltrader.runs.ensemble_run import MEMBER_RUN
from dltrader.runs.run import CURVE, FINISHED
from dltrader.runs.state import drop_state, load_state, save_state
from dltrader.workflows.lesson import Lesson
from dltrader.workflows.resume_policy import resume_policy
from dltrader.workflows.train_policy import train_policy

VOTES, FORECASTER, STATE = "votes.csv", "forecaster", "state"
PARTS = ("validation", "test")

KEEP_EVERY_SECONDS = 10.0
"""How often a forecaster that is learning is kept: what is lost by a break is no more than that."""


@dataclass(frozen=True, eq=False)
class Order:
    """What a worker is told.

    Attributes:
        experiment: The ensemble in plain values, because it may hold functions that plugins have registered; of a fold
            with its `data.spans`.
        member: The name of the member.
        folder: Where its training is kept.
        frames: Instrument -> bars.
        context: Markets that features look at.
        handed_over: Whether the bars were handed over, so that nobody can load them again.
    """

    experiment: Mapping[str, Any]
    member: str
    folder: str
    frames: Mapping[str, pd.DataFrame]
    context: Mapping[str, pd.DataFrame]
    handed_over: bool


def train_member(order: Order) -> None:
    """Train a member, or go on with it if it was begun, and keep what it says of bars that it has not learned from.

    Raises:
        Exception: Whatever the training raises.
    """
    folder = Path(order.folder)
    if (folder / VOTES).is_file():
        return
    folder.mkdir(parents=True, exist_ok=True)
    lesson = Lesson.of(EnsembleConfig.from_mapping(order.experiment), order.frames, order.context)
    member = _trained(order, lesson, folder)
    parts = {"validation": lesson.samples.validation, "test": lesson.samples.test}
    tables = [
        vote_table(votes_on(member, samples), samples.times).assign(part=part)
        for part, samples in parts.items()
        if len(samples)
    ]
    write_text(folder / VOTES, written_votes(pd.concat(tables, ignore_index=True)))


def votes_in(folder: Path) -> dict[str, dict[str, Vote]]:
    """What a member said: part ("validation", and of a fold "test") -> model -> vote.

    Raises:
        RunError: It has not come to that.
    """
    if not (folder / VOTES).is_file():
        raise RunError(f"{folder} has no {VOTES}: the training of this member has not finished; go on with it")
    table = read_votes((folder / VOTES).read_text(encoding="utf-8"))
    return {part: votes_of(table[table["part"] == part]) for part in PARTS}


def member_in(folder: Path, name: str, lesson: Lesson) -> Member:
    """The member that the training of a lesson has left in a folder.

    Raises:
        RunError: A policy's run is missing, or has no policy.
        BundleError: Files are damaged.
    """
    member = lesson.experiment.members[name]
    if isinstance(member, ForecasterConfig):
        return ForecasterMember(name, load_forecaster(folder / FORECASTER))
    run = Run.open(member.run if isinstance(member, RunMember) else folder / MEMBER_RUN)
    return PolicyMember(name, policy_of(run, name))


def policy_of(run: Run, name: str) -> TrainedPolicy:
    """The best policy of a run, as a member.

    Raises:
        RunError: The run has none yet.
        BundleError: The run is that of an ensemble, which has no actor.
    """
    policy = run.policy()
    if not isinstance(policy, TrainedPolicy):
        raise BundleError(f"members.{name}: {run.path} is an ensemble, and members are policies; name a policy's run")
    return policy


def _trained(order: Order, lesson: Lesson, folder: Path) -> Member:
    member = lesson.experiment.members[order.member]
    if isinstance(member, ForecasterConfig):
        return ForecasterMember(order.member, _forecaster(member, lesson, folder))
    if isinstance(member, TrainedMember):
        _policy(order, lesson, folder / MEMBER_RUN)
    return member_in(folder, order.member, lesson)


def _policy(order: Order, lesson: Lesson, path: Path) -> None:
    """Train the policy of a member in a run folder of its own, or go on with it.

    Raises:
        KeyboardInterrupt: It was interrupted, and keeps what it has for the next time.
    """
    given: dict[str, Any] = {"bars": order.frames, "context": order.context} if order.handed_over else {}
    run = _gone_on(path, given)
    if run is None:
        shutil.rmtree(path, ignore_errors=True)
        config = lesson.experiment.policy_experiment(order.member)
        run = train_policy(config, out=path, kind="ensemble member", **given)
    if run.manifest["status"] != FINISHED:
        raise KeyboardInterrupt


def _gone_on(path: Path, given: Mapping[str, Any]) -> Run | None:
    """The run in a folder, finished; None where it has to be done again, which gives the same."""
    try:
        run = Run.open(path)
        return run if run.manifest["status"] == FINISHED else resume_policy(run, **given)
    except RunError:
        return None  # not there, killed before it was whole or came to a checkpoint, or its state is damaged


def _forecaster(config: ForecasterConfig, lesson: Lesson, folder: Path) -> TrainedForecaster:
    """Train a forecaster and keep its bundle."""
    if (folder / FORECASTER).is_dir():
        return load_forecaster(folder / FORECASTER)
    experiment, samples = lesson.experiment, lesson.samples
    watch = _Watch.of(folder)
    forecaster = config.fit(
        samples.train,
        samples.validation,
        horizon_bars=experiment.labels.horizon_bars,
        seed=experiment.seed,
        on_epoch=watch.note,
        state=watch.state,
    )
    watch.end()
    save_forecaster(
        forecaster,
        config,
        folder / FORECASTER,
        pipeline=lesson.pipeline,
        horizon_bars=experiment.labels.horizon_bars,
        instruments=lesson.instruments,
        interval=lesson.interval,
    )
    drop_state(folder / STATE)
    return load_forecaster(folder / FORECASTER)


class _Watch:
    """Keeps the curve of a forecaster's training, and now and then what it takes to go on.

    Attributes:
        state: What a training that was ended early has left to go on from; None where there is nothing.
    """

    def __init__(self, folder: Path, rows: list[dict[str, Any]], state: Mapping[str, Any] | None) -> None:
        self.state = state
        self._folder, self._rows = folder, rows
        self._kept_at = time.monotonic()

    @classmethod
    def of(cls, folder: Path) -> _Watch:
        """One that goes on where an earlier one was ended."""
        try:
            kept = load_state(folder / STATE)
        except RunError:  # not there, or damaged: what comes of it is the same, it takes longer
            return cls(folder, [], None)
        return cls(folder, list(kept["curve"]), kept["learning"])

    def note(self, epoch: Epoch) -> None:
        """Take a pass over the samples."""
        # What goes on from the beginning of a forest tells of its first rounds again.
        known = [row for row in self._rows if row["epoch"] < epoch.number]
        named = {"model": epoch.model} if epoch.model else {}
        self._rows = [*known, {"epoch": epoch.number, **named, **epoch.losses}]
        now = time.monotonic()
        if epoch.state is not None and now - self._kept_at >= KEEP_EVERY_SECONDS:
            save_state(self._folder / STATE, {"learning": epoch.state(), "curve": self._rows}, epoch.number)
            self.end()
            self._kept_at = time.monotonic()

    def end(self) -> None:
        """Write the curve."""
        table = pd.DataFrame(self._rows)
        write_text(self._folder / CURVE, table.to_csv(index=False, lineterminator="\n"))
