"""Rendered sensors that are kept: what was drawn once of a scene is read the next time.

The digest under which a picture lies covers the scene's source and id, the rig down to every
number, weather and seed, and `VERSION`, which is raised whenever the same scene comes to be drawn
differently.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from drivelab.data.array_store import ArrayStore, digest_of
from drivelab.errors import RunError
from drivelab.sim.sensors.near import with_rendered_sensors
from drivelab.sim.sensors.rendered import rendered, stage_of_scene
from drivelab.sim.sensors.rendering import Rendering
from drivelab.sim.sensors.specs import Rig
from drivelab.sim.sensors.stage import stage_rig
from drivelab.types import CameraFrame, Scene, SensorData

VERSION = 1
KIND = "sensors"
_CALIBRATION = (
    "ego_from_cam_rotation", "ego_from_cam_translation", "intrinsic", "distortion",
)  # fmt: skip


@dataclass(slots=True, eq=False)
class KeptSensors:
    """Sensors of a scene, drawn where the store has none; satisfies `drivelab.types.SensorData`.

    Attributes:
        scene: without sensors.
        rendering: how it is drawn.
        rig: that of the rendering.
        origin: digest of all that decides the pictures but camera and frame.
        store: where they are kept.
    """

    scene: Scene
    rendering: Rendering
    rig: Rig
    origin: str
    store: ArrayStore
    _drawn: SensorData | None = field(default=None, init=False)
    _full: bool = field(default=False, init=False)

    @property
    def cameras(self) -> tuple[str, ...]:
        """The rig's cameras."""
        return tuple(self.rig.cameras)

    @property
    def has_lidar(self) -> bool:
        """Whether the rig has any lidar."""
        return bool(self.rig.lidars)

    def camera(self, name: str, frame: int) -> CameraFrame:
        """One picture."""
        frame = range(self.scene.frames)[frame]
        found = self._look_up(name, frame)
        if found is None:
            seen = self.drawn.camera(name, frame)
            self._keep(name, frame, {
                "image": seen.image, **{part: getattr(seen, part) for part in _CALIBRATION}
            })  # fmt: skip
            return seen
        return CameraFrame(**found)

    def lidar(self, frame: int) -> np.ndarray:
        """One sweep."""
        frame = range(self.scene.frames)[frame]
        found = self._look_up("", frame)
        if found is None:
            points = (self.drawn if frame == self.scene.now else self._whole()).lidar(frame)
            self._keep("", frame, {"points": points})
            return points
        return found["points"]

    @property
    def drawn(self) -> SensorData:
        """The sensors that draw; a street is built when they are first asked for."""
        if self._drawn is None:
            sensors = with_rendered_sensors(self.scene, self.rendering).sensors
            assert sensors is not None
            self._drawn = sensors
        return self._drawn

    def _whole(self) -> SensorData:
        """Sensors on the whole street, which `drawn` makes solid about the present only."""
        return rendered(self.scene, stage_of_scene(self.scene, self.rendering))

    def _key(self, camera: str, frame: int) -> str:
        return digest_of([self.origin, camera, frame])

    def _look_up(self, camera: str, frame: int) -> dict[str, np.ndarray] | None:
        return self.store.read(self._key(camera, frame))

    def _keep(self, camera: str, frame: int, arrays: Mapping[str, np.ndarray]) -> None:
        if self._full:
            return
        try:
            self.store.write(self._key(camera, frame), arrays)
        except RunError as error:  # an evaluation goes on without
            self._full = True
            warnings.warn(f"pictures are not kept: {error}", stacklevel=2)


def bytes_of_moment(rig: Rig) -> int:
    """Of all pictures of one moment, not packed."""
    return sum(3 * spec.width * spec.height for spec in rig.cameras.values())


def kept_sensors(
    scene: Scene, rendering: Rendering, provenance: Mapping[str, Any], store: ArrayStore
) -> SensorData:
    """Rendered sensors of a scene that are read from the store, or drawn and kept there.

    Args:
        scene: without sensors of its own.
        rendering: how it is drawn.
        provenance: of the scene's source.
        store: of kind `KIND`.
    """
    rig = stage_rig(rendering)
    origin = digest_of({
        "version": VERSION, "provenance": dict(provenance), "scene": scene.id,
        "rendering": rendering, "rig": rig,
    })  # fmt: skip
    return KeptSensors(scene, rendering, rig, origin, store)
