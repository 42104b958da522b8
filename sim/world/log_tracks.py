"""Recorded boxes, egos and lights at the world's 10 Hz."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from drivelab.geometry.poses import wrap_angle
from drivelab.sim.world.episode import LightLog
from drivelab.sim.world.start import DT
from drivelab.types import STATIC_KINDS, EgoTrajectory, Scene, Tracks

LONGEST_GAP = 1.0  # a track that is missing for longer is absent in between [s]


def resample_ego(scene: Scene, start: float, frames: int) -> EgoTrajectory:
    """The recorded ego at `start`, start + 0.1 s, ... after the scene's moment, `frames` long."""
    ego = scene.ego
    seconds, at = _seconds(scene), start + DT * np.arange(frames)
    columns = np.column_stack(
        [ego.poses[:, :2], np.unwrap(ego.poses[:, 2]), ego.velocities, ego.accelerations]
    )
    rows = np.column_stack([np.interp(at, seconds, column) for column in columns.T])
    return EgoTrajectory(
        scene.time + np.round(at * 1e6).astype(np.int64),
        np.column_stack([rows[:, :2], wrap_angle(rows[:, 2])]),
        rows[:, 3:5],
        rows[:, 5:7],
    )


def resample_tracks(scene: Scene, start: float, frames: int) -> Tracks:
    """All tracks at the same times, by interpolation between their frames.

    Gaps of up to LONGEST_GAP are bridged, headings turn the short way. A track that was seen in a
    single frame is there for half a frame's spacing to either side.
    """
    tracks = scene.tracks
    seconds, at = _seconds(scene), start + DT * np.arange(frames)
    poses = np.full((frames, len(tracks), 3), np.nan)
    velocities = np.full((frames, len(tracks), 2), np.nan)
    valid = np.zeros((frames, len(tracks)), bool)
    for n in range(len(tracks)):
        seen = np.flatnonzero(tracks.valid[:, n])
        if not len(seen):
            continue
        times = seconds[seen]
        there = _present(times, at, max(LONGEST_GAP, tracks.dt + 1e-3), tracks.dt)
        track, yaw = tracks.poses[seen, n], np.unwrap(tracks.poses[seen, n, 2])
        for column, values in enumerate((track[:, 0], track[:, 1], yaw)):
            poses[there, n, column] = np.interp(at[there], times, values)
        velocity = _velocities(tracks, seen, n, times)
        for column in range(2):
            velocities[there, n, column] = np.interp(at[there], times, velocity[:, column])
        valid[:, n] = there
    poses[..., 2] = wrap_angle(poses[..., 2])
    return Tracks(tracks.ids, tracks.kinds, tracks.sizes, poses, velocities, valid, DT)


def resample_lights(scene: Scene, start: float, frames: int) -> LightLog | None:
    """Red connectors at the same times; a recorded frame holds until the next.

    None where the log shows no red light at all.
    """
    if not any(scene.red_lights):
        return None
    at = np.searchsorted(_seconds(scene), start + DT * np.arange(frames) + 1e-3, side="right") - 1
    known = scene.map.lanes
    red = [tuple(name for name in frame if name in known) for frame in scene.red_lights]
    return LightLog(tuple(red[min(max(int(i), 0), len(red) - 1)] for i in at), DT)


def _seconds(scene: Scene) -> Float[np.ndarray, " t"]:
    """Times of the scene's frames, 0 = its moment [s]."""
    return (scene.ego.times - scene.time) * 1e-6


def _present(
    times: Float[np.ndarray, " k"], at: Float[np.ndarray, " f"], gap: float, dt: float
) -> Bool[np.ndarray, " f"]:
    """Where a track seen at `times` is there: not in gaps, nor beyond its ends."""
    reach = 0.5 * dt + 1e-3 if len(times) == 1 else 0.3 * DT
    after = np.clip(np.searchsorted(times, at, side="left"), 0, len(times) - 1)
    before = np.clip(np.searchsorted(times, at, side="right") - 1, 0, len(times) - 1)
    bridged = (times[after] - times[before] <= gap) & (times[before] <= at) & (at <= times[after])
    near = np.minimum(np.abs(at - times[after]), np.abs(at - times[before])) <= reach
    return np.asarray(bridged | near)


def _velocities(
    tracks: Tracks,
    seen: np.ndarray,
    n: int,
    times: Float[np.ndarray, " k"],
) -> Float[np.ndarray, "k 2"]:
    """Recorded velocities; differences of the positions where the log has none."""
    if tracks.kinds[n] in STATIC_KINDS:
        return np.zeros((len(seen), 2))
    recorded = tracks.velocities[seen, n]
    missing = ~np.isfinite(recorded).all(axis=1)
    if missing.any():
        moved = np.zeros_like(recorded)
        if len(seen) > 1:
            moved = np.gradient(tracks.poses[seen, n, :2], times, axis=0)
        recorded = np.where(missing[:, None], moved, recorded)
    return recorded
