"""Forecasters by name: each a typed configuration that learns from samples and gives what answers with votes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field, model_validator

from dltrader.config import NamedConfig
from dltrader.errors import ConfigError
from dltrader.forecast.samples import Samples
from dltrader.forecast.vote import Vote
from dltrader.registry import Registry

Windows = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Epoch:
    """How a training stands after a pass over its samples, or after a round of trees.

    Attributes:
        number: Passes so far, from 1.
        total: At most so many.
        losses: Name -> value; `validation` is what early stopping looks at.
        state: What it takes to go on from here bit for bit, as plain values and tensors; None where it cannot.
        model: Which of its models learned, as `Forecaster.votes` names them.
    """

    number: int
    total: int
    losses: Mapping[str, float]
    state: Callable[[], dict[str, Any]] | None = field(default=None, repr=False)
    model: str = ""


def ignore(_: Epoch) -> None:
    """Nobody looks."""


class Forecaster(ABC):
    """What a training gives: windows in, votes out."""

    @abstractmethod
    def votes(self, windows: Windows) -> dict[str, Vote]:
        """What its models say of windows, (n, window_bars, features) float32 with the newest row last.

        Returns:
            Model -> vote: "" for the only one, else the horizon in bars in words, such as "5".
        """

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write its files, which hold data and no code, into an empty folder."""

    def importances(self) -> pd.DataFrame | None:
        """How much each feature counts, as `plotting.plot_importances` draws it; None where that cannot be told."""
        return None


class ForecasterConfig(NamedConfig, ABC):
    """What every forecaster's configuration says, and how one is trained and read again."""

    window_bars: int = Field(60, ge=1, le=10_000, description="Rows of features that it reads, the newest last")

    horizons: tuple[Annotated[int, Field(ge=1, le=10_000)], ...] = Field(
        (), description="Bars ahead whose wins it learns, beside side, movement and risk over the labels' own horizon"
    )

    learns_wins: ClassVar[bool] = False
    briefest: ClassVar[Mapping[str, Any]] = {}
    """Settings with which it learns as briefly as it can, for whoever wants votes and not good ones."""

    @model_validator(mode="after")
    def _learns_what_is_asked(self) -> Self:
        if self.horizons and not self.learns_wins:
            raise ConfigError(
                f"horizons are {list(self.horizons)}, and {type(self).__name__} learns no wins; leave them out"
            )
        return self

    @property
    def least_samples(self) -> int:
        """Fewer cannot teach it anything."""
        return 200

    def require_installed(self) -> None:
        """See that the libraries are there that it learns with.

        Raises:
            MissingExtraError: One is not.
        """

    @abstractmethod
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
    ) -> Forecaster:
        """Learn from samples.

        The same samples, seed and number of threads give the same forecaster on the same machine.

        Args:
            train: To learn from.
            validation: To stop by, and to calibrate on; later than those to learn from, and apart from them by a purge.
            horizon_bars: That of side, movement and risk.
            seed: Of weights and of the order of samples.
            threads: To compute with.
            on_epoch: Told of every pass; what it raises ends the training.
            state: What `Epoch.state` gave in an earlier training with the same arguments, to go on from there.

        Raises:
            BarsError: There are too few samples, or all have the same label.
        """

    @abstractmethod
    def load(self, folder: Path, n_features: int) -> Forecaster:
        """Read what `Forecaster.save` wrote; whoever calls has verified the checksums of the files.

        Raises:
            BundleError: The files are not those of this configuration.
        """


FORECASTERS: Registry[type[ForecasterConfig]] = Registry(
    "forecaster",
    {
        "lstm": "dltrader.forecast.network:LSTMForecasterConfig",
        "lightgbm": "dltrader.forecast.lightgbm:LightGBMConfig",
    },
)
