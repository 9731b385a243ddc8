"""What walk_forward.json says: the folds, how each training ended, and what was earned out of sample."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dltrader.errors import ConfigError, RunError
from dltrader.evaluation.folds import Fold
from dltrader.evaluation.pieces import SCORES
from dltrader.files import write_json, write_text
from dltrader.runs import Run
from dltrader.workflows.fold_jobs import FOLDS, Plan
from dltrader.workflows.resume_policy import differences

RECORD, CONFIG = "walk_forward.json", "config.yaml"
FORMAT = 1

Row = dict[str, Any]
Rows = dict[tuple[int, int], Row]
"""By number of the fold and seed."""


def make_folder(plan: Plan) -> None:
    """Make the folder, or find it as a walk-forward has left it.

    Raises:
        RunError: It holds something else, or cannot be made.
    """
    folder = plan.folder
    ours = (folder / RECORD).is_file() or not folder.exists()
    if not ours and (not folder.is_dir() or any(not each.name.startswith(".") for each in folder.iterdir())):
        raise RunError(f"{folder} already exists and holds no walk-forward; choose another --out or remove it")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / RECORD).is_file():
            write_record(plan, _new_rows(plan), "running")
        (folder / FOLDS).mkdir(exist_ok=True)
        if not (folder / CONFIG).is_file():
            write_text(folder / CONFIG, plan.experiment.to_yaml())
    except OSError as error:
        raise RunError(f"cannot make the folder {folder}: {error.strerror}") from None


def known_rows(plan: Plan) -> Rows:
    """The rows of an earlier call, of trainings that are still there, and new ones for the others.

    Raises:
        ConfigError: It had another configuration, or more seeds.
        RunError: It had other bars.
    """
    record = read_record(plan.folder)
    require_same(plan.folder, record, plan)
    if not set(record["seeds"]) <= set(plan.seeds):
        raise ConfigError(
            f"{plan.folder} has the seeds {record['seeds']}, of which some are not among {list(plan.seeds)}; "
            f"ask for at least {len(record['seeds'])} seeds, or choose another --out"
        )
    rows = _new_rows(plan)
    for row in record["rows"]:
        known = rows[row["fold"], row["seed"]]
        if plan.finished(row["fold"], row["seed"]):
            known |= row | {"status": "finished", "error": None}
            best = Run.open(plan.path(row["fold"], row["seed"])).manifest["best"]  # if it was killed before it was told
            known |= {"validation_growth": best["validation_growth"], "behaviour": best.get("behaviour")}
    return rows


def _new_rows(plan: Plan) -> Rows:
    nothing: Row = {"seconds": None, "validation_growth": None, "behaviour": None, **dict.fromkeys(SCORES)}
    return {
        (fold.number, seed): {"fold": fold.number, "seed": seed, **plan.spans(fold).to_mapping()}
        | {"status": "not begun", "error": None}
        | nothing
        for fold in plan.folds
        for seed in plan.seeds
    }


def require_same(folder: Path, record: Mapping[str, Any], plan: Plan) -> None:
    """Check that what a folder was begun with is what it is to be gone on with.

    Raises:
        ConfigError: The configurations differ; the message names every field.
        RunError: The bars have changed.
    """
    now = plan.facts()
    was = {key: record[key] for key in now}
    found = [
        *differences(was["config"], now["config"]),
        *differences({"warm_start": was["warm_start"]}, {"warm_start": now["warm_start"]}),
    ]
    if found:
        raise ConfigError(
            f"{folder} was begun with another configuration: {', '.join(found)}; go on with its own, or choose "
            "another --out"
        )
    if was["data_sha256"] != now["data_sha256"]:
        raise RunError(
            f"the bars of {folder} have changed since it began: their fingerprint was {was['data_sha256'][:12]}…, now "
            f"{now['data_sha256'][:12]}…; give it the bars of then, or choose another --out"
        )


def write_record(plan: Plan, rows: Rows, status: str) -> None:
    """Write walk_forward.json, whole or not at all."""
    folds = [{"number": fold.number, **plan.spans(fold).to_mapping(), "bars": _lengths(fold)} for fold in plan.folds]
    record = {
        "format": FORMAT,
        "status": status,
        **plan.facts(),
        "seeds": list(plan.seeds),
        "folds": folds,
        "rows": list(rows.values()),
    }
    write_json(plan.folder / RECORD, record)


def _lengths(fold: Fold) -> dict[str, int]:
    groups = {"train": fold.train, "validation": (fold.validation,), "test": fold.test, "too_short": fold.left_out}
    return {name: sum(span.bars for span in group) for name, group in groups.items()}


def read_record(folder: Path) -> dict[str, Any]:
    """What walk_forward.json holds now.

    Raises:
        RunError: It is damaged, or of another format.
    """
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"cannot read {folder / RECORD}: {error}") from None
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise RunError(f"{folder / RECORD} is no record of this format; copy the folder again, or walk forward anew")
    return record
