"""The run: a folder that explains one training.

config.yaml       the whole configuration, defaults included
manifest.json     versions, seed, data, command, times, status, checkpoints and which did best, trials behind the data
training.csv      the training curve, one row a rollout
checkpoints/N/    the policy after N bars
policy/           the final policy
state/            of a training that has not finished, what it takes to go on from its last checkpoint
backtest/         metrics, equity, orders and trades of the last backtest
plots/            pictures
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import pandas as pd

from dltrader.agents.trained import TrainedPolicy
from dltrader.errors import RunError
from dltrader.files import write_json, write_text
from dltrader.registry import Registry
from dltrader.runs.bundle import load_policy, save_policy
from dltrader.runs.circumstances import command, now, versions
from dltrader.runs.experiment import Experiment, ExperimentConfig
from dltrader.runs.hold import held
from dltrader.runs.notebook import run_html
from dltrader.runs.state import drop_state, load_state, save_state

if TYPE_CHECKING:
    from dltrader.forecast.policy import EnsemblePolicy

CONFIG, MANIFEST, CURVE = "config.yaml", "manifest.json", "training.csv"
POLICY, CHECKPOINTS, STATE = "policy", "checkpoints", "state"
FINISHED = "finished"


@dataclass(frozen=True)
class Run:
    """One training and what came of it.

    Attributes:
        path: The folder.
        trained: What was trained, as its manifest says.
    """

    path: Path
    trained: ClassVar[str] = "policy"

    @classmethod
    def create(
        cls,
        path: str | Path,
        config: Experiment,
        *,
        data_sha256: str,
        began_with: str | None = None,
        about: Mapping[str, Any] | None = None,
    ) -> Self:
        """Make the folder of a training that is about to begin.

        Args:
            path: The folder.
            config: What is trained.
            data_sha256: The fingerprint of its bars.
            began_with: Where its first weights come from; None: they are drawn.
            about: What else its manifest says, so that the trial ledger can be told of it however it ends.

        Raises:
            RunError: The folder is already there.
        """
        run = cls(Path(path))
        text = config.to_yaml()  # first: what cannot be written must not leave a folder
        try:
            run.path.mkdir(parents=True)
        except FileExistsError:
            raise RunError(f"{path} already exists; choose another --out or remove it") from None
        except OSError as error:
            raise RunError(f"cannot make the run folder {path}: {error.strerror}") from None
        write_text(run.path / CONFIG, text)
        write_json(
            run.path / MANIFEST,
            {
                "status": "running",
                "trained": cls.trained,
                "name": config.name,
                "seed": config.seed,
                "data_sha256": data_sha256,
                **(about or {}),
                "command": command(),
                "versions": versions(),
                "started": now(),
                "ended": None,
                "checkpoints": [],
                "best": None,
            }
            | ({} if began_with is None else {"began_with": began_with}),
        )
        return run

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """The run in a folder: that of an ensemble is an `EnsembleRun`.

        Raises:
            RunError: The folder is missing, is no run, or another kind of run than this class stands for.
        """
        folder = Path(path)
        if not folder.is_dir():
            raise RunError(f"there is no run folder {path}; list runs with: dltrader runs")
        if not (folder / MANIFEST).is_file() or not (folder / CONFIG).is_file():
            raise RunError(f"{path} is no run folder: it has no {MANIFEST} with a {CONFIG}")
        kind = _kind_of(folder)
        if not issubclass(kind, cls):
            raise RunError(f"{path} is the run of {_a(kind.trained)}, and {_a(cls.trained)} is needed; name another")
        return kind(folder)

    @classmethod
    def all_in(cls, folder: str | Path) -> list[Run]:
        """The runs below a folder, oldest first."""
        folders = [file.parent for file in Path(folder).glob(f"*/{MANIFEST}") if (file.parent / CONFIG).is_file()]
        return sorted((_kind_of(each)(each) for each in folders), key=Run._age)

    def _age(self) -> tuple[str, Path]:
        """What runs are listed by; a damaged one comes first."""
        try:
            return str(self.manifest.get("started")), self.path
        except RunError:
            return "", self.path

    @cached_property
    def config(self) -> Experiment:
        """The configuration it was trained with."""
        return ExperimentConfig.from_yaml(self.path / CONFIG)

    @property
    def manifest(self) -> dict[str, Any]:
        """What manifest.json holds now.

        Raises:
            RunError: It is no JSON, or not that of a run.
        """
        manifest = _read_json(self.path / MANIFEST)
        missing = {"status", "started", "checkpoints", "best"} - manifest.keys()
        if missing:
            raise RunError(f"{self.path / MANIFEST} is no manifest: it has no {sorted(missing)[0]}; copy the run again")
        return manifest

    @property
    def curve(self) -> pd.DataFrame:
        """The training curve; empty before the first rollout."""
        file = self.path / CURVE
        return pd.read_csv(file) if file.is_file() else pd.DataFrame()

    @property
    def metrics(self) -> dict[str, Any]:
        """The metrics of the last backtest, the policy's and buy-and-hold's; empty before there is one."""
        file = self.path / "backtest" / "metrics.json"
        return _read_json(file) if file.is_file() else {}

    def policy(self, which: str | int = "best") -> TrainedPolicy | EnsemblePolicy:
        """A policy of the run.

        Args:
            which: "best" on the validation bars, "final", or the bars after which a checkpoint was made.

        Raises:
            RunError: There is no such policy, perhaps not yet.
            BundleError: Its files are damaged.
        """
        manifest = self.manifest
        steps = [checkpoint["steps"] for checkpoint in manifest["checkpoints"]]
        if which == "best" and manifest["best"] is not None:
            which = manifest["best"]["steps"]
        if which in {"best", "final"} and (self.path / POLICY).is_dir():
            return load_policy(self.path / POLICY)
        if which in steps:
            return load_policy(self.checkpoint(int(which)))
        raise RunError(f"{self.path} has no policy {which!r} (status {manifest['status']}); it has checkpoints {steps}")

    def checkpoint(self, steps: int) -> Path:
        """The folder of the checkpoint after so many bars."""
        return self.path / CHECKPOINTS / f"{steps:09d}"

    def add_checkpoint(
        self, policy: TrainedPolicy, steps: int, validation_growth: float, behaviour: str | None = None
    ) -> bool:
        """Keep a policy and what it did on the validation bars; True if it is the best so far.

        Args:
            policy: The policy.
            steps: Bars it has learned from.
            validation_growth: Its log growth on the validation bars.
            behaviour: How it collapsed there, e.g. "never traded"; None where it did not.
        """
        save_policy(policy, self.checkpoint(steps))
        manifest = self.manifest
        entry = {"steps": steps, "validation_growth": validation_growth, "behaviour": behaviour}
        best = manifest["best"]
        is_best = best is None or validation_growth > best["validation_growth"]
        self._update(checkpoints=[*manifest["checkpoints"], entry], best=entry if is_best else best)
        return is_best

    def finish(self, policy: TrainedPolicy | None, *, status: str, error: str | None = None) -> None:
        """Keep the final policy, if there is one, and say how the training ended."""
        if policy is not None:
            save_policy(policy, self.path / POLICY)
        self._update(status=status, ended=now(), **({"error": error} if error else {}))
        if status == FINISHED:
            drop_state(self.path / STATE)

    def keep_standing(self, standing: Mapping[str, Any]) -> None:
        """Keep what the trial ledger said when the training had ended."""
        self._update(**standing)

    def held(self) -> AbstractContextManager[None]:
        """Keep other processes from training into the folder as long as a `with` block runs.

        Raises:
            RunError: Another process does so now.
        """
        return held(self.path / CONFIG)

    def keep_state(self, state: dict[str, Any], steps: int) -> None:
        """Keep what it takes to go on from the checkpoint after so many bars, in place of an older state."""
        manifest = self.manifest
        kept = {"training": state, "checkpoints": manifest["checkpoints"], "best": manifest["best"]}
        save_state(self.path / STATE, kept, steps)

    def kept_state(self) -> dict[str, Any]:
        """What `keep_state` was given last, as `training`, and the `checkpoints` and `best` of that time.

        Raises:
            RunError: The training has finished, there is no state, or it is damaged.
        """
        self.require_unfinished()
        if not (self.path / STATE).is_dir():
            raise RunError(
                f"{self.path} (status {self.manifest['status']}) has nothing to resume from: it had not come to its "
                "first checkpoint (train.evaluate_every), or keeps no state (train.keep_state); train anew"
            )
        return load_state(self.path / STATE)

    def require_unfinished(self) -> None:
        """Check that there is something left to train.

        Raises:
            RunError: The training has finished.
        """
        if self.manifest["status"] == FINISHED:
            raise RunError(
                f"{self.path} has finished, so there is nothing to resume; for a longer training, train anew"
            )

    def reopen(self, kept: Mapping[str, Any], steps: int) -> None:
        """Take the folder back to the checkpoint of a kept state, from which the training is about to go on."""
        self.begin_again(checkpoints=kept["checkpoints"], best=kept["best"], steps=steps)
        known = {self.checkpoint(checkpoint["steps"]) for checkpoint in kept["checkpoints"]}
        for folder in [self.path / POLICY, *(self.path / CHECKPOINTS).iterdir()]:
            if folder not in known:
                shutil.rmtree(folder, ignore_errors=True)

    def begin_again(self, *, checkpoints: list[Any], best: Any, steps: int) -> None:
        """Say that the training goes on, from where it had so many steps behind it."""
        manifest = self.manifest
        again = {"at": now(), "steps": steps, "command": command(), "versions": versions()}
        manifest.pop("error", None)
        manifest |= {"status": "running", "ended": None, "checkpoints": checkpoints, "best": best}
        write_json(self.path / MANIFEST, manifest | {"resumed": [*manifest.get("resumed", []), again]})

    def write_curve(self, rows: Sequence[Mapping[str, float]]) -> None:
        """Write the training curve so far."""
        write_text(self.path / CURVE, pd.DataFrame(rows).to_csv(index=False, lineterminator="\n"))

    def _repr_html_(self) -> str:
        """What a notebook shows of it."""
        return run_html(self)

    def _update(self, **values: Any) -> None:
        write_json(self.path / MANIFEST, self.manifest | values)


RUNS: Registry[type[Run]] = Registry(
    "kind of run", {"policy": f"{__name__}:Run", "ensemble": "dltrader.runs.ensemble_run:EnsembleRun"}
)


def _kind_of(folder: Path) -> type[Run]:
    """The class of the run in a folder; of one that is damaged or not known here, the plain one, which will say so."""
    try:
        kind = str(_read_json(folder / MANIFEST).get("trained"))
    except RunError:
        return Run
    return RUNS.get(kind, Run)  # earlier versions trained policies only, and did not say so


def _a(kind: str) -> str:
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def _read_json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"cannot read {path}: {error}") from None
    if not isinstance(values, dict):
        raise RunError(f"cannot read {path}: it must hold keys and values, found {type(values).__name__}")
    return values
