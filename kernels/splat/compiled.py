"""The renderer for CPUs: compiled, float32 pixels, as many threads as the process may use."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from itertools import pairwise
from typing import Any, NamedTuple
from weakref import WeakSet

import numpy as np

from drivelab.kernels.memory import amount, available_memory
from drivelab.kernels.splat.cells import ROW
from drivelab.kernels.splat.composite import tiles
from drivelab.kernels.splat.modes import Modes
from drivelab.kernels.splat.project import FISHEYE, ORTHO, PINHOLE, project
from drivelab.kernels.splat.scene import COEFFICIENTS, Cameras, Gaussians, check_gaussians
from drivelab.kernels.splat.settings import Settings, clamps
from drivelab.kernels.splat.soundness import sound
from drivelab.kernels.splat.tiles import TILE, count_pairs, fill, order, places

_MODELS = {"pinhole": PINHOLE, "fisheye": FISHEYE, "ortho": ORTHO}
_ROW_BYTES, _MEMBER_BYTES = 4 * ROW + 8 + 24, 4  # of a Gaussian that is seen, of a place in a list
_PIXEL_BYTES = 21
LEAST = 16384  # Gaussians that are worth a task of their own
_SMALL = 1 << 26  # what takes less is not worth asking for [bytes]
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
    gaussians: Gaussians, cameras: Cameras, settings: Settings, modes: Modes
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Colours (c, h, w, 3), sums of depths (c, h, w), covers (c, h, w), float32; labels uint8.

    One camera after the other, every stage of it on all threads, so that room is needed for what
    one camera sees.
    """
    pixels = len(cameras) * cameras.height * cameras.width
    _require(_ROW_BYTES * len(gaussians) + _PIXEL_BYTES * pixels, gaussians, cameras)
    scene = Scene.of(gaussians, modes.labels)
    degree = COEFFICIENTS[scene.sh.shape[1]]
    if settings.sh_degree is not None:
        degree = min(degree, settings.sh_degree)
    degree = degree if modes.colours else -1
    size = (len(cameras), cameras.height, cameras.width)
    rgb, depth, cover = (np.empty((*size, *last), np.float32) for last in ((3,), (), ()))
    shown = np.empty(size if modes.labels is not None else (len(cameras), 0, 0), np.uint8)
    back = np.array(
        (0.0, 0.0, 0.0) if settings.background is None else settings.background, np.float32
    )
    across, down = -(-cameras.width // TILE), -(-cameras.height // TILE)
    crew = Crew(thread_count())
    _check(crew, scene, gaussians)
    rows, spans = _DESK.room(len(gaussians))
    for n, lens in enumerate(_lenses(cameras, settings, degree)):
        parts = crew.spread(len(gaussians))
        seen = crew.each([partial(project, *scene, part, *lens, rows, spans) for part in parts])
        packed = np.array([[part[0], count] for part, count in zip(parts, seen, strict=True)])
        ranks = order(rows, packed)
        ordered, counts, begins = _counted(crew, spans, ranks, across, across * down)
        _require(_MEMBER_BYTES * int(begins[-1]), gaussians, cameras)
        members = _filled(crew, ordered, ranks, across, counts, int(begins[-1]))
        out = (rgb[n], depth[n], cover[n], shown[n])
        picture = (across, (cameras.width, cameras.height), np.float32(settings.alpha_max), back)
        step = crew.tasks
        crew.each(
            [partial(tiles, rows, begins, members, first, step, *picture, *out)
             for first in range(step)]
        )  # fmt: skip
    return rgb, depth, cover, shown


def _check(crew: Crew, scene: Scene, gaussians: Gaussians) -> None:
    """Look through a scene's numbers once."""
    if gaussians in _CHECKED:
        return
    parts = crew.spread(len(gaussians))
    if not all(crew.each([partial(sound, *scene[:5], *part) for part in parts])):
        check_gaussians(gaussians)
    _CHECKED.add(gaussians)


class Scene(NamedTuple):
    """A scene's fields as `project` takes them."""

    means: np.ndarray
    quats: np.ndarray
    scales: np.ndarray
    opacities: np.ndarray
    sh: np.ndarray
    labels: np.ndarray

    @staticmethod
    def of(gaussians: Gaussians, labels: Any) -> Scene:
        """The same numbers, contiguous float32."""
        fields = (
            _float(getattr(gaussians, name), np.float32)
            for name in ("means", "quats", "scales", "opacities", "sh")
        )
        return Scene(*fields, np.ascontiguousarray([] if labels is None else labels, np.uint8))


class _Desk(threading.local):
    """Room for packed Gaussians, kept from picture to picture: fresh memory costs time."""

    def __init__(self) -> None:
        self._rows = np.empty((0, ROW), np.float32)
        self._spans = np.empty(0, np.int64)

    def room(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows and spans for so many; what is far too large is given back."""
        if not count <= len(self._rows) <= 4 * count:
            self._rows, self._spans = np.empty((count, ROW), np.float32), np.empty(count, np.int64)
        return self._rows, self._spans


_DESK = _Desk()
_CHECKED: WeakSet[Gaussians] = WeakSet()  # scenes whose numbers have been looked through


class Crew:
    """The threads of a picture."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self.tasks = 1 if threads == 1 else 4 * threads  # more than threads: some end early
        self._pool = _pool(os.getpid(), threads) if threads > 1 else None

    def spread(self, count: int) -> list[tuple[int, int]]:
        """So many things shared out: first and last of every task."""
        ends = np.linspace(0, count, min(self.tasks, count // LEAST + 1) + 1).astype(int).tolist()
        return list(pairwise(ends))

    def each(self, jobs: Sequence[Callable[[], Any]]) -> list[Any]:
        """What the jobs return, in their order."""
        if self._pool is None or len(jobs) == 1:
            return [job() for job in jobs]
        return [done.result() for done in [self._pool.submit(job) for job in jobs]]


def _lenses(cameras: Cameras, settings: Settings, degree: int) -> list[tuple[Any, ...]]:
    """Of every camera: view, eye, lens, bounds, model, size, numbers, degree of `project`."""
    numbers = np.array(
        [settings.near, settings.far, settings.blur, float(settings.antialiased),
         settings.min_radius_px, settings.prune_opacity]
    )  # fmt: skip
    size = (cameras.width, cameras.height)
    found = []
    for view, k in zip(
        _float(cameras.views, np.float64), _float(cameras.intrinsics, np.float64), strict=True
    ):
        lens = np.array([k[0, 0], k[1, 1], k[0, 2], k[1, 2]])
        bounds = np.array(
            [*clamps(settings, cameras.width, lens[0], lens[2]),
             *clamps(settings, cameras.height, lens[1], lens[3])]
        )  # fmt: skip
        eye = np.linalg.inv(view)[:3, 3].copy()
        model = _MODELS[cameras.model]
        view = np.ascontiguousarray(view)
        found.append((view, eye, lens, bounds, model, size, numbers, degree))
    return found


def _counted(
    crew: Crew, spans: np.ndarray, ranks: np.ndarray, across: int, count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Spans by rank, where each part of the ranks writes first, where lists begin (count + 1)."""
    parts = crew.spread(len(ranks))
    ordered, counts = np.empty(len(ranks), np.int64), np.zeros((len(parts), count), np.int64)
    crew.each(
        [partial(count_pairs, spans, ranks, *part, across, ordered, own)
         for part, own in zip(parts, counts, strict=True)]
    )  # fmt: skip
    return ordered, counts, places(counts)


def _filled(
    crew: Crew, ordered: np.ndarray, ranks: np.ndarray, across: int, at: np.ndarray, total: int
) -> np.ndarray:
    """The lists of all tiles, one behind the other; `at` as `_counted` leaves it, used up."""
    members = np.empty(total, np.int32)
    crew.each(
        [partial(fill, ordered, ranks, *part, across, own, members)
         for part, own in zip(crew.spread(len(ranks)), at, strict=True)]
    )  # fmt: skip
    return members


def _require(needed: int, gaussians: Gaussians, cameras: Cameras) -> None:
    """Refuse before it is taken what would not fit.

    Raises:
        MemoryError: with what is needed, for what, and what there is.
    """
    if needed < _SMALL:
        return
    free = available_memory()
    if needed > free:
        raise MemoryError(
            f"render: {len(gaussians):,} Gaussians in {len(cameras)} pictures of {cameras.width} x "
            f"{cameras.height} px would take {amount(needed)}, {amount(free)} are available; draw "
            "fewer or smaller pictures at a time, crop the scene, or raise min_radius_px"
        )


def _float(values: Any, dtype: Any) -> np.ndarray:
    values = values.detach().cpu().numpy() if hasattr(values, "detach") else values
    return np.ascontiguousarray(values, dtype)


@cache
def _pool(process: int, threads: int) -> ThreadPoolExecutor:
    """One pool for a process; a forked child has none of its parent's threads."""
    return ThreadPoolExecutor(threads, thread_name_prefix="drivelab-splat")
