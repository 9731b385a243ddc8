"""The recurrent forecaster: side, movement and risk from one network that reads a window of features.

Bidirectional means inside the window, which ends with the newest bar: nothing later is seen.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field, SerializeAsAny, ValidationError, ValidatorFunctionWrapHandler, field_validator
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from dltrader.agents.threads import torch_threads
from dltrader.config import named
from dltrader.errors import BundleError, ConfigError
from dltrader.files import write_json
from dltrader.forecast.calibration import Temperature
from dltrader.forecast.forecasters import Epoch, Forecaster, ForecasterConfig, Windows, ignore
from dltrader.forecast.learnable import require_enough, require_sides
from dltrader.forecast.multi_task import MultiTaskNetwork, Outlook, Units
from dltrader.forecast.network_training import VALIDATION_BATCH, Learning
from dltrader.forecast.samples import Samples
from dltrader.forecast.vote import Array, Vote
from dltrader.nn import EXTRACTORS, ExtractorConfig
from dltrader.nn.bilstm import BiLSTMAttentionConfig

LEARNER = "the LSTM forecaster"
DESCRIPTION, WEIGHTS = "network.json", "network.safetensors"

PositiveWeight = Annotated[float, Field(gt=0, le=1e6)]


class LSTMForecasterConfig(ForecasterConfig):
    """A bidirectional LSTM with attention, or another encoder, and three heads that learn together."""

    name: Literal["lstm"] = "lstm"
    encoder: Annotated[SerializeAsAny[ExtractorConfig], named(EXTRACTORS)] = Field(
        BiLSTMAttentionConfig(hidden=128, layers=2, score_dim=64, features_dim=128),
        description="What reads the window, by name: bilstm_attention, gru, cnn_lstm, attention …",
    )
    dropout: float = Field(0.1, ge=0, lt=1, description="Fraction of the encoding that is silenced in training")
    side_weight: float = Field(1.0, gt=0, description="Weight in the joint loss of the side's cross-entropy, in nats")
    movement_weight: float = Field(
        0.1, ge=0, description="Weight of the movement's squared error, in units of its variance"
    )
    risk_weight: float = Field(
        0.1, ge=0, description="Weight of the risk's squared error, in units of its mean squared"
    )
    class_weights: Literal["equal", "balanced"] | tuple[PositiveWeight, PositiveWeight, PositiveWeight] = Field(
        "equal",
        description="What an example of each side weighs in training: equal, balanced (the rarer the more, so "
        "that all sides count alike), or weights of buy, sell and hold; probabilities are put right again",
    )
    learning_rate: float = Field(1e-3, gt=0, le=1, description="Step size of AdamW")
    weight_decay: float = Field(1e-2, ge=0, le=10, description="Pull of AdamW on weights towards zero, by step size")
    averaging: float = Field(
        0.99,
        ge=0,
        lt=1,
        description="Share that the running mean of the weights keeps a step; 0: the weights themselves",
    )
    max_gradient_norm: float = Field(1.0, gt=0, description="Gradients are clipped to this norm")
    batch_size: int = Field(64, ge=1, le=100_000, description="Samples of a gradient step")
    epochs: int = Field(60, ge=1, le=100_000, description="Passes over the samples, at most")
    patience: int = Field(8, ge=1, description="Passes without a better validation loss after which it ends")

    briefest: ClassVar[Mapping[str, Any]] = {"epochs": 1}

    @field_validator("class_weights", mode="wrap")
    @classmethod
    def _known_weights(cls, value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
        try:
            return validate(value)
        except ValidationError:
            raise ConfigError(
                f"class_weights must be equal, balanced or three numbers above 0, of buy, sell and hold, was {value!r}"
            ) from None

    def weights_of_classes(self, rates: tuple[float, ...]) -> tuple[float, ...]:
        """What an example of buy, sell and hold weighs, 1 in the mean over examples with these base rates."""
        if self.class_weights == "equal":
            return (1.0,) * len(rates)
        if self.class_weights == "balanced":
            return tuple(1.0 / (len(rates) * rate) for rate in rates)
        given = [float(weight) for weight in self.class_weights]
        mean = sum(weight * rate for weight, rate in zip(given, rates, strict=True))
        return tuple(weight / mean for weight in given)

    def fit(
        self,
        train: Samples,
        validation: Samples,
        *,
        horizon_bars: int,
        seed: int,
        threads: int = 1,
        on_epoch: Callable[[Epoch], None] = ignore,
        state: Mapping[str, Any] | None = None,
    ) -> NetworkForecaster:
        """Learn from samples; see `ForecasterConfig.fit`.

        Raises:
            BarsError: There are too few samples, or all have the same side.
            RunError: The state is that of another training.
        """
        require_enough(train, validation, self.least_samples, LEARNER)
        require_sides(train, LEARNER)
        units = Units.of(train)
        with torch_threads(threads):
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                network = self.build(train.features.shape[1], units)
            learning = Learning.begin(self, network, units, seed=seed, samples=len(train))
            network = learning.learn(train, validation, on_epoch, state)
            logits = logits_of_samples(network, validation, self.window_bars)
        temperature = Temperature.fit(logits, validation.side, base=units.rates)
        return NetworkForecaster(network, units, temperature, horizon_bars)

    def build(self, n_features: int, units: Units) -> MultiTaskNetwork:
        """The network, freshly initialised from torch's global generator."""
        return MultiTaskNetwork(self.encoder, self.window_bars, n_features, rates=units.rates, dropout=self.dropout)

    def load(self, folder: Path, n_features: int) -> NetworkForecaster:
        """Read what `NetworkForecaster.save` wrote; see `ForecasterConfig.load`."""
        try:
            description = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
            units = Units.from_mapping(description["units"])
            temperature = Temperature.from_mapping(description["temperature"])
            horizon_bars = int(description["horizon_bars"])
            with torch.random.fork_rng(devices=[]):  # its first weights are thrown away, and cost the caller no draws
                network = self.build(n_features, units)
            network.load_state_dict(load_file(folder / WEIGHTS))
        except (OSError, KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
            if isinstance(error, BundleError):
                raise
            words = " ".join(str(error).split())
            raise BundleError(
                f"{folder} holds no network of this configuration with {n_features} features "
                f"({type(error).__name__}: {words:.200}); train again"
            ) from None
        return NetworkForecaster(network.eval(), units, temperature, horizon_bars)


@dataclass(frozen=True, eq=False)
class NetworkForecaster(Forecaster):
    """A network that has learned.

    Windows are read one by one, always: a vote has the same bits alone and among others, on the same machine.

    Attributes:
        network: What it learned.
        units: What its movement and risk are counted in.
        temperature: What makes its probabilities mean what they say.
        horizon_bars: Bars ahead that it speaks of.
    """

    network: MultiTaskNetwork
    units: Units
    temperature: Temperature
    horizon_bars: int

    def votes(self, windows: Windows) -> dict[str, Vote]:
        """What it says of windows; see `Forecaster.votes`."""
        logits = np.empty((len(windows), 3))
        movement, risk = np.empty(len(windows)), np.empty(len(windows))
        with torch_threads(1), torch.inference_mode():
            for row, window in enumerate(windows):
                # A copy of its own: where a number lies in memory may decide its last bit.
                outlook: Outlook = self.network(torch.tensor(window[np.newaxis], dtype=torch.float32))
                logits[row] = outlook.logits[0].numpy()
                movement[row], risk[row] = outlook.movement.item(), outlook.risk.item()
        vote = Vote(
            probabilities=self.temperature.probabilities(logits),
            horizon_bars=self.horizon_bars,
            movement=movement * self.units.movement,
            risk=risk * self.units.risk,
        )
        return {"": vote}

    def save(self, folder: Path) -> None:
        """Write its weights and what they are counted in."""
        save_file({name: weight.contiguous() for name, weight in self.network.state_dict().items()}, folder / WEIGHTS)
        (folder / WEIGHTS).chmod(0o644)  # safetensors makes it private, a result is not
        description = {
            "units": self.units.to_mapping(),
            "temperature": self.temperature.to_mapping(),
            "horizon_bars": self.horizon_bars,
        }
        write_json(folder / DESCRIPTION, description)


def logits_of_samples(network: MultiTaskNetwork, samples: Samples, window_bars: int) -> Array:
    """Logits of the sides of all samples: (n, 3)."""
    parts = []
    with torch.inference_mode():
        for begin in range(0, len(samples), VALIDATION_BATCH):
            which = np.arange(begin, min(begin + VALIDATION_BATCH, len(samples)))
            parts.append(network(torch.from_numpy(samples.windows(window_bars, which))).logits)
    logits: Array = torch.cat(parts).double().numpy()
    return logits
