"""Pictures of a scene of Gaussians from a car's place, for eyes and for tests."""

from __future__ import annotations

import math

import numpy as np

from drivelab.kernels.splat import Cameras, Gaussians, render
from drivelab.sim.splats.assets.surfaces import DC
from drivelab.sim.splats.scene import Air, Sky, Splats
from drivelab.sim.splats.sky import sky_colours

HEIGHT = 1.6  # of the camera above the ground [m]


def camera(
    place: tuple[float, float, float], size: tuple[int, int] = (448, 256), fov: float = 90.0,
    height: float = HEIGHT, pitch: float = 0.0,
) -> Cameras:  # fmt: skip
    """One pinhole camera at x, y looking along yaw, in the scene frame; size is width, height."""
    x, y, yaw = place
    forward = np.array([math.cos(yaw) * math.cos(pitch), math.sin(yaw) * math.cos(pitch),
                        math.sin(pitch)])  # fmt: skip
    right = np.array([math.sin(yaw), -math.cos(yaw), 0.0])
    down = np.cross(forward, right)
    view = np.eye(4)
    view[:3, :3] = np.stack([right, down, forward])
    view[:3, 3] = -view[:3, :3] @ [x, y, height]
    focal = 0.5 * size[0] / math.tan(math.radians(0.5 * fov))
    lens = np.array([[focal, 0, 0.5 * size[0]], [0, focal, 0.5 * size[1]], [0, 0, 1]])
    return Cameras(view[None], lens[None], size[0], size[1])


def rays(cameras: Cameras) -> np.ndarray:
    """(h, w, 3) directions of the first camera's pixels in the scene frame, forward part 1."""
    lens, view = cameras.intrinsics[0], cameras.views[0]
    u, v = np.meshgrid(np.arange(cameras.width) + 0.5, np.arange(cameras.height) + 0.5)
    local = np.stack([(u - lens[0, 2]) / lens[0, 0], (v - lens[1, 2]) / lens[1, 1],
                      np.ones_like(u)], -1)  # fmt: skip
    return local @ view[:3, :3]


def picture(splats: Splats, cameras: Cameras, sky: Sky | None, air: Air) -> np.ndarray:
    """(h, w, 3) uint8 of the first camera: Gaussians, fog by depth, sky behind."""
    seen = render(splats.gaussians, cameras)
    rgb, alpha, depth = (np.asarray(part)[0] for part in (seen.rgb, seen.alpha, seen.depth))
    way = rays(cameras)
    far = depth * np.linalg.norm(way, axis=-1)
    left = np.exp(-air.fog * far)[..., None]
    rgb = rgb * left + np.array(air.fog_colour) * (1.0 - left) * alpha[..., None]
    if sky is not None:
        behind = sky_colours(sky, way.reshape(-1, 3)).reshape(rgb.shape)
        rgb = rgb + (1.0 - alpha[..., None]) * behind
    return (np.clip(air.exposure * rgb, 0, 1) * 255 + 0.5).astype(np.uint8)


def classes(splats: Splats, cameras: Cameras, groups: list[list[int]]) -> np.ndarray:
    """(h, w) which group of labels covers most of each pixel; -1 where more than half is open."""
    shares = []
    g = splats.gaussians
    for first in range(0, len(groups), 3):
        colours = np.zeros((len(splats), 3), np.float32)
        for channel, group in enumerate(groups[first : first + 3]):
            colours[:, channel] = np.isin(splats.labels, group)
        sh = ((colours - 0.5) / DC)[:, None].astype(np.float32)
        seen = render(Gaussians(g.means, g.quats, g.scales, g.opacities, sh), cameras)
        shares.append(np.asarray(seen.rgb)[0])
    stack = np.concatenate(shares, -1)[..., : len(groups)]
    return np.where(stack.sum(-1) < 0.5, -1, stack.argmax(-1))
