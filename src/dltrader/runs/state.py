"""What a run keeps so that its training can go on: numbers as safetensors and JSON, which run no code when read.

A folder with two files:
    state.json             plain values, the other file's name and checksum; a checksum covers state.json itself
    NNNNNNNNN.safetensors  the arrays, after so many bars
state.json is replaced in one move, and only then does the older file of arrays go: whenever the process is killed,
there is one whole state.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from dltrader.errors import RunError
from dltrader.files import sha256_of, write_text
from dltrader.runs.bundle import checksum_of

FORMAT = 1
DESCRIPTION = "state.json"
ARRAY = "$array"
"""The key of what stands in state.json in place of an array."""


def save_state(folder: Path, state: dict[str, Any], steps: int) -> None:
    """Write a state in place of an older one.

    Args:
        folder: Where it lies; made if it is not there.
        state: Nested mappings and lists of NumPy arrays and of what JSON can hold.
        steps: Bars that it was reached after; more than those of the older one.
    """
    folder.mkdir(exist_ok=True)
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    values = _without_arrays(state, "", arrays)
    file = folder / f"{steps:09d}.safetensors"
    save_file(arrays, file)
    description = {
        "format": FORMAT,
        "steps": steps,
        "arrays": file.name,
        "arrays_sha256": sha256_of(file),
        "values": values,
    }
    # Unlike the other files of a run it may say NaN: what was not a number is to be none again.
    write_text(folder / DESCRIPTION, json.dumps(description | {"checksum": checksum_of(description)}))
    for other in folder.iterdir():
        if other.name not in {file.name, DESCRIPTION}:
            other.unlink()


def load_state(folder: Path) -> dict[str, Any]:
    """Read a state; unpickles nothing and runs no code from it.

    Raises:
        RunError: It is missing, truncated, altered, or of another format.
    """
    path = folder / DESCRIPTION
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _damaged(path, error) from None
    if not isinstance(description, dict) or "checksum" not in description:
        raise _damaged(path, "it describes no state")
    if description.get("format") != FORMAT:
        raise RunError(
            f"{path} has format {description.get('format')!r}, this version of dltrader reads {FORMAT}; "
            "resume with the version that wrote it"
        )
    if checksum_of(description) != description["checksum"]:
        raise _damaged(path, "its checksum does not match")
    file = folder / Path(description["arrays"]).name
    try:
        found = sha256_of(file)
        if found != description["arrays_sha256"]:
            raise _damaged(
                file, f"its sha256 is {found[:12]}…, {DESCRIPTION} says {description['arrays_sha256'][:12]}…"
            )
        state: dict[str, Any] = _with_arrays(description["values"], load_file(file))
    except RunError:
        raise
    except (OSError, KeyError, SafetensorError) as error:
        raise _damaged(file, error) from None
    return state


def drop_state(folder: Path) -> None:
    """Remove a state, if there is one."""
    shutil.rmtree(folder, ignore_errors=True)


def _damaged(path: Path, why: object) -> RunError:
    return RunError(f"{path} is truncated or altered: {why}; copy the run folder again or train anew")


def _without_arrays(value: Any, path: str, arrays: dict[str, np.ndarray[Any, Any]]) -> Any:
    """A copy in which the path of each array stands for it; the arrays themselves are put into `arrays`."""
    if isinstance(value, dict):
        return {str(key): _without_arrays(part, f"{path}/{key}", arrays) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_without_arrays(part, f"{path}/{i}", arrays) for i, part in enumerate(value)]
    if isinstance(value, np.ndarray):
        arrays[path] = np.require(value, requirements="C")
        return {ARRAY: path}
    return value.item() if isinstance(value, np.generic) else value


def _with_arrays(value: Any, arrays: dict[str, np.ndarray[Any, Any]]) -> Any:
    """The opposite."""
    if isinstance(value, dict):
        if value.keys() == {ARRAY}:
            return arrays[value[ARRAY]]
        return {key: _with_arrays(part, arrays) for key, part in value.items()}
    if isinstance(value, list):
        return [_with_arrays(part, arrays) for part in value]
    return value
