"""What cameras see of a world of Gaussians: pictures with sky, fog and rain, depths, labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float, UInt8
from numba import njit

from drivelab.kernels.splat import Cameras, Settings, render
from drivelab.kernels.splat.compiled import Crew, thread_count
from drivelab.sim.splats.labels import NUMBER
from drivelab.sim.splats.rain import streaks
from drivelab.sim.splats.scene import Sky, Splats, SplatScene

NEAR, FAR = 0.1, 400.0  # depths that are drawn [m]
ROWS = 16  # of a picture that a task finishes
NO_SKY = np.zeros((6, 2, 2, 3), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Views:
    """What c cameras of one size see; what was not asked for is None.

    Attributes:
        images: (c, h, w, 3) float32 colours of a screen, 0..1 and more where it glares.
        depths: (c, h, w) float32 expected depth [m], infinite where the sky is seen.
        labels: (c, h, w) uint8, numbers of `labels.LABELS`.
    """

    images: Float[np.ndarray, "c h w 3"] | None = None
    depths: Float[np.ndarray, "c h w"] | None = None
    labels: UInt8[np.ndarray, "c h w"] | None = None


def look(
    scene: SplatScene,
    splats: Splats,
    cameras: Cameras,
    *,
    show: Sequence[str] = ("images",),
    settings: Settings | None = None,
    frame: int = 0,
) -> Views:
    """Look at one moment of a world.

    Fog takes e^(-fog d) of the light of what lies at a distance d (by its expected depth) and puts
    its own colour in its place; the sky, which is painted with its haze, shows through what
    Gaussians leave free.

    Args:
        scene: whose sky, air and convention hold.
        splats: its Gaussians at that moment, see `compose`.
        cameras: views of one size in the scene's frame.
        show: some of "images", "depths", "labels".
        settings: how the Gaussians are drawn; depths from 0.1 m to 400 m by default.
        frame: seeds the rain.
    """
    unknown = set(show) - {"images", "depths", "labels"}
    if unknown:
        raise ValueError(f"look: show={tuple(show)}; expected some of images, depths, labels")
    how = settings or Settings(near=NEAR, far=FAR, convention=scene.convention)
    modes = ["rgb", "depth"] if "images" in show else []
    modes += ["depth"] if "depths" in show else []
    modes += ["labels"] if "labels" in show else []
    drawn = render(splats.gaussians, cameras, modes=modes, labels=splats.labels, settings=how)
    images = depths = labels = None
    if "images" in show:
        images = finish(scene, drawn.rgb, drawn.depth_sum, drawn.alpha, cameras)
        if scene.air.rain > 0:
            streaks(images, scene.air.rain, frame)
    if "depths" in show:
        depths = np.where(drawn.alpha > 0.5, drawn.depth, np.float32(np.inf))
    if "labels" in show:
        sky = NUMBER["sky"] if scene.sky is not None else 0
        labels = np.where(drawn.labels == 0, np.uint8(sky), drawn.labels)
    return Views(images, depths, labels)


def finish(
    scene: SplatScene,
    rgb: Float[np.ndarray, "c h w 3"],
    depth_sum: Float[np.ndarray, "c h w"],
    alpha: Float[np.ndarray, "c h w"],
    cameras: Cameras,
) -> Float[np.ndarray, "c h w 3"]:
    """Fog over what is drawn, sky behind it, exposure over all; in place, and returned."""
    air, sky = scene.air, scene.sky or Sky(NO_SKY)
    faces = np.ascontiguousarray(sky.faces, np.float32)
    fog = np.array([*air.fog_colour, air.fog], np.float32)
    crew, jobs = Crew(thread_count()), []
    for n in range(len(cameras)):
        rays = _rays(
            np.asarray(cameras.intrinsics[n], float).tobytes(), cameras.width, cameras.height,
            cameras.model,
        )  # fmt: skip
        turn = np.ascontiguousarray(np.asarray(cameras.views[n])[:3, :3].T, np.float32)
        for first in range(0, cameras.height, ROWS):
            part = slice(first, first + ROWS)
            jobs.append(
                (rgb[n, part], depth_sum[n, part], alpha[n, part], rays[part], turn, faces, fog,
                 np.float32(air.exposure))
            )  # fmt: skip
    crew.each([lambda job=job: _finish(*job) for job in jobs])  # type: ignore[misc]
    return rgb


@lru_cache(maxsize=64)
def _rays(intrinsic: bytes, width: int, height: int, model: str) -> Float[np.ndarray, "h w 3"]:
    """Directions of a camera's pixels in its own frame, of any length."""
    lens = np.frombuffer(intrinsic).reshape(3, 3)
    x = (np.arange(width) + 0.5 - lens[0, 2]) / lens[0, 0]
    y = (np.arange(height) + 0.5 - lens[1, 2]) / lens[1, 1]
    x, y = np.meshgrid(x, y)
    z = np.ones_like(x)
    if model == "fisheye":
        angle = np.hypot(x, y)
        z = np.cos(angle)
        stretch = np.sinc(angle / np.pi)
        x, y = x * stretch, y * stretch
    elif model == "ortho":
        x, y = np.zeros_like(x), np.zeros_like(y)
    found = np.stack([x, y, z], -1).astype(np.float32)
    found.flags.writeable = False
    return found


@njit(nogil=True, cache=True, error_model="numpy")
def _finish(rgb, depth_sum, alpha, rays, turn, faces, fog, exposure):  # type: ignore[no-untyped-def]
    n = faces.shape[1]
    for row in range(rgb.shape[0]):
        for column in range(rgb.shape[1]):
            cover = alpha[row, column]
            r0, r1, r2 = rays[row, column, 0], rays[row, column, 1], rays[row, column, 2]
            if cover > 0 and fog[3] > 0:
                slope = np.sqrt(r0 * r0 + r1 * r1 + r2 * r2) / max(r2, np.float32(0.01))
                passed = np.exp(-fog[3] * slope * depth_sum[row, column] / cover)
                for c in range(3):
                    rgb[row, column, c] = (
                        rgb[row, column, c] * passed + cover * (1 - passed) * fog[c]
                    )
            free = 1 - cover
            if free > 1e-4:
                x = turn[0, 0] * r0 + turn[0, 1] * r1 + turn[0, 2] * r2
                y = turn[1, 0] * r0 + turn[1, 1] * r1 + turn[1, 2] * r2
                z = turn[2, 0] * r0 + turn[2, 1] * r1 + turn[2, 2] * r2
                size, face, a, b = abs(x), 0 if x > 0 else 1, y, z
                if abs(y) > size:
                    size, face, a, b = abs(y), 2 if y > 0 else 3, x, z
                if abs(z) > size:
                    size, face, a, b = abs(z), 4 if z > 0 else 5, x, y
                across = min(max(0.5 * (a / size + 1) * n - 0.5, 0.0), n - 1.0)
                down = min(max(0.5 * (b / size + 1) * n - 0.5, 0.0), n - 1.0)
                left, top = min(int(across), n - 2), min(int(down), n - 2)
                u, v = np.float32(across - left), np.float32(down - top)
                for c in range(3):
                    upper = faces[face, top, left, c] * (1 - u) + faces[face, top, left + 1, c] * u
                    lower = (
                        faces[face, top + 1, left, c] * (1 - u)
                        + faces[face, top + 1, left + 1, c] * u
                    )
                    rgb[row, column, c] += free * (upper * (1 - v) + lower * v)
            for c in range(3):
                rgb[row, column, c] *= exposure
