from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field, SerializeAsAny, model_validator

from dltrader.config import Config, NamedConfig, named, override, parse_overrides, read_yaml
from dltrader.envs.contract import EnvConfig
from dltrader.errors import ConfigError
from dltrader.registry import Registry
from dltrader.runs import ExperimentConfig


class Engine(NamedConfig):
    pass


class Petrol(Engine):
    name: Literal["petrol"] = "petrol"
    litres: float = Field(1.6, gt=0, description="Displacement")


class Fuse(Config):
    amperes: int = Field(10, ge=1)


class Electric(Engine):
    name: Literal["electric"] = "electric"
    kilowatts: float = Field(100.0, gt=0, le=500, description="a power, so 1 horsepower is 0.7355")
    fuse: Fuse = Fuse()

    @model_validator(mode="after")
    def _consistent(self):
        if self.fuse.amperes < self.kilowatts / 100:
            raise ConfigError(f"fuse.amperes must be at least {self.kilowatts / 100:g}, was {self.fuse.amperes}")
        return self


ENGINES = Registry("engine", {"petrol": f"{__name__}:Petrol"})
ENGINES._entries.update(petrol=Petrol, electric=Electric)


class Car(Config):
    engine: Annotated[SerializeAsAny[Engine], named(ENGINES)] = Petrol()
    doors: int = Field(4, ge=1, le=5, description="Doors, the boot included")
    owner: str | None = None
    weights: tuple[float, ...] = Field((1.0,), min_length=1)
    service: Annotated[float, Field(gt=0)] | Literal["never"] = 0.5
    built: str = "2001"


class Garage(Config):
    car: Car = Car()
    cars: tuple[Car, ...] = ()


def message(values, config=Garage):
    with pytest.raises(ConfigError) as caught:
        config.from_mapping(values)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_configuration_is_frozen():
    car = Car()
    with pytest.raises(ValueError, match="frozen"):
        car.doors = 3
    assert car.doors == 4


def test_equal_values_make_equal_configurations():
    assert Car(doors=3) == Car.from_mapping({"doors": 3}) != Car()
    assert len({Fuse(), Fuse(amperes=10), Fuse(amperes=11)}) == 2


UNKNOWN_KEYS = {
    "unknown key 'cra'; did you mean 'car'?": {"cra": 1},
    "unknown key 'xyz'; known: car, cars": {"xyz": 1},
    "unknown key 'car.dors'; did you mean 'car.doors'?": {"car": {"dors": 3}},
    "unknown key 'car.engine.litre'; did you mean 'car.engine.litres'?": {
        "car": {"engine": {"name": "petrol", "litre": 2}}
    },
    "unknown key 'car.engine.fuse.ampere'; did you mean 'car.engine.fuse.amperes'?": {
        "car": {"engine": {"name": "electric", "fuse": {"ampere": 2}}}
    },
    "unknown key 'self'; known: car, cars": {"self": 1},
}


@pytest.mark.parametrize("expected", UNKNOWN_KEYS)
def test_an_unknown_key_is_answered_with_the_whole_path(expected):
    assert message(UNKNOWN_KEYS[expected]) == expected


def test_the_keys_of_a_configuration_that_may_be_absent_are_known_too():
    class Yard(Config):
        car: Car | None = Field(None, description="None parked")

    assert message({"car": {"dors": 3}}, Yard) == "unknown key 'car.dors'; did you mean 'car.doors'?"
    assert "was 6; Doors, the boot included" in message({"car": {"doors": 6}}, Yard)


WRONG_VALUES = {
    "car.doors must be less than or equal to 5, was 6; Doors, the boot included": {"car": {"doors": 6}},
    "car.doors must be an integer, got a number with a fractional part, was 2.5; Doors, the boot included": {
        "car": {"doors": 2.5}
    },
    "car.weights must have at least 1 item, was []": {"car": {"weights": []}},
    "car.weights must be a list, was 'one'": {"car": {"weights": "one"}},
    "car.weights.1 must be a finite number, was inf": {"car": {"weights": [1, float("inf")]}},
    "car must be a mapping, was None": {"car": None},
    "cars.0 must be a mapping, was 7": {"cars": [7]},
    "car.engine.litres must be greater than 0, was 0; Displacement": {
        "car": {"engine": {"name": "petrol", "litres": 0}}
    },
    "car.engine.kilowatts must be less than or equal to 500, was 900; a power, so 1 horsepower is 0.7355": {
        "car": {"engine": {"name": "electric", "kilowatts": 900}}
    },
    "car.engine.fuse.amperes must be at least 3, was 2": {
        "car": {"engine": {"name": "electric", "kilowatts": 300, "fuse": {"amperes": 2}}}
    },
    "car.engine: unknown engine 'petrl'; did you mean 'petrol'?": {"car": {"engine": "petrl"}},
    "car.engine: 'name' is missing; known: petrol, electric": {"car": {"engine": {"litres": 2}}},
    "car.engine must be a mapping, was 5": {"car": {"engine": 5}},
    "car.engine: keys are words, found 1": {"car": {"engine": {"name": "petrol", 1: 2}}},
    "car: keys are words, found True": {"car": {True: 2}},
    "keys are words, found 1": {1: 2},
}


@pytest.mark.parametrize("expected", WRONG_VALUES)
def test_a_wrong_value_is_told_with_its_path_what_is_allowed_and_what_was_found(expected):
    assert message(WRONG_VALUES[expected]) == expected


def test_a_missing_value_is_named():
    class Needy(Config):
        inner: int

    assert message({}, Needy) == "inner is missing"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (-1.0, "car.service must be greater than 0, was -1.0"),
        ("sometimes", "car.service must be 'never', was 'sometimes'"),
    ],
)
def test_of_several_types_the_one_that_was_meant_is_explained_and_no_tag_stands_in_the_path(value, expected):
    assert message({"car": {"service": value}}) == expected


def test_the_constructor_raises_the_same_as_a_mapping():
    with pytest.raises(ConfigError) as caught:
        Car(doors=6)
    assert str(caught.value) == "doors must be less than or equal to 5, was 6; Doors, the boot included"


EXPERIMENTS = {
    "unknown key 'env.costs.comission'; did you mean 'env.costs.commission'?": {"env": {"costs": {"comission": 0}}},
    "env.costs.commission must be less than 0.1, was 5; a fraction of the traded value, so 10 basis points is 0.001": {
        "env": {"costs": {"commission": 5}}
    },
    "unknown key 'agent.extractor.head'; did you mean 'agent.extractor.heads'?": {
        "agent": {"name": "ppo", "extractor": {"name": "attention", "head": 2}}
    },
    "agent.extractor: unknown extractor 'atention'; did you mean 'attention'?": {
        "agent": {"name": "ppo", "extractor": "atention"}
    },
    "unknown key 'env.features.0.windw'; did you mean 'env.features.0.window'?": {
        "env": {"features": [{"name": "rsi", "windw": 3}]}
    },
    "env.features.0: unknown feature 'rsii'; did you mean 'rsi'?": {"env": {"features": ["rsii"]}},
    "env.action: unknown action scheme 'buy_sel_hold'; did you mean 'buy_sell_hold'?": {
        "env": {"action": "buy_sel_hold"}
    },
    "env.action.levels holds the short level -1, but allow_short is false; "
    "leave out negative levels or set allow_short: true": {
        "env": {"allow_short": False, "action": {"name": "target_position", "levels": [-1, 0]}}
    },
}


@pytest.mark.parametrize("expected", EXPERIMENTS)
def test_an_experiment_names_the_key_at_fault(expected):
    assert message(EXPERIMENTS[expected], ExperimentConfig) == expected


def test_a_named_configuration_is_chosen_by_a_name_or_a_mapping_with_it():
    assert Car(engine="electric").engine == Electric()
    assert Car(engine={"name": "electric", "kilowatts": 80}).engine == Electric(kilowatts=80)
    assert Car(engine=Electric(kilowatts=80)).engine.kilowatts == 80.0


def test_a_dotted_key_is_overridden_and_its_neighbours_stay():
    garage = Garage(car=Car(doors=3, engine=Electric(kilowatts=80)))
    changed = garage.with_overrides({"car.engine.fuse.amperes": 16, "car.owner": "Ada"})
    assert changed.car.engine == Electric(kilowatts=80, fuse=Fuse(amperes=16))
    assert (changed.car.owner, changed.car.doors) == ("Ada", 3)
    assert garage.car.owner is None


def test_an_override_replaces_a_whole_choice():
    garage = Garage(car=Car(engine=Electric(kilowatts=80)))
    assert garage.with_overrides({"car.engine": "petrol"}).car.engine == Petrol()


def test_an_unknown_dotted_key_is_refused():
    with pytest.raises(ConfigError) as caught:
        Garage().with_overrides({"car.dors": 3})
    assert str(caught.value) == "unknown key 'car.dors'; did you mean 'car.doors'?"


def test_a_bare_name_on_the_way_becomes_a_mapping():
    values = {"engine": "electric", "doors": 4}
    assert override(values, {"engine.kilowatts": 80}) == {"engine": {"name": "electric", "kilowatts": 80}, "doors": 4}
    assert values == {"engine": "electric", "doors": 4}
    assert EnvConfig.from_mapping(override({"reward": "sortino"}, {"reward.rate": 0.5})).reward.rate == 0.5


def test_overrides_reach_where_nothing_stands_yet_and_later_ones_win():
    assert override({}, {"a.b.c": 1, "a.b.d": 2}) == {"a": {"b": {"c": 1, "d": 2}}}
    assert override({"a": {"b": 1}}, {"a": {"c": 2}, "a.d": 3}) == {"a": {"c": 2, "d": 3}}
    assert override({"a": None}, {"a.b": 1}) == {"a": {"b": 1}}


@pytest.mark.parametrize(
    ("pair", "expected"),
    [
        ("train.total_timesteps=50_000", {"train.total_timesteps": 50_000}),
        ("agent.learning_rate=3e-4", {"agent.learning_rate": 0.0003}),
        ("a=1E5", {"a": 100_000.0}),
        ("a=-2.5", {"a": -2.5}),
        ("a=010", {"a": 10}),
        ("a=true", {"a": True}),
        ("a=null", {"a": None}),
        ("a=", {"a": None}),
        ("a=nan", {"a": "nan"}),
        ("a=[0, 1]", {"a": [0, 1]}),
        ("a={name: sortino, rate: 0.5}", {"a": {"name": "sortino", "rate": 0.5}}),
        ("a=synthetic:gbm?n=2000&seed=1", {"a": "synthetic:gbm?n=2000&seed=1"}),
        ("a='3'", {"a": "3"}),
        ("a=2010-02-28", {"a": dt.date(2010, 2, 28)}),
    ],
)
def test_a_pair_is_a_key_and_a_value_in_yaml(pair, expected):
    found = parse_overrides([pair])
    assert found == expected
    assert [type(value) for value in found.values()] == [type(value) for value in expected.values()]


def test_of_equal_keys_the_last_pair_wins():
    assert parse_overrides(["a=1", "b=2", "a=3"]) == {"a": 3, "b": 2}
    assert parse_overrides([]) == {}


@pytest.mark.parametrize("pair", ["a", "=1", "", "="])
def test_what_is_no_pair_is_refused(pair):
    with pytest.raises(ConfigError) as caught:
        parse_overrides(["b=1", pair])
    assert str(caught.value) == f"cannot read {pair!r}; write key=value, such as train.total_timesteps=50000"


@pytest.mark.parametrize("pair", ["a=[1", "a={", "a=2010-02-30", "a=!!python/object:os.system x", "a=\x00"])
def test_a_value_that_is_no_yaml_is_refused(pair):
    with pytest.raises(ConfigError) as caught:
        parse_overrides([pair])
    assert str(caught.value) == f"the value in {pair!r} is not YAML"


@given(st.integers() | st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_are_read_back_from_a_pair(value):
    found = parse_overrides([f"key={value!r}"])["key"]
    assert (found, type(found)) == (value, type(value))


FLOATS = st.floats(min_value=1e-300, max_value=1e300)
ENGINES_MADE = st.builds(Petrol, litres=FLOATS) | st.builds(
    Electric, kilowatts=st.floats(0.001, 500), fuse=st.builds(Fuse, amperes=st.integers(5, 10**20))
)
CARS = st.builds(
    Car,
    engine=ENGINES_MADE,
    doors=st.integers(1, 5),
    owner=st.none() | st.text(),
    weights=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=4),
    service=FLOATS | st.just("never"),
    built=st.text()
    | st.sampled_from(["yes", "1e5", "2010-01-01", "null", "~", "0x10", "1_000", "12:30", "", " ", "=", "<<"]),
)


@settings(max_examples=50)
@given(st.builds(Garage, car=CARS, cars=st.lists(CARS, max_size=2)))
def test_yaml_gives_back_what_was_written(tmp_path_factory, garage):
    path = tmp_path_factory.getbasetemp() / "garage.yaml"
    path.write_text(garage.to_yaml(), encoding="utf-8", newline="")
    assert Garage.from_yaml(path) == garage
    assert Garage.from_mapping(garage.to_mapping()) == garage


ENV_VALUES = st.fixed_dictionaries(
    {},
    optional={
        "window_bars": st.integers(1, 100),
        "action": st.sampled_from(
            [
                "target_weight",
                "buy_sell_hold",
                {"name": "buy_sell_hold", "max_units": 5},
                {"name": "target_position", "levels": [-0.25, 0, 1]},
            ]
        ),
        "reward": st.sampled_from(["profit", "log_growth", "sortino", {"name": "differential_sharpe", "rate": 0.1}]),
        "features": st.just(["rsi", {"name": "log_return", "horizon": 3}]),
        "scaling": st.sampled_from(["rolling", "train", "none"]),
        "cash": st.floats(1, 1e9),
        "lot_size": st.sampled_from([0, 0.01, 1]),
        "episode_bars": st.none() | st.integers(1, 1000),
    },
)


@given(ENV_VALUES)
def test_an_environment_survives_yaml_twice(tmp_path_factory, values):
    config = EnvConfig.from_mapping(values)
    path = tmp_path_factory.getbasetemp() / "env.yaml"
    path.write_text(config.to_yaml(), encoding="utf-8")
    read = EnvConfig.from_yaml(path)
    assert read == config
    assert read.to_yaml() == config.to_yaml()
    assert type(read.action) is type(config.action)


def test_a_reward_without_a_name_cannot_be_written():
    def mine(step):
        return 0.0

    with pytest.raises(ConfigError, match=r"^the reward .*mine has no name to be saved under; register it first: "):
        EnvConfig(reward=mine).to_yaml()


def test_an_empty_file_is_the_default(tmp_path):
    path = tmp_path / "empty.yaml"
    path.write_text("# nothing yet\n")
    assert Garage.from_yaml(path) == Garage()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- 1\n- 2\n", "{path} must hold keys and values, found list"),
        ("word", "{path} must hold keys and values, found str"),
        ("1: 2", "{path}: keys are words, found 1"),
        ("on: 2", "{path}: keys are words, found True"),
        ("built: 2010-02-30", "{path} is not YAML: day"),
        ("a: b: c", "{path} is not YAML: mapping values are not allowed here"),
        ("a: !!python/object:os.system x", "{path} is not YAML: could not determine a constructor"),
        ("a: [1", "{path} is not YAML: while parsing a flow sequence"),
        ("\tcar: 1", "{path} is not YAML: while scanning for the next token"),
    ],
)
def test_a_file_that_is_no_mapping_in_yaml_is_refused(tmp_path, text, expected):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_yaml(path)
    assert str(caught.value).startswith(expected.format(path=path))
    assert "\n" not in str(caught.value)


def test_a_file_in_another_encoding_is_refused(tmp_path):
    path = tmp_path / "latin.yaml"
    path.write_bytes("owner: Ångström".encode("latin-1"))
    with pytest.raises(ConfigError, match="is not YAML: 'utf-8' codec can't decode"):
        read_yaml(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(ConfigError) as caught:
        Garage.from_yaml(tmp_path / "none.yaml")
    assert str(caught.value) == f"cannot read the configuration {tmp_path / 'none.yaml'}: No such file or directory"
    with pytest.raises(ConfigError, match=r"Is a directory$"):
        Garage.from_yaml(tmp_path)
