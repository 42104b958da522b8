"""What the ego's cameras saw at one moment, as a picture in a report."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO

import numpy as np
from jaxtyping import Float
from markupsafe import Markup
from PIL import Image

from drivelab.data.rollout_log import rollout_scene
from drivelab.reports.camera_strip import camera_strip
from drivelab.reports.ground_paint import on_ground
from drivelab.types import Rollout, Scene

WIDEST = 640  # of one camera's picture [px]
QUALITY = 85  # of a JPEG
HORIZON = 4.0  # of the recorded drive, where no plan says another one [s]


def camera_view(scene: Scene, drive: Rollout | None, step: int) -> Markup | None:
    """An `img` of the camera that looks ahead; None without rendered cameras.

    Args:
        scene: with rendered sensors, or without any.
        drive: what was driven in it, of which the moment is shown; the scene's present without.
        step: index into the drive's times.
    """
    if scene.sensors is None:
        return None
    from drivelab.sim.sensors.rendered import camera_ahead, seen_in

    around = scene
    if drive is not None:
        around = replace(rollout_scene(drive, scene, now=step), id=scene.id)
    sensors = seen_in(scene, around)
    if sensors is None:
        return None
    name = camera_ahead(sensors)
    picture = Image.fromarray(sensors.camera(name, around.now).image)
    if picture.width > WIDEST:
        picture = picture.resize((WIDEST, round(picture.height * WIDEST / picture.width)))
    return _image(picture, f"rendered {name}")


def plan_view(
    scene: Scene, cameras: Sequence[str], plan: Float[np.ndarray, "p 3"] | None, seconds: float
) -> Markup | None:
    """An `img` of the cameras that an agent looked at, its plan and the recorded drive on them.

    None where the scene has none of them.

    Args:
        scene: with sensors of any kind, rendered or recorded, or without any.
        cameras: those that the agent looked at; the ones that are not there are left out.
        plan: what it chose, in the ego frame.
        seconds: how far the plan looks ahead [s].

    Raises:
        DataError: a picture cannot be read.
    """
    there = () if scene.sensors is None else scene.sensors.cameras
    names = [name for name in cameras if name in there]
    if not names:
        return None
    picture = camera_strip(scene, names, on_ground(scene, plan, seconds))
    return _image(picture, f"what the agent saw: {', '.join(names)}", " strip")


def _image(picture: Image.Image, title: str, more: str = "") -> Markup:
    file = BytesIO()
    picture.save(file, "JPEG", quality=QUALITY)
    data = base64.b64encode(file.getvalue()).decode()
    tag = Markup('<img class="camera{2}" alt="{0}" title="{0}" src="data:image/jpeg;base64,{1}">')
    return tag.format(title, data, more)
