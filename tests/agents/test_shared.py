from __future__ import annotations

import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3 import DQN, PPO

from dltrader.agents.bars import BarSpace, to_numbers
from dltrader.agents.extractor import MarketExtractor
from dltrader.agents.lanes import LanesVecEnv
from dltrader.agents.ppo import PPOConfig
from dltrader.agents.rollouts import FreezeEncodings
from dltrader.agents.shared import AHEAD, BarEncoder
from dltrader.nn import EXTRACTORS
from small_runs import agent_of, market_of

N_BARS, WINDOW = 400, 6
ACCOUNT = spaces.Box(-1, 1, (2,), np.float32)


def features(seed=0):
    matrix = np.random.default_rng(seed).normal(size=(N_BARS, 3)).astype(np.float32)
    matrix.flags.writeable = False  # as a market's is
    return matrix


def pair(name, matrix):
    """An extractor that is shown windows, and one of the same weights that is told bars."""
    window = spaces.Box(-9, 9, (WINDOW, 3), np.float32)
    shown = MarketExtractor(spaces.Dict({"market": window, "account": ACCOUNT}), name)
    named = MarketExtractor(spaces.Dict({"market": BarSpace(matrix, window), "account": ACCOUNT}), name)
    named.load_state_dict(shown.state_dict())
    return shown, named


def batches(matrix, bars):
    """The same observations, shown and named."""
    account = torch.linspace(-1, 1, 2 * len(bars)).view(-1, 2)
    windows = np.stack([matrix[bar + 1 - WINDOW : bar + 1] for bar in bars])
    shown = {"market": torch.as_tensor(windows), "account": account}
    return shown, {"market": torch.as_tensor(to_numbers(bars)), "account": account}


def counted(extractor, monkeypatch):
    """A list that grows by the first row of every window that the extractor encodes."""
    seen, encode = [], extractor.encoder.encode_market

    def watched(windows):
        seen.extend(windows[:, 0, 0].tolist())
        return encode(windows)

    monkeypatch.setattr(extractor.encoder, "encode_market", watched)
    return seen


@pytest.mark.parametrize("name", EXTRACTORS)
def test_named_bars_give_the_features_and_gradients_of_their_windows(name):
    matrix = features()
    shown, named = pair(name, matrix)
    # More distinct bars than are encoded at a time, equal ones among them, the first and the last.
    bars = np.append(np.random.default_rng(1).integers(WINDOW - 1, N_BARS, 900), [WINDOW - 1, N_BARS - 1])
    weight = torch.randn(len(bars), shown.features_dim, generator=torch.Generator().manual_seed(2))
    found = []
    for extractor, batch in zip((shown, named), batches(matrix, bars), strict=True):
        encoded = extractor(batch)
        (encoded * weight).mean().backward()
        found.append([encoded, *(tensor.grad for tensor in extractor.parameters())])
    assert len(found[0]) > 2
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", EXTRACTORS)
def test_weights_have_the_names_and_shapes_of_the_windowed_network(name):
    shown, named = ({key: part.shape for key, part in one.state_dict().items()} for one in pair(name, features()))
    assert shown == named


def test_the_matrix_is_not_copied():
    matrix = features()
    rows = pair("mlp", matrix)[1].bars.rows
    assert rows.data_ptr() == matrix.__array_interface__["data"][0]


def test_equal_bars_of_a_batch_are_encoded_once(monkeypatch):
    matrix = features()
    _, named = pair("mlp", matrix)
    seen = counted(named, monkeypatch)
    named(batches(matrix, np.array([9, 7, 9, 9, 7]))[1])
    assert seen == matrix[[7 - WINDOW + 1, 9 - WINDOW + 1], 0].tolist()


@pytest.mark.parametrize("name", EXTRACTORS)
def test_frozen_it_encodes_every_bar_once_and_to_the_same_values(name, monkeypatch):
    matrix, steps = features(), AHEAD + 9
    _, named = pair(name, matrix)
    named.eval()
    bars = np.array([WINDOW - 1, 50, 55, 55, 300, N_BARS - 5])
    steps_of_lanes = [batches(matrix, np.minimum(bars + step, N_BARS - 1))[1] for step in range(steps + 1)]
    with torch.no_grad():
        expected = [named(batch) for batch in steps_of_lanes]
        seen = counted(named, monkeypatch)
        named.bars.freeze(steps)
        for batch, values in zip(steps_of_lanes, expected, strict=True):
            torch.testing.assert_close(named(batch), values, atol=1e-5, rtol=1e-5)
            named.bars.advance()
    assert len(seen) == len(set(seen))
    visited = {bar for first in bars for bar in range(first, min(first + steps, N_BARS - 1) + 1)}
    assert len(seen) == len(visited)


def test_a_lane_that_begins_anew_is_encoded_only_as_far_as_the_rollout_goes(monkeypatch):
    matrix = features()
    _, named = pair("mlp", matrix)
    named.eval()
    seen = counted(named, monkeypatch)
    named.bars.freeze(5)
    with torch.no_grad():
        named(batches(matrix, np.array([20]))[1])
        assert len(seen) == 6  # five steps, and the bar they end on
        for _ in range(4):
            named.bars.advance()
        named(batches(matrix, np.array([100]))[1])
        assert len(seen) == 6 + 2


def test_new_weights_are_served_after_thawing():
    matrix = features()
    shown, named = pair("mlp", matrix)
    named.eval()
    of_windows, of_bars = batches(matrix, np.array([20, 30]))
    with torch.no_grad():
        for _ in range(3):
            named.bars.freeze(4)
            torch.testing.assert_close(named(of_bars), shown(of_windows), atol=1e-5, rtol=1e-5)
            named.bars.thaw()
            for extractor in (shown, named):
                for tensor in extractor.parameters():
                    tensor.data.add_(0.1)  # past autograd, as a target network is updated
            torch.testing.assert_close(named(of_bars), shown(of_windows), atol=1e-5, rtol=1e-5)


def test_nothing_kept_is_served_to_training_or_to_gradients():
    matrix = features()
    shown, named = pair("mlp", matrix)
    of_windows, of_bars = batches(matrix, np.array([20, 30]))
    named.eval()
    named.bars.freeze(4)
    with torch.no_grad():
        named(of_bars)
        for extractor in (shown, named):
            for tensor in extractor.parameters():
                tensor.add_(0.1)
        named.train()
        torch.testing.assert_close(named(of_bars), shown(of_windows), atol=1e-5, rtol=1e-5)
    named.eval()
    encoded = named(of_bars)
    torch.testing.assert_close(encoded, shown(of_windows), atol=1e-5, rtol=1e-5)
    assert encoded.requires_grad


def test_what_is_kept_takes_room_for_what_was_seen_only():
    matrix = np.zeros((1_000_000, 3), np.float32)
    named = pair("mlp", matrix)[1].eval()
    named.bars.freeze(9)
    with torch.no_grad():
        named({"market": torch.as_tensor(to_numbers(np.array([5, 999_999]))), "account": torch.zeros(2, 2)})
    assert len(named.bars._kept.encoded) < 100


def test_the_bars_of_padding_get_a_window_that_is_there():
    matrix = features()
    _, named = pair("mlp", matrix)
    first, padding = named(batches(matrix, np.array([WINDOW - 1, WINDOW - 1]))[1]), torch.zeros(2, 2)
    found = named({"market": padding, "account": padding})
    torch.testing.assert_close(found[:, :-2], first[:, :-2])


def one_update(windows, batch_size):
    """A PPO learner after a rollout and an epoch, with the losses and with the gradients of every minibatch."""
    market, config = market_of(random_start=True, episode_bars=20)
    agent = agent_of(extractor={"name": "lstm", "hidden": 8}, n_steps=32, batch_size=batch_size, n_epochs=1)
    learner = agent.learner(LanesVecEnv(market, config, 8, windows=windows), seed=0, device="cpu")
    steps, step = [], learner.policy.optimizer.step

    def watched():
        steps.append({name: tensor.grad.clone() for name, tensor in learner.policy.named_parameters()})
        step()

    learner.policy.optimizer.step = watched
    # Gradients are clipped to a norm: here they are to be seen as they are.
    learner.max_grad_norm = 1e9
    learner.learn(256, callback=FreezeEncodings())
    losses = {name: learner.logger.name_to_value[f"train/{name}"] for name in LOSSES}
    return learner, losses, steps


LOSSES = "policy_gradient_loss", "value_loss", "entropy_loss"


@pytest.mark.parametrize("batch_size", [256, 64])
def test_ppo_has_the_same_losses_and_gradients(batch_size):
    (shown, losses, steps), (named, other_losses, other_steps) = (
        one_update(each, batch_size) for each in (True, False)
    )
    assert np.array_equal(shown.rollout_buffer.actions, named.rollout_buffer.actions)
    np.testing.assert_allclose(shown.rollout_buffer.values, named.rollout_buffer.values, atol=1e-5)
    assert losses == pytest.approx(other_losses, abs=1e-5)
    assert len(steps) == len(other_steps) == 256 // batch_size
    for one, other in zip(steps, other_steps, strict=True):
        assert one.keys() == other.keys()
        for name, gradient in one.items():
            torch.testing.assert_close(gradient, other[name], atol=1e-5, rtol=1e-4)
    assert max(float(gradient.abs().max()) for gradient in steps[0].values()) > 1e-3


def test_a_named_bar_takes_two_numbers_in_the_buffer():
    for windows, shape in ((True, (32, 8, 4, 2)), (False, (32, 8, 2))):
        market, config = market_of()
        learner = PPOConfig.from_mapping({"n_steps": 32, "batch_size": 256}).learner(
            LanesVecEnv(market, config, 8, windows=windows), seed=0, device="cpu"
        )
        assert learner.rollout_buffer.observations["market"].shape == shape


@pytest.mark.parametrize("algorithm", [PPO, DQN])
def test_stable_baselines_own_algorithms_learn_from_named_bars(algorithm):
    market, config = market_of(random_start=True, episode_bars=20)
    own = (
        {"n_steps": 16, "batch_size": 32} if algorithm is PPO else {"learning_starts": 32, "target_update_interval": 8}
    )
    learner = algorithm(
        "MultiInputPolicy",
        LanesVecEnv(market, config, 4, windows=False),
        policy_kwargs={"features_extractor_class": MarketExtractor, "features_extractor_kwargs": {"extractor": "gru"}},
        seed=0,
        **own,
    )
    before = {name: tensor.clone() for name, tensor in learner.policy.named_parameters()}
    learner.learn(128, callback=FreezeEncodings())
    assert learner.num_timesteps == 128
    still = [name for name, tensor in learner.policy.named_parameters() if torch.equal(before[name], tensor)]
    assert still == []
    encoders = [part for part in learner.policy.modules() if isinstance(part, BarEncoder)]
    assert len(encoders) == (1 if algorithm is PPO else 2)
    assert all(encoder._kept is None for encoder in encoders)


def test_a_rollout_encodes_every_bar_once(monkeypatch):
    market, config = market_of(random_start=True, episode_bars=20)
    agent = agent_of(n_steps=24, batch_size=144, n_epochs=1)
    learner = agent.learner(LanesVecEnv(market, config, 6, windows=False), seed=0, device="cpu")
    seen = counted(learner.policy.features_extractor, monkeypatch)
    rollouts = []
    train = learner.train

    def watched():
        rollouts.append(list(seen))
        train()
        seen.clear()

    monkeypatch.setattr(learner, "train", watched)
    learner.learn(288, callback=FreezeEncodings())
    assert len(rollouts) == 2
    for encoded in rollouts:
        assert len(set(encoded)) == len(encoded) > 24
