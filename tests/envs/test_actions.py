from __future__ import annotations

import math

import numpy as np
import pytest
from gymnasium import spaces

from dltrader.envs.actions import ACTIONS, BuySellHold, TargetPosition, TargetWeight
from dltrader.envs.contract import EnvConfig
from dltrader.errors import ActionError, ConfigError

LIMITS = {"allow_short": True, "leverage": 1.0}


@pytest.mark.parametrize("name", [name for name in ACTIONS if not ACTIONS[name].in_units])
@pytest.mark.parametrize("n_instruments", [1, 3])
@pytest.mark.parametrize("allow_short", [True, False])
def test_every_action_of_the_space_asks_for_allowed_exposures(name, n_instruments, allow_short):
    scheme = ACTIONS[name]()
    space = scheme.space(n_instruments, allow_short=allow_short)
    space.seed(1)
    held = [0.0] * n_instruments
    for _ in range(50):
        held = scheme.exposures(space.sample(), held, allow_short=allow_short, leverage=2.0)
        assert len(held) == n_instruments
        assert math.fsum(map(abs, held)) <= 2.0 + 1e-12
        assert allow_short or min(held) >= 0.0


@pytest.mark.parametrize("name", ACTIONS)
@pytest.mark.parametrize("n_instruments", [1, 2])
@pytest.mark.parametrize("action", [7, -3, math.nan, "buy", None, [0.5, 0.5, 0.5]])
def test_an_action_outside_the_space_is_refused(name, n_instruments, action):
    scheme = ACTIONS[name]()
    with pytest.raises(ActionError, match=r"an action must be .* was "):
        scheme.exposures(action, [0.0] * n_instruments, **LIMITS)


def test_target_position_spaces():
    assert TargetPosition().space(1, allow_short=True) == spaces.Discrete(3)
    assert TargetPosition().space(1, allow_short=False) == spaces.Discrete(2)
    assert TargetPosition(levels=(0, 0.5, 1)).space(2, allow_short=True) == spaces.MultiDiscrete([3, 3])


def test_target_position_shares_equity_among_instruments():
    assert TargetPosition().exposures(np.array([2, 0]), [0.0, 0.0], **LIMITS) == [0.5, -0.5]


def test_a_half_is_no_choice():
    with pytest.raises(ActionError):
        TargetPosition().exposures(1.5, [0.0], **LIMITS)


def test_buy_sell_hold_steps_by_units_and_stays_within_them():
    scheme, held, seen = BuySellHold(max_units=2), [0.0], []
    for action in (1, 1, 1, 0, 2, 2, 2, 2, 2):
        held = scheme.exposures(action, held, **LIMITS)
        seen.append(held[0])
    assert seen == [0.5, 1.0, 1.0, 1.0, 0.5, 0.0, -0.5, -1.0, -1.0]


def test_buy_sell_hold_without_short_selling_ends_at_flat():
    assert BuySellHold().exposures(2, [0.0], allow_short=False, leverage=1.0) == [0.0]


def test_target_weights_are_scaled_to_the_gross_limit():
    scheme = TargetWeight()
    assert scheme.exposures(np.array([0.5]), [0.0], **LIMITS) == [0.5]
    assert scheme.exposures(np.array([1.0, -1.0]), [0.0, 0.0], **LIMITS) == [0.5, -0.5]
    assert scheme.exposures(np.array([0.5, 0.25]), [0.0, 0.0], allow_short=True, leverage=2.0) == [1.0, 0.5]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"allow_short": False, "action": {"name": "target_position", "levels": [-1, 0, 1]}}, "allow_short is false"),
        ({"action": {"name": "target_position", "levels": [0, 2]}}, "must stay within the leverage 1"),
        ({"action": {"name": "target_position", "levels": [1, 0]}}, "ascending order"),
        ({"action": {"name": "target_position", "levels": [1]}}, "two or more different numbers"),
        ({"action": "target_positon"}, "unknown action scheme 'target_positon'; did you mean 'target_position'?"),
        ({"action": {"name": "buy_sell_hold", "max_units": 0}}, "max_units must be greater than or equal to 1"),
    ],
)
def test_a_contradicting_scheme_is_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        EnvConfig(**values)
