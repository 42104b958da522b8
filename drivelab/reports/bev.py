"""Bird's-eye pictures of a scene: what was there, what was planned, what came of it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from drivelab.errors import DataError
from drivelab.geometry.poses import relative
from drivelab.metrics.metric import Event
from drivelab.reports.actor_layers import actor_layers, ego_layers, ego_trail, trail_layers
from drivelab.reports.map_layers import map_layers
from drivelab.reports.mode_layers import mode_layers, score_labels
from drivelab.reports.motion import STATE_DT, frame_seconds
from drivelab.reports.overlays import (
    ColourBy,
    event_layers,
    plan_layers,
    scale_bar,
    state_layers,
)
from drivelab.reports.palette import Theme
from drivelab.reports.shapes import SIDE, Picture, Shape
from drivelab.reports.view import View, fit_view
from drivelab.types import STATE_SIZE, Scene, StateColumn

_SMOOTHING = 3  # pixels averaged per axis
_TRAIL_SECONDS = 8.0  # recorded path shown up to here


@dataclass(frozen=True, slots=True, eq=False)
class Overlay:
    """What is drawn over a scene; all of it optional."""

    plan: Float[np.ndarray, "p 3"] | None = None  # ego frame
    states: Float[np.ndarray, "t 11"] | None = None  # simulated, map frame, 10 Hz
    reference: Float[np.ndarray, "r 3"] | None = None  # map frame
    events: Sequence[Event] = ()
    colour_by: ColourBy = "time"
    modes: Float[np.ndarray, "k t 3"] | None = None  # ego frame: what the plan was chosen from
    mode_scores: Float[np.ndarray, " k"] | None = None
    lettering: float = 1.0  # size of the words; pictures shown small want more


def draw_scene(
    scene: Scene,
    path: Path | None = None,
    *,
    plan: Float[np.ndarray, "p 3"] | None = None,
    states: Float[np.ndarray, "t 11"] | None = None,
    reference: Float[np.ndarray, "r 3"] | None = None,
    events: Sequence[Event] = (),
    modes: Float[np.ndarray, "k t 3"] | None = None,
    mode_scores: Float[np.ndarray, " k"] | None = None,
    title: str = "",
    size_px: int = 960,
    colour_by: ColourBy = "time",
    theme: Theme = Theme.LIGHT,
) -> bytes:
    """Draw a scene ego-forward-up and return the file's bytes, writing them when `path` is given.

    `plan`, and the `modes` that it was chosen from, with one score each, are in the ego frame,
    `states` and `reference` in the map frame; `states` are 10 Hz rows from the current moment. A
    path ending in `.svg` gives the vector version without the legend, everything else a PNG of
    `size_px` pixels width.
    """
    overlay = Overlay(plan, states, reference, events, colour_by, modes, mode_scores)
    picture = scene_picture(scene, overlay, title=title)
    if path is not None and path.suffix.lower() == ".svg":
        from drivelab.reports.svg import standalone_svg

        data = standalone_svg(picture, theme).encode()
    else:
        data = _png(scene, picture, overlay, title, size_px, theme)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return data


def scene_picture(scene: Scene, overlay: Overlay, *, title: str = "") -> Picture:
    """The picture as shapes, for any painter."""
    check_overlay(scene, overlay)
    view = scene_view(scene, overlay)
    shapes: list[Shape] = [*map_layers(scene, view), *trail_layers(scene, view)]
    shapes += modes_of(view, overlay)
    shapes += actor_layers(scene, view, 0.0)
    shapes += path_layers(scene, view, overlay)
    shapes += ego_layers(view, scene, scene.ego.poses[scene.now])
    if overlay.plan is not None:
        shapes += plan_layers(view, overlay.plan)
    shapes += labels_of(view, overlay)
    if overlay.events:
        first = min(overlay.events, key=lambda event: event.step)
        shapes += event_layers(view, scene, first, overlay.states, overlay.lettering)
    shapes += scale_bar(view, overlay.lettering)
    name = title or scene.id
    return Picture(SIDE, SIDE, tuple(shapes), title=f"Bird's-eye view of scene {name}")


def scene_view(scene: Scene, overlay: Overlay) -> View:
    """The window that shows the scene with its overlay."""
    pose = scene.ego.poses[scene.now]
    paths = [] if overlay.plan is None else [overlay.plan[:, :2]]
    if overlay.modes is not None:
        paths += [mode[:, :2] for mode in overlay.modes]
    if overlay.states is not None:
        paths.append(relative(pose, overlay.states[:, :3])[:, :2])
    return fit_view(scene, paths)


def path_layers(scene: Scene, view: View, overlay: Overlay) -> list[Shape]:
    """Recorded path, reference plan and simulated states."""
    ahead = np.flatnonzero(frame_seconds(scene) <= _TRAIL_SECONDS)
    recorded = ego_trail(view, scene.ego.poses[scene.now : ahead[-1] + 1], "recorded")
    shapes: list[Shape] = [recorded] if recorded else []
    if overlay.reference is not None:
        reference = ego_trail(view, overlay.reference, "reference")
        shapes += [reference] if reference else []
    if overlay.states is not None:
        shapes += state_layers(view, scene, overlay.states, overlay.colour_by)
    return shapes


def modes_of(view: View, overlay: Overlay) -> list[Shape]:
    """The modes, where there are any."""
    return [] if overlay.modes is None else mode_layers(view, overlay.modes, overlay.mode_scores)


def labels_of(view: View, overlay: Overlay) -> list[Shape]:
    """The best modes' scores, where there are any."""
    if overlay.modes is None:
        return []
    return score_labels(view, overlay.modes, overlay.mode_scores, overlay.lettering)


def check_overlay(scene: Scene, overlay: Overlay) -> None:
    """Refuse arrays of a wrong shape by name, before anything is drawn."""
    wanted = (
        ("plan", overlay.plan, 3),
        ("states", overlay.states, STATE_SIZE),
        ("reference", overlay.reference, 3),
    )
    for name, array, columns in wanted:
        if array is None:
            continue
        if array.ndim != 2 or array.shape[1] != columns or not len(array):
            raise DataError(
                f"{name} has shape {array.shape}, expected (t, {columns}) with t >= 1",
                where=f"scene {scene.id}",
            )
    modes, scores = overlay.modes, overlay.mode_scores
    if modes is not None and (modes.ndim != 3 or modes.shape[2] != 3 or not modes.size):
        told = f"modes has shape {modes.shape}, expected (k, t, 3) with k, t >= 1"
        raise DataError(told, where=f"scene {scene.id}")
    if scores is not None and (modes is None or scores.shape != modes.shape[:1]):
        told = f"mode_scores has shape {scores.shape}, expected one score a mode"
        raise DataError(told, where=f"scene {scene.id}")


def _png(
    scene: Scene, picture: Picture, overlay: Overlay, title: str, size_px: int, theme: Theme
) -> bytes:
    from drivelab.reports.legend import legend_strip, title_strip
    from drivelab.reports.raster import paint, smooth, stack

    seconds, speed = 0.0, 0.0
    if overlay.states is not None:
        seconds = (len(overlay.states) - 1) * STATE_DT
        velocity = overlay.states[:, StateColumn.VX : StateColumn.AX]
        speed = float(np.nanmax(np.hypot(velocity[:, 0], velocity[:, 1])))
    strips = [
        title_strip(title or scene.id, " · ".join(filter(None, (scene.source, scene.family)))),
        picture,
        legend_strip(picture, seconds, speed, overlay.colour_by),
    ]
    zoom = size_px * _SMOOTHING / SIDE
    image = stack([smooth(paint(strip, zoom, theme), _SMOOTHING) for strip in strips])
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
