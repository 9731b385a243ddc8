"""An LSTM that reads what convolutions make of a few bars each.

Source: Sainath, Vinyals, Senior and Sak 2015, Convolutional, Long Short-Term Memory, Fully Connected Deep Neural
Networks (the order of the parts). Convolutions are as in `dltrader.nn.cnn`: causal, so that what stands for a bar is
made of it and of bars before it.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from dltrader.nn.cnn import convolution
from dltrader.nn.extractors import ExtractorConfig
from dltrader.nn.market import RELU_GAIN, MarketEncoder
from dltrader.nn.recurrent import LastState


class CNNLSTMConfig(ExtractorConfig):
    """Convolutions for patterns of a few bars, an LSTM for their order; `features_dim` is `hidden`."""

    name: Literal["cnn_lstm"] = "cnn_lstm"
    channels: int = Field(32, ge=1, le=1024, description="Channels of every convolution, 1 to 1024.")
    kernel: int = Field(3, ge=2, le=15, description="Bars that one convolution sees, 2 to 15.")
    convolutions: int = Field(2, ge=1, le=8, description="Convolutions in a row, 1 to 8.")
    hidden: int = Field(64, ge=1, le=2048, description="Width of the LSTM's hidden state, 1 to 2048.")
    layers: int = Field(1, ge=1, le=8, description="LSTM layers stacked on each other, 1 to 8.")
    dropout: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Fraction of channels silenced in training after each convolution, in [0, 1).",
    )

    def make(self, window_bars: int, n_features: int) -> MarketEncoder:  # noqa: ARG002
        """The network, see `ExtractorConfig.build`."""
        return CNNLSTM(n_features, self)


class CNNLSTM(MarketEncoder):
    """Causal convolutions, then an LSTM; its hidden state after the newest bar is the encoding.

    Shapes: (batch, window, features) -> (batch, hidden).
    """

    def __init__(self, n_features: int, config: CNNLSTMConfig) -> None:
        """Lay out the network.

        Args:
            n_features: Features of a bar.
            config: Sizes.
        """
        super().__init__(features_dim=config.hidden)
        self.past = config.kernel - 1
        inputs = [n_features] + [config.channels] * (config.convolutions - 1)
        self.convolutions = nn.ModuleList(
            convolution(each, config.channels, config.kernel, 1, gain=RELU_GAIN) for each in inputs
        )
        self.dropout = nn.Dropout1d(config.dropout)
        self.lstm = LastState(nn.LSTM(config.channels, config.hidden, config.layers, batch_first=True))

    def forward(self, market: Tensor) -> Tensor:
        """Encode windows: (batch, window, features) -> (batch, features_dim)."""
        encoded: Tensor = self.lstm(self.patterns(market))  # (batch, hidden)
        return encoded

    def patterns(self, market: Tensor) -> Tensor:
        """What the convolutions find: (batch, window, features) -> (batch, window, channels)."""
        states = market.transpose(1, 2)  # (batch, features, window)
        for layer in self.convolutions:
            # Zeros before the first bar only: position t is computed from positions <= t.
            states = self.dropout(functional.relu(layer(functional.pad(states, (self.past, 0)))))
        return states.transpose(1, 2)  # (batch, window, channels)
