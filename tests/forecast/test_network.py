"""The recurrent forecaster: what it learns, what it answers, and how it is kept."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from dltrader.errors import BarsError, BundleError, ConfigError
from dltrader.forecast.forecasters import FORECASTERS
from dltrader.forecast.multi_task import MultiTaskNetwork, Units
from dltrader.forecast.network import LSTMForecasterConfig, logits_of_samples
from dltrader.forecast.scores import calibration_error
from dltrader.nn.recurrent import GRUConfig
from planted_samples import cut, planted, samples_of, share_of_achievable

SMALL = {
    "window_bars": 4,
    "encoder": {"name": "bilstm_attention", "hidden": 6, "score_dim": 6, "features_dim": 8},
    "epochs": 2,
}
ENCODERS = {
    "gru": {"hidden": 6},
    "cnn_lstm": {"hidden": 6, "channels": 4},
    "attention": {"width": 8, "heads": 2},
    "lstm": {"hidden": 6},
}


def small(**changes):
    return LSTMForecasterConfig.from_mapping({**SMALL, **changes})


def fitted(config, train, validation, seed=0, **options):
    return config.fit(train, validation, horizon_bars=5, seed=seed, **options)


def said_of(forecaster, samples, window_bars=4):
    """As its votes but for the last bits, and faster: all windows at once."""
    return forecaster.temperature.probabilities(logits_of_samples(forecaster.network, samples, window_bars))


@pytest.fixture(scope="module")
def split():
    return cut(planted(900)[0], 500, 700)


@pytest.fixture(scope="module")
def forecaster(split):
    return fitted(small(), *split[:2])


def test_it_is_registered_with_the_sizes_that_were_asked_for():
    config = FORECASTERS["lstm"]()
    assert (config.window_bars, config.encoder.name) == (60, "bilstm_attention")
    assert (config.encoder.hidden, config.encoder.layers) == (128, 2)
    assert config.least_samples == 200


@pytest.mark.parametrize(
    "changes", [{}, {"class_weights": [1, 2, 0.5]}, {"encoder": "gru", "class_weights": "balanced"}]
)
def test_a_configuration_survives_yaml(changes):
    config = small(**changes)
    assert LSTMForecasterConfig.from_mapping(config.to_mapping()) == config


def test_mistakes_in_a_configuration_are_told():
    with pytest.raises(ConfigError, match=r"unknown key 'patient'; did you mean 'patience'\?"):
        small(patient=3)
    with pytest.raises(ConfigError, match=r"unknown extractor 'grue'; did you mean 'gru'\?"):
        small(encoder="grue")
    for weights in ("balance", [1.0, 2.0], [1.0, 0.0, 1.0]):
        with pytest.raises(ConfigError, match="class_weights must be equal, balanced or three numbers above 0"):
            small(class_weights=weights)
    with pytest.raises(ConfigError, match="learns no wins"):
        small(horizons=[5])


# what it learns


def test_it_goes_nearly_all_the_way_from_the_base_rate_to_the_law():
    samples, law = planted(9000)
    train, validation, test = cut(samples, 4000, 5000)
    said = said_of(fitted(small(), train, validation), test)
    assert share_of_achievable(train, test, said, law[5000:]) > 0.95
    assert calibration_error(said, test.side) < 0.03


def test_classes_that_weigh_more_do_not_come_more_often():
    samples, law = planted(9000, correlation=0.5)
    train, validation, test = cut(samples, 4000, 5000)
    for weights in ("balanced", [6.0, 1.0, 0.2]):
        said = said_of(fitted(small(class_weights=weights), train, validation), test)
        assert share_of_achievable(train, test, said, law[5000:]) > 0.9
        assert said.mean(axis=0) == pytest.approx(law[5000:].mean(axis=0), abs=0.02)


def test_the_encoder_learns_what_no_line_through_the_newest_bar_can():
    generator = np.random.default_rng(0)
    seen = generator.standard_normal((3008, 2)).astype(np.float32)
    rows = np.arange(8, 3008)
    # The sign of the newest bar times that of the one before: of each alone it is independent.
    movement = 0.01 * np.sign(seen[rows, 0] * seen[rows - 1, 0])
    train, validation, test = cut(samples_of(seen, rows, movement), 2000, 2500)
    config = small(encoder={"name": "gru", "hidden": 16}, window_bars=2, learning_rate=0.01, epochs=12)
    vote = fitted(config, train, validation).votes(test.windows(2))[""]
    right = (vote.probabilities.argmax(axis=1) == test.side).mean()
    assert right > 0.9
    assert np.corrcoef(vote.movement, test.movement)[0, 1] > 0.8


def test_in_noise_it_stays_at_the_base_rates():
    samples, _ = planted(3000, correlation=0.0)
    train, validation, test = cut(samples, 1500, 2500)
    said = said_of(fitted(small(), train, validation), test)
    assert np.abs(said - np.bincount(train.side) / len(train)).mean() < 0.03


def test_movement_and_risk_come_in_the_units_of_returns():
    train, validation, test = cut(planted(3000, correlation=0.8)[0], 2000, 2500)
    vote = fitted(small(epochs=4, risk_weight=1.0), train, validation).votes(test.windows(4))[""]
    known = 0.01 * 0.8 * test.features[test.rows, 0]
    slope = (vote.movement @ known) / (known @ known)
    assert slope == pytest.approx(1.0, abs=0.1)
    assert np.corrcoef(vote.movement, known)[0, 1] > 0.98
    rough = test.risk == 0.02
    assert vote.risk.min() > 0
    assert vote.risk[rough].mean() - vote.risk[~rough].mean() > 0.005
    assert vote.risk.mean() == pytest.approx(0.015, abs=0.001)


@pytest.mark.parametrize("name", ENCODERS)
def test_other_encoders_are_chosen_by_name(name, split):
    train, validation, test = split
    config = small(encoder={"name": name, **ENCODERS[name]}, epochs=1)
    vote = fitted(config, train, validation).votes(test.windows(4))[""]
    assert vote.probabilities.shape == (200, 3)
    assert vote.probabilities.sum(axis=1) == pytest.approx(np.ones(200))


def test_before_it_learns_it_says_the_base_rates_no_movement_and_the_mean_risk():
    network = MultiTaskNetwork(GRUConfig(hidden=4), 3, 2, rates=(0.5, 0.2, 0.3), dropout=0.0)
    outlook = network(torch.randn(5, 3, 2))
    torch.testing.assert_close(outlook.logits.softmax(dim=1), torch.tensor([[0.5, 0.2, 0.3]]).expand(5, 3))
    assert outlook.movement.tolist() == [0.0] * 5
    torch.testing.assert_close(outlook.risk, torch.ones(5))


def test_a_side_that_never_came_has_a_rate_above_zero():
    train = planted(300)[0]
    train = train.take(train.side != 2)
    units = Units.of(train)
    assert 0 < units.rates[2] <= 1 / len(train)
    assert sum(units.rates) == pytest.approx(1.0)


@pytest.mark.parametrize("weights", ["equal", "balanced", (5.0, 1.0, 0.1)])
def test_an_example_weighs_one_on_average(weights):
    rates = (0.2, 0.3, 0.5)
    given = small(class_weights=weights).weights_of_classes(rates)
    assert sum(rate * weight for rate, weight in zip(rates, given, strict=True)) == pytest.approx(1.0)
    if weights == "balanced":
        assert [rate * weight for rate, weight in zip(rates, given, strict=True)] == pytest.approx([1 / 3] * 3)


# what it answers


def test_a_vote_has_the_same_bits_alone_and_among_others(forecaster, split):
    windows = split[2].windows(4)
    together = forecaster.votes(windows)[""]
    assert together.probabilities == pytest.approx(said_of(forecaster, split[2]), abs=1e-6)
    for row in (0, 17, 199):
        alone = forecaster.votes(windows[row : row + 1])[""]
        assert alone.probabilities[0].tolist() == together.probabilities[row].tolist()
        assert (alone.movement[0], alone.risk[0]) == (together.movement[row], together.risk[row])


def test_a_vote_tells_its_horizon_and_no_more_than_it_knows(forecaster, split):
    vote = forecaster.votes(split[2].windows(4))[""]
    assert (vote.horizon_bars, vote.win, vote.value) == (5, None, None)
    assert vote.probabilities.dtype == vote.movement.dtype == vote.risk.dtype == np.float64
    assert (vote.probabilities > 0).all()


def test_of_no_windows_there_are_no_votes(forecaster):
    assert forecaster.votes(np.empty((0, 4, 3), np.float32))[""].probabilities.shape == (0, 3)


def test_voting_changes_neither_threads_nor_what_is_drawn_next(forecaster, split):
    threads, drawn = torch.get_num_threads(), torch.get_rng_state()
    forecaster.votes(split[2].windows(4)[:3])
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), drawn)


# the same again


def test_the_same_seed_gives_the_same_bits_and_leaves_the_global_generator_alone(split):
    train, validation, test = split
    windows = test.windows(4)
    drawn = torch.get_rng_state()
    first = fitted(small(dropout=0.3), train, validation, seed=3).votes(windows)[""]
    assert torch.equal(torch.get_rng_state(), drawn)
    torch.manual_seed(99)
    second = fitted(small(dropout=0.3), train, validation, seed=3).votes(windows)[""]
    assert np.array_equal(first.probabilities, second.probabilities)
    assert np.array_equal(first.movement, second.movement)


def test_another_seed_gives_another_network(split):
    train, validation, _ = split
    first, second = (fitted(small(), train, validation, seed=seed).network.encoder.state_dict() for seed in (1, 2))
    assert not torch.equal(first["lstm.weight_ih_l0"], second["lstm.weight_ih_l0"])


# bad input


def test_too_few_samples_are_counted():
    train, validation = cut(planted(249)[0], 199)
    with pytest.raises(BarsError, match=r"has 199 rows to learn from, and needs at least 200"):
        fitted(small(), train, validation)


def test_samples_of_one_side_are_refused(split):
    train, validation, _ = split
    still = samples_of(train.features, train.rows, np.zeros(len(train)))
    with pytest.raises(BarsError, match="all 500 rows are hold"):
        fitted(small(), still, validation)


def test_there_must_be_something_to_stop_by(split):
    train, validation, _ = split
    with pytest.raises(BarsError, match="no row to validate on"):
        fitted(small(), train, validation.take(slice(0, 0)))


# how it is kept


def test_a_saved_forecaster_votes_with_the_same_bits(forecaster, split, tmp_path):
    forecaster.save(tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["network.json", "network.safetensors"]
    again = small().load(tmp_path, 3)
    windows = split[2].windows(4)
    one, other = forecaster.votes(windows)[""], again.votes(windows)[""]
    assert np.array_equal(one.probabilities, other.probabilities)
    assert np.array_equal(one.movement, other.movement)
    assert np.array_equal(one.risk, other.risk)
    assert again.horizon_bars == 5


def test_equal_forecasters_are_saved_as_equal_bytes(split, tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        fitted(small(), *split[:2]).save(tmp_path / folder)
    for name in ("network.json", "network.safetensors"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.parametrize(
    ("changes", "features"), [({}, 4), ({"encoder": {"name": "gru", "hidden": 6}}, 3)], ids=["features", "encoder"]
)
def test_what_is_of_another_configuration_is_refused(changes, features, forecaster, tmp_path):
    forecaster.save(tmp_path)
    with pytest.raises(BundleError, match="holds no network of this configuration"):
        small(**changes).load(tmp_path, features)


@pytest.mark.parametrize(
    "description",
    [
        "no json",
        "[]",
        "{}",
        {"units": {"rates": [0.5, 0.5], "movement": 1.0, "risk": 1.0}},
        {"units": {"rates": [0.5, 0.3, 0.2], "movement": 0.0, "risk": 1.0}},
        {"units": 1},
        {"temperature": {"value": -1.0, "base": None}},
        {"horizon_bars": "five"},
    ],
    ids=str,
)
def test_a_damaged_description_is_refused(description, forecaster, tmp_path):
    forecaster.save(tmp_path)
    file = tmp_path / "network.json"
    if isinstance(description, dict):
        description = json.dumps(json.loads(file.read_text()) | description)
    file.write_text(description)
    with pytest.raises(BundleError):
        small().load(tmp_path, 3)


def test_missing_or_truncated_weights_are_refused(forecaster, tmp_path):
    forecaster.save(tmp_path)
    file = tmp_path / "network.safetensors"
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(BundleError):
        small().load(tmp_path, 3)
    file.unlink()
    with pytest.raises(BundleError):
        small().load(tmp_path, 3)
