"""A true vector environment: one compiled call steps all episodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from drivelab.errors import ConfigError
from drivelab.sim.envs.actions import ActionKind
from drivelab.sim.envs.core import SEEDS, EnvCore, EnvOptions
from drivelab.sim.envs.episodes import ALL_FAMILIES, EpisodeSource
from drivelab.sim.envs.vector_view import VectorView
from drivelab.sim.envs.views import View, check_form
from drivelab.sim.world.native import Dynamics


class NativeVectorEnv(VectorEnv[Any, Any, np.ndarray]):
    """`num_envs` of `drivelab/Native-v0` side by side, equal to so many single ones.

    Environment e behaves as a single one that was reset with `seed + e`.

    Autoreset: `autoreset_mode="NextStep"` (Gymnasium's default: the step after an end ignores the
    action and begins the next episode with reward 0) or `"SameStep"` (the step that ends an
    episode returns the first observation of the next one; the last one is in
    `infos["final_obs"]`, its numbers in `infos["final_info"]`).

    Infos are arrays by name with a mask `_name` each: events (bits, see `event_names`), success,
    progress [m], route_deviation [m], heading_deviation [rad], reward_terms (num_envs, terms).
    """

    metadata: dict[str, Any] = {  # noqa: RUF012 - as in the base class
        "render_modes": [],
        "autoreset_mode": AutoresetMode.NEXT_STEP,
    }
    view: ClassVar[type[View]] = VectorView

    def __init__(
        self,
        num_envs: int = 1,
        *,
        episodes: EpisodeSource | str | Sequence[str] = ALL_FAMILIES,
        action: str | ActionKind = "control",
        reward: str | Mapping[str, float] = "default",
        observation: str = "dict",
        max_steps: int | None = None,
        dynamics: Dynamics = "kinematic",
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
    ) -> None:
        self.autoreset_mode = AutoresetMode(autoreset_mode)
        if self.autoreset_mode is AutoresetMode.DISABLED:
            raise ConfigError("autoreset_mode: expected 'NextStep' or 'SameStep'")
        if render_mode is not None:
            raise ConfigError(f"render_mode={render_mode!r}: the vector environment draws nothing")
        self.num_envs = num_envs
        self.observation = check_form(observation)
        options = EnvOptions(episodes, action, reward, max_steps, dynamics)
        self.core = self._make_core(options)
        self.metadata = {**self.metadata, "autoreset_mode": self.autoreset_mode}
        self.single_action_space: gym.Space = self.core.action_space
        self.single_observation_space = self.core.view.space(self.observation)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self._draws: list[np.random.Generator] = []

    def _make_core(self, options: EnvOptions) -> EnvCore:
        return EnvCore(options, environments=self.num_envs, view=self.view())

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Any, dict[str, Any]]:
        """Begin new episodes everywhere; `seed` may be one number or one per environment."""
        self._seed(seed)
        self.core.reset({e: self._draw(e) for e in range(self.num_envs)})
        return self._observations(), self._infos(np.ones(self.num_envs, bool))

    def step(self, actions: Any) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Decide once everywhere and let 0.1 s pass."""
        core = self.core
        if not self._draws:
            raise ResetNeeded("these environments have no episodes yet: call reset() before step()")
        waiting = np.flatnonzero(core.over[:, 0])  # ended in the step before
        core.step(actions)
        rewards = core.verdict.rewards[:, 0].copy()
        terminated, truncated = core.verdict.ended[:, 0] == 1, core.verdict.ended[:, 0] == 2
        infos = self._infos(~core.over[:, 0] | terminated | truncated)
        if len(waiting):
            core.reset({int(e): self._draw(int(e)) for e in waiting})
        if self.autoreset_mode is AutoresetMode.SAME_STEP:
            infos = self._begin_ended(terminated | truncated, infos)
        return self._observations(), rewards, terminated, truncated, infos

    def _begin_ended(self, ended: np.ndarray, infos: dict[str, Any]) -> dict[str, Any]:
        if not ended.any():
            return infos
        last, which = self._observations(), np.flatnonzero(ended)
        final_obs = np.full(self.num_envs, None, object)
        for e in which:
            final_obs[e] = _row(last, int(e))
        final = {
            name: (value & ended if name.startswith("_") else value)
            for name, value in infos.items()
        }
        self.core.reset({int(e): self._draw(int(e)) for e in which})
        infos = self._infos(np.ones(self.num_envs, bool))
        return {
            **infos,
            "final_obs": final_obs,
            "_final_obs": ended.copy(),
            "final_info": final,
            "_final_info": ended.copy(),
        }

    def _seed(self, seed: int | Sequence[int | None] | None) -> None:
        seeds = [None] * self.num_envs if seed is None else seed
        if isinstance(seeds, int | np.integer):
            seeds = [int(seeds) + e for e in range(self.num_envs)]
        if len(seeds) != self.num_envs:
            raise ConfigError(f"{len(seeds)} seeds for {self.num_envs} environments")
        fresh = not self._draws
        for e, one in enumerate(seeds):
            if fresh:
                self._draws.append(seeding.np_random(one)[0])
            elif one is not None:
                self._draws[e] = seeding.np_random(one)[0]

    def _draw(self, e: int) -> int:
        return int(self._draws[e].integers(SEEDS))

    def _observations(self) -> Any:
        return self.core.view.pack(self.core.observations, (slice(None), 0), self.observation)

    def _infos(self, mask: np.ndarray) -> dict[str, Any]:
        core, state = self.core, self.core.world.state
        values = {
            "events": core.verdict.events[:, 0].copy(),
            "success": core.success()[:, 0],
            "progress": core.progress()[:, 0],
            "route_deviation": state.way_off[:, 0].copy(),
            "heading_deviation": state.way_heading[:, 0].copy(),
            "reward_terms": core.verdict.weights * core.verdict.terms[:, 0],
        }
        return values | {f"_{name}": mask.copy() for name in values}


def _row(observations: Any, e: int) -> Any:
    if isinstance(observations, dict):
        return {name: part[e] for name, part in observations.items()}
    return observations[e]
