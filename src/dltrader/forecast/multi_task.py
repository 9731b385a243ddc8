"""The network of a forecaster: one encoder of the window, and heads for side, movement and risk.

Source of learning several things with one encoder: Caruana 1997, Multitask Learning.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from dltrader.errors import BundleError
from dltrader.forecast.samples import Samples
from dltrader.forecast.scores import base_rates
from dltrader.forecast.vote import SIDES
from dltrader.nn import ExtractorConfig
from dltrader.nn.market import linear

OUTPUTS = len(SIDES) + 2
"""Logits of the sides, movement and risk."""

LEAST_SCALE = 1e-12
"""Below it what is learned does not vary, and is left at its size."""


@dataclass(frozen=True)
class Units:
    """What is counted in what: known from the samples that are learned from.

    Attributes:
        rates: (3,), how often each side paid, each at least once in so many samples.
        movement: Standard deviation of movements.
        risk: Mean risk.
    """

    rates: tuple[float, ...]
    movement: float
    risk: float

    @classmethod
    def of(cls, samples: Samples) -> Self:
        """Those of samples."""
        rates = base_rates(samples.side, len(SIDES)).clip(min=1.0 / len(samples))
        return cls(
            rates=tuple(float(rate) for rate in rates / rates.sum()),
            movement=_size(float(samples.movement.std())),
            risk=_size(float(samples.risk.mean())),
        )

    def to_mapping(self) -> dict[str, Any]:
        """Plain values that `from_mapping` turns into equal units."""
        return asdict(self)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Self:
        """Build from plain values.

        Raises:
            BundleError: They are not those of units.
        """
        try:
            rates = tuple(float(rate) for rate in values["rates"])
            made = cls(rates, float(values["movement"]), float(values["risk"]))
        except (KeyError, TypeError, ValueError):
            raise BundleError(f"found {values!r}, units are rates, movement and risk; train again") from None
        if len(rates) != len(SIDES) or not all(0 < each < math.inf for each in (*rates, made.movement, made.risk)):
            raise BundleError(f"units are above 0, with a rate for each of {', '.join(SIDES)}, found {values!r}")
        return made


class Outlook(NamedTuple):
    """What the network says of windows.

    Attributes:
        logits: (batch, 3) of the sides.
        movement: (batch,), in units of its standard deviation.
        risk: (batch,), in units of its mean; above 0.
    """

    logits: Tensor
    movement: Tensor
    risk: Tensor


class MultiTaskNetwork(nn.Module):
    """A line through the newest bar, and what an encoder of the whole window adds to it, for each thing foretold.

    What is foretold is nearly all noise. What the newest bar says linearly is learned with few weights and well; it
    passes the encoder by, which would need many samples to learn to remember it. All begins at zero: an untrained
    network says the base rates, no movement and the mean risk.

    Shapes: (batch, window, features) -> logits (batch, 3), movement (batch,), risk (batch,).
    """

    base: Tensor

    def __init__(
        self, encoder: ExtractorConfig, window_bars: int, n_features: int, *, rates: tuple[float, ...], dropout: float
    ) -> None:
        """Lay out the network.

        Args:
            encoder: What reads the window.
            window_bars: Bars in a window.
            n_features: Features of a bar.
            rates: Base rates of the sides.
            dropout: Fraction of the encoding that is silenced in training.
        """
        super().__init__()
        self.encoder = encoder.build(window_bars, n_features)
        self.dropout = nn.Dropout(dropout)
        self.heads = linear(self.encoder.features_dim, OUTPUTS, bias=False)
        self.line = linear(n_features, OUTPUTS)
        for layer in (self.heads, self.line):
            nn.init.zeros_(layer.weight)
        self.register_buffer("base", torch.tensor(rates, dtype=torch.float32).log(), persistent=False)

    def forward(self, windows: Tensor) -> Outlook:
        """Look ahead: (batch, window, features) -> (batch, 3), (batch,), (batch,)."""
        added = self.heads(self.dropout(self.encoder(windows)))  # (batch, 5)
        return self.outlook(self.line(windows[:, -1]) + added)

    def outlook(self, said: Tensor) -> Outlook:
        """What the sum of line and heads means: (batch, 5) -> (batch, 3), (batch,), (batch,)."""
        logits, movement, risk = torch.split(said, [len(SIDES), 1, 1], dim=1)
        # softplus(0) = ln 2: divided by it, a head that says nothing says 1, the mean risk.
        return Outlook(self.base + logits, movement[:, 0], functional.softplus(risk[:, 0]) / math.log(2.0))


def _size(value: float) -> float:
    return value if value > LEAST_SCALE else 1.0
