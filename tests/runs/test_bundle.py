from __future__ import annotations

import builtins
import hashlib
import json
import pickle
import subprocess
import sys
import textwrap
from dataclasses import replace

import cloudpickle
import numpy as np
import pandas as pd
import pytest
import torch

from dltrader.envs.rewards import REWARDS
from dltrader.errors import BundleError, ConfigError
from dltrader.evaluation.backtest import backtest
from dltrader.features import FEATURES
from dltrader.files import sha256_of
from dltrader.nn import EXTRACTORS
from dltrader.runs import load_policy, save_policy
from dltrader.runs.bundle import DESCRIPTION, WEIGHTS
from market_bars import random_walk
from small_runs import agents_with, observations, reading, untrained


@pytest.fixture
def saved(tmp_path):
    return save_policy(untrained(), tmp_path / "policy")


def alter(folder, change):
    """Change policy.json and make its checksum right again, as someone with an editor and patience would."""
    description = json.loads((folder / DESCRIPTION).read_text())
    change(description)
    covered = {key: value for key, value in description.items() if key != "checksum"}
    description["checksum"] = hashlib.sha256(json.dumps(covered, sort_keys=True).encode()).hexdigest()
    (folder / DESCRIPTION).write_text(json.dumps(description))


@pytest.mark.parametrize(("name", "extractor"), agents_with(EXTRACTORS))
def test_a_policy_comes_back_as_it_was(tmp_path, name, extractor):
    policy = untrained(agent={"name": name} | reading(name, extractor))
    loaded = load_policy(save_policy(policy, tmp_path / "policy"))
    assert (loaded.agent, loaded.env_config, loaded.pipeline) == (policy.agent, policy.env_config, policy.pipeline)
    assert loaded.instruments == ("asset",)
    assert all(torch.equal(tensor, loaded.weights()[key]) for key, tensor in policy.weights().items())
    batch, starts = observations(policy, 64), np.ones(64, bool)
    expected, _ = policy.predict(batch, None, starts, deterministic=True)
    found, _ = loaded.predict(batch, None, starts, deterministic=True)
    np.testing.assert_array_equal(found, expected)


def test_it_holds_two_files_and_equal_policies_have_equal_bytes(tmp_path):
    first, second = (save_policy(untrained(seed=4), tmp_path / name) for name in ("first", "second"))
    assert sorted(path.name for path in first.iterdir()) == [DESCRIPTION, WEIGHTS]
    again = save_policy(load_policy(first), tmp_path / "again")
    for name in (DESCRIPTION, WEIGHTS):
        assert sha256_of(first / name) == sha256_of(second / name) == sha256_of(again / name)
    other = save_policy(untrained(seed=5), tmp_path / "other")
    assert sha256_of(other / WEIGHTS) != sha256_of(first / WEIGHTS)


def test_the_interval_of_the_bars_is_kept_and_older_bundles_do_not_tell_it(saved, tmp_path):
    quarters = replace(untrained(), interval=pd.Timedelta(minutes=15))
    assert load_policy(save_policy(quarters, tmp_path / "quarters")).interval == pd.Timedelta(minutes=15)
    alter(saved, lambda description: description.pop("interval"))
    assert load_policy(saved).interval is None
    alter(saved, lambda description: description.update(interval="soon"))
    with pytest.raises(BundleError, match="is no policy of this format"):
        load_policy(saved)


def test_others_may_read_it(saved):
    assert {file.name: oct(file.stat().st_mode)[-3:] for file in saved.iterdir()} == {
        DESCRIPTION: "644",
        WEIGHTS: "644",
    }


def test_fitted_scaling_is_kept_to_the_bit(saved):
    moments = load_policy(saved).pipeline.moments
    assert moments == untrained().pipeline.moments
    assert moments.deviation[0] > 0


def test_nothing_is_unpickled_or_evaluated(saved, monkeypatch):
    def forbidden(*args, **kwargs):
        raise AssertionError("a policy must not run code when it is read")

    for module, name in [
        (pickle, "load"),
        (pickle, "loads"),
        (pickle, "Unpickler"),
        (cloudpickle, "load"),
        (cloudpickle, "loads"),
        (torch, "load"),
        (torch.jit, "load"),
        (builtins, "eval"),
    ]:
        monkeypatch.setattr(module, name, forbidden)
    policy = load_policy(saved)
    actions, _ = policy.predict(observations(policy, 3), deterministic=True)
    monkeypatch.undo()
    assert actions.shape == (3,)


@pytest.mark.parametrize("name", [DESCRIPTION, WEIGHTS])
@pytest.mark.parametrize("kept", [0, 0.5, 0.99])
def test_a_truncated_file_is_refused(saved, name, kept):
    content = (saved / name).read_bytes()
    (saved / name).write_bytes(content[: int(kept * len(content))])
    with pytest.raises(BundleError, match="truncated or altered"):
        load_policy(saved)


def test_altered_weights_are_refused_with_both_checksums(saved):
    written = sha256_of(saved / WEIGHTS)
    content = bytearray((saved / WEIGHTS).read_bytes())
    content[-1] ^= 1
    (saved / WEIGHTS).write_bytes(content)
    with pytest.raises(BundleError) as caught:
        load_policy(saved)
    assert f"its sha256 is {sha256_of(saved / WEIGHTS)[:12]}…, policy.json says {written[:12]}…" in str(caught.value)


def test_every_altered_value_of_the_description_is_refused(saved):
    text = (saved / DESCRIPTION).read_text()
    values = json.loads(text)
    for key in values:
        if key == "format":
            continue
        changed = values | {key: "other"}
        (saved / DESCRIPTION).write_text(json.dumps(changed))
        with pytest.raises(BundleError, match=r"policy.json is altered: its checksum does not match; copy the folder"):
            load_policy(saved)
    (saved / DESCRIPTION).write_text(text)
    assert load_policy(saved).name == "ppo (mlp)"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("no json", "policy.json is truncated or altered: Expecting value"),
        (b"\xff\xfe\xfa", "policy.json is truncated or altered"),
        ("[1, 2]", "policy.json describes no policy; a policy is a folder with policy.json and weights.safetensors"),
        ("{}", "policy.json describes no policy"),
    ],
)
def test_a_description_that_is_none_is_refused(saved, content, message):
    (saved / DESCRIPTION).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(BundleError, match=message):
        load_policy(saved)


def test_missing_files_are_named(saved, tmp_path):
    (saved / WEIGHTS).unlink()
    with pytest.raises(BundleError, match=r"weights.safetensors is missing; the policy is incomplete"):
        load_policy(saved)
    with pytest.raises(BundleError, match=r"nowhere/policy.json is missing; a policy is a folder with policy.json"):
        load_policy(tmp_path / "nowhere")


def test_another_format_is_refused(saved):
    alter(saved, lambda description: description.update(format=99))
    with pytest.raises(BundleError, match="has format 99, this version of dltrader reads 1; use the version that"):
        load_policy(saved)


def test_weights_of_another_network_are_refused(saved):
    alter(saved, lambda description: description["agent"].update(hidden=[9]))
    with pytest.raises(BundleError, match=r"should have shape \(3, 9\), found \(3, 8\)"):
        load_policy(saved)


def test_spaces_that_are_no_longer_made_are_refused(saved):
    alter(saved, lambda description: description.update(action_space="Discrete(7)"))
    with pytest.raises(BundleError, match=r"trained with the action space Discrete\(7\), this .* makes Discrete\(3\)"):
        load_policy(saved)


def test_files_that_are_no_safetensors_are_refused(saved):
    (saved / WEIGHTS).write_bytes(pickle.dumps({"value_net.bias": 1}))
    alter(saved, lambda description: description.update(weights_sha256=sha256_of(saved / WEIGHTS)))
    with pytest.raises(BundleError, match="is no policy of this format"):
        load_policy(saved)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d["agent"].update(name="zzz"), "unknown agent 'zzz'; known: a2c, dqn, ppo, "),
        (lambda d: d["env"].update(reward="my_reward"), "unknown reward 'my_reward'"),
        (lambda d: d["agent"]["extractor"].update(name="mamba"), "unknown extractor 'mamba'"),
        (lambda d: d["pipeline"]["features"][0].update(name="my_feature"), "unknown feature 'my_feature'"),
    ],
)
def test_a_name_that_is_not_registered_says_how_to_register_it(saved, change, message):
    alter(saved, change)
    with pytest.raises(BundleError) as caught:
        load_policy(saved)
    assert f"{saved} does not fit this installation: " in str(caught.value)
    assert message in str(caught.value)
    assert str(caught.value).endswith(
        "; register what is your own before, on the command line with dltrader --plugin MODULE"
    )


def test_a_reward_without_a_name_cannot_be_saved_and_nothing_is_written(tmp_path):
    policy = untrained(reward=lambda step: 0.0)
    with pytest.raises(ConfigError, match="has no name to be saved under; register it first"):
        save_policy(policy, tmp_path / "policy")
    assert list(tmp_path.iterdir()) == []


def test_registered_rewards_and_features_are_saved_by_name(tmp_path):
    def tripled(step):
        return 3.0 * (step.equity - step.equity_before)

    def half_range(bars):
        """Half of (high - low) / close."""
        return (bars["high"] - bars["low"]) / bars["close"] / 2

    REWARDS.register("tripled_for_bundle", tripled)
    FEATURES.register("half_range_for_bundle", half_range)
    policy = untrained(reward="tripled_for_bundle", features=["log_return", "half_range_for_bundle"])
    loaded = load_policy(save_policy(policy, tmp_path / "policy"))
    assert loaded.env_config.reward is tripled
    assert loaded.pipeline.names == ("log_return_1", "half_range_for_bundle")
    assert backtest(loaded, random_walk(120, 9)).equity.equals(backtest(policy, random_walk(120, 9)).equity)


def test_it_trades_new_bars_in_a_new_process_that_loads_no_compiler(tmp_path):
    policy = untrained(seed=2)
    folder = save_policy(policy, tmp_path / "policy")
    bars = random_walk(200, 77)
    bars.to_csv(tmp_path / "new.csv")
    script = """
        import sys
        from dltrader.evaluation.backtest import backtest
        from dltrader.runs import load_policy
        policy = load_policy(sys.argv[1])
        result = backtest(policy, "csv:" + sys.argv[2])
        print(len(result.orders), repr(float(result.equity.iloc[-1])))
        # It takes seconds, and is for those who train.
        print("torch._dynamo" in sys.modules)
    """
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(script), str(folder), str(tmp_path / "new.csv")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    here = backtest(policy, bars)
    assert len(here.orders) > 5
    assert done.stdout.splitlines() == [f"{len(here.orders)} {float(here.equity.iloc[-1])!r}", "False"]
