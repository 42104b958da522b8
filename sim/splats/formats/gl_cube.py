"""Sky cubes as OpenGL lays out their faces -> ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from drivelab.errors import DataError
from drivelab.sim.splats.formats.parts import numbers
from drivelab.sim.splats.scene import Sky

# Face -> (axis of its column, sign), (axis of its row, sign) for the faces +x, -x, +y, -y, +z, -z.
_FACES = (((2, -1), (1, -1)), ((2, 1), (1, -1)), ((0, 1), (2, 1)),
          ((0, 1), (2, -1)), ((0, 1), (1, -1)), ((0, -1), (1, -1)))  # fmt: skip


def sky_of_gl_cube(
    held: Any, key: str, cube_from_scene: Float[np.ndarray, "3 3"], *, file: Path, where: str
) -> Sky:
    """A cube map of a checkpoint as a sky.

    Args:
        held: the table that it lies in.
        key: of the table.
        cube_from_scene: see `turned`.
        file: named in messages.
        where: what messages call the table.

    Raises:
        DataError: it is missing, its faces are not square, or not finite.
    """
    faces = numbers(held, key, (6, None, None, 3), file=file, where=where)
    if faces.shape[1] != faces.shape[2] or faces.shape[1] < 2 or not np.isfinite(faces).all():
        raise DataError(f"of shape {faces.shape}; expected six square faces of finite colours, 2 "
                        "or more across", file=file, where=f"{where}[{key!r}]")  # fmt: skip
    return Sky(turned(faces, cube_from_scene))


def turned(
    faces: Float[np.ndarray, "6 n n 3"], cube_from_scene: Float[np.ndarray, "3 3"]
) -> Float[np.ndarray, "6 n n 3"]:
    """Turn a cube map.

    Args:
        faces: +x, -x, +y, -y, +z, -z as OpenGL and nvdiffrast read them.
        cube_from_scene: rotation of directions by right angles about the axes.

    Returns:
        The same colours as `Sky` holds them, by the scene's directions, cut to 0..1. No texel
        is mixed: turns by right angles carry texels onto texels.
    """
    n = faces.shape[1]
    rays = _texel_rays(n) @ np.asarray(cube_from_scene, float).T
    flat = rays.reshape(-1, 3)
    axis = np.abs(flat).argmax(1)
    face = 2 * axis + (np.take_along_axis(flat, axis[:, None], 1)[:, 0] < 0)
    table = np.array(_FACES)[face]
    column, row = (
        np.take_along_axis(flat, table[:, k, :1], 1)[:, 0] * table[:, k, 1] for k in range(2)
    )
    at = [np.clip(np.rint((part + 1.0) * n / 2 - 0.5).astype(int), 0, n - 1)
          for part in (row, column)]  # fmt: skip
    colours = np.clip(np.asarray(faces, np.float32)[face, at[0], at[1]], 0.0, 1.0)
    return colours.reshape(6, n, n, 3)


def _texel_rays(n: int) -> np.ndarray:
    """(6, n, n, 3) directions of `Sky`'s texels, the largest component 1."""
    at = (2 * np.arange(n) + 1) / n - 1
    rows, columns = np.meshgrid(at, at, indexing="ij")
    rays = np.empty((6, n, n, 3))
    for face in range(6):
        axis = face // 2
        first, second = (k for k in range(3) if k != axis)
        rays[face, ..., axis] = 1.0 - 2.0 * (face % 2)
        rays[face, ..., first], rays[face, ..., second] = columns, rows
    return rays
