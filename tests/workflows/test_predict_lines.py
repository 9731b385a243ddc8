from __future__ import annotations

import io
import json

import numpy as np
import pytest

from dltrader.errors import SnapshotError
from dltrader.workflows import predict_lines
from dltrader.workflows.predict import EnsemblePredictor
from dltrader.workflows.predict_lines import replies, replies_to_bars
from small_members import by_last_return
from small_members import telling_ensemble as ensemble
from small_predictions import BARS, snapshot


def broken(windows):
    raise RuntimeError("out of luck")


def lines_of(*lines):
    joined = b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines)
    return io.BytesIO(joined + b"\n")


def told(predictor, *lines):
    found = list(replies(predictor, lines_of(*lines)))
    assert all("\n" not in reply.line for reply in found)
    return [json.loads(reply.line) for reply in found], [reply.complete for reply in found]


def test_every_line_is_answered_and_a_bad_one_does_not_stop_the_next():
    policy = ensemble()
    good = [snapshot(policy, row) for row in (60, 61, 62)]
    answers, complete = told(
        EnsemblePredictor(policy),
        good[0],
        b"{oops",
        good[1] | {"symbol": "IBM"},
        b"",
        b"\xff\xfe",
        good[0] | {"timestamp": "2001-03-01T00:00:00Z"},
        good[2] | {"timestamp": "2001-03-05 00:00"},
        good[2],
    )
    assert complete == [True, False, False, False, False, False, True]
    assert [answer.get("line") for answer in answers] == [None, 2, 3, 5, 6, 7, None]
    assert answers[1]["error"].startswith("SnapshotError: not JSON: key must be a string")
    assert answers[2]["error"] == "SnapshotError: unknown symbol 'IBM'; known: asset"
    assert "is before 2001-03-02" in answers[4]["error"]
    assert "a time with its zone" in answers[5]["error"]
    predictor = EnsemblePredictor(policy)
    assert [answers[0], answers[-1]] == [predictor.predict(each).to_mapping() for each in (good[0], good[2])]


def test_a_byte_order_mark_may_stand_before_the_first_line_alone():
    policy = ensemble()
    first, second = (b"\xef\xbb\xbf" + json.dumps(snapshot(policy, row)).encode() for row in (60, 61))
    answers, complete = told(EnsemblePredictor(policy), first, second)
    assert complete == [True, False]
    assert answers[1]["error"].startswith("SnapshotError: not JSON")


def test_what_is_wrong_is_told_in_few_words_however_long_the_line_is():
    policy = ensemble()
    good = snapshot(policy, 60)
    [many, late], _ = told(
        EnsemblePredictor(policy), good | {"recent_actions": ["BUY"] * 10_001}, good | {"timestamp": "x" * 100_000}
    )
    assert many["error"].startswith("SnapshotError: recent_actions must have at most 10000 items, was ['BUY', 'BUY'")
    assert many["error"].endswith("null: as they were answered")
    assert all(len(each["error"]) < 4_100 for each in (many, late))


def test_an_answer_without_all_models_is_not_complete():
    policy = ensemble({"trend": by_last_return, "broken": broken})
    [answer], complete = told(EnsemblePredictor(policy), snapshot(policy, 60))
    assert answer["models_failed"] == {"broken": "RuntimeError: out of luck"}
    assert complete == [False]


def test_whatever_fails_the_next_line_is_answered():
    policy = ensemble()
    predictor = EnsemblePredictor(policy, watch=lambda prediction: {}[prediction.answer.symbol])
    answers, complete = told(predictor, snapshot(policy, 60), snapshot(policy, 61))
    assert answers == [{"line": 1, "error": "KeyError: 'asset'"}, {"line": 2, "error": "KeyError: 'asset'"}]
    assert complete == [False, False]


def test_a_line_that_is_too_long_is_passed_over_in_parts(monkeypatch):
    monkeypatch.setattr(predict_lines, "MOST_BYTES", 4_000)
    policy = ensemble()
    good = snapshot(policy, 60, form="features")
    asked = []

    class Stream(io.BytesIO):
        def readline(self, size=-1):
            asked.append(size)
            return super().readline(size)

    stream = Stream(lines_of(b"x" * 4_000, b"y" * 50_000, good).getvalue())
    found = [json.loads(reply.line) for reply in replies(EnsemblePredictor(policy), stream)]
    assert found[0]["error"].startswith("SnapshotError: the line has more than 4000 bytes")
    assert found[1] == {"line": 2, "error": "SnapshotError: the line has more than 4000 bytes; send fewer bars"}
    assert found[2]["symbol"] == "asset"
    assert max(asked) <= 4_001


def test_the_newest_bar_of_a_source_is_answered_once(tmp_path):
    policy = ensemble()
    BARS.iloc[:90].to_csv(tmp_path / "asset.csv")
    [reply] = replies_to_bars(EnsemblePredictor(policy), f"csv:{tmp_path / 'asset.csv'}")
    assert json.loads(reply.line) == EnsemblePredictor(policy).predict(snapshot(policy, 89)).to_mapping()
    BARS.iloc[:9].to_csv(tmp_path / "asset.csv")
    with pytest.raises(SnapshotError, match="9 bars are too few"):
        list(replies_to_bars(EnsemblePredictor(policy), f"csv:{tmp_path / 'asset.csv'}"))


def test_a_followed_source_is_answered_at_every_newer_bar(tmp_path):
    policy = ensemble()
    file = tmp_path / "asset.csv"
    ends = iter([80, 80, 81, None, 83])
    waited = []

    def grow(seconds=0.0):
        waited.append(seconds)
        end = next(ends, 0)
        if end == 0:
            raise KeyboardInterrupt
        if end is None:
            file.unlink()
        else:
            BARS.iloc[:end].to_csv(file)

    grow()
    followed = replies_to_bars(EnsemblePredictor(policy), f"csv:{file}", every=7.0, sleep=grow)
    found = [json.loads(next(followed).line) for _ in range(4)]
    with pytest.raises(KeyboardInterrupt):
        next(followed)
    assert [each.get("timestamp", "")[:10] for each in found] == ["2001-03-21", "2001-03-22", "", "2001-03-24"]
    assert "asset.csv" in found[2]["error"]
    assert np.unique(waited[1:]) == [7.0]
