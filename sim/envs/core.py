"""What all environments share: a batch of episodes, one compiled step, observations and rewards."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.error import ResetNeeded
from jaxtyping import Bool, Float, Int

from drivelab.errors import ConfigError
from drivelab.kernels.world.arrays import DT, ROUTE_DONE
from drivelab.kernels.world.env_step import decide
from drivelab.kernels.world.judge import (
    ACCELERATION,
    EVENTS,
    RULES,
    STANDING_STEPS,
    TERMS,
    WAY_AT,
    Verdict,
)
from drivelab.sim.envs.actions import ActionKind, Commands, action_kind
from drivelab.sim.envs.episodes import ALL_FAMILIES, EpisodeSource, episode_source, make_episode
from drivelab.sim.envs.event_names import event_names
from drivelab.sim.envs.rewards import weight_row
from drivelab.sim.envs.views import View
from drivelab.sim.world.episode import Episode
from drivelab.sim.world.native import Dynamics, NativeWorld, dynamics_number
from drivelab.sim.world.roads import RoadBank
from drivelab.sim.world.state import Capacity

SEEDS = 2**31 - 1  # seeds of episodes are below
_FAR = 1e9  # steps of an episode without end


@dataclass(frozen=True, slots=True)
class EnvOptions:
    """What all environments can be asked for.

    Attributes:
        episodes: a function seed -> Episode, names of training families, or a scenario.
        action: "control", "trajectory", "rad", or an action kind with options of its own.
        reward: a preset, or weights by term that replace those of the default one.
        max_steps: truncates episodes after so many steps; the episode's duration when None.
        dynamics: "kinematic" or "dynamic" bicycle under `control` and `trajectory`.
    """

    episodes: EpisodeSource | str | Sequence[str] = ALL_FAMILIES
    action: str | ActionKind = "control"
    reward: str | Mapping[str, float] = "default"
    max_steps: int | None = None
    dynamics: Dynamics = "kinematic"


# Which slots of an episode are driven from outside: episode -> (episode to run, slots; -1 = none)
Cast = Callable[[Episode], tuple[Episode, Int[np.ndarray, " A"]]]


def ego_only(episode: Episode) -> tuple[Episode, Int[np.ndarray, "1"]]:
    """The ego alone is driven from outside."""
    return episode, np.zeros(1, np.int32)


class EnvCore:
    """E environments of A policies that are stepped together.

    Everything of one step lies in arrays that the next step overwrites; the faces copy what they
    hand out. `slots` is the least number of actors that there is room for.

    Attributes:
        observations: arrays (E, A, ...) by name, as the view lays them out.
        verdict: rewards, events and ends of the last step.
    """

    def __init__(
        self,
        options: EnvOptions,
        *,
        environments: int,
        view: View,
        policies: int = 1,
        cast: Cast = ego_only,
        slots: int = 1,
    ) -> None:
        if environments < 1 or policies < 1:
            raise ConfigError(
                f"{environments} environments, {policies} policies: expected 1 or more"
            )
        if options.max_steps is not None and (
            not isinstance(options.max_steps, int) or options.max_steps < 1
        ):
            raise ConfigError(f"max_steps={options.max_steps}: expected a whole number above 0")
        self.options = options
        self.source = episode_source(options.episodes)
        self.action: ActionKind = action_kind(options.action)
        self.action_space: gym.Space = self.action.space
        self.view = view
        self.shape = shape = (environments, policies)
        self.observations = view.allocate(shape)
        self.verdict = _verdict(shape, options.reward)
        self._cast, self._slots = cast, slots
        self._how = dynamics_number(options.dynamics)
        self._begin_at = np.zeros(shape)
        self._commands = Commands(
            np.zeros((*shape, 2)), np.zeros((*shape, 3)), np.full(shape, -1, np.int32), self.over
        )
        self._bank = RoadBank()
        self._world: NativeWorld | None = None

    @property
    def over(self) -> Bool[np.ndarray, "E A"]:
        """Policies that have ended, or were never there."""
        return self.verdict.over

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def world(self) -> NativeWorld:
        """The world of all environments.

        Raises:
            gymnasium.error.ResetNeeded: before the first reset.
        """
        if self._world is None:
            raise ResetNeeded("this environment has no episode yet: call reset() before step()")
        return self._world

    def reset(self, seeds: Mapping[int, int]) -> None:
        """Put environments into new episodes: their number -> the seed of the episode.

        The first call names all environments.
        """
        episodes = {e: make_episode(self.source, seed) for e, seed in seeds.items()}
        self.reset_to(episodes)

    def reset_to(self, episodes: Mapping[int, Episode]) -> None:
        """Put environments into given episodes."""
        casts = {e: self._cast(episode) for e, episode in episodes.items()}
        if self._world is None:
            chosen = [casts[e] for e in range(len(self))]
            policies = np.array([slots for _, slots in chosen], np.int32)
            self._world = NativeWorld(
                [episode for episode, _ in chosen],
                dynamics=self.options.dynamics,
                policies=policies,
                capacity=Capacity(actors=self._slots),
                bank=self._bank,
            )
        for e, (episode, slots) in casts.items():
            self.world.policies[e] = self._commands.policies[e] = slots
            self.world.reset(e, episode)
            self._begin(e, episode)
            self.view.fill_one(self.world, e, self.observations)

    def forget_maps(self) -> None:
        """Let go of the world, which keeps the maps of all it has driven: the next begins anew.

        The next reset names all environments.
        """
        self._bank.clear()
        self._world = None

    def step(self, actions: Any) -> None:
        """One decision of every policy; those that are over come to a stop.

        Raises:
            ConfigError: an action that the space does not hold.
        """
        world, commands = self.world, self._commands
        how = self.action.command(world.state, actions, commands, self._how)
        decide(
            world.roads, world.state, commands.controls, commands.poses, how, commands.policies,
            self.verdict, self.view.ego_rows(self.observations),
        )  # fmt: skip
        self.view.fill(world, self.observations)

    def success(self) -> Bool[np.ndarray, "E A"]:
        """Who reached the end of its route in the last step, and had no fault on the way."""
        return ((self.verdict.events & ROUTE_DONE) > 0) & (self.verdict.faults == 0)

    def progress(self) -> Float[np.ndarray, "E A"]:
        """Way made along the route since the start [m]."""
        return self.verdict.memory[:, :, WAY_AT] - self._begin_at

    def info(self, e: int, a: int = 0) -> dict[str, Any]:
        """What happened to one policy in the last step; see docs/environments.md."""
        world, verdict = self.world, self.verdict
        state, start = world.state, world.starts[e]
        slot = int(world.policies[e, a])
        events, other = int(verdict.events[e, a]), int(state.hit[e, slot])
        weighted = (verdict.weights * verdict.terms[e, a]).tolist()
        return {
            "events": event_names(events),
            "success": bool(events & ROUTE_DONE) and not verdict.faults[e, a],
            "progress": float(verdict.memory[e, a, WAY_AT] - self._begin_at[e, a]),
            "route_deviation": float(state.way_off[e, slot]),
            "heading_deviation": float(state.way_heading[e, slot]),
            "border_gap": float(state.border_gap[e, slot]),
            "speed": float(state.speed[e, slot]),
            "hit": start.ids[other] if other >= 0 else None,
            "time": float(state.step[e]) * DT,
            "episode_id": start.episode.id,
            "reward_terms": dict(zip(TERMS, weighted, strict=True)),
        }

    def _begin(self, e: int, episode: Episode) -> None:
        world, verdict = self.world, self.verdict
        state, slots = world.state, np.maximum(world.policies[e], 0)
        verdict.rules[e] = _rules(episode, self.options.max_steps)
        memory = verdict.memory[e]
        memory[:, WAY_AT] = self._begin_at[e] = state.way_at[e, slots]
        memory[:, ACCELERATION] = state.acceleration[e, slots]
        memory[:, STANDING_STEPS] = 0.0
        memory[:, EVENTS] = state.flags[e, slots].astype(np.int64) & ~ROUTE_DONE
        verdict.rewards[e] = verdict.returns[e] = verdict.terms[e] = 0.0
        verdict.events[e] = verdict.ended[e] = verdict.faults[e] = 0
        verdict.over[e] = world.policies[e] < 0


def _verdict(shape: tuple[int, int], reward: str | Mapping[str, float]) -> Verdict:
    """Room for what is judged; nobody is in an episode yet."""
    return Verdict(
        rules=np.zeros((shape[0], len(RULES))),
        weights=weight_row(reward),
        memory=np.zeros((*shape, 4)),
        terms=np.zeros((*shape, len(TERMS))),
        rewards=np.zeros(shape),
        events=np.zeros(shape, np.int64),
        ended=np.zeros(shape, np.int64),
        over=np.ones(shape, bool),
        faults=np.zeros(shape, np.int64),
        returns=np.zeros(shape),
    )


def _rules(episode: Episode, max_steps: int | None) -> Float[np.ndarray, " rules"]:
    """A row of `judge.RULES`."""
    ends = episode.termination
    steps = float(max_steps or _FAR)
    switches = [ends.collision, ends.off_road, ends.kerb, ends.wrong_way, ends.route_done]
    limits = [ends.route_deviation, ends.heading_deviation, ends.blocked_for]
    return np.array(
        [
            *(float(switch) for switch in switches),
            *(np.nan if limit is None else limit for limit in limits),
            min(steps, float(round(episode.duration / DT))),
            np.nan if ends.guard is None else ends.guard,
        ]
    )
