"""Q-learning on a table, over lanes, as Stable-Baselines3 lets an algorithm learn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecEnv

from dltrader.agents.q_table_network import QTableNetwork
from dltrader.agents.q_table_states import Array, Numbers, edges_of
from dltrader.agents.q_table_update import Teacher, Trails, targets

if TYPE_CHECKING:
    from dltrader.agents.q_table import QTableConfig


class QLearning(BaseAlgorithm):
    """Learns a table while it acts.

    The bars of `learning_starts` are traded at random. They give the scale by which rewards are divided from then on,
    so that discounted returns have unit size; and where edges are not known beforehand, those of the bins.

    Args:
        config: What is learned, and how fast.
        network: The table.
        env: Environments that are stepped together.
        names: Of the features that are binned.
        edges_known: Whether the network has its edges already.
        seed: Of all that is drawn.

    Attributes:
        exploration_rate: Share of random choices, ε.
        generator: Draws the choices, and which of two tables is taught.
        trails: The last choices of every lane.
        scale: One unit of the table as a reward.
        settled: Whether scale and edges are known, so that the table is learned.
        seen: (steps) arrays (lanes, features) of what was seen before that, where edges come from it.
    """

    policy: QTableNetwork

    def __init__(
        self,
        config: QTableConfig,
        network: QTableNetwork,
        env: VecEnv,
        *,
        names: tuple[str, ...],
        edges_known: bool,
        seed: int,
    ) -> None:
        super().__init__(
            QTableNetwork,
            env,
            config.learning_rate,
            support_multi_env=True,
            monitor_wrapper=False,
            device="cpu",
            seed=seed,
        )
        self.config, self.policy = config, network
        self.exploration_rate = config.epsilon_start
        self.generator = np.random.default_rng(seed)
        self.trails = Trails(self.n_envs, config.gamma * config.trace_decay)
        self.scale, self.settled = 1.0, False
        self.seen: list[Array] = []
        self._names, self._edges_known = names, edges_known
        self._teacher = Teacher(network.values.reshape(-1))
        self._setup_model()

    def _setup_model(self) -> None:
        self.set_random_seed(self.seed)

    def learn(
        self,
        total_timesteps: int,
        callback: Any = None,
        log_interval: int = 100,
        tb_log_name: str = "q_table",
        reset_num_timesteps: bool = True,
        progress_bar: bool = False,
    ) -> Self:
        """Step the environments until they have stepped so many bars together; the log is written by who asks for it.

        Raises:
            ConfigError: Bins cannot be formed of what was seen.
        """
        del log_interval
        total, follow = self._setup_learn(total_timesteps, callback, reset_num_timesteps, tb_log_name, progress_bar)
        follow.on_training_start(locals(), globals())
        going = True
        while going and self.num_timesteps < total:
            follow.on_rollout_start()
            going = self._step(follow)
            follow.on_rollout_end()
        follow.on_training_end()
        return self

    def dump_logs(self) -> None:
        """Write what was recorded since the last time."""
        self.logger.record("rollout/exploration_rate", self.exploration_rate)
        self.logger.dump(self.num_timesteps)

    def resume_state(self) -> dict[str, Any]:
        """What it has beside its network, counters and what it observed last: plain values and arrays."""
        trails = self.trails
        return {
            "settled": self.settled,
            "scale": self.scale,
            "seen": list(self.seen),
            "generator": self.generator.bit_generator.state,
            "trails": {"places": trails.places, "weights": trails.weights, "newest": trails.newest},
        }

    def load_resume_state(self, state: dict[str, Any]) -> None:
        """Go on from there.

        Raises:
            ValueError: It is that of another number of lanes, or of another trace decay.
        """
        self.settled, self.scale, self.seen = bool(state["settled"]), float(state["scale"]), list(state["seen"])
        self.generator.bit_generator.state = state["generator"]
        saved = state["trails"]
        if saved["places"].shape != self.trails.places.shape:
            raise ValueError(f"trails have the shape {self.trails.places.shape}, those saved {saved['places'].shape}")
        self.trails.places[...], self.trails.weights[...] = saved["places"], saved["weights"]
        self.trails.newest = int(saved["newest"])

    def _step(self, follow: BaseCallback) -> bool:
        """One bar on every lane, and what it teaches; whether to go on."""
        assert self.env is not None
        before: Any = self._last_obs
        self._update_current_progress_remaining(self.num_timesteps, self._total_timesteps)
        self.exploration_rate = self.config.epsilon(1.0 - self._current_progress_remaining)
        states = self.policy.numbers(before)
        actions, best = self._choices(states)
        after, rewards, dones, infos = self.env.step(actions)
        self.num_timesteps += self.n_envs
        if self.settled:
            self._learn_from(states, actions, best, self._unscaled(rewards), after, dones, infos)
        else:
            self._look(before)
        self._last_obs = after  # type: ignore[assignment] # a Dict's observations are mappings
        follow.update_locals({"rewards": rewards, "dones": dones, "infos": infos})
        return follow.on_step()

    def _choices(self, states: Numbers) -> tuple[Numbers, Array]:
        """What is done, and whether it is the best that is known: (lanes,) each."""
        n_lanes, n_choices = len(states), self.policy.values.shape[2]
        share = self.exploration_rate if self.settled else 1.0
        explores = self.generator.random(n_lanes) < share
        at_random = self.generator.integers(n_choices, size=n_lanes)
        worth = self.policy.worth(states)
        actions = np.where(explores, at_random, worth.argmax(axis=1))
        return actions, worth[np.arange(n_lanes), actions] == worth.max(axis=1)

    def _look(self, observation: Any) -> None:
        """Gather what a table needs before it can be learned, and fix it once there are bars enough."""
        if not self._edges_known:
            self.seen.append(self.policy.rows(observation))
        if self.num_timesteps < self.config.learning_starts:
            return
        if not self._edges_known:
            rows = np.concatenate(self.seen)
            self.policy.set_edges(edges_of(rows, self.policy.states.bins, self._names))
            self.seen = []
        if self._vec_normalize_env is not None:
            self.scale = float(np.sqrt(self._vec_normalize_env.ret_rms.var + self._vec_normalize_env.epsilon))
        self.settled = True

    def _learn_from(
        self,
        states: Numbers,
        actions: Numbers,
        best: Array,
        rewards: Array,
        observed: Any,
        dones: Array,
        infos: list[dict[str, Any]],
    ) -> None:
        """Move the table towards what a bar on every lane has shown."""
        network, counts = self.policy, self.policy.counts.reshape(-1)
        n_tables, n_states, n_choices = network.values.shape
        chosen = self.generator.integers(n_tables, size=len(states))
        offset = chosen * (n_states * n_choices)  # where the table that is taught begins
        places = states * n_choices + actions
        after, discount = self._led_to(observed, dones, infos)
        worth = targets(network.values, chosen, after, rewards / self.scale, discount)
        errors = worth - network.values.reshape(-1)[offset + places]
        np.add.at(counts, offset + places, 1)
        self.trails.add(places, best)
        row, lane = np.nonzero(self.trails.weights)
        taught = offset[lane] + self.trails.places[row, lane]
        step = self.config.step_size(1.0 - self._current_progress_remaining, counts[taught])
        self._teacher.teach(taught, self.trails.weights[row, lane], errors[lane], step)
        self.trails.clear(dones)
        self._n_updates += 1
        self.logger.record("train/learning_rate", float(np.mean(step)))
        self.logger.record_mean("train/value_loss", float(np.mean(errors**2)))

    def _led_to(self, observed: Any, dones: Array, infos: list[dict[str, Any]]) -> tuple[Numbers, Array]:
        """The states that a bar led to, and the discounts of what they are worth: (lanes,) each.

        The end of an episode by ruin is worth nothing; that by time is worth what comes after it would have been.
        """
        after = self.policy.numbers(observed)
        discount = np.full(len(after), self.config.gamma)
        ended = np.flatnonzero(dones)
        if len(ended):
            finals = [infos[lane]["terminal_observation"] for lane in ended]
            after[ended] = self.policy.numbers({key: np.stack([one[key] for one in finals]) for key in observed})
            discount[ended] *= [bool(infos[lane].get("TimeLimit.truncated", False)) for lane in ended]
        return after, discount

    def _unscaled(self, rewards: Array) -> Array:
        """The rewards of the last bar as they came, (lanes,): the wrapper's scale moves on, a table's must not."""
        wrapper = self._vec_normalize_env
        return rewards if wrapper is None else np.asarray(wrapper.get_original_reward())
