from __future__ import annotations

import ast
import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

import dltrader
from dltrader.envs.contract import EnvConfig
from dltrader.evaluation.backtest import backtest

HEAVY = [
    "torch", "backtrader", "matplotlib", "stable_baselines3", "sb3_contrib", "ta", "empyrical", "yfinance", "rich",
    "sqlalchemy",
]  # fmt: skip

LOOK = """
import json, sys, threading
before = threading.active_count()
import dltrader
print(json.dumps({"modules": sorted(sys.modules), "threads": threading.active_count() - before, "dir": dir(dltrader)}))
"""


def python(script):
    """What a new interpreter prints, on both streams."""
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


@pytest.fixture(scope="module")
def seen():
    out, err = python(LOOK)
    assert err == ""
    assert out.count("\n") == 1  # our own line, and nothing of the package
    return json.loads(out)


@pytest.mark.parametrize("library", HEAVY)
def test_importing_the_package_does_not_load(library, seen):
    assert library not in seen["modules"]
    assert "dltrader" in seen["modules"]


def test_importing_the_package_starts_no_thread(seen):
    assert seen["threads"] == 0


def test_the_names_are_there_before_they_are_loaded(seen):
    assert set(dltrader.__all__) <= set(seen["dir"])


@pytest.mark.parametrize("name", dltrader.__all__)
def test_every_public_name_is_something(name):
    assert getattr(dltrader, name) is not None
    assert name in dir(dltrader)


def test_every_public_name_is_loaded_from_where_the_type_checker_is_told():
    tree = ast.parse(Path(dltrader.__file__).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    told = {alias.name: node.module for node in block.body for alias in node.names}
    assert told == {name: f"dltrader.{home}" for name, home in dltrader._HOMES.items()}
    assert sorted(dltrader.__all__) == sorted([*told, "__version__"])


def test_a_name_is_the_one_of_its_room():
    assert dltrader.EnvConfig is EnvConfig
    # The function, and not a module of the same name.
    assert dltrader.backtest is backtest
    assert callable(dltrader.train)


def test_importing_a_workflow_first_does_not_hide_the_function_of_its_name():
    out, _ = python(
        "import dltrader.workflows.train, dltrader; print(callable(dltrader.train), callable(dltrader.backtest))"
    )
    assert out == "True True\n"


def test_an_unknown_attribute_is_an_attribute_error():
    with pytest.raises(AttributeError) as caught:
        dltrader.no_such_name  # noqa: B018
    assert str(caught.value) == "module 'dltrader' has no attribute 'no_such_name'"


def test_the_version_is_that_of_the_installed_distribution():
    assert dltrader.__version__ == metadata.version("dltrader")


def test_importing_the_package_registers_the_environment_with_gymnasium():
    out, _ = python("import dltrader, gymnasium; print(gymnasium.spec('dltrader/Trading-v0').entry_point)")
    assert out == "dltrader.envs.cerebro:TradingEnv\n"


def test_the_package_says_that_it_is_typed():
    assert (Path(dltrader.__file__).parent / "py.typed").is_file()
