from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dltrader.errors import BarsError, ConfigError
from dltrader.evaluation.folds import Fold, FoldsConfig, Leg, Span, make_folds, paths_of

IN_TIME = st.fixed_dictionaries(
    {"scheme": st.sampled_from(["anchored", "sliding"])},
    optional={
        "folds": st.integers(1, 12),
        "train": st.one_of(st.floats(0.1, 0.9), st.integers(20, 300)),
        "test_bars": st.integers(2, 60),
        "validation": st.one_of(st.floats(0.05, 0.5), st.integers(2, 40)),
        "purge_bars": st.integers(1, 12),
        "embargo_bars": st.integers(1, 12),
    },
)
COMBINED = st.fixed_dictionaries(
    {"scheme": st.just("cpcv"), "groups": st.integers(3, 7), "test_groups": st.integers(1, 3)},
    optional={
        "validation": st.one_of(st.floats(0.05, 0.3), st.integers(2, 30)),
        "purge_bars": st.integers(1, 12),
        "embargo_bars": st.integers(1, 12),
    },
)


def folds_of(values, n_bars, first=0, least=5):
    """The folds and their configuration; where the bars are too few the example does not count."""
    assume(values.get("test_groups", 0) < values.get("groups", 1))
    config = FoldsConfig.from_mapping(values)
    try:
        return config, make_folds(config, n_bars, first=first, least=least)
    except BarsError:
        assume(condition=False)


def bars(*spans):
    return [bar for span in spans for bar in range(span.first, span.stop)]


def assert_apart(config, fold, n_bars):
    """Nothing is learned within the purge before a test, nor within the embargo behind it."""
    learned = bars(*fold.train, fold.validation)
    assert len(set(learned)) == len(learned)
    assert 0 <= min(learned) <= max(learned) < n_bars
    for test in fold.test:
        gap = config.embargo(n_bars)
        assert not set(learned) & set(range(test.first - config.purge, test.stop + gap))
    trained = set(bars(*fold.train))
    assert not trained & set(range(fold.validation.first - config.purge, fold.validation.stop))


@given(values=IN_TIME, n_bars=st.integers(100, 500), first=st.integers(0, 20))
def test_tests_in_time_are_disjoint_in_order_and_cover_what_is_out_of_sample(values, n_bars, first):
    config, folds = folds_of(values, n_bars, first, first + 3)
    assert [fold.number for fold in folds] == list(range(1, len(folds) + 1))
    tests = [fold.test[0] for fold in folds]
    assert all(one.stop == following.first for one, following in pairwise(tests))
    assert tests[-1].stop == n_bars
    assert min(test.bars for test in tests) >= 2
    for fold in folds:
        assert_apart(config, fold, n_bars)
        (train,) = fold.train
        assert train.bars >= first + 3
        assert fold.validation.bars >= 2
        assert train.stop + config.purge == fold.validation.first
        gap = max(config.purge, config.embargo(n_bars))
        assert fold.validation.stop + gap == fold.test[0].first
    if config.scheme == "anchored":
        assert {fold.train[0].first for fold in folds} == {0}
        assert all(one.train[0].stop < following.train[0].stop for one, following in pairwise(folds))
    else:
        assert len({fold.test[0].first - fold.train[0].first for fold in folds}) == 1
        assert len({fold.train[0].bars + fold.validation.bars for fold in folds}) == 1
    assert paths_of(folds) == (tuple(Leg(fold.number, fold.test[0]) for fold in folds),)


@given(values=COMBINED, n_bars=st.integers(100, 500), first=st.integers(0, 20))
def test_every_choice_of_groups_is_tested_once_and_paths_cover_every_group(values, n_bars, first):
    config, folds = folds_of(values, n_bars, first, first + 3)
    n_groups, n_tested = config.n_groups, config.n_tested
    assert len(folds) == math.comb(n_groups, n_tested)
    assert len({fold.test for fold in folds}) == len(folds)
    groups = sorted({span for fold in folds for span in fold.test})
    assert len(groups) == n_groups
    assert bars(*groups) == list(range(first, n_bars))
    assert max(group.bars for group in groups) - min(group.bars for group in groups) <= 1
    for fold in folds:
        assert_apart(config, fold, n_bars)
        assert min(piece.bars for piece in fold.train) >= first + 3
        assert all(one.stop <= following.first for one, following in pairwise(fold.train))
    # López de Prado 2018, chapter 12: φ = C(N, k) k / N.
    n_paths = math.comb(n_groups, n_tested) * n_tested // n_groups
    assert [sum(group in fold.test for fold in folds) for group in groups] == [n_paths] * n_groups
    paths = paths_of(folds)
    assert len(paths) == n_paths
    for path in paths:
        assert [leg.span for leg in path] == groups
        assert all(leg.span in folds[leg.fold - 1].test for leg in path)
    legs = [leg for path in paths for leg in path]
    assert len(set(legs)) == len(legs) == len(folds) * n_tested


@given(values=COMBINED, n_bars=st.integers(100, 500))
def test_only_what_is_near_a_test_or_too_short_is_left_out_of_a_fold(values, n_bars):
    config, folds = folds_of(values, n_bars)
    for fold in folds:
        near = set(bars(*fold.test))
        for test in fold.test:
            near |= set(range(test.first - config.purge, test.stop + config.embargo(n_bars)))
        near |= set(range(fold.validation.first - config.purge, fold.validation.first))
        assert all(piece.bars < 5 for piece in fold.left_out)
        kept = set(bars(*fold.train, fold.validation, *fold.left_out))
        assert kept == set(range(n_bars)) - near
        behind = [piece for piece in fold.train if piece.stop + config.purge == fold.validation.first]
        assert len(behind) == 1  # what the validation warms up on


def test_folds_as_a_hand_cuts_them():
    two = make_folds(FoldsConfig(folds=2, train=60, validation=10, embargo_bars=3), 100)
    assert two == (
        Fold(1, (Span(0, 46),), Span(47, 57), (Span(60, 80),)),
        Fold(2, (Span(0, 66),), Span(67, 77), (Span(80, 100),)),
    )
    sliding = make_folds(FoldsConfig(scheme="sliding", train=50, test_bars=20, validation=0.2), 100)
    assert sliding == (
        Fold(1, (Span(10, 48),), Span(49, 59), (Span(60, 80),)),
        Fold(2, (Span(30, 68),), Span(69, 79), (Span(80, 100),)),
    )
    combined = make_folds(
        FoldsConfig(scheme="cpcv", groups=3, test_groups=1, validation=10, purge_bars=2, embargo_bars=5), 90
    )
    assert combined == (
        Fold(1, (Span(35, 78),), Span(80, 90), (Span(0, 30),)),
        Fold(2, (Span(0, 16), Span(65, 90)), Span(18, 28), (Span(30, 60),)),
        Fold(3, (Span(0, 46),), Span(48, 58), (Span(60, 90),)),
    )


def test_defaults_are_five_anchored_folds_behind_half_of_the_bars():
    folds = make_folds(FoldsConfig(), 1000, first=100)
    assert [fold.test[0] for fold in folds] == [Span(500 + 100 * i, 600 + 100 * i) for i in range(5)]
    config = FoldsConfig(scheme="cpcv")
    assert (config.n_groups, config.n_tested, config.purge, config.embargo(1000)) == (6, 2, 1, 10)
    assert FoldsConfig(horizon_bars=7).purge == FoldsConfig(horizon_bars=7).embargo(100) == 7


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"folds": 60},
            "60 folds behind 50 bars of training need 170 bars, and there are 100; the largest folds that fits is 25",
        ),
        (
            {"train": 150},
            ("5 folds behind 150 bars of training need 160 bars, and there are 100; "
            "the largest train that fits is 90 bars"),
        ),
        (
            {"test_bars": 30, "folds": 4},
            ("4 fold(s) of test_bars 30 behind 1 bars of training need 121 bars, and there are 100; "
            "the largest folds that fits is 2, and the largest test_bars that fits is 18"),
        ),
        (
            {"test_bars": 70},
            ("1 fold(s) of test_bars 70 behind 50 bars of training need 120 bars, and there are 100; "
            "the largest test_bars that fits is 50"),
        ),
        (
            {"validation": 40, "train": 50},
            ("fold 1 would leave 8 bars to learn from beside 40 of validation, and 20 in a row are needed, of which 10 "
            "warm up and fill the window; the largest validation that fits is 28 bars"),
        ),
        (
            {"validation": 1},
            "fold 1 would validate on 1 bar(s), and 2 are needed; load more bars",
        ),
        (
            {"scheme": "cpcv", "groups": 12},
            ("fold 17 would leave 18 bars to learn from beside 16 of validation, and 20 in a row are needed, of which "
            "10 warm up and fill the window; the largest groups that fits is 3, and the largest validation that fits "
            "is 8 bars"),
        ),
    ],
)  # fmt: skip
def test_folds_that_do_not_fit_are_refused_with_what_fits(values, message):
    with pytest.raises(BarsError) as caught:
        make_folds(FoldsConfig.from_mapping(values), 100, first=10, least=20)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@given(values=st.one_of(IN_TIME, COMBINED), n_bars=st.integers(20, 120))
def test_what_is_said_to_fit_does(values, n_bars):
    assume(values.get("test_groups", 0) < values.get("groups", 1))
    config = FoldsConfig.from_mapping(values)
    words = []
    try:
        make_folds(config, n_bars, first=5, least=10)
    except BarsError as error:
        words = str(error).split("; ")[-1].split()
    said = [(words[i + 2], int(words[i + 6].rstrip(","))) for i, word in enumerate(words[:-6]) if word == "the"]
    for name, value in said:
        assert words.index("largest") == 1
        assert make_folds(FoldsConfig.from_mapping(values | {name: value}), n_bars, first=5, least=10)
        larger = FoldsConfig.from_mapping(values | {name: value + 1})
        if name in {"folds", "test_bars"}:
            with pytest.raises(BarsError):
                make_folds(larger, n_bars, first=5, least=10)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"scheme": "cvcp"}, "scheme: unknown scheme of folds 'cvcp'; known: anchored, cpcv, sliding"),
        (
            {"scheme": "cpcv", "folds": 3},
            "folds means nothing to scheme cpcv, which takes groups and test_groups; leave it out",
        ),
        (
            {"groups": 3},
            "groups means nothing to scheme anchored, which takes folds, train and test_bars; leave it out",
        ),
        (
            {"horizon_bars": 10, "embargo_bars": 5},
            (
                "horizon_bars 10 is longer than embargo_bars 5: what is learned beside a test would reach into it; "
                "set embargo_bars to at least 10, or null"
            ),
        ),
        ({"purge_bars": 0}, "horizon_bars 1 is longer than purge_bars 0"),
        ({"scheme": "cpcv", "groups": 4, "test_groups": 4}, "test_groups must be below groups 4, was 4"),
        ({"scheme": "cpcv", "groups": 40, "test_groups": 20}, "and at most 1,000 are allowed; lower one of them"),
        ({"train": 10.5}, "train: must be a share below 1 or a whole number of bars"),
        ({"fold": 3}, "unknown key 'fold'; did you mean 'folds'?"),
        ({"folds": 0}, "folds must be greater than or equal to 1, was 0"),
    ],
)
def test_a_contradiction_is_refused(values, message):
    with pytest.raises(ConfigError) as caught:
        FoldsConfig.from_mapping(values)
    assert message in str(caught.value)


def test_what_another_scheme_does_not_know_is_left_out_with_the_scheme():
    config = FoldsConfig(folds=3, train=50, validation=0.3)
    assert config.changed({"folds": 4}) == FoldsConfig(folds=4, train=50, validation=0.3)
    assert config.changed({"scheme": "sliding"}) == FoldsConfig(scheme="sliding", folds=3, train=50, validation=0.3)
    assert config.changed({"scheme": "cpcv", "groups": 5}) == FoldsConfig(scheme="cpcv", groups=5, validation=0.3)
    with pytest.raises(ConfigError, match="folds means nothing"):
        config.changed({"scheme": "cpcv", "folds": 5})
