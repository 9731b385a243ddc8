"""Labels: what became of a bar, said of it afterwards."""

from __future__ import annotations

from pydantic import Field

from dltrader.config import Config


class LabelsConfig(Config):
    """What is learned to be foretold."""

    horizon_bars: int = Field(5, ge=1, le=10_000, description="Bars ahead that side, movement and risk tell of")
