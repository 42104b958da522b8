"""Traffic lights: where they stand for whom, and the lamps that show their phase."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from drivelab.sim.splats.assets.surfaces import Facets, joined, rectangle, sheet, splats
from drivelab.sim.splats.scene import Lamp
from drivelab.sim.splats.street.furniture import disc, pole, roadside
from drivelab.sim.splats.street.site import Border, Site
from drivelab.sim.splats.weather import Weather, shade

COLOURS = {
    "red": (1.0, 0.10, 0.07),
    "yellow": (1.0, 0.74, 0.08),
    "green": (0.10, 0.95, 0.42),
}  # from the top down
HOUSING, DARK = (0.075, 0.08, 0.08), 0.16  # a lamp that is not lit keeps this share of its colour
NEAR_HEIGHT, FAR_HEIGHT = 2.9, 4.9  # of the middle of a head on a post and on an arm [m]
FARTHEST = 45.0  # a junction is this wide at most [m]
SEEN = (0.0, 5.0, 10.0, 15.0, 20.0)  # no tree stands so far before a head [m]
RADIUS, PITCH = 0.15, 0.36  # of a lamp; between two lamps [m]


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """Three lamps above each other.

    Attributes:
        middle: (3,) of the housing, local frame [m].
        out: (3,) level unit vector against the traffic that it faces.
        lanes: connectors that it speaks to.
    """

    middle: Float[np.ndarray, "3"]
    out: Float[np.ndarray, "3"]
    lanes: tuple[str, ...]


def plan_signals(site: Site) -> tuple[list[Head], Facets]:
    """Heads for every approach with lights, and the posts and arms that carry them."""
    heads: list[Head] = []
    parts: list[Facets] = []
    for borders, lanes in _approaches(site):
        # The lane on the far right has the post; it is the one with the kerb nearest.
        border = max(borders, key=lambda b: b.lane.index)
        turn = border.lane.centreline[-1, 2]
        way = np.array([np.cos(turn), np.sin(turn)])
        out = np.append(-way, 0.0)
        foot = roadside(site, border)
        if foot is not None:
            foot = foot + 1.6 * way
            parts.append(pole(np.append(foot, 0.0), np.append(foot, NEAR_HEIGHT + 0.6), 0.07))
            heads.append(Head(np.append(foot, NEAR_HEIGHT) + 0.2 * out, out, lanes))
        far = _far_post(site, border, way)
        if far is not None:
            post, tip = far
            top = np.append(post, FAR_HEIGHT + 0.7)
            parts.append(pole(np.append(post, 0.0), top, 0.10))
            parts.append(pole(top, np.append(tip, FAR_HEIGHT + 0.7), 0.06))
            heads.append(Head(np.append(tip, FAR_HEIGHT) + 0.15 * out, out, lanes))
    parts += [_housing(head) for head in heads]
    return heads, joined(parts)


def sightlines(heads: list[Head]) -> Float[np.ndarray, "n 2"]:
    """Places on the ground from which heads should be seen, local frame."""
    if not heads:
        return np.zeros((0, 2))
    away = np.array(SEEN)[:, None]
    return np.concatenate([head.middle[:2] + away * head.out[:2] for head in heads])


def build_lamps(heads: list[Head], weather: Weather) -> list[Lamp]:
    """The three lamps of every head; a lit one shines whatever the weather."""
    lamps = []
    for head in heads:
        for n, (name, colour) in enumerate(COLOURS.items()):
            centre = head.middle + np.array([0.0, 0.0, (1 - n) * PITCH]) + 0.13 * head.out
            face = disc(centre, head.out, RADIUS, 8, colour=colour, label="traffic_light")
            halo = disc(centre + 0.02 * head.out, head.out, 1.9 * RADIUS, 8, colour=colour,
                        label="traffic_light")  # fmt: skip
            shine = 0.05 + 0.10 * weather.light.darkness
            opacity = np.concatenate([np.full(len(face), 0.995), np.full(len(halo), shine)])
            lit = joined([face, halo])
            dark = splats(face, DARK * shade(face.colours, face.normals, weather) + 0.01)
            lamps.append(Lamp(head.lanes, name, dark, splats(lit, lit.colours, opacity=opacity)))
    return lamps


def _approaches(site: Site) -> list[tuple[list[Border], tuple[str, ...]]]:
    """Lanes side by side that wait for the same group, and the connectors of that group.

    Where the map names no groups, all connectors with lights behind a block are one.
    """
    groups = dict(site.lane_map.control.signal_groups)
    group_of = {lane: name for name, lanes in groups.items() for lane in lanes}
    lanes_of: dict[tuple[str, str], tuple[list[Border], list[str]]] = {}
    for border in site.borders:
        if border.lane.connector:
            continue
        for name in border.lane.successors:
            after = site.lane_map.lanes.get(name)
            if after is None or not (after.has_traffic_lights or name in group_of):
                continue
            key = (border.lane.block or border.lane.id, group_of.get(name, ""))
            borders, lanes = lanes_of.setdefault(key, ([], []))
            if border not in borders:
                borders.append(border)
            if name not in lanes:
                lanes.append(name)
    near = site.reach - 1.0
    return [
        (borders, tuple(lanes)) for borders, lanes in lanes_of.values()
        if site.away(borders[0].left[-1:])[0] < near
    ]  # fmt: skip


def _far_post(
    site: Site, border: Border, way: np.ndarray
) -> tuple[Float[np.ndarray, "2"], Float[np.ndarray, "2"]] | None:
    """Foot of a post beyond the junction and the tip of its arm; None where there is no room."""
    end = 0.5 * (border.left[-1] + border.right[-1])
    lanes = site.lane_map.lanes
    exits = [lanes[name].centreline[-1, :2] - site.origin - end
             for name in border.lane.successors if name in lanes]  # fmt: skip
    ahead = max((float(goal @ way) for goal in exits), default=0.0)
    right = np.array([way[1], -way[0]])
    steps = np.arange(0.0, 16.0, 0.5)
    for distance in np.arange(min(ahead, FARTHEST) + 1.5, FARTHEST, 3.0):
        line = end + distance * way + steps[:, None] * right
        off = ~site.on_road(line)
        if off.any():
            post = line[int(off.argmax())] + 0.7 * right
            reach = min(float((post - end) @ right), 6.5)
            return post, post - reach * right
    return None


def _housing(head: Head) -> Facets:
    right = np.array([-head.out[1], head.out[0], 0.0])
    up = np.array([0.0, 0.0, 1.0])
    width, height, depth = 0.40, 3 * PITCH + 0.12, 0.22
    corner = head.middle - 0.5 * width * right - 0.5 * height * up + 0.5 * depth * head.out
    back = corner - depth * head.out
    faces = [
        rectangle(corner, width * right, height * up, 0.1),
        rectangle(back + width * right, -width * right, height * up, 0.13),
        rectangle(back, depth * head.out, height * up, 0.13),
        rectangle(corner + width * right, -depth * head.out, height * up, 0.13),
        rectangle(corner + height * up, width * right, -depth * head.out, 0.13),
    ]
    return joined([sheet(face, colour=HOUSING, label="traffic_light") for face in faces])
