from __future__ import annotations

import hashlib
import json
import math
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dltrader.files import new_folder, sha256_of, write_json, write_text

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def write_then_fail(file, error):
    file.write_text("new")
    raise error


def files_in(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@given(values=plain)
def test_json_is_read_back_as_it_was_written(values, tmp_path_factory):
    file = tmp_path_factory.mktemp("json") / "values.json"
    write_json(file, values)
    assert json.loads(file.read_text(encoding="utf-8")) == values


def test_what_is_not_finite_becomes_null(tmp_path):
    write_json(tmp_path / "a.json", {"a": math.nan, "b": [math.inf, -math.inf, (1.5, 2)]})
    assert json.loads((tmp_path / "a.json").read_text()) == {"a": None, "b": [None, None, [1.5, 2]]}


def test_text_ends_its_lines_alike_everywhere(tmp_path):
    write_text(tmp_path / "a.txt", "ä\nb\n")
    assert (tmp_path / "a.txt").read_bytes() == b"\xc3\xa4\nb\n"


def test_others_may_read_what_is_written(tmp_path):
    write_text(tmp_path / "a.txt", "a")
    with new_folder(tmp_path / "folder") as folder:
        (folder / "b").write_text("b")
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o644
    assert stat.S_IMODE((tmp_path / "folder").stat().st_mode) == 0o755


def test_a_file_that_cannot_be_written_leaves_the_old_one_alone(tmp_path, monkeypatch):
    file = tmp_path / "a.txt"
    write_text(file, "old")

    def fail(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="No space left"):
        write_text(file, "new")
    monkeypatch.undo()
    assert file.read_text() == "old"
    assert files_in(tmp_path) == ["a.txt"]


def test_what_is_no_json_leaves_nothing(tmp_path):
    with pytest.raises(TypeError, match="not JSON serializable"):
        write_json(tmp_path / "a.json", {"a": object()})
    assert files_in(tmp_path) == []


def test_a_folder_appears_when_it_is_whole(tmp_path):
    with new_folder(tmp_path / "deep" / "folder") as folder:
        (folder / "a").write_text("a")
        assert not (tmp_path / "deep" / "folder").exists()
    assert files_in(tmp_path) == ["deep", "deep/folder", "deep/folder/a"]


def test_a_folder_takes_the_place_of_an_older_one(tmp_path):
    for name in ("old", "new"):
        with new_folder(tmp_path / "folder") as folder:
            (folder / name).write_text(name)
    assert files_in(tmp_path) == ["folder", "folder/new"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_the_old_folder_and_nothing_else(tmp_path, error):
    with new_folder(tmp_path / "folder") as folder:
        (folder / "old").write_text("old")
    with pytest.raises(error), new_folder(tmp_path / "folder") as folder:
        write_then_fail(folder / "new", error)
    assert files_in(tmp_path) == ["folder", "folder/old"]


@pytest.mark.parametrize("failing_move", [1, 2])
def test_a_failed_move_puts_the_old_folder_back(tmp_path, monkeypatch, failing_move):
    with new_folder(tmp_path / "folder") as folder:
        (folder / "old").write_text("old")
    moves, replace = [], os.replace

    def flaky(self, target):
        moves.append(target)
        if len(moves) == failing_move:
            raise KeyboardInterrupt
        replace(self, target)
        return Path(target)

    monkeypatch.setattr(Path, "replace", flaky)
    with pytest.raises(KeyboardInterrupt), new_folder(tmp_path / "folder") as folder:
        (folder / "new").write_text("new")
    assert (tmp_path / "folder" / "old").read_text() == "old"
    assert files_in(tmp_path) == ["folder", "folder/old"]


def test_sha256_is_that_of_the_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256_of(tmp_path / "a") == hashlib.sha256(b"abc").hexdigest()
