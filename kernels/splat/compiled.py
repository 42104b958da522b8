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
from drivelab.kernels.splat.cull import BLOCK, OUTLOOK, WORD, cull, outlook
from drivelab.kernels.splat.flatten import LENS
from drivelab.kernels.splat.modes import Modes
from drivelab.kernels.splat.project import FISHEYE, ORTHO, PINHOLE, project
from drivelab.kernels.splat.scene import COEFFICIENTS, Cameras, Gaussians, check_gaussians
from drivelab.kernels.splat.settings import LEAST_ALPHA, Settings, clamps
from drivelab.kernels.splat.soundness import sound
from drivelab.kernels.splat.tiles import TILE, fill, places

_MODELS = {"pinhole": PINHOLE, "fisheye": FISHEYE, "ortho": ORTHO}
_ROW_BYTES, _ENTRY_BYTES = 4 * ROW + 8 + 4, 8  # of a Gaussian that is seen, of an entry in a list
_PIXEL_BYTES = 21
_PARTS = 8  # of a scene for each thread: who is done early takes another one
LEAST = 4096  # Gaussians that are worth a part of their own
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

    Every stage goes over as many cameras at once as together see no more Gaussians than there are,
    so that threads seldom wait for each other and room is needed for one row of each Gaussian.
    """
    pixels = len(cameras) * cameras.height * cameras.width
    _require(_ROW_BYTES * len(gaussians) + _PIXEL_BYTES * pixels, gaussians, cameras)
    scene = Scene.of(gaussians, modes.labels)
    size = (len(cameras), cameras.height, cameras.width)
    rgb, depth, cover = (np.empty((*size, *last), np.float32) for last in ((3,), (), ()))
    shown = np.empty(size if modes.labels is not None else (len(cameras), 0, 0), np.uint8)
    crew = Crew(thread_count())
    _check(crew, scene, gaussians)
    lenses = lenses_of(cameras, settings)
    seen = _culled(crew, scene, lenses, cameras, settings)
    for first, last in _together(seen.counts.sum(1), len(gaussians)):
        part = slice(first, last)
        own = Seen(seen.ends, seen.masks[part], seen.counts[part])
        lists = _listed(crew, scene, own, lenses[part], cameras, settings, modes)
        _require(_ENTRY_BYTES * len(lists.entries), gaussians, cameras)
        _drawn(crew, lists, cameras, settings, (rgb[part], depth[part], cover[part], shown[part]))
    return rgb, depth, cover, shown


class Seen(NamedTuple):
    """What some cameras may see: ends of parts (p + 1,), bits (c, words), how many (c, p)."""

    ends: np.ndarray
    masks: np.ndarray
    counts: np.ndarray


class Lists(NamedTuple):
    """Packed Gaussians, and where in the entries (m,) the tiles' lists begin (c * tiles + 1,).

    Rows of a camera's part go from `firsts` to `stops` (c, p); their tiles are in `spans` (rows,).
    """

    rows: np.ndarray
    begins: np.ndarray
    entries: np.ndarray
    spans: np.ndarray
    firsts: np.ndarray
    stops: np.ndarray


def _culled(
    crew: Crew, scene: Scene, lenses: np.ndarray, cameras: Cameras, settings: Settings
) -> Seen:
    """What the cameras may see."""
    ends = crew.ends(len(scene.means))
    masks = np.empty((len(lenses), -(-len(scene.means) // WORD)), np.uint16)
    counts = np.zeros((len(lenses), len(ends) - 1), np.int64)
    least = max(LEAST_ALPHA, settings.prune_opacity)
    size, everywhere = (cameras.width, cameras.height), cameras.model != "pinhole"
    given = [outlook(lens, settings.near, settings.far, least, size, everywhere) for lens in lenses]
    outlooks = np.array(given, np.float32).reshape(len(lenses), OUTLOOK)
    fields = scene.means, scene.scales, scene.opacities
    crew.share(len(ends) - 1, lambda counter: cull(*fields, outlooks, ends, counter, masks, counts))
    return Seen(ends, masks, counts)


def _together(counts: np.ndarray, most: int) -> list[tuple[int, int]]:
    """Cameras that are drawn at once: first and last, of which more than one see `most` at most."""
    found, total = [[0, 0]] if len(counts) else [], 0
    for n, count in enumerate(counts.tolist()):
        if total + count > most and found[-1][1] > found[-1][0]:
            found.append([n, n])
            total = 0
        found[-1][1] = n + 1
        total += count
    return [(first, last) for first, last in found]


def _listed(
    crew: Crew, scene: Scene, seen: Seen, lenses: np.ndarray, cameras: Cameras,
    settings: Settings, modes: Modes, desk: _Desk | None = None,
) -> Lists:  # fmt: skip
    """Gaussians on the pictures, and the lists of their tiles in the order of rows."""
    how = *ways(scene, cameras, settings, modes), -(-cameras.width // TILE)
    desk = _DESK if desk is None else desk
    rows, spans, keys = desk.rows(len(scene.means))
    ends = np.cumsum(seen.counts).reshape(seen.counts.shape)
    begins, stops = ends - seen.counts, np.empty_like(ends)
    each = how[-1] * -(-cameras.height // TILE)
    counts = np.empty((len(seen.ends) - 1, len(lenses), each), np.int64)
    crew.share(
        len(counts),
        lambda counter: project(
            *scene, seen.masks, seen.ends, counter, lenses, *how, begins, rows, spans, keys, stops,
            counts,
        ),
    )  # fmt: skip
    lists = np.empty(len(lenses) * each + 1, np.int64)
    entries = desk.entries(places(counts.reshape(len(counts), -1), lists))
    crew.share(
        len(counts),
        lambda counter: fill(counter, begins, stops, spans, keys, how[-1], counts, entries),
    )
    return Lists(rows, lists, entries, spans, begins, stops)


def ways(
    scene: Scene, cameras: Cameras, settings: Settings, modes: Modes
) -> tuple[np.ndarray, int, bool, int]:
    """Limits (LIMITS,) of `pack`, the lens, whether antialiased, and the degree of colours."""
    degree = COEFFICIENTS[scene.sh.shape[1]]
    if settings.sh_degree is not None:
        degree = min(degree, settings.sh_degree)
    limits = np.array(
        [settings.near, settings.far, settings.min_radius_px, settings.prune_opacity,
         cameras.width, cameras.height], float,
    )  # fmt: skip
    soft = settings.antialiased
    return limits, _MODELS[cameras.model], soft, degree if modes.colours else -1


def _drawn(
    crew: Crew, lists: Lists, cameras: Cameras, settings: Settings, out: tuple[np.ndarray, ...]
) -> None:
    """Fill the pictures: the longest lists first, so that none is left to the end."""
    back = (0.0, 0.0, 0.0) if settings.background is None else settings.background
    turns = np.argsort(lists.begins[:-1] - lists.begins[1:], kind="stable")
    how = -(-cameras.width // TILE), np.float32(settings.alpha_max), np.array(back, np.float32)
    rows, begins, entries = lists[:3]
    crew.share(len(turns), lambda counter: tiles(counter, turns, rows, begins, entries, *how, *out))


def _check(crew: Crew, scene: Scene, gaussians: Gaussians) -> None:
    """Look through a scene's numbers once."""
    if gaussians in _CHECKED:
        return
    parts = list(pairwise(crew.ends(len(gaussians)).tolist()))
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
    """Room for packed Gaussians and lists, kept from call to call: fresh memory costs time."""

    def __init__(self) -> None:
        self._rows = _lines(0)
        self._spans, self._keys = np.empty(0, np.int64), np.empty(0, np.float32)
        self._entries = np.empty(0, np.int64)

    def rows(self, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rows, spans and depths for so many; what is far too large is given back."""
        if not count <= len(self._rows) <= 4 * count:
            self._rows, self._spans = _lines(count), np.empty(count, np.int64)
            self._keys = np.empty(count, np.float32)
        return self._rows, self._spans, self._keys

    def entries(self, count: int) -> np.ndarray:
        """So many entries of lists, as `rows`; a little more is taken than is asked for."""
        if not count <= len(self._entries) <= 4 * count:
            self._entries = np.empty(count + count // 8, np.int64)
        return self._entries[:count]


def _lines(count: int) -> np.ndarray:
    """Room for rows, each of them one line of a processor's cache and not parts of two."""
    room = np.empty((count + 1) * ROW, np.float32)
    skip = -room.ctypes.data % (4 * ROW) // 4
    return room[skip : skip + count * ROW].reshape(count, ROW)


_DESK = _Desk()
_CHECKED: WeakSet[Gaussians] = WeakSet()  # scenes whose numbers have been looked through


class Crew:
    """The threads of a picture."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._pool = _pool(os.getpid(), threads) if threads > 1 else None

    def ends(self, count: int) -> np.ndarray:
        """So many Gaussians in parts: where each begins and the last ends, in whole blocks."""
        parts = 1 if self.threads == 1 else min(_PARTS * self.threads, count // LEAST + 1)
        ends = np.linspace(0, count, parts + 1).astype(np.int64)
        ends[1:-1] -= ends[1:-1] % BLOCK
        return ends

    def each(self, jobs: Sequence[Callable[[], Any]]) -> list[Any]:
        """What the jobs return, in their order."""
        if self._pool is None or len(jobs) == 1:
            return [job() for job in jobs]
        return [done.result() for done in [self._pool.submit(job) for job in jobs]]

    def share(self, pieces: int, job: Callable[[np.ndarray], None]) -> None:
        """Have every thread, this one too, take pieces from a counter until all are taken."""
        counter = np.zeros(1, np.int64)
        helpers = min(self.threads, pieces) - 1
        others = [self._pool.submit(job, counter) for _ in range(helpers)] if self._pool else []
        job(counter)
        for other in others:
            if not other.cancel():  # it has begun
                other.result()


def lenses_of(cameras: Cameras, settings: Settings) -> np.ndarray:
    """The numbers of the cameras (c, LENS) as `flatten` takes them."""
    found = np.empty((len(cameras), LENS))
    views, lenses = _float(cameras.views, np.float64), _float(cameras.intrinsics, np.float64)
    for own, view, k in zip(found, views, lenses, strict=True):
        across = clamps(settings, cameras.width, k[0, 0], k[0, 2])
        down = clamps(settings, cameras.height, k[1, 1], k[1, 2])
        own[:12], own[12:15] = view[:3].ravel(), np.linalg.inv(view)[:3, 3]
        own[15:] = k[0, 0], k[1, 1], k[0, 2], k[1, 2], *across, *down, settings.blur
    return found


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
