"""Ten leaks that people make, each beside its honest twin: all are caught, where they are and at their first bar."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from ta.trend import TRIXIndicator

from dltrader.evaluation.leaks import (
    Backtest,
    LeakReport,
    Plan,
    Stage,
    Subject,
    Table,
    Trading,
    check,
    check_cache_key,
    check_labels,
)
from market_bars import random_walk

BARS = random_walk(90)
OTHER = random_walk(90, seed=13).iloc[::3]  # gains about as much as the other, so that their order may change
FRAMES = {"A": BARS, "B": OTHER}
PLAN = Plan(cuts=3)
LONG = 16


def stage_report(name, compute, memory=LONG, frames=FRAMES):
    """The report of one stage of a subject."""
    stage = Stage(name, lambda altered: Table.of(compute(altered)), memory)
    return check(Subject("planted", frames, pd.DatetimeIndex(frames["A"].index), (stage,)), PLAN)


def first_leak(compute):
    """By brute force: the first row that is another one when all bars after it are removed."""
    whole = compute(FRAMES)
    for time in whole.index:
        seen = compute({name: frame.loc[:time] for name, frame in FRAMES.items()})
        if time not in seen.index or not np.array_equal(seen.loc[time], whole.loc[time]):
            return time
    return None


def series(compute):
    return lambda frames: compute(frames["A"]).rename("planted").to_frame().dropna()


def centred(bars):
    return bars["close"].rolling(5, center=True).mean()


def trailing(bars):
    return bars["close"].rolling(5).mean()


def gaps(bars):
    return bars["close"].mask(pd.DatetimeIndex(bars.index).day % 10 == 5)


def whole_series_score(bars):
    return (bars["close"] - bars["close"].mean()) / bars["close"].std()


def rolling_score(bars):
    window = bars["close"].rolling(10)
    return (bars["close"] - window.mean()) / window.std()


def open_week(bars):
    return bars.groupby(bars.index.tz_localize(None).to_period("W"))["close"].transform("last")


def last_week(bars):
    # A week is over with the first bar of the next.
    weeks = bars.index.tz_localize(None).to_period("W")
    closes = bars["close"].groupby(weeks).last().shift(1).iloc[2:]
    return pd.Series(weeks.map(closes).to_numpy(float), bars.index)


def joined(direction):
    def join(frames):
        left, right = (frames[name][["close"]].reset_index() for name in ("A", "B"))
        merged = pd.merge_asof(left, right, on="time", direction=direction, suffixes=("", "_other"))
        return merged.set_index("time")[["close_other"]].dropna()

    return join


def trix(*, fillna):
    def compute(bars):
        return TRIXIndicator(bars["close"], window=4, fillna=fillna).trix()

    return compute


def ordered(by_future):
    def compute(frames):
        columns = {name: frame["close"].pct_change() for name, frame in frames.items()}
        columns["B"] = frames["B"]["close"].pct_change().reindex(frames["A"].index).ffill()
        known = {name: frame["close"].iloc[-1] / frame["close"].iloc[0] for name, frame in frames.items()}
        best = sorted(columns, key=known.__getitem__) if by_future else sorted(columns)
        return pd.DataFrame({name: columns[name] for name in best}).dropna()

    return compute


CHEATS = {
    "centred window": (series(centred), series(trailing)),
    "future-filled NaN": (series(lambda bars: gaps(bars).bfill()), series(lambda bars: gaps(bars).ffill())),
    "whole-series scaler": (series(whole_series_score), series(rolling_score)),
    "resample that uses the open bar": (series(open_week), series(last_week)),
    "as-of join that looks forward": (joined("forward"), joined("backward")),
}


@pytest.mark.parametrize("cheat", CHEATS)
def test_cheating_feature_is_named_with_its_first_bar_and_its_honest_twin_is_clean(cheat):
    dishonest, honest = CHEATS[cheat]
    report = stage_report("features", dishonest)
    (finding,) = [finding for finding in report.findings if finding.stage == "features"]
    assert finding.feature in {"planted", "close_other"}
    assert finding.time == first_leak(dishonest)
    assert finding.difference > 0
    clean = stage_report("features", honest)
    assert clean.ok, clean.findings
    assert clean.checked[0].bars == clean.checked[0].of == len(honest(FRAMES))


def test_fillna_of_ta_is_caught_in_the_rows_that_it_fills():
    report = stage_report("features", series(trix(fillna=True)))
    (finding,) = [finding for finding in report.findings if finding.stage == "features"]
    whole = trix(fillna=True)(BARS)
    cut = trix(fillna=True)(BARS.loc[: BARS.index[60]])
    assert finding.time == whole.index[:61][(whole.iloc[:61] - cut).abs() > 1e-9][0]
    assert finding.time < BARS.index[13]
    # A recursive mean never forgets where history began: no look-ahead, and said to be what it is.
    honest = stage_report("features", series(trix(fillna=False)), memory=14)
    assert {finding.stage for finding in honest.findings} == {"warm-up"}


def test_columns_in_the_order_of_future_returns_are_caught_in_what_the_policy_sees():
    gained = {name: frame["close"].iloc[-1] / frame["close"].iloc[0] for name, frame in FRAMES.items()}
    assert gained["A"] != gained["B"]
    report = stage_report("observations", ordered(by_future=True))
    finding = report.findings[0]
    assert finding.stage == "observations"
    assert finding.difference == np.inf
    assert finding.time <= BARS.index[-1]
    assert stage_report("observations", ordered(by_future=False)).ok


def growth(shift):
    return lambda bars: np.log(bars["close"]).diff().shift(shift).rename("growth")


@pytest.mark.parametrize(("shift", "reason"), [(-2, "too early"), (0, "too late"), (1, "too late")])
def test_label_shifted_by_one_is_caught_at_its_first_bar(shift, reason):
    part = check_labels(growth(shift), BARS, 1, plan=PLAN)
    assert [finding.stage for finding in part.findings] == ["labels"]
    assert reason in part.findings[0].reason
    assert part.findings[0].time == growth(shift)(BARS).dropna().index[0]
    assert not check_labels(growth(-1), BARS, 1, plan=PLAN).findings


def test_label_of_several_bars_is_held_to_its_horizon():
    def over(bars, horizon):
        return (np.log(bars["close"]).shift(-horizon) - np.log(bars["close"])).rename("growth")

    assert not check_labels(lambda bars: over(bars, 5), BARS, 5, plan=PLAN).findings
    longer, shorter = (check_labels(lambda bars: over(bars, 5), BARS, declared, plan=PLAN) for declared in (4, 6))
    assert "too early" in longer.findings[0].reason
    assert "too late" in shorter.findings[0].reason
    signs = check_labels(lambda bars: np.sign(over(bars, 5)), BARS, 5, plan=PLAN)
    assert not signs.findings


def traded(price, later):
    """A backtest that follows the last return, filled so many bars later: (bars, row of the decision) -> row, price."""

    def trade(frames):
        bars = frames["A"]
        side = np.sign(bars["close"].diff()).fillna(0.0).to_numpy()
        fills = []
        for row in range(1, len(bars)):
            if side[row] != side[row - 1]:
                if len(bars) <= row + later:
                    continue
                filled, paid = price(bars, row)
                fills.append((bars.index[filled], "A", "buy" if side[row] > 0 else "sell", 1.0, paid, 0.0))
        table = pd.DataFrame(fills, columns=["time", "instrument", "side", "size", "price", "commission"])
        decided = Table(pd.DatetimeIndex(bars.index[:-1]), ("side",), side[:-1, None])
        return Trading(decided, decided, table)

    return trade


FILLS = {
    "next open": (lambda bars, row: (row + 1, bars["open"].iloc[row + 1]), 1, None),
    "seen close": (lambda bars, row: (row, bars["close"].iloc[row]), 0, "knows its bar's close"),
    "seen close, a bar later": (lambda bars, row: (row + 1, bars["close"].iloc[row]), 1, "was known before its bar"),
    "close to come": (lambda bars, row: (row + 1, bars["close"].iloc[row + 1]), 1, "knows its bar's close"),
}


@pytest.mark.parametrize("where", FILLS)
def test_fill_at_the_seen_close_is_caught_with_its_bar(where):
    price, later, reason = FILLS[where]
    trade = traded(price, later)
    report = check(Subject("t", FRAMES, pd.DatetimeIndex(BARS.index), trades=(Backtest(trade),)), PLAN)
    if reason is None:
        assert report.ok, report.findings
        return
    (finding,) = report.findings
    assert finding.stage == "fills"
    assert finding.feature == "A"
    assert reason in finding.reason
    fills = trade(FRAMES).fills
    assert finding.time in set(fills["time"])


def test_cache_keyed_without_dates_is_caught_by_the_name_of_the_date():
    start, end = "2001-01-01", "2002-01-01"
    request = {"uri": "yahoo:SPY", "start": start, "end": end}
    others = {"uri": "yahoo:QQQ", "start": "2000-01-01", "end": "2003-01-01"}
    part = check_cache_key(lambda uri, start, end: uri, request, others)
    assert [(each.stage, each.feature) for each in part.findings] == [("cache", "start"), ("cache", "end")]
    assert [each.time for each in part.findings] == [pd.Timestamp("2000-01-01"), pd.Timestamp(end)]
    assert not check_cache_key(lambda **asked: tuple(asked.items()), request, others).findings
    assert isinstance(LeakReport.of("cache", [part]).to_mapping()["findings"][0]["reason"], str)


def test_leak_at_a_single_bar_is_found_at_that_bar_because_every_bar_is_looked_at():
    place = 71

    def once(bars):
        values = bars["close"].copy()
        if BARS.index[place + 1] in bars.index and BARS.index[place] in bars.index:
            values[BARS.index[place]] += 1e-6 * bars["close"][BARS.index[place + 1]]
        return values

    (finding,) = stage_report("features", series(once), memory=1).findings
    assert finding.time == BARS.index[place]
    assert 0 < finding.relative < 2e-6


@settings(max_examples=8, phases=(Phase.explicit, Phase.generate))
@given(exponent=st.floats(-9, 0), distance=st.integers(1, 70), seed=st.integers(0, 1_000))
def test_leaks_down_to_a_billionth_of_a_feature_are_caught_however_far_ahead(exponent, distance, seed):
    size = 10.0**exponent
    frames = {"A": random_walk(90, seed)}

    def leaky(bars):
        ahead = bars["close"].shift(-distance).fillna(bars["close"]) / bars["close"]
        return bars["close"] * (1.0 + size * ahead)

    (finding,) = [
        each for each in stage_report("features", series(leaky), memory=1, frames=frames).findings
        if each.stage == "features"
    ]  # fmt: skip
    assert finding.time == frames["A"].index[0]
    assert finding.relative < 3 * size
