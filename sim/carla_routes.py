"""CARLA's leaderboard routes as episodes of the native world.

Maps and routes are CARLA's; physics, lights' timing and traffic are ours, and the leaderboard's
scripted scenarios are not played. Scores are never to be compared with CARLA's own.
"""

from __future__ import annotations

from zlib import crc32

import numpy as np

from drivelab.data.carla_routes import CarlaRoute
from drivelab.geometry.boxes import ego_boxes
from drivelab.geometry.polyline import arc_lengths
from drivelab.maps.crop import crop_map
from drivelab.maps.road_options import RoutePlan, plan_route
from drivelab.sim.scenario.crowd import draw_crowd
from drivelab.sim.scenario.lights import plan_lights
from drivelab.sim.scenario.sampler import stream
from drivelab.sim.scenario.site import Site, site_of_map
from drivelab.sim.scenario.surroundings import Traffic
from drivelab.sim.world.episode import ActorSpec, Episode, Termination
from drivelab.types import PACIFICA, LaneMap

VEHICLES = 120  # in the whole town, as the leaderboard 1.0 has them in Town05
PEDESTRIANS = 6  # near the route, where the map has pavements or crossings for them
NEAR = 130.0  # the map and its traffic are kept so far from the route [m]
TIME_PER_METRE, TIME_MORE = 0.8, 5.0  # of the leaderboard 1.0 [s/m], [s]
RULES = Termination(
    collision=False, route_deviation=30.0, route_astray=0.3, blocked_for=180.0, route_done=True
)  # leaderboard 1.0: deviation, blocked, timeout and the goal end a route


def time_limit(length: float) -> float:
    """Seconds that the leaderboard 1.0 gives for a route of this length [m]."""
    return float(int(TIME_PER_METRE * length + TIME_MORE))


def route_episode(town: LaneMap, route: CarlaRoute, *, vehicles: int = VEHICLES) -> Episode:
    """A route of the leaderboard on its town's map, among background traffic.

    Args:
        town: the whole town.
        route: its points may lie off the road.
        vehicles: in the whole town; those near the route are simulated.

    Raises:
        DataError: no way along the lanes joins the points.
    """
    plan = plan_route(town, route.points, heights=route.points[:, 2].tolist())
    site = site_of_map(crop_map(town, plan.line, NEAR), route.town)
    density = vehicles / max(lane_kilometres(town), 1e-6)
    name = f"{route.town}-{route.id}"
    return Episode(
        id=name,
        map=site.map,
        ego_pose=plan.line[0],
        ego_speed=0.0,
        route=_on_map(plan, site),
        route_line=plan.line,
        duration=time_limit(plan.length),
        actors=_traffic(site, plan, density, name),
        lights=plan_lights(site.groups, site.junctions, None, plan.lanes),
        stop_signs=site.stop_signs,
        yield_signs=site.yield_signs,
        termination=RULES,
        goal=plan.line[-1, :2],
        line_told=True,
        family=route.town,
        source="carla_routes",
        licence="CARLA's maps (CC BY 4.0) and leaderboard routes (MIT)",
        seed=crc32(name.encode()),
        info={"route": route.id, "town": route.town, "route_version": route.version},
    )


def _traffic(site: Site, plan: RoutePlan, density: float, name: str) -> tuple[ActorSpec, ...]:
    """Vehicles near the route, so many per kilometre of lane, and people."""
    people = PEDESTRIANS if site.pavements or site.crossings else 0
    return draw_crowd(
        site,
        Traffic(density=min(density, 80.0), pedestrians=people, radius=NEAR),
        ego=ego_boxes(plan.line[0], PACIFICA),
        route_line=plan.line,
        actors=(),
        random=stream(name, 0, "traffic"),
    )


def lane_kilometres(town: LaneMap) -> float:
    """Length of all lanes outside junctions."""
    lengths = [
        arc_lengths(lane.centreline)[-1] for lane in town.lanes.values() if not lane.connector
    ]
    return float(np.sum(lengths)) / 1000.0


def _on_map(plan: RoutePlan, site: Site) -> tuple[str, ...]:
    return tuple(lane for lane in plan.lanes if lane in site.map.lanes)
