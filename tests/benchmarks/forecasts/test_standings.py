from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from dltrader.benchmarks.forecasts import standings
from dltrader.benchmarks.forecasts.setting import Setting
from dltrader.benchmarks.forecasts.standings import Standing, measure_forecasts, measured_of
from dltrader.benchmarks.forecasts.trials import Score, Trial
from dltrader.errors import ConfigError

SETTING = Setting.from_mapping({"task": "ar1", "env": {}, "members": {"lgb": "lightgbm"}})
NAN = math.nan


def standing(**changes):
    known = Standing("lstm", "side", (1.0, 1.2), (0.6, 0.8), 0.7, (0.61, 0.86), (0.01, 0.03), (0.01, 0.01), (0.0, 0.0))
    return replace(known, **changes)


def trial(*losses, ensemble, p_value=0.5, law=True):
    def score(model, loss):
        best = 0.6 if law else NAN
        return Score(model, "side", 1.0, best, best, loss, 0.01, 0.01 if law else NAN, p_value)

    models = dict(zip("ab", losses, strict=False))
    scores = (*(score(model, loss) for model, loss in models.items()), score("ensemble", ensemble))
    return Trial(scores, models, dict.fromkeys(models, 0.5), 100, 80, 2.0)


def test_the_share_is_that_of_all_seeds():
    one = standing()
    assert one.share == pytest.approx(0.73 / 0.8)
    assert one.gain == pytest.approx(0.365)
    assert one.gain_error == pytest.approx(0.025)
    assert one.calibration_error == pytest.approx(0.02)
    assert one.is_as_asked
    assert not standing(loss=(0.62, 0.87)).is_as_asked
    assert not standing(calibration_errors=(0.03, 0.04)).is_as_asked


def test_winners_on_shuffled_bars_are_counted():
    lucky = standing(best=(NAN,) * 20, expected=NAN, p_values=(0.01,) * 4 + (0.5,) * 16)
    assert (lucky.winners, lucky.is_known) == (4, False)
    assert lucky.winners_chance == pytest.approx(0.01590, abs=1e-5)
    assert lucky.is_as_asked
    assert not replace(lucky, p_values=(0.01,) * 5 + (NAN,) * 15).is_as_asked
    assert math.isnan(lucky.share)


def test_the_ensemble_is_held_against_the_best_member_over_all_seeds():
    found = measured_of("x", SETTING, [trial(0.62, 0.66, ensemble=0.61), trial(0.64, 0.61, ensemble=0.62)])
    assert found.best_member == "a"
    assert found.excess == pytest.approx(0.615 - 0.63)
    assert found.is_as_asked
    assert (found.learned, found.unseen, found.seconds) == (100, 80, 2.0)
    assert [one.model for one in found.standings] == ["a", "b", "ensemble"]
    assert measured_of("x", SETTING, [trial(0.62, 0.61, ensemble=0.6103)]).is_as_asked  # of 0.4, less than a thousandth
    worse = measured_of("x", SETTING, [trial(0.62, 0.61, ensemble=0.6105)])
    assert (worse.best_member, worse.is_as_asked) == ("b", False)


def test_an_ensemble_is_not_asked_for_more_where_nothing_can_be_learned():
    found = measured_of("x", SETTING, [trial(1.0, 1.1, ensemble=1.2, law=False)])
    assert found.excess == pytest.approx(0.2)
    assert found.is_as_asked


def test_plain_values_hold_no_nan():
    found = measured_of("x", SETTING, [trial(1.0, 1.1, ensemble=1.2, law=False)])
    kept = json.loads(json.dumps(found.to_mapping(), allow_nan=False))
    assert kept["standings"][0]["best"] == [None]
    assert kept["standings"][0]["share"] is None
    assert (kept["setting"], kept["task"], kept["is_as_asked"]) == ("x", "ar1", True)


def test_every_setting_is_tried_with_each_of_its_seeds(monkeypatch):
    seen = []

    def run(setting, seed):
        seen.append((setting.labels.horizon_bars, seed))
        return trial(0.6 + seed / 100, ensemble=0.6)

    monkeypatch.setattr(standings, "run_trial", run)
    other = SETTING.with_overrides({"labels.horizon_bars": 3})
    told = []
    found = measure_forecasts(
        {"x": SETTING, "y": other}, seeds={"x": [0, 1], "y": [4]}, watch=lambda key, _: told.append(key)
    )
    assert seen == [(5, 0), (5, 1), (3, 4)]
    assert told == [("x", 0), ("x", 1), ("y", 4)]
    assert [one.sides["a"] for one in found] == [(0.6, 0.61), (0.64,)]
    with pytest.raises(ConfigError, match="y has none"):
        measure_forecasts({"x": SETTING, "y": other}, seeds={"x": [0], "y": []})
