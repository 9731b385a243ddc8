from __future__ import annotations

import json
import math

import numpy as np
import pytest

from dltrader.errors import RunError
from dltrader.runs import state as states
from dltrader.runs.state import drop_state, load_state, save_state

STATE = {
    "flags": np.array([True, False]),
    "words": np.arange(3, dtype=np.uint32),
    "empty": np.zeros((0, 4), np.float32),
    "lone": np.array(0.1),
    "rows": [{"steps": 128, "growth": math.nan}, {"steps": 256, "growth": 0.1 + 0.2}],
    "inner": {"large": 2**100, "none": None, "yes": True, "parts": [np.eye(2), {"deep": np.array([-1, 2**62])}]},
}


def same(one, other):
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    return type(one) is type(other) and repr(one) == repr(other)


def altered(folder, **values):
    """Change what state.json says, and leave its checksum."""
    path = folder / "state.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.fixture
def folder(tmp_path):
    save_state(tmp_path / "state", STATE, 128)
    return tmp_path / "state"


def test_a_state_comes_back_bit_for_bit(folder):
    assert same(load_state(folder), STATE)
    assert sorted(path.name for path in folder.iterdir()) == ["000000128.safetensors", "state.json"]


def test_a_cut_out_of_an_array_comes_back(tmp_path):
    table = np.arange(12.0).reshape(3, 4)
    save_state(tmp_path, {"column": table[:, 1], "turned": table.T, "number": np.float64(0.1)}, 1)
    found = load_state(tmp_path)
    assert found["column"].tolist() == [1.0, 5.0, 9.0]
    assert found["turned"].tolist() == table.T.tolist()
    assert (type(found["number"]), found["number"]) == (float, 0.1)


def test_what_is_read_can_be_written_to(folder):
    load_state(folder)["inner"]["parts"][0][0, 0] = 7.0
    assert load_state(folder)["inner"]["parts"][0][0, 0] == 1.0


def test_only_the_newest_is_kept(folder):
    (folder / ".state.json.killed").write_text("half")
    save_state(folder, {"one": np.ones(1)}, 256)
    assert sorted(path.name for path in folder.iterdir()) == ["000000256.safetensors", "state.json"]
    assert load_state(folder) == {"one": np.ones(1)}


def test_a_process_that_is_killed_while_it_writes_leaves_the_older_state(folder, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(states, "write_text", killed)
    with pytest.raises(KeyboardInterrupt):
        save_state(folder, {"one": np.ones(1)}, 256)
    assert same(load_state(folder), STATE)


def test_truncated_arrays_are_refused(folder):
    file = folder / "000000128.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(
        RunError, match=r"000000128.safetensors is truncated or altered: its sha256 is \w{12}…, state.json"
    ):
        load_state(folder)


def test_missing_arrays_are_refused(folder):
    (folder / "000000128.safetensors").unlink()
    with pytest.raises(RunError, match=r"000000128.safetensors is truncated or altered: .*No such file"):
        load_state(folder)


@pytest.mark.parametrize(
    ("text", "why"),
    [("{", "Expecting property name"), ("[]", "it describes no state"), ("{}", "it describes no state")],
)
def test_a_description_that_is_none_is_refused(folder, text, why):
    (folder / "state.json").write_text(text)
    with pytest.raises(RunError, match=rf"state.json is truncated or altered: {why}"):
        load_state(folder)


@pytest.mark.parametrize("change", [{"steps": 999}, {"values": {}}, {"arrays": "../other"}])
def test_an_altered_description_is_refused(folder, change):
    altered(folder, **change)
    with pytest.raises(
        RunError, match=r"state.json is truncated or altered: its checksum does not match; copy the run"
    ):
        load_state(folder)


def test_another_format_is_refused(folder):
    altered(folder, format=2)
    with pytest.raises(RunError, match=r"has format 2, this version of dltrader reads 1; resume with the version that"):
        load_state(folder)


def test_a_state_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(RunError, match=r"state.json is truncated or altered: .*No such file"):
        load_state(tmp_path)
    drop_state(tmp_path / "nowhere")
