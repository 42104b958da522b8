"""Cameras and lidar of a scene that was recorded, or is driven, without any: rendered ones."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from drivelab.errors import DataError
from drivelab.sim.sensors.episode_weather import weather_of
from drivelab.sim.sensors.faults import FaultySensors, faults_of
from drivelab.sim.sensors.rendering import Rendering
from drivelab.sim.sensors.stage import Shot, Stage
from drivelab.sim.splats.files import ENDING
from drivelab.sim.splats.scene import Moment
from drivelab.types import CameraFrame, Scene, SensorData

if TYPE_CHECKING:
    from drivelab.sim.world.episode import Episode

SECOND = 1_000_000  # [us]
LEAD = 15.0  # the street begins so far before a recorded way and ends so far behind it [m]


@dataclass(frozen=True, slots=True, eq=False)
class RenderedSensors:
    """Sensors of a scene on a stage; satisfies `drivelab.types.SensorData`.

    Attributes:
        stage: where it is; shared by all scenes of an episode, which remembers its pictures.
        scene: who is where, frame by frame.
    """

    stage: Stage
    scene: Scene

    @property
    def cameras(self) -> tuple[str, ...]:
        """The rig's cameras."""
        return tuple(self.stage.rig.cameras)

    @property
    def has_lidar(self) -> bool:
        """Whether the rig has any lidar."""
        return bool(self.stage.rig.lidars)

    def camera(self, name: str, frame: int) -> CameraFrame:
        """One picture, drawn when it is first asked for."""
        frame = range(self.scene.frames)[frame]
        time = int(self.scene.ego.times[frame])
        return self.stage.remember((name, time), lambda: self.shot(frame).camera(name))

    def lidar(self, frame: int) -> np.ndarray:
        """One sweep, cast when it is first asked for."""
        frame = range(self.scene.frames)[frame]
        time = int(self.scene.ego.times[frame])
        return self.stage.remember(("lidar", time), lambda: self.shot(frame).lidar())

    def shot(self, frame: int) -> Shot:
        """One frame, ready to be looked at."""
        scene, tracks = self.scene, self.scene.tracks
        time = int(scene.ego.times[frame])

        def make() -> Shot:
            actors, poses = self.stage.cast(
                tracks.ids, tracks.kinds, tracks.sizes, tracks.poses[frame], tracks.valid[frame]
            )
            red = scene.red_lights[frame] if frame < len(scene.red_lights) else ()
            moment = Moment(poses, self.stage.signals(red))
            return Shot(
                self.stage, actors, moment, scene.ego.poses[frame], name=scene.id,
                frame=round(time / SECOND * 10),
            )  # fmt: skip

        return self.stage.remember(("shot", time), make)


def rendered(scene: Scene, stage: Stage, *, begin: int | None = None) -> SensorData:
    """Sensors of a scene on a stage, with the faults of its rendering.

    Args:
        scene: who is where.
        stage: where it is.
        begin: time at which its faults count 0 s [us]; the scene's present by default.
    """
    clean = RenderedSensors(stage, scene)
    if not stage.rendering.faults:
        return clean
    times = (scene.ego.times - (scene.time if begin is None else begin)) / SECOND
    faults = faults_of(stage.rendering.faults, cameras=clean.cameras)
    return FaultySensors(clean, faults, times.tolist(), scene.id)


def stage_of_scene(scene: Scene, rendering: Rendering) -> Stage:
    """The stage of a recorded scene: along the recorded way, and some of the lane it began on."""
    rendering = replace(rendering, street=_street_file(rendering.street, scene.id))
    return Stage(scene.map, _lengthened(scene.ego.poses), rendering, licence=scene.licence)


def stage_of_episode(episode: Episode, rendering: Rendering) -> Stage:
    """The stage of an episode: along its route's line or where an expert drove.

    Weather and sensor faults that the episode's scenario says go before those of the rendering.
    """
    faults = tuple(episode.info.get("sensor_faults", ())) or rendering.faults
    weather = weather_of(episode.info) or rendering.weather
    street = _street_file(rendering.street, episode.id)
    rendering = replace(rendering, weather=weather, faults=faults, street=street)
    lines = [np.asarray(episode.route_line, float)[:, :2]]
    if episode.expert is not None:
        lines.append(episode.expert.poses[:, :2])
    longest = max(lines, key=lambda line: float(np.hypot(*np.diff(line, axis=0).T).sum()))
    roles = {actor.id: actor.role for actor in episode.actors if actor.role}
    looks = {actor.id: actor.look for actor in episode.actors if actor.look}
    return Stage(episode.map, longest, rendering, roles=roles, looks=looks, licence=episode.licence)


def _street_file(street: str, name: str) -> str:
    """The file of an episode's street: the one that is named, or the episode's own in a folder."""
    if not street or not Path(street).is_dir():
        return street
    file = Path(street) / f"{name}{ENDING}"
    if Path(name).name != name or not file.is_file():
        raise DataError(
            f"holds no {name}{ENDING}; expected a scene for every episode: reconstruct this one "
            "too, or name those that are there by scenes=[...]",
            file=street,
        )
    return str(file)


def _lengthened(poses: Float[np.ndarray, "t 3"]) -> Float[np.ndarray, "m 2"]:
    """A drive with a straight piece before and behind it, so that a standing ego has a way, too."""
    ends = []
    for pose, sign in ((poses[0], -1.0), (poses[-1], 1.0)):
        ends.append(pose[:2] + sign * LEAD * np.array([np.cos(pose[2]), np.sin(pose[2])]))
    return np.concatenate([ends[:1], poses[:, :2], ends[1:]])


def seen_in(scene: Scene, around: Scene) -> SensorData | None:
    """The sensors with which `scene` is seen, turned to another account of the same episode.

    None where the scene's sensors are not rendered.
    """
    found = scene.sensors
    clean = found.clean if isinstance(found, FaultySensors) else found
    if not isinstance(clean, RenderedSensors):
        return None
    return rendered(around, clean.stage, begin=scene.time)


def camera_ahead(sensors: SensorData) -> str:
    """The camera that looks most nearly straight ahead; the first one of sensors of others."""
    clean = sensors.clean if isinstance(sensors, FaultySensors) else sensors
    if not isinstance(clean, RenderedSensors):
        return sensors.cameras[0]
    cameras = clean.stage.rig.cameras
    return max(cameras, key=lambda name: float(cameras[name].ego_from_cam_rotation[0, 2]))
