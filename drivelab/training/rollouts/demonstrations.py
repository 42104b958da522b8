"""Expert clips: the recorded drive, repeated by the actions that the policy has.

Before each decision the action is taken that leads to where the recorded ego was 0.5 s later. So
the states are those that such actions lead to, with speeds in steps of 0.5 m/s, and what a policy
sees while it imitates is what it will see when it drives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from drivelab.errors import RunError
from drivelab.geometry.poses import relative
from drivelab.planning.rad_anchors import RadAnchors, rad_anchors
from drivelab.sim.radlab import LENGTH
from drivelab.training.reinforcement.imitation import expert_bins
from drivelab.training.rollouts.clips import NO_EVENT, UNTAUGHT, Dropped, Harvest
from drivelab.training.rollouts.runner import ClipRunner, Decided, Decider, MakeCore

AHEAD = 5  # frames of 0.1 s that an action looks ahead


class ExpertDriver:
    """Decides what the recorded ego did; certain of it, and without values."""

    version = UNTAUGHT

    def __init__(self, anchors: RadAnchors) -> None:
        self._anchors = anchors

    def decide(self, features: Mapping[str, np.ndarray], runner: ClipRunner) -> Decided:
        """The actions that end nearest to where the expert was."""
        moves = np.zeros((len(runner.core), 2))
        for e, episode in enumerate(runner.episodes):
            if episode is not None and episode.expert is not None:
                target = expert_position(episode.expert.poses, int(runner.at[e]) + AHEAD)
                goal = np.array([*target, 0.0])
                moves[e] = relative(runner.core.world.ego_pose(e), goal)[:2]
        nothing = np.zeros((len(moves), 2), np.float32)
        return Decided(expert_bins(moves, self._anchors), nothing, nothing)

    def values(self, features: Mapping[str, np.ndarray]) -> Float[np.ndarray, "k 2"]:
        """None."""
        return np.zeros((len(next(iter(features.values()))), 2), np.float32)


def expert_position(poses: Float[np.ndarray, "t 3"], frame: int) -> Float[np.ndarray, "2"]:
    """Where the recorded ego was at a frame [m]; beyond the record it keeps its last velocity."""
    last = len(poses) - 1
    beyond = max(frame - last, 0)
    velocity = poses[last, :2] - poses[max(last - 1, 0), :2]
    return np.asarray(poses[min(frame, last), :2] + beyond * velocity)


def demonstrate(
    make_core: MakeCore,
    seeds: Sequence[int],
    *,
    steps: int = LENGTH,
    expert: Decider | None = None,
) -> Harvest:
    """Drive clips as their experts did; those in which that ends in an event are dropped.

    Args:
        make_core: makes worlds with RAD's actions.
        seeds: of the clips.
        steps: decisions of the longest clip.
        expert: decides for the actions of these worlds; None: for RAD's.

    Raises:
        RunError: no clip is left.
    """
    expert = expert or ExpertDriver(rad_anchors())
    found = ClipRunner(make_core, steps=steps).run(expert, seeds)
    clips = found.clips
    good = clips.events == NO_EVENT
    lost = tuple(
        Dropped(int(seed), "its expert, repeated by the policy's actions, ends in an event")
        for seed in clips.seeds[~good]
    )
    if not good.any():
        raise RunError(f"none of {len(seeds)} clips can be imitated; the first: {lost[0].reason}")
    return Harvest(clips.take(good), (*found.dropped, *lost), found.seconds)
