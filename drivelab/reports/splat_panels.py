"""One moment of a splat world as a rig sees it: pictures, and depths and labels in colours."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from drivelab.sim.sensors.camera import form
from drivelab.sim.sensors.lens import distort
from drivelab.sim.sensors.rig import Rig, rig_cameras
from drivelab.sim.splats.compose import compose
from drivelab.sim.splats.labels import LABELS
from drivelab.sim.splats.look import Views, look
from drivelab.sim.splats.scene import Moment, Splats, SplatScene

SHOWS = ("images", "depths", "labels")
NEAREST, FARTHEST = 2.0, 120.0  # depths at the ends of the colours [m]
_DEPTHS = np.array([(255, 244, 190), (250, 170, 70), (200, 70, 90), (95, 35, 120), (20, 15, 50)])
_LABELS = {
    "void": (0, 0, 0), "road": (96, 88, 112), "marking": (250, 250, 250),
    "crosswalk": (250, 220, 120), "kerb": (150, 140, 130), "pavement": (205, 130, 190),
    "terrain": (150, 205, 110), "building": (130, 120, 100), "vegetation": (60, 130, 50),
    "pole": (175, 175, 175), "sign": (230, 200, 30), "traffic_light": (255, 140, 20),
    "vehicle": (30, 80, 220), "pedestrian": (225, 30, 60), "bicycle": (150, 20, 40),
    "obstacle": (240, 90, 0), "sky": (120, 180, 235),
}  # fmt: skip
PALETTE = np.array([_LABELS[name] for name in LABELS], np.uint8)


@dataclass(frozen=True, eq=False)
class Sight:
    """A moment of a world and where its rig stands.

    Attributes:
        scene: with everybody who is there.
        moment: where they are, which lamps are lit.
        rig: whose cameras look.
        scene_from_ego: where the vehicle with the rig stands.
        name: with `frame`, seeds noise and rain.
        frame: number of the moment.
        faulty: camera -> its picture with the faults of its sensors; None without any.
    """

    scene: SplatScene
    moment: Moment
    rig: Rig
    scene_from_ego: Float[np.ndarray, "4 4"]
    name: str
    frame: int = 0
    faulty: Callable[[str], UInt8[np.ndarray, "h w 3"]] | None = None

    @cached_property
    def splats(self) -> Splats:
        """All Gaussians of the moment."""
        return compose(self.scene, self.moment)


@dataclass(frozen=True, eq=False)
class Play:
    """A world over time.

    Attributes:
        name: for files and messages.
        title: one line about where it comes from.
        times: (t,) seconds; 0 is the present of a recording.
        rig: whose cameras look.
        sight: number of a time -> what there is to be seen.
    """

    name: str
    title: str
    times: Float[np.ndarray, " t"]
    rig: Rig
    sight: Callable[[int], Sight]

    def nearest(self, time: float) -> int:
        """The number of the recorded moment next to a time [s]."""
        return int(np.abs(self.times - time).argmin())


def panels(
    sight: Sight, cameras: Sequence[str], *, show: Sequence[str] = ("images",)
) -> dict[tuple[str, str], UInt8[np.ndarray, "h w 3"]]:
    """Pictures by (camera, what it shows), in the order asked for.

    Args:
        sight: what is looked at.
        cameras: names of its rig's.
        show: some of `SHOWS`.
    """
    found: dict[tuple[str, str], np.ndarray] = {}
    for group in rig_cameras(sight.rig, cameras, sight.scene_from_ego):
        seen = look(sight.scene, sight.splats, group.cameras, show=show, frame=sight.frame)
        for n, camera in enumerate(group.names):
            for what in show:
                found[camera, what] = _PAINT[what](seen, n, sight, camera)
    return {(camera, what): found[camera, what] for what in show for camera in cameras}


def mosaic(
    pictures: Mapping[tuple[str, str], UInt8[np.ndarray, "h w 3"]],
) -> Image.Image:
    """All cameras side by side, a row for each thing they show; heights follow the first one."""
    rows: dict[str, list[Image.Image]] = {}
    for (_, what), picture in pictures.items():
        rows.setdefault(what, []).append(Image.fromarray(picture))
    height = next(iter(rows.values()))[0].height
    fitted = [[_of_height(tile, height) for tile in row] for row in rows.values()]
    sheet = Image.new("RGB", (max(map(_width, fitted)), height * len(fitted)))
    for n, row in enumerate(fitted):
        left = 0
        for tile in row:
            sheet.paste(tile, (left, n * height))
            left += tile.width
    return sheet


def depth_colours(depths: Float[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w 3"]:
    """Pale = near, dark violet = far, in equal steps for equal ratios; black where there is sky."""
    with np.errstate(divide="ignore"):
        share = np.log(np.maximum(depths, 1e-3) / NEAREST) / np.log(FARTHEST / NEAREST)
    at = np.clip(share, 0.0, 1.0) * (len(_DEPTHS) - 1)
    steps = np.arange(len(_DEPTHS))
    colours = np.stack([np.interp(at, steps, channel) for channel in _DEPTHS.T], -1)
    return np.where(np.isfinite(depths)[..., None], colours, 0.0).astype(np.uint8)


def _image(seen: Views, n: int, sight: Sight, camera: str) -> np.ndarray:
    assert seen.images is not None
    if sight.faulty is not None:
        return sight.faulty(camera)
    spec = sight.rig.camera(camera)
    return form(seen.images[n], spec, scene=sight.name, frame=sight.frame)


def _depth(seen: Views, n: int, sight: Sight, camera: str) -> np.ndarray:
    assert seen.depths is not None
    return depth_colours(distort(seen.depths[n], sight.rig.camera(camera), nearest=True))


def _label(seen: Views, n: int, sight: Sight, camera: str) -> np.ndarray:
    assert seen.labels is not None
    found = distort(seen.labels[n], sight.rig.camera(camera), nearest=True)
    painted: np.ndarray = PALETTE[found]
    return painted


def _width(row: Sequence[Image.Image]) -> int:
    return sum(tile.width for tile in row)


def _of_height(picture: Image.Image, height: int) -> Image.Image:
    if picture.height == height:
        return picture
    return picture.resize((round(picture.width * height / picture.height), height))


_PAINT: dict[str, Callable[[Views, int, Sight, str], np.ndarray]] = {
    "images": _image,
    "depths": _depth,
    "labels": _label,
}
