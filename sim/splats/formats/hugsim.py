"""Checkpoints of HUGSIM: a static scene with a ground of its own, or one vehicle.

A pickled pair `(parameters, iteration)`; the parameters are a tuple by place. The scene's last two
are a network that adjusts the exposure, which is passed over, and the ground: Gaussians 1 mm
thick. Its world is the first front camera (x right, y down, z forward); ours has z up, x
forward, and height 0 on the road below that camera where `ground_param.pkl` lies beside the scene.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from drivelab.errors import DataError
from drivelab.kernels.splat import Gaussians
from drivelab.sim.splats.compose import join, place
from drivelab.sim.splats.formats.hugsim_frames import GROUND, read_way
from drivelab.sim.splats.formats.parts import gaussians, numbers
from drivelab.sim.splats.labels import NUMBER
from drivelab.sim.splats.scene import Splats, SplatScene

SCENE = "scene.pth"
KEYS = {"means": 1, "dc": 2, "rest": 3, "scales": 5, "quats": 6, "opacities": 7}
CLASSES = 4  # place of the logits of semantic classes
OBJECT, WHOLE, ROAD = 9, 11, 8  # parameters of a vehicle, a scene, its ground
# The scene's frame from HUGSIM's world: x = z, y = -x, z = -y.
SCENE_FROM_WORLD = np.array(
    [[0.0, 0.0, 1.0, 0.0], [-1.0, 0.0, 0.0, 0.0], [0.0, -1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]]
)
# A vehicle's frame from its file's: x forward stays, the file has y down and z to the left.
VEHICLE_FROM_FILE = np.array(
    [[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.0, -1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]]
)
# Classes 0 to 18 are those of Cityscapes; HUGSIM counts 0 as ground and passes over 10, the sky.
LABELS = ("road", "pavement", "building", "building", "obstacle", "pole", "traffic_light", "sign",
          "vegetation", "terrain", "sky", "pedestrian", "pedestrian", "vehicle", "vehicle",
          "vehicle", "vehicle", "bicycle", "bicycle", "void")  # fmt: skip


def fits(held: Any) -> bool:
    """Whether a checkpoint's content is one of HUGSIM's."""
    pair = isinstance(held, tuple | list) and len(held) == 2
    return pair and isinstance(held[0], tuple | list) and len(held[0]) >= OBJECT


def scene_of(held: Any, file: Path) -> SplatScene:
    """A scene (11 parameters), or a vehicle (9) as a scene of nothing else, both with z up.

    Raises:
        DataError: another number of parameters, one of another shape, or not finite.
    """
    parameters = held[0]
    info = {"from": "hugsim"}
    if len(parameters) == OBJECT:
        static = place(_splats(parameters, file, "parameters"), VEHICLE_FROM_FILE,
                       turn_colours=True)  # fmt: skip
        return SplatScene(_name(file), static, convention="gsplat", info=info)
    if len(parameters) != WHOLE:
        raise DataError(
            f"{len(parameters)} parameters; expected {WHOLE} of a scene or {OBJECT} of a vehicle: "
            "older files have more, HUGSIM's own --ver0 converts them",
            file=file,
        )
    parts = [_splats(parameters, file, "parameters")]
    ground = parameters[10]
    if ground is not None:
        if not isinstance(ground, tuple | list) or len(ground) != ROAD:
            raise DataError(f"expected {ROAD} parameters of the ground, or None", file=file,
                            where="parameters[10]")  # fmt: skip
        parts.append(_splats(ground, file, "parameters[10]", planar=True))
    static = place(join(parts), _scene_from_world(file), turn_colours=True)
    return SplatScene(_name(file), static, convention="gsplat", info=info)


def _scene_from_world(file: Path) -> Float[np.ndarray, "4 4"]:
    """With the road at height 0 where the scene's folder says how high the camera stood."""
    pose = SCENE_FROM_WORLD.copy()
    beside = file.with_name(GROUND)
    if beside.is_file():
        pose[2, 3] = read_way(beside).height
    return pose


def _name(file: Path) -> str:
    return file.absolute().parent.name if file.stem in ("scene", "gs") else file.stem


def _splats(held: Any, file: Path, where: str, *, planar: bool = False) -> Splats:
    found = gaussians(held, KEYS, file=file, where=where, planar=planar)
    logits = numbers(held, CLASSES, (len(found), None), file=file, where=where)
    return Splats(found, _labels(found, logits, file, where))


def _labels(found: Gaussians, logits: np.ndarray, file: Path, where: str) -> UInt8[np.ndarray, "n"]:
    """Our label of each Gaussian's likeliest class."""
    if logits.shape[1] == 0:  # trained without classes
        return np.zeros(len(found), np.uint8)
    if logits.shape[1] > len(LABELS) or not np.isfinite(logits).all():
        raise DataError(f"{logits.shape[1]} classes; expected up to {len(LABELS)}, finite",
                        file=file, where=f"{where}[{CLASSES}]")  # fmt: skip
    numbers_of = np.array([NUMBER[name] for name in LABELS], np.uint8)
    labels: np.ndarray = numbers_of[logits.argmax(1)]
    return labels
