"""The text of a LightGBM forest, checked before LightGBM reads it.

LightGBM trusts the numbers in its text: a child that points out of its tree, a length that is not that of the array or
a tree that is not where the list of sizes has it makes it read, or write, memory that is not its own. A checksum says
that a file is the one that was written; this check says that it is a forest at all: binary, of splits by thresholds,
with a number or a linear function in every leaf, over so many columns. What LightGBM adds of its settings is cut off:
trees need none.
"""

from __future__ import annotations

import math
import re

from dltrader.errors import BundleError

BEGIN = "tree\n"
END_OF_TREES = "end of trees\n"
END = f"{END_OF_TREES}\npandas_categorical:null\n"

MOST_LEAVES = 65_536

WHOLE = re.compile(r"-?[0-9]{1,10}")
REAL = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,30})?(e[+-][0-9]{1,3})?")
SPAN = re.compile(r"none|\[[^\s:\]]{1,40}:[^\s:\]]{1,40}\]")
"""The range of a column in training; none where it never changes."""

PLAIN_SPLITS = frozenset({0, 2, 4, 6, 8, 10})
"""Decisions by a threshold; an odd one is by category."""

IN_HEADER = {
    "version", "num_class", "num_tree_per_iteration", "label_index", "max_feature_idx", "objective", "feature_names",
    "feature_infos", "tree_sizes",
}  # fmt: skip
IN_TREE = {
    "num_leaves", "num_cat", "split_feature", "split_gain", "threshold", "decision_type", "left_child", "right_child",
    "leaf_value", "leaf_weight", "leaf_count", "internal_value", "internal_weight", "internal_count", "is_linear",
    "shrinkage",
}  # fmt: skip
IN_LINEAR_TREE = IN_TREE | {"leaf_const", "num_features", "leaf_features", "leaf_coeff"}


def trees_only(text: str) -> str:
    """The text of a forest without what it says of its training."""
    return text[: text.index(END_OF_TREES)] + END


def require_forest(text: str, n_columns: int) -> None:
    """See that a text, as `trees_only` leaves it, is a forest that LightGBM can read and walk.

    Args:
        text: What is to be read.
        n_columns: Numbers in a row that the forest is asked about.

    Raises:
        BundleError: It is not.
    """
    head, _, rest = text.partition("\n\n")
    if not head.startswith(BEGIN) or not rest.endswith(END):
        raise _no_forest("it does not have a header, trees and an end")
    sizes = _sizes_in(_values(head.removeprefix(BEGIN), IN_HEADER), n_columns)
    at = 0
    for number, size in enumerate(sizes):
        tree = rest[at : at + size]
        title = f"Tree={number}\n"
        if size < 1 or not tree.startswith(title) or not tree.endswith("\n\n\n"):
            raise _no_forest(f"tree {number} is not where tree_sizes has it")
        lines = tree.removeprefix(title).removesuffix("\n\n\n")
        is_linear = "\nis_linear=1\n" in lines
        _require_tree(_values(lines, IN_LINEAR_TREE if is_linear else IN_TREE), n_columns)
        at += size
    if not sizes or rest[at:] != END:
        raise _no_forest("its trees end elsewhere than tree_sizes has it")


def _sizes_in(header: dict[str, str], n_columns: int) -> list[int]:
    """The lengths of the trees, from a header that is that of a binary forest over so many columns."""
    expected = {
        "version": "v4",
        "num_class": "1",
        "num_tree_per_iteration": "1",
        "label_index": "0",
        "max_feature_idx": str(n_columns - 1),
        "objective": "binary sigmoid:1",
        "feature_names": " ".join(f"Column_{column}" for column in range(n_columns)),
    }
    for key, value in expected.items():
        if header[key] != value:
            raise _no_forest(f"its {key} is {header[key][:40]!r} in place of {value[:40]!r}")
    spans = header["feature_infos"].split(" ")
    if len(spans) != n_columns or not all(SPAN.fullmatch(span) for span in spans):
        raise _no_forest("its feature_infos are not a range for each column")
    return _whole(header, "tree_sizes", header["tree_sizes"].count(" ") + 1)


def _require_tree(tree: dict[str, str], n_columns: int) -> None:
    """See that every split and leaf of a tree is reached from its root, once, and that all numbers are in range."""
    (leaves,) = _whole(tree, "num_leaves", 1)
    if not 1 <= leaves <= MOST_LEAVES or tree["num_cat"] != "0" or tree["is_linear"] not in {"0", "1"}:
        raise _no_forest("a tree is of another kind")
    splits = leaves - 1
    _reals(tree, "shrinkage", 1)
    for key in ("split_gain", "threshold", "internal_value", "internal_weight"):
        _reals(tree, key, splits)
    _whole(tree, "internal_count", splits)
    _reals(tree, "leaf_value", leaves)
    _reals(tree, "leaf_weight", leaves if splits else 0)  # a lone leaf is given none
    _whole(tree, "leaf_count", leaves)
    _require_columns(_whole(tree, "split_feature", splits), n_columns)
    if not PLAIN_SPLITS.issuperset(_whole(tree, "decision_type", splits)):
        raise _no_forest("a tree splits by something else than a threshold")
    left, right = _whole(tree, "left_child", splits), _whole(tree, "right_child", splits)
    # Leaves count down from -1, splits up from 1, and each comes after the one that it hangs from.
    if splits and sorted(left + right) != [*range(-leaves, 0), *range(1, splits)]:
        raise _no_forest("the splits and leaves of a tree are not each reached once")
    if any(0 <= child <= parent for children in (left, right) for parent, child in enumerate(children)):
        raise _no_forest("a split of a tree leads back")
    if tree["is_linear"] == "1":
        _require_linear_leaves(tree, leaves, n_columns)


def _require_linear_leaves(tree: dict[str, str], leaves: int, n_columns: int) -> None:
    """See that the linear functions in leaves have as many columns and coefficients as they say."""
    _reals(tree, "leaf_const", leaves)
    counts = _whole(tree, "num_features", leaves)
    if not all(0 <= count <= n_columns for count in counts):
        raise _no_forest("a leaf has more columns than there are")
    flat = {key: tree[key].split() for key in ("leaf_features", "leaf_coeff")}
    for key, words in flat.items():
        left = iter(words)
        # A blank behind each number, and one behind each leaf.
        written = "".join("".join(f"{next(left, '')} " for _ in range(count)) + " " for count in counts)
        if len(words) != sum(counts) or written != tree[key]:
            raise _no_forest(f"its {key} are not as many as num_features has it")
    of_leaves = {key: " ".join(words) for key, words in flat.items()}
    _require_columns(_whole(of_leaves, "leaf_features", sum(counts)), n_columns)
    _reals(of_leaves, "leaf_coeff", sum(counts))


def _require_columns(columns: list[int], n_columns: int) -> None:
    if not all(0 <= column < n_columns for column in columns):
        raise _no_forest(f"a tree looks at another column than 0 to {n_columns - 1}")


def _values(lines: str, keys: set[str]) -> dict[str, str]:
    """The `key=value` lines, which must be those of the keys, one each."""
    pairs = [line.partition("=") for line in lines.split("\n")]
    values = {key: value for key, equals, value in pairs if equals}
    if len(values) != len(pairs) or values.keys() != keys:
        odd = ", ".join(sorted(values.keys() ^ keys))
        raise _no_forest(f"it has a line too many or too few: {odd[:60] or 'one stands twice or has no value'}")
    return values


def _whole(values: dict[str, str], key: str, count: int) -> list[int]:
    """So many whole numbers with a blank between each two."""
    numbers = [int(word) for word in _words(values, key, count, WHOLE)]
    if not all(-(2**31) <= number < 2**31 for number in numbers):
        raise _no_forest(f"its {key} are out of range")
    return numbers


def _reals(values: dict[str, str], key: str, count: int) -> None:
    """See that there are so many finite numbers with a blank between each two."""
    if not all(math.isfinite(float(word)) for word in _words(values, key, count, REAL)):
        raise _no_forest(f"its {key} are out of range")


def _words(values: dict[str, str], key: str, count: int, form: re.Pattern[str]) -> list[str]:
    words = values[key].split(" ") if values[key] else []
    if len(words) != count or not all(form.fullmatch(word) for word in words):
        raise _no_forest(f"its {key} are not {count} numbers")
    return words


def _no_forest(problem: str) -> BundleError:
    return BundleError(f"the text is no LightGBM forest of this configuration: {problem}; copy the run again")
