from __future__ import annotations

import pytest

from dltrader.errors import RunError
from dltrader.runs import hold
from dltrader.runs.hold import held


@pytest.fixture
def file(tmp_path):
    (tmp_path / "config.yaml").write_text("name: one\n")
    return tmp_path / "config.yaml"


def test_a_file_is_held_once(file):
    with held(file), pytest.raises(RunError) as caught, held(file):
        pass
    message = f"{file.parent} is being trained by another process; wait until it has ended, or stop it first"
    assert str(caught.value) == message
    with held(file):
        assert file.read_text() == "name: one\n"


def test_it_is_given_back_after_an_error(file):
    with pytest.raises(ZeroDivisionError), held(file):
        _ = 1 / 0
    with held(file):
        pass


def test_nothing_is_held_where_there_are_no_locks(file, monkeypatch):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(hold, "import_module", missing)
    with held(file), held(file):
        assert file.is_file()
