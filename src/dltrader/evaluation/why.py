"""Why a number of an evaluation is missing, said beside it: a reader must not have to guess what a gap means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dltrader.evaluation.evaluation import missing

ONE = "there is one of them, and an interval takes several"
UNVARIED = "returns never vary"
SHORT = "there are too few bars"

BY_NAME = {
    "sharpe": UNVARIED,
    "sortino": "returns never vary, or no bar lost",
    "calmar": "there was no drawdown",
    "win_rate": "no trade was closed",
    "profit_factor": "no closed trade lost",
    "annual_return": "beyond all numbers, compounded from so few bars",
    "annual_volatility": SHORT,
    "turnover": SHORT,
    "flips": SHORT,
    "exposure_entropy": SHORT,
    "net_exposure": "the account was ruined at once",
    "in_market": "the account was ruined at once",
    "exposure": "the account was ruined",
    "correlation": UNVARIED,
    "psr": UNVARIED,
    "dsr": UNVARIED,
    "difference_low": SHORT,
    "difference_high": SHORT,
}
"""Name of a number -> why it may be missing."""

ENDS = {"low": "estimate", "high": "estimate"}


def whys(sections: Mapping[str, Any], known: Mapping[str, str]) -> dict[str, str]:
    """Dotted path -> why the number there is missing.

    A null in `about` or in `folds` is a value: a configuration has them, and the row of a fold that did not fail.

    Args:
        sections: Name -> a section's plain values.
        known: Reasons that are known, by the dotted path of a number or of what it stands in, or by its last name.
    """
    measured = {name: values for name, values in sections.items() if name not in {"about", "folds"}}
    return {path: _why(path, sections, known) for path in missing(measured)}


def _why(path: str, sections: Mapping[str, Any], known: Mapping[str, str]) -> str:
    parts = path.split(".")
    for end in range(len(parts), 0, -1):
        told = known.get(".".join(parts[:end]))
        if told is not None:
            return told
    name, around = parts[-1], _at(sections, parts[:-1])
    if isinstance(around, Mapping) and around.get("why"):
        return str(around["why"])
    if name in known:
        return known[name]
    if name in BY_NAME:
        return BY_NAME[name]
    middle = ENDS.get(name, name.removesuffix("_low").removesuffix("_high"))
    if middle != name and isinstance(around, Mapping) and around.get(middle) is not None:
        return ONE
    metric = parts[-2] if name in {"estimate", *ENDS} else middle
    return known.get(metric, BY_NAME.get(metric, "it is not defined for what was traded"))


def _at(values: Any, parts: list[str]) -> Any:
    for part in parts:
        values = values[int(part)] if isinstance(values, list | tuple) else values[part]
    return values
