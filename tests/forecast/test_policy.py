import re
from dataclasses import replace

import backtrader as bt
import numpy as np
import pandas as pd
import pytest

from dltrader.agents.policy import Policy
from dltrader.envs.actions import TargetPosition
from dltrader.envs.broker import make_cerebro
from dltrader.envs.cerebro import TradingEnv
from dltrader.envs.strategy import PolicyStrategy
from dltrader.errors import BundleError, VoteError
from dltrader.evaluation.backtest import backtest
from dltrader.features import Pipeline
from dltrader.forecast.members import PolicyMember
from dltrader.forecast.policy import EnsemblePolicy, EnsembleState
from dltrader.forecast.trading import TradingConfig
from dltrader.forecast.voting import Weighting
from market_bars import random_walk
from small_members import Says, by_last_return, mixed_ensemble, pipeline_of, small_policy, telling_ensemble


class Asked:
    """A policy that keeps what it is shown and what it decides; all else is the policy's own."""

    def __init__(self, policy):
        self.policy = policy
        self.seen, self.consulted = [], []

    def __getattr__(self, name):
        return getattr(self.policy, name)

    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        self.seen.append({key: np.array(value) for key, value in observation.items()})
        told = self.policy.consult(observation, state, episode_start)
        self.consulted.append(told)
        action, kept = self.policy.predict(observation, state, episode_start, deterministic)
        assert action.tolist() == [np.float32(told.decision.weight)]
        return action, kept


def raising(_):
    raise RuntimeError("out of\norder")


def always(buy, sell, hold):
    return lambda windows: np.tile([buy, sell, hold], (len(windows), 1))


def in_own_cerebro(policy, bars, **run):
    cerebro = make_cerebro(policy.env_config)
    cerebro.adddata(bt.feeds.PandasData(dataname=bars.tz_localize(None)), name="asset")
    cerebro.addstrategy(PolicyStrategy, policy=policy)
    cerebro.run(**run)
    return cerebro.broker.getvalue()


def observations(policy, n_bars=60, seed=7):
    asked = Asked(policy)
    backtest(asked, random_walk(n_bars, seed), benchmark=False)
    return asked


@pytest.fixture(scope="module")
def mixed():
    pytest.importorskip("lightgbm")
    return mixed_ensemble(volatility_stop=0.028, cool_down_bars=3, sizing="volatility_target")


def test_it_is_a_policy_with_spaces_of_its_environment(mixed):
    env = TradingEnv(random_walk(60, 1), mixed.env_config, pipeline=mixed.pipeline)
    assert isinstance(mixed, Policy)
    assert mixed.observation_space == env.observation_space
    assert mixed.action_space == env.action_space
    assert mixed.models == ("lstm", "lgb_2d", "lgb_3d", "ppo")
    assert mixed.pipeline.names[-1] == "volatility_5_unscaled"


def test_backtest_and_a_strategy_in_ones_own_cerebro_decide_alike_on_every_bar(mixed):
    bars = random_walk(120, 7)
    here, there = Asked(mixed), Asked(mixed)
    result = backtest(here, bars, benchmark=False)
    value = in_own_cerebro(there, bars)
    decisions = [told.decision for told in here.consulted]
    assert [told.decision for told in there.consulted][: len(decisions)] == decisions
    assert {decision.action for decision in decisions} == {"BUY", "SELL", "HOLD", "STOP"}
    assert len(decisions) == len(result.equity) - 1 == 108
    assert value == pytest.approx(result.equity.iloc[-1], rel=1e-12)
    assert all(told.opinion.failed == {} and len(told.opinion.votes) == 4 for told in here.consulted)
    opinions = [[told.opinion.probabilities.tolist() for told in asked.consulted] for asked in (here, there)]
    assert opinions[1][: len(opinions[0])] == opinions[0]


def test_bars_that_come_one_by_one_are_decided_alike():
    bars, here, there = random_walk(60, 8), Asked(telling_ensemble()), Asked(telling_ensemble())
    backtest(here, bars, benchmark=False)
    in_own_cerebro(there, bars, preload=False, runonce=False)
    decisions = [told.decision for told in here.consulted]
    assert [told.decision for told in there.consulted][: len(decisions)] == decisions
    assert len(decisions) > 40


def test_what_it_remembers_follows_from_the_recent_actions():
    asked = Asked(telling_ensemble(volatility_stop=0.03, cool_down_bars=4))
    backtest(asked, random_walk(150, 9, volatility=0.025), benchmark=False)
    recent, retold = (), []
    for observation in asked.seen:
        told = asked.policy.consult(observation, EnsembleState(actions=(recent,)))
        recent = (*recent, told.decision.action)
        retold.append(told.decision)
    assert retold == [told.decision for told in asked.consulted]
    assert recent.count("STOP") > 3
    assert [told.decision.reason.split(":")[0] for told in asked.consulted].count("cooling down") > 3


def test_a_batch_is_decided_as_its_rows_are():
    asked = observations(telling_ensemble(volatility_stop=0.03))
    batch = {key: np.stack([one[key] for one in asked.seen]) for key in asked.seen[0]}
    rows = len(asked.seen)
    actions, state = asked.policy.predict(batch, None, np.ones(rows, bool))
    alone = [asked.policy.predict(one)[0] for one in asked.seen]
    assert actions.shape == (rows, 1)
    assert actions.dtype == np.float32
    assert np.array_equal(actions, np.stack(alone))
    assert len(state.actions) == rows


def test_where_an_episode_starts_all_is_forgotten():
    policy = telling_ensemble(volatility_stop=0.5, cool_down_bars=3)
    observation = {"market": np.full((4, 3), 0.01, np.float32), "account": np.zeros(2, np.float32)}
    stopped = EnsembleState(actions=(("STOP",),))
    cooling = policy.consult(observation, stopped, np.array([False]))
    anew = policy.consult(observation, stopped, np.array([True]))
    assert cooling.decision.reason == "cooling down: bar 1 of 3 after a stop"
    assert cooling.state.actions == (("STOP", "HOLD"),)
    assert anew.state.actions != cooling.state.actions
    assert "cooling" not in anew.decision.reason


def test_members_are_shown_their_own_columns_to_the_bit():
    seen = []

    def looking(windows):
        seen.append(windows.copy())
        return by_last_return(windows)

    policy = telling_ensemble({"trend": looking})
    bars = random_walk(60, 4)
    backtest(policy, bars, benchmark=False)
    pipeline, config = pipeline_of()
    market = TradingEnv(bars, config, pipeline=pipeline).market
    expected = [market.features[row - 3 : row + 1] for row in range(market.first, len(bars) - 1)]
    assert len(seen) == len(expected)
    assert np.array_equal(np.concatenate(seen), np.stack(expected))


def test_a_member_that_fails_is_left_out_and_named():
    policy = telling_ensemble({"broken": raising, "sure": always(0.8, 0.1, 0.1)})
    told = observations(policy).consulted[0]
    assert told.opinion.failed == {"broken": "RuntimeError: out of order"}
    assert told.opinion.probabilities.tolist() == pytest.approx([0.8, 0.1, 0.1])
    assert told.decision.weight == pytest.approx(0.8, abs=1e-6)


def test_a_backtest_tells_once_of_a_member_that_fails(caplog):
    policy = telling_ensemble({"broken": raising, "sure": always(0.8, 0.1, 0.1)})
    backtest(policy, random_walk(60), benchmark=False)
    [told] = caplog.messages
    assert re.fullmatch(r"broken of .* cannot vote \(RuntimeError: out of order\); the others decide without it", told)


def test_a_missing_member_is_named_and_leaves_its_weight_to_the_others():
    whole = telling_ensemble({"first": always(0.8, 0.1, 0.1), "second": always(0.1, 0.8, 0.1)})
    part = replace(whole, members=whole.members[:1], missing=("second",))
    told = observations(part).consulted[0]
    assert told.opinion.missing == ("second",)
    assert told.opinion.weights == {"first": 1.0}


def test_when_none_can_vote_it_says_why():
    with pytest.raises(VoteError, match=r"no model .* could vote \(broken: RuntimeError: out of order\)"):
        observations(telling_ensemble({"broken": raising}))


def test_an_unsure_ensemble_never_trades_and_a_sure_one_holds():
    bars, freely = random_walk(80, 5), {"scale_by_confidence": False, "value_at_risk": None}
    unsure = backtest(telling_ensemble({"even": always(0.34, 0.33, 0.33)}), bars, benchmark=False)
    sure = backtest(telling_ensemble({"bull": always(0.9, 0.05, 0.05)}, **freely), bars, benchmark=False)
    assert len(unsure.orders) == 0
    assert (sure.exposure["asset"].iloc[1:] > 0.9).all()
    assert sure.trades.empty


def test_a_position_that_is_kept_sends_no_order():
    asked = 0

    def buys_once(windows):
        nonlocal asked
        asked += 1
        return np.tile([0.6, 0.2, 0.2] if asked == 1 else [0.2, 0.2, 0.6], (len(windows), 1))

    policy = telling_ensemble({"once": buys_once}, value_at_risk=None)
    result = backtest(policy, random_walk(80, 5), benchmark=False)
    assert asked == len(result.equity) - 1 > 60
    assert len(result.orders) == 1
    assert result.exposure["asset"].iloc[1] == pytest.approx(0.6, abs=0.02)
    assert np.ptp(result.position["asset"].iloc[1:]) == 0.0


def of(members, **changes):
    pipeline, config = pipeline_of()
    given = {"name": "e", "env_config": config, "pipeline": pipeline, "instruments": ("asset",)} | changes
    return EnsemblePolicy.of(
        members, Weighting(weights={one.name: 1.0 for one in members}), TradingConfig(volatility_bars=5), **given
    )


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({"features": ["log_return", "atr"]}, "the member odd reads the feature 'atr_14'"),
        ({"scaling": "none"}, r"the member odd was trained with scaling \{'name': 'none'\}, the ensemble has"),
        ({"scaling": {"name": "rolling", "window_bars": 9}}, "train all members with the same env.scaling"),
    ],
)
def test_a_member_that_was_trained_on_other_sights_is_refused(env, message):
    pipeline, _ = pipeline_of(**env)
    with pytest.raises(BundleError, match=message):
        of([PolicyMember("odd", replace(small_policy(), pipeline=pipeline))])


def test_other_moments_longer_windows_and_other_intervals_are_refused():
    config = pipeline_of(scaling="train")[1]
    fits = [Pipeline(config.features, config.scaling).fit(random_walk(120, seed)) for seed in (1, 2)]
    with pytest.raises(BundleError, match="the member odd was trained with other moments of log_return_1"):
        of([Says("odd", fits[0])], env_config=config, pipeline=fits[1])
    assert of([Says("even", fits[0])], env_config=config, pipeline=fits[0]).missing == ()
    pipeline, _ = pipeline_of()
    with pytest.raises(
        BundleError, match=r"the member odd reads windows of 5 bars, .* set env.window_bars to 5 or more"
    ):
        of([Says("odd", pipeline, window_bars=5)])
    hourly = Says("odd", pipeline, interval=pd.Timedelta(hours=1))
    with pytest.raises(BundleError, match=r"the member odd was trained on bars of 0 days 01:00:00"):
        of([hourly], interval=pd.Timedelta(days=1))
    assert of([hourly]).interval is None
    policy = PolicyMember("odd", replace(small_policy(), interval=pd.Timedelta(hours=1)))
    with pytest.raises(BundleError, match=r"the ensemble is for bars of 1 days .*; train all members on bars of one"):
        of([policy], interval=pd.Timedelta(days=1))


def test_an_environment_without_weights_is_refused():
    pipeline, config = pipeline_of()
    with pytest.raises(BundleError, match=r"env\.action is target_position; set env\.action: target_weight"):
        of([Says("one", pipeline)], env_config=config.model_copy(update={"action": TargetPosition()}))


def test_observations_of_another_shape_are_refused():
    policy = telling_ensemble()
    wrong = {"market": np.zeros((4, 2), np.float32), "account": np.zeros(2, np.float32)}
    with pytest.raises(BundleError, match=r"observes a market of shape \(4, 3\) .* was given \(4, 2\)"):
        policy.predict(wrong)
