from __future__ import annotations

import math

from dltrader.evaluation.evaluation import missing, plain
from dltrader.evaluation.why import ONE, whys

SECTIONS = {
    "seeds": [{"seed": 0, "sharpe": None, "dsr": None, "collapse": None}],
    "summary": {"sharpe": {"estimate": None, "low": None, "high": None}, "growth": {"estimate": 0.1, "low": None}},
    "baselines": [{"growth": 0.0, "growth_low": None}, {"growth": None, "sharpe": None}],
    "statistics": {"pbo": {"value": None, "why": "too few", "meaning": "m"}},
    "costs": {"break_even_bp": None},
    "other": {"strange": None},
    "about": {"config": {"episode_bars": None}},
    "folds": [{"error": None}],
}
KNOWN = {"baselines.1": "it could not trade", "costs.break_even_bp": "no profit", "dsr": "trials are unknown"}


def test_every_missing_number_is_found():
    assert list(missing({"a": [1.0, math.nan], "b": {"c": None, "collapse": None}, "d": "word"})) == ["a.1", "b.c"]


def test_every_missing_number_has_a_reason():
    assert whys(SECTIONS, KNOWN) == {
        "seeds.0.sharpe": "returns never vary",
        "seeds.0.dsr": "trials are unknown",
        "summary.sharpe.estimate": "returns never vary",
        "summary.sharpe.low": "returns never vary",
        "summary.sharpe.high": "returns never vary",
        "summary.growth.low": ONE,
        "baselines.0.growth_low": ONE,
        "baselines.1.growth": "it could not trade",
        "baselines.1.sharpe": "it could not trade",
        "statistics.pbo.value": "too few",
        "costs.break_even_bp": "no profit",
        "other.strange": "it is not defined for what was traded",
    }


def test_plain_values_are_those_of_json():
    assert plain({"a": (1.0, math.inf), 2: None}) == {"a": [1.0, None], "2": None}
