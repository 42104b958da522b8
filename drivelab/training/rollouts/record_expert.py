"""Experts that go where the recorded ego went, and a vocabulary of such drives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float, Int

from drivelab.agents.vadv2.vocabulary import make_vocabulary
from drivelab.errors import DataError
from drivelab.geometry.poses import relative
from drivelab.kernels.world.arrays import DT
from drivelab.sim.envs.episodes import EpisodeSource
from drivelab.training.rollouts.clips import UNTAUGHT
from drivelab.training.rollouts.demonstrations import expert_position
from drivelab.training.rollouts.runner import ClipRunner, Decided

EVERY = 5  # frames between the moments of a clip whose futures a vocabulary is made of


class RecordExpert:
    """Drives where the recorded ego went; certain of it.

    Its plan is what is driven, and the target `trajectory` (e, t, 3): x, y [m], heading [rad] in
    the frame of the present ego. Its bins are (0, entry): the one nearest to that.

    Args:
        entries: x, y [m] of a vocabulary or of modes; its plan has as many poses.
        dt: between them [s].
    """

    version = UNTAUGHT

    def __init__(self, entries: Float[np.ndarray, "k t c"], dt: float) -> None:
        self._entries, self._dt = entries, dt

    def decide(self, features: Mapping[str, np.ndarray], runner: ClipRunner) -> Decided:
        """The recorded way itself, and the entry whose positions lie nearest, summed over it."""
        bins = np.zeros((len(runner.core), 2), np.int64)
        poses = self._entries.shape[1]
        went = np.zeros((len(bins), poses, 3), np.float32)
        for e, episode in enumerate(runner.episodes):
            if episode is not None and episode.expert is not None:
                goals = future(episode.expert.poses, int(runner.at[e]), poses, self._dt)
                went[e] = seen = relative(runner.core.world.ego_pose(e), goals)
                bins[e, 1] = nearest_entry(seen[:, :2], self._entries)
        nothing = np.zeros((len(bins), 2), np.float32)
        return Decided(bins, nothing, nothing, targets={"trajectory": went}, actions=went)

    def values(self, features: Mapping[str, np.ndarray]) -> Float[np.ndarray, "k 2"]:
        """None."""
        return np.zeros((len(next(iter(features.values()))), 2), np.float32)


class CoarseExpert(RecordExpert):
    """Drives by the entry nearest to where the recorded ego went, and is taught that way itself.

    No entry is quite right, so that it comes off the record and shows how to return: who imitates
    it meets states that the record alone does not have, but its own mistakes lead to.

    Args:
        entries: poses of what is driven.
        dt: between them [s].
    """

    def __init__(self, entries: Float[np.ndarray, "k t 3"], dt: float) -> None:
        super().__init__(entries, dt)
        self._driven = entries.astype(np.float32)

    def decide(self, features: Mapping[str, np.ndarray], runner: ClipRunner) -> Decided:
        """The nearest entry."""
        found = super().decide(features, runner)
        return replace(found, actions=self._driven[found.bins[:, 1]])


def nearest_entry(points: Float[np.ndarray, "t 2"], entries: Float[np.ndarray, "k t c"]) -> int:
    """Number of the first entry with the least sum of distances over the steps."""
    away = np.hypot(entries[..., 0] - points[:, 0], entries[..., 1] - points[:, 1])
    return int(away.sum(1).argmin())


def future(
    record: Float[np.ndarray, "t 3"], frame: int, poses: int, dt: float
) -> Float[np.ndarray, "p 3"]:
    """Recorded poses at dt, 2 dt, ... after a frame; beyond the record as it last moved."""
    ahead: Int[np.ndarray, " p"] = frame + np.rint(dt / DT * np.arange(1, poses + 1)).astype(int)
    places = [expert_position(record, int(at)) for at in ahead]
    return np.column_stack([np.stack(places), record[np.minimum(ahead, len(record) - 1), 2]])


def expert_vocabulary(
    source: EpisodeSource, seeds: Sequence[int], entries: int, *, poses: int, dt: float
) -> Float[np.ndarray, "k p 3"]:
    """The furthest trajectories of what experts drove from moments half a second apart.

    Raises:
        ConfigError: fewer different trajectories than entries.
        DataError: an episode without an expert.
    """
    drives = []
    for seed in seeds:
        expert = source(seed).expert
        if expert is None:
            raise DataError("it has no expert; leave it out", where=f"episode of seed {seed}")
        last = len(expert.poses) - round(poses * dt / DT)
        for frame in range(0, max(last, 1), EVERY):
            goals = future(expert.poses, frame, poses, dt)
            drives.append(relative(expert.poses[frame], goals))
    return make_vocabulary(np.stack(drives), entries)
