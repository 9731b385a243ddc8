"""LSTM and GRU: the window is read bar by bar and the last hidden state is the encoding."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator
from torch import Tensor, nn

from dltrader.errors import ConfigError
from dltrader.nn.extractors import ExtractorConfig
from dltrader.nn.market import MarketEncoder, begin_recurrent


class RecurrentConfig(ExtractorConfig):
    """What recurrent extractors share; `features_dim` is `hidden`."""

    hidden: int = Field(64, ge=1, le=2048, description="Width of the hidden state, 1 to 2048.")
    layers: int = Field(1, ge=1, le=8, description="Recurrent layers stacked on each other, 1 to 8.")
    dropout: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Fraction of units silenced in training between stacked layers, in [0, 1).",
    )

    @model_validator(mode="after")
    def _dropout_has_a_place(self) -> Self:
        check_dropout_between_layers(self.name, self.dropout, self.layers)
        return self

    def make(self, window_bars: int, n_features: int) -> MarketEncoder:  # noqa: ARG002
        """The network, see `ExtractorConfig.build`."""
        cell = nn.LSTM if self.name == "lstm" else nn.GRU
        return LastState(cell(n_features, self.hidden, self.layers, batch_first=True, dropout=self.dropout))


class LSTMConfig(RecurrentConfig):
    """A long short-term memory (Hochreiter and Schmidhuber 1997)."""

    name: Literal["lstm"] = "lstm"


class GRUConfig(RecurrentConfig):
    """A gated recurrent unit (Cho et al. 2014, arXiv 1406.1078), with 3/4 of the LSTM's weights."""

    name: Literal["gru"] = "gru"


class LastState(MarketEncoder):
    """The hidden state of the top layer after the newest bar.

    Shapes: (batch, window, features) -> (batch, hidden).
    """

    def __init__(self, network: nn.LSTM | nn.GRU) -> None:
        """Read a network's last state, and initialise it.

        Args:
            network: A batch-first LSTM or GRU that runs in one direction.
        """
        super().__init__(features_dim=network.hidden_size)
        begin_recurrent(network)
        self.network = network

    def forward(self, market: Tensor) -> Tensor:
        """Encode windows: (batch, window, features) -> (batch, features_dim)."""
        states: Tensor = self.network(market)[0]  # (batch, window, hidden)
        return states[:, -1]  # (batch, hidden)


def check_dropout_between_layers(name: str, dropout: float, layers: int) -> None:
    """Refuse a dropout that would act nowhere.

    Raises:
        ConfigError: There is a dropout and only one layer.
    """
    if dropout and layers == 1:
        raise ConfigError(
            f"{name} has dropout {dropout} but 1 layer, and dropout acts between stacked layers; "
            "set layers: 2 or dropout: 0"
        )
