"""The compiled renderer's pictures with what their gradients need, and those gradients.

Pictures are drawn as `drivelab.kernels.splat.compiled` draws them, bit for bit, and the packed
Gaussians and sorted lists are kept. The gradient lays the Gaussians over the pixels once more,
front to back, writes one row of sums for each Gaussian and tile, and adds these up Gaussian by
Gaussian: the same bits from any number of threads. Neither radii nor the choices to skip and to
stop are differentiated, and what is clamped has no gradient.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from drivelab.kernels.splat.compiled import (
    _ENTRY_BYTES,
    _PIXEL_BYTES,
    _ROW_BYTES,
    Crew,
    Lists,
    Scene,
    Seen,
    _check,
    _culled,
    _Desk,
    _drawn,
    _float,
    _listed,
    _require,
    _together,
    lenses_of,
    thread_count,
    ways,
)
from drivelab.kernels.splat.cull import BLOCK
from drivelab.kernels.splat.modes import Modes
from drivelab.kernels.splat.moments import MOMENTS
from drivelab.kernels.splat.scene import Cameras, Gaussians
from drivelab.kernels.splat.settings import Settings
from drivelab.kernels.splat.tiles import TILE
from drivelab.kernels.splat.uncomposite import house, untile
from drivelab.kernels.splat.unflatten import POSE
from drivelab.kernels.splat.unproject import unproject

_SUM_BYTES = 4 * MOMENTS + 1  # of an entry in a list


@dataclass(frozen=True, slots=True, eq=False)
class Drawing:
    """Pictures and what is kept for their gradients.

    Attributes:
        rgb: (c, h, w, 3) float32 as `Pictures`, and so the following.
        depth_sum: (c, h, w).
        alpha: (c, h, w).
        labels: (c, h, w) uint8, empty where none were asked for.
        scene: the Gaussians' numbers.
        groups: of cameras that were drawn together: their number, what they see, their lists.
        lenses: (c, LENS) see `flatten`.
        how: cameras, settings and modes.
    """

    rgb: np.ndarray
    depth_sum: np.ndarray
    alpha: np.ndarray
    labels: np.ndarray
    scene: Scene
    groups: tuple[tuple[slice, Seen, Lists], ...]
    lenses: np.ndarray
    how: tuple[Cameras, Settings, Modes]


@dataclass(frozen=True, slots=True, eq=False)
class Gradients:
    """Of a loss, float32 and shaped as what they belong to.

    Attributes:
        means: (n, 3).
        quats: (n, 4).
        scales: (n, 3).
        opacities: (n,).
        sh: (n, k, 3).
        pulls: (n,) of the places on the pictures, as `Trace` has them, and so the following.
        drawn: (n,) int32.
        views: (c, 4, 4) float64; all 16 numbers count, as if they were free.
    """

    means: np.ndarray
    quats: np.ndarray
    scales: np.ndarray
    opacities: np.ndarray
    sh: np.ndarray
    pulls: np.ndarray
    drawn: np.ndarray
    views: np.ndarray


def draw(gaussians: Gaussians, cameras: Cameras, settings: Settings, modes: Modes) -> Drawing:
    """The pictures of `compiled.render`, with what `differentiate` needs.

    Raises:
        ValueError: numbers that no picture can be made of.
        MemoryError: what pictures and gradients need is more than there is.
    """
    pixels = len(cameras) * cameras.height * cameras.width
    scene = Scene.of(gaussians, modes.labels)
    rest = 4 * sum(field.size for field in scene[:5])
    needed = _ROW_BYTES * len(gaussians) + rest + _PIXEL_BYTES * pixels
    _require(needed, gaussians, cameras)
    size = (len(cameras), cameras.height, cameras.width)
    rgb, depth, cover = (np.empty((*size, *last), np.float32) for last in ((3,), (), ()))
    shown = np.empty(size if modes.labels is not None else (len(cameras), 0, 0), np.uint8)
    crew = Crew(thread_count())
    _check(crew, scene, gaussians)
    lenses = lenses_of(cameras, settings)
    seen, groups = _culled(crew, scene, lenses, cameras, settings), []
    for first, last in _together(seen.counts.sum(1), len(gaussians)):
        part = slice(first, last)
        own = Seen(seen.ends, seen.masks[part], seen.counts[part])
        lists = _listed(crew, scene, own, lenses[part], cameras, settings, modes, _Desk())
        _require((_ENTRY_BYTES + _SUM_BYTES) * len(lists.entries), gaussians, cameras)
        _drawn(crew, lists, cameras, settings, (rgb[part], depth[part], cover[part], shown[part]))
        house(lists.firsts, lists.stops, lists.spans)
        groups.append((part, own, lists))
    how = cameras, settings, modes
    return Drawing(rgb, depth, cover, shown, scene, tuple(groups), lenses, how)


def differentiate(
    drawing: Drawing, to_rgb: np.ndarray, to_depth: np.ndarray, to_alpha: np.ndarray
) -> Gradients:
    """Gradients of a loss from those of the pictures, shaped as the pictures, float32."""
    crew, scene = Crew(thread_count()), drawing.scene
    # A part of the scene sets its own numbers, so that no page is touched twice.
    count = len(scene.means)
    own = *map(np.empty_like, scene[:5]), np.empty(count, np.float32), np.empty(count, np.int32)
    views = np.zeros((len(drawing.lenses), 4, 4))
    if not drawing.groups:
        for field in own:
            field[:] = 0
    given = tuple(_float(part, np.float32) for part in (to_rgb, to_depth, to_alpha))
    for number, (part, seen, lists) in enumerate(drawing.groups):
        pictures = tuple(
            field[part] for field in (drawing.rgb, drawing.depth_sum, drawing.alpha, *given)
        )
        sums, marks = _untiled(crew, drawing, lists, pictures)
        poses = _unprojected(crew, drawing, part, seen, lists, (sums, marks), own, number == 0)
        cameras = drawing.how[0]
        views[part] = _of_views(poses, _float(cameras.views, np.float64)[part])
    return Gradients(*own, views)


def _untiled(
    crew: Crew, drawing: Drawing, lists: Lists, pictures: tuple[np.ndarray, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Sums for each Gaussian and tile, and which of them there are."""
    cameras, settings, _ = drawing.how
    sums = np.empty((len(lists.entries), MOMENTS), np.float32)
    marks = np.zeros(len(lists.entries), np.uint8)
    turns = np.argsort(lists.begins[:-1] - lists.begins[1:], kind="stable")
    across, most = -(-cameras.width // TILE), np.float32(settings.alpha_max)
    rows, begins, entries, homes = lists[:4]
    crew.share(
        len(turns),
        lambda counter: untile(
            counter, turns, rows, homes, begins, entries, across, most, *pictures, sums, marks
        ),
    )
    return sums, marks


def _unprojected(
    crew: Crew, drawing: Drawing, part: slice, seen: Seen, lists: Lists,
    found: tuple[np.ndarray, np.ndarray], own: tuple[np.ndarray, ...], fresh: bool,
) -> np.ndarray:  # fmt: skip
    """Fill the Gaussians' gradients; returns sums for the poses (c, POSE)."""
    scene, lenses = drawing.scene, drawing.lenses[part]
    blocks = -(-len(scene.means) // BLOCK)
    poses = np.empty((len(lenses), blocks, POSE))
    how = ways(scene, *drawing.how)
    crew.share(
        len(seen.ends) - 1,
        lambda counter: unproject(
            *scene[:5], seen.masks, seen.ends, counter, lenses, *how, lists.firsts, lists.rows,
            lists.spans, *found, fresh, own, poses,
        ),
    )  # fmt: skip
    total: np.ndarray = poses.sum(1)
    return total


def _of_views(poses: np.ndarray, views: np.ndarray) -> np.ndarray:
    """Sums of the poses (c, POSE) -> gradients of the views (c, 4, 4).

    The eye is the last column of V^-1, of which d(V^-1) = -V^-1 dV V^-1.
    """
    found = np.zeros(views.shape)
    found[:, :3, :3], found[:, :3, 3] = poses[:, :9].reshape(-1, 3, 3), poses[:, 9:12]
    inverse = np.linalg.inv(views)
    to_eye = np.einsum("cji,cj->ci", inverse[:, :3], poses[:, 12:])
    found -= to_eye[:, :, None] * inverse[:, None, :, 3]
    return found
