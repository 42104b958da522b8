"""Paint across a road: stop lines, give-way lines, crosswalk stripes, arrows before a junction."""

from __future__ import annotations

import numpy as np
import shapely

from drivelab.sim.splats.street.lines import Bars, Brush, lane_lines
from drivelab.sim.splats.street.site import Border, Site

STOP_WIDTH, STOP_BACK = 0.4, 0.5  # of a stop line; how far it lies before the lane's end [m]
STRIPE = 0.5  # width of a crosswalk's stripes and of the gaps between them [m]
ZEBRA = (1.0, 4.0)  # where a zebra that no map knows begins and ends after the lane's end [m]
WIDEST = 30.0  # length of such a zebra at most [m]
ARROW_BACK = 7.0  # distance of an arrow's tip from the lane's end [m]


def paint(site: Site) -> Bars:
    """All bars of a site: lane lines first, then what lies across."""
    brush = Brush()
    lane_lines(site, brush)
    ends = waiting_lanes(site)
    for border, give_way in ends:
        _stop_line(border, give_way, brush)
        _arrow(site, border, brush)
    for polygon in site.crosswalks or _zebras(site, [border for border, _ in ends]):
        _stripes(polygon, brush)
    return brush.done(site)


def waiting_lanes(site: Site) -> list[tuple[Border, bool]]:
    """Lanes at whose end one waits for a light or sign, and whether it is a give-way sign."""
    control = site.lane_map.control
    lights = {name for group in control.signal_groups.values() for name in group}
    lights |= {b.lane.id for b in site.borders if b.lane.connector and b.lane.has_traffic_lights}
    stops, yields = lights | set(control.stop_signs), set(control.yield_signs)
    found = []
    for border in site.borders:
        after = set(border.lane.successors)
        if not border.lane.connector and after & (stops | yields):
            found.append((border, not after & stops))
    return found


def _stop_line(border: Border, give_way: bool, brush: Brush) -> None:
    left, right, way = _end(border)
    count = max(2, round(float(np.hypot(*(left - right))) / 0.5))
    at = np.linspace(0.04, 0.96, count + 1)[:, None]
    points = right + at * (left - right) - STOP_BACK * way
    painted = np.arange(count) % 2 == 0 if give_way else np.ones(count, bool)
    for shift in (0.25, 0.75):
        row = points - shift * STOP_WIDTH * way
        brush.stroke(row[:-1], row[1:], STOP_WIDTH / 2, painted=painted)


def _end(border: Border) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Left and right corner of a lane's end and the direction of driving there."""
    turn = border.lane.centreline[-1, 2]
    return border.left[-1], border.right[-1], np.array([np.cos(turn), np.sin(turn)])


def _zebras(site: Site, borders: list[Border]) -> list[shapely.Polygon]:
    """One before every approach with lights where the map knows no crosswalk at all."""
    found: list[shapely.Polygon] = []
    for border in borders:
        left, right, way = _end(border)
        middle = 0.5 * (left + right)
        aside = np.array([-way[1], way[0]])
        centre = middle + np.mean(ZEBRA) * way
        across = shapely.LineString([centre - WIDEST * aside, centre + WIDEST * aside])
        parts = shapely.get_parts(across.intersection(site.road))
        part = next((p for p in parts if p.distance(shapely.Point(centre)) < 0.5), None)
        if part is None or part.length > WIDEST:
            continue
        zebra = part.buffer(0.5 * (ZEBRA[1] - ZEBRA[0]), cap_style="flat")
        if not any(zebra.intersects(other) for other in found):
            found.append(zebra)
    return found


def _stripes(polygon: shapely.Polygon, brush: Brush) -> None:
    """Stripes along the traffic: across the longer side of the polygon's tightest rectangle."""
    box = np.asarray(polygon.minimum_rotated_rectangle.exterior.coords)[:4]
    first, second = box[1] - box[0], box[3] - box[0]
    if np.hypot(*first) < np.hypot(*second):
        first, second = second, first
    length, depth = float(np.hypot(*first)), float(np.hypot(*second))
    walk, drive = first / length, second / depth
    count = max(1, int((length + STRIPE) / (2 * STRIPE)))
    start = 0.5 * (length - (2 * count - 1) * STRIPE)
    rows, pieces = 3, max(2, round(depth / 0.6))
    thin = STRIPE / rows
    at = start + thin * (np.arange(rows * (2 * count - 1)) + 0.5)
    along = np.linspace(0.0, depth, pieces + 1)
    base = box[0] + at[:, None] * walk
    starts = (base[:, None] + along[None, :-1, None] * drive).reshape(-1, 2)
    ends = (base[:, None] + along[None, 1:, None] * drive).reshape(-1, 2)
    painted = np.repeat((np.arange(len(at)) // rows) % 2 == 0, pieces)
    middle = 0.5 * (starts + ends)
    inside = shapely.contains_xy(polygon, middle[:, 0], middle[:, 1])
    brush.stroke(starts[inside], ends[inside], thin, label="crosswalk", painted=painted[inside])


def _arrow(site: Site, border: Border, brush: Brush) -> None:
    """A shaft and a head for every way that goes on from the lane's end."""
    lanes = site.lane_map.lanes
    turns = {lanes[name].turn for name in border.lane.successors if name in lanes}
    line = border.lane.centreline
    if len(line) < 2 or not turns & {"straight", "left", "right"}:
        return
    turn = line[-1, 2]
    way = np.array([np.cos(turn), np.sin(turn)])
    aside = np.array([-way[1], way[0]])
    tip = line[-1, :2] - site.origin - ARROW_BACK * way
    _shaft(tip - 4.0 * way, tip - 1.1 * way, brush)
    if "straight" in turns:
        _head(tip, way, brush)
    for name, side in (("left", 1.0), ("right", -1.0)):
        if name in turns:
            bend = tip - 2.2 * way
            _shaft(bend, bend + 0.45 * side * aside, brush)
            _head(bend + 1.1 * side * aside, side * aside, brush)


def _shaft(start: np.ndarray, end: np.ndarray, brush: Brush) -> None:
    at = np.linspace(0, 1, max(2, round(float(np.hypot(*(end - start))) / 0.4)))[:, None]
    points = start + at * (end - start)
    brush.stroke(points[:-1], points[1:], 0.18)


def _head(tip: np.ndarray, way: np.ndarray, brush: Brush) -> None:
    step = 0.1
    for n, width in enumerate(np.linspace(0.12, 0.76, 8)):
        start = tip - step * (n + 1) * way
        brush.stroke(start[None], (start + step * way)[None], float(width))
