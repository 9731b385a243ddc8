from __future__ import annotations

import numpy as np
import optuna

from dltrader.workflows.pruning import EARLIER_TRIALS, MedianRule, best_by

EARLIER = [[(10, growth), (20, growth + 1.0), (30, growth - 5.0)] for growth in (0.0, 1.0, 2.0, 3.0)]


def test_best_by_looks_only_at_checkpoints_until_then():
    curve = [(10, 1.0), (20, 3.0), (30, 2.0)]
    assert [best_by(curve, bars) for bars in (9, 10, 19, 25, 30)] == [None, 1.0, 1.0, 3.0, 3.0]


def test_a_training_below_the_median_ends():
    rule = MedianRule(EARLIER, spared_bars=0)
    assert [rule([(10, growth)]) for growth in (1.4, 1.5, 1.6)] == [True, False, False]
    assert [rule([(10, 0.0), (20, growth)]) for growth in (2.4, 2.5)] == [True, False]
    assert not rule([(10, 2.6), (20, -9.0)])  # its best checkpoint is what counts


def test_nothing_ends_before_its_time_or_with_few_to_compare_to():
    assert not MedianRule(EARLIER, spared_bars=11)([(10, -9.0)])
    assert MedianRule(EARLIER, spared_bars=10)([(10, -9.0)])
    assert EARLIER_TRIALS == 4
    assert not MedianRule(EARLIER[:3], spared_bars=0)([(10, -9.0)])
    assert not MedianRule(EARLIER, spared_bars=0)([(9, -9.0)])  # none had a checkpoint by then


def test_the_rule_is_that_of_optunas_median_pruner():
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    random = np.random.default_rng(0)
    curves = [[(b, float(random.normal())) for b in (10, 20, 30)] for _ in range(30)]
    curves = [[(b, best_by(curve, b)) for b, _ in curve] for curve in curves]  # as a study is told of them
    study = optuna.create_study(direction="maximize", pruner=optuna.pruners.MedianPruner(EARLIER_TRIALS, 0))
    seen, decisions = [], []
    for curve in curves:
        rule, trial = MedianRule(tuple(seen), spared_bars=0), study.ask()
        for i, (bars, growth) in enumerate(curve):
            trial.report(growth, bars)
            decisions.append((rule(curve[: i + 1]), trial.should_prune()))
        study.tell(trial, curve[-1][1])
        seen.append(curve)
    assert [ours for ours, _ in decisions] == [theirs for _, theirs in decisions]
    assert 20 < sum(ours for ours, _ in decisions) < 60
