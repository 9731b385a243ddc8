from __future__ import annotations

import inspect
import pickle
import re

import pytest

from dltrader import errors
from dltrader.errors import DLTraderError, LookAheadError, MissingExtraError

CLASSES = {name: cls for name, cls in vars(errors).items() if inspect.isclass(cls)}
LINE = re.compile(r"^(?P<branch>[│ ]*[├└]── )?(?P<name>\w+Error)\b.*?(?:\(also (?P<builtin>\w+)\))?$")
INDENT = 4


def drawn():
    """Name -> (its parent's name, the builtin it says it refines), from the drawing at the top of the file."""
    tree, path = {}, []
    for line in errors.__doc__.splitlines():
        if match := LINE.match(line):
            depth = len(match["branch"] or "") // INDENT
            path = [*path[:depth], match["name"]]
            tree[match["name"]] = (path[-2] if depth else "Exception", match["builtin"])
    return tree


def test_the_drawing_holds_every_class_once():
    assert sorted(drawn()) == sorted(CLASSES)
    assert len(drawn()) == 15


@pytest.mark.parametrize("name", CLASSES)
def test_a_class_has_the_bases_that_are_drawn(name):
    parent, builtin = drawn()[name]
    assert [base.__name__ for base in CLASSES[name].__bases__] == [base for base in (parent, builtin) if base]


@pytest.mark.parametrize("cls", CLASSES.values())
def test_every_class_but_the_root_refines_a_builtin(cls):
    builtins = [base for base in cls.__mro__ if base.__module__ == "builtins"]
    assert issubclass(cls, DLTraderError)
    assert (builtins == [Exception, BaseException, object]) == (cls is DLTraderError)


@pytest.mark.parametrize("cls", [cls for cls in CLASSES.values() if cls is not MissingExtraError])
def test_a_message_is_kept_as_it_is(cls):
    error = pickle.loads(pickle.dumps(cls("prices.csv line 812: high 11.2 is below low 11.9")))
    assert type(error) is cls
    assert str(error) == "prices.csv line 812: high 11.2 is below low 11.9"


def test_a_look_ahead_is_a_feature_error_and_a_value_error():
    with pytest.raises(errors.FeatureError):
        raise LookAheadError("x")
    assert issubclass(LookAheadError, ValueError)


def test_a_missing_extra_says_what_to_type():
    assert str(MissingExtraError("Ray", "ray")) == 'Ray is not installed; run: pip install "dltrader[ray]"'


def test_a_missing_extra_survives_the_way_out_of_another_process():
    error = pickle.loads(pickle.dumps(MissingExtraError("yfinance", "yahoo")))
    assert str(error) == 'yfinance is not installed; run: pip install "dltrader[yahoo]"'
    assert (error.package, error.extra) == ("yfinance", "yahoo")
