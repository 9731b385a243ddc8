"""The text of a forest: whatever would lead LightGBM out of its arrays is refused before LightGBM reads it."""

from __future__ import annotations

import random
import re

import lightgbm
import numpy as np
import pytest

from dltrader.errors import BundleError
from dltrader.forecast.forest_text import END_OF_TREES, require_forest, trees_only
from small_forests import grown

COLUMNS = 6


@pytest.fixture(scope="module")
def forests():
    """Texts by the kind of their leaves, and rows to ask about."""
    grown_with = {linear: grown(linear_leaves=linear) for linear in (False, True)}
    rows = grown_with[True][2][1].windows(2).reshape(-1, COLUMNS)
    return {linear: forecaster.forests[0].text for linear, (forecaster, _, _) in grown_with.items()}, rows


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "linear"])
def text(forests, request):
    return forests[0][request.param]


def resized(text):
    """The text with its trees' true sizes, as someone who knows the format would write it."""
    head, _, rest = text.partition("\n\n")
    trees = re.split(r"(?=Tree=\d+\n)", rest[: rest.index(END_OF_TREES)])[1:]
    sizes = " ".join(str(len(tree)) for tree in trees)
    return re.sub(r"tree_sizes=.*", f"tree_sizes={sizes}", head) + "\n\n" + rest


def altered(text, key, number, value):
    """The text with another number in a line of its last tree, the trees' sizes set right."""
    head, mark, tree = text.rpartition("Tree=")
    words = re.search(rf"^{key}=(.*)$", tree, re.MULTILINE).group(1).split(" ")
    words[number] = str(value)
    return resized(head + mark + re.sub(rf"^{key}=.*$", f"{key}={' '.join(words)}", tree, flags=re.MULTILINE))


def test_what_lightgbm_wrote_is_a_forest(text):
    require_forest(text, COLUMNS)
    assert resized(text) == text


def test_the_trees_alone_say_what_the_whole_text_said():
    samples = np.random.default_rng(0).standard_normal((400, 3))
    wins = (samples[:, 0] > 0).astype(int)
    settings = {"objective": "binary", "num_threads": 1, "verbosity": -1, "deterministic": True}
    booster = lightgbm.train(settings, lightgbm.Dataset(samples, wins), 5)
    short = trees_only(booster.model_to_string())
    require_forest(short, 3)
    assert "parameters" not in short
    read = lightgbm.Booster(model_str=short)
    np.testing.assert_array_equal(read.predict(samples, raw_score=True), booster.predict(samples, raw_score=True))


@pytest.mark.parametrize(
    ("key", "number", "value", "words"),
    [
        ("left_child", 0, 2_000_000, "not each reached once"),
        ("right_child", 0, -2_000_000, "not each reached once"),
        ("left_child", 0, 0, "not each reached once"),
        ("split_feature", 0, COLUMNS, "another column than 0 to 5"),
        ("split_feature", 0, -1, "another column than 0 to 5"),
        ("decision_type", 0, 1, "something else than a threshold"),
        ("num_leaves", 0, 60_000, "are not 59999 numbers"),
        ("num_leaves", 0, 2**31 - 1, "of another kind"),
        ("num_leaves", 0, 2**31, "num_leaves are out of range"),
        ("num_leaves", 0, 0, "of another kind"),
        ("num_cat", 0, 1, "of another kind"),
        ("threshold", 0, "nan", "threshold are not 3 numbers"),
        ("threshold", 0, "1e+999", "threshold are out of range"),
        ("leaf_value", 0, "1e+400", "leaf_value are out of range"),
        ("leaf_value", 0, "", "leaf_value are not 4 numbers"),
        ("leaf_value", 0, "0 0", "leaf_value are not 4 numbers"),
        ("leaf_count", 0, "1.5", "leaf_count are not 4 numbers"),
        ("shrinkage", 0, "one", "shrinkage are not 1 numbers"),
    ],
)
def test_numbers_that_lead_out_of_a_tree_are_refused(text, key, number, value, words):
    with pytest.raises(BundleError, match=words) as found:
        require_forest(altered(text, key, number, value), COLUMNS)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize(
    ("key", "number", "value", "words"),
    [
        ("num_features", 0, 7, "more columns than there are"),
        ("num_features", 0, -1, "more columns than there are"),
        ("leaf_const", 0, "inf", "leaf_const are not 4 numbers"),
        ("leaf_features", 0, 6, "another column"),
        ("leaf_features", 0, "0 0", "not as many as num_features"),
        ("leaf_coeff", 0, "1 1", "not as many as num_features"),
    ],
)
def test_linear_leaves_have_as_many_columns_as_they_say(forests, key, number, value, words):
    with pytest.raises(BundleError, match=words):
        require_forest(altered(forests[0][True], key, number, value), COLUMNS)


def test_a_tree_that_leads_back_to_a_split_is_refused(text):
    """Each split and leaf is reached once, but from a split that comes after it: LightGBM would walk it forever."""
    looped = altered(altered(text, "left_child", 0, -1), "right_child", 0, -2)
    looped = altered(altered(looped, "left_child", 1, 2), "right_child", 1, -3)
    looped = altered(altered(looped, "left_child", 2, 1), "right_child", 2, -4)
    with pytest.raises(BundleError, match="leads back"):
        require_forest(looped, COLUMNS)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("num_class=1", "num_class=3", "its num_class is '3' in place of '1'"),
        ("max_feature_idx=5", "max_feature_idx=9999", "max_feature_idx"),
        ("objective=binary sigmoid:1", "objective=regression", "objective"),
        ("version=v4", "version=v3", "version"),
        ("feature_infos=", "feature_infos=none ", "not a range for each column"),
        ("feature_infos=", "monotone=1\nfeature_infos=", "a line too many or too few: monotone"),
        ("label_index=0\n", "", "label_index"),
        ("label_index=0\n", "label_index=0\nlabel_index=0\n", "one stands twice"),
        ("tree\nversion", "treeversion", "a header, trees and an end"),
        ("Tree=1\n", "Tree=9\n", "tree 1 is not where"),
        ("end of trees", "end of tree", "a header, trees and an end"),
        ("pandas_categorical:null", "pandas_categorical:[[1]]", "a header, trees and an end"),
    ],
)
def test_another_header_is_refused(text, old, new, words):
    assert text.count(old) == 1
    with pytest.raises(BundleError, match=words):
        require_forest(text.replace(old, new), COLUMNS)


@pytest.mark.parametrize("sizes", ["", "1", "0", "-5", "999999999", "nan"])
def test_sizes_that_are_not_those_of_the_trees_are_refused(text, sizes):
    with pytest.raises(BundleError):
        require_forest(re.sub(r"tree_sizes=.*", f"tree_sizes={sizes}", text), COLUMNS)


def test_a_forest_over_other_columns_is_refused(text):
    for columns in (1, COLUMNS - 1, COLUMNS + 1):
        with pytest.raises(BundleError, match="max_feature_idx"):
            require_forest(text, columns)


def test_nothing_and_noise_are_refused():
    generator = random.Random(3)
    for length in (0, 1, 10, 1000):
        noise = "".join(chr(generator.randrange(0x2FF)) for _ in range(length))
        with pytest.raises(BundleError, match="a header, trees and an end"):
            require_forest(noise, COLUMNS)


def test_what_passes_can_be_read_and_asked(forests, text):
    """Of texts with a few words changed, some are forests still: those LightGBM reads, and answers with numbers."""
    generator, rows = random.Random(11), forests[1][:20]
    passed = 0
    words = list(re.finditer(r"(?<==)\S+|(?<= )\S+", text))
    for _ in range(150):
        word = generator.choice(words)
        new = generator.choice(["0", "1", "-1", "", "1e+308", str(generator.randint(-9, 9)), word.group() + "1"])
        changed = resized(text[: word.start()] + new + text[word.end() :])
        try:
            require_forest(changed, COLUMNS)
        except BundleError:
            continue
        passed += 1
        assert lightgbm.Booster(model_str=changed).predict(rows, raw_score=True).shape == (20,)
    assert 10 < passed < 100
