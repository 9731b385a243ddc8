"""A temporal convolutional network: causal, dilated convolutions with residuals.

Source: Bai, Kolter and Koltun 2018, arXiv 1803.01271. The paper's weight norm is left out: a few
layers with orthogonal weights train without it.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from dltrader.errors import ConfigError
from dltrader.nn.extractors import ExtractorConfig
from dltrader.nn.market import RELU_GAIN, MarketEncoder


class CNNConfig(ExtractorConfig):
    """Convolutions whose reach doubles from layer to layer; `features_dim` is `channels`."""

    name: Literal["cnn"] = "cnn"
    channels: int = Field(32, ge=1, le=1024, description="Channels of every convolution, 1 to 1024.")
    kernel: int = Field(3, ge=2, le=15, description="Bars that one convolution sees, 2 to 15.")
    layers: int | None = Field(
        None,
        ge=1,
        le=12,
        description="Residual blocks, 1 to 12; none = as many as see the whole window.",
    )
    dropout: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Fraction of channels silenced in training after each convolution, in [0, 1).",
    )

    def make(self, window_bars: int, n_features: int) -> MarketEncoder:
        """The network, see `ExtractorConfig.build`.

        Raises:
            ConfigError: So few layers that the oldest bars of the window would go unseen.
        """
        needed = layers_to_see(window_bars, self.kernel)
        layers = needed if self.layers is None else self.layers
        if layers < needed:
            raise ConfigError(
                f"cnn with layers {layers} and kernel {self.kernel} sees "
                f"{receptive_bars(layers, self.kernel)} bars, but the window has {window_bars}; "
                f"set layers: {needed} or leave it out"
            )
        return CNN(n_features, self.channels, self.kernel, layers, dropout=self.dropout)


class CNN(MarketEncoder):
    """Residual blocks of causal convolutions; the newest bar's channels are the encoding.

    Shapes: (batch, window, features) -> (batch, channels).
    """

    def __init__(self, n_features: int, channels: int, kernel: int, layers: int, *, dropout: float = 0.0) -> None:
        """Lay out the network.

        Args:
            n_features: Features of a bar.
            channels: Channels of every convolution.
            kernel: Bars that one convolution sees.
            layers: Residual blocks; block i (from 0) has dilation 2^i.
            dropout: Fraction of channels silenced in training.
        """
        super().__init__(features_dim=channels)
        inputs = [n_features] + [channels] * (layers - 1)
        self.blocks = nn.Sequential(
            *(Block(inputs[layer], channels, kernel, dilation=2**layer, dropout=dropout) for layer in range(layers))
        )

    def forward(self, market: Tensor) -> Tensor:
        """Encode windows: (batch, window, features) -> (batch, features_dim)."""
        channels_first = market.transpose(1, 2)  # (batch, features, window)
        states: Tensor = self.blocks(channels_first)  # (batch, channels, window)
        return states[:, :, -1]  # (batch, channels)


class Block(nn.Module):
    """Two causal convolutions of one dilation, added to what came in.

    Shapes: (batch, inputs, window) -> (batch, channels, window).
    """

    def __init__(self, inputs: int, channels: int, kernel: int, dilation: int, *, dropout: float = 0.0) -> None:
        """Lay out the block.

        Args:
            inputs: Channels in.
            channels: Channels out.
            kernel: Bars that one convolution sees.
            dilation: Bars from one seen bar to the next.
            dropout: Fraction of channels silenced in training.
        """
        super().__init__()
        self.past = (kernel - 1) * dilation
        self.first = convolution(inputs, channels, kernel, dilation, gain=RELU_GAIN)
        # A block begins close to its shortcut; otherwise each would add to the size of the signal.
        self.second = convolution(channels, channels, kernel, dilation, gain=0.25)
        self.shortcut = nn.Identity() if inputs == channels else convolution(inputs, channels, 1, 1)
        self.dropout = nn.Dropout1d(dropout)

    def forward(self, states: Tensor) -> Tensor:
        """Look back: (batch, inputs, window) -> (batch, channels, window)."""
        # Zeros before the first bar only: position t is computed from positions <= t.
        hidden: Tensor = self.dropout(functional.relu(self.first(functional.pad(states, (self.past, 0)))))
        hidden = self.dropout(functional.relu(self.second(functional.pad(hidden, (self.past, 0)))))
        return functional.relu(hidden + self.shortcut(states))


def convolution(inputs: int, outputs: int, kernel: int, dilation: int, *, gain: float = 1.0) -> nn.Conv1d:
    """A one-dimensional convolution with an orthogonal weight and a zero bias."""
    layer = nn.Conv1d(inputs, outputs, kernel, dilation=dilation)
    nn.init.orthogonal_(layer.weight, gain)
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return layer


def receptive_bars(layers: int, kernel: int) -> int:
    """Bars that the newest position sees: 1 + 2 (kernel - 1) (2^layers - 1)."""
    return 1 + 2 * (kernel - 1) * ((1 << layers) - 1)


def layers_to_see(window_bars: int, kernel: int) -> int:
    """The fewest blocks, at least 1, that see the whole window."""
    layers = 1
    while receptive_bars(layers, kernel) < window_bars:
        layers += 1
    return layers
