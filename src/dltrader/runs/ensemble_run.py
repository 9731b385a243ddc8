"""The run of an ensemble: a folder that explains how its members were trained, how well they forecast, and their vote.

config.yaml       the whole configuration, defaults included
manifest.json     as of any run; what is counted as steps are the bars with a label that were learned from
training.csv      one row: how the ensemble traded the validation bars
scores.csv        how well each model, and the ensemble, forecast bars that it had not learned from
members/NAME/     what the training of a member left: a policy's run folder, or a forecaster's bundle and curve; what it
                  said of the validation bars, votes.csv; and beside it, NAME.log, what its worker printed
folds/N/NAME/     the same of each fold of the cross-validation, and what the member said of the bars of its test
policy/           the ensemble, members included
predictions/      what it has predicted since: log.jsonl, unless the configuration says otherwise
backtest/, plots/ as of any run
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import pandas as pd

from dltrader.errors import RunError
from dltrader.evaluation.monitoring.drift import FeatureReference
from dltrader.files import write_text
from dltrader.forecast.policy import EnsemblePolicy
from dltrader.runs.ensemble import EnsembleConfig
from dltrader.runs.ensemble_bundle import load_ensemble, save_ensemble
from dltrader.runs.run import CONFIG, CURVE, POLICY, Run

MEMBERS, FOLDS, SCORES, MEMBER_RUN = "members", "folds", "scores.csv", "run"


@dataclass(frozen=True)
class EnsembleRun(Run):
    """The training of an ensemble and what came of it.

    Attributes:
        path: The folder.
        trained: What was trained, as its manifest says.
    """

    trained: ClassVar[str] = "ensemble"

    @cached_property
    def config(self) -> EnsembleConfig:
        """The configuration it was trained with."""
        return EnsembleConfig.from_yaml(self.path / CONFIG)

    @property
    def members(self) -> tuple[str, ...]:
        """The names of the members."""
        return tuple(self.config.members)

    @property
    def scores(self) -> pd.DataFrame:
        """How well each model forecast, a row a fold, a model and a question; empty before there are any.

        Columns: fold (0: the training's own validation bars, which calibrated the models and chose the weights), model
         ("ensemble" for all of them), question (side, or win_HORIZON), bars, log_loss, base_rate (the log loss of
        who always says how often each class came in training), brier, calibration_error, weight (of the vote).
        """
        file = self.path / SCORES
        return pd.read_csv(file) if file.is_file() else pd.DataFrame()

    def policy(self, which: str | int = "best") -> EnsemblePolicy:
        """The ensemble.

        Args:
            which: "best" or "final", which are one: an ensemble has no checkpoints.

        Raises:
            RunError: There is no such policy, perhaps not yet.
            BundleError: Its files are damaged.
        """
        if which in {"best", "final"} and (self.path / POLICY).is_dir():
            return load_ensemble(self.path / POLICY)
        raise RunError(
            f"{self.path} has no policy {which!r} (status {self.manifest['status']}); an ensemble has one, best, when "
            "its training has finished"
        )

    def member_curve(self, name: str) -> pd.DataFrame:
        """How the losses of a forecaster fell, a row a pass; empty of a member that is a policy."""
        file = self.member_folder(name) / CURVE
        return pd.read_csv(file) if file.is_file() else pd.DataFrame()

    def member_run(self, name: str) -> Run | None:
        """The run of a policy that was trained for the ensemble; None of any other member."""
        folder = self.member_folder(name) / MEMBER_RUN
        return Run.open(folder) if folder.is_dir() else None

    def member_folder(self, name: str, fold: int = 0) -> Path:
        """Where the training of a member is kept, or that of a fold, from 1 on."""
        return self.path / MEMBERS / name if fold == 0 else self.path / FOLDS / f"{fold:02d}" / name

    def keep(
        self,
        policy: EnsemblePolicy,
        scores: pd.DataFrame,
        validated: Mapping[str, float],
        behaviour: str | None,
        *,
        reference: FeatureReference | None = None,
    ) -> None:
        """Keep the ensemble, how well it forecast, and how it traded the validation bars.

        Args:
            policy: The ensemble.
            scores: As `EnsembleRun.scores`.
            validated: A row of the training curve: steps, validation_growth and what else is known.
            behaviour: How it collapsed on the validation bars; None where it did not.
            reference: How its features were spread over the bars of training.
        """
        save_ensemble(policy, self.path / POLICY, reference=reference)
        write_text(self.path / SCORES, scores.to_csv(index=False, lineterminator="\n"))
        self.write_curve([validated])
        best = {
            "steps": int(validated["steps"]),
            "validation_growth": validated["validation_growth"],
            "behaviour": behaviour,
        }
        self._update(checkpoints=[best], best=best)

    def go_on(self) -> None:
        """Say that its training is going on, from where each of its members stands."""
        self.begin_again(checkpoints=[], best=None, steps=0)
