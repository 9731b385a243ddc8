"""Tune: draw configurations from a search space, train them, and find the one that grows most on the validation bars.

OUT/study.db              the trials, in SQLite: the same call goes on with them
OUT/space.yaml            the search space
OUT/trial-0007-s0/        the run folder of a trial's training with seed 0, and beside it its log
OUT/best.yaml             the best configuration so far, as `train` takes it

Trials are drawn in batches, and a batch only when all trials of the one before have ended. So neither what is drawn nor
what is pruned depends on how many run at once, on their order, or on an interruption between.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from dltrader.data import fingerprint
from dltrader.envs.market import context_of
from dltrader.errors import ConfigError, RunError
from dltrader.files import write_text
from dltrader.runs import ExperimentConfig, Run
from dltrader.runs.hold import held
from dltrader.workflows.entries import warn_of_unknown
from dltrader.workflows.jobs import Executor
from dltrader.workflows.processes import Processes
from dltrader.workflows.progress import JobsProgress
from dltrader.workflows.running import require_numbers
from dltrader.workflows.space import Space
from dltrader.workflows.study import Study, Trial
from dltrader.workflows.trials import Search, folder_name, next_batch, run_batch

STUDY, SPACE, BEST = "study.db", "space.yaml", "best.yaml"
BATCH = 8


@dataclass(frozen=True)
class Tuned:
    """What a tuning came to.

    Attributes:
        path: Its folder.
        trials: All trials by number, those of earlier calls included.
        search: What they have in common.
        interrupted: Whether Ctrl-C ended it before it had all its trials.
    """

    path: Path
    trials: Sequence[Trial]
    search: Search
    interrupted: bool

    @property
    def best(self) -> Trial | None:
        """The finished trial that grew most on the validation bars, the first of equals; None where none finished."""
        return best_of(self.trials)

    @property
    def config(self) -> ExperimentConfig | None:
        """The configuration of the best trial."""
        return None if self.best is None else self.search.config(self.best)

    def values(self, trial: Trial) -> dict[str, Any]:
        """What a trial changes in the configuration, by dotted keys."""
        return self.search.space.overrides(trial.drawn)

    def runs(self, trial: Trial) -> list[Run]:
        """The runs of a trial that there are, by seed."""
        return [Run.open(path) for path in sorted(self.path.glob(f"{folder_name(trial.number)}-s*")) if path.is_dir()]


def tune(
    config: ExperimentConfig | Mapping[str, Any] | str | Path,
    space: Space | Mapping[str, Any] | str | Path,
    *,
    trials: int,
    overrides: Mapping[str, Any] | None = None,
    out: str | Path | None = None,
    seeds: int = 1,
    jobs: int = 1,
    batch: int = BATCH,
    prune: bool = True,
    time_limit: float | None = None,
    plugins: Sequence[str] = (),
    executor: Executor | None = None,
    progress: bool = False,
) -> Tuned:
    """Search for the configuration that grows most on the validation bars; test bars are not looked at.

    A trial's score is the log growth of its best checkpoint, the mean over its seeds. The best of many scores flatters
    itself: what it is worth is said by a backtest on the test bars, once. A trial that fails, is killed or takes too
    long is kept as failed, and the others go on.

    The first trials are drawn at random, later ones by the tree-structured Parzen estimator (Bergstra, Bardenet, Bengio
    and Kégl 2011, "Algorithms for Hyper-Parameter Optimization"), as Optuna has it. The configuration's seed is that of
    the draws too.

    The same call goes on with the study in its folder, up to so many trials in all, and trains anew what had been
    interrupted. Ctrl-C keeps what there is.

    Args:
        config: What is tuned: a file, the name of a shipped configuration, a mapping, or an experiment.
        space: What is searched: a file, the name of a shipped space, or a mapping of dotted keys.
        trials: How many there are to be in the end.
        overrides: Dotted keys of the configuration with new values.
        out: The folder; by default `runs/NAME-tune`.
        seeds: Trainings of a trial, with consecutive seeds.
        jobs: Trainings that run at once.
        batch: Trials that are drawn together; a part of the study, because more of them know less of each other.
        prune: Whether trainings that are behind the median of earlier trials end early.
        time_limit: Seconds that a training may take; None: as long as it likes.
        plugins: Modules to import first, which register what the configuration names.
        executor: What runs the trainings; by default processes of this machine.
        progress: Whether to show a progress line.

    Raises:
        ConfigError: A value is wrong, the space does not fit the configuration, the study was begun with others, or
            so many jobs do not fit into memory.
        BarsError, SourceError: The bars cannot be had.
        MissingExtraError: Optuna is not installed.
        RunError: The folder holds something else, or another process is tuning in it.
    """
    experiment, space = ExperimentConfig.load(config, overrides), Space.load(space)
    space.require(experiment)
    require_numbers(jobs, time_limit)
    for name, number in (("--trials", trials), ("--seeds", seeds), ("--batch", batch)):
        if number < 1:
            raise ConfigError(f"{name} must be at least 1, was {number}")
    if jobs > batch * seeds:
        raise ConfigError(
            f"--jobs {jobs} is more than the {batch * seeds} trainings that are drawn together; "
            f"set --batch {-(-jobs // seeds)} or --jobs {batch * seeds}"
        )
    facts = {
        "config": {key: value for key, value in experiment.to_mapping().items() if key != "name"},
        "space": space.to_mapping(),
        "seeds": seeds,
        "batch": batch,
        "prune": prune,
        "data_sha256": fingerprint(experiment.data.load(), context_of(experiment.env)),
    }
    folder = Path(out) if out is not None else Path("runs") / f"{experiment.name}-tune"
    search = Search(experiment, space, folder, seeds, batch, prune)
    executor = executor or Processes()
    at_once = min(jobs, seeds * min(trials, batch))
    # Each batch is asked about again when it is drawn: its replays may be larger.
    executor.require([one.job for one in search.trainings(0, experiment, [])] * batch, at_once)
    _make(folder, space)
    with held(folder / SPACE):
        study = Study.open(folder / STUDY, space, facts, experiment.seed)
        ended = sum(trial.state != "waiting" for trial in study.trials[:trials])
        bar = JobsProgress((trials - ended) * seeds) if progress and ended < trials else None
        interrupted = False

        def keep_best() -> None:
            _keep_best(search, study)

        with bar or nullcontext():
            try:
                while drawn := next_batch(search, study, trials):
                    run_batch(
                        search,
                        study,
                        drawn,
                        executor,
                        at_once=at_once,
                        time_limit=time_limit,
                        plugins=plugins,
                        bar=bar,
                        ended=keep_best,
                    )
            except KeyboardInterrupt:
                interrupted = True  # the executor has stopped what was running; the study knows what is still to do
        warn_of_unknown(sorted(folder.glob(f"{folder_name(0)[:-4]}*-s*")))
        return Tuned(folder, study.trials, search, interrupted)


def best_of(trials: Sequence[Trial]) -> Trial | None:
    """The finished trial that grew most on the validation bars, the first of equals; None where none finished."""
    scores = {trial.number: trial.validation_growth for trial in trials if trial.state == "finished"}
    grown = {number: score for number, score in scores.items() if score is not None}
    return trials[max(grown, key=grown.__getitem__)] if grown else None


def _make(folder: Path, space: Space) -> None:
    """Make the folder, or find it as a tuning has left it.

    Raises:
        RunError: It holds something else, or cannot be made.
    """
    if folder.exists() and not (folder / SPACE).is_file():
        raise RunError(f"{folder} already exists and holds no study; choose another --out or remove it")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / SPACE).is_file():
            write_text(folder / SPACE, yaml.safe_dump(space.to_mapping(), sort_keys=False, allow_unicode=True))
    except OSError as error:
        raise RunError(f"cannot make the folder {folder}: {error.strerror}") from None


def _keep_best(search: Search, study: Study) -> None:
    """Write the best configuration so far."""
    best = best_of(study.trials)
    if best is not None:
        said = f"# Trial {best.number}: validation growth {best.validation_growth:+.4f}, the best so far.\n"
        write_text(search.folder / BEST, said + search.config(best).to_yaml())
