"""Picture of a scenario before it runs: start, routes, what triggers whom, goal."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

from drivelab.geometry.polyline import arc_lengths, sample
from drivelab.geometry.poses import relative
from drivelab.reports.actor_layers import actor_layers, ego_layers, ego_trail
from drivelab.reports.legend import legend_strip, title_strip
from drivelab.reports.map_layers import map_layers
from drivelab.reports.overlays import scale_bar
from drivelab.reports.palette import Theme
from drivelab.reports.raster import paint, smooth, stack
from drivelab.reports.shapes import SIDE, Dot, Label, Picture, Shape, line_path
from drivelab.reports.view import View
from drivelab.sim.world.episode import (
    ActorSpec,
    Behaviour,
    Drive,
    Episode,
    Parked,
    Policy,
    Trigger,
    Walk,
)
from drivelab.sim.world.view import base_scene
from drivelab.types import Scene, Tracks

SMALLEST, LARGEST = 50.0, 260.0  # side of the window [m]
BORDER = 14.0  # kept free about what is shown [m]
LOOK_AHEAD = 110.0  # of the ego's route is always shown, farther if something happens there [m]
WAY_AHEAD = 45.0  # of a driver's lanes is drawn [m]
ACROSS = 3.5  # half the length of a line across the route [m]
LINE, LETTER = 15.0, 7.3  # height of a line and width of a letter [picture units]
CROWD = ("traffic_", "walker_", "parked_")  # ids of road users drawn by number
_SMOOTHING = 3
_CIRCLE = np.linspace(0.0, 2.0 * np.pi, 49)


def draw_scenario(
    episode: Episode,
    path: Path | None = None,
    *,
    title: str = "",
    size_px: int = 960,
    theme: Theme = Theme.LIGHT,
) -> bytes:
    """Draw the start of an episode, ego forward up; returns the file's bytes.

    A path ending in `.svg` gives the vector version without the legend, everything else a PNG of
    `size_px` pixels width.
    """
    picture = scenario_shapes(episode, title=title)
    if path is not None and path.suffix.lower() == ".svg":
        from drivelab.reports.svg import standalone_svg

        data = standalone_svg(picture, theme).encode()
    else:
        data = _png(episode, picture, title, size_px, theme)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return data


def scenario_shapes(episode: Episode, *, title: str = "") -> Picture:
    """The picture as shapes, for any painter."""
    scene = start_scene(episode)
    view = _view(episode)
    shapes: list[Shape] = list(map_layers(scene, view))
    shapes += _ways(episode, view)
    shapes += actor_layers(scene, view, 0.0)
    shapes += ego_layers(view, scene, episode.ego_pose)
    for actor in episode.actors:
        shapes += _act_marks(episode, actor, view)
    shapes += _labels(episode, view)
    if episode.goal is not None:
        x, y = (float(v) for v in view.points(np.asarray(episode.goal, float)))
        shapes += [Dot("goal", x, y, 7.0)] if _inside(x, y) else []
    shapes += scale_bar(view)
    return Picture(SIDE, SIDE, tuple(shapes), title=f"Start of {title or episode.id}")


def start_scene(episode: Episode) -> Scene:
    """The first moment of an episode with everybody who is there."""
    actors, log = episode.actors, episode.log
    poses = np.array([actor.pose for actor in actors]).reshape(1, -1, 3)
    sizes = np.array([actor.size for actor in actors], float).reshape(-1, 2)
    speeds = np.array([actor.speed for actor in actors])
    velocities = np.stack([speeds * np.cos(poses[..., 2]), speeds * np.sin(poses[..., 2])], -1)
    valid = np.ones((1, len(actors)), bool)
    for k, actor in enumerate(actors):
        track = getattr(actor.motion, "track", None)
        if track is not None and log is not None:
            valid[0, k] = log.valid[0, track]
            poses[0, k], velocities[0, k] = log.poses[0, track], log.velocities[0, track]
    kinds, ids = tuple(a.kind for a in actors), tuple(a.id for a in actors)
    red = tuple(
        connector
        for group in episode.lights
        for connector in group.connectors
        if not _green(group.cycle, group.green, group.yellow)
    )
    tracks = Tracks(ids, kinds, sizes, poses, velocities, valid, 0.1)
    return replace(base_scene(episode), tracks=tracks, red_lights=(red,))


def _green(cycle: float, green: float, yellow: float) -> bool:
    """Whether a signal group is green at time 0."""
    span = yellow - green
    since = -green % cycle if np.isfinite(cycle) else -green
    return bool(0.0 <= since < span)


def _view(episode: Episode) -> View:
    """The window that shows the ego, who does something, and the route until then."""
    line = np.asarray(episode.route_line, float)
    length = float(arc_lengths(line)[-1])
    points = [sample(line, np.array([0.0, min(LOOK_AHEAD, length)]))[:, :2]]
    points.append(np.asarray(episode.ego_pose, float)[None, :2])
    for actor in episode.actors:
        busy = bool(actor.behaviours) or not isinstance(actor.motion, Drive)
        near = np.hypot(*(np.asarray(actor.pose[:2]) - episode.ego_pose[:2])) < LARGEST * 0.75
        if near and busy and not actor.id.startswith(CROWD):
            points.append(np.asarray(actor.pose, float)[None, :2])
        points += [
            np.asarray(act.path[:, :2]) for act in actor.behaviours if near and act.path is not None
        ]
    stacked = np.concatenate(points)
    poses = np.column_stack([stacked, np.zeros(len(stacked))])
    local = relative(np.asarray(episode.ego_pose, float), poses)[:, :2]
    local = local[np.abs(local).max(1) < LARGEST]
    low, high = local.min(0), local.max(0)
    side = float(np.clip((high - low).max() + 2 * BORDER, SMALLEST, LARGEST))
    middle = (low + high) / 2
    return View(np.asarray(episode.ego_pose, float), (float(middle[0]), float(middle[1])), side)


def _ways(episode: Episode, view: View) -> list[Shape]:
    """The ego's route, and where everybody is heading."""
    paths = [ego_trail(view, np.asarray(episode.route_line, float), "ego_way")]
    named = [actor for actor in episode.actors if not actor.id.startswith(CROWD)]
    lines = [view.points(line) for actor in named for line in _way_of(episode, actor)]
    paths.append(line_path("actor_way", lines))
    return [path for path in paths if path is not None]


def _way_of(episode: Episode, actor: ActorSpec) -> Iterator[Float[np.ndarray, "n 2"]]:
    motion = actor.motion
    if isinstance(motion, Walk):
        yield motion.path[:, :2]
    if isinstance(motion, Drive | Policy) and motion.route:
        lanes = [episode.map.lanes[lane].centreline for lane in motion.route[:12]]
        line = np.concatenate(lanes)
        gaps = np.hypot(line[:, 0] - actor.pose[0], line[:, 1] - actor.pose[1])
        ahead = line[int(np.argmin(gaps)) :]
        if len(ahead) > 1:
            yield ahead[arc_lengths(ahead) < WAY_AHEAD][:, :2]


def _act_marks(episode: Episode, actor: ActorSpec, view: View) -> list[Shape]:
    """Paths and triggers of an actor's behaviours."""
    shapes: list[Shape] = []
    for act in actor.behaviours:
        if act.path is not None:
            path = line_path("act_way", [view.points(act.path[:, :2])])
            shapes += [path] if path is not None else []
        shapes += _trigger_marks(episode, act.when, view)
    return shapes


def _labels(episode: Episode, view: View) -> list[Shape]:
    """Names of the actors that matter, and what they will do; one below the other where close."""
    labels: list[Label] = []
    for actor in episode.actors:
        x, y = (float(v) for v in view.points(np.asarray(actor.pose[:2], float)))
        if not _inside(x, y) or not _matters(actor):
            continue
        lines = [actor.id, *(act_words(act) for act in actor.behaviours)]
        height = LINE * len(lines)
        reach = max(len(line) for line in lines) * LETTER
        toward = -1.0 if x > SIDE * 0.7 else 1.0
        top = y - 7.0
        while any(_meet((x, top, height, reach, toward), other, LINE) for other in labels):
            top += LINE / 2
        for row, line in enumerate(lines):
            labels.append(_label(line, x, top + LINE * row, toward, bold=row == 0))
    return list(labels)


def _matters(actor: ActorSpec) -> bool:
    """Named by the scenario, and more than a thing that only stands there."""
    crowd = actor.id.startswith(CROWD)
    return not crowd and bool(actor.behaviours or not isinstance(actor.motion, Parked))


def _meet(block: tuple[float, float, float, float, float], label: Label, line: float) -> bool:
    """Whether a block of text would overlap a label."""
    x, top, height, reach, toward = block
    low, high = sorted((x, x + toward * reach))
    length = len(label.text) * LETTER
    first, last = (
        (label.x, label.x + length) if label.anchor == "start" else (label.x - length, label.x)
    )
    return first < high and low < last and top - line < label.y < top + height


def _trigger_marks(episode: Episode, when: Trigger, view: View) -> list[Shape]:
    marks: list[Shape | None] = []
    if when.ego_within is not None:
        cx, cy, radius = when.ego_within
        ring = np.column_stack([cx + radius * np.cos(_CIRCLE), cy + radius * np.sin(_CIRCLE)])
        marks.append(line_path("trigger", [view.points(ring)]))
    if when.ego_past is not None:
        line = np.asarray(episode.route_line, float)
        gaps = np.hypot(line[:, 0] - when.ego_past[0], line[:, 1] - when.ego_past[1])
        yaw = line[int(np.argmin(gaps)), 2]
        aside = ACROSS * np.array([-np.sin(yaw), np.cos(yaw)])
        ends = np.stack([when.ego_past + aside, when.ego_past - aside])
        marks.append(line_path("trigger", [view.points(ends)]))
    return [mark for mark in marks if mark is not None]


def act_words(act: Behaviour) -> str:
    """A behaviour and its trigger in a few words."""
    when = act.when
    parts = [
        f"gap < {when.gap_below:g} m" if when.gap_below is not None else "",
        f"ttc < {when.ttc_below:g} s" if when.ttc_below is not None else "",
        f"t > {when.time:g} s" if when.time is not None else "",
        "ego past the line" if when.ego_past is not None else "",
        "ego in the circle" if when.ego_within is not None else "",
        f"after {when.after}" if when.after is not None else "",
    ]
    said = " and ".join(part for part in parts if part)
    return f"{act.kind.replace('_', ' ')}: {said or 'at once'}"


def _label(text: str, x: float, y: float, toward: float, *, bold: bool) -> Label:
    return Label("text", text, x + 9.0 * toward, y, 13.0, "start" if toward > 0 else "end", bold)


def _inside(x: float, y: float) -> bool:
    return 0.0 <= x <= SIDE and 0.0 <= y <= SIDE


def _png(episode: Episode, picture: Picture, title: str, size_px: int, theme: Theme) -> bytes:
    subtitle = " · ".join(filter(None, (episode.family, f"{episode.duration:g} s")))
    strips = [
        title_strip(title or episode.id, subtitle),
        picture,
        legend_strip(picture, 0.0, 0.0, "time"),
    ]
    zoom = size_px * _SMOOTHING / SIDE
    image = stack([smooth(paint(strip, zoom, theme), _SMOOTHING) for strip in strips])
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
