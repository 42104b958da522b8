"""How hard the ego would hit if nobody acted: NeuroNCAP's reference speed."""

from __future__ import annotations

import numpy as np

from drivelab.geometry.polyline import project, sample
from drivelab.kernels.world.arrays import COLLISION
from drivelab.sim.world.episode import Episode
from drivelab.sim.world.events import closing_speed
from drivelab.sim.world.native import NativeWorld
from drivelab.sim.world.start import DT


def reference_impact(episode: Episode) -> float:
    """Impact speed of an ego that keeps its speed along its route [m/s].

    Where it hits nobody, its own speed at the start stands in.
    """
    world = NativeWorld([episode])
    line = np.asarray(episode.route_line, float)
    begin = project(line, np.asarray(episode.ego_pose, float))[0]
    for step in range(1, round(episode.duration / DT) + 1):
        world.step_poses(sample(line, begin + episode.ego_speed * DT * step)[None, None])
        state = world.state
        if state.flags[0, 0] & COLLISION and state.hit[0, 0] >= 0:
            return closing_speed(state, 0, int(state.hit[0, 0]))
    return float(episode.ego_speed)
