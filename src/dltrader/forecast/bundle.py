"""The forecaster bundle: a trained forecaster in a folder whose files hold data and no code.

    forecaster.json   its configuration, fitted features, horizon, interval and instruments
    model/            what the forecaster wrote of itself
    manifest.json     the checksums of all of these, which are verified before any is parsed

Equal trainings write equal bytes: nothing in a bundle tells the time.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from dltrader.errors import BundleError
from dltrader.features import FittedPipeline
from dltrader.files import new_folder, write_json
from dltrader.forecast.forecasters import FORECASTERS, Forecaster, ForecasterConfig, Windows
from dltrader.forecast.manifest import MANIFEST, require_vouched, write_manifest
from dltrader.forecast.vote import Vote
from dltrader.registry import built_here

FORMAT = 1
DESCRIPTION, MODEL = "forecaster.json", "model"


@dataclass(frozen=True, eq=False)
class TrainedForecaster:
    """A forecaster, and all it needs to speak of bars that it has never seen.

    Attributes:
        config: What it was trained with.
        forecaster: What answers.
        pipeline: Computes its features, with the scaling fitted in training.
        horizon_bars: That of side, movement and risk.
        instruments: Names of the instruments that it was trained on.
        interval: Median time between their bars.
    """

    config: ForecasterConfig
    forecaster: Forecaster
    pipeline: FittedPipeline
    horizon_bars: int
    instruments: tuple[str, ...]
    interval: pd.Timedelta

    @property
    def window_bars(self) -> int:
        """Rows of features that it reads."""
        return self.config.window_bars

    @property
    def names(self) -> tuple[str, ...]:
        """The columns of features that it reads, in order."""
        return self.pipeline.names

    def votes(self, windows: Windows) -> dict[str, Vote]:
        """As of `Forecaster`: what its models say of windows, (n, window_bars, features) float32.

        Raises:
            BundleError: The windows are not of the shape that it was trained on.
        """
        expected = (self.window_bars, len(self.names))
        if windows.ndim != 3 or windows.shape[1:] != expected:
            raise BundleError(
                f"the forecaster reads windows of shape (n, {expected[0]}, {expected[1]}), was given {windows.shape}; "
                "use the window and the features of its run"
            )
        return self.forecaster.votes(windows)


def save_forecaster(
    forecaster: Forecaster,
    config: ForecasterConfig,
    folder: str | Path,
    *,
    pipeline: FittedPipeline,
    horizon_bars: int,
    instruments: Sequence[str],
    interval: pd.Timedelta,
) -> Path:
    """Write a forecaster as a bundle, in place of an older one if there is one.

    Args:
        forecaster: What `config.fit` gave.
        config: What it was trained with.
        folder: Where to.
        pipeline: Computes its features.
        horizon_bars: That of side, movement and risk.
        instruments: Names of the instruments that it was trained on.
        interval: Median time between their bars.

    Returns:
        The folder.
    """
    folder = Path(folder)
    with new_folder(folder) as filling:
        (filling / MODEL).mkdir()
        forecaster.save(filling / MODEL)
        write_json(
            filling / DESCRIPTION,
            {
                "format": FORMAT,
                "forecaster": config.to_mapping(),
                "pipeline": pipeline.to_mapping(),
                "horizon_bars": horizon_bars,
                "instruments": list(instruments),
                "interval": pd.Timedelta(interval).isoformat(),
            },
        )
        write_manifest(filling)
    return folder


def load_forecaster(folder: str | Path) -> TrainedForecaster:
    """Read a forecaster from a bundle; unpickles nothing, runs no code from it, and parses only what is vouched for.

    Features and forecasters of your own must be registered before.

    Raises:
        BundleError: The bundle is missing, incomplete, altered, of another format, or names something that is not
            registered here.
        MissingExtraError: The library that reads it is not installed.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise BundleError(f"{folder} is no folder; a forecaster is one with {DESCRIPTION}, {MODEL} and {MANIFEST}")
    require_vouched(folder)
    description = _read(folder / DESCRIPTION)
    if description.get("format") != FORMAT:
        raise BundleError(
            f"{folder / DESCRIPTION} has format {description.get('format')!r}, this dltrader reads {FORMAT}; "
            "use the version that wrote it"
        )
    with built_here("forecaster", folder):
        config = FORECASTERS[description["forecaster"]["name"]].from_mapping(description["forecaster"])
        pipeline = FittedPipeline.from_mapping(description["pipeline"])
        return TrainedForecaster(
            config=config,
            forecaster=config.load(folder / MODEL, len(pipeline.names)),
            pipeline=pipeline,
            horizon_bars=int(description["horizon_bars"]),
            instruments=tuple(description["instruments"]),
            interval=pd.Timedelta(description["interval"]),
        )


def _read(path: Path) -> dict[str, Any]:
    """A document that the manifest has vouched for."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BundleError(f"{path} is missing; a forecaster is a folder with {DESCRIPTION} and {MODEL}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise BundleError(f"{path} is no JSON: {error}; copy the folder again") from None
    if not isinstance(values, dict):
        raise BundleError(f"{path} must hold keys and values, found {type(values).__name__}; copy the folder again")
    return values
