"""The checksum manifest of a folder: which files there are, how long each is, and what its bytes hash to.

Some formats, such as the text of LightGBM, are read by code that trusts them: a hostile file can write where it must
not. So no file of a folder is parsed before the manifest has vouched for every one of them, and a manifest vouches for
the whole folder: a file too many, one too few, a link or another byte is refused.

A manifest tells damage and tampering with single files from what was written. Whoever can replace a whole folder can
replace its manifest too: keep `sha256_of(folder / MANIFEST)` elsewhere, as an ensemble does of its members, to tell.
"""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

from dltrader.errors import BundleError
from dltrader.files import sha256_of, write_bytes

FORMAT = 1
MANIFEST = "manifest.json"
MOST_BYTES = 1 << 20
"""Of a manifest more is not read: it holds four lines a file."""


def write_manifest(folder: Path) -> str:
    """Vouch for all files that are in a folder now.

    Returns:
        The sha256 of the manifest.

    Raises:
        BundleError: Something in the folder is neither a file nor a folder.
    """
    (folder / MANIFEST).unlink(missing_ok=True)
    entries = {name: {"bytes": path.stat().st_size, "sha256": sha256_of(path)} for name, path in _files(folder).items()}
    write_bytes(folder / MANIFEST, _written({"format": FORMAT, "files": entries}))
    return sha256_of(folder / MANIFEST)


def require_vouched(folder: Path) -> None:
    """See that a folder holds the files of its manifest, all of them and nothing else, byte for byte.

    Raises:
        BundleError: There is no manifest, or a file is missing, altered, one too many, or a link.
    """
    entries = _entries(folder / MANIFEST)
    found = _files(folder)
    found.pop(MANIFEST, None)
    for name in sorted(entries.keys() - found.keys()):
        raise BundleError(f"{folder / name} is missing, and {MANIFEST} lists it; copy the whole folder again")
    for name in sorted(found.keys() - entries.keys()):
        raise BundleError(f"{folder / name} is not listed in {MANIFEST}; remove it, or copy the folder again")
    for name, path in sorted(found.items()):
        _require_same(path, entries[name])


def _require_same(path: Path, expected: dict[str, Any]) -> None:
    """See that a file is as long as its entry says, and has its bytes."""
    try:
        size = path.stat().st_size
        # A length that is wrong makes it needless to read the file.
        hashed = sha256_of(path) if size == expected["bytes"] else ""
    except OSError as error:
        raise BundleError(f"cannot read {path}: {error.strerror}; make it readable, or copy the folder again") from None
    if not hashed:
        raise BundleError(
            f"{path} is truncated or altered: it has {size} bytes, {MANIFEST} says {expected['bytes']}; "
            "copy the folder again"
        )
    if hashed != expected["sha256"]:
        raise BundleError(
            f"{path} is altered: its sha256 is {hashed[:12]}…, {MANIFEST} says {expected['sha256'][:12]}…; "
            "copy the folder again"
        )


def _files(folder: Path) -> dict[str, Path]:
    """Every file in a folder by its path in there, without following a link."""
    files: dict[str, Path] = {}
    for at, folders, names in os.walk(folder):
        for name in [*folders, *names]:
            path = Path(at) / name
            mode = path.lstat().st_mode
            if stat.S_ISLNK(mode):
                raise BundleError(f"{path} is a link; put the file itself in its place")
            if stat.S_ISREG(mode):
                files[path.relative_to(folder).as_posix()] = path
            elif not stat.S_ISDIR(mode):
                raise BundleError(f"{path} is neither a file nor a folder; remove it")
    return files


def _entries(path: Path) -> dict[str, dict[str, Any]]:
    """What a manifest says, checked to be of the form that `write_manifest` gives it."""
    if path.is_symlink():
        raise BundleError(f"{path} is a link; put the file itself in its place")
    try:
        with path.open("rb") as file:
            written = file.read(MOST_BYTES)
        manifest = json.loads(written)
    except FileNotFoundError:
        raise BundleError(f"{path} is missing; nothing else vouches for the folder, so copy the whole of it") from None
    except (OSError, ValueError, RecursionError) as error:
        raise BundleError(f"{path} is truncated or altered: {error}; copy the folder again") from None
    if not isinstance(manifest, dict) or manifest.keys() != {"format", "files"}:
        raise BundleError(f"{path} is no manifest: it must hold format and files; copy the folder again")
    if manifest["format"] != FORMAT:
        raise BundleError(
            f"{path} has format {manifest['format']!r}, this version of dltrader reads {FORMAT}; "
            "use the version that wrote it"
        )
    entries = manifest["files"]
    if not isinstance(entries, dict) or not all(_is_entry(entry) for entry in entries.values()):
        raise BundleError(f"{path} is altered: every file has its bytes and its sha256; copy the folder again")
    if written != _written(manifest):  # what is read alike need not be what was written
        raise BundleError(f"{path} is altered: it is not as it was written; copy the folder again")
    return entries


def _written(manifest: dict[str, Any]) -> bytes:
    return (json.dumps(manifest, indent=2) + "\n").encode()


def _is_entry(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and entry.keys() == {"bytes", "sha256"}
        and type(entry["bytes"]) is int
        and isinstance(entry["sha256"], str)
    )
