"""What is drawn over the traffic: plan, simulated states, first infraction, scale bar."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import shapely
from jaxtyping import Float

from drivelab.geometry.boxes import box_corners
from drivelab.metrics.metric import Event
from drivelab.reports.actor_layers import ego_layers
from drivelab.reports.event_words import CALL_OUT, margin_words
from drivelab.reports.motion import STATE_DT, tracks_at
from drivelab.reports.palette import RAMP_STEPS, ramp_role
from drivelab.reports.shapes import SIDE, Dot, Label, Path, Shape, line_path, polygon_path
from drivelab.reports.view import View
from drivelab.types import Scene, StateColumn

ColourBy = Literal["time", "speed"]
_GHOST_SPACING = 10  # states between outlines of the simulated ego


def plan_layers(view: View, plan: Float[np.ndarray, "t 3"]) -> list[Shape]:
    """The plan's ego-frame poses as dots on a line from the ego."""
    points = view.ego_points(np.vstack([np.zeros(2), plan[:, :2]]))
    line = line_path("plan", [points])
    dots = [Dot("plan_dot", float(x), float(y), 4.2) for x, y in points[1:] if np.isfinite(x + y)]
    return [*([line] if line else []), *dots]


def state_layers(
    view: View, scene: Scene, states: Float[np.ndarray, "t 11"], colour_by: ColourBy
) -> list[Shape]:
    """Simulated rear-axle path coloured by time or speed, with the ego's outline every second."""
    shapes: list[Shape] = []
    for pose in states[_GHOST_SPACING::_GHOST_SPACING, :3]:
        shapes += ego_layers(view, scene, pose, "ghost")
    return [*shapes, *_coloured_path(view, states, colour_by)]


def _coloured_path(
    view: View, states: Float[np.ndarray, "t 11"], colour_by: ColourBy
) -> list[Path]:
    if len(states) < 2:
        return []
    points = view.points(states[:, :2])
    if colour_by == "time":
        share = np.arange(len(states) - 1) / (len(states) - 1)
    else:
        speed = np.hypot(states[:, StateColumn.VX], states[:, StateColumn.VY])[:-1]
        share = np.nan_to_num(speed / max(float(np.nanmax(speed)), 1.0))
    by_role: dict[str, list[np.ndarray]] = {}
    for step, fraction in enumerate(share):
        by_role.setdefault(ramp_role(float(fraction)), []).append(points[step : step + 2])
    paths = [line_path(role, _joined(pieces)) for role, pieces in by_role.items()]
    return [path for path in paths if path is not None]


def _joined(pieces: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Join pieces that follow one another: shorter markup, no gaps in the stroke."""
    lines = [pieces[0]]
    for piece in pieces[1:]:
        if np.array_equal(lines[-1][-1], piece[0]):
            lines[-1] = np.vstack([lines[-1], piece[1:]])
        else:
            lines.append(piece)
    return lines


def event_layers(
    view: View,
    scene: Scene,
    event: Event,
    states: Float[np.ndarray, "t 11"] | None,
    lettering: float = 1.0,
) -> list[Shape]:
    """Ring, outline of ego and other at that step, and a label beside it."""
    step = event.step
    shapes: list[Shape] = []
    if states is None:
        where = scene.ego.poses[scene.now]
    else:
        where = states[min(max(step, 0), len(states) - 1), :3]
        shapes += ego_layers(view, scene, where, "event_actor")
    shapes += actor_outline(view, scene, event.actor, event.step * STATE_DT)
    x, y = (float(v) for v in np.clip(view.points(where[:2]), 16.0, SIDE - 16.0))
    return [*shapes, Dot("event", x, y, 11.0), *call_out(event, x, y, lettering)]


def call_out(event: Event, x: float, y: float, lettering: float) -> list[Shape]:
    """Two or three lines of text on the side with more room, tied to the ring by a leader."""
    words = CALL_OUT.get(event.kind, event.kind.replace("_", " "))
    lines = [f"{words} at {event.step * STATE_DT:.1f} s"]
    margin = margin_words(event.margin) if np.isfinite(event.margin) else ""
    lines += [text for text in (_shortened(event.actor), margin) if text]
    toward = -1.0 if x > SIDE / 2 else 1.0
    anchor: Literal["start", "end"] = "end" if toward < 0 else "start"
    start = np.array([x + toward * 11.0, y])
    end_y = float(np.clip(y - 30, 24, SIDE - 72))
    bend = np.array([x + toward * 46.0, end_y])
    leader = Path("leader", (np.stack([start, bend, bend + np.array([toward * 10, 0.0])]),), False)
    text_x = float(bend[0] + toward * 15)
    labels = [Label("event_text", lines[0], text_x, end_y, 15.0 * lettering, anchor, True)]
    for row, text in enumerate(lines[1:], start=1):
        row_y = end_y + 18.0 * lettering * row
        labels.append(Label("event_text", text, text_x, row_y, 13.0 * lettering, anchor))
    return [leader, *labels]


def _shortened(name: str) -> str:
    """Track tokens can be long; both ends tell them apart."""
    return name if len(name) <= 18 else f"{name[:8]}…{name[-8:]}"


def actor_outline(view: View, scene: Scene, actor: str, seconds: float) -> list[Shape]:
    """The box of the other one in an event, at a time [s from the current moment]."""
    if actor not in scene.tracks.ids:
        return []
    index = scene.tracks.ids.index(actor)
    poses, present = tracks_at(scene, seconds)
    if not present[index]:
        return []
    ring = view.points(box_corners(np.concatenate([poses[index], scene.tracks.sizes[index]])))
    box = polygon_path("event_actor", shapely.Polygon(ring), f"{actor} at the infraction")
    return [box] if box is not None else []


def scale_bar(view: View, lettering: float = 1.0) -> list[Shape]:
    """A round length in the lower right corner."""
    length = next(metres for metres in (5, 10, 20, 50) if metres >= view.side / 8)
    right, y = SIDE - 18.0, SIDE - 18.0
    left = right - length * view.scale
    bar = np.array([[left, y - 5], [left, y], [right, y], [right, y - 5]])
    middle = (left + right) / 2
    return [
        Path("scale", (bar,), False),
        Label("text", f"{length} m", middle, y - 5 - 9 * lettering, 13.0 * lettering, "middle"),
    ]


def ramp_bar(seconds: float, speed: float, colour_by: ColourBy, y: float) -> list[Shape]:
    """The colour key of the simulated path."""
    end = f"{seconds:.1f} s" if colour_by == "time" else f"{speed:.0f} m/s"
    start, left, step = "0", 130.0, 14.0
    shapes: list[Shape] = [
        Label("page_text", "simulated ego", 18.0, y),
        Label("page_muted", start, left - 8, y, 12.0, "end"),
    ]
    for index in range(RAMP_STEPS):
        piece = np.array([[left + index * step, y], [left + (index + 1) * step, y]])
        shapes.append(Path(f"ramp{index}", (piece,), False))
    shapes.append(Label("page_muted", end, left + RAMP_STEPS * step + 8, y, 12.0))
    return shapes
