"""Everything about a scene that does not depend on the plan to be scored."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from jaxtyping import Float

from drivelab.errors import PlanError
from drivelab.geometry.boxes import ego_boxes
from drivelab.geometry.poses import relative
from drivelab.kernels.interpolate import interpolate_poses
from drivelab.kernels.tracker import track_proposals
from drivelab.maps.drivable import polygon_arrays
from drivelab.metrics.navsim.observation import recorded_objects
from drivelab.metrics.navsim.pdm_closed.planner import plan_pdm_closed
from drivelab.metrics.navsim.route_context import RouteContext, local_state, route_context
from drivelab.metrics.navsim.rules import DT, PLAN_DT, PLAN_POSES, STATES, NavsimRules
from drivelab.metrics.navsim.subscores import (
    Centreline,
    RedLights,
    Subscores,
    Surroundings,
    score_states,
)
from drivelab.metrics.navsim.timeline import plan_states, reference_states
from drivelab.types import STATE_SIZE, Scene

PAST_SECONDS = 1.5  # of history that comfort looks at in v2.2


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A scene ready to score plans; states and surroundings are relative to `origin`."""

    scene_id: str
    start: int  # [us]
    pose: Float[np.ndarray, "3"]  # rear axle now, map frame
    initial: Float[np.ndarray, "11"]
    origin: Float[np.ndarray, "2"]
    around: Surroundings
    route: tuple[str, ...]  # corrected
    reference_poses: Float[np.ndarray, "41 3"]  # PDM-Closed, map frame
    reference_track: Float[np.ndarray, "1 41 11"]  # its simulated states
    reference: Subscores
    history: Float[np.ndarray, "h 11"] | None
    human: Float[np.ndarray, "8 3"] | None  # recorded future, ego frame

    def simulate(
        self, plans: Float[np.ndarray, "b k 3"], dt: float
    ) -> Float[np.ndarray, "b 41 11"]:
        """Track plans with LQR and bicycle; states relative to the origin.

        Raises:
            PlanError: the plans are not (b, k, 3) at a dt above 0, or no vehicle can be simulated
                on them: NaN, or finite numbers so large that the simulation overflows.
        """
        plans = np.asarray(plans, float)
        if plans.ndim != 3 or plans.shape[1] < 1 or plans.shape[2] != 3 or not dt > 0:
            raise PlanError(
                f"plans have shape {plans.shape} at dt={dt} s, expected (b, k, 3) with at least "
                "one pose, and dt above 0"
            )
        poses = plan_states(plans, dt, self._local_pose, self.start)
        states = track_proposals(poses, self.initial, self.around.vehicle.wheel_base)
        broken = ~np.isfinite(states).all(axis=(1, 2))
        if broken.any():
            raise PlanError(
                f"plan {int(np.argmax(broken))} cannot be simulated from the ego pose of scene "
                f"{self.scene_id}: it holds NaN or numbers that overflow; expected metres and rad"
            )
        return states

    @property
    def _local_pose(self) -> Float[np.ndarray, "3"]:
        return self.initial[:3]


def prepare(scene: Scene, rules: NavsimRules) -> Prepared:
    """Correct the route, plan the reference, densify the tracks; raises DataError on bad scenes."""
    context = route_context(scene)
    origin = context.origin
    initial = local_state(scene, origin)
    around = _surroundings(scene, context, rules)
    plan = plan_pdm_closed(scene, context, rules)
    local = plan.poses - np.array([*origin, 0.0])
    states = track_proposals(reference_states(local, scene.time), initial, scene.vehicle.wheel_base)
    return Prepared(
        scene_id=scene.id,
        start=scene.time,
        pose=scene.ego.poses[scene.now],
        initial=initial,
        origin=origin,
        around=around,
        route=context.route,
        reference_poses=plan.poses,
        reference_track=states,
        reference=score_states(states, around, rules),
        history=_history(scene, origin) if rules.at_center else None,
        human=human_plan(scene),
    )


def _surroundings(scene: Scene, context: RouteContext, rules: NavsimRules) -> Surroundings:
    objects = recorded_objects(scene, rules.key_seconds, context.origin)
    if rules.at_center:  # v2.2 drops what touches the ego now, for the whole scene
        objects = objects.take(~objects.touching(_ego_row(scene, context.origin)))
    return Surroundings(
        vehicle=scene.vehicle,
        drivable=context.drivable,
        objects=objects,
        centreline=Centreline.from_points(context.centreline[:, :2] - context.origin),
        lights=_red_lights(scene, context.origin),
        ignored=np.zeros(len(objects.ids), bool),
    )


def _ego_row(scene: Scene, origin: Float[np.ndarray, "2"]) -> Float[np.ndarray, "6"]:
    x, y, yaw, length, width = ego_boxes(scene.ego.poses[scene.now], scene.vehicle)
    return np.array([x - origin[0], y - origin[1], np.cos(yaw), np.sin(yaw), length / 2, width / 2])


def _red_lights(scene: Scene, origin: Float[np.ndarray, "2"]) -> RedLights:
    """Red connectors of the recorded route; a key frame's status is held until the next."""
    held = round(scene.tracks.dt / DT)
    on_route = {
        lane
        for block in scene.route
        if block in scene.map.blocks
        for lane in scene.map.blocks[block].lanes
    }
    frames = scene.red_lights[scene.now :]
    ids = tuple(
        dict.fromkeys(
            name
            for lights in frames
            for name in lights
            if name in on_route and scene.map.lanes[name].connector
        )
    )
    red = np.zeros((STATES, len(ids)), bool)
    for step in range(STATES):
        frame = step // held
        if frame < len(frames):
            red[step] = [name in frames[frame] for name in ids]
    shapes: list[shapely.Geometry] = [scene.map.lanes[name].polygon for name in ids]
    return RedLights(ids, polygon_arrays(shapes, origin), red)


def _history(scene: Scene, origin: Float[np.ndarray, "2"]) -> Float[np.ndarray, "h 11"] | None:
    """Logged states at -1.5 .. -0.2 s at 10 Hz; -0.1 s is missing in the official code too."""
    step = round(PLAN_DT / scene.tracks.dt)
    frames = scene.now - step * np.arange(round(PAST_SECONDS / PLAN_DT), -1, -1)
    if frames[0] < 0:
        return None
    count = round(PAST_SECONDS / DT) - 1
    states = np.zeros((count, STATE_SIZE))
    knots = np.arange(len(frames)) * 500_000
    times = np.arange(count) * 100_000
    poses = scene.ego.poses[frames] - np.array([*origin, 0.0])
    states[:, :3] = interpolate_poses(np.ascontiguousarray(poses[None]), knots, times)[0]
    for column, values in ((3, scene.ego.velocities), (5, scene.ego.accelerations)):
        for axis in range(2):
            states[:, column + axis] = np.interp(times, knots, values[frames, axis])
    return states


def human_plan(scene: Scene) -> Float[np.ndarray, "8 3"] | None:
    """The recorded future as a plan; None where it is shorter than 4 s or holds no ego."""
    step = round(PLAN_DT / scene.tracks.dt)
    frames = scene.now + step * np.arange(1, PLAN_POSES + 1)
    if frames[-1] >= scene.frames or not np.isfinite(scene.ego.poses[frames]).all():
        return None
    return relative(scene.ego.poses[scene.now], scene.ego.poses[frames])
