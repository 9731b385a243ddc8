"""Passes over samples: when they end, what is kept, and how they go on after a break."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from dltrader.errors import RunError
from dltrader.forecast.multi_task import Units
from dltrader.forecast.network import LSTMForecasterConfig
from dltrader.forecast.network_training import Learning, weights_of
from dltrader.runs.state import load_state, save_state
from planted_samples import cut, planted

CONFIG = LSTMForecasterConfig.from_mapping(
    {"window_bars": 4, "encoder": {"name": "gru", "hidden": 6}, "dropout": 0.3, "epochs": 4, "patience": 4}
)


@pytest.fixture(scope="module")
def split():
    return cut(planted(700)[0], 500)


def fitted(split, config=CONFIG, seed=0, **options):
    return config.fit(*split, horizon_bars=5, seed=seed, **options)


def learning(split, config=CONFIG, seed=0):
    units = Units.of(split[0])
    torch.manual_seed(seed)
    return Learning.begin(config, config.build(3, units), units, seed=seed, samples=len(split[0]))


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_every_pass_is_told_with_its_losses(split):
    told = []
    fitted(split, on_epoch=told.append)
    assert [epoch.number for epoch in told] == [1, 2, 3, 4]
    assert {epoch.total for epoch in told} == {4}
    for epoch in told:
        losses = epoch.losses
        assert list(losses) == ["train", "validation", "side", "movement", "risk"]
        parts = losses["side"] + 0.1 * losses["movement"] + 0.1 * losses["risk"]
        assert losses["validation"] == pytest.approx(parts, rel=1e-6)
        assert 0 < losses["side"] < math.log(3)


def test_it_ends_when_later_samples_are_foretold_no_better():
    split = cut(planted(700, correlation=0.0)[0], 500)
    told = []
    config = CONFIG.with_overrides({"epochs": 200, "patience": 3, "learning_rate": 0.02})
    fitted(split, config, on_epoch=told.append)
    validation = [epoch.losses["validation"] for epoch in told]
    assert len(told) < 200
    assert min(validation[-3:]) > min(validation[:-3], default=math.inf) or len(told) == 3


def test_the_weights_of_the_best_pass_are_kept(split):
    # What is rough is no line, and with this weight it is what decides.
    one = learning(split, CONFIG.with_overrides({"learning_rate": 0.05, "risk_weight": 5.0}))
    told = []
    one.learn(*split, told.append)
    validation = [epoch.losses["validation"] for epoch in told]
    assert one.best_loss == min(validation)
    one.average = weights_of(one.network)
    assert one.validate(split[1])["validation"] == pytest.approx(min(validation), rel=1e-6)


def test_where_no_pass_is_better_than_the_line_it_is_the_line_that_stays():
    split = cut(planted(700, correlation=0.0)[0], 500)
    one = learning(split, CONFIG.with_overrides({"learning_rate": 1.0, "risk_weight": 0.0}))
    network = one.learn(*split, lambda _: None)
    assert network.heads.weight.abs().max() == 0
    assert network.line.weight.abs().max() > 0


def test_the_line_has_the_least_loss_of_all_lines(split):
    train = split[0]
    one = learning(split)
    one.draw_line(train)
    line = one.network.line.weight.detach().numpy()
    seen = np.column_stack([train.features[train.rows].astype(float), np.ones(len(train))])
    # Ridge regression of the movement: half of 1/n X'X times its weight in the joint loss is what is solved.
    pull = np.diag([1.0, 1.0, 1.0, 0.0]) / CONFIG.movement_weight
    expected = np.linalg.solve(seen.T @ seen + pull, seen.T @ (train.movement / one.units.movement))
    assert line[3] == pytest.approx(expected[:3], abs=2e-3)


def test_gradients_are_clipped(split):
    one = learning(split, CONFIG.with_overrides({"max_gradient_norm": 1e-3}))
    one.draw_line(split[0])
    one.step(split[0], np.arange(64))
    taught = [*one.network.encoder.parameters(), *one.network.heads.parameters()]
    norm = torch.cat([p.grad.ravel() for p in taught if p.grad is not None]).norm()
    assert norm <= 1e-3


def test_without_averaging_the_weights_themselves_are_kept(split):
    one = learning(split, CONFIG.with_overrides({"averaging": 0.0}))
    one.pass_over(split[0])
    assert equal(one.average, weights_of(one.network))
    averaged = learning(split)
    averaged.pass_over(split[0])
    assert not equal(averaged.average, weights_of(averaged.network))


def test_what_a_listener_raises_ends_the_training(split):
    def stop(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fitted(split, on_epoch=stop)


# going on


@pytest.mark.parametrize("breaks_after", [1, 3, 4])
def test_a_training_that_was_broken_off_goes_on_bit_for_bit(breaks_after, split, tmp_path):
    def keep(epoch):
        if epoch.number == breaks_after:
            save_state(tmp_path / "state", epoch.state(), epoch.number)

    whole_losses, rest_losses = [], []
    whole = fitted(split, on_epoch=lambda epoch: (keep(epoch), whole_losses.append(epoch.losses)))
    torch.manual_seed(12345)
    rest = fitted(split, on_epoch=lambda epoch: rest_losses.append(epoch.losses), state=load_state(tmp_path / "state"))
    assert rest_losses == whole_losses[breaks_after:]
    assert equal(rest.network.state_dict(), whole.network.state_dict())
    assert rest.temperature == whole.temperature


def test_it_goes_on_bit_for_bit_where_gradients_are_clipped(split):
    config = CONFIG.with_overrides({"max_gradient_norm": 0.05})
    states, whole, rest = [], [], []
    fitted(split, config, on_epoch=lambda epoch: (states.append(epoch.state()), whole.append(epoch.losses)))
    fitted(split, config, on_epoch=lambda epoch: rest.append(epoch.losses), state=states[0])
    assert rest == whole[1:]


def test_passes_leave_the_line_as_it_is(split):
    one = learning(split)
    one.draw_line(split[0])
    line = one.network.line.weight.detach().clone()
    one.pass_over(split[0])
    assert torch.equal(one.network.line.weight, line)
    assert one.network.line.weight.grad is None


def test_a_state_does_not_change_when_the_training_goes_on(split):
    states = []
    fitted(split, on_epoch=lambda epoch: states.append(epoch.state()))
    assert [state["passes"] for state in states] == [1, 2, 3, 4]
    first, second = (state["weights"]["heads.weight"] for state in states[:2])
    assert not np.array_equal(first, second)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 7}, "with seed 7 and 500 samples, this one has seed 0 and 500 samples"),
        ({"samples": 9}, "with seed 0 and 9 samples"),
        ({"weights": {}}, "does not fit this network"),
        ({"best": {"line.weight": np.zeros((2, 2))}}, "does not fit this network"),
        ({"moments": None}, "does not fit this network"),
        ({"best_loss": "low"}, "does not fit this network"),
    ],
)
def test_the_state_of_another_training_is_refused(change, message, split):
    states = []
    fitted(split, on_epoch=lambda epoch: states.append(epoch.state()))
    with pytest.raises(RunError, match=message):
        fitted(split, state=states[0] | change)


def test_an_empty_state_is_refused(split):
    with pytest.raises(RunError, match="does not fit this network"):
        fitted(split, state={})
