from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from dltrader.errors import BarsError, SnapshotError
from dltrader.forecast.snapshot import MOST_ROWS, Snapshot, frame_of, stamp_of, stamps_of
from market_bars import random_walk
from snapshots import bar, records

NOW = "2024-01-01T12:00:00Z"


def snapshot(**changes):
    values = {"symbol": "AAPL", "timestamp": NOW, "bars": [bar(NOW)]} | changes
    return {key: value for key, value in values.items() if value is not ...}


def refusal(value):
    with pytest.raises(SnapshotError) as caught:
        Snapshot.of(value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_mapping_and_its_json_are_the_same_snapshot():
    values = snapshot(position=-2, balance=1e5, unrealized_pnl=0.1, recent_actions=["BUY", "STOP"])
    told = Snapshot.of(values)
    assert told == Snapshot.of(json.dumps(values)) == Snapshot.of(json.dumps(values).encode()) == Snapshot.of(told)
    assert told.position == -2.0
    assert told.price == 1.0
    assert told.time == pd.Timestamp("2024-01-01 12:00", tz="UTC")


def test_what_is_left_out_of_the_account_is_flat():
    told = Snapshot.of(snapshot())
    assert (told.position, told.balance, told.unrealized_pnl, told.recent_actions) == (0.0, None, 0.0, None)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{oops", "not JSON: key must be a string at column 2"),
        ("", "not JSON: EOF while parsing a value at column 0"),
        (b"\xff\xfe", "not JSON"),
        ("[" * 5_000, "not JSON: recursion limit exceeded"),
        ("[1]", "a snapshot must be an object of keys and values, found list"),
        ("null", "a snapshot must be an object of keys and values, found NoneType"),
    ],
)
def test_what_is_no_json_object_is_said_to_be_none(line, said):
    assert said in refusal(line)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"symbol": ...}, "symbol is missing"),
        ({"symbol": 3}, "symbol must be a string, was 3"),
        ({"positon": 2}, "unknown key 'positon'; did you mean 'position'?"),
        ({"position": "2"}, "position must be a number, was '2'"),
        ({"position": True}, "position must be a number, was True"),
        ({"balance": float("nan")}, "balance must be a finite number, was nan"),
        ({"unrealized_pnl": float("-inf")}, "unrealized_pnl must be a finite number, was -inf"),
        ({"recent_actions": ["buy"]}, "recent_actions.0 must be 'BUY', 'SELL', 'HOLD' or 'STOP', was 'buy'"),
        ({"timestamp": ...}, "timestamp is missing"),
        ({"timestamp": 1704110400}, "timestamp must be a string, was 1704110400"),
        ({"timestamp": "2024-01-01T12:00:00"}, "timestamp must be a time with its zone, such as"),
        ({"timestamp": "2024-01-01"}, "timestamp must be a time with its zone, such as"),
        ({"timestamp": "2024-13-01T12:00:00Z"}, "was '2024-13-01T12:00:00Z'"),
        ({"timestamp": "1500-01-01T12:00:00Z"}, "timestamp must lie in the years 1678 to 2261"),
        ({"bars": ...}, "a snapshot has either bars or features, found neither"),
        ({"features": {"a": 1.0}}, "a snapshot has either bars or features, found both"),
        ({"bars": []}, "bars must have at least 1 item"),
        ({"bars": [{"time": NOW}]}, "bars.0.open is missing"),
        ({"bars": [bar(NOW) | {"close": float("inf")}]}, "bars.0.close must be a finite number, was inf"),
        ({"bars": [bar(NOW) | {"volume": -1}]}, "bars.0.volume must be greater than or equal to 0, was -1"),
        ({"bars": [bar(NOW) | {"price": 1}]}, "unknown key 'bars.0.price'"),
        ({"bars": [bar(NOW)] * (MOST_ROWS + 1)}, "bars must have at most 10000 items"),
        ({"close": 2.0}, "close is 2 and that of the newest bar 1; leave close out"),
        ({"sequence": [[1.0]]}, "sequence goes with features and not with bars"),
        ({"bars": ..., "features": {"a": "1"}}, "features.a must be a number, was '1'"),
        ({"bars": ..., "features": {"a": float("nan")}}, "features.a must be a finite number, was nan"),
        ({"bars": ..., "features": {"a": 1.0}, "sequence": [[float("nan")]]}, "sequence.0.0 must be a finite number"),
        ({"bars": ..., "features": {"a": 1.0}, "context": {"SPY": [bar(NOW)]}}, "context goes with bars"),
    ],
)
def test_a_wrong_value_is_named_whether_it_comes_as_json_or_not(changes, said):
    values = snapshot(**changes)
    assert said in refusal(values)
    assert said in refusal(json.dumps(values))


def test_times_of_any_zone_are_read_as_utc():
    stamps = stamps_of(["2024-01-01T12:00:00Z", "2024-01-01 14:30:00.5+01:00", "2024-01-01T09:00-0500"], "times")
    assert list(stamps) == [
        pd.Timestamp("2024-01-01 12:00", tz="UTC"),
        pd.Timestamp("2024-01-01 13:30:00.5", tz="UTC"),
        pd.Timestamp("2024-01-01 14:00", tz="UTC"),
    ]
    assert stamp_of("2024-01-01T23:00:00-02:00") == pd.Timestamp("2024-01-02 01:00", tz="UTC")


def test_bars_are_the_same_to_the_bit_after_json():
    bars = random_walk(50, 3)
    line = json.dumps(snapshot(timestamp=bars.index[-1].isoformat(), bars=records(bars)))
    told = frame_of(Snapshot.of(line).bars)
    assert told.index.equals(bars.index)
    np.testing.assert_array_equal(told.to_numpy(), bars.to_numpy())


@pytest.mark.parametrize(
    ("rows", "error", "said"),
    [
        ([bar("2024-01-01T00:00:00Z"), bar("yesterday")], SnapshotError, "the time of bars row 1 must be a time with"),
        ([bar("2024-01-01T00:00:00Z"), bar("2024-01-02 00:00")], SnapshotError, "row 1 must be a time with its zone"),
        ([bar("2024-01-02T00:00:00Z"), bar("2024-01-01T00:00:00Z")], BarsError, "sort the bars by time"),
        ([bar("2024-01-02T00:00:00Z"), bar("2024-01-02T00:00:00Z")], BarsError, "occurs twice"),
        ([bar("2024-01-02T00:00:00Z", high=0.5)], BarsError, "high 0.5 is below low 1"),
    ],
)
def test_bars_that_break_the_rules_are_refused(rows, error, said):
    with pytest.raises(error) as caught:
        frame_of(Snapshot.of(snapshot(bars=rows)).bars)
    assert said in str(caught.value)
