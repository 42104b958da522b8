"""Refuse scenes that would be judged wrongly or crash a kernel; messages name frame and track."""

from __future__ import annotations

import numpy as np

from drivelab.errors import DataError
from drivelab.metrics.navsim.rules import DT, PLAN_DT
from drivelab.types import Scene


def check_scene(scene: Scene) -> None:
    """Route, spacing, ego and tracks; raises DataError."""
    where = f"scene {scene.id}"
    if not scene.route:
        raise DataError(
            "the route is empty; expected at least one block id (NAVSIM drops such scenes with "
            "has_route: true)",
            where=f"{where}, route",
        )
    if not any(np.isclose(scene.tracks.dt, spacing, rtol=1e-3) for spacing in (DT, PLAN_DT)):
        raise DataError(
            f"the frames are {scene.tracks.dt:g} s apart; this score reads recordings at {DT} s or "
            f"{PLAN_DT} s, resample the log",
            where=f"{where}, tracks, dt",
        )
    ego = scene.ego
    states = np.hstack([ego.poses, ego.velocities, ego.accelerations])
    known = np.isfinite(states).all(1)
    if not known[scene.now + 1 :].any():
        known[scene.now + 1 :] = True  # no recorded ego, as in planning problems: no human either
    if not known.all():
        frame = int(np.argmin(known))
        raise DataError(
            f"the ego state is not finite: x, y, yaw, velocity, acceleration = {states[frame]}",
            where=f"{where}, ego, frame {frame} (now is {scene.now})",
        )
    _check_tracks(scene, where)


def _check_tracks(scene: Scene, where: str) -> None:
    tracks = scene.tracks
    valid = tracks.valid[scene.now :]
    for name, values in (("pose", tracks.poses), ("velocity", tracks.velocities)):
        broken = valid & ~np.isfinite(values[scene.now :]).all(-1)
        if broken.any():
            frame, track = np.argwhere(broken)[0] + (scene.now, 0)
            raise DataError(
                f"the {name} of track {tracks.ids[track]!r} is not finite: {values[frame, track]}",
                where=f"{where}, tracks, frame {frame}",
            )
    wrong = valid.any(0) & ~(np.isfinite(tracks.sizes) & (tracks.sizes >= 0)).all(-1)
    if wrong.any():
        track = int(np.argmax(wrong))
        raise DataError(
            f"the size of track {tracks.ids[track]!r} is {tracks.sizes[track]}, expected a length "
            "and a width in metres",
            where=f"{where}, tracks",
        )
