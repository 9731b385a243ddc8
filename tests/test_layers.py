"""The house has one direction: a room imports itself and the rooms above it, and every big library has its owners."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import dltrader

PACKAGE = Path(dltrader.__file__).parent

# From the roof down.
ROOMS = [
    "errors", "registry", "config", "files", "data", "features", "envs", "nn", "agents", "forecast", "evaluation",
    "plotting", "runs", "reports", "workflows", "benchmarks", "distributed", "cli",
]  # fmt: skip

# Library -> the files and folders that may import it.
OWNERS = {
    "backtrader": ["envs/", "data/feed.py", "features/backtrader.py", "benchmarks/env_speed.py"],
    "stable_baselines3": ["agents/", "benchmarks/learning_speed.py"],
    "sb3_contrib": ["agents/"],
    "yfinance": ["data/yahoo.py"],
    "ray": ["distributed/"],
    "optuna": ["workflows/study.py"],
    "alpaca": ["data/alpaca.py"],
    "exchange_calendars": ["data/calendars.py"],
    "sqlalchemy": ["runs/ledger.py"],
    "arch": ["evaluation/statistics/"],
    "jinja2": ["reports/"],
    "lightgbm": ["forecast/lightgbm.py"],
}

# The package itself, whose public names load what stands below: here only for its version.
VERSION_READERS = {"runs", "cli"}

FILES = {path.relative_to(PACKAGE).as_posix(): path for path in sorted(PACKAGE.rglob("*.py"))}
IN_ROOMS = [name for name in FILES if name not in {"__init__.py", "__main__.py"}]


def room_of(name):
    return name.split("/")[0].removesuffix(".py")


def modules_imported(name, tree):
    """Absolute names of all that a file imports, wherever in it and for whatever use; `from a import b` gives a.b."""
    package = ["dltrader", *name.split("/")[:-1]]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) + 1 - node.level]) if node.level else ""
            module = ".".join(part for part in (base, node.module) if part)
            yield from (f"{module}.{alias.name}" for alias in node.names)


def imports_of(name):
    return list(modules_imported(name, ast.parse(FILES[name].read_text(encoding="utf-8"))))


def within(name, place):
    return name == place or (place.endswith("/") and name.startswith(place))


def uphill(name, module):
    """Whether a module is one that a file of a room may import."""
    library, _, inner = module.partition(".")
    if library != "dltrader" or not inner:
        return True
    return ROOMS.index(inner.split(".")[0]) <= ROOMS.index(room_of(name))


def test_every_file_stands_in_a_room_of_the_house():
    assert {room_of(name) for name in IN_ROOMS} <= set(ROOMS)
    assert len(IN_ROOMS) > 50


@pytest.mark.parametrize("name", IN_ROOMS)
def test_a_room_imports_only_itself_and_rooms_above_it(name):
    ours = [module for module in imports_of(name) if module.startswith("dltrader.")]
    assert [module for module in ours if module.split(".")[1] not in ROOMS] == []
    assert [module for module in ours if not uphill(name, module)] == []


def test_the_direction_is_seen():
    tree = ast.parse("def f():\n    from dltrader.cli.app import x\n    from ..envs import y\n    from . import z")
    found = list(modules_imported("evaluation/backtest.py", tree))
    assert found == ["dltrader.cli.app.x", "dltrader.envs.y", "dltrader.evaluation.z"]
    assert [uphill("evaluation/backtest.py", module) for module in found] == [False, True, True]


@pytest.mark.parametrize("name", IN_ROOMS)
def test_the_package_itself_is_imported_only_for_its_version(name):
    if "dltrader" not in imports_of(name):
        return
    assert room_of(name) in VERSION_READERS
    tree = ast.parse(FILES[name].read_text(encoding="utf-8"))
    read = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "dltrader"
    }
    assert read == {"__version__"}


@pytest.mark.parametrize("library", OWNERS)
def test_a_big_library_is_imported_only_by_its_owners(library):
    importers = {name for name in FILES for module in imports_of(name) if module.split(".")[0] == library}
    strangers = {name for name in importers if not any(within(name, place) for place in OWNERS[library])}
    assert strangers == set()
    assert importers


def test_the_two_engines_do_not_know_each_other():
    engines = {"envs/cerebro.py": "dltrader.envs.vector", "envs/vector.py": "dltrader.envs.cerebro"}
    for name in engines.keys() & FILES.keys():
        modules = imports_of(name)
        assert [module for module in modules if f"{module}.".startswith(f"{engines[name]}.")] == []
        assert any(module.startswith("dltrader.envs.contract.") for module in modules)
    assert "envs/cerebro.py" in FILES


def test_the_package_imports_at_first_only_what_registers_its_environments():
    module = ast.parse(FILES["__init__.py"].read_text(encoding="utf-8"))
    at_once = ast.Module([node for node in module.body if not isinstance(node, ast.If)], [])
    ours = [name for name in modules_imported("__init__.py", at_once) if name.startswith("dltrader")]
    assert ours == ["dltrader.envs.register"]
