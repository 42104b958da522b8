"""What the ego's camera saw ahead at one moment, as a picture in a report."""

from __future__ import annotations

import base64
from dataclasses import replace
from io import BytesIO

from markupsafe import Markup
from PIL import Image

from drivelab.data.rollout_log import rollout_scene
from drivelab.types import Rollout, Scene

WIDEST = 640  # [px]
QUALITY = 85  # of its JPEG


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
    file = BytesIO()
    picture.save(file, "JPEG", quality=QUALITY)
    data = base64.b64encode(file.getvalue()).decode()
    tag = Markup('<img class="camera" alt="{0}" title="{0}" src="data:image/jpeg;base64,{1}">')
    return tag.format(f"rendered {name}", data)
