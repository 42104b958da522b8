"""What a rig's YAML may say, and how its words become numbers."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
import numpy as np
from jaxtyping import Float
from msgspec import Meta

from drivelab.sim.scenario.part import Part
from drivelab.sim.scenario.units import Degrees, Share, about, unit
from drivelab.sim.sensors.specs import CameraSpec, LidarSpec, Noise, Rig

Point = Annotated[tuple[float, ...], Meta(min_length=3, max_length=3)]
Row = Annotated[tuple[float, ...], Meta(min_length=3, max_length=3)]
Matrix = Annotated[tuple[Row, ...], Meta(min_length=3, max_length=3)]
Pixels = Annotated[int, unit("px"), Meta(ge=1, le=16384)]
Distance = Annotated[float, unit("m"), Meta(ge=0)]
# Columns: the axes of a camera that looks along the ego's x (right, down, forward).
AHEAD = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])


class NoiseText(Part, frozen=True, kw_only=True):
    """Noise in linear light, 1 = white."""

    read: Annotated[float, about("standard deviation in the dark", ge=0, le=1)] = 0.0
    shot: Annotated[float, about("variance per unit of light", ge=0, le=1)] = 0.0


class Mount(Part, frozen=True, kw_only=True):
    """Where a sensor sits: its position and either three angles or a rotation matrix."""

    position: Annotated[Point, unit("m"), about("x forward, y left, z up in the ego frame")]
    yaw_deg: Annotated[Degrees, about("to the left")] = 0.0
    pitch_deg: Annotated[Degrees, about("downwards")] = 0.0
    roll_deg: Annotated[Degrees, about("its right side downwards")] = 0.0
    rotation: Annotated[Matrix | None, about("rows of ego_from_sensor, in place of the angles")] = (
        None
    )


class CameraText(Mount, frozen=True, kw_only=True):
    """One camera."""

    size: Annotated[tuple[Pixels, ...], Meta(min_length=2, max_length=2), about("width and height")]
    focal: Annotated[
        Annotated[tuple[float, ...], Meta(min_length=2, max_length=2)] | None,
        unit("px"),
        about("fx and fy; or fov_deg"),
    ] = None
    centre: Annotated[
        Annotated[tuple[float, ...], Meta(min_length=2, max_length=2)] | None,
        unit("px"),
        about("cx and cy; the middle if left out"),
    ] = None
    fov_deg: Annotated[
        Annotated[float, unit("deg"), Meta(gt=0, lt=360)] | None, about("across the width")
    ] = None
    distortion: Annotated[
        Annotated[tuple[float, ...], Meta(min_length=5, max_length=5)], about("k1 k2 p1 p2 k3")
    ] = (0.0, 0.0, 0.0, 0.0, 0.0)
    model: Annotated[Literal["pinhole", "fisheye"], about("how angles become pixels")] = "pinhole"
    exposure: Annotated[float, about("what light is multiplied by", gt=0, le=1000)] = 1.0
    noise: Annotated[NoiseText, about("of the electronics")] = NoiseText()
    jpeg_quality: Annotated[
        Annotated[int, Meta(ge=1, le=95)] | None, about("of Pillow; not compressed if left out")
    ] = None


class Fan(Part, frozen=True, kw_only=True):
    """Beams at even angles."""

    lowest_deg: Annotated[Degrees, about("elevation of ring 0")]
    highest_deg: Annotated[Degrees, about("elevation of the last ring")]
    count: Annotated[int, about("number of beams", ge=1, le=512)]


class LidarText(Mount, frozen=True, kw_only=True):
    """One spinning lidar."""

    beams: Annotated[Fan | tuple[Degrees, ...], about("elevations from ring 0 on, or a fan")]
    azimuths: Annotated[int, about("beams around", ge=1, le=20000)]
    max_range: Annotated[Annotated[float, unit("m"), Meta(gt=0, le=1000)], about("of echoes")]
    min_range: Annotated[Distance, about("of echoes")] = 0.0
    dropout: Annotated[Share, about("of echoes lost anywhere")] = 0.0
    fade: Annotated[float, about("loss with distance, darkness and incidence", ge=0)] = 0.0
    range_noise: Annotated[Distance, about("standard deviation along the ray")] = 0.0
    intensity: Annotated[Literal["material", "attenuation"], about("0..255 or CARLA's 0..1")] = (
        "material"
    )
    attenuation: Annotated[float, unit("1/m"), about("for CARLA's intensity", ge=0)] = 0.004


class RigText(Part, frozen=True, kw_only=True):
    """All sensors of a vehicle."""

    name: Annotated[str, about("its name")]
    note: Annotated[str, about("where the numbers come from, which are nominal")] = ""
    origin: Annotated[Point, unit("m"), about("added to every position")] = (0.0, 0.0, 0.0)
    cameras: Annotated[dict[str, CameraText], about("by name")] = msgspec.field(
        default_factory=dict
    )
    lidars: Annotated[dict[str, LidarText], about("by name")] = msgspec.field(default_factory=dict)
    gaussians: Annotated[int, about("of a street built for it; 0: many", ge=0)] = 0


def rig_of(text: RigText) -> Rig:
    """A rig as numbers."""
    origin = np.array(text.origin)
    return Rig(
        text.name,
        {name: _camera(name, camera, origin) for name, camera in text.cameras.items()},
        {
            name: _lidar(name, lidar, origin, number)
            for number, (name, lidar) in enumerate(text.lidars.items())
        },
        text.note,
        text.gaussians,
    )


def turned(yaw: float, pitch: float, roll: float) -> Float[np.ndarray, "3 3"]:
    """Rotation by yaw to the left, then pitch downwards, then roll to the right [deg]."""
    (cy, cp, cr), (sy, sp, sr) = (f(np.radians([yaw, pitch, roll])) for f in (np.cos, np.sin))
    about_z = np.array([[cy, -sy, 0.0], [sy, cy, 0.0], [0.0, 0.0, 1.0]])
    about_y = np.array([[cp, 0.0, sp], [0.0, 1.0, 0.0], [-sp, 0.0, cp]])
    about_x = np.array([[1.0, 0.0, 0.0], [0.0, cr, -sr], [0.0, sr, cr]])
    return about_z @ about_y @ about_x


def _camera(name: str, text: CameraText, origin: np.ndarray) -> CameraSpec:
    width, height = text.size
    focal = text.focal or _focal(text)
    centre = text.centre or (width / 2, height / 2)
    intrinsic = np.array([[focal[0], 0, centre[0]], [0, focal[1], centre[1]], [0, 0, 1.0]])
    rotation = _rotation(text) @ AHEAD if text.rotation is None else _rotation(text)
    return CameraSpec(
        name, width, height, intrinsic, np.array(text.distortion), rotation,
        np.array(text.position) + origin, text.model, text.exposure,
        Noise(text.noise.read, text.noise.shot), text.jpeg_quality,
    )  # fmt: skip


def _focal(text: CameraText) -> tuple[float, float]:
    half = np.radians(text.fov_deg or 0.0) / 2
    reach = half if text.model == "fisheye" else np.tan(half)
    focal = float(text.size[0] / 2 / reach)
    return focal, focal


def _lidar(name: str, text: LidarText, origin: np.ndarray, number: int) -> LidarSpec:
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = _rotation(text), np.array(text.position) + origin
    beams = text.beams
    angles = (
        np.linspace(beams.lowest_deg, beams.highest_deg, beams.count)
        if isinstance(beams, Fan)
        else np.array(beams)
    )
    return LidarSpec(
        name, pose, np.radians(angles), text.azimuths, text.max_range, text.min_range,
        text.dropout, text.fade, text.range_noise, text.intensity, text.attenuation, number,
    )  # fmt: skip


def _rotation(text: Mount) -> np.ndarray:
    if text.rotation is None:
        return turned(text.yaw_deg, text.pitch_deg, text.roll_deg)
    return np.array(text.rotation)
