"""What the configurations of all Stable-Baselines3 learners share: the network's shape, its optimizer, the discount."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from gymnasium import spaces
from pydantic import Field, SerializeAsAny
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.utils import LinearSchedule

from dltrader.agents.config import AgentConfig
from dltrader.agents.extractor import MarketExtractor
from dltrader.config import named
from dltrader.nn import EXTRACTORS, ExtractorConfig


def _default_extractor() -> ExtractorConfig:
    return EXTRACTORS["mlp"].from_mapping({"name": "mlp"})


class LearnerConfig(AgentConfig):
    """An agent that one algorithm of Stable-Baselines3 trains, with defaults that suit trading.

    The horizon is short, because tomorrow's price says little about next month's.
    """

    extractor: Annotated[SerializeAsAny[ExtractorConfig], named(EXTRACTORS)] = Field(
        default_factory=_default_extractor, description="The network that reads the market"
    )
    hidden: tuple[int, ...] = Field((64,), description="Units of the layers between extractor and heads")
    learning_rate: float = Field(3e-4, gt=0, le=1, description="Step size of Adam at the start")
    schedule: Literal["linear", "constant"] = Field(
        "linear", description="Whether the step size falls to a tenth over the training"
    )
    gamma: float = Field(0.95, ge=0, le=1, description="Discount per bar; 0.95 looks about 20 bars ahead")

    policy_class: ClassVar[type[BasePolicy]]

    @property
    def extractor_name(self) -> str | None:
        """The extractor."""
        return self.extractor.name

    def network(self, observation_space: spaces.Dict, action_space: spaces.Space[Any]) -> BasePolicy:
        """All networks of the learner: those that act and those that judge.

        Raises:
            ConfigError: The agent cannot act on such a space.
        """
        self.require_action(action_space)
        options = self._network_options() | {"optimizer_class": NoOptimizer}
        return self.policy_class(observation_space, action_space, lr_schedule=lambda _: 0.0, **options)

    def _step_size(self) -> LinearSchedule | float:
        # To a tenth, not to zero: the last update, or the only one, is to teach something too.
        falling = LinearSchedule(self.learning_rate, self.learning_rate / 10, 1.0)
        return falling if self.schedule == "linear" else self.learning_rate

    def _network_options(self) -> dict[str, Any]:
        return {
            "net_arch": list(self.hidden),
            "features_extractor_class": MarketExtractor,
            "features_extractor_kwargs": {"extractor": self.extractor},
            # Adam in one kernel: a small network's update is otherwise a seventh bookkeeping. SB3's own eps.
            "optimizer_kwargs": {"eps": 1e-5, "fused": True},
        }


class NoOptimizer:
    """Stands for the optimizer of a network that is only asked: making a real one loads torch's compiler, seconds."""

    def __init__(self, *_: Any, **__: Any) -> None:
        """Take what an optimizer takes, and keep nothing."""
