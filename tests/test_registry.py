from __future__ import annotations

import subprocess
import sys

import pytest

from dltrader.agents import AGENTS, BASELINES
from dltrader.data import SOURCES
from dltrader.envs.actions import ACTIONS
from dltrader.envs.rewards import REWARDS
from dltrader.errors import BundleError, ConfigError, MissingExtraError, UnknownNameError
from dltrader.evaluation.result import PLOTS
from dltrader.features import FEATURES, SCALINGS
from dltrader.nn import EXTRACTORS
from dltrader.registry import Registry, built_here, did_you_mean

REGISTRIES = {
    "ACTIONS": ACTIONS,
    "AGENTS": AGENTS,
    "BASELINES": BASELINES,
    "EXTRACTORS": EXTRACTORS,
    "FEATURES": FEATURES,
    "PLOTS": PLOTS,
    "REWARDS": REWARDS,
    "SCALINGS": SCALINGS,
    "SOURCES": SOURCES,
}


@pytest.fixture
def tools() -> Registry:
    return Registry("tool", {"root": "math:sqrt", "sine": "math:sin", "gone": "no_such_module:thing"})


def test_an_entry_is_imported_when_it_is_asked_for(tools):
    assert tools["root"](9.0) == 3.0
    assert tools["root"] is tools["root"]


def test_listing_and_asking_whether_import_nothing(tools):
    # The third entry could not be imported.
    assert list(tools) == ["root", "sine", "gone"]
    assert len(tools) == 3
    assert "gone" in tools
    assert "rot" not in tools
    assert dict.fromkeys(tools.keys(), 0) == {"root": 0, "sine": 0, "gone": 0}


def test_an_entry_that_cannot_be_imported_says_so_when_it_is_asked_for(tools):
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        tools["gone"]


def test_an_unknown_name_is_answered_with_the_closest(tools):
    with pytest.raises(UnknownNameError) as caught:
        tools["rot"]
    assert str(caught.value) == "unknown tool 'rot'; did you mean 'root'?"


def test_an_unknown_name_that_is_like_none_is_answered_with_all(tools):
    with pytest.raises(LookupError) as caught:
        tools["xyz"]
    assert str(caught.value) == "unknown tool 'xyz'; known: gone, root, sine"


def test_a_registered_object_is_found_under_its_name(tools):
    assert tools.register("length", len) is len
    assert tools["length"] is len
    assert list(tools)[-1] == "length"


@pytest.mark.parametrize("name", ["root", "length"])
def test_a_taken_name_is_refused(tools, name):
    tools.register("length", len)
    with pytest.raises(ConfigError) as caught:
        tools.register(name, abs)
    assert str(caught.value) == f"tool '{name}' is already registered; choose another name"
    assert tools["length"] is len


def test_an_object_knows_its_name():
    tools = Registry("tool", {"length": "builtins:len", "size": "builtins:abs"})
    assert tools.name_of(abs) == "size"
    assert tools.name_of(max) is None


def test_a_registry_does_not_change_the_entries_it_was_made_from():
    entries = {"length": "builtins:len"}
    Registry("tool", entries).register("size", abs)
    assert entries == {"length": "builtins:len"}


def test_the_hint_prefers_the_closest_name():
    assert did_you_mean("sortno", ["sortino", "sort", "profit"]) == "; did you mean 'sortino'?"
    assert did_you_mean("zzz", ["b", "a"]) == "; known: a, b"


@pytest.mark.parametrize("name", REGISTRIES)
def test_every_entry_of_every_registry_can_be_had(name):
    registry = REGISTRIES[name]
    assert len(registry) > 0
    for entry in registry:
        assert registry[entry] is not None
        assert registry.name_of(registry[entry]) == entry


def test_listing_agents_extractors_and_schemes_loads_no_torch_and_no_backtrader():
    script = (
        "import sys; from dltrader import AGENTS, EXTRACTORS, ACTIONS, REWARDS; "
        "print([*AGENTS, *EXTRACTORS, *ACTIONS, *REWARDS] and {'torch', 'backtrader'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize(
    ("raised", "words"),
    [
        (
            UnknownNameError("unknown agent 'mine'"),
            "here does not fit this installation: unknown agent 'mine'",
        ),
        (KeyError("env"), "here is no policy of this format: 'env'"),
        (OSError("torn"), "here is no policy of this format: torn"),
        (BundleError("altered"), "altered"),
    ],
)
def test_what_cannot_be_built_is_one_error_in_one_line(raised, words):
    with pytest.raises(BundleError) as found, built_here("policy", "here", unreadable=(OSError,)):
        raise raised
    assert str(found.value).startswith(words)
    assert "\n" not in str(found.value)


def test_a_library_that_is_not_installed_is_told_of_as_such():
    with pytest.raises(MissingExtraError), built_here("policy", "here"):
        raise MissingExtraError("LightGBM", "forecast")
