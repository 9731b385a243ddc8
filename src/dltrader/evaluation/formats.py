"""Numbers as people read them; fractions become percent here and nowhere before.

Every picture, report and notebook prints a number of one kind in one way: percent to one decimal, ratios to two.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

NOTHING, MINUS, INFINITY, TIMES = "\N{EN DASH}", "\N{MINUS SIGN}", "\N{INFINITY}", "\N{MULTIPLICATION SIGN}"


def percent(fraction: float, *, signed: bool = False) -> str:
    """0.1234 as "12.3%"; from 1 000 % on without decimals, beyond a million as "1.8e+109%"; nan as a dash."""
    if not math.isfinite(fraction):
        return not_finite(fraction)
    if abs(fraction) >= 1e4:
        return with_minus(f"{100.0 * fraction:{'+' if signed else ''}.2g}%")
    digits = 0 if abs(fraction) >= 9.9995 else 1
    value = round(100.0 * fraction, digits) + 0.0  # no minus zero
    return with_minus(f"{value:{'+' if signed else ''},.{digits}f}%")


def signed_percent(fraction: float) -> str:
    """0.1234 as "+12.3%"; nan as a dash."""
    return percent(fraction, signed=True)


def probability(share: float) -> str:
    """0.1234 as "12.3%"; what is nearly certain, or nearly impossible, is not said to be so: 0.99996 is ">99.9%"."""
    if 0.9995 <= share < 1.0:
        return ">99.9%"
    return "<0.1%" if 0.0 < share < 0.0005 else percent(share)


def ratio(value: float) -> str:
    """1.234 as "1.23", beyond a million as "6.8e+08"; nan as a dash."""
    if not math.isfinite(value):
        return not_finite(value)
    return with_minus(f"{value:.2g}" if abs(value) >= 1e6 else f"{round(value, 2) + 0.0:,.2f}")


def count(value: float) -> str:
    """1234.0 as "1,234"; nan as a dash."""
    return with_minus(f"{value:,.0f}") if math.isfinite(value) else not_finite(value)


def money(value: float) -> str:
    """123456.7 as "123,457"; below 100 with two decimals; nan as a dash."""
    if not math.isfinite(value):
        return not_finite(value)
    return with_minus(f"{value:,.2f}" if 0 < abs(value) < 100 else f"{value:,.0f}")


def basis_points(fraction: float) -> str:
    """0.0005 as "5 bp", 0.00125 as "12.5 bp"; nan as a dash."""
    if not math.isfinite(fraction):
        return not_finite(fraction)
    value = round(1e4 * fraction, 1) + 0.0  # no minus zero
    return with_minus(f"{value:,.0f} bp" if value == round(value) else f"{value:,.1f} bp")


def short_percent(fraction: float) -> str:
    """0.05 as "5%", 0.025 as "2.5%": short enough for an axis."""
    return with_minus(f"{100.0 * fraction:,.6g}%")


# From which size on, the unit, its letter.
_UNITS = ((1e12, 1e12, "T"), (1e9, 1e9, "B"), (1e6, 1e6, "M"), (1e4, 1e3, "k"))


def compact(value: float) -> str:
    """1500000 as "1.5M", 20000 as "20k", 0.25 as "0.25": short enough for an axis."""
    for least, unit, letter in _UNITS:
        if abs(value) >= least:
            return with_minus(f"{value / unit:,.10g}{letter}")
    return with_minus(f"{value:,.10g}")


def not_finite(value: float) -> str:
    """Nan as a dash, the infinities by their sign."""
    return NOTHING if math.isnan(value) else (INFINITY if value > 0 else MINUS + INFINITY)


def with_minus(text: str) -> str:
    """The text with the true minus sign, which is as wide as a plus."""
    return text.replace("-", MINUS)


FORMATS: Mapping[str, Callable[[float], str]] = {
    "percent": percent,
    "signed_percent": signed_percent,
    "probability": probability,
    "ratio": ratio,
    "count": count,
    "money": money,
    "basis_points": basis_points,
}
"""Kind of number -> how it is printed."""

KINDS: Mapping[str, str] = {
    "total_return": "signed_percent",
    "annual_return": "signed_percent",
    "annual_volatility": "percent",
    "max_drawdown": "percent",
    "max_drawdown_bars": "count",
    "trades": "count",
    "win_rate": "percent",
    "exposure": "percent",
    "commission": "money",
    "net_exposure": "percent",
    "in_market": "percent",
    "flips": "percent",
}
"""Metric -> kind of number; those not named are ratios."""

LABELS: Mapping[str, str] = {
    "total_return": "Total return",
    "annual_return": "Return a year",
    "annual_volatility": "Volatility a year",
    "sharpe": "Sharpe ratio",
    "sortino": "Sortino ratio",
    "calmar": "Calmar ratio",
    "max_drawdown": "Deepest drawdown",
    "max_drawdown_bars": "Longest drawdown, bars",
    "trades": "Closed trades",
    "win_rate": "Trades won",
    "profit_factor": "Profit factor",
    "exposure": "Exposure, gross",
    "turnover": "Turnover a year",
    "commission": "Commission",
    "net_exposure": "Exposure, net",
    "in_market": "Bars in the market",
    "fills_per_bar": "Fills a bar",
    "flips": "Bars that flip",
    "exposure_entropy": "Entropy of exposure",
    "correlation": "Correlation with buy-and-hold",
}
"""Metric -> heading."""


def kind_of(metric: str) -> str:
    """What kind of number a metric is."""
    return KINDS.get(metric, "ratio")


def format_metric(metric: str, value: float) -> str:
    """A metric as people read it."""
    return FORMATS[kind_of(metric)](value)


def label_of(metric: str) -> str:
    """A metric's heading; of one without, its name in words."""
    return LABELS.get(metric) or metric.replace("_", " ").capitalize()
