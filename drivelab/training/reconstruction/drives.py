"""Our own rendered drives as captures: pictures of a rig along a recorded way, and lidar sweeps.

Only what sensors deliver is handed on: pictures, sweeps, calibration, and where a picture shows the
sky (a segmentation, as driving logs get theirs from a network). Gaussians of the street are not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from drivelab.errors import ConfigError
from drivelab.kernels.splat import Cameras
from drivelab.sim.sensors.rendered import RenderedSensors, stage_of_scene
from drivelab.sim.sensors.rendering import Rendering
from drivelab.sim.sensors.rig import rig_cameras
from drivelab.sim.sensors.stage import Shot, Stage
from drivelab.sim.splats.labels import NUMBER
from drivelab.sim.splats.scene import Moment
from drivelab.training.reconstruction.boxes import Boxes, split_boxes
from drivelab.training.reconstruction.capture import Capture
from drivelab.training.reconstruction.points import depth_picture, thinned
from drivelab.training.reconstruction.spacing import spaced
from drivelab.training.reconstruction.views import Views
from drivelab.types import Scene


@dataclass(frozen=True, slots=True)
class DriveOptions:
    """How a drive is looked at.

    Attributes:
        poses: of the rig, at about equal distances along the way.
        cameras: of the rig, of one size.
        points: from lidar at most.
        seed: of the street, of points and of their colours.
        traffic: whether other road users are there, each a node in its tracked box.
    """

    poses: int = 40
    cameras: tuple[str, ...] = ("CAM_FRONT",)
    points: int = 60_000
    seed: int = 0
    traffic: bool = False


def drive_capture(scene: Scene, rendering: Rendering, options: DriveOptions) -> Capture:
    """A recorded drive along a street that is built along its way, empty or with its traffic.

    Raises:
        ConfigError: the drive has fewer frames than poses, or cameras differ in size.
    """
    stage = stage_of_scene(scene, rendering)
    frames = spaced(scene.ego.poses, options.poses)
    recorded = RenderedSensors(stage, scene)
    shots = [recorded.shot(n) if options.traffic else _empty(stage, scene, n)
             for n in frames.tolist()]  # fmt: skip
    cameras = _cameras(stage, shots, options.cameras)
    images = [_pictures(shot, options.cameras) for shot in shots]
    sky = [
        shot.targets(name).labels[0] == NUMBER["sky"]  # type: ignore[index]
        for shot in shots
        for name in options.cameras
    ]
    sweeps = [_sweep(shot) for shot in shots]
    several = len(options.cameras)
    depths = [depth_picture(sweeps[n // several], cameras, n) for n in range(len(cameras))]
    times = np.repeat((scene.ego.times[frames] - scene.time) / 1e6, several)
    groups = np.tile(np.arange(several), len(shots))
    tracks, nodes, standing = split_boxes(_boxes(shots), sweeps, options.seed)
    views = Views(
        np.concatenate(images), cameras, np.stack(depths), np.stack(sky), groups,
        nodes.repeated(several) if len(nodes) else None, np.repeat(np.arange(len(shots)), several),
    )  # fmt: skip
    cloud = np.concatenate(standing)
    cloud = cloud[thinned(cloud, views.eyes, options.points, seed=options.seed)]
    return Capture(
        scene.id,
        views,
        cloud,
        np.random.default_rng(options.seed).random(cloud.shape),
        tracks=tracks,
        times=times,
        map_from_scene=np.asarray(stage.scene.map_from_scene, float),
        upright=True,
        licence=scene.licence,
        info={"source": scene.id, "rig": rendering.rig, "cameras": list(options.cameras)},
    )


def _empty(stage: Stage, scene: Scene, frame: int) -> Shot:
    """A moment of the street with nobody on it, its lights as they were at first."""
    red = scene.red_lights[0] if len(scene.red_lights) else ()
    moment = Moment({}, stage.signals(red))
    return Shot(stage, {}, moment, scene.ego.poses[frame], name=scene.id, frame=frame)


def _boxes(shots: Sequence[Shot]) -> Boxes:
    """The boxes of everybody who is there at some moment."""
    actors = {name: actor for shot in shots for name, actor in shot.scene.actors.items()}
    poses = np.tile(np.eye(4), (len(actors), len(shots), 1, 1))
    valid = np.zeros((len(actors), len(shots)), bool)
    for k, name in enumerate(actors):
        for m, shot in enumerate(shots):
            if name in shot.moment.poses:
                poses[k, m], valid[k, m] = shot.moment.poses[name], True
    kinds = tuple(actor.kind for actor in actors.values())
    sizes = np.array([actor.size for actor in actors.values()], float).reshape(-1, 3)
    return Boxes(tuple(actors), kinds, sizes, poses, valid)


def _cameras(stage: Stage, shots: Sequence[Shot], names: Sequence[str]) -> Cameras:
    """All views, pose by pose."""
    found = []
    for shot in shots:
        groups = rig_cameras(stage.rig, names, shot.scene_from_ego)
        if len(groups) != 1 or groups[0].cameras.model != "pinhole":
            raise ConfigError(
                f"cameras={','.join(names)}: expected pinholes of one size; name such of the rig "
                f"{stage.rendering.rig}"
            )
        found.append(groups[0].cameras)
    first = found[0]
    return Cameras(
        np.concatenate([part.views for part in found]),
        np.concatenate([part.intrinsics for part in found]),
        first.width,
        first.height,
    )


def _pictures(shot: Shot, names: Sequence[str]) -> Float[np.ndarray, "c h w 3"]:
    frames = shot.cameras(names)
    return np.stack([frames[name].image for name in names]).astype(np.float32) / 255.0


def _sweep(shot: Shot) -> Float[np.ndarray, "n 3"]:
    """Points of all lidars in the scene's frame [m]."""
    place = shot.scene_from_ego
    points: np.ndarray = shot.lidar()[:, :3].astype(float) @ place[:3, :3].T + place[:3, 3]
    return points
