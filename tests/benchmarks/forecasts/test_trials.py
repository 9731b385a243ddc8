from __future__ import annotations

import math
from typing import Literal

import numpy as np
import pytest

from dltrader.benchmarks.forecasts.setting import Setting, shipped_settings
from dltrader.benchmarks.forecasts.tasks import AR1Task
from dltrader.benchmarks.forecasts.trials import breakeven, run_trial, samples_in
from dltrader.envs.contract import Costs
from dltrader.errors import BarsError, ConfigError
from dltrader.forecast.forecasters import Forecaster, ForecasterConfig
from dltrader.forecast.vote import BUY, Vote

SMALL = {
    "task": {"name": "ar1", "bars": 3000},
    "env": {"window_bars": 3, "features": ["body", "log_return"], "scaling": "none"},
    "members": {"lgb": {"name": "lightgbm", "window_bars": 2, "horizons": [1, 5]}},
}
LIMIT = breakeven(Costs())


class Sage(ForecasterConfig):
    """Knows the law, and has only to look at the newest body; or says less than it knows."""

    name: Literal["sage"] = "sage"
    window_bars: int = 2
    doubt: float = 0.0
    wins: bool = False

    @property
    def learns_wins(self):
        return self.wins

    def fit(self, train, validation, *, horizon_bars, seed, threads=1, on_epoch=None, state=None):
        return Sayings(self, (self.horizons or (horizon_bars,)), np.bincount(train.side, minlength=3) / len(train))

    def load(self, folder, n_features):
        raise NotImplementedError


class Sayings(Forecaster):
    def __init__(self, config, horizons, rates):
        self.config, self.horizons, self.rates = config, horizons, rates

    def votes(self, windows):
        assert windows.shape[1:] == (2, 2)
        bodies = windows[:, -1, 0].astype(float)
        said = {}
        for horizon in self.horizons:
            law = AR1Task(bars=3000).law(bodies, horizon)
            sides = (1 - self.config.doubt) * law.sides(LIMIT) + self.config.doubt * self.rates
            said["" if len(self.horizons) == 1 else str(horizon)] = Vote(sides, horizon, win=sides[:, BUY])
        return said

    def save(self, folder):
        raise NotImplementedError


def setting(**changes):
    return Setting.from_mapping({**SMALL, **changes})


def by_model(trial):
    return {score.model: score for score in trial.scores}


def test_who_knows_the_law_has_the_best_loss_and_who_knows_nothing_the_base_rate():
    members = {"sage": Sage(), "fool": Sage(doubt=1.0), "seer": Sage(wins=True, horizons=(1, 5))}
    found = by_model(run_trial(setting(members=members), 0))
    assert list(found) == ["sage", "fool", "seer_1h", "seer_5h", "ensemble"]
    assert [score.target for score in found.values()] == ["side", "side", "win_1h", "win_5h", "side"]
    for model in ("sage", "seer_1h", "seer_5h"):
        assert found[model].loss == pytest.approx(found[model].best, abs=1e-6)
        assert found[model].calibration_error == pytest.approx(found[model].best_calibration_error, abs=1e-4)
        assert found[model].p_value < 1e-4
    assert found["fool"].loss == pytest.approx(found["fool"].base, abs=0.01)
    assert found["sage"].best == pytest.approx(found["sage"].expected, abs=0.1)
    assert found["sage"].base > found["sage"].best + 0.2


def test_the_ensemble_finds_its_best_member():
    trial = run_trial(setting(members={"fool": Sage(doubt=1.0), "sage": Sage()}, vote={"temperature": 1.0}), 1)
    assert trial.weights["sage"] > 0.9
    assert by_model(trial)["ensemble"].loss == pytest.approx(trial.sides["sage"], abs=0.01)
    assert trial.sides["sage"] < trial.sides["fool"] - 0.2


def test_no_label_reaches_what_comes_behind():
    small = setting(validation_start=0.5, test_start=0.7)
    bars = small.task.make(0).bars
    cut = samples_in(small, bars)
    assert cut.train.ends.max() < bars.index[1500] <= cut.validation.times.min()
    assert cut.validation.ends.max() < bars.index[2100] == cut.test.times.min()
    assert cut.purged == 10
    assert len(cut.test) == 3000 - 2100 - 5


def test_forests_learn_what_is_planted_and_again_the_same():
    trial = run_trial(setting(), 0)
    found = by_model(trial)
    for model in ("lgb_1h", "lgb_5h"):
        score = found[model]
        assert (score.base - score.loss) / (score.base - score.best) > 0.75
        assert score.calibration_error < 0.12
    again = run_trial(setting(), 0)
    assert again.scores == trial.scores
    assert run_trial(setting(), 1).scores != trial.scores
    assert (trial.learned, trial.unseen) == (1492, 1195)


def test_networks_learn_what_is_planted():
    encoder = {"name": "gru", "hidden": 4}
    network = {"name": "lstm", "window_bars": 3, "encoder": encoder, "epochs": 4, "learning_rate": 0.01}
    scaled = {**SMALL["env"], "scaling": "train"}
    found = by_model(run_trial(setting(members={"lstm": network}, env=scaled), 0))
    score = found["lstm"]
    assert score.target == "side"
    assert (score.base - score.loss) / (score.base - score.best) > 0.75


def test_nothing_is_known_of_shuffled_bars():
    found = by_model(run_trial(setting(task="shuffled", members={"fool": Sage(doubt=1.0)}), 0))
    assert math.isnan(found["fool"].best)
    assert math.isnan(found["fool"].expected)
    assert found["fool"].loss == pytest.approx(found["fool"].base, abs=0.01)


def test_a_setting_asks_for_the_horizons_and_the_window_of_its_members():
    assert setting().horizons == (1, 5)
    assert setting().window_bars == 2


def test_what_does_not_fit_is_refused():
    with pytest.raises(ConfigError, match=r"validation begins at 0\.7 of the bars and the test at 0\.6"):
        setting(validation_start=0.7)
    with pytest.raises(ConfigError, match="unknown task 'ar2'"):
        setting(task="ar2")
    with pytest.raises(ConfigError, match=r"no forecaster 'lbg'; did you mean 'lgb'"):
        setting().with_members(["lbg"])
    with pytest.raises(ConfigError, match=r"slippage up to 0 and costs\.per_unit 0, was 0\.0005 and 0"):
        setting(task="sine")
    with pytest.raises(ConfigError, match=r"known of labels\.rule threshold"):
        setting(labels={"rule": "triple_barrier"})
    with pytest.raises(BarsError, match="needs at least"):
        run_trial(setting(task={"name": "ar1", "bars": 200}), 0)


@pytest.mark.parametrize("name", shipped_settings())
def test_shipped_settings_can_be_made(name):
    shipped = shipped_settings()[name]
    assert set(shipped.members) == {"lstm", "lgb"}
    assert shipped.with_members(["lgb"]).window_bars == shipped.members["lgb"].window_bars
    assert Setting.from_mapping(shipped.to_mapping()) == shipped
