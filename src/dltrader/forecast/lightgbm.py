"""LightGBM: boosted trees that say how likely a long trade pays for its costs, one forest a horizon.

Source: Ke, Meng, Finley, Wang, Chen, Ma, Ye and Liu 2017, LightGBM: A Highly Efficient Gradient Boosting Decision Tree.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from dltrader.errors import BundleError, ConfigError, MissingExtraError
from dltrader.forecast.calibration import Temperature
from dltrader.forecast.forecasters import Epoch, ForecasterConfig, ignore
from dltrader.forecast.forest_text import require_forest, trees_only
from dltrader.forecast.forests import (
    DESCRIPTION,
    Forest,
    ForestForecaster,
    Rows,
    file_of,
    logits_by,
)
from dltrader.forecast.learnable import require_enough, require_wins
from dltrader.forecast.samples import Samples
from dltrader.forecast.scores import Classes, base_rates
from dltrader.forecast.side_shares import SideShares

LEARNER = "LightGBM"

Labelled = tuple[Rows, Classes]

ROUNDS_AN_EPOCH = 10
"""Trees between two looks at the losses, which is when a training tells how it stands."""


class LightGBMConfig(ForecasterConfig):
    """Boosted trees over the rows of a window, one forest a horizon.

    A forest learns wins over its horizon, and its vote shares buy, sell and hold out by the probability of a win, as
    they came in training with trades that won and trades that lost: see `dltrader.forecast.side_shares`.
    """

    name: Literal["lightgbm"] = "lightgbm"
    window_bars: int = Field(3, ge=1, le=10_000, description="Rows of features that trees see, the newest last")
    horizons: tuple[Annotated[int, Field(ge=1, le=10_000)], ...] = Field(
        (5, 30), min_length=1, description="Bars ahead whose wins are learned, one forest each"
    )
    rounds: int = Field(500, ge=1, le=100_000, description="Trees of a forest at most")
    patience_rounds: int = Field(
        60, ge=1, description="Trees that may be added without a better log loss on the validation bars"
    )
    learning_rate: float = Field(0.03, gt=0, le=1, description="Share of each tree's answer that is taken")
    leaves: int = Field(3, ge=2, le=4096, description="Leaves of a tree at most")
    linear_leaves: bool = Field(
        default=True, description="Whether a leaf answers with a linear function of the columns that lead to it"
    )
    leaf_samples: int = Field(50, ge=1, description="Samples of a leaf at least")
    feature_share: float = Field(0.7, gt=0, le=1, description="Share of the columns that each tree may choose from")
    sample_share: float = Field(0.7, gt=0, le=1, description="Share of the samples that each tree learns from")
    l2: float = Field(5.0, ge=0, description="Weight in the loss of the squares of what leaves answer, or of slopes")
    calibrate: bool = Field(
        default=True, description="Whether probabilities are calibrated by a temperature fitted on the validation bars"
    )

    learns_wins: ClassVar[bool] = True
    briefest: ClassVar[Mapping[str, Any]] = {"rounds": 5}

    @model_validator(mode="after")
    def _each_horizon_once(self) -> Self:
        if list(self.horizons) != sorted(set(self.horizons)):
            raise ConfigError(f"horizons must grow, each listed once, were {list(self.horizons)}")
        return self

    def require_installed(self) -> None:
        """See that LightGBM is there.

        Raises:
            MissingExtraError: It is not.
        """
        library()

    def fit(
        self,
        train: Samples,
        validation: Samples,
        *,
        horizon_bars: int,
        seed: int,
        threads: int = 1,
        on_epoch: Callable[[Epoch], None] = ignore,
        state: Mapping[str, Any] | None = None,
    ) -> ForestForecaster:
        """Grow one forest a horizon, each stopped and calibrated on the validation bars.

        A forest takes seconds, so a state holds those that are done: a training that goes on grows the one that it was
        at anew, and comes to the same.

        Raises:
            BarsError: There are too few samples, or all have the same label, those to validate on included.
            ConfigError: The samples tell nothing of a horizon.
            MissingExtraError: LightGBM is not installed.
        """
        del horizon_bars  # of side, movement and risk, of which these trees learn nothing
        require_enough(train, validation, self.least_samples, LEARNER)
        for horizon in self.horizons:
            _require_wins(train, validation, horizon)
        forests = [
            self._forest(values, values["text"], len(train.names)) for values in (state or {}).get("forests", [])
        ]
        rows, later = self._rows(train), self._rows(validation)
        for number, horizon in enumerate(self.horizons[len(forests) :], start=len(forests)):
            done = {"forests": [forest.to_mapping() | {"text": forest.text} for forest in forests]}
            text = self._grown(
                (rows, train.wins[horizon]),
                (later, validation.wins[horizon]),
                self._parameters(seed + number, threads),
                _Told(on_epoch, str(horizon), number * self._epochs, len(self.horizons) * self._epochs, done),
            )
            forests.append(self._calibrated(horizon, text, (rows, train), (later, validation)))
        return ForestForecaster(forests, train.names, self.window_bars)

    def load(self, folder: Path, n_features: int) -> ForestForecaster:
        """Read forests; whoever calls has verified the checksums of the files.

        Raises:
            BundleError: The files are not those of this configuration.
            MissingExtraError: LightGBM is not installed.
        """
        try:
            values = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
            names, found = list(map(str, values["names"])), list(values["forests"])
            texts = [(folder / file_of(horizon)).read_text(encoding="utf-8") for horizon in self.horizons]
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise BundleError(f"{folder} holds no forests of this configuration: {error}; copy the run again") from None
        if len(names) != n_features or values.get("window_bars") != self.window_bars or len(found) != len(texts):
            raise BundleError(
                f"{folder} holds {len(found)} forests over {values.get('window_bars')} rows of {len(names)} features, "
                f"and {len(texts)} over {self.window_bars} rows of {n_features} are configured; copy the run again"
            )
        forests = [self._forest(each, text, n_features) for each, text in zip(found, texts, strict=True)]
        if tuple(forest.horizon_bars for forest in forests) != self.horizons:
            raise BundleError(
                f"{folder} holds forests of other horizons than {list(self.horizons)}; copy the run again"
            )
        return ForestForecaster(forests, names, self.window_bars)

    @property
    def _epochs(self) -> int:
        """Most epochs of a forest."""
        return math.ceil(self.rounds / ROUNDS_AN_EPOCH)

    def _rows(self, samples: Samples) -> Rows:
        """What trees see of samples: (n, window_bars * features), the oldest row first."""
        return samples.windows(self.window_bars).reshape(len(samples), -1)

    def _forest(self, values: Mapping[str, Any], text: str, n_features: int) -> Forest:
        """A forest from its text, which is checked before LightGBM reads it."""
        require_forest(text, self.window_bars * n_features)
        return Forest.from_mapping(values, text, _booster(text))

    def _parameters(self, seed: int, threads: int) -> dict[str, Any]:
        """What LightGBM calls them."""
        return {
            "objective": "binary",
            "metric": "binary_logloss",
            "learning_rate": self.learning_rate,
            "num_leaves": self.leaves,
            "min_data_in_leaf": self.leaf_samples,
            "feature_fraction": self.feature_share,
            "bagging_fraction": self.sample_share,
            "bagging_freq": int(self.sample_share < 1),
            "lambda_l2": self.l2,
            "linear_tree": self.linear_leaves,
            "linear_lambda": self.l2,
            "num_threads": threads,
            "seed": seed % 2**31,
            "deterministic": True,
            "force_row_wise": True,  # else it measures which way is faster, and the sums differ with it
            "verbosity": -1,
        }

    def _grown(self, learned: Labelled, validated: Labelled, parameters: dict[str, Any], told: _Told) -> str:
        """The text of a forest: tree after tree until the log loss on the validation bars no longer falls."""
        lightgbm = library()
        trees = lightgbm.Dataset(*learned, params=parameters)
        booster = lightgbm.Booster(parameters, trees)
        booster.add_valid(lightgbm.Dataset(*validated, reference=trees, params=parameters), "validation")
        best, best_round = math.inf, 0
        for number in range(1, self.rounds + 1):
            is_finished = booster.update()
            ((_, _, loss, _),) = booster.eval_valid()
            if loss < best:
                best, best_round = loss, number
            is_over = is_finished or number == self.rounds or number - best_round >= self.patience_rounds
            if is_over or number % ROUNDS_AN_EPOCH == 0:
                ((_, _, fitted, _),) = booster.eval_train()
                told.say(number, {"train": fitted, "validation": loss})
            if is_over:
                break
        return trees_only(booster.model_to_string(num_iteration=best_round))

    def _calibrated(
        self, horizon: int, text: str, learned: tuple[Rows, Samples], validated: tuple[Rows, Samples]
    ) -> Forest:
        """A forest with what makes probabilities of it: of wins by the validation bars, of sides by those of training.

        That trees have seen the latter does no harm: which side came with a win or a loss was not told to them.
        """
        booster = _booster(text)
        (rows, train), (later, validation) = learned, validated
        temperature = Temperature()
        if self.calibrate:
            rates = base_rates(train.wins[horizon], 2).tolist()
            temperature = Temperature.fit(logits_by(booster, later), validation.wins[horizon], base=rates)
        win = temperature.probabilities(logits_by(booster, rows))[:, 1]
        return Forest(horizon, text, booster, temperature, SideShares.fit(win, train.wins[horizon], train.side))


@dataclass(frozen=True)
class _Told:
    """Tells of a forest's growth as a part of the training of all.

    Attributes:
        on_epoch: Who is told.
        model: The horizon in bars.
        before: Epochs of the forests before it.
        total: Most epochs of all forests.
        done: A state with the forests before it.
    """

    on_epoch: Callable[[Epoch], None]
    model: str
    before: int
    total: int
    done: dict[str, Any]

    def say(self, trees: int, losses: dict[str, float]) -> None:
        """Tell how it stands after so many trees."""
        number = self.before + math.ceil(trees / ROUNDS_AN_EPOCH)
        self.on_epoch(Epoch(number, self.total, losses, state=lambda: self.done, model=self.model))


def _require_wins(train: Samples, validation: Samples, horizon: int) -> None:
    """See that trades over a horizon win and lose, among the samples to learn from and among those to stop by."""
    if horizon not in train.wins:
        known = ", ".join(map(str, train.wins)) or "none"
        raise ConfigError(
            f"horizons has {horizon}, and the samples tell of wins over {known} bars; ask samples_of for all horizons"
        )
    require_wins(train, horizon, LEARNER)
    require_wins(validation, horizon, f"{LEARNER} in its validation")


def library() -> Any:
    """LightGBM.

    Raises:
        MissingExtraError: It is not installed.
    """
    try:
        import lightgbm  # noqa: PLC0415 - an optional dependency
    except ImportError:
        raise MissingExtraError("LightGBM", "forecast") from None
    return lightgbm


def _booster(text: str) -> Any:
    """LightGBM's reading of trees that were checked or have just been grown."""
    lightgbm = library()
    try:
        return lightgbm.Booster(model_str=text)
    except lightgbm.basic.LightGBMError as error:
        raise BundleError(f"LightGBM does not read the forest: {error}; copy the run again") from None
