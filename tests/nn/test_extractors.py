"""The contract of every extractor, then what is particular to each."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dltrader.errors import ConfigError, UnknownNameError
from dltrader.nn import EXTRACTORS, ExtractorConfig
from dltrader.nn.attention import (
    Attention,
    AttentionConfig,
    join_heads,
    sinusoidal_positions,
    split_heads,
)
from dltrader.nn.bilstm import BiLSTMAttention, BiLSTMAttentionConfig
from dltrader.nn.cnn import CNNConfig, layers_to_see, receptive_bars
from dltrader.nn.cnn_lstm import CNNLSTM, CNNLSTMConfig
from dltrader.nn.market import linear
from dltrader.nn.mlp import MLPConfig
from dltrader.nn.recurrent import GRUConfig, LSTMConfig

WINDOW, FEATURES = 12, 5
EVERY = pytest.mark.parametrize("name", list(EXTRACTORS))
DEEP = {
    "mlp": {"hidden": [16, 16, 8], "activation": "relu", "dropout": 0.3},
    "lstm": {"hidden": 8, "layers": 2, "dropout": 0.3},
    "gru": {"hidden": 8, "layers": 2, "dropout": 0.3},
    "bilstm_attention": {"hidden": 6, "layers": 2, "dropout": 0.3, "features_dim": 9},
    "attention": {"width": 9, "heads": 3, "layers": 2, "dropout": 0.3},
    "cnn": {"channels": 7, "kernel": 2, "layers": 4, "dropout": 0.3},
    "cnn_lstm": {"channels": 7, "kernel": 2, "convolutions": 3, "hidden": 6, "layers": 2, "dropout": 0.3},
}
EVERY_DEPTH = pytest.mark.parametrize(
    "config",
    [EXTRACTORS[name]() for name in EXTRACTORS]
    + [EXTRACTORS[name].from_mapping(DEEP.get(name, {})) for name in EXTRACTORS],
    ids=[*EXTRACTORS, *(f"{name}-deep" for name in EXTRACTORS)],
)


def windows(batch, window=WINDOW, features=FEATURES, seed=0):
    return torch.randn(batch, window, features, generator=torch.Generator().manual_seed(seed))


def build(config, window=WINDOW, features=FEATURES, seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return config.build(window, features)


def test_the_registry_holds_these_names():
    assert list(EXTRACTORS) == ["mlp", "lstm", "gru", "bilstm_attention", "attention", "cnn", "cnn_lstm"]


def test_the_nearest_name_is_offered_for_an_unknown_one():
    with pytest.raises(UnknownNameError, match=r"unknown extractor 'lstmm'; did you mean 'lstm'\?"):
        EXTRACTORS["lstmm"]


def test_listing_the_names_imports_no_torch():
    code = "import sys, dltrader.nn; print(len(dltrader.nn.EXTRACTORS), 'torch' in sys.modules)"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert output.stdout.split() == ["7", "False"]


@EVERY
def test_a_configuration_carries_its_registered_name(name):
    assert EXTRACTORS[name]().name == name


@EVERY_DEPTH
def test_a_configuration_survives_yaml(config):
    assert type(config).from_mapping(config.to_mapping()) == config


@EVERY
def test_every_field_says_what_it_means(name):
    fields = EXTRACTORS[name].model_fields
    assert [key for key, field in fields.items() if key != "name" and not field.description] == []


@EVERY
def test_an_unknown_key_is_answered_with_a_hint(name):
    with pytest.raises(ConfigError, match=r"unknown key 'dropoutt'; did you mean 'dropout'\?"):
        EXTRACTORS[name](dropoutt=0.1)


@EVERY
def test_dropout_must_be_below_one(name):
    with pytest.raises(ConfigError, match=r"dropout must be less than 1, was 1\.0"):
        EXTRACTORS[name](dropout=1.0)


@EVERY
@pytest.mark.parametrize(("window", "features"), [(0, 3), (3, 0)])
def test_sizes_below_one_are_refused(name, window, features):
    with pytest.raises(ConfigError, match="must be >= 1, was 0"):
        EXTRACTORS[name]().build(window, features)


@EVERY_DEPTH
@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("training", [True, False])
def test_a_batch_of_windows_becomes_a_batch_of_vectors(config, batch, training):
    encoder = build(config).train(training)
    encoded = encoder(windows(batch))
    assert encoded.shape == (batch, encoder.features_dim)
    assert encoded.dtype == torch.float32
    assert torch.isfinite(encoded).all()


@EVERY
@pytest.mark.parametrize("batch", [1, 3])
def test_a_window_of_one_bar_is_enough(name, batch):
    encoder = build(EXTRACTORS[name](), window=1)
    assert encoder(windows(batch, window=1)).shape == (batch, encoder.features_dim)


@EVERY
def test_one_feature_is_enough(name):
    encoder = build(EXTRACTORS[name](), features=1)
    assert torch.isfinite(encoder(windows(2, features=1))).all()


@EVERY_DEPTH
def test_a_row_is_encoded_alike_alone_and_among_others(config):
    encoder = build(config).eval()
    market = windows(9)
    together = encoder(market)
    alone = torch.cat([encoder(row.unsqueeze(0)) for row in market])
    torch.testing.assert_close(together, alone, atol=1e-6, rtol=0)


@EVERY_DEPTH
def test_rows_do_not_leak_into_each_other(config):
    encoder = build(config).eval()
    market = windows(3).requires_grad_()
    encoder(market)[1].square().sum().backward()
    assert market.grad[0].abs().max() == 0
    assert market.grad[2].abs().max() == 0
    assert market.grad[1].abs().max() > 0


@EVERY
def test_every_bar_and_feature_of_the_window_counts(name):
    encoder = build(EXTRACTORS[name](), window=32).eval()
    market = windows(16, window=32).requires_grad_()
    encoder(market).square().sum().backward()
    assert (market.grad.abs().amax(dim=0) > 0).all()


@EVERY_DEPTH
def test_a_gradient_reaches_every_parameter(config):
    encoder = build(config)
    (encoder(windows(8)) * windows(8, window=1, features=encoder.features_dim)[:, 0]).sum().backward()
    silent = [name for name, p in encoder.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert silent == []


@EVERY_DEPTH
def test_the_same_seed_makes_the_same_network(config):
    market = windows(3)
    assert torch.equal(build(config, seed=7).eval()(market), build(config, seed=7).eval()(market))


@EVERY
def test_another_seed_makes_another_network(name):
    config, market = EXTRACTORS[name](), windows(3)
    assert not torch.allclose(build(config, seed=7)(market), build(config, seed=8)(market))


@EVERY_DEPTH
def test_a_saved_network_encodes_as_before(config, tmp_path):
    encoder, other = build(config, seed=1).eval(), build(config, seed=2).eval()
    torch.save(encoder.state_dict(), tmp_path / "weights.pt")
    other.load_state_dict(torch.load(tmp_path / "weights.pt", weights_only=True))
    assert torch.equal(encoder(windows(3)), other(windows(3)))


@EVERY
def test_dropout_acts_in_training_only(name):
    encoder = build(EXTRACTORS[name].from_mapping(DEEP[name]))
    market = windows(6)
    assert not torch.equal(encoder(market), encoder(market))
    assert torch.equal(encoder.eval()(market), encoder(market))


@EVERY
def test_all_parameters_are_float32_and_few(name):
    parameters = list(build(EXTRACTORS[name](), window=32, features=16).parameters())
    assert {p.dtype for p in parameters} == {torch.float32}
    assert sum(p.numel() for p in parameters) < 60_000


@EVERY
def test_a_fresh_encoding_is_neither_dead_nor_exploding(name):
    encoder = build(EXTRACTORS[name](), window=32, features=16).eval()
    spread = encoder(windows(256, window=32, features=16)).std(dim=0).mean().item()
    assert 0.02 < spread < 3.0


@EVERY
def test_a_small_network_learns_whether_the_newest_bar_is_above_the_one_before(name):
    torch.manual_seed(0)
    encoder = EXTRACTORS[name]().build(WINDOW, FEATURES)
    model = torch.nn.Sequential(encoder, torch.nn.Linear(encoder.features_dim, 1))
    optimiser = torch.optim.Adam(model.parameters(), lr=5e-3)
    market = windows(512)
    target = (market[:, -1, 0] > market[:, -2, 0]).float()
    for _ in range(60):
        optimiser.zero_grad()
        torch.nn.functional.binary_cross_entropy_with_logits(model(market)[:, 0], target).backward()
        optimiser.step()
    right = ((model(market)[:, 0] > 0) == target.bool()).float().mean().item()
    assert right > 0.9


def test_a_bare_extractor_configuration_builds_nothing():
    with pytest.raises(TypeError, match="abstract method make"):
        ExtractorConfig(name="none")


# mlp


def test_the_mlp_ends_with_its_last_width():
    assert MLPConfig(hidden=(16, 3)).build(WINDOW, FEATURES).features_dim == 3


def test_an_mlp_without_layers_is_refused():
    with pytest.raises(ConfigError, match="hidden"):
        MLPConfig(hidden=())


def test_a_linear_layer_begins_orthogonal_with_its_gain():
    weight = linear(8, 4, gain=2.0).weight
    torch.testing.assert_close(weight @ weight.T, 4.0 * torch.eye(4), atol=1e-5, rtol=0)


# recurrent


@pytest.mark.parametrize("config_type", [LSTMConfig, GRUConfig])
def test_a_recurrent_encoding_is_the_last_hidden_state(config_type):
    encoder = build(config_type(hidden=8, layers=2))
    market = windows(3)
    state = encoder.network(market)[1]
    hidden = state[0] if config_type is LSTMConfig else state
    assert torch.equal(encoder(market), hidden[-1])


def test_an_lstm_begins_with_open_forget_gates():
    network = build(LSTMConfig(hidden=4)).network
    bias = network.bias_ih_l0 + network.bias_hh_l0
    assert bias.tolist() == [0.0] * 4 + [1.0] * 4 + [0.0] * 8


def test_every_gate_of_a_gru_begins_orthogonal():
    network = build(GRUConfig(hidden=4)).network
    for gate in network.weight_hh_l0.detach().view(3, 4, 4):
        torch.testing.assert_close(gate @ gate.T, torch.eye(4), atol=1e-5, rtol=0)


@pytest.mark.parametrize("config_type", [LSTMConfig, GRUConfig, BiLSTMAttentionConfig])
def test_dropout_without_a_second_layer_is_a_contradiction(config_type):
    with pytest.raises(ConfigError, match="set layers: 2 or dropout: 0"):
        config_type(dropout=0.1)


def test_the_weights_of_additive_attention_sum_to_one():
    encoder = build(BiLSTMAttentionConfig())
    assert isinstance(encoder, BiLSTMAttention)
    weights = encoder.attention(windows(3, features=64))
    assert weights.shape == (3, WINDOW, 1)
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(3, 1))


# attention


def test_heads_must_share_the_width():
    with pytest.raises(ConfigError, match=r"width 30 is not a multiple of attention.heads 4; set width: 32"):
        AttentionConfig(width=30, heads=4)


def test_an_odd_width_is_allowed():
    assert AttentionConfig(width=7, heads=1).build(3, 2)(windows(2, window=3, features=2)).shape == (2, 7)


@given(length=st.integers(1, 40), width=st.integers(1, 17))
@settings(max_examples=30, deadline=None)
def test_positions_follow_the_formula(length, width):
    positions = sinusoidal_positions(length, width)
    assert positions.shape == (length, width)
    for column in range(width):
        angle = torch.arange(length, dtype=torch.float64) / 10_000 ** (2 * (column // 2) / width)
        expected = torch.cos(angle) if column % 2 else torch.sin(angle)
        torch.testing.assert_close(positions[:, column].double(), expected, atol=1e-5, rtol=0)


def test_positions_are_counted_from_the_newest_bar():
    short, long = build(AttentionConfig(), window=4), build(AttentionConfig(), window=9)
    assert isinstance(short, Attention)
    assert torch.equal(short.positions, long.positions[-4:])


def test_weights_fit_a_window_of_another_length():
    short, long = build(AttentionConfig(), window=4), build(AttentionConfig(), window=9)
    long.load_state_dict(short.state_dict())


def test_the_order_of_bars_matters_to_attention():
    encoder = build(AttentionConfig()).eval()
    market = windows(1)
    swapped = market[:, [1, 0, *range(2, WINDOW)]]
    assert (encoder(market) - encoder(swapped)).abs().max() > 1e-4


def test_joining_heads_undoes_splitting_them():
    states = windows(2, features=12)
    assert split_heads(states, 3).shape == (2, 3, WINDOW, 4)
    assert torch.equal(join_heads(split_heads(states, 3)), states)


# cnn


@pytest.mark.parametrize(("layers", "kernel", "bars"), [(1, 2, 3), (1, 3, 5), (3, 3, 29), (4, 3, 61)])
def test_the_reach_of_the_convolutions(layers, kernel, bars):
    assert receptive_bars(layers, kernel) == bars


@given(window=st.integers(1, 5000), kernel=st.integers(2, 15))
def test_the_fewest_layers_that_see_the_window(window, kernel):
    layers = layers_to_see(window, kernel)
    assert receptive_bars(layers, kernel) >= window
    assert layers == 1 or receptive_bars(layers - 1, kernel) < window


def test_layers_that_leave_bars_unseen_are_refused():
    with pytest.raises(ConfigError, match=r"sees 13 bars, but the window has 32; set layers: 4"):
        CNNConfig(layers=2).build(32, FEATURES)


def test_convolutions_never_look_ahead():
    encoder = build(CNNConfig(), window=16).eval()
    market = windows(1, window=16)
    changed = market.clone()
    changed[:, 10:] += 1.0
    before = encoder.blocks(market.transpose(1, 2))
    after = encoder.blocks(changed.transpose(1, 2))
    assert torch.equal(before[:, :, :10], after[:, :, :10])
    assert not torch.allclose(before[:, :, 10:], after[:, :, 10:])


# cnn_lstm


def test_patterns_are_made_of_so_many_bars_and_none_later():
    encoder = build(CNNLSTMConfig(kernel=3, convolutions=2), window=16).eval()
    assert isinstance(encoder, CNNLSTM)
    market = windows(1, window=16)
    changed = market.clone()
    changed[:, 8] += 1.0
    before, after = encoder.patterns(market), encoder.patterns(changed)
    assert before.shape == (1, 16, 32)
    # Two convolutions of three bars see bar 8 from bar 8 to bar 12.
    assert (before - after).abs().amax(dim=(0, 2)).nonzero().ravel().tolist() == [8, 9, 10, 11, 12]


def test_the_encoding_is_the_last_state_of_an_lstm_over_patterns():
    encoder = build(CNNLSTMConfig(hidden=5))
    assert isinstance(encoder, CNNLSTM)
    market = windows(3)
    hidden = encoder.lstm.network(encoder.patterns(market))[1][0]
    assert torch.equal(encoder(market), hidden[-1])
