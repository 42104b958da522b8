"""How hard the ego would hit if nobody acted: NeuroNCAP's reference speed.

It takes a simulation of its own, so it is found when a score asks for it, of fresh and of stored
rollouts alike.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from drivelab.geometry.polyline import project, sample
from drivelab.kernels.boxes import boxes_overlap
from drivelab.kernels.world.arrays import ABSENT, State
from drivelab.metrics.closed_loop.neuroncap import HIT_KINDS
from drivelab.metrics.rollout_metric import RolloutMetric
from drivelab.sim.scenario.score import ScenarioPass, named_metrics
from drivelab.sim.world.episode import Episode
from drivelab.sim.world.events import closing_speed
from drivelab.sim.world.native import NativeWorld
from drivelab.sim.world.start import DT
from drivelab.types import Rollout

KEY = "v_ref"


def with_reference(metric: RolloutMetric, episode: Episode, rollout: Rollout) -> Rollout:
    """The rollout with its reference speed in `info`, where the metric needs one.

    So does the score of a scenario that expects a NeuroNCAP score. What the rollout or its episode
    says of the speed comes first.
    """
    asked = [metric]
    if isinstance(metric, ScenarioPass):
        asked += named_metrics(rollout).values()
    if rollout.info.get(KEY) is not None or all(KEY not in one.inputs for one in asked):
        return rollout
    told = episode.info.get(KEY)
    speed = reference_impact(episode) if told is None else float(told)
    return replace(rollout, info={**rollout.info, KEY: speed})


def reference_impact(episode: Episode) -> float:
    """Impact speed of an ego that keeps its speed along its route [m/s].

    Counted as the score counts: the first contact with a vehicle or bicycle, with whatever else
    was run over before. Where it hits none of them, its own speed at the start stands in.
    """
    world = NativeWorld([episode])
    watched = [n for n, actor in enumerate(episode.actors, 1) if actor.kind in HIT_KINDS]
    line = np.asarray(episode.route_line, float)
    begin = project(line, np.asarray(episode.ego_pose, float))[0]
    for step in range(1, round(episode.duration / DT) + 1) if watched else ():
        world.step_poses(sample(line, begin + episode.ego_speed * DT * step)[None, None])
        ego = _box(world.state, 0)
        struck = [
            closing_speed(world.state, 0, n)
            for n in watched
            if world.state.mode[0, n] != ABSENT and boxes_overlap(ego, _box(world.state, n))
        ]
        if struck:
            return max(struck)
    return float(episode.ego_speed)


def _box(state: State, n: int) -> np.ndarray:
    return np.array(
        [
            state.x[0, n],
            state.y[0, n],
            state.cos[0, n],
            state.sin[0, n],
            state.half_length[0, n],
            state.half_width[0, n],
        ]
    )
