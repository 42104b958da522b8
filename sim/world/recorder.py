"""What happens in one environment, step by step, until it is a rollout."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Float32

from drivelab.geometry.poses import wrap_angle
from drivelab.kernels.world import arrays as a
from drivelab.sim.world.episode import Episode
from drivelab.sim.world.events import EventWatch
from drivelab.sim.world.native import NativeWorld
from drivelab.sim.world.present import lanes_lit, present
from drivelab.sim.world.start import DT, Start
from drivelab.types import STATE_SIZE, EgoTrajectory, Rollout, StateColumn, Tracks

if TYPE_CHECKING:
    from drivelab.sim.sensors.stage import Stage


class Recorder:
    """Records one environment of a world; call `record` after the reset and after every step.

    Attributes:
        frames: moments recorded so far; the last one is the present.
        stage: where cameras look, for episodes that have some.
        watch: the events seen so far.
    """

    def __init__(self, world: NativeWorld, environment: int) -> None:
        self.start: Start = world.starts[environment]
        self.episode: Episode = self.start.episode
        actors, room = len(self.start.ids), self.episode_steps + 1
        self.frames = 0
        self.ego = np.zeros((room, STATE_SIZE))
        self.poses = np.full((room, actors - 1, 3), np.nan)
        self.velocities = np.full((room, actors - 1, 2), np.nan)
        self.sizes = np.zeros((room, actors - 1, 2))
        self.valid = np.zeros((room, actors - 1), bool)
        self.facts = np.zeros((room, 4))  # progress, offset, heading, border gap
        self.flags = np.zeros(room, np.uint16)
        self.red: list[tuple[str, ...]] = []
        self.stage = episode_stage(self.episode)
        self.watch = EventWatch(self.start, self.stage)
        self._world, self._e = world, environment

    @property
    def episode_steps(self) -> int:
        """Steps until the episode's time is over."""
        return round(self.start.episode.duration / DT)

    @property
    def over(self) -> bool:
        """Whether the episode has ended."""
        return self.watch.ended or self.frames > self.episode_steps

    def record(self) -> None:
        """Keep the present moment."""
        world, e, k = self._world, self._e, self.frames
        state = world.state
        others = present(world, e)
        self.ego[k] = self._ego_row(k)
        self.valid[k], self.poses[k] = others.there, others.poses
        self.velocities[k], self.sizes[k] = others.velocities, others.sizes
        self.facts[k] = (
            state.way_at[e, 0],
            state.way_off[e, 0],
            state.way_heading[e, 0],
            state.border_gap[e, 0],
        )
        self.flags[k] = state.flags[e, 0]
        self.red.append(lanes_lit(world, e, a.RED))
        self.frames += 1
        self.watch.look(self, state, e)

    def tracks(self) -> Tracks:
        """The others over all frames so far."""
        n = self.frames
        actors = self.episode.actors
        return Tracks(
            self.start.ids[1:],
            tuple(actor.kind for actor in actors),
            self.sizes[n - 1].copy(),
            self.poses[:n],
            self.velocities[:n],
            self.valid[:n],
            DT,
        )

    def vector(self) -> Float32[np.ndarray, " f"]:
        """The present moment as the driver's row of numbers, in the layout `EGO_LAYOUT`."""
        from drivelab.kernels.world.observe_ego import EGO_FLOATS, observe_ego

        row = np.zeros((1, EGO_FLOATS), np.float32)
        observe_ego(self._world.roads, self._world.one(self._e), row)
        return row[0]

    def rollout(
        self,
        *,
        plans: Float[np.ndarray, "k p 3"],
        plan_dt: float,
        info: Mapping[str, Any],
    ) -> Rollout:
        """Everything so far as a rollout; one plan per decision, from the first step on."""
        n = self.frames
        return Rollout(
            scene_id=self.episode.id,
            times=np.arange(n) * DT,
            ego=self.ego[:n].copy(),
            tracks=self.tracks(),
            plan=plans[0] if len(plans) else np.zeros((0, 3)),
            plan_dt=plan_dt,
            events=self.watch.finished(self),
            info={**self.episode.info, **self._facts(), **info},
            plans=plans,
            plan_steps=np.arange(len(plans)),
            route=np.asarray(self.episode.route_line, float),
            red_lights=tuple(self.red),
        )

    def _facts(self) -> dict[str, Any]:
        n, length = self.frames, self.route_length
        begin = self.facts[0, 0]
        span = max(length - begin, 1e-9)
        done = self.watch.route_done
        furthest = float(self.facts[:n, 0].max())
        facts: dict[str, Any] = {
            "world": "native",
            "route_length": span,
            "progress": self.facts[:n, 0] - begin,
            "route_offset": np.abs(self.facts[:n, 1]),
            "route_heading": self.facts[:n, 2].copy(),
            "border_gap": self.facts[:n, 3].copy(),
            "off_lane": (self.flags[:n] & (a.OFF_LANES | a.WRONG_WAY)) > 0,
            "route_completion": 1.0 if done else float(np.clip((furthest - begin) / span, 0, 1)),
            "status": self.watch.status(self),
            "time_limit": self.episode.duration,
        }
        if self.episode.expert is not None:
            facts["expert"] = expert_poses(self.episode.expert)
        return facts

    @property
    def route_length(self) -> float:
        """Length of the route line [m]."""
        state = self.start.state
        last = int(state.way_first[0, 0] + state.way_count[0, 0]) - 1
        return float(state.way[0, last, 3])

    def _ego_row(self, k: int) -> Float[np.ndarray, "11"]:
        state, e = self._world.state, self._e
        row = np.zeros(STATE_SIZE)
        row[StateColumn.X : StateColumn.VX] = self._world.ego_pose(e)
        row[StateColumn.VX] = state.speed[e, 0]
        row[StateColumn.VY] = state.side_speed[e, 0]
        row[StateColumn.AX] = state.acceleration[e, 0]
        row[StateColumn.AY] = state.speed[e, 0] * state.yaw_rate[e, 0]
        row[StateColumn.STEERING] = state.steering[e, 0]
        row[StateColumn.YAW_RATE] = state.yaw_rate[e, 0]
        if k > 0:
            before = self.ego[k - 1]
            turned = row[StateColumn.STEERING] - before[StateColumn.STEERING]
            row[StateColumn.STEERING_RATE] = turned / DT
            change = row[StateColumn.YAW_RATE] - before[StateColumn.YAW_RATE]
            row[StateColumn.YAW_ACCELERATION] = change / DT
        return row


def expert_poses(expert: EgoTrajectory) -> Float[np.ndarray, "t 3"]:
    """The recorded ego at every step of the world, up to the end of its record."""
    seconds = (expert.times - expert.times[0]) * 1e-6
    at = np.arange(int(seconds[-1] / DT + 1e-6) + 1) * DT
    yaw = np.unwrap(expert.poses[:, 2])
    return np.column_stack(
        [
            np.interp(at, seconds, expert.poses[:, 0]),
            np.interp(at, seconds, expert.poses[:, 1]),
            wrap_angle(np.interp(at, seconds, yaw)),
        ]
    )


def episode_stage(episode: Episode) -> Stage | None:
    """Where cameras look, for episodes that have some."""
    if episode.rendering is None:
        return None
    from drivelab.sim.sensors.rendered import stage_of_episode  # only those need it

    return stage_of_episode(episode, episode.rendering)
