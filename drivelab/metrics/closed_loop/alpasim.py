"""AlpaSim's scene score and scorers (github.com/NVlabs/alpasim, `src/eval`).

Scene score: 0 after an at-fault collision or off-road, else min(1, relative progress / 0.8), and 1
where the recorded ego moved less than 5 m. Nothing counts after the first collision, after leaving
the road, or after coming 4 m from the recorded path.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, UInt8

from drivelab.geometry.polyline import arc_lengths
from drivelab.kernels.contacts import FRONT, REAR, SIDE, nearest_box
from drivelab.metrics.aggregate import MeanOfScenes
from drivelab.metrics.closed_loop.alpasim_plans import (
    MIN_ADE_SECONDS,
    min_ade,
    open_loop_collision,
    plan_deviation,
)
from drivelab.metrics.closed_loop.drive import Drive, centers_of, drive_of
from drivelab.metrics.closed_loop.driven_plans import driven_plans
from drivelab.metrics.closed_loop.expert import expert_poses
from drivelab.metrics.closed_loop.road import EDGE_TOLERANCE, along, road_under
from drivelab.metrics.metric import Event, SceneScore
from drivelab.metrics.rollout_metric import check_inputs
from drivelab.types import Rollout, Scene

FULL_PROGRESS = 0.8  # relative progress that counts as all
SHORT_RECORDING = 5.0  # [m]
CORRIDOR = 4.0  # distance to the recorded path at which counting ends [m]
_SIDES = {"collision_front": FRONT, "collision_rear": REAR, "collision_lateral": SIDE}
_MIN_ADE = tuple(f"min_ade_{seconds:g}s" for seconds in MIN_ADE_SECONDS)


@dataclass(frozen=True, slots=True, eq=False)
class _Recorded:
    """The path of the recorded ego's box centre, and the ego against it, step by step."""

    length: float  # [m]
    reachable: float  # along it within the episode's time [m]
    progress: Float[np.ndarray, " t"]  # of the ego [m]
    path_distance: Float[np.ndarray, " t"]  # [m]
    place_distance: Float[np.ndarray, " t"]  # to where the recorded ego was then [m]


@dataclass(frozen=True, slots=True)
class AlpaSim(MeanOfScenes):
    """Scene score with every scorer that needs no picture."""

    name: str = "alpasim_v1"
    subscores: tuple[str, ...] = (
        "collision_any",
        "collision_at_fault",
        "collision_front",
        "collision_lateral",
        "collision_rear",
        "offroad",
        "relative_progress",
        "min_distance_to_obstacle",
        "distance_to_recorded_path",
        "distance_to_recorded_place",
        *_MIN_ADE,
        "plan_deviation",
        "open_loop_collision",
    )
    failed_score: float | None = None
    inputs: tuple[str, ...] = ("expert", "plans")

    def score(self, scene: Scene, rollout: Rollout) -> SceneScore:
        """Judge one episode."""
        check_inputs(self, scene, rollout)
        drive = drive_of(scene, rollout)
        recorded = _against_recording(scene, rollout, drive)
        contacts = drive.contacts()
        off = _off_road(scene, drive)
        stop = (contacts > 0).any(1) | off | (recorded.path_distance >= CORRIDOR)
        end = int(np.argmax(stop)) + 1 if stop.any() else drive.steps
        parts = {
            **_collisions(contacts[:end]),
            "offroad": float(off[:end].any()),
            "relative_progress": _relative(recorded.progress[end - 1], recorded.reachable),
            "min_distance_to_obstacle": _nearest(drive, end),
            "distance_to_recorded_path": float(recorded.path_distance[:end].max()),
            "distance_to_recorded_place": float(recorded.place_distance[:end].max()),
            **_plan_scores(drive, rollout, end),
        }
        failed = parts["collision_at_fault"] > 0.0 or parts["offroad"] > 0.0
        return SceneScore(
            score=0.0 if failed else _progress_score(parts["relative_progress"], recorded.length),
            subscores={name: parts[name] for name in self.subscores},
            states=rollout.ego,
            events=_events(drive, contacts[:end], off[:end], recorded, end),
            details={
                "recorded_distance": recorded.length,
                "driven_distance": float(arc_lengths(drive.centers[:end])[-1]),
                "counted_steps": end,
            },
        )


def _against_recording(scene: Scene, rollout: Rollout, drive: Drive) -> _Recorded:
    poses = expert_poses(scene, rollout, drive.origin)
    path = centers_of(poses, drive.vehicle)
    progress, distance = along(path, drive.centers)
    then = path[np.minimum(np.arange(drive.steps), len(path) - 1)]
    until = float(rollout.info.get("time_limit", rollout.times[-1] - rollout.times[0]))
    last = min(round(until * 10), len(path) - 1)
    return _Recorded(
        length=float(arc_lengths(path)[-1]),
        reachable=float(arc_lengths(path)[last]),
        progress=progress,
        path_distance=distance,
        place_distance=np.hypot(*(drive.centers - then).T),
    )


def _off_road(scene: Scene, drive: Drive) -> Bool[np.ndarray, " t"]:
    road = road_under(scene.map, drive.states, drive.origin)
    masks = road.masks(drive.states, drive.ego_size)
    return road.off_distance(drive.states, drive.ego_size, masks) > EDGE_TOLERANCE


def _collisions(contacts: UInt8[np.ndarray, "t n"]) -> dict[str, float]:
    """Whether the ego was touched, and where; front and side contacts count as its fault."""
    flags = {name: float((contacts == side).any()) for name, side in _SIDES.items()}
    fault = max(flags["collision_front"], flags["collision_lateral"])
    return {**flags, "collision_at_fault": fault, "collision_any": float((contacts > 0).any())}


def _nearest(drive: Drive, end: int) -> float:
    """Smallest distance to any box [m]; NaN where there was none."""
    gap, _, actor = nearest_box(drive.states[:end], drive.ego_size, drive.boxes[:end])
    return float(gap) if actor >= 0 else float("nan")


def _relative(progress: float, reachable: float) -> float:
    return float(np.clip(progress / reachable, 0.0, 1.0)) if reachable > 0.0 else 1.0


def _progress_score(relative: float, length: float) -> float:
    return 1.0 if length < SHORT_RECORDING else min(1.0, relative / FULL_PROGRESS)


def _plan_scores(drive: Drive, rollout: Rollout, end: int) -> dict[str, float]:
    plans = driven_plans(drive, rollout)
    errors = min_ade(drive, plans, end)
    return {
        **dict(zip(_MIN_ADE, errors, strict=True)),
        "plan_deviation": plan_deviation(plans, end),
        "open_loop_collision": open_loop_collision(drive, plans, end),
    }


def _events(
    drive: Drive,
    contacts: UInt8[np.ndarray, "t n"],
    off: Bool[np.ndarray, " t"],
    recorded: _Recorded,
    end: int,
) -> tuple[Event, ...]:
    """What ended the counting."""
    step = end - 1
    names = {side: name.removeprefix("collision_") for name, side in _SIDES.items()}
    events = [
        Event("collision", step, drive.ids[actor], names[int(contacts[step, actor])])
        for actor in np.flatnonzero(contacts[step])
    ]
    if off[step]:
        events.append(Event("off_road", step))
    margin = CORRIDOR - float(recorded.path_distance[step])
    if margin <= 0.0:
        events.append(Event("off_path", step, margin=margin))
    return tuple(events)
