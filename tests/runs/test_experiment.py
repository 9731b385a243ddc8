from __future__ import annotations

import datetime as dt

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dltrader.errors import BarsError, ConfigError
from dltrader.runs import ExperimentConfig, shipped_configs
from dltrader.runs.ensemble import EnsembleConfig, load_experiment
from dltrader.runs.experiment import DataConfig
from market_bars import random_walk


def test_these_configurations_are_shipped():
    policies = {"ppo_mlp", "ppo_lstm", "ppo_attention", "recurrent_ppo", "dqn_lstm", "a2c_mlp", "sac_mlp"}
    ensembles = {name for name in shipped_configs() if isinstance(load_experiment(name), EnsembleConfig)}
    assert policies <= set(shipped_configs()) - ensembles
    assert ensembles == {"ensemble", "lstm_forecast", "lightgbm"}


@pytest.mark.parametrize("name", shipped_configs())
def test_a_shipped_configuration_is_read_from_what_it_writes(name, tmp_path):
    config = load_experiment(name)
    assert config.name == name
    file = tmp_path / "config.yaml"
    file.write_text(config.to_yaml())
    assert type(config).from_yaml(file) == config
    assert load_experiment(config.to_mapping()) == config


@pytest.mark.parametrize("name", shipped_configs())
def test_a_shipped_configuration_learns_before_it_validates_before_it_tests(name):
    data = load_experiment(name).data
    slices = data.cut(data.load())
    (train,) = slices.train.values()
    assert len(train) > 1000
    assert train.index[-1] < slices.validation[1] < slices.test[1]


def test_defaults_make_an_experiment():
    config = ExperimentConfig.load({})
    assert (config.agent.name, config.agent.extractor.name, config.data.bars) == ("ppo", "mlp", "sample:AAPL")
    assert ExperimentConfig.from_mapping(config.to_mapping()) == config


def test_an_agent_without_a_name_is_ppo():
    assert ExperimentConfig.load({"agent": {"gamma": 0.5}}).agent == ExperimentConfig().agent.with_overrides(
        {"gamma": 0.5}
    )


def test_overrides_replace_dotted_keys():
    config = ExperimentConfig.load("ppo_mlp", {"train.n_envs": 3, "agent.extractor.hidden": [7], "agent.gamma": 0.5})
    assert (config.train.n_envs, config.agent.extractor.hidden, config.agent.gamma) == (3, (7,), 0.5)
    assert ExperimentConfig.load(config, {"seed": 5}).seed == 5
    assert ExperimentConfig.load(config) is config


def test_a_file_gives_the_experiment_its_name(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("seed: 4\n")
    assert ExperimentConfig.load(file) == ExperimentConfig(name="mine", seed=4)


def test_a_folder_does_not_hide_a_shipped_configuration(tmp_path, monkeypatch):
    (tmp_path / "ppo_mlp").mkdir()
    monkeypatch.chdir(tmp_path)
    assert ExperimentConfig.load("ppo_mlp").name == "ppo_mlp"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("ppo_mpl", "no configuration file 'ppo_mpl'; did you mean 'ppo_mlp'?"),
        (
            "zzz",
            (
                "no configuration file 'zzz'; known: a2c_mlp, day_trading, dqn_lstm, ensemble, lightgbm, "
                "lstm_forecast, ppo_attention, ppo_lstm, ppo_mlp, ppo_sine, q_table, recurrent_ppo, sac_mlp"
            ),
        ),
        ("nowhere.yaml", "cannot read the configuration nowhere.yaml: No such file or directory"),
    ],
)
def test_a_missing_configuration_is_named(source, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as caught:
        ExperimentConfig.load(source)
    assert str(caught.value) == message


CUT = "must be a fraction in (0, 1) or a date such as '2010-01-31'"
DATE = "must be a date or time such as '2010-01-31'"
URI = "must be a source URI such as 'sample:AAPL', a list of them, or names to source URIs"


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("train.total_timestep", 5, "unknown key 'train.total_timestep'; did you mean 'train.total_timesteps'?"),
        ("env.costs.comission", 0, "unknown key 'env.costs.comission'; did you mean 'env.costs.commission'?"),
        ("agent.batch_sise", 2, "unknown key 'agent.batch_sise'; did you mean 'agent.batch_size'?"),
        ("agnt.name", "ppo", "unknown key 'agnt'; did you mean 'agent'?"),
        ("agent", "pppo", "agent: unknown agent 'pppo'; did you mean 'ppo'?"),
        ("agent.extractor", "lstn", "agent.extractor: unknown extractor 'lstn'; did you mean 'lstm'?"),
        ("data.start", "nonsense", f"data.start {DATE}, was 'nonsense'"),
        ("data.start", "", f"data.start {DATE}, was ''"),
        ("data.end", 2010, f"data.end {DATE}, was 2010"),
        ("data.validation_start", 2010, f"data.validation_start {CUT}, was 2010"),
        ("data.validation_start", 1.0, f"data.validation_start {CUT}, was 1.0"),
        ("data.test_start", "soon", f"data.test_start {CUT}, was 'soon'"),
        ("data.test_start", True, f"data.test_start {CUT}, was True"),
        ("data.test_start", "2010-02-30", f"data.test_start {CUT}, was '2010-02-30'"),
        ("data.bars", {}, f"data.bars {URI}, was {{}}"),
        ("data.bars", {"a": 1}, f"data.bars {URI}, was {{'a': 1}}"),
        ("data.bars", ["sample:AAPL", 1], f"data.bars {URI}, was ['sample:AAPL', 1]"),
        ("data.bars", [], f"data.bars {URI}, was []"),
        ("name", "a b", "name must match pattern '^[A-Za-z0-9][A-Za-z0-9_.-]*$', was 'a b'; For folders and titles"),
        (
            "train",
            {"engine": "cerebro", "lanes_per_episode": 4},
            "train.lanes_per_episode is 4, and only train.engine: vector has lanes; set it to 1 or change the engine",
        ),
        (
            "train.n_envs",
            0,
            "train.n_envs must be greater than or equal to 1, was 0; Environments stepped side by side",
        ),
    ],
)
def test_a_wrong_value_is_refused(key, value, message):
    with pytest.raises(ConfigError) as caught:
        ExperimentConfig.load({}, {key: value})
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (dt.date(2010, 1, 31), "2010-01-31"),
        (dt.datetime(2010, 1, 31, 15, 30), "2010-01-31 15:30:00"),
        (pd.Timestamp("2010-01-31", tz="UTC"), "2010-01-31 00:00:00+00:00"),
        (" 2010 ", "2010"),
    ],
)
def test_times_are_kept_as_they_were_meant(value, written):
    data = DataConfig(start=value, test_start=value)
    assert (data.start, data.test_start) == (written, written)
    assert DataConfig.from_mapping(data.to_mapping()) == data


def test_the_last_day_is_meant_to_its_end():
    bars = DataConfig(bars="synthetic:gbm?n=100&interval=1h&start=2020-01-06", end=dt.date(2020, 1, 7)).load()
    assert bars["gbm"].index[-1] == pd.Timestamp("2020-01-08", tz="UTC") - pd.Timedelta("1h")


def test_fractions_cut_at_bars():
    bars = {"asset": random_walk(100)}
    slices = DataConfig(validation_start=0.7, test_start=0.85).cut(bars)
    times = bars["asset"].index
    assert (slices.validation[1], slices.test[1]) == (times[70], times[85])
    assert [len(frames["asset"]) for frames in (slices.train, slices.validation[0], slices.test[0])] == [70, 85, 100]


def test_dates_cut_at_the_first_bar_from_them_on():
    bars = {"asset": random_walk(100)}  # from 2001-01-01
    slices = DataConfig(validation_start="2001-02-01", test_start="2001-03-01 12:00").cut(bars)
    assert str(slices.train["asset"].index[-1].date()) == "2001-01-31"
    assert str(slices.validation[0]["asset"].index[-1].date()) == "2001-03-01"
    assert slices.test[1] == pd.Timestamp("2001-03-01 12:00", tz="UTC")


@given(n=st.integers(3, 60), cuts=st.tuples(st.floats(0.01, 0.99), st.floats(0.01, 0.99)))
def test_test_bars_are_never_in_an_earlier_slice(n, cuts):
    bars = {"asset": random_walk(n)}
    data = DataConfig(validation_start=min(cuts), test_start=max(cuts))
    try:
        slices = data.cut(bars)
    except BarsError:
        # Too close together, or at the very first bar.
        assert int(n * min(cuts)) == 0 or int(n * min(cuts)) == int(n * max(cuts))
        return
    train, (validation, validation_start), (test, test_start) = slices
    assert len(train["asset"]) >= 1
    assert train["asset"].index[-1] < validation_start <= validation["asset"].index[-1] < test_start
    assert test_start <= test["asset"].index[-1]
    assert len(test["asset"]) == n


@pytest.mark.parametrize(
    "cuts",
    [
        ("2001-02-01", "2001-01-15"),
        ("2001-02-01", "2001-02-01"),
        ("2000-01-01", "2001-02-01"),
        ("2001-02-01", "2030-01-01"),
        (0.8, 0.7),
    ],
)
def test_an_empty_slice_is_refused(cuts):
    data = DataConfig(validation_start=cuts[0], test_start=cuts[1])
    with pytest.raises(BarsError) as caught:
        data.cut({"asset": random_walk(100)})
    assert str(caught.value).startswith("the bars run from 2001-01-01 to 2001-04-10, validation begins 200")
    assert str(caught.value).endswith("which leaves a slice empty; change data.validation_start or data.test_start")


def test_a_portfolio_is_loaded_by_name_and_cut_at_common_times():
    uris = {"long": "synthetic:gbm?n=200&start=2000-01-03", "short": "synthetic:gbm?n=100&start=2000-05-22"}
    data = DataConfig(bars=uris, validation_start=0.5, test_start=0.75)
    bars = data.load()
    assert {name: len(frame) for name, frame in bars.items()} == {"long": 200, "short": 100}
    assert bars["long"].index[100] == bars["short"].index[0]
    slices = data.cut(bars)
    assert slices.validation[1] == bars["short"].index[50]
    assert slices.test[1] == bars["short"].index[75]
    assert {name: len(frame) for name, frame in slices.train.items()} == {"long": 150, "short": 50}


def test_instruments_that_never_meet_are_refused():
    uris = {"early": "synthetic:gbm?n=20&start=2000-01-03", "late": "synthetic:gbm?n=20&start=2010-01-04"}
    data = DataConfig(bars=uris)
    with pytest.raises(BarsError, match=r"^early, late have no bar at a common time; choose instruments that overlap$"):
        data.cut(data.load())
