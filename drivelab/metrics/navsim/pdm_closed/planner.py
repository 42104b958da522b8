"""PDM-Closed from a scene: route, centreline, forecast, proposals, scores, choice."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from jaxtyping import Float

from drivelab.errors import DataError
from drivelab.geometry.boxes import box_polygon, ego_boxes
from drivelab.kernels.ego_area import LANE, LANE_CONNECTOR
from drivelab.kernels.tracker import track_proposals
from drivelab.maps.drivable import DrivableMap, drivable_map, polygon_arrays
from drivelab.maps.routing import correct_route, route_lanes
from drivelab.metrics.navsim.pdm_closed.forecast import Forecast, forecast_objects
from drivelab.metrics.navsim.pdm_closed.proposals import make_proposals
from drivelab.metrics.navsim.rules import STATES, NavsimRules
from drivelab.metrics.navsim.subscores import (
    Centreline,
    RedLights,
    Subscores,
    Surroundings,
    normalised_progress,
    score_states,
)
from drivelab.planning.route_line import route_centreline, starting_lane
from drivelab.types import Scene


@dataclass(frozen=True, slots=True, eq=False)
class RouteContext:
    """What route, map and ego pose determine together; shared by planner and scorer."""

    origin: Float[np.ndarray, "2"]
    route: tuple[str, ...]  # corrected
    lanes: tuple[str, ...]  # of the route
    starting_lane: str
    drivable: DrivableMap
    centreline: Float[np.ndarray, "n 3"]  # map frame


@dataclass(frozen=True, slots=True, eq=False)
class PdmClosedPlan:
    """The chosen plan and everything it was chosen from; poses in the map frame."""

    poses: Float[np.ndarray, "41 3"]
    proposals: Float[np.ndarray, "15 41 3"]
    scores: Float[np.ndarray, " 15"]
    chosen: int


def local_state(scene: Scene, origin: Float[np.ndarray, "2"]) -> Float[np.ndarray, "11"]:
    """The ego state of the current frame relative to an origin."""
    state = scene.ego.state(scene.now)
    state[:2] -= origin
    return state


def route_context(scene: Scene) -> RouteContext:
    """Correct the route, collect the drivable map, find starting lane and centreline."""
    pose = scene.ego.poses[scene.now]
    box = ego_boxes(pose, scene.vehicle)
    route = correct_route(scene.map, scene.route, pose)
    lanes = route_lanes(scene.map, route)
    if not lanes:
        known = sum(block in scene.map.blocks for block in scene.route)
        raise DataError(
            f"the route has {len(scene.route)} blocks, {known} of them in the map "
            f"{scene.map.name!r}, and no lane; expected the ids of blocks under and ahead of "
            "the ego",
            where=f"scene {scene.id}, route",
        )
    origin = np.floor(pose[:2])
    drivable = drivable_map(scene.map, box[:2], origin).with_route(lanes)
    nearby = [
        name
        for name, kind in zip(drivable.ids, drivable.kinds, strict=True)
        if kind in (LANE, LANE_CONNECTOR)
    ]
    start = starting_lane(scene.map, lanes, nearby, pose, box[:2], box_polygon(box))
    centreline = route_centreline(scene.map, route, start, lanes)
    return RouteContext(origin, route, lanes, start, drivable, centreline)


def plan_pdm_closed(scene: Scene, context: RouteContext, rules: NavsimRules) -> PdmClosedPlan:
    """Plan from the current frame alone; the rules say how the proposals are scored."""
    origin = context.origin
    shift = np.array([*origin, 0.0])
    state = local_state(scene, origin)
    box = ego_boxes(state[:3], scene.vehicle)
    lights = scene.red_lights[scene.now] if scene.red_lights else ()
    on_route = set(context.lanes)
    red = [name for name in lights if name in on_route and scene.map.lanes[name].connector]
    forecast = forecast_objects(scene, origin, box[:2], box_polygon(box), red)
    proposals = make_proposals(
        context.centreline - shift,
        state,
        scene.map.lanes[context.starting_lane].speed_limit,
        forecast,
        scene.vehicle,
    )
    states = track_proposals(proposals, state, scene.vehicle.wheel_base)
    scores = _proposal_scores(states, scene, context, forecast, red, rules)
    chosen = int(np.argmax(scores >= scores.max() - _tie(scene)))
    return PdmClosedPlan(proposals[chosen] + shift, proposals + shift, scores, chosen)


def _tie(scene: Scene) -> float:
    """Score difference below which proposals count as equal, and the first wins.

    The official planner works in map coordinates, whose float64 spacing at UTM size (5e-10 m) makes
    equal what is computed here, relative to an origin, with a difference in the last digits. Over
    the 100 m that a plan covers at most, that spacing is this share of a score.
    """
    return float(np.spacing(np.abs(scene.ego.poses[scene.now, :2]).max())) / 100.0


def _proposal_scores(
    states: Float[np.ndarray, "15 41 11"],
    scene: Scene,
    context: RouteContext,
    forecast: Forecast,
    red: list[str],
    rules: NavsimRules,
) -> Float[np.ndarray, " 15"]:
    shapes: list[shapely.Geometry] = [scene.map.lanes[name].polygon for name in red]
    around = Surroundings(
        vehicle=scene.vehicle,
        drivable=context.drivable,
        objects=forecast.objects,
        centreline=Centreline.from_points(context.centreline[:, :2] - context.origin),
        lights=RedLights(
            tuple(red),
            polygon_arrays(shapes, context.origin),
            np.ones((STATES, len(red)), bool),
        ),
        ignored=forecast.ignored[: len(forecast.objects.ids)],
    )
    return internal_scores(score_states(states, around, rules), rules)


def internal_scores(parts: Subscores, rules: NavsimRules) -> Float[np.ndarray, " b"]:
    """Scores within one batch: progress against its best proposal, two-frame comfort left out."""
    product = parts.no_collision * parts.drivable
    terms = [parts.ttc, parts.comfort]
    if rules.spare_intersections:
        product = product * parts.direction * parts.red_light
        terms.insert(1, parts.lane)
    weights = rules.weights[: len(terms) + 1]
    best = float(np.max(parts.progress * product))
    progress = normalised_progress(parts.progress, product, best, rules)
    total = sum(w * term for w, term in zip(weights, (progress, *terms), strict=True))
    return product * total / sum(weights)
