"""Are these bars what they claim to be? A check for gaps, unadjusted splits, stale prices and other faults of data.

`validate_bars` refuses bars that cannot be; this check names bars that can be and hardly are. Findings have two levels:
a problem is most likely a fault, and what markets do as well, such as a crash, is only worth a look.
"""

from __future__ import annotations

from dltrader.data.bars import DAY, Bars, median_gap, times_of, validate_bars
from dltrader.data.calendars import schedule_of
from dltrader.data.findings import Finding, Findings
from dltrader.data.gaps import SHORTEST_DAY, SHORTEST_WEEK, against_calendar, by_habit
from dltrader.data.suspects import DAILY, WITHIN_DAY, idle, jumps, stale, wicks
from dltrader.errors import ConfigError


def check_bars(bars: Bars, calendar: str | None = None) -> Findings:
    """Look for faults in bars.

    Args:
        bars: Bars of one instrument.
        calendar: The exchange's calendar, such as XNYS, for bars of a day or shorter; None: gaps are judged by the
            interval and the weekdays that the bars themselves keep, and a holiday cannot be told from a gap of a day.

    Raises:
        BarsError: The bars break their rules.
        ConfigError: The bars are longer than a day, for which no calendar tells, or the calendar does not reach so far.
        MissingExtraError: A calendar is asked for and exchange-calendars is not installed.
        UnknownNameError: There is no such calendar.
    """
    bars = validate_bars(bars)
    index = times_of(bars)
    found: list[Finding] = []
    gap = median_gap(index) if len(index) > 1 else SHORTEST_DAY
    if calendar is not None:
        if gap >= SHORTEST_WEEK:
            raise ConfigError(f"a calendar tells nothing of bars longer than a day; check them without {calendar}")
        # In UTC a session may begin the day before its date, or end the day after.
        found += against_calendar(index, gap, schedule_of(calendar, index[0] - DAY, index[-1] + DAY))
    else:
        found += by_habit(index, gap)
    thresholds = WITHIN_DAY if gap < SHORTEST_DAY else DAILY
    found += [*jumps(bars), *wicks(bars), *stale(bars, thresholds), *idle(bars, thresholds)]
    return Findings(tuple(sorted(found, key=lambda one: (one.first, one.kind))), calendar, len(bars))
