"""The policy bundle: a trained policy as safetensors and JSON, which run no code when they are read.

A bundle is a folder with two files:
    policy.json           agent, environment, fitted features, instruments, spaces, and the checksum of the weights
    weights.safetensors   the tensors of the network
A checksum in policy.json covers policy.json itself. Equal trainings write equal bytes: nothing in a bundle tells the
time.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from dltrader.agents.config import AGENTS
from dltrader.agents.trained import TrainedPolicy
from dltrader.envs.contract import EnvConfig
from dltrader.errors import BundleError
from dltrader.features import FittedPipeline
from dltrader.files import new_folder, sha256_of, write_json
from dltrader.registry import built_here

FORMAT = 1
DESCRIPTION, WEIGHTS = "policy.json", "weights.safetensors"


def save_policy(policy: TrainedPolicy, folder: str | Path) -> Path:
    """Write a policy as a bundle, in place of an older one if there is one.

    Raises:
        ConfigError: The policy's reward is a callable without a registered name.
    """
    folder = Path(folder)
    description: dict[str, Any] = {
        "format": FORMAT,
        "agent": policy.agent.to_mapping(),
        "env": policy.env_config.to_mapping(),
        "pipeline": policy.pipeline.to_mapping(),
        "instruments": list(policy.instruments),
        "interval": None if policy.interval is None else policy.interval.isoformat(),
        "observation_space": str(policy.observation_space),
        "action_space": str(policy.action_space),
    }
    with new_folder(folder) as filling:
        save_file({name: tensor.contiguous() for name, tensor in policy.weights().items()}, filling / WEIGHTS)
        (filling / WEIGHTS).chmod(0o644)  # safetensors makes it private, a result is not
        description["weights_sha256"] = sha256_of(filling / WEIGHTS)
        description["checksum"] = checksum_of(description)
        write_json(filling / DESCRIPTION, description)
    return folder


def load_policy(folder: str | Path) -> TrainedPolicy:
    """Read a policy from a bundle; unpickles nothing and runs no code from it.

    Features, rewards and agents of your own must be registered before.

    Raises:
        BundleError: The bundle is missing, incomplete, altered, of another format, or names something that is not
            registered here.
    """
    folder = Path(folder)
    description = _description(folder / DESCRIPTION)
    weights = folder / WEIGHTS
    if not weights.is_file():
        raise BundleError(f"{weights} is missing; the policy is incomplete, so train again or copy the whole folder")
    found = sha256_of(weights)
    if found != description["weights_sha256"]:
        raise BundleError(
            f"{weights} is truncated or altered: its sha256 is {found[:12]}…, "
            f"policy.json says {description['weights_sha256'][:12]}…; copy the folder again"
        )
    with built_here("policy", folder, unreadable=(SafetensorError,)):
        name = description["agent"]["name"]
        policy = TrainedPolicy.build(
            AGENTS[name].from_mapping(description["agent"]),
            EnvConfig.from_mapping(description["env"]),
            FittedPipeline.from_mapping(description["pipeline"]),
            tuple(description["instruments"]),
            load_file(weights),
            _interval(description.get("interval")),
        )
    for kind, built in (("observation", policy.observation_space), ("action", policy.action_space)):
        if str(built) != description.get(f"{kind}_space"):
            raise BundleError(
                f"{folder} was trained with the {kind} space {description.get(f'{kind}_space')}, "
                f"this version of dltrader makes {built}; use the version that wrote it"
            )
    return policy


def _interval(written: str | None) -> pd.Timedelta | None:
    """The interval of the bars of training; older bundles do not tell it."""
    return None if written is None else pd.Timedelta(written)


def _description(path: Path) -> dict[str, Any]:
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BundleError(f"{path} is missing; a policy is a folder with {DESCRIPTION} and {WEIGHTS}") from None
    except (OSError, ValueError) as error:
        raise BundleError(f"{path} is truncated or altered: {error}; copy the folder again") from None
    if not isinstance(description, dict) or not {"checksum", "weights_sha256"} <= description.keys():
        raise BundleError(f"{path} describes no policy; a policy is a folder with {DESCRIPTION} and {WEIGHTS}")
    if description.get("format") != FORMAT:
        raise BundleError(
            f"{path} has format {description.get('format')!r}, this version of dltrader reads {FORMAT}; "
            "use the version that wrote it"
        )
    if checksum_of(description) != description["checksum"]:
        raise BundleError(f"{path} is altered: its checksum does not match; copy the folder again or train again")
    return description


def checksum_of(description: Mapping[str, Any]) -> str:
    """The sha256 of plain values, but for their own checksum."""
    covered = {key: value for key, value in description.items() if key != "checksum"}
    return hashlib.sha256(json.dumps(covered, sort_keys=True).encode()).hexdigest()
