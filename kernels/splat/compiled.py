"""The renderer for CPUs: compiled, float32 pixels, as many threads as the process may use."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np

from drivelab.kernels.splat.composite import tiles
from drivelab.kernels.splat.project import FISHEYE, ORTHO, PINHOLE, ROW, project
from drivelab.kernels.splat.scene import COEFFICIENTS, Cameras, Gaussians
from drivelab.kernels.splat.settings import Settings, clamps
from drivelab.kernels.splat.tiles import TILE, lists, order

_MODELS = {"pinhole": PINHOLE, "fisheye": FISHEYE, "ortho": ORTHO}
_LIMITS = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS")


def thread_count() -> int:
    """Threads for a picture: the first limit the environment sets, else the processors we may use.

    Numba itself is not asked: its answer starts its thread pool, and from then on it raises
    wherever a later part of the process sets its limit.
    """
    for name in _LIMITS:
        if (limit := os.environ.get(name, "")).isdecimal():
            return max(1, int(limit))
    allowed = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed else os.cpu_count() or 1


def render(
    gaussians: Gaussians, cameras: Cameras, settings: Settings
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Colours (c, h, w, 3), sums of depths (c, h, w) and covers (c, h, w), float32."""
    fields = _fields(gaussians)
    count, size = len(cameras), (cameras.width, cameras.height)
    rgb = np.empty((count, cameras.height, cameras.width, 3), np.float32)
    depth, cover = np.empty(rgb.shape[:3], np.float32), np.empty(rgb.shape[:3], np.float32)
    across, down = -(-cameras.width // TILE), -(-cameras.height // TILE)
    back = np.array(settings.background or (0.0, 0.0, 0.0), np.float32)
    most, threads = np.float32(settings.alpha_max), thread_count()

    def prepare(camera: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rows, boxes = _seen(fields, cameras, camera, settings)
        return rows, *lists(boxes, order(rows, len(rows)), across, down)

    pool = _pool(os.getpid(), threads)
    ready = list(pool.map(prepare, range(count)))
    waiting = [
        pool.submit(
            tiles, *ready[n], first, threads, across, size, most, back, rgb[n], depth[n], cover[n]
        )
        for n in range(count)
        for first in range(threads)
    ]
    for done in waiting:
        done.result()
    return rgb, depth, cover


def _seen(
    fields: tuple[np.ndarray, ...], cameras: Cameras, camera: int, settings: Settings
) -> tuple[np.ndarray, np.ndarray]:
    """Rows and boxes of the Gaussians that one camera sees."""
    view = np.ascontiguousarray(_float(cameras.views, np.float64)[camera])
    intrinsic = _float(cameras.intrinsics, np.float64)[camera]
    lens = np.array([intrinsic[0, 0], intrinsic[1, 1], intrinsic[0, 2], intrinsic[1, 2]])
    bounds = np.array(
        [*clamps(settings, cameras.width, lens[0], lens[2]),
         *clamps(settings, cameras.height, lens[1], lens[3])]
    )  # fmt: skip
    numbers = np.array(
        [settings.near, settings.far, settings.blur, float(settings.antialiased),
         settings.min_radius_px, settings.prune_opacity]
    )  # fmt: skip
    degree = COEFFICIENTS[fields[4].shape[1]]
    degree = degree if settings.sh_degree is None else min(degree, settings.sh_degree)
    rows = np.empty((len(fields[0]), ROW), np.float32)
    boxes = np.empty((len(rows), 4), np.int32)
    count = project(
        *fields, view, np.linalg.inv(view)[:3, 3].copy(), lens, bounds, _MODELS[cameras.model],
        (cameras.width, cameras.height), numbers, degree, rows, boxes,
    )  # fmt: skip
    return rows[:count], boxes[:count]


def _fields(gaussians: Gaussians) -> tuple[np.ndarray, ...]:
    return tuple(
        _float(field, np.float32)
        for field in (
            gaussians.means, gaussians.quats, gaussians.scales, gaussians.opacities, gaussians.sh
        )
    )  # fmt: skip


def _float(values: Any, dtype: Any) -> np.ndarray:
    values = values.detach().cpu().numpy() if hasattr(values, "detach") else values
    return np.ascontiguousarray(values, dtype)


@cache
def _pool(process: int, threads: int) -> ThreadPoolExecutor:
    """One pool for a process; a forked child has none of its parent's threads."""
    return ThreadPoolExecutor(threads, thread_name_prefix="drivelab-splat")
