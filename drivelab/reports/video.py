"""Video of a scored plan: the map is painted once, only what moves is painted anew per frame."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float
from PIL import Image

from drivelab.errors import ConfigError
from drivelab.metrics.metric import Event
from drivelab.reports.actor_layers import actor_layers, ego_layers
from drivelab.reports.bev import (
    Overlay,
    check_overlay,
    labels_of,
    modes_of,
    path_layers,
    scene_view,
)
from drivelab.reports.encoder import write_video
from drivelab.reports.event_words import event_text
from drivelab.reports.map_layers import map_layers
from drivelab.reports.motion import STATE_DT, states_at
from drivelab.reports.overlays import event_layers, plan_layers, scale_bar
from drivelab.reports.palette import Theme
from drivelab.reports.raster import paint, paint_over, smooth, stack
from drivelab.reports.shapes import SIDE, Label, Picture, Shape
from drivelab.reports.view import View
from drivelab.types import Scene, StateColumn

_SMOOTHING = 2
_STRIP = 64.0  # height of the text below the picture [picture units]


def render_rollout(
    scene: Scene,
    states: Float[np.ndarray, "t 11"],
    path: Path,
    *,
    plan: Float[np.ndarray, "p 3"] | None = None,
    modes: Float[np.ndarray, "k t 3"] | None = None,
    mode_scores: Float[np.ndarray, " k"] | None = None,
    events: Sequence[Event] = (),
    fps: int = 10,
    size_px: int = 720,
    theme: Theme = Theme.LIGHT,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write an mp4 (H.264) of 10 Hz `states` in real time and return its path.

    `states` are map-frame rows from the current moment; `plan`, and the `modes` that it was chosen
    from, with one score each, are in the ego frame. `progress` is called with (frames done, frames
    in all). The file appears only when it is complete.
    """
    if path.suffix.lower() != ".mp4":
        raise ConfigError(f"cannot write the video {path}: its name must end in .mp4")
    if fps < 1 or size_px < 64:
        raise ConfigError(f"fps={fps}, size_px={size_px}: expected fps >= 1 and size_px >= 64")
    overlay = Overlay(plan, states, events=events, modes=modes, mode_scores=mode_scores)
    check_overlay(scene, overlay)
    total = round((len(states) - 1) * STATE_DT * fps) + 1
    frames = _frames(scene, overlay, fps, total, size_px, theme)
    return write_video(frames, path, fps=fps, total=total, progress=progress)


def _frames(
    scene: Scene, overlay: Overlay, fps: int, total: int, size_px: int, theme: Theme
) -> Iterator[Image.Image]:
    """Frames of even width and height, as the encoder wants them."""
    assert overlay.states is not None
    view = scene_view(scene, overlay)
    zoom = (size_px - size_px % 2) * _SMOOTHING / SIDE
    still = [*map_layers(scene, view), *modes_of(view, overlay)]
    still += [*path_layers(scene, view, overlay), *scale_bar(view)]
    background = paint(Picture(SIDE, SIDE, tuple(still)), zoom, theme)
    first = min(overlay.events, key=lambda event: event.step) if overlay.events else None
    for index in range(total):
        seconds = index / fps
        state = states_at(overlay.states, seconds)
        image = background.copy()
        moving = _moving(scene, view, overlay, first, seconds, state)
        paint_over(image, moving, zoom, theme)
        strip = paint(_status(scene, first, seconds, state), zoom, theme)
        frame = stack([smooth(image, _SMOOTHING), smooth(strip, _SMOOTHING)])
        yield frame.crop((0, 0, frame.width - frame.width % 2, frame.height - frame.height % 2))


def _moving(
    scene: Scene,
    view: View,
    overlay: Overlay,
    first: Event | None,
    seconds: float,
    state: Float[np.ndarray, "11"],
) -> list[Shape]:
    shapes = actor_layers(scene, view, seconds)
    if overlay.plan is not None:
        shapes += [*plan_layers(view, overlay.plan), *labels_of(view, overlay)]
    shapes += ego_layers(view, scene, state[:3])
    if first is not None and _has_happened(first, seconds):
        shapes += event_layers(view, scene, first, overlay.states)
    return shapes


def _status(
    scene: Scene, first: Event | None, seconds: float, state: Float[np.ndarray, "11"]
) -> Picture:
    """Scene, time and speed; from its step on, the first infraction in words."""
    speed = float(np.hypot(state[StateColumn.VX], state[StateColumn.VY]))
    shapes = [
        Label("page_text", scene.id[:40], 18.0, 20.0, 15.0, "start", True),
        Label("page_text", f"{seconds:4.1f} s   {speed:4.1f} m/s", SIDE - 18.0, 20.0, 15.0, "end"),
    ]
    if first is not None and _has_happened(first, seconds):
        shapes.append(Label("page_alert", event_text(first)[:76], 18.0, 44.0, 13.0, "start", True))
    return Picture(SIDE, _STRIP, tuple(shapes), "page")


def _has_happened(event: Event, seconds: float) -> bool:
    return seconds >= event.step * STATE_DT - 1e-9
