"""LightGBM forecasters: what they reach on a law that is known, and that they come to the same every time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import ndtr

from dltrader.errors import BarsError, BundleError, ConfigError
from dltrader.forecast.forecasters import FORECASTERS
from dltrader.forecast.lightgbm import ROUNDS_AN_EPOCH, LightGBMConfig
from dltrader.forecast.scores import base_rate_log_loss, calibration_error, log_loss
from planted_samples import BREAKEVEN, cut, planted, share_of_achievable
from small_forests import grown


@pytest.fixture(scope="module")
def small():
    return grown()


def one_horizon(samples):
    return replace(samples, wins={5: samples.wins[5]})


@pytest.mark.parametrize("correlation", [0.6, 0.3])
def test_it_reaches_nine_tenths_of_what_can_be_reached_on_unseen_samples(correlation):
    samples, law = planted(16_000, correlation, seed=3)
    train, validation, test = cut(samples, 6_000, 8_000)
    forecaster = LightGBMConfig(horizons=(5,)).fit(train, validation, horizon_bars=5, seed=0)
    vote = forecaster.votes(test.windows(3))[""]
    of_sides = share_of_achievable(train, test, vote.probabilities, law[8_000:])
    base, best = base_rate_log_loss(train.wins[5], test.wins[5], 2), log_loss(law[8_000:, 0], test.wins[5])
    of_wins = (base - log_loss(vote.win, test.wins[5])) / (base - best)
    assert of_wins > 0.9
    assert of_sides > 0.9
    assert calibration_error(vote.win, test.wins[5]) < 0.03
    assert calibration_error(vote.probabilities, test.side) < 0.03


def test_plain_leaves_learn_too():
    samples, law = planted(12_000, 0.6, seed=4)
    train, validation, test = cut(samples, 6_000, 8_000)
    config = LightGBMConfig(horizons=(5,), linear_leaves=False, leaves=4)
    vote = config.fit(train, validation, horizon_bars=5, seed=0).votes(test.windows(3))[""]
    assert share_of_achievable(train, test, vote.probabilities, law[8_000:]) > 0.85


def test_where_there_is_nothing_to_learn_it_says_the_base_rate():
    samples, _ = planted(6_000, 0.0, seed=5)
    train, validation, test = cut(samples, 3_000, 4_000)
    vote = LightGBMConfig(horizons=(5,)).fit(train, validation, horizon_bars=5, seed=0).votes(test.windows(3))[""]
    assert vote.win.mean() == pytest.approx(1 - ndtr(BREAKEVEN / 0.01), abs=0.02)
    assert log_loss(vote.win, test.wins[5]) > base_rate_log_loss(train.wins[5], test.wins[5], 2) - 0.001
    assert vote.win.std() < 0.03


def test_calibration_does_not_make_validation_worse():
    losses = {}
    for calibrate in (False, True):
        forecaster, _, (_, validation) = grown(calibrate=calibrate, learning_rate=0.9, rounds=60, patience_rounds=60)
        for model, vote in forecaster.votes(validation.windows(2)).items():
            losses[calibrate, model] = log_loss(vote.win, validation.wins[int(model)])
    assert losses[True, "5"] < losses[False, "5"]
    assert losses[True, "10"] <= losses[False, "10"] + 1e-9


def test_models_are_called_by_their_horizons_and_a_single_one_by_nothing(small):
    forecaster, config, (_, validation) = small
    votes = forecaster.votes(validation.windows(2))
    assert list(votes) == ["5", "10"] == [str(horizon) for horizon in config.horizons]
    assert [vote.horizon_bars for vote in votes.values()] == [5, 10]
    for vote in votes.values():
        assert vote.probabilities.shape == (300, 3)
        assert vote.probabilities.sum(axis=1) == pytest.approx(np.ones(300), abs=1e-12)
        assert (vote.movement, vote.risk, vote.value) == (None, None, None)
    alone, _, _ = grown(horizons=[10])
    assert list(alone.votes(validation.windows(2))) == [""]


def test_equal_seeds_give_equal_votes_to_the_bit_and_others_do_not(small):
    forecaster, _, (_, validation) = small
    windows = validation.windows(2)
    again, other = grown(), grown(seed=8)
    assert [forest.text for forest in again[0].forests] == [forest.text for forest in forecaster.forests]
    np.testing.assert_array_equal(again[0].votes(windows)["5"].win, forecaster.votes(windows)["5"].win)
    assert not np.array_equal(other[0].votes(windows)["5"].win, forecaster.votes(windows)["5"].win)


@pytest.mark.parametrize("linear", [False, True])
def test_a_window_is_answered_alike_whatever_is_asked_beside_it(linear):
    forecaster, _, (_, validation) = grown(linear_leaves=linear)
    windows = validation.windows(2)[:60]
    together = forecaster.votes(windows)
    for row in range(60):
        alone = forecaster.votes(windows[row : row + 1])
        for model, vote in alone.items():
            np.testing.assert_array_equal(vote.probabilities[0], together[model].probabilities[row])
            assert vote.win[0] == together[model].win[row]


def test_no_windows_are_answered_with_no_rows(small):
    forecaster, _, _ = small
    for vote in forecaster.votes(np.zeros((0, 2, 3), np.float32)).values():
        assert (vote.probabilities.shape, vote.win.shape) == ((0, 3), (0,))


def test_it_follows_the_newest_bar(small):
    forecaster, _, (_, validation) = small
    windows = validation.windows(2)
    assert forecaster.votes(windows)["5"].win.std() > 0.05
    changed = windows.copy()
    changed[:, -1, 0] = -changed[:, -1, 0]
    assert np.abs(forecaster.votes(changed)["5"].win - forecaster.votes(windows)["5"].win).max() > 0.1


def test_it_tells_how_it_stands_every_few_trees():
    samples, _ = planted(1_200, 0.6)
    train, validation = cut(one_horizon(samples), 900)
    told = []
    config = LightGBMConfig(horizons=(5,), rounds=35, patience_rounds=35, leaf_samples=20)
    config.fit(train, validation, horizon_bars=5, seed=0, on_epoch=told.append)
    assert [epoch.number for epoch in told] == [1, 2, 3, 4]
    assert {epoch.total for epoch in told} == {4}
    losses = [epoch.losses["validation"] for epoch in told]
    assert losses == sorted(losses, reverse=True)
    assert losses[0] < base_rate_log_loss(train.wins[5], validation.wins[5], 2)
    assert all(epoch.losses["train"] < losses[0] for epoch in told[1:])


def test_it_stops_where_validation_no_longer_gets_better_and_keeps_the_best():
    samples, _ = planted(1_200, 0.0, seed=9)
    train, validation = cut(one_horizon(samples), 900)
    told = []
    config = LightGBMConfig(horizons=(5,), rounds=2_000, patience_rounds=30, learning_rate=0.3)
    forecaster = config.fit(train, validation, horizon_bars=5, seed=0, on_epoch=told.append)
    trees = forecaster.forests[0].booster.num_trees()
    assert trees + 30 < 200
    assert told[-1].number == -(-(trees + 30) // ROUNDS_AN_EPOCH)
    assert told[-1].losses["validation"] > min(epoch.losses["validation"] for epoch in told)


class StoppedError(Exception):
    """The training was ended from outside."""


def test_a_training_that_was_ended_goes_on_to_the_same(small):
    forecaster, config, (train, validation) = small
    per_forest = -(-config.rounds // ROUNDS_AN_EPOCH)
    kept = {}

    def stop(epoch):
        kept.update(epoch.state())
        if epoch.number == 2 * per_forest:
            raise StoppedError

    with pytest.raises(StoppedError):
        config.fit(train, validation, horizon_bars=5, seed=0, on_epoch=stop)
    assert [forest["horizon_bars"] for forest in kept["forests"]] == [5]
    told = []
    again = config.fit(train, validation, horizon_bars=5, seed=0, state=kept, on_epoch=told.append)
    assert told[0].number == per_forest + 1
    assert [forest.text for forest in again.forests] == [forest.text for forest in forecaster.forests]
    windows = validation.windows(2)
    for model, vote in forecaster.votes(windows).items():
        np.testing.assert_array_equal(again.votes(windows)[model].probabilities, vote.probabilities)


def test_a_state_that_was_altered_is_not_read(small):
    forecaster, config, (train, validation) = small
    forest = forecaster.forests[0]
    state = {"forests": [forest.to_mapping() | {"text": forest.text.replace("left_child=", "left_child=7", 1)}]}
    with pytest.raises(BundleError, match=r"left_child|tree_sizes"):
        config.fit(train, validation, horizon_bars=5, seed=0, state=state)


def test_importances_are_shares_of_what_splits_gained(small):
    forecaster, _, _ = small
    table = forecaster.importances()
    assert list(table.columns) == ["horizon_bars", "feature", "lag_bars", "gain", "splits"]
    assert len(table) == 2 * 2 * 3  # horizons, rows, features
    assert table.groupby("horizon_bars")["gain"].sum().to_list() == pytest.approx([1.0, 1.0])
    best = table.loc[table[table["horizon_bars"] == 5]["gain"].idxmax()]
    assert (best["feature"], best["lag_bars"]) == ("x0", 0)
    assert best["gain"] > 0.8
    assert table["splits"].sum() == sum(
        tree["num_leaves"] - 1 for forest in forecaster.forests for tree in forest.booster.dump_model()["tree_info"]
    )


def test_a_forest_that_never_splits_has_no_importances_and_says_the_base_rate():
    forecaster, _, (train, validation) = grown(leaf_samples=400)
    assert forecaster.importances()["gain"].to_list() == [0.0] * 12
    win = forecaster.votes(validation.windows(2))["5"].win
    assert win == pytest.approx(np.full(300, train.wins[5].mean()), abs=1e-6)


def test_too_few_samples_are_refused_with_how_many_there_are():
    samples, _ = planted(300)
    train, validation = cut(one_horizon(samples), 150)
    config = LightGBMConfig(horizons=(5,))
    with pytest.raises(BarsError, match="LightGBM has 150 rows to learn from, and needs at least 200"):
        config.fit(train, validation, horizon_bars=5, seed=0)
    with pytest.raises(BarsError, match="no row to validate on"):
        config.fit(samples, samples.take(slice(0, 0)), horizon_bars=5, seed=0)


@pytest.mark.parametrize("of_validation", [False, True])
def test_labels_of_a_single_class_are_refused(of_validation):
    samples, _ = planted(600)
    train, validation = cut(one_horizon(samples), 400)
    alike = {5: np.ones(400, np.int64)}
    given = (
        (train, replace(validation, wins={5: alike[5][:200]}))
        if of_validation
        else (replace(train, wins=alike), validation)
    )
    with pytest.raises(BarsError, match=r"one label only to learn: all (400|200) rows are a win over 5 bars"):
        LightGBMConfig(horizons=(5,)).fit(*given, horizon_bars=5, seed=0)


def test_horizons_that_samples_do_not_tell_of_are_refused():
    samples, _ = planted(600)
    train, validation = cut(samples, 400)
    with pytest.raises(ConfigError, match="horizons has 30, and the samples tell of wins over 5 bars"):
        LightGBMConfig().fit(train, validation, horizon_bars=5, seed=0)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"horizons": []}, "horizons"),
        ({"horizons": [30, 5]}, r"horizons must grow, each listed once, were \[30, 5\]"),
        ({"horizons": [5, 5]}, "each listed once"),
        ({"horizons": [0]}, "horizons"),
        ({"learning_rate": 0}, "learning_rate"),
        ({"leaves": 1}, "leaves"),
        ({"feature_shares": 0.5}, "did you mean 'feature_share'"),
    ],
)
def test_settings_that_cannot_be_are_refused(values, words):
    with pytest.raises(ConfigError, match=words):
        LightGBMConfig.from_mapping(values)


def test_it_is_known_by_name_and_comes_back_from_plain_values():
    config = FORECASTERS["lightgbm"].from_mapping({"name": "lightgbm", "horizons": [1, 20], "window_bars": 4})
    assert config == LightGBMConfig.from_mapping(config.to_mapping())
    assert (config.horizons, config.window_bars, config.least_samples) == ((1, 20), 4, 200)
