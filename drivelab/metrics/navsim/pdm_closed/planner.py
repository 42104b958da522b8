"""PDM-Closed from a scene: route, centreline, forecast, proposals, scores, choice."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from jaxtyping import Float

from drivelab.geometry.boxes import box_polygon, ego_boxes
from drivelab.kernels.tracker import track_proposals
from drivelab.maps.drivable import polygon_arrays
from drivelab.metrics.navsim.pdm_closed.forecast import Forecast, forecast_objects
from drivelab.metrics.navsim.pdm_closed.proposals import make_proposals
from drivelab.metrics.navsim.route_context import RouteContext, local_state
from drivelab.metrics.navsim.rules import STATES, NavsimRules
from drivelab.metrics.navsim.subscores import (
    Centreline,
    RedLights,
    Subscores,
    Surroundings,
    normalised_progress,
    score_states,
)
from drivelab.types import Scene


@dataclass(frozen=True, slots=True, eq=False)
class PdmClosedPlan:
    """The chosen plan and everything it was chosen from; poses in the map frame."""

    poses: Float[np.ndarray, "41 3"]
    proposals: Float[np.ndarray, "15 41 3"]
    scores: Float[np.ndarray, " 15"]
    chosen: int


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
