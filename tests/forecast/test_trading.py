from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dltrader.envs.contract import EnvConfig
from dltrader.errors import ConfigError
from dltrader.forecast.sizing import SIZINGS, FixedFraction
from dltrader.forecast.trading import Account, TradingConfig, decide, trading_env
from small_members import opinion

FREE = TradingConfig(value_at_risk=None, enter_confidence=0.4, least_change=0.0)

sides = st.sampled_from(["buy", "sell", "hold"])
certainties = st.floats(0.0, 1.0)
volatilities = st.floats(0.0, 0.5)
actions = st.lists(st.sampled_from(["BUY", "SELL", "HOLD", "STOP"]), max_size=12)
opinions = st.builds(
    opinion,
    sides,
    certainties,
    movement=st.none() | st.floats(-1.0, 1.0),
    risk=st.none() | volatilities,
    horizon_bars=st.none() | st.integers(1, 100),
)
accounts = st.builds(
    lambda part, leverage, allow_short: Account(
        part * leverage if allow_short else abs(part) * leverage, leverage, allow_short
    ),
    st.floats(-1.0, 1.0),
    st.sampled_from([1.0, 2.0, 5.0]),
    st.booleans(),
)
configs = st.builds(
    TradingConfig,
    enter_confidence=certainties,
    unsure=st.sampled_from(["keep", "close"]),
    sizing=st.sampled_from([SIZINGS[name]() for name in SIZINGS]),
    scale_by_confidence=st.booleans(),
    least_change=st.floats(0.0, 0.5),
    risk_limit=st.none() | st.floats(0.001, 0.5),
    value_at_risk=st.none() | st.floats(0.001, 0.5),
    value_at_risk_level=st.floats(0.51, 0.999),
    volatility_stop=st.none() | st.floats(0.001, 0.5),
    cool_down_bars=st.integers(0, 10),
)


@given(opinion=opinions, account=accounts, volatility=volatilities, memory=actions, config=configs)
def test_a_weight_is_within_what_the_account_allows(opinion, account, volatility, memory, config):
    decision = decide(opinion, account, volatility, memory, config)
    assert -1.0 <= decision.weight <= 1.0
    assert account.allow_short or decision.weight >= 0.0
    assert "\n" not in decision.reason
    assert decision.reason


@given(opinion=opinions, account=accounts, volatility=st.floats(1e-4, 0.5), memory=actions, config=configs)
def test_no_position_can_lose_more_in_a_bad_bar_than_the_value_at_risk(opinion, account, volatility, memory, config):
    decision = decide(opinion, account, volatility, memory, config)
    if config.value_at_risk is not None:
        quantile = NormalDist().inv_cdf(1.0 - config.value_at_risk_level)
        loss = -quantile * volatility * abs(decision.weight) * account.leverage
        assert loss <= config.value_at_risk * (1.0 + 1e-9)


@given(opinion=opinions, account=accounts, volatility=volatilities, memory=actions, config=configs)
def test_a_stop_and_the_bars_after_it_are_flat(opinion, account, volatility, memory, config):
    decision = decide(opinion, account, volatility, memory, config)
    stopped = config.volatility_stop is not None and volatility >= config.volatility_stop
    assert (decision.action == "STOP") == stopped
    cooling = "STOP" in memory[-config.cool_down_bars :] if config.cool_down_bars else False
    assert decision.weight == 0.0 or not (stopped or cooling)


@given(opinion=opinions, account=accounts, volatility=volatilities, memory=actions, config=configs)
def test_no_more_than_the_cool_down_has_to_be_remembered(opinion, account, volatility, memory, config):
    newest = memory[-config.cool_down_bars :] if config.cool_down_bars else []
    whole, short = (decide(opinion, account, volatility, each, config) for each in (memory, newest))
    assert whole == short


@given(account=accounts, volatility=volatilities, first=certainties, second=certainties, side=sides, config=configs)
def test_more_confidence_never_makes_a_position_smaller(account, volatility, first, second, side, config):
    config = config.model_copy(update={"sizing": FixedFraction(), "least_change": 0.0, "unsure": "close"})
    low, high = sorted((first, second))
    sizes = [abs(decide(opinion(side, each), account, volatility, (), config).weight) for each in (low, high)]
    assert sizes[0] <= sizes[1]


@given(account=accounts, confidence=certainties, calm=volatilities, rough=volatilities, side=sides, config=configs)
def test_more_volatility_never_makes_a_position_larger(account, confidence, calm, rough, side, config):
    config = config.model_copy(update={"sizing": SIZINGS["volatility_target"](), "least_change": 0.0})
    calm, rough = sorted((calm, rough))
    sizes = [
        abs(decide(opinion(side, confidence, risk=each), account, each, (), config).weight) for each in (calm, rough)
    ]
    assert sizes[1] <= sizes[0] + 1e-12


@given(confidence=certainties, volatility=volatilities, memory=actions, config=configs, part=st.floats(-1.0, 1.0))
def test_buying_and_selling_are_mirror_images(confidence, volatility, memory, config, part):
    config = config.model_copy(update={"sizing": FixedFraction()})
    bought = decide(opinion("buy", confidence), Account(part), volatility, memory, config)
    sold = decide(opinion("sell", confidence), Account(-part), volatility, memory, config)
    assert sold.weight == -bought.weight


@given(opinion=opinions, account=accounts, volatility=volatilities, memory=actions, config=configs)
def test_an_action_says_what_becomes_of_the_exposure(opinion, account, volatility, memory, config):
    decision = decide(opinion, account, volatility, memory, config)
    change = decision.weight - account.exposure / account.leverage
    if decision.action != "STOP":
        assert decision.action == ("BUY" if change > 0 else "SELL" if change < 0 else "HOLD") or abs(change) < 1e-12


@pytest.mark.parametrize(
    ("side", "confidence", "weight", "action"),
    [("buy", 0.6, 0.6, "BUY"), ("sell", 0.6, -0.6, "SELL"), ("buy", 0.4, 0.4, "BUY")],
)
def test_a_confident_opinion_enters_in_proportion(side, confidence, weight, action):
    decision = decide(opinion(side, confidence), Account(0.0), 0.02, (), FREE)
    assert decision[:2] == (weight, action)
    assert decision.reason == f"{side} with confidence {confidence:.2f}"


def test_an_unsure_opinion_keeps_or_closes_what_is_held():
    unsure, held = opinion("sell", 0.39), Account(0.5)
    kept = decide(unsure, held, 0.02, (), FREE)
    closed = decide(unsure, held, 0.02, (), FREE.model_copy(update={"unsure": "close"}))
    assert kept == (0.5, "HOLD", "sell with confidence 0.39, below 0.4: kept")
    assert closed == (0.0, "SELL", "sell with confidence 0.39, below 0.4: closed")
    assert decide(opinion("hold", 0.9), held, 0.02, (), FREE) == (0.5, "HOLD", "hold with confidence 0.90: kept")


def test_a_contrary_opinion_turns_a_position_round():
    assert decide(opinion("sell", 0.7), Account(0.5), 0.02, (), FREE).weight == -0.7


def test_without_short_selling_a_contrary_opinion_closes():
    decision = decide(opinion("sell", 0.7), Account(0.5, allow_short=False), 0.02, (), FREE)
    assert decision == (0.0, "SELL", "sell with confidence 0.70: closed, as short selling is not allowed")


def test_small_changes_in_the_same_direction_are_not_traded():
    rules = FREE.model_copy(update={"least_change": 0.1})
    assert decide(opinion("buy", 0.55), Account(0.5), 0.02, (), rules)[:2] == (0.5, "HOLD")
    assert decide(opinion("buy", 0.65), Account(0.5), 0.02, (), rules)[:2] == (0.65, "BUY")
    assert decide(opinion("buy", 0.42), Account(-0.5), 0.02, (), rules)[:2] == (0.42, "BUY")
    small = rules.model_copy(update={"sizing": FixedFraction(fraction=0.1)})
    assert decide(opinion("buy", 0.5), Account(0.0), 0.02, (), small)[:2] == (0.05, "BUY")  # entering is no change


def test_too_much_risk_ahead_closes():
    rules = FREE.model_copy(update={"risk_limit": 0.03})
    assert decide(opinion("buy", 0.9, risk=0.03), Account(0.5), 0.01, (), rules).weight == 0.9
    decision = decide(opinion("buy", 0.9, risk=0.031), Account(0.5), 0.01, (), rules)
    assert decision == (0.0, "SELL", "too risky: volatility 0.031 is expected, above 0.03")


def test_where_no_model_tells_of_risk_the_recent_past_does():
    rules = FREE.model_copy(update={"risk_limit": 0.03})
    assert decide(opinion("buy", 0.9), Account(0.0), 0.04, (), rules).weight == 0.0
    assert decide(opinion("buy", 0.9), Account(0.0), 0.02, (), rules).weight == 0.9


def test_a_stop_closes_and_cools_down_for_so_many_bars():
    rules = FREE.model_copy(update={"volatility_stop": 0.05, "cool_down_bars": 2})
    memory, taken = [], []
    for volatility in (0.02, 0.05, 0.02, 0.02, 0.02):
        decision = decide(opinion("buy", 0.9), Account(taken[-1][0] if taken else 0.0), volatility, memory, rules)
        taken.append((decision.weight, decision.action))
        memory.append(decision.action)
    assert taken == [(0.9, "BUY"), (0.0, "STOP"), (0.0, "HOLD"), (0.0, "HOLD"), (0.9, "BUY")]
    assert (
        decide(opinion(), Account(0.0), 0.02, ["STOP", "HOLD"], rules).reason == "cooling down: bar 2 of 2 after a stop"
    )


def test_volatility_that_stays_high_begins_the_cool_down_again():
    rules = FREE.model_copy(update={"volatility_stop": 0.05, "cool_down_bars": 2})
    assert decide(opinion("buy", 0.9), Account(0.0), 0.06, ["STOP"], rules).action == "STOP"
    assert decide(opinion("buy", 0.9), Account(0.0), 0.02, ["STOP", "STOP", "HOLD"], rules).weight == 0.0


def test_the_value_at_risk_cuts_what_is_taken_and_what_is_kept():
    rules = FREE.model_copy(update={"value_at_risk": 0.05, "value_at_risk_level": 0.99})
    # 0.05 / (2.3263 x 0.05) = 0.4299
    entered = decide(opinion("sell", 0.9), Account(0.0), 0.05, (), rules)
    assert entered.weight == pytest.approx(-0.42986, abs=1e-5)
    assert entered.reason == "sell with confidence 0.90; cut to 0.43 by the value at risk"
    assert decide(opinion("hold", 0.9), Account(0.8), 0.05, (), rules).weight == pytest.approx(0.42986, abs=1e-5)


def test_the_value_at_risk_is_what_normal_returns_lose_so_often():
    rules = TradingConfig(value_at_risk=0.04, value_at_risk_level=0.95)
    returns = np.random.default_rng(2).normal(0.0, 0.03, 200_000) * rules.largest_exposure(0.03)
    assert (returns < -0.04).mean() == pytest.approx(0.05, abs=0.002)


def test_a_weight_is_a_multiple_of_the_leverage():
    rules = FREE.model_copy(update={"sizing": FixedFraction(fraction=3.0), "scale_by_confidence": False})
    assert decide(opinion("buy", 0.9), Account(0.0, leverage=5.0), 0.02, (), rules).weight == pytest.approx(0.6)
    assert decide(opinion("buy", 0.9), Account(0.0, leverage=2.0), 0.02, (), rules).weight == 1.0


def test_the_volatility_is_shown_once_and_unscaled():
    rules = TradingConfig(volatility_bars=7)
    shown = trading_env(EnvConfig(), rules)
    assert shown.features[-1].label == "volatility_7_unscaled"
    assert shown.features[:-1] == EnvConfig().features
    assert trading_env(shown, rules) is shown


def test_rules_are_read_from_yaml_names():
    rules = TradingConfig.from_mapping({"sizing": {"name": "volatility_target", "target": 0.005}})
    assert rules.sizing.target == 0.005
    assert TradingConfig.from_mapping(rules.to_mapping()) == rules
    with pytest.raises(ConfigError, match=r"sizing: unknown sizing 'fraction_kelly'; did you mean 'fractional_kelly'"):
        TradingConfig.from_mapping({"sizing": "fraction_kelly"})
    with pytest.raises(ConfigError, match=r"enter_confidence must be less than or equal to 1, was 60"):
        TradingConfig(enter_confidence=60)
