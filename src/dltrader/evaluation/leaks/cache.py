"""Keys of a cache: a request for other bars must not be answered with those of an earlier one."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any

import pandas as pd

from dltrader.evaluation.leaks.report import Checked, Finding, Part


def check_cache_key(key: Callable[..., Hashable], request: Mapping[str, Any], others: Mapping[str, Any]) -> Part:
    """Look whether a cache tells requests apart: a field that its key leaves out lets bars of another time in.

    Args:
        key: The fields of a request, by keyword -> under what its answer is kept.
        request: A request.
        others: Field -> another value for it, such as another `start` or `end`.
    """
    findings = []
    for name, other in others.items():
        if key(**request) != key(**(dict(request) | {name: other})):
            continue
        times = [time for time in (request.get(name), other) if time is not None]
        try:
            first = min(pd.Timestamp(time) for time in times)
        except (TypeError, ValueError):  # not every field is a time
            first = None
        reason = f"is not in the key: {request.get(name)} and {other} are answered with the same bars"
        findings.append(Finding("cache", name, first, float("nan"), float("nan"), reason))
    return Part(findings, [Checked("cache", "keys compared", len(others), len(others))])
