"""Verdict: what the numbers of an evaluation say, in words.

The first sentence is the answer: how the seeds compare with buy-and-hold, by the paired interval of the difference in
log growth a year of a seed drawn by lot. The others qualify it, the gravest first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from dltrader.evaluation.behaviour import Collapse
from dltrader.evaluation.formats import percent, ratio, signed_percent

HOLDING = 0.95
"""From this exposure and this correlation with buy-and-hold on, a policy merely holds: at most a tenth of the variance
of its returns, 1 - 0.95², is its own doing."""

SIGNIFICANT = 0.95
"""What a probabilistic or deflated Sharpe ratio must reach to be more than luck, at 5 %."""


@dataclass(frozen=True)
class Range:
    """An estimate and the ends of its 95 % interval; nan where there is none, and why."""

    estimate: float
    low: float
    high: float
    why: str | None = None

    @property
    def text(self) -> str:
        """Both ends, in percent."""
        return f"{signed_percent(self.low)} to {signed_percent(self.high)}"

    @property
    def side(self) -> int:
        """1 where all of it is above 0, -1 below, 0 where it contains 0 or is not known."""
        return int(self.low > 0.0) - int(self.high < 0.0)


@dataclass(frozen=True)
class Facts:
    """The numbers that a verdict is made of.

    Attributes:
        seeds: How many were evaluated.
        left_out: Trainings that were not, because they did not finish.
        ruined: Seeds that lost all.
        years: That the test lasted.
        difference: Log growth a year of a seed drawn by lot less that of buy-and-hold; interval over markets.
        seeds_difference: The same over seeds.
        matched_difference: Log growth a year above the same exposure held constantly; nan where there is none.
        exposure: Net exposure, over seeds.
        correlation: Of returns with those of buy-and-hold, over seeds.
        collapses: Collapse -> seeds.
        dsr: Deflated Sharpe ratio.
        trials: Behind the result; None where unknown.
        min_track_record_years: For a Sharpe ratio above 0; nan where no length would do.
        own_cost_bp: Of one side, in the evaluation itself.
        costs_bp: Lowest and highest of the cost curve.
        break_even_bp: Where no growth is left; nan where there is none on the curve.
        profitable: Whether there is growth at the lowest cost of the curve.
    """

    seeds: int
    left_out: int
    ruined: int
    years: float
    difference: Range
    seeds_difference: Range
    matched_difference: float
    exposure: float
    correlation: float
    collapses: Mapping[str, int]
    dsr: float
    trials: int | None
    min_track_record_years: float
    own_cost_bp: float
    costs_bp: tuple[float, float]
    break_even_bp: float
    profitable: bool


def verdict(facts: Facts) -> list[str]:
    """Sentences without a full stop, the answer first."""
    never = facts.collapses.get(Collapse.IDLE, 0)
    if never == facts.seeds:
        who = "" if facts.seeds == 1 else f": all {facts.seeds} seeds stayed flat"
        return [f"never trades{who}", *_said(facts, _left_out)]
    return [_answer(facts), *_said(facts, *QUALIFICATIONS)]


def _said(facts: Facts, *rules: Callable[[Facts], str | None]) -> list[str]:
    return [sentence for rule in rules if (sentence := rule(facts)) is not None]


def _answer(facts: Facts) -> str:
    apart = facts.difference
    if math.isnan(apart.low):
        return f"nothing can be said of it beside buy-and-hold: {apart.why}"
    if apart.side == 0:
        return (
            "indistinguishable from buy-and-hold: the interval of the difference in log growth a year, "
            f"{apart.text}, contains 0"
        )
    word, where = ("better", "above") if apart.side > 0 else ("worse", "below")
    answer = (
        f"{word} than buy-and-hold: the interval of the difference in log growth a year, {apart.text}, lies {where} 0"
    )
    return answer + (_choice(facts) if apart.side > 0 else "")


def _choice(facts: Facts) -> str:
    """What choosing among trials leaves of a good result."""
    if facts.trials is None:
        return ", but how many trials stand behind it is unknown, so it may have been chosen by luck"
    if math.isnan(facts.dsr):
        return ", but it has no deflated Sharpe ratio"
    word = "and" if facts.dsr >= SIGNIFICANT else "but"
    times = "1 trial" if facts.trials == 1 else f"{facts.trials:,} trials"
    return f", {word} the deflated Sharpe ratio is {_below_one(facts.dsr)} after {times}"


def _left_out(facts: Facts) -> str | None:
    if not facts.left_out:
        return None
    return f"{facts.left_out} of {facts.seeds + facts.left_out} trainings did not finish and are left out"


def _ruined(facts: Facts) -> str | None:
    if not facts.ruined:
        return None
    return (
        "it lost all its money" if facts.seeds == 1 else f"{facts.ruined} of {facts.seeds} seeds lost all their money"
    )


def _holds(facts: Facts) -> str | None:
    if not (facts.exposure >= HOLDING and facts.correlation >= HOLDING):
        return None
    return (
        f"merely holds: exposure {ratio(facts.exposure)}, correlation with buy-and-hold {_below_one(facts.correlation)}"
    )


def _collapsed(facts: Facts) -> str | None:
    if not facts.collapses:
        return None
    if facts.seeds == 1:
        return f"collapsed: it {next(iter(facts.collapses))}"
    each = [f"{count} {collapse}" for collapse, count in facts.collapses.items()]
    return f"of {facts.seeds} seeds {sum(facts.collapses.values())} collapsed: {', '.join(each)}"


def _seeds(facts: Facts) -> str | None:
    apart = facts.seeds_difference
    if facts.seeds == 1:
        return "one seed says nothing of others; evaluate several"
    if facts.difference.side == 0 or math.isnan(apart.low) or apart.side == facts.difference.side:
        return None
    where = "contains 0" if apart.side == 0 else "lies on the other side of 0"
    return f"it depends on the seed: the interval of that difference over seeds, {apart.text}, {where}"


def _costs(facts: Facts) -> str | None:
    lowest, highest = facts.costs_bp
    if not facts.profitable:
        return f"has no profit even at {lowest:g} basis points a side"
    if math.isnan(facts.break_even_bp):
        return f"still has a profit at {highest:g} basis points a side, the highest cost tried"
    pays = f", and it pays {facts.own_cost_bp:g}" if facts.own_cost_bp > facts.break_even_bp else ""
    return f"all of its profit is gone at {facts.break_even_bp:.1f} basis points a side{pays}".replace(
        ".0 basis", " basis"
    )


def _timing(facts: Facts) -> str | None:
    gained = facts.matched_difference
    if math.isnan(gained):
        return None
    what = "added" if gained > 0.0 else "cost"
    return (
        f"its choice of moments {what} {percent(abs(gained))} of log growth a year, compared with the same exposure "
        "held constantly"
    )


def _record(facts: Facts) -> str | None:
    needed = facts.min_track_record_years
    if not facts.years < needed < math.inf:
        return None
    return (
        f"its record of {facts.years:.1f} years is too short for a Sharpe ratio above 0 at 95%, which would take "
        f"{needed:,.1f}"
    )


QUALIFICATIONS = (_ruined, _holds, _collapsed, _seeds, _costs, _timing, _record, _left_out)


def _below_one(value: float) -> str:
    """Two decimals, rounded towards 0 just below 1: 0.999 is not 1.00."""
    return ratio(min(value, 0.99) if value < 1.0 else value)
