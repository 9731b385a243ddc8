"""Manifests: what they vouch for, and that they refuse whatever differs."""

from __future__ import annotations

import os
import random

import pytest

from dltrader.errors import BundleError
from dltrader.files import sha256_of
from dltrader.forecast.manifest import MANIFEST, MOST_BYTES, require_vouched, write_manifest

CONTENT = {"a.txt": b"one\ntwo\n", "inner/b.bin": bytes(range(256)), "inner/deeper/empty": b""}


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "bundle"
    for name, content in CONTENT.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    write_manifest(root)
    return root


def refused(folder, words):
    with pytest.raises(BundleError, match=words) as found:
        require_vouched(folder)
    assert "\n" not in str(found.value)


def test_a_folder_as_it_was_written_is_vouched_for(folder, tmp_path):
    require_vouched(folder)
    (tmp_path / "named").symlink_to(folder)  # the folder itself may be reached by another name
    require_vouched(tmp_path / "named")


def test_a_manifest_lists_every_file_and_is_written_alike_for_equal_files(folder):
    first = (folder / MANIFEST).read_bytes()
    assert [first.count(f'"{name}"'.encode()) for name in CONTENT] == [1, 1, 1]
    assert write_manifest(folder) == sha256_of(folder / MANIFEST)
    assert (folder / MANIFEST).read_bytes() == first


@pytest.mark.parametrize("name", [*CONTENT, MANIFEST])
def test_any_altered_byte_is_refused(folder, name):
    path = folder / name
    content, generator = path.read_bytes(), random.Random(name)
    places = generator.sample(range(len(content)), min(120, len(content)))
    for place in places:
        # Any other byte, not a flipped bit alone: blanks of JSON can be exchanged for other blanks.
        other = generator.choice([byte for byte in (*range(256), *b" \t\n\r" * 40) if byte != content[place]])
        path.write_bytes(content[:place] + bytes([other]) + content[place + 1 :])
        with pytest.raises(BundleError):
            require_vouched(folder)
    path.write_bytes(content)
    require_vouched(folder)


@pytest.mark.parametrize("change", [b"", b"one\ntwo", b"one\ntwo\n\n"], ids=["emptied", "cut", "longer"])
def test_another_length_is_refused_with_both(folder, change):
    (folder / "a.txt").write_bytes(change)
    refused(folder, f"has {len(change)} bytes, manifest.json says 8")


def test_a_missing_and_an_additional_file_are_refused(folder):
    (folder / "inner" / "more.txt").write_text("more")
    refused(folder, r"inner/more\.txt is not listed")
    (folder / "inner" / "more.txt").unlink()
    (folder / "a.txt").unlink()
    refused(folder, r"a\.txt is missing")


def test_links_are_refused_wherever_they_lead(folder, tmp_path):
    outside = tmp_path / "outside.txt"
    outside.write_bytes(CONTENT["a.txt"])
    (folder / "a.txt").unlink()
    (folder / "a.txt").symlink_to(outside)
    refused(folder, r"a\.txt is a link")
    (folder / "a.txt").unlink()
    (folder / "a.txt").write_bytes(CONTENT["a.txt"])
    (folder / "inner").rename(tmp_path / "inner")
    (folder / "inner").symlink_to(tmp_path / "inner")
    refused(folder, "inner is a link")
    (folder / "inner").unlink()
    (tmp_path / "inner").rename(folder / "inner")
    (folder / MANIFEST).rename(tmp_path / MANIFEST)
    (folder / MANIFEST).symlink_to(tmp_path / MANIFEST)
    refused(folder, r"manifest\.json is a link")


def test_what_is_no_file_is_refused(folder):
    os.mkfifo(folder / "pipe")
    refused(folder, "pipe is neither a file nor a folder")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "truncated or altered"),
        ("[" * 100_000, "truncated or altered"),
        ("{}", "is no manifest"),
        ('{"format": 2, "files": {}}', "has format 2"),
        ('{"format": 1, "files": []}', "every file has its bytes"),
        ('{"format": 1, "files": {"a.txt": {"bytes": true, "sha256": "0"}}}', "every file has its bytes"),
        ('{"format": 1, "files": {}}', "not as it was written"),
        ("7" * (MOST_BYTES + 1), "truncated or altered|is no manifest"),
    ],
)
def test_a_manifest_of_another_form_is_refused(folder, text, words):
    (folder / MANIFEST).write_text(text)
    refused(folder, words)


def test_a_folder_without_a_manifest_is_refused(folder):
    (folder / MANIFEST).unlink()
    refused(folder, "nothing else vouches")
