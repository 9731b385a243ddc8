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

import datetime as dt
import json
import platform
import shutil
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas as pd

import dltrader
from dltrader.agents.trained import TrainedPolicy
from dltrader.errors import RunError
from dltrader.files import write_json, write_text
from dltrader.runs.bundle import load_policy, save_policy
from dltrader.runs.experiment import ExperimentConfig
from dltrader.runs.hold import held
from dltrader.runs.notebook import run_html
from dltrader.runs.state import drop_state, load_state, save_state

CONFIG, MANIFEST, CURVE = "config.yaml", "manifest.json", "training.csv"
POLICY, CHECKPOINTS, STATE = "policy", "checkpoints", "state"
FINISHED = "finished"
RECORDED_PACKAGES = ("backtrader", "gymnasium", "numpy", "pandas", "sb3-contrib", "stable-baselines3", "ta", "torch")


@dataclass(frozen=True)
class Run:
    """One training and what came of it.

    Attributes:
        path: The folder.
    """

    path: Path

    @classmethod
    def create(
        cls,
        path: str | Path,
        config: ExperimentConfig,
        *,
        data_sha256: str,
        began_with: str | None = None,
        about: Mapping[str, Any] | None = None,
    ) -> Run:
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
                "name": config.name,
                "seed": config.seed,
                "data_sha256": data_sha256,
                **(about or {}),
                "command": _command(),
                "versions": _versions(),
                "started": _now(),
                "ended": None,
                "checkpoints": [],
                "best": None,
            }
            | ({} if began_with is None else {"began_with": began_with}),
        )
        return run

    @classmethod
    def open(cls, path: str | Path) -> Run:
        """The run in a folder.

        Raises:
            RunError: The folder is missing or is no run.
        """
        run = cls(Path(path))
        if not run.path.is_dir():
            raise RunError(f"there is no run folder {path}; list runs with: dltrader runs")
        if not (run.path / MANIFEST).is_file() or not (run.path / CONFIG).is_file():
            raise RunError(f"{path} is no run folder: it has no {MANIFEST} with a {CONFIG}")
        return run

    @classmethod
    def all_in(cls, folder: str | Path) -> list[Run]:
        """The runs below a folder, oldest first."""
        runs = [cls(file.parent) for file in Path(folder).glob(f"*/{MANIFEST}") if (file.parent / CONFIG).is_file()]
        return sorted(runs, key=Run._age)

    def _age(self) -> tuple[str, Path]:
        """What runs are listed by; a damaged one comes first."""
        try:
            return str(self.manifest.get("started")), self.path
        except RunError:
            return "", self.path

    @cached_property
    def config(self) -> ExperimentConfig:
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

    def policy(self, which: str | int = "best") -> TrainedPolicy:
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
        self._update(status=status, ended=_now(), **({"error": error} if error else {}))
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
        status = self.manifest["status"]
        if status == FINISHED:
            raise RunError(
                f"{self.path} has finished, so there is nothing to resume; for a longer training, train anew"
            )
        if not (self.path / STATE).is_dir():
            raise RunError(
                f"{self.path} (status {status}) has nothing to resume from: it had not come to its first checkpoint "
                "(train.evaluate_every), or keeps no state (train.keep_state); train anew"
            )
        return load_state(self.path / STATE)

    def reopen(self, kept: Mapping[str, Any], steps: int) -> None:
        """Take the folder back to the checkpoint of a kept state, from which the training is about to go on."""
        manifest = self.manifest
        again = {"at": _now(), "steps": steps, "command": _command(), "versions": _versions()}
        manifest.pop("error", None)
        manifest |= {"status": "running", "ended": None, "checkpoints": kept["checkpoints"], "best": kept["best"]}
        write_json(self.path / MANIFEST, manifest | {"resumed": [*manifest.get("resumed", []), again]})
        known = {self.checkpoint(checkpoint["steps"]) for checkpoint in kept["checkpoints"]}
        for folder in [self.path / POLICY, *(self.path / CHECKPOINTS).iterdir()]:
            if folder not in known:
                shutil.rmtree(folder, ignore_errors=True)

    def write_curve(self, rows: Sequence[Mapping[str, float]]) -> None:
        """Write the training curve so far."""
        write_text(self.path / CURVE, pd.DataFrame(rows).to_csv(index=False, lineterminator="\n"))

    def _repr_html_(self) -> str:
        """What a notebook shows of it."""
        return run_html(self)

    def _update(self, **values: Any) -> None:
        write_json(self.path / MANIFEST, self.manifest | values)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"cannot read {path}: {error}") from None
    if not isinstance(values, dict):
        raise RunError(f"cannot read {path}: it must hold keys and values, found {type(values).__name__}")
    return values


def _command() -> list[str]:
    return [Path(sys.argv[0]).name, *sys.argv[1:]]


def _versions() -> dict[str, str]:
    versions = {name: metadata.version(name) for name in RECORDED_PACKAGES}
    return {"dltrader": dltrader.__version__, "python": platform.python_version()} | versions


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
