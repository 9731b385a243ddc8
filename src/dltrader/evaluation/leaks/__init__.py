"""Leaks: does anything know bars that it cannot know?

A *stage* is something that is computed at every bar, such as features or what a policy sees. To *alter* bars is to put
other plausible ones in their place, or to remove them. A *leak* is a value that changes when bars are altered which
were not there yet when it was known. A *cut* is a bar after which all is altered.

`check` looks at a `Subject`, which is bars and functions of them; `dltrader.check_leaks` makes one of a configuration.
"""

from __future__ import annotations

from dltrader.evaluation.leaks.cache import check_cache_key
from dltrader.evaluation.leaks.causality import Stage, check_stage
from dltrader.evaluation.leaks.cut import Span, check_fit, check_spans
from dltrader.evaluation.leaks.labels import Labels, check_labels
from dltrader.evaluation.leaks.plan import Plan
from dltrader.evaluation.leaks.purge import Purge, check_purge
from dltrader.evaluation.leaks.report import Checked, Finding, LeakReport, Part
from dltrader.evaluation.leaks.subject import Subject, check
from dltrader.evaluation.leaks.tables import Table
from dltrader.evaluation.leaks.trading import Backtest, Recorded, Trading, check_trading
from dltrader.evaluation.leaks.votes import Votes, check_votes

__all__ = [
    "Backtest",
    "Checked",
    "Finding",
    "Labels",
    "LeakReport",
    "Part",
    "Plan",
    "Purge",
    "Recorded",
    "Span",
    "Stage",
    "Subject",
    "Table",
    "Trading",
    "Votes",
    "check",
    "check_cache_key",
    "check_fit",
    "check_labels",
    "check_purge",
    "check_spans",
    "check_stage",
    "check_trading",
    "check_votes",
]
