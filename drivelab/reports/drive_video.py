"""Video of a drive: the camera follows the ego, forward up; every plan is shown when it is made.

The map is painted once per tile of the way and turned under the ego, so that a long drive costs no
more per frame than a short one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from PIL import Image

from drivelab.errors import ConfigError
from drivelab.reports.actor_layers import actor_layers, ego_layers, ego_trail
from drivelab.reports.encoder import write_video
from drivelab.reports.event_words import QUIET, event_line
from drivelab.reports.map_layers import light_layers, map_layers
from drivelab.reports.overlays import plan_layers, scale_bar
from drivelab.reports.palette import Theme
from drivelab.reports.raster import paint, paint_over, smooth, stack
from drivelab.reports.shapes import SIDE, Dot, Label, Picture, Shape
from drivelab.reports.view import View
from drivelab.types import Rollout, Scene, StateColumn

WINDOW = 72.0  # side of the picture [m]
AHEAD = 20.0  # the picture's middle lies so far in front of the ego [m]
TILE = 230.0  # side of the painted piece of map [m]
SHOWN = 2.5  # how long an event stays on screen [s]
_SMOOTHING = 2
_STRIP = 64.0  # height of the text below the picture [picture units]


@dataclass(frozen=True, slots=True, eq=False)
class _Tile:
    """A painted piece of the map; `view` says where it lies."""

    view: View
    image: Image.Image
    zoom: float


def render_drive(
    scene: Scene,
    rollout: Rollout,
    path: Path,
    *,
    title: str = "",
    size_px: int = 720,
    theme: Theme = Theme.LIGHT,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write an mp4 (H.264, 10 frames a second, real time) of a closed-loop rollout.

    Args:
        scene: whose frames are the rollout's (`drivelab.data.rollout_log.rollout_scene`).
        rollout: what was driven.
        path: where to; it appears only when it is complete.
        title: a line in the picture's strip, e.g. agent and scenario.
        size_px: width of the picture.
        theme: colours.
        progress: called with (frames done, frames in all).
    """
    if path.suffix.lower() != ".mp4":
        raise ConfigError(f"cannot write the video {path}: its name must end in .mp4")
    if size_px < 64:
        raise ConfigError(f"size_px={size_px}: expected 64 or more")
    frames = _frames(scene, rollout, title or rollout.scene_id, size_px, theme)
    return write_video(frames, path, fps=10, total=len(rollout.times), progress=progress)


def drive_frame(
    scene: Scene, rollout: Rollout, step: int, *, size_px: int = 720, theme: Theme = Theme.LIGHT
) -> Image.Image:
    """One frame of the video as a picture."""
    tile = _paint_tile(scene, rollout.ego[step, :3], size_px, theme)
    return _frame(scene, rollout, step, tile, rollout.scene_id, size_px, theme)


def _frames(
    scene: Scene, rollout: Rollout, title: str, size_px: int, theme: Theme
) -> Iterator[Image.Image]:
    tile: _Tile | None = None
    for step in range(len(rollout.times)):
        pose = rollout.ego[step, :3]
        if tile is None or _leaves(tile, pose):
            tile = _paint_tile(scene, pose, size_px, theme)
        yield _frame(scene, rollout, step, tile, title, size_px, theme)


def _leaves(tile: _Tile, pose: Float[np.ndarray, "3"]) -> bool:
    """Whether the window about a pose is not wholly on the tile."""
    reach = TILE / 2 - np.hypot(WINDOW / 2 + AHEAD, WINDOW / 2)
    return bool(np.hypot(*(pose[:2] - tile.view.map_from_ego[:2])) > reach)


def _paint_tile(scene: Scene, pose: Float[np.ndarray, "3"], size_px: int, theme: Theme) -> _Tile:
    fineness = TILE / WINDOW  # it shows more metres per picture unit, so it is drawn finer
    view = View(np.array([pose[0], pose[1], 0.0]), (0.0, 0.0), TILE, fineness)
    still = replace(scene, red_lights=())
    zoom = _pixels(size_px) * _SMOOTHING / SIDE * fineness
    picture = Picture(SIDE, SIDE, tuple(map_layers(still, view)))
    return _Tile(view, paint(picture, zoom, theme, stroke=1.0 / fineness), zoom)


def _frame(
    scene: Scene,
    rollout: Rollout,
    step: int,
    tile: _Tile,
    title: str,
    size_px: int,
    theme: Theme,
) -> Image.Image:
    pose = rollout.ego[step, :3]
    view = View(np.asarray(pose, float), (AHEAD, 0.0), WINDOW)
    zoom = _pixels(size_px) * _SMOOTHING / SIDE
    image = _turned(tile, view, zoom)
    paint_over(image, _moving(replace(scene, now=step), rollout, step, view), zoom, theme)
    strip = paint(_status(rollout, step, title), zoom, theme)
    frame = stack([smooth(image, _SMOOTHING), smooth(strip, _SMOOTHING)])
    return frame.crop((0, 0, frame.width - frame.width % 2, frame.height - frame.height % 2))


def _turned(tile: _Tile, view: View, zoom: float) -> Image.Image:
    """The tile as the view shows it; averaging pixels afterwards smooths it."""
    size = round(SIDE * zoom)
    corners = np.array([[0.0, 0.0], [SIDE, 0.0], [0.0, SIDE]])  # of the view, in picture units
    inner = corners / view.scale
    ahead = view.centre[0] + view.side / 2 - inner[:, 1]
    left = view.centre[1] + view.side / 2 - inner[:, 0]
    cos, sin = np.cos(view.map_from_ego[2]), np.sin(view.map_from_ego[2])
    points = view.map_from_ego[:2] + np.column_stack(
        [cos * ahead - sin * left, sin * ahead + cos * left]
    )
    at = tile.view.points(points) * tile.zoom
    right, down = (at[1] - at[0]) / size, (at[2] - at[0]) / size
    affine = (right[0], down[0], at[0, 0], right[1], down[1], at[0, 1])
    return tile.image.transform(
        (size, size), Image.Transform.AFFINE, affine, Image.Resampling.NEAREST
    )


def _moving(scene: Scene, rollout: Rollout, step: int, view: View) -> list[Shape]:
    shapes: list[Shape] = list(light_layers(scene, view))
    trail = ego_trail(view, rollout.ego[max(step - 30, 0) : step + 1, :3], "past")
    if trail is not None:
        shapes.append(trail)
    shapes += actor_layers(scene, view, 0.0)
    plan = _plan_at(rollout, step)
    if plan is not None:
        shapes += plan_layers(view, plan)
    shapes += ego_layers(view, scene, rollout.ego[step, :3])
    for event in _recent(rollout, step):
        shapes += _mark(scene, view, event)
    return [*shapes, *scale_bar(view)]


def _plan_at(rollout: Rollout, step: int) -> Float[np.ndarray, "p 3"] | None:
    """The plan that was made in this step; the last one stays on the last frame."""
    if rollout.plans is None or rollout.plan_steps is None or not len(rollout.plans):
        return None
    k = int(np.searchsorted(rollout.plan_steps, step, side="right")) - 1
    return rollout.plans[k] if k >= 0 and rollout.plan_steps[k] == step else None


def _recent(rollout: Rollout, step: int) -> Sequence[Any]:
    """Events of the last seconds, the newest first."""
    dt = float(rollout.times[1] - rollout.times[0]) if len(rollout.times) > 1 else 0.1
    shown = [
        event
        for event in rollout.events
        if event["kind"] not in QUIET and 0 <= (step - event["step"]) * dt <= SHOWN
    ]
    return sorted(shown, key=lambda event: -event["step"])


def _mark(scene: Scene, view: View, event: Any) -> list[Shape]:
    """A ring about the other road user, or about the ego."""
    where = view.map_from_ego[:2]
    if event["actor"] in scene.tracks.ids:
        index = scene.tracks.ids.index(event["actor"])
        if scene.tracks.valid[scene.now, index]:
            where = scene.tracks.poses[scene.now, index, :2]
    x, y = (float(v) for v in view.points(where))
    return [Dot("event", x, y, 16.0)] if 0 < x < SIDE and 0 < y < SIDE else []


def _status(rollout: Rollout, step: int, title: str) -> Picture:
    state = rollout.ego[step]
    speed = float(np.hypot(state[StateColumn.VX], state[StateColumn.VY]))
    time = float(rollout.times[step])
    shapes: list[Shape] = [
        Label("page_text", title[:46], 18.0, 20.0, 15.0, "start", True),
        Label("page_text", f"{time:4.1f} s   {speed:4.1f} m/s", SIDE - 18.0, 20.0, 15.0, "end"),
    ]
    recent = _recent(rollout, step)
    if recent:
        shapes.append(Label("page_alert", event_line(recent[0])[:76], 18.0, 44.0, 13.0, "start"))
    return Picture(SIDE, _STRIP, tuple(shapes), "page")


def _pixels(size_px: int) -> int:
    return size_px - size_px % 2
