"""A closed-loop bench of generated episodes, and drivers with every fault."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from drivelab.sim.envs.families import FAMILIES, family_episode
from drivelab.sim.world.episode import Episode
from drivelab.types import EgoTrajectory


@dataclass(frozen=True)
class FamilySource:
    """Episodes `family-seed`; `sealed` names a file whose presence forbids to load any."""

    count: int
    duration: float
    sealed: str = ""

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
            info={"v_ref": 10.0, "scenario_kinds": ()},
        )

    def provenance(self) -> Mapping[str, str]:
        return {"families": "1"}


def _along_route(episode: Episode, duration: float) -> EgoTrajectory:
    """A recorded ego that keeps its first speed along the route's line."""
    from drivelab.geometry.polyline import sample

    steps = np.arange(round(duration / 0.1) + 1)
    line = np.asarray(episode.route_line, float)
    poses = sample(line, 0.1 * episode.ego_speed * steps)
    velocities = np.tile([episode.ego_speed, 0.0], (len(steps), 1))
    times = (steps * 100_000).astype(np.int64)
    return EgoTrajectory(times, poses, velocities, np.zeros_like(velocities))


@dataclass(frozen=True)
class FamilyBench:
    count: int = 4
    duration: float = 3.0
    metric: str = "carla_ds_v2.1"
    controller: str = "lqr"

    def source(self) -> FamilySource:
        return FamilySource(self.count, self.duration)

    def split_name(self, source: FamilySource) -> str:
        return "families"
