"""One moment of a drive as a picture: who stood where, what the ego planned, where it came from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from drivelab.data.rollout_log import rollout_scene
from drivelab.geometry.poses import compose, relative
from drivelab.metrics.metric import Event
from drivelab.reports.actor_layers import actor_layers, ego_layers, ego_trail, trail_layers
from drivelab.reports.map_layers import map_layers
from drivelab.reports.overlays import (
    actor_outline,
    call_out,
    plan_layers,
    scale_bar,
    state_layers,
)
from drivelab.reports.shapes import SIDE, Dot, Label, Picture, Shape
from drivelab.reports.view import View
from drivelab.types import Rollout, Scene

WINDOW = 64.0  # side of the picture [m]
AHEAD = 12.0  # the picture's middle lies so far in front of the ego [m]
TRAIL = 30  # steps of the others' ways shown before and after


def drive_picture(
    scene: Scene,
    rollout: Rollout,
    step: int,
    *,
    event: Event | None = None,
    lettering: float = 1.0,
) -> Picture:
    """Draw the moment `step` of a rollout, ego forward up.

    Args:
        scene: the one that was driven in, for map, route and vehicle.
        rollout: what was driven.
        step: index into its times.
        event: what happened then; it gets a ring and a label.
        lettering: size of the words; pictures shown small want more.
    """
    pose = np.asarray(rollout.ego[step, :3], float)
    view = View(pose, (AHEAD, 0.0), WINDOW)
    around = _cut(rollout_scene(rollout, scene, now=step), TRAIL)
    shapes: list[Shape] = [*map_layers(around, view), *trail_layers(around, view)]
    shapes += _ways(view, rollout, step)
    shapes += state_layers(view, around, rollout.ego[: step + 1], "time")
    shapes += actor_layers(around, view, 0.0)
    plan = plan_at(rollout, step)
    if plan is not None:
        shapes += plan_layers(view, relative(pose, plan))
    shapes += ego_layers(view, around, pose)
    if event is not None:
        shapes += _event(view, around, pose, event, lettering)
    text = f"{rollout.times[step]:.1f} s"
    shapes.append(Label("text", text, 18.0, SIDE - 24.0, 15.0 * lettering, "start", True))
    shapes += scale_bar(view, lettering)
    title = f"Bird's-eye view of {scene.id} at {text}"
    return Picture(SIDE, SIDE, tuple(shapes), title=title)


def plan_at(rollout: Rollout, step: int) -> Float[np.ndarray, "p 3"] | None:
    """The newest plan of a moment, in the map frame; None before the first one."""
    if rollout.plans is None or rollout.plan_steps is None:
        return None
    k = int(np.searchsorted(rollout.plan_steps, step, side="right")) - 1
    if k < 0:
        return None
    plan: Float[np.ndarray, "p 3"] = compose(
        rollout.ego[int(rollout.plan_steps[k]), :3], rollout.plans[k]
    )
    return plan


def _cut(scene: Scene, steps: int) -> Scene:
    """The frames about the current one."""
    first, stop = max(scene.now - steps, 0), min(scene.now + steps + 1, scene.frames)
    return replace(
        scene,
        ego=scene.ego.cut(first, stop),
        tracks=scene.tracks.cut(first, stop),
        red_lights=scene.red_lights[first:stop],
        now=scene.now - first,
    )


def _ways(view: View, rollout: Rollout, step: int) -> list[Shape]:
    """The route's line, the recorded ego, and where the ego went afterwards."""
    expert = rollout.info.get("expert")
    lines = (
        ("ego_way", rollout.route),
        ("recorded", expert if isinstance(expert, np.ndarray) else None),
        ("ghost", rollout.ego[step:, :3]),
    )
    paths = [ego_trail(view, line, role) for role, line in lines if line is not None]
    return [path for path in paths if path is not None]


def _event(
    view: View, scene: Scene, pose: Float[np.ndarray, "3"], event: Event, lettering: float
) -> list[Shape]:
    """A ring about the ego, red outlines of it and of the other one, and the words."""
    shapes = ego_layers(view, scene, pose, "event_actor")
    shapes += actor_outline(view, scene, event.actor, 0.0)
    x, y = (float(v) for v in view.points(pose[:2]))
    return [*shapes, Dot("event", x, y, 11.0), *call_out(event, x, y, lettering)]


def step_of(rollout: Rollout, event: Event | None) -> int:
    """The moment a report shows: the event's, else the middle of the drive."""
    last = len(rollout.times) - 1
    return last // 2 if event is None else int(np.clip(event.step, 0, last))
