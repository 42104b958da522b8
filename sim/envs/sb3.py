"""Stable-Baselines3's `VecEnv` over the batched core (extra `rl`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from time import monotonic
from typing import Any, ClassVar

import numpy as np

from drivelab.errors import ConfigError, MissingExtra
from drivelab.sim.envs.actions import ActionKind
from drivelab.sim.envs.core import SEEDS, EnvCore, EnvOptions
from drivelab.sim.envs.episodes import ALL_FAMILIES, EpisodeSource
from drivelab.sim.envs.vector_view import VectorView
from drivelab.sim.envs.views import check_form
from drivelab.sim.world.native import Dynamics

try:
    from stable_baselines3.common.vec_env import VecEnv
except ModuleNotFoundError as error:
    raise MissingExtra("stable-baselines3", extra="rl") from error


class NativeVecEnv(VecEnv):
    """`num_envs` episodes for Stable-Baselines3, stepped by one compiled call.

    Ended episodes begin anew in the same step. Only then `infos` say something: everything of
    `EnvCore.info`, `terminal_observation`, `TimeLimit.truncated`, `is_success`, and `episode` with
    return, length and time as `VecMonitor` would write it.
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": []}

    def __init__(
        self,
        num_envs: int,
        *,
        episodes: EpisodeSource | str | Sequence[str] = ALL_FAMILIES,
        action: str | ActionKind = "control",
        reward: str | Mapping[str, float] = "default",
        observation: str = "flat",
        max_steps: int | None = None,
        dynamics: Dynamics = "kinematic",
    ) -> None:
        self.render_mode: str | None = None
        self.observation = check_form(observation)
        options = EnvOptions(episodes, action, reward, max_steps, dynamics)
        self.core = EnvCore(options, environments=num_envs, view=VectorView())
        self._draws = [np.random.default_rng() for _ in range(num_envs)]
        self._began = monotonic()
        self._actions: np.ndarray | None = None
        space = self.core.view.space(self.observation)
        super().__init__(num_envs, space, self.core.action_space)

    def reset(self) -> Any:
        """Begin new episodes everywhere, with the seeds of `seed` where it was called before."""
        for e, seed in enumerate(self._seeds):
            if seed is not None:
                self._draws[e] = np.random.default_rng(seed)
        self.core.reset({e: self._draw(e) for e in range(self.num_envs)})
        self._reset_seeds()
        self._reset_options()
        self.reset_infos = [{"episode_id": self._id(e)} for e in range(self.num_envs)]
        return self._pack(slice(None))

    def step_async(self, actions: np.ndarray) -> None:
        """Keep the actions for `step_wait`."""
        self._actions = actions

    def step_wait(self) -> tuple[Any, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        """Decide once everywhere and let 0.1 s pass."""
        core = self.core
        core.step(self._actions)
        rewards = core.verdict.rewards[:, 0].astype(np.float32)
        done = core.over[:, 0].copy()
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        ended = np.flatnonzero(done)
        if len(ended):
            for e in ended:
                infos[e] = self._last_info(int(e))
            core.reset({int(e): self._draw(int(e)) for e in ended})
        return self._pack(slice(None)), rewards, done, infos

    def close(self) -> None:
        """Nothing to close."""

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """The same attribute of this object, once per environment."""
        return [getattr(self, attr_name) for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Not offered: the environments are one object."""
        raise ConfigError(f"{attr_name} cannot be set for one environment of a batch")

    def env_method(
        self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any
    ) -> list[Any]:
        """Not offered: the environments are one object."""
        raise ConfigError(f"{method_name}() cannot be called on one environment of a batch")

    def env_is_wrapped(self, wrapper_class: type, indices: Any = None) -> list[bool]:
        """Never."""
        return [False for _ in self._get_indices(indices)]

    def _last_info(self, e: int) -> dict[str, Any]:
        core = self.core
        info = core.info(e)
        steps = int(core.world.state.step[e])
        since = round(monotonic() - self._began, 3)
        return {
            **info,
            "is_success": info["success"],
            "terminal_observation": self._pack(e),
            "TimeLimit.truncated": bool(core.verdict.ended[e, 0] == 2),
            "episode": {"r": float(core.verdict.returns[e, 0]), "l": steps, "t": since},
        }

    def _pack(self, at: Any) -> Any:
        return self.core.view.pack(self.core.observations, (at, 0), self.observation)

    def _draw(self, e: int) -> int:
        return int(self._draws[e].integers(SEEDS))

    def _id(self, e: int) -> str:
        return self.core.world.starts[e].episode.id

    def _get_indices(self, indices: int | Iterable[int] | None) -> Iterable[int]:
        return super()._get_indices(indices)
