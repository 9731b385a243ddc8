"""Forests for the tests: grown in a tenth of a second on samples whose law is known, and kept as bundles."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from dltrader.features import Pipeline
from dltrader.forecast.bundle import save_forecaster
from dltrader.forecast.lightgbm import LightGBMConfig
from market_bars import random_walk
from planted_samples import cut, planted

SMALL = {"rounds": 12, "window_bars": 2, "leaves": 4, "leaf_samples": 20}
FEATURES = ("log_return", "body", "range")
TRADED = {"horizon_bars": 5, "instruments": ("asset",), "interval": pd.Timedelta(days=1)}


def grown(seed=0, *, n=900, correlation=0.6, **settings):
    """A forecaster of wins over 5 bars and over 10, the configuration it was grown with, and the samples."""
    samples, _ = planted(n, correlation)
    longer = replace(samples, wins={5: samples.wins[5], 10: (samples.movement > 0).astype("int64")})
    config = LightGBMConfig.from_mapping({"horizons": [5, 10]} | SMALL | settings)
    train, validation = cut(longer, 2 * n // 3)
    return config.fit(train, validation, horizon_bars=5, seed=seed), config, (train, validation)


def kept(folder, forecaster=None, config=None, **changes):
    """The folder of a bundle of a forecaster; of a small one where none is given."""
    if forecaster is None:
        forecaster, config, _ = grown()
    pipeline = Pipeline(FEATURES).fit(random_walk(400))
    return save_forecaster(forecaster, config, folder, **TRADED | {"pipeline": pipeline} | changes)
