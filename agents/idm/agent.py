"""IDM along the route centreline: the textbook driver, without any choice to make."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import shapely
from jaxtyping import Float

from drivelab.errors import PlanError
from drivelab.geometry.boxes import box_corners, box_polygons
from drivelab.geometry.polyline import arc_lengths, project, sample
from drivelab.geometry.poses import relative
from drivelab.kernels.idm import idm_acceleration_scalar
from drivelab.metrics.navsim.route_context import RouteContext, route_context
from drivelab.planning.idm import IDMParameters
from drivelab.types import Observation, Plan, Privilege, Scene, SensorRig

DRIVER = IDMParameters(exponent=4.0, braking_limit=6.0)
DEFAULT_LIMIT = 15.0  # where the map knows no speed limit [m/s]
STEP = 0.1  # of the roll-out [s]
SIGHT = 100.0  # how far ahead the path is looked at [m]


class Idm:
    """Follow the centreline at the speed limit, behind the nearest box on it, and stop at red.

    The leader of the present frame is taken to keep its speed along the path.
    """

    def __init__(self, horizon: float = 4.0, dt: float = 0.5) -> None:
        self.rig = SensorRig(history=1, privilege=Privilege.STATE)
        self._steps, self._stride, self._dt = round(horizon / STEP), round(dt / STEP), dt

    def act(self, observations: Sequence[Observation]) -> list[Plan]:
        """Plan each scene from its map and present boxes."""
        return [self._plan(observation) for observation in observations]

    def _plan(self, observation: Observation) -> Plan:
        scene = observation.scene
        if scene is None:
            raise PlanError(f"scene {observation.scene_id}: map and boxes were not handed over")
        context = route_context(scene)
        path, pose = context.centreline, scene.ego.poses[scene.now]
        begin = project(path, pose[:2])[0]
        limit = scene.map.lanes[context.starting_lane].speed_limit or DEFAULT_LIMIT
        obstacle, lead_speed = _leader(scene, path, begin)
        stop = _red_light(scene, context, path, begin)
        if stop < obstacle:
            obstacle, lead_speed = stop, 0.0
        progress = self._roll_out(
            float(scene.ego.velocities[scene.now, 0]), limit, obstacle - begin, lead_speed
        )
        ahead = sample(path, begin + progress[self._stride - 1 :: self._stride])
        gap = obstacle - begin - scene.vehicle.front_length
        return Plan(relative(pose, ahead), self._dt, notes={"gap": gap, "lead_speed": lead_speed})

    def _roll_out(
        self, speed: float, limit: float, obstacle: float, lead_speed: float
    ) -> Float[np.ndarray, " t"]:
        """Distances covered by the ego; `obstacle` [m] is measured bumper to rear bumper."""
        driver, travelled = DRIVER, 0.0
        out = np.empty(self._steps)
        for step in range(self._steps):
            acceleration = idm_acceleration_scalar(
                obstacle + lead_speed * STEP * step - travelled,
                speed,
                lead_speed,
                limit,
                driver.min_gap,
                driver.headway,
                driver.acceleration,
                driver.deceleration,
                driver.exponent,
                driver.braking_limit,
            )
            travelled += STEP * speed
            speed = max(speed + STEP * acceleration, 0.0)
            out[step] = travelled
        return out


def _leader(scene: Scene, path: Float[np.ndarray, "n 3"], begin: float) -> tuple[float, float]:
    """Arc length at which the ego's rear axle would touch the nearest box ahead, and its speed."""
    arc = arc_lengths(path)
    inside = (arc > begin) & (arc < begin + SIGHT)
    points = np.vstack([sample(path, begin)[None, :2], path[inside, :2]])
    present = np.flatnonzero(scene.tracks.valid[scene.now])
    if len(points) < 2 or not len(present):
        return np.inf, 0.0
    corridor = shapely.LineString(points).buffer(scene.vehicle.width / 2, cap_style="flat")
    boxes = np.column_stack([scene.tracks.poses[scene.now, present], scene.tracks.sizes[present]])
    nearest, speed = np.inf, 0.0
    for hit in np.flatnonzero(shapely.intersects(box_polygons(boxes), corridor)):
        rear = min(project(path, corner)[0] for corner in box_corners(boxes[hit]))
        if begin < rear < nearest:
            yaw = sample(path, rear)[2]
            velocity = scene.tracks.velocities[scene.now, present[hit]]
            nearest = rear
            speed = max(float(velocity @ np.array([np.cos(yaw), np.sin(yaw)])), 0.0)
    return nearest - scene.vehicle.front_length, speed


def _red_light(
    scene: Scene, context: RouteContext, path: Float[np.ndarray, "n 3"], begin: float
) -> float:
    """Arc length at which the ego's rear axle should stop before the next red connector."""
    lights = scene.red_lights[scene.now] if scene.red_lights else ()
    on_route = set(context.lanes)
    stops = [
        project(path, scene.map.lanes[name].centreline[0]) for name in lights if name in on_route
    ]
    front = scene.vehicle.front_length
    ahead = [s - front for s, gap in stops if gap < 1.0 and s - front > begin]
    return min(ahead, default=np.inf)
