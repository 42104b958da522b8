"""Poses between recorded frames, for drawing: linear in position, shortest way in heading."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from drivelab.geometry.poses import wrap_angle
from drivelab.types import Scene

STATE_DT = 0.1  # spacing of simulated states [s]


def frame_seconds(scene: Scene) -> Float[np.ndarray, " t"]:
    """Time of every frame from the current moment [s]."""
    return (scene.ego.times - scene.time) * 1e-6


def tracks_at(
    scene: Scene, seconds: float
) -> tuple[Float[np.ndarray, "n 3"], Bool[np.ndarray, " n"]]:
    """Box centres of all tracks at a time, and which of them are there.

    Between two frames a track is there when it is in both of them; beyond the last frame the boxes
    of the last frame stay.
    """
    times = frame_seconds(scene)
    at = float(np.clip(seconds, times[0], times[-1]))
    after = int(np.clip(np.searchsorted(times, at), 1, max(len(times) - 1, 1)))
    if len(times) == 1:
        return scene.tracks.poses[0], scene.tracks.valid[0]
    before = after - 1
    share = float((at - times[before]) / (times[after] - times[before]))
    share = 0.0 if share < 1e-6 else 1.0 if share > 1 - 1e-6 else share
    start, stop = scene.tracks.poses[before], scene.tracks.poses[after]
    if share in (0.0, 1.0):
        frame = before if share == 0.0 else after
        return scene.tracks.poses[frame], scene.tracks.valid[frame]
    poses = start + share * (stop - start)
    poses[:, 2] = start[:, 2] + share * wrap_angle(stop[:, 2] - start[:, 2])
    return poses, scene.tracks.valid[before] & scene.tracks.valid[after]


def states_at(states: Float[np.ndarray, "t 11"], seconds: float) -> Float[np.ndarray, "11"]:
    """A simulated state at a time, clamped to the ends."""
    step = float(np.clip(seconds / STATE_DT, 0, len(states) - 1))
    before = min(int(step), max(len(states) - 2, 0))
    after = min(before + 1, len(states) - 1)
    share = step - before
    row = states[before] + share * (states[after] - states[before])
    row[2] = states[before, 2] + share * wrap_angle(states[after, 2] - states[before, 2])
    return row
