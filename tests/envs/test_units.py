from __future__ import annotations

import numpy as np
import pytest
from gymnasium import spaces

from dltrader.envs.cerebro import TradingEnv
from dltrader.envs.contract import EnvConfig
from dltrader.envs.units import TargetUnits, TradeUnits
from dltrader.errors import ActionError, ConfigError
from market_bars import random_walk

LIMITS = {"allow_short": True, "leverage": 1.0}
PLAIN = {"window_bars": 2, "features": ["log_return"], "scaling": "none", "costs": {"commission": 0, "slippage": 0}}


def test_spaces():
    levels = (-1.0, 0.0, 1.0)
    assert TargetUnits(levels=levels).space(1, allow_short=True) == spaces.Discrete(3)
    assert TargetUnits(levels=levels, band=True).space(1, allow_short=True) == spaces.Discrete(6)
    assert TargetUnits(levels=levels, band=True).space(2, allow_short=True) == spaces.MultiDiscrete([6, 6])
    assert TargetUnits().space(3, allow_short=True) == spaces.Box(-1, 1, (3,), np.float32)
    assert TargetUnits(band=True).space(2, allow_short=True) == spaces.Box(-1, 1, (4,), np.float32)
    assert TradeUnits(trades=(-2, -1, 0, 1)).space(1, allow_short=True) == spaces.Discrete(4)


def test_levels_and_numbers_are_units():
    assert TargetUnits(levels=(-30, 0, 70)).exposures(2, [5.0], **LIMITS) == [70.0]
    assert TargetUnits(largest=40).exposures(np.array([-0.25]), [5.0], **LIMITS) == [-10.0]
    assert TargetUnits(largest=40).exposures([-0.25], [5.0], allow_short=False, leverage=1.0) == [0.0]


@pytest.mark.parametrize(
    ("action", "held", "reached"),
    [(0, 3.0, -1.0), (1, 3.0, 0.0), (2, 3.0, 3.0), (3, 3.0, 0.0), (3, -1.0, 0.0), (4, -1.0, 0.0), (5, 0.0, 3.0)],
)
def test_a_band_of_levels_moves_what_is_outside_to_its_nearer_edge(action, held, reached):
    scheme = TargetUnits(levels=(-1, 0, 3), band=True)
    assert scheme.bands() == [(-1, -1), (-1, 0), (-1, 3), (0, 0), (0, 3), (3, 3)]
    assert scheme.exposures(action, [held], **LIMITS) == [reached]
    parts = scheme.read_lanes(np.array([action, 2]), 2, 1, allow_short=True)
    assert scheme.targets(parts, [np.array([held, 0.0])], **LIMITS)[0].tolist() == [reached, 0.0]


@pytest.mark.parametrize(
    ("middle", "width", "held", "reached"),
    [
        (0.0, -1.0, 7.0, 0.0),  # a band of one position
        (0.5, -1.0, -3.0, 5.0),
        (0.0, 0.0, 7.0, 5.0),  # half the largest either way
        (0.0, 0.0, 4.0, 4.0),
        (0.0, 1.0, -9.0, -9.0),  # everything
        (1.0, 0.0, 2.0, 5.0),  # cut at the largest
        (1.0, 0.0, 9.5, 9.5),
    ],
)
def test_a_band_of_numbers_has_a_middle_and_a_width(middle, width, held, reached):
    scheme = TargetUnits(largest=10, band=True)
    assert scheme.exposures(np.array([middle, width]), [held], **LIMITS) == [reached]
    parts = scheme.read_lanes(np.array([[middle, width]]), 1, 1, allow_short=True)
    assert scheme.targets(parts, [np.array([held])], **LIMITS)[0].tolist() == [reached]


def test_bands_of_two_instruments_are_their_own():
    asked = TargetUnits(largest=10, band=True).exposures([0.0, -1.0, 0.3, -1.0], [7.0, 7.0], **LIMITS)
    assert asked == [0.0, pytest.approx(3.0)]


def test_trades_add_up_to_the_largest():
    scheme, held, seen = TradeUnits(trades=(-5, 0, 3), largest=7), [0.0], []
    for action in (2, 2, 2, 1, 0, 0, 0, 0):
        held = scheme.exposures(action, held, **LIMITS)
        seen.append(held[0])
    assert seen == [3.0, 6.0, 7.0, 7.0, 2.0, -3.0, -7.0, -7.0]
    assert scheme.exposures(0, [3.0], allow_short=False, leverage=1.0) == [0.0]


def test_actions_and_levels_that_cannot_be_are_refused():
    with pytest.raises(ActionError, match=r"an action must be 2 number\(s\) in \[-1, 1\], was 0.5"):
        TargetUnits(band=True).exposures(0.5, [0.0], **LIMITS)
    with pytest.raises(ConfigError, match=r"action.levels holds the short level -3, but allow_short is false"):
        EnvConfig.from_mapping({"action": {"name": "target_units", "levels": [-3, 0]}, "allow_short": False})
    with pytest.raises(ConfigError, match="ascending order, was"):
        TradeUnits(trades=(1, 0))


def test_the_environment_holds_the_units_asked_for_and_trades_only_changes():
    action = {"name": "target_units", "levels": [-20, 0, 30]}
    env = TradingEnv(random_walk(20, 1), EnvConfig.from_mapping(PLAIN | {"action": action}))
    env.reset()
    held = []
    for choice in (2, 2, 0, 1):
        *_, info = env.step(choice)
        held.append((info["position"], [fill.size for fill in info["fills"]]))
    assert held == [(30.0, [30.0]), (30.0, []), (-20.0, [50.0]), (0.0, [20.0])]


def test_units_are_rounded_towards_zero_to_lots_and_refused_where_they_cannot_be_paid():
    action = {"name": "target_units", "largest": 1e6}
    env = TradingEnv(random_walk(20, 1), EnvConfig.from_mapping(PLAIN | {"action": action, "lot_size": 10}))
    env.reset()
    *_, info = env.step([-55.5e-6])
    assert info["position"] == -50.0
    *_, info = env.step([0.9])
    assert info["position"] == -50.0
    assert [(one.size, one.reason) for one in info["rejections"]] == [(900_050.0, "not enough cash")]
    *_, info = env.step([-55.5e-6])  # what it holds after the refusal, so there is nothing to do
    assert (info["position"], info["rejections"], info["fills"]) == (-50.0, [], [])
