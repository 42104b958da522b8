"""Rigs by name or file, and a rig's cameras as the rasteriser takes them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

import msgspec
import numpy as np
from jaxtyping import Float

from drivelab.errors import ConfigError, nearest_name
from drivelab.kernels.splat import Cameras
from drivelab.sim.scenario.problems import Fault
from drivelab.sim.scenario.reading import read_document
from drivelab.sim.scenario.shape import shape_faults
from drivelab.sim.sensors.lens import undistorted_camera
from drivelab.sim.sensors.rig_text import RigText, rig_of
from drivelab.sim.sensors.specs import CameraSpec, LidarSpec, Noise, Rig

__all__ = [
    "CameraGroup",
    "CameraSpec",
    "LidarSpec",
    "Noise",
    "Rig",
    "load_rig",
    "rig_cameras",
    "rig_names",
]
_ROUND = 1e-6  # how far R R^T may be from the unit matrix


@dataclass(frozen=True, slots=True, eq=False)
class CameraGroup:
    """Cameras that one call of the rasteriser draws together.

    Attributes:
        names: of the rig's cameras, in the order of the views.
        cameras: what to draw; wider than the picture where the lens distorts.
    """

    names: tuple[str, ...]
    cameras: Cameras


def rig_names() -> tuple[str, ...]:
    """The rigs that come with the package."""
    folder = files("drivelab.conf") / "rig"
    return tuple(sorted(file.name[:-5] for file in folder.iterdir() if file.name.endswith(".yaml")))


def load_rig(name_or_path: str | Path, *, scale: float | tuple[int, int] = 1.0) -> Rig:
    """Read a rig.

    Args:
        name_or_path: one of `rig_names()`, or a YAML file (ends in .yaml or .yml).
        scale: of every camera's picture, see `Rig.scaled`.

    Raises:
        ConfigError: there is no such rig, or the file does not say one; every fault with its
            line, its key, what was expected and the nearest word.
    """
    name = str(name_or_path)
    if name.endswith((".yaml", ".yml")):
        rig = _read(Path(name_or_path))
    elif name in rig_names():
        rig = _packaged(name)
    else:
        known = rig_names()
        raise ConfigError(
            f"there is no rig {name!r}{nearest_name(name, known)}; "
            f"expected {', '.join(known)} or a file ending in .yaml"
        )
    return rig if scale == 1.0 else rig.scaled(scale)


def rig_cameras(
    rig: Rig, names: Sequence[str], scene_from_ego: Float[np.ndarray, "4 4"]
) -> tuple[CameraGroup, ...]:
    """A rig's cameras where the ego stands, grouped by size and model.

    A camera whose lens distorts is drawn as its `undistorted_camera`; `distort` makes its picture.

    Args:
        rig: the rig.
        names: which of its cameras.
        scene_from_ego: pose of the ego frame in the frame of the scene.
    """
    groups: dict[tuple[int, int, str], list[tuple[str, CameraSpec]]] = {}
    for name in names:
        drawn = undistorted_camera(rig.camera(name))
        groups.setdefault((drawn.width, drawn.height, drawn.model), []).append((name, drawn))
    return tuple(
        CameraGroup(
            tuple(name for name, _ in members),
            Cameras(
                np.stack(
                    [np.linalg.inv(scene_from_ego @ spec.ego_from_cam) for _, spec in members]
                ),
                np.stack([spec.intrinsic for _, spec in members]),
                *key,
            ),
        )
        for key, members in groups.items()
    )


@cache
def _packaged(name: str) -> Rig:
    return _read(Path(str(files("drivelab.conf") / "rig" / f"{name}.yaml")))


def _read(file: Path) -> Rig:
    document = read_document(file)
    document.refuse(shape_faults(document.data, RigText))
    text = msgspec.convert(document.data, RigText)
    document.refuse(list(_misfits(text)))
    return rig_of(text)


def _misfits(text: RigText) -> Iterator[Fault]:
    """What the shape alone does not refuse."""
    for name, camera in text.cameras.items():
        path = ("cameras", name)
        if (camera.focal is None) == (camera.fov_deg is None):
            yield Fault(path, "expected one of the keys `focal` and `fov_deg`")
        if camera.focal is not None and min(camera.focal) <= 0:
            yield Fault((*path, "focal"), "expected focal lengths above 0 [px]")
        if camera.model == "pinhole" and camera.fov_deg is not None and camera.fov_deg >= 180:
            yield Fault((*path, "fov_deg"), "a pinhole sees less than 180 [deg]")
        if camera.model == "fisheye" and any(camera.distortion):
            yield Fault((*path, "distortion"), "a fisheye (equidistant) takes none")
        yield from _rotation_misfits(camera.rotation, path)
    for name, lidar in text.lidars.items():
        yield from _rotation_misfits(lidar.rotation, ("lidars", name))
        if lidar.min_range >= lidar.max_range:
            yield Fault(("lidars", name, "min_range"), "expected less than max_range [m]")


def _rotation_misfits(
    rows: tuple[tuple[float, ...], ...] | None, path: tuple[str, ...]
) -> Iterator[Fault]:
    if rows is None:
        return
    matrix = np.array(rows)
    if np.abs(matrix @ matrix.T - np.eye(3)).max() > _ROUND or np.linalg.det(matrix) < 0:
        yield Fault((*path, "rotation"), "is no rotation: R R^T is not 1, or it mirrors")
