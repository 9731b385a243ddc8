from __future__ import annotations

from functools import partial

from dltrader.benchmarks.timing import medians, seconds


def test_tasks_take_turns_and_the_median_counts():
    order = []
    answers = {"a": iter([1.0, 100.0, 3.0]), "b": iter([7.0, 5.0, 0.0])}

    def measure(name):
        order.append(name)
        return next(answers[name])

    assert medians({name: partial(measure, name) for name in answers}, 3) == {"a": 3.0, "b": 5.0}
    assert "".join(order) == "ababab"


def test_what_is_timed_is_called_once():
    calls = []
    assert seconds(lambda: calls.append(1)) >= 0.0
    assert calls == [1]
