"""The session of a day trader: when no trade is opened, and when all are closed.

phase    where a decision stands in the session, by the clock: its order fills at the open of the bar that follows
warmup   the first minutes, in which prices are still being found
closing  the order fills in the session's last bar
closed   the order fills outside of the session, or in the first bar of the next
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field

from dltrader.config import Config
from dltrader.data.bars import median_gap
from dltrader.data.sessions import CLOSE, NEW_YORK, OPEN, Clock, TimeOfDay, TimeZone, sessions_of
from dltrader.envs.numeric import Number, choose
from dltrader.errors import ConfigError

Phase: TypeAlias = Literal["open", "warmup", "closing", "closed"]

PHASES: tuple[Phase, ...] = ("open", "warmup", "closing", "closed")
"""What the number of a phase stands for."""

IS_OPEN, IS_WARMUP, IS_CLOSING, IS_CLOSED = range(4)


class Session(Config):
    """When decisions count, by the clock on the market's wall; what it does not allow is not traded.

    With `flat_at_close` the target is flat in every phase but the open one: whatever is held is sold in the session's
    last bar, none is opened in the first minutes, and what an early close has left over is sold at the next open.
    Without it trades wait until the session is open: exposures stay what they are.

    The last bar is told by the clock and the interval of the bars, never by looking whether another follows. On a day
    that closes early positions are therefore held over night.
    """

    timezone: TimeZone = NEW_YORK
    open: TimeOfDay = OPEN
    close: TimeOfDay = CLOSE
    warmup_minutes: int = Field(10, ge=0, le=1_440, description="Minutes after the open in which no trade is opened")
    flat_at_close: bool = Field(default=True, description="Whether nothing is held from one session to the next")

    def phases(self, times: pd.DatetimeIndex) -> npt.NDArray[np.int64]:
        """The phase of a decision at the close of each bar, (bars,) numbers into `PHASES`; from the bars' times only.

        Args:
            times: Of the bars, UTC.

        Raises:
            ConfigError: The bars are too long for a session to have a first and a last one.
            BarsError: There are fewer than two bars.
        """
        clock, gap = Clock(self.timezone, self.open, self.close), median_gap(times) / pd.Timedelta(minutes=1)
        if self.warmup_minutes + 2 * gap > clock.minutes:
            raise ConfigError(
                f"session lasts {clock.minutes} minutes, {clock}, of which {self.warmup_minutes} warm up; that is no "
                f"time to trade bars of {gap:g} minutes: take shorter bars, or leave env.session out"
            )
        elapsed = sessions_of(times, clock).elapsed
        phases = np.full(len(times), IS_OPEN, np.int64)
        phases[elapsed < self.warmup_minutes] = IS_WARMUP
        phases[elapsed + gap >= clock.minutes] = IS_CLOSING
        phases[elapsed >= clock.minutes] = IS_CLOSED
        return phases

    def allowed(self, phase: Number, asked: Sequence[Number], held: Sequence[Number]) -> list[Number]:
        """What is asked for within the rules of the session: exposures or units, floats or arrays of lanes.

        Args:
            phase: A number into `PHASES`, or one a lane.
            asked: What an action asks for, one an instrument.
            held: What was asked for and reached last.
        """
        free = self.is_free(phase)
        return [choose(free, new, 0.0 if self.flat_at_close else old) for new, old in zip(asked, held, strict=True)]

    def is_free(self, phase: Number) -> Number:
        """Whether what an action asks for counts in a phase."""
        return phase == IS_OPEN if self.flat_at_close else (phase == IS_OPEN) | (phase == IS_CLOSING)
