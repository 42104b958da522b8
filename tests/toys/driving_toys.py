"""A closed-loop bench of generated episodes, and drivers with every fault."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from drivelab.geometry.polyline import sample
from drivelab.sim.envs.families import FAMILIES, family_episode
from drivelab.sim.world.episode import Episode
from drivelab.types import EgoTrajectory, Observation, Plan, SensorRig


@dataclass(frozen=True)
class FamilySource:
    """Episodes `family-seed`."""

    count: int
    duration: float
    told: bool = True  # whether the reference speed of NeuroNCAP's score is known

    label, data, licence = "training families (native world)", "embedded", "none"

    def scene_ids(self) -> tuple[str, ...]:
        names = list(FAMILIES)
        return tuple(f"{names[i % len(names)]}-{i}" for i in range(self.count))

    def load(self, scene_id: str) -> Episode:
        family, _, seed = scene_id.partition("-")
        episode = family_episode(family, int(seed))
        return replace(
            episode,
            id=scene_id,
            duration=self.duration,
            expert=_along_route(episode, self.duration),
            info={"v_ref": 10.0} if self.told else {},
        )

    def provenance(self) -> Mapping[str, str]:
        return {"families": "1"}


def _along_route(episode: Episode, duration: float) -> EgoTrajectory:
    """A recorded ego that keeps its first speed along the route's line."""
    steps = np.arange(round(duration / 0.1) + 1)
    line = np.asarray(episode.route_line, float)
    poses = sample(line, 0.1 * episode.ego_speed * steps)
    velocities = np.tile([episode.ego_speed, 0.0], (len(steps), 1))
    times = (steps * 100_000).astype(np.int64)
    return EgoTrajectory(times, poses, velocities, np.zeros_like(velocities))


@dataclass(frozen=True)
class FamilyBench:
    count: int = 4
    duration: float = 1.5
    metric: str = "carla_ds_v2.1"
    controller: str = "lqr"
    told: bool = True

    def source(self) -> FamilySource:
        return FamilySource(self.count, self.duration, self.told)

    def split_name(self, source: FamilySource) -> str:
        return "families"


class Keeper:
    """Keeps a speed; goes wrong in one scene from one step on, in the way that `fault` names."""

    def __init__(
        self, fault: str = "", scene: str = "follow-2", step: int = 3, speed: float = 8.0,
        marker: str = "",
    ) -> None:  # fmt: skip
        self.rig = SensorRig(history=1)
        self.fault, self.scene, self.step, self.speed = fault, scene, step, speed
        self.marker, self.asked = marker, 0

    def reset(self, scenes: Sequence[str], *, seed: int = 0) -> None:
        self.asked = 0
        if self.fault == "reset" and self.scene in scenes:
            raise RuntimeError("no memory of this place")

    def act(self, observations: Sequence[Observation]) -> list[Plan]:
        return [self.plan(observation.scene_id) for observation in observations]

    def plan(self, scene: str) -> Plan:
        good = Plan(np.outer(0.5 * self.speed * np.arange(1, 9), [1.0, 0.0, 0.0]))
        if scene != self.scene or not self.fault:
            return good
        self.asked += 1
        if self.asked <= self.step:
            return good
        return getattr(self, f"_{self.fault}")(good)

    def _reset(self, good: Plan) -> Plan:
        return good

    def _raises(self, good: Plan) -> Plan:
        raise ValueError("the network exploded")

    def _exits(self, good: Plan) -> Plan:
        sys.exit(7)

    def _shape(self, good: Plan) -> Plan:
        return Plan(good.poses[:5])

    def _nan(self, good: Plan) -> Plan:
        poses = good.poses.copy()
        poses[2, 1] = np.nan
        return Plan(poses)

    def _dies(self, good: Plan) -> Plan:
        os._exit(3)

    def _killed_once(self, good: Plan) -> Plan:
        marker = Path(self.marker)
        if not marker.exists():
            marker.mkdir()  # a file would become part of the run's identity
            os.kill(os.getpid(), signal.SIGKILL)
        return good


class Jumper(Keeper):
    """As `Keeper`, whose plans no tracker need follow."""

    controller = "perfect"
