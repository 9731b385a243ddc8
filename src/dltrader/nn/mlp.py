"""A multilayer perceptron over the flattened window."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field
from torch import Tensor, nn

from dltrader.nn.extractors import ExtractorConfig
from dltrader.nn.market import RELU_GAIN, MarketEncoder, linear

if TYPE_CHECKING:
    from collections.abc import Sequence

Activation = Literal["tanh", "relu"]


class MLPConfig(ExtractorConfig):
    """A perceptron that sees the whole window at once; `features_dim` is its last width."""

    name: Literal["mlp"] = "mlp"
    hidden: tuple[Annotated[int, Field(ge=1, le=4096)], ...] = Field(
        (64, 64),
        min_length=1,
        max_length=8,
        description="Width of each hidden layer, 1 to 4096; at most 8 layers.",
    )
    activation: Activation = Field("tanh", description="What stands after each layer: tanh or relu.")
    dropout: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Fraction of units silenced in training after each layer, in [0, 1).",
    )

    def make(self, window_bars: int, n_features: int) -> MarketEncoder:
        """The network, see `ExtractorConfig.build`."""
        return MLP(window_bars * n_features, self.hidden, activation=self.activation, dropout=self.dropout)


class MLP(MarketEncoder):
    """Linear layers with an activation after each.

    Shapes: (batch, window, features) -> (batch, hidden[-1]).
    """

    def __init__(
        self,
        inputs: int,
        hidden: Sequence[int],
        *,
        activation: Activation = "tanh",
        dropout: float = 0.0,
    ) -> None:
        """Lay out the network.

        Args:
            inputs: window * features.
            hidden: Width of each layer.
            activation: "tanh" or "relu".
            dropout: Fraction of units silenced in training.
        """
        super().__init__(features_dim=hidden[-1])
        layers: list[nn.Module] = []
        for width_in, width_out in zip([inputs, *hidden], hidden, strict=False):
            relu = activation == "relu"
            layers += [linear(width_in, width_out, gain=RELU_GAIN if relu else 1.0)]
            layers += [nn.ReLU() if relu else nn.Tanh()]
            layers += [nn.Dropout(dropout)] if dropout else []
        self.layers = nn.Sequential(*layers)

    def forward(self, market: Tensor) -> Tensor:
        """Encode windows: (batch, window, features) -> (batch, features_dim)."""
        encoded: Tensor = self.layers(market.flatten(1))  # (batch, window * features) -> (batch, hidden[-1])
        return encoded
