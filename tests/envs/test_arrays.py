from __future__ import annotations

from types import ModuleType

import array_api_compat.numpy
import array_api_strict
import numpy as np
import pytest
import torch

from dltrader.envs.arrays import Arrays, Windows, to_numpy
from dltrader.envs.contract import EnvConfig
from dltrader.envs.numeric import FUNCTIONS, choose, higher, lower, nearest, sign, take, truncate
from dltrader.envs.vector import TradingVectorEnv
from dltrader.errors import ConfigError
from market_bars import random_walk

CONFIGS = {
    "plain": {},
    "weights": {"action": "target_weight", "lot_size": 0.0, "leverage": 2.0, "reward": "sortino"},
    "units": {"action": {"name": "buy_sell_hold", "max_units": 3}, "sizing": "at_close", "reward": "profit"},
    "levels": {"action": {"name": "target_position", "levels": [-0.7, 0.0, 0.3]}, "reward": "differential_sharpe"},
    "dear": {"costs": {"commission": 0.05, "slippage": 0.03}, "reward": "drawdown_penalised"},
}
BASE = {"window_bars": 3, "features": ["log_return"], "scaling": "none", "episode_bars": 12, "random_start": True}


@pytest.mark.parametrize("n_instruments", [1, 2])
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize("library", ["torch", array_api_strict], ids=["torch", "strict"])
def test_libraries_of_the_standard_compute_what_numpy_computes(library, config, n_instruments):
    bars = {f"i{i}": random_walk(80, i) for i in range(n_instruments)}
    settings = EnvConfig.from_mapping(BASE | config)
    plain, tensors = (TradingVectorEnv(bars, 16, settings, arrays=arrays) for arrays in ("numpy", library))
    xp = tensors.lanes.arrays.xp
    first, second = plain.reset(seed=1)[0], tensors.reset(seed=1)[0]
    plain.action_space.seed(0)
    endings = 0
    for _ in range(30):
        for name in ("market", "account"):
            assert second[name].dtype == xp.float32
            np.testing.assert_array_equal(first[name], to_numpy(second[name]))
        actions = plain.action_space.sample()
        first, *said, info = plain.step(actions)
        second, *answered, other = tensors.step(xp.asarray(actions))
        for one, two in zip(said, answered, strict=True):
            assert type(two) is type(second["account"])
            np.testing.assert_allclose(np.asarray(one, float), to_numpy(two), rtol=1e-12, atol=1e-15)
        for name in ("position", "filled", "refused", "fill_price", "close", "time"):
            np.testing.assert_array_equal(info[name], to_numpy(other[name]))
        for name in ("equity", "cash", "commission"):
            np.testing.assert_allclose(info[name], to_numpy(other[name]), rtol=1e-12)
        endings += "final_obs" in info
    assert endings >= 2


def test_actions_may_come_from_another_library():
    envs = TradingVectorEnv(random_walk(60), 2, EnvConfig.from_mapping(BASE), arrays="torch")
    envs.reset(seed=0)
    *_, info = envs.step(np.array([2, 0]))
    assert to_numpy(info["filled"]).tolist()[0] > 0
    assert isinstance(info["equity"], torch.Tensor)


class Partial(ModuleType):
    """A library of arrays that has the functions that the lanes ask for, but some."""

    def __init__(self, without=()):
        super().__init__("partial")
        for name in set(FUNCTIONS) - set(without):
            setattr(self, name, getattr(array_api_compat.numpy, name))


def test_a_library_that_lacks_a_function_is_refused_by_the_functions_name():
    with pytest.raises(ConfigError, match=r"the array library partial has no stack, take, which the lanes"):
        Arrays.of(Partial(without=("take", "stack")))
    with pytest.raises(ConfigError, match=r"numpy or torch, or a module .* was 'cupi'"):
        Arrays.of("cupi")


def test_devices_that_are_not_there_are_refused():
    with pytest.raises(ConfigError, match="NumPy computes on the cpu, and device is 'auto'; set arrays to torch"):
        Arrays.of("numpy", "auto")
    with pytest.raises(ConfigError, match="device must be cpu, cuda or auto, was 'gpu'"):
        Arrays.of("torch", "gpu")
    if not torch.cuda.is_available():
        with pytest.raises(ConfigError, match="device is cuda, but torch finds no CUDA device here"):
            Arrays.of("torch", "cuda")


@pytest.mark.parametrize("library", ["numpy", "torch", array_api_strict], ids=["numpy", "torch", "strict"])
def test_windows_are_runs_of_rows(library):
    arrays = Arrays.of(library)
    rows = np.arange(24, dtype=np.float32).reshape(8, 3)
    found = to_numpy(Windows(arrays, arrays.take_in(rows), 2).starting_at(arrays.integers([0, 6, 3])))
    np.testing.assert_array_equal(found, [rows[0:2], rows[6:8], rows[3:5]])


@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_operations_on_arrays_are_those_on_floats(library):
    arrays, numbers = Arrays.of(library), [-2.5, -0.5, 0.0, 0.4, 1.5, 3.0]
    lanes = arrays.xp.asarray(numbers, dtype=arrays.xp.float64)
    for operation in (
        sign, truncate, nearest,
        lambda x: higher(x, 0.3), lambda x: lower(x, 0.3),
        lambda x: choose(x > 0.0, 0.1, 0.7), lambda x: choose(x > 0.0, x, 0.7), lambda x: choose(x > 0.0, 0.1, x),
    ):  # fmt: skip
        found = to_numpy(operation(lanes))
        assert found.dtype == np.float64
        assert found.tolist() == [operation(number) for number in numbers]
    assert to_numpy(take((0.1, 0.2, 0.3), arrays.integers([2, 0]))).tolist() == [0.3, 0.1]
