from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from dltrader.agents import AGENTS
from dltrader.agents.probabilities import consult
from dltrader.envs.market import Market
from dltrader.errors import BundleError, ConfigError
from dltrader.features import Pipeline
from dltrader.forecast import members
from dltrader.forecast.bundle import TrainedForecaster
from dltrader.forecast.forecasters import Forecaster, ForecasterConfig
from dltrader.forecast.members import ForecasterMember, PolicyMember, hear, votes_on
from dltrader.forecast.samples import Samples
from dltrader.forecast.vote import HOLD, Vote
from market_bars import random_walk
from small_runs import market_of, observations, untrained

WINDOW, FEATURES = 4, ("log_return", "range")
NAMES = ("log_return_1", "range")


class Mean(Forecaster):
    """Says that the mean of the first column of its window decides, and the newest of the last one moves prices."""

    def __init__(self, horizons):
        self.horizons = horizons

    def votes(self, windows):
        assert windows.flags.c_contiguous
        buy = 0.5 + 0.4 * np.tanh(windows[:, :, 0].mean(axis=1, dtype=np.float64))
        sides = np.stack([buy, 0.9 - buy, np.full(len(buy), 0.1)], axis=1)
        keys = [str(bars) for bars in self.horizons] if len(self.horizons) > 1 else [""]
        return {
            key: Vote(sides, int(key or 5), win=buy, movement=windows[:, -1, -1].astype(np.float64)) for key in keys
        }

    def save(self, folder):
        raise NotImplementedError


class MeanConfig(ForecasterConfig):
    name: str = "mean"
    learns_wins = True

    def fit(self, *_, **__):
        raise NotImplementedError

    def load(self, folder, n_features):
        raise NotImplementedError


def trained(horizons=(), interval="5min", features=FEATURES):
    pipeline = Pipeline(features, "train").fit(random_walk(160, 0))
    config = MeanConfig(window_bars=WINDOW, horizons=horizons)
    return TrainedForecaster(config, Mean(horizons), pipeline, 5, ("asset",), pd.Timedelta(interval))


def forecaster(name="mean", **changes):
    return ForecasterMember(name, trained(**changes))


def policy(name="ppo", seed=0, **agent):
    return PolicyMember(name, untrained(seed, agent={"name": name} | agent))


def windows(n=6, rows=WINDOW, columns=2, seed=0):
    return np.random.default_rng(seed).normal(size=(n, rows, columns)).astype(np.float32)


FLAT = np.zeros((6, 2), np.float32)


def equal(found, expected):
    assert found.keys() == expected.keys()
    for model, vote in expected.items():
        for name in ("probabilities", "win", "movement", "risk", "value"):
            np.testing.assert_array_equal(getattr(found[model], name), getattr(vote, name))
        assert found[model].horizon_bars == vote.horizon_bars


@pytest.mark.parametrize(
    ("horizons", "interval", "models"),
    [
        ((), "1D", ("mean",)),
        ((5,), "1D", ("mean",)),
        ((5, 30), "1D", ("mean_5d", "mean_30d")),
        ((5, 30), "1min", ("mean_5m", "mean_30m")),
        ((1, 6), "5min", ("mean_5m", "mean_30m")),
        ((2, 12), "2h", ("mean_4h", "mean_24h")),
    ],
)
def test_models_are_called_by_member_and_horizon(horizons, interval, models):
    member = forecaster(horizons=horizons, interval=interval)
    assert member.models == models
    votes, _ = member.votes(windows(), FLAT)
    assert tuple(votes) == models


def test_a_forecaster_says_what_it_would_alone():
    member = forecaster()
    votes, state = member.votes(windows(), FLAT, "kept")
    equal(votes, {"mean": member.trained.votes(windows())[""]})
    assert state == "kept"
    assert not member.remembers


@pytest.mark.parametrize("name", AGENTS)
def test_a_policy_says_what_it_would_alone(name):
    member = PolicyMember("mine", untrained(agent={"name": name}))
    batch = observations(member.trained, 6)
    votes, state = member.votes(batch["market"], batch["account"])
    told = consult(member.trained, batch)
    equal(votes, {"mine": Vote(told.probabilities, value=told.value)})
    assert (state is not None) == member.remembers
    assert member.models == ("mine",)


@pytest.mark.parametrize("make", [forecaster, policy])
def test_columns_are_taken_by_name_and_rows_from_the_newest(make):
    member = make()
    own = windows()
    shown = np.full((6, 9, 5), np.nan, np.float32)
    shown[:, -WINDOW:, 3], shown[:, -WINDOW:, 1] = own[..., 0], own[..., 1]
    reader = member.within(("volatility", "range", "rsi", "log_return_1", "gap"))
    equal(reader.votes(shown, FLAT)[0], member.votes(own, FLAT)[0])
    assert (member.window_bars, member.pipeline.names, reader.name) == (WINDOW, NAMES, member.name)


@pytest.mark.parametrize("make", [forecaster, policy])
def test_a_column_that_is_not_shown_is_named(make):
    with pytest.raises(BundleError) as caught:
        make().within(("log_return_1", "rangy"))
    assert str(caught.value).endswith(
        "reads the feature 'range', which the ensemble does not show; train it on the ensemble's features; did you "
        "mean 'rangy'?"
    )


@pytest.mark.parametrize("make", [forecaster, policy])
@pytest.mark.parametrize("shape", [(6, 3, 2), (4, 2), (6, 4, 3)])
def test_windows_of_another_shape_are_refused(make, shape):
    reader = make().within(NAMES)
    with pytest.raises(BundleError, match="reads windows of 4 rows or more and 2 columns, was given an array of shape"):
        reader.votes(np.zeros(shape, np.float32), FLAT)


def test_a_policy_whose_actions_are_no_sides_is_refused_at_once():
    with pytest.raises(ConfigError, match=r"of env\.action target_units it cannot be told"):
        PolicyMember("ppo", untrained(action={"name": "target_units", "levels": [-1, 0, 1]}))


class Broken:
    """A member of two models that raises, or says what it is told to."""

    name, models = "broken", ("broken_5d", "broken_30d")

    def __init__(self, probabilities=None):
        self.probabilities = probabilities

    def votes(self, market, account, state=None, episode_start=None):
        if self.probabilities is None:
            raise MemoryError("no\nroom")
        return {model: Vote(np.array(self.probabilities)) for model in self.models}, "new"


def test_who_raises_is_left_out_and_named_and_the_others_are_heard():
    heard = hear([forecaster(), Broken(), policy()], windows(), FLAT, {"broken": "old"})
    assert list(heard.votes) == ["mean", "ppo"]
    assert heard.failed == dict.fromkeys(Broken.models, "MemoryError: no room")
    assert heard.state == {"broken": "old"}


@pytest.mark.parametrize("row", [[np.nan, 0.5, 0.5], [0.7, 0.7, 0.1], [-0.1, 0.6, 0.5]])
def test_who_gives_no_probabilities_is_left_out(row):
    heard = hear([Broken([[0.2, 0.3, 0.5], row])], windows(2), FLAT[:2])
    assert heard.votes == {}
    assert heard.failed["broken_5d"] == (
        f"VoteError: broken_5d gave {row}, which are no probabilities of buy, sell, hold"
    )


def test_who_gives_too_few_rows_or_what_is_not_finite_is_left_out(monkeypatch):
    heard = hear([Broken([[0.2, 0.3, 0.5]])], windows(2), FLAT[:2])
    assert heard.failed["broken_5d"] == "VoteError: broken_5d gave probabilities of shape (1, 3), (2, 3) was asked for"
    member = Broken()
    vote = Vote(np.array([[0.2, 0.3, 0.5]]), value=np.array([np.inf]))
    monkeypatch.setattr(member, "votes", lambda *_: ({"broken_5d": vote}, None))
    heard = hear([member], windows(1), FLAT[:1])
    assert heard.failed["broken_5d"] == "VoteError: broken_5d gave a value that is no finite number"


def test_an_interruption_is_none_of_a_members_failures(monkeypatch):
    member = Broken()
    monkeypatch.setattr(member, "votes", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        hear([member], windows(), FLAT)


def test_memories_are_kept_by_member():
    both = [policy("ppo"), policy("recurrent_ppo")]
    first = hear(both, windows(), FLAT, None, np.ones(6, bool))
    assert set(first.state) == {"recurrent_ppo"}
    second = hear(both, windows(), FLAT, first.state, np.zeros(6, bool))
    np.testing.assert_array_equal(first.votes["ppo"].value, second.votes["ppo"].value)
    assert not np.array_equal(first.votes["recurrent_ppo"].value, second.votes["recurrent_ppo"].value)


def samples_of(market, rows):
    """Samples without labels: whoever votes does not look at them."""
    rows = np.asarray(rows)
    nothing = np.zeros(len(rows))
    return Samples(
        features=market.features,
        names=market.pipeline.names,
        rows=rows,
        times=market.times[rows],
        side=np.full(len(rows), HOLD),
        movement=nothing,
        risk=nothing,
        wins={},
    )


def test_votes_on_samples_are_those_on_their_windows():
    market, _ = market_of()
    rows = np.arange(market.first, 160)
    member = forecaster(horizons=(5, 30))
    samples = samples_of(market, rows)
    equal(votes_on(member, samples), member.votes(samples.windows(WINDOW), np.zeros((len(rows), 2)))[0])


def test_many_samples_are_cut_out_a_few_at_a_time(monkeypatch):
    market, _ = market_of()
    samples, sizes = samples_of(market, np.arange(market.first, 160)), []
    cut = Samples.windows
    monkeypatch.setattr(members, "CHUNK", 50)
    monkeypatch.setattr(
        Samples, "windows", lambda self, bars, which: sizes.append(len(which)) or cut(self, bars, which)
    )
    votes = votes_on(policy(), samples)
    assert (sum(sizes), max(sizes), len(sizes)) == (len(samples), 50, 4)
    assert votes["ppo"].probabilities.shape == (len(samples), 3)


def test_a_policy_is_asked_as_one_who_holds_nothing():
    market, _ = market_of()
    samples, member = samples_of(market, [20, 40]), policy()
    batch = {"market": samples.windows(WINDOW), "account": np.zeros((2, 2), np.float32)}
    np.testing.assert_array_equal(votes_on(member, samples)["ppo"].value, consult(member.trained, batch).value)


def test_who_remembers_sees_bars_in_a_row_and_forgets_at_a_gap():
    market, _ = market_of()
    member = policy("recurrent_ppo")
    whole = votes_on(member, samples_of(market, [20, 21, 22, 50, 51]))["recurrent_ppo"].value
    apart = [votes_on(member, samples_of(market, rows))["recurrent_ppo"].value for rows in ([20, 21, 22], [50, 51])]
    np.testing.assert_array_equal(whole, np.concatenate(apart))
    alone = votes_on(member, samples_of(market, [22]))["recurrent_ppo"].value
    assert whole[2] != alone[0]


def test_no_samples_give_no_votes():
    market, _ = market_of()
    assert votes_on(forecaster(), samples_of(market, np.empty(0, np.int64))) == {}


def test_a_vote_that_is_no_probability_stops_the_fit():
    market, _ = market_of()
    member = policy()
    with torch.no_grad():
        member.trained.network.action_net.bias.fill_(np.nan)
    with pytest.raises(ValueError, match="nan"):  # torch refuses to make a distribution of it
        votes_on(member, samples_of(market, [20]))


@pytest.mark.parametrize("make", [forecaster, policy, lambda: policy("recurrent_ppo")])
def test_votes_of_a_bar_do_not_change_with_the_bars_after_it(make):
    member, cut = make(), 60
    bars = random_walk(160, 0)
    changed = bars.copy()
    changed.iloc[cut + 1 :] *= 1.7
    _, config = market_of()
    rows = np.arange(30, cut + 1)
    votes = [
        votes_on(member, samples_of(Market.build(frame, config, pipeline=member.pipeline), rows))
        for frame in (bars, changed)
    ]
    equal(votes[1], votes[0])
