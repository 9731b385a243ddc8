"""Features: bars in, causal numbers out.

    spec       one entry of a declarative list: a feature's name and its parameters
    feature    a function of bars that gives one or several columns; row t uses bars up to t only
    settled    a row for which enough bars have passed; the rows before are the warm-up, dropped and never filled
    scaling    what makes features comparable, without looking ahead
    context    bars of other markets, which are seen and not traded
    interval   of the higher bars that a feature is computed on, such as weeks of daily bars

A `Pipeline` is a list of specs and a scaling; `fit` turns it into a `FittedPipeline`, and only that
transforms bars. The features of this library have a finite memory: a row is the same to the bit
however much history stands before it.
"""

from __future__ import annotations

from dltrader.features.indicators import FEATURES, Feature
from dltrader.features.pipeline import FittedPipeline, Pipeline
from dltrader.features.scaling import SCALINGS, NoScaling, RollingScaling, Scaling, TrainScaling
from dltrader.features.spec import DEFAULT_FEATURES, FeatureSpec

__all__ = [
    "DEFAULT_FEATURES",
    "FEATURES",
    "SCALINGS",
    "Feature",
    "FeatureSpec",
    "FittedPipeline",
    "NoScaling",
    "Pipeline",
    "RollingScaling",
    "Scaling",
    "TrainScaling",
]
