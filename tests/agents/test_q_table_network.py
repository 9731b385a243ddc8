from __future__ import annotations

import numpy as np
import pytest
import torch

from dltrader.agents.bars import to_numbers, windowed
from dltrader.agents.lanes import LanesVecEnv
from small_runs import agent_of, market_of


def networks(n_tables=1, **changes):
    """Tables of random values that are shown windows, and bars by name: 2 x 2 bins, 3 levels and 3 choices."""
    market, config = market_of()
    lanes = LanesVecEnv(market, config, 2, windows=False)
    agent = agent_of(name="q_table", double=n_tables == 2, **changes)
    of_bars = agent.network(lanes.observation_space, lanes.action_space)
    of_windows = agent.network(windowed(lanes.observation_space), lanes.action_space)
    of_bars.values[...] = np.random.default_rng(0).standard_normal(of_bars.values.shape)
    of_bars.set_edges(np.median(market.features[market.first :], axis=0).astype(float))
    of_windows.load_state_dict(of_bars.state_dict())
    return of_bars, of_windows, market


def test_values_and_counts_are_the_tensors_themselves():
    network, _, _ = networks()
    network.values[0, 5, 1] = 42.0
    network.counts[0, 5, 1] = 7
    assert network.state_dict()["table"][0, 5, 1] == 42.0
    assert network.state_dict()["visits"][0, 5, 1] == 7
    assert network.table.shape == network.visits.shape == (1, 12, 3)


def test_bars_by_name_are_in_the_states_of_their_windows():
    of_bars, of_windows, market = networks()
    bars = np.arange(market.first, len(market))
    windows = np.stack([market.features[bar - 3 : bar + 1] for bar in bars])
    account = np.random.default_rng(1).uniform(-1, 1, (len(bars), 2)).astype(np.float32)
    found = of_bars.numbers({"market": to_numbers(bars), "account": account})
    np.testing.assert_array_equal(found, of_windows.numbers({"market": windows, "account": account}))
    assert set(found.tolist()) == set(range(12))
    one = {"market": windows[7], "account": account[7]}
    action, state = of_windows.predict(one, deterministic=True)
    assert (int(action), state) == (int(of_windows.best(found[7:8])[0]), None)


@pytest.mark.parametrize("n_tables", [1, 2])
def test_the_best_of_what_was_tried_is_taken(n_tables):
    network, _, _ = networks(n_tables)
    network.counts[...] = 1
    worth = network.values.mean(axis=0)
    np.testing.assert_allclose(network.worth(np.arange(12)), worth)
    np.testing.assert_array_equal(network.best(np.arange(12)), worth.argmax(axis=1))


def test_what_was_never_tried_is_not_taken_however_good_it_was_thought_to_be():
    network, _, _ = networks()
    network.counts[...] = 1
    network.values[0, 4] = [1.0, 9.0, 2.0]
    network.counts[0, 4, 1] = 0
    assert network.best(np.array([4])).tolist() == [2]


def test_in_a_state_that_was_never_met_choices_are_worth_what_they_are_elsewhere_at_the_same_exposure():
    network, _, _ = networks()
    network.values[...] = 9.0
    # States 1 and 4 have no exposure, as the one asked for; state 0 is short.
    network.values[0, 1], network.counts[0, 1] = [1.0, 0.0, 0.0], [1, 1, 0]
    network.values[0, 4], network.counts[0, 4] = [0.0, 1.0, 0.0], [1, 3, 0]
    network.values[0, 0], network.counts[0, 0] = [5.0, 0.0, 0.0], [9, 9, 9]
    assert network.best(np.array([7])).tolist() == [1]
    # Of choice 0 the mean of 1 and 0, of choice 1 that of 0 once and 1 three times; choice 2 nobody tried.
    assert network.worth_of_tried(np.array([7])).tolist() == [[0.5, 0.75, -np.inf]]
    # Long was never met anywhere: what the table began with is all there is.
    network.values[0, 2::3, 2] = 10.0
    assert network.best(np.array([7, 5])).tolist() == [1, 2]


def test_a_table_is_saved_whole():
    network, _, _ = networks(2)
    assert {name: tuple(part.shape) for name, part in network.state_dict().items()} == {
        "table": (2, 12, 3),
        "visits": (2, 12, 3),
        "columns": (2,),
        "edges": (2,),
    }
    assert network.state_dict()["table"].dtype == network.edges.dtype == torch.float64
