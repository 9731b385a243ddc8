"""The ensemble bundle: members, what their votes weigh, and the rules, in a folder whose files hold data and no code.

    ensemble.json     environment, fitted features, weights, rules, and the checksums of all below
    reference.json    how features were spread over the bars of training, if that was told
    members/NAME/     a forecaster's or a policy's bundle, with the checksums of its files in manifest.json

A checksum in ensemble.json covers ensemble.json itself. A member's folder may be gone: the others vote without it, and
it is named. A folder that is there has to be the one that was written, byte for byte. Equal ensembles are equal bytes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from dltrader.envs.contract import EnvConfig
from dltrader.errors import BundleError
from dltrader.evaluation.monitoring.drift import FeatureReference
from dltrader.features import FittedPipeline
from dltrader.files import json_text, new_folder, sha256_of, write_json
from dltrader.forecast.bundle import load_forecaster, save_forecaster
from dltrader.forecast.manifest import MANIFEST, require_vouched, write_manifest
from dltrader.forecast.members import ForecasterMember, Member, PolicyMember
from dltrader.forecast.policy import EnsemblePolicy
from dltrader.forecast.trading import TradingConfig
from dltrader.forecast.voting import Weighting
from dltrader.registry import built_here
from dltrader.runs.bundle import checksum_of, load_policy, save_policy
from dltrader.runs.ensemble import MEMBER_NAME

FORMAT = 1
DESCRIPTION, MEMBERS, REFERENCE = "ensemble.json", "members", "reference.json"


def save_ensemble(policy: EnsemblePolicy, folder: str | Path, *, reference: FeatureReference | None = None) -> Path:
    """Write an ensemble as a bundle, in place of an older one if there is one.

    Args:
        policy: The ensemble.
        folder: Where to.
        reference: How its features were spread over the bars of training, for whoever monitors it.

    Returns:
        The folder.

    Raises:
        BundleError: A member is neither a forecaster nor a policy.
        ConfigError: The reward of a member is a callable without a registered name.
    """
    folder = Path(folder)
    description: dict[str, Any] = {
        "format": FORMAT,
        "name": policy.name,
        "env": policy.env_config.to_mapping(),
        "pipeline": policy.pipeline.to_mapping(),
        "instruments": list(policy.instruments),
        "interval": _written(policy.interval),
        "weighting": policy.weighting.to_mapping(),
        "trading": policy.trading.to_mapping(),
        "missing": list(policy.missing),
    }
    with new_folder(folder) as filling:
        description["members"] = {
            member.name: _save(member, filling / MEMBERS / member.name) for member in policy.members
        }
        if reference is not None:
            write_json(filling / REFERENCE, reference.to_mapping())
            description["reference_sha256"] = sha256_of(filling / REFERENCE)
        description["checksum"] = checksum_of(description)
        write_json(filling / DESCRIPTION, description)
    return folder


def load_ensemble(folder: str | Path) -> EnsemblePolicy:
    """Read an ensemble from a bundle; unpickles nothing, runs no code from it, and parses only what is vouched for.

    Members whose folders are not there are `missing`, and its name says so, in every title and table.

    Raises:
        BundleError: The bundle is missing, altered or of another format, has no member left, or members were trained on
            different features, scalings or intervals.
        MissingExtraError: The library that reads a member is not installed.
    """
    folder = Path(folder)
    description = _description(folder / DESCRIPTION)
    _require_reference(folder, description)
    with built_here("ensemble", folder):
        entries, missing = dict(description["members"]), [str(name) for name in description["missing"]]
        members = _members(folder / MEMBERS, entries)
        gone = [name for name in entries if name not in members]
        return EnsemblePolicy.of(
            list(members.values()),
            Weighting.from_mapping(description["weighting"]),
            TradingConfig.from_mapping(description["trading"]),
            name=str(description["name"]) + (f" without {', '.join(gone)}" if gone else ""),
            env_config=EnvConfig.from_mapping(description["env"]),
            pipeline=FittedPipeline.from_mapping(description["pipeline"]),
            instruments=tuple(description["instruments"]),
            interval=_read(description["interval"]),
            missing=[*missing, *gone],
        )


def load_reference(folder: str | Path) -> FeatureReference | None:
    """How the features of an ensemble were spread over the bars of training; None where its bundle does not tell.

    Raises:
        BundleError: The bundle is missing, altered or of another format.
    """
    folder = Path(folder)
    description = _description(folder / DESCRIPTION)
    _require_reference(folder, description)
    if "reference_sha256" not in description:
        return None
    try:
        return FeatureReference.from_mapping(json.loads((folder / REFERENCE).read_bytes()))
    except (AttributeError, TypeError, ValueError, RecursionError) as error:
        raise BundleError(f"{folder / REFERENCE} is no reference of this format: {error}") from None


def _require_reference(folder: Path, description: Mapping[str, Any]) -> None:
    """See that the reference is there and as it was written, if the description names one."""
    path, expected = folder / REFERENCE, description.get("reference_sha256")
    if expected is None:
        if path.exists():
            raise BundleError(f"{path} is not listed in {DESCRIPTION}; remove it, or copy the folder again")
        return
    if path.is_symlink() or not path.is_file():
        raise BundleError(f"{path} is missing, or is no file; copy the folder again")
    if sha256_of(path) != expected:
        raise BundleError(f"{path} is altered: its sha256 is not the one in {DESCRIPTION}; copy the folder again")


def _save(member: Member, folder: Path) -> dict[str, Any]:
    """Write a member into a folder, and say what the description is to hold of it."""
    if isinstance(member, ForecasterMember):
        trained = member.trained
        save_forecaster(
            trained.forecaster,
            trained.config,
            folder,
            pipeline=trained.pipeline,
            horizon_bars=trained.horizon_bars,
            instruments=trained.instruments,
            interval=trained.interval,
        )
        return {"kind": "forecaster", "sha256": sha256_of(folder / MANIFEST)}
    if isinstance(member, PolicyMember):
        save_policy(member.trained, folder)
        return {"kind": "policy", "sha256": write_manifest(folder)}
    raise BundleError(
        f"the member {member.name} is a {type(member).__name__}, and only forecasters and policies are kept"
    )


def _members(folder: Path, entries: Mapping[str, Any]) -> dict[str, Member]:
    """The members whose folders are there, by name."""
    _require_names(folder, entries)
    there = [name for name in entries if (folder / name).exists()]
    if not there:
        raise BundleError(f"{folder} holds none of the members {', '.join(entries)}; copy the whole ensemble again")
    return {name: _load(name, entries[name], folder / name) for name in there}


def _load(name: str, entry: Mapping[str, Any], folder: Path) -> Member:
    """The member in a folder."""
    if folder.is_symlink():
        raise BundleError(f"{folder} is a link; put the folder itself in its place")
    require_vouched(folder)
    found = sha256_of(folder / MANIFEST)
    if found != entry["sha256"]:
        raise BundleError(
            f"{folder} is not the member that the ensemble was made with: the sha256 of its {MANIFEST} is "
            f"{found[:12]}…, {DESCRIPTION} says {entry['sha256'][:12]}…; copy the whole ensemble again"
        )
    if entry["kind"] == "forecaster":
        return ForecasterMember(name, load_forecaster(folder))
    if entry["kind"] == "policy":
        return PolicyMember(name, load_policy(folder))
    raise BundleError(f"the member {name} is a {entry['kind']!r}, and only forecasters and policies are read")


def _require_names(folder: Path, entries: Mapping[str, Any]) -> None:
    """Check that names of members are names of folders, and that there are no others."""
    strange = next((name for name in entries if not re.fullmatch(MEMBER_NAME, name)), None)
    if strange is not None:
        raise BundleError(f"{strange!r} is no name of a member; names are lower-case words, such as lstm")
    if folder.is_symlink():
        raise BundleError(f"{folder} is a link; put the folder itself in its place")
    more = sorted({path.name for path in folder.iterdir()} - entries.keys()) if folder.is_dir() else []
    if more:
        raise BundleError(f"{folder / more[0]} is not listed in {DESCRIPTION}; remove it, or copy the folder again")


def _description(path: Path) -> dict[str, Any]:
    try:
        text = path.read_bytes().decode()
        description = json.loads(text)
    except FileNotFoundError:
        raise BundleError(f"{path} is missing; an ensemble is a folder with {DESCRIPTION} and {MEMBERS}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise BundleError(f"{path} is truncated or altered: {error}; copy the folder again") from None
    if not isinstance(description, dict) or not {"checksum", "members"} <= description.keys():
        raise BundleError(f"{path} describes no ensemble; an ensemble is a folder with {DESCRIPTION} and {MEMBERS}")
    if description.get("format") != FORMAT:
        raise BundleError(
            f"{path} has format {description.get('format')!r}, this version of dltrader reads {FORMAT}; "
            "use the version that wrote it"
        )
    # The text too: two numbers may differ in a digit that is beyond their precision.
    if checksum_of(description) != description["checksum"] or json_text(description) != text:
        raise BundleError(f"{path} is altered: its checksum does not match; copy the folder again or train again")
    return description


def _written(interval: pd.Timedelta | None) -> str | None:
    return None if interval is None else interval.isoformat()


def _read(interval: str | None) -> pd.Timedelta | None:
    return None if interval is None else pd.Timedelta(interval)
