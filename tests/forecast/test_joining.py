from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from dltrader.errors import BundleError
from dltrader.forecast.joining import as_ensemble, joined
from dltrader.forecast.voting import Weighting
from small_members import ENV, small_policy, telling_ensemble
from small_runs import untrained


def ensembles():
    first = telling_ensemble({"trend": lambda windows: windows[:, -1, :1] * [0.0] + [0.6, 0.2, 0.2]})
    second = telling_ensemble({name: lambda windows: windows[:, -1, :1] * [0.0] + [0.2, 0.6, 0.2] for name in "ab"})
    weighting = Weighting(weights={"a": 3.0, "b": 1.0}, temperatures={"a": 2.0})
    return first, replace(second, name="second", weighting=weighting)


def test_each_has_an_equal_share_of_which_its_models_keep_their_parts():
    whole = joined(ensembles())
    assert whole.models == ("trend", "a", "b")
    assert whole.weighting.weights == {"trend": 1.0, "a": 0.75, "b": 0.25}
    assert whole.weighting.temperatures == {"a": 2.0}
    assert whole.name == "small + second"
    assert whole.interval == pd.Timedelta("1D")


def test_one_is_left_as_it_is():
    first, _ = ensembles()
    assert joined([first]) is first
    assert as_ensemble(first) is first


def test_names_that_are_taken_get_a_number_and_so_do_those_of_missing_members():
    first, _ = ensembles()
    lacking = replace(
        first, missing=("lgb",), weighting=Weighting(weights={"trend": 1.0, "lgb_5d": 2.0, "lgb_30d": 1.0})
    )
    whole = joined([lacking, lacking, first])
    assert whole.models == ("trend", "trend_2", "trend_3")
    assert whole.missing == ("lgb", "lgb_2")
    assert whole.weighting.weights == {
        "trend": 0.25, "lgb_5d": 0.5, "lgb_30d": 0.25,
        "trend_2": 0.25, "lgb_2_5d": 0.5, "lgb_2_30d": 0.25,
        "trend_3": 1.0,
    }  # fmt: skip


def test_a_policy_alone_is_an_ensemble_of_one():
    policy = small_policy()
    alone = as_ensemble(policy)
    assert alone.models == ("ppo",)
    assert alone.env_config.action.name == "target_weight"
    assert alone.pipeline.names == (*policy.pipeline.names, "volatility_20_unscaled")


def test_longer_windows_and_more_features_of_one_serve_all():
    first, _ = ensembles()
    wider = first.env_config.with_overrides({"window_bars": 9})
    whole = joined([first, replace(first, env_config=wider)])
    assert whole.env_config.window_bars == 9


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"interval": pd.Timedelta("1h")}, "different intervals: small 1d, second 1h"),
        ({"instruments": ("IBM",)}, "no common instrument: small on asset; second on IBM"),
    ],
)
def test_runs_that_do_not_fit_are_refused(changes, said):
    first, second = ensembles()
    with pytest.raises(BundleError, match=said):
        joined([first, replace(second, **changes)])


def test_runs_on_other_features_or_scalings_are_refused():
    trained = {key: value for key, value in ENV.items() if key != "action"}
    gapped = untrained(1, **trained | {"features": ["gap", "range"]})
    with pytest.raises(BundleError, match="reads the feature 'gap', which the ensemble does not show"):
        joined([as_ensemble(small_policy()), as_ensemble(gapped)])
    otherwise = untrained(1, **trained | {"scaling": {"name": "rolling", "window_bars": 9}})
    with pytest.raises(BundleError, match="was trained with scaling"):
        joined([as_ensemble(small_policy()), as_ensemble(otherwise)])
