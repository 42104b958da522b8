"""`drivelab/NativeMulti-v0`: several vehicles of one episode driven from outside (PettingZoo)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.utils import seeding
from jaxtyping import Int

from drivelab.errors import ConfigError, MissingExtra
from drivelab.sim.envs.actions import ActionKind, TrajectoryActions, action_kind
from drivelab.sim.envs.agents_view import AgentsView
from drivelab.sim.envs.core import SEEDS, EnvCore, EnvOptions
from drivelab.sim.envs.episodes import ALL_FAMILIES, EpisodeSource, asked_seed
from drivelab.sim.envs.picture import check_render_mode, picture
from drivelab.sim.world.episode import Drive, Episode, Policy
from drivelab.sim.world.native import Dynamics

try:
    from pettingzoo import ParallelEnv
except ModuleNotFoundError as error:
    raise MissingExtra("pettingzoo", extra="rl") from error


class NativeMultiEnv(ParallelEnv[str, np.ndarray, Any]):
    """Drive several vehicles of one episode, each along its own route.

    ## Agents
    `agents=8`: the ego (`agent_0`) and the vehicles nearest to it at the start, up to 8;
    `agents=["car_a", ...]`: the ego and the actors of these ids. All others drive as the episode
    says. `agent_k` is the same place in every episode; an episode with fewer vehicles has fewer
    agents. `info["actor"]` is the id of its actor.

    ## Action space
    `control` or `rad` of `drivelab/Native-v0`, for every agent.

    ## Observation space
    `Box (1624,)` of every agent in its own frame: 7 ego, 31 partners x 7, 200 road segments x 7
    within 50 m. docs/environments.md has the table. `slots=32` is the most actors an episode may
    have; each adds 7 numbers.

    ## Reward
    As `drivelab/Native-v0`, for every agent along its own route.

    ## Starting state, arguments
    As `drivelab/Native-v0`.

    ## Episode end
    An agent ends by the events that the episode's `Termination` names for its ego; its vehicle then
    brakes to a stop and stays. All agents are truncated when time is over.

    ## Version history
    v0: first version.
    """

    metadata: ClassVar[dict[str, Any]] = {
        "name": "drivelab/NativeMulti-v0",
        "render_modes": ["rgb_array"],
        "render_fps": 10,
        "is_parallelizable": True,
    }

    def __init__(
        self,
        *,
        agents: int | Sequence[str] = 8,
        slots: int = 32,
        episodes: EpisodeSource | str | Sequence[str] = ALL_FAMILIES,
        action: str | ActionKind = "control",
        reward: str | Mapping[str, float] = "default",
        max_steps: int | None = None,
        dynamics: Dynamics = "kinematic",
        render_mode: str | None = None,
    ) -> None:
        kind = action_kind(action)
        if isinstance(kind, TrajectoryActions):
            raise ConfigError("action='trajectory' drives the ego alone: expected control or rad")
        self._wanted = agents if isinstance(agents, int) else tuple(agents)
        count = self._wanted if isinstance(self._wanted, int) else len(self._wanted) + 1
        options = EnvOptions(episodes, kind, reward, max_steps, dynamics)
        self.core = EnvCore(
            options,
            environments=1,
            view=AgentsView(slots),
            policies=count,
            cast=self._cast,
            slots=slots,
        )
        self.render_mode = check_render_mode(render_mode)
        self.possible_agents = [f"agent_{k}" for k in range(count)]
        self.agents: list[str] = []
        self._number = {name: k for k, name in enumerate(self.possible_agents)}
        self._space = self.core.view.space("flat")
        self._random = seeding.np_random(None)[0]

    def observation_space(self, agent: str) -> gym.Space:
        """The same object for every agent."""
        return self._space

    def action_space(self, agent: str) -> gym.Space:
        """The same object for every agent."""
        return self.core.action_space

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        """Begin a new episode."""
        if seed is not None:
            self._random = seeding.np_random(seed)[0]
        # PettingZoo's checker resets with options of its own: other names are left alone
        ours = {"episode_seed": (options or {}).get("episode_seed")}
        episode_seed = asked_seed(ours, tuple(ours))
        if episode_seed is None:
            episode_seed = int(self._random.integers(SEEDS))
        self.core.reset({0: episode_seed})
        over = self.core.over[0]
        self.agents = [name for name, k in self._number.items() if not over[k]]
        return self._observations(), {name: self._info(name) for name in self.agents}

    def step(
        self, actions: Mapping[str, Any]
    ) -> tuple[
        dict[str, Any],
        dict[str, float],
        dict[str, bool],
        dict[str, bool],
        dict[str, dict[str, Any]],
    ]:
        """Let every agent decide once and 0.1 s pass."""
        if not self.agents:
            raise ResetNeeded("no agent is left in this episode: call reset() before step()")
        core = self.core
        core.step(self._gather(actions))
        alive = self.agents
        ended = {name: int(core.verdict.ended[0, self._number[name]]) for name in alive}
        results = (
            self._observations(),
            {name: float(core.verdict.rewards[0, self._number[name]]) for name in alive},
            {name: end == 1 for name, end in ended.items()},
            {name: end == 2 for name, end in ended.items()},
            {name: self._info(name) for name in alive},
        )
        self.agents = [name for name in alive if not ended[name]]
        return results

    def render(self) -> np.ndarray | None:
        """The surroundings of `agent_0` from above, (384, 384, 3) uint8."""
        return None if self.render_mode is None else picture(self.core.world, 0)

    def close(self) -> None:
        """Nothing to close."""

    def _gather(self, actions: Mapping[str, Any]) -> np.ndarray:
        idle = self.core.action.idle
        rows = np.repeat(idle[None], len(self.possible_agents), axis=0)
        for name in self.agents:
            if name not in actions:
                raise ConfigError(f"no action of {name!r}: expected one of each of {self.agents}")
            given = np.asarray(actions[name])
            if given.shape != idle.shape:
                raise ConfigError(f"action of {name!r}: shape {given.shape}, not {idle.shape}")
            rows[self._number[name]] = given
        return rows[None]

    def _observations(self) -> dict[str, Any]:
        rows = self.core.view.pack(self.core.observations, 0, "flat")
        return {name: rows[self._number[name]] for name in self.agents}

    def _info(self, name: str) -> dict[str, Any]:
        k = self._number[name]
        world = self.core.world
        return {**self.core.info(0, k), "actor": world.starts[0].ids[int(world.policies[0, k])]}

    def _cast(self, episode: Episode) -> tuple[Episode, Int[np.ndarray, " A"]]:
        slots = _slots(episode, self._wanted)
        chosen = set(slots[1:])
        actors = tuple(
            replace(actor, motion=Policy(_route(actor.motion)), behaviours=())
            if slot in chosen
            else actor
            for slot, actor in enumerate(episode.actors, start=1)
        )
        row = np.full(self.core.shape[1], -1, np.int32)
        row[: len(slots)] = slots
        return replace(episode, actors=actors), row


def _slots(episode: Episode, wanted: int | Sequence[str]) -> list[int]:
    """Slot 0 and those of the actors asked for."""
    if not isinstance(wanted, int):
        ids = [actor.id for actor in episode.actors]
        missing = [name for name in wanted if name not in ids]
        if missing:
            raise ConfigError(
                f"episode {episode.id} has no actor {missing[0]!r} (it has: {', '.join(ids)})"
            )
        return [0, *(ids.index(name) + 1 for name in wanted)]
    drivers = [k for k, actor in enumerate(episode.actors) if isinstance(actor.motion, Drive)]
    distance = [np.hypot(*(episode.actors[k].pose - episode.ego_pose)[:2]) for k in drivers]
    nearest = np.argsort(distance, kind="stable")[: wanted - 1]
    return [0, *(drivers[k] + 1 for k in nearest)]


def _route(motion: Any) -> tuple[str, ...]:
    return motion.route if isinstance(motion, Drive | Policy) else ()
