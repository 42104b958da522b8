"""The loop over rays: the nearest of boxes, ground and voxels."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from drivelab.kernels.raycast.boxes import nearest_box
from drivelab.kernels.raycast.ground import meet_grid, meet_plane
from drivelab.kernels.raycast.voxels import meet_voxels
from drivelab.kernels.raycast.world import BOX, GROUND, NONE, SPLAT


@njit(nogil=True, cache=True)
def cast_rays(  # type: ignore[no-untyped-def]
    origin, directions, max_range, boxes, ground, voxels, distances, kinds, indices, cosines
):
    """Fill the last four arrays, see `world.Hits`."""
    ox, oy, oz = origin[0], origin[1], origin[2]
    reals, cells = np.empty((5, 3)), np.empty((2, 3), np.int64)
    for n in range(len(directions)):
        dx, dy, dz = directions[n, 0], directions[n, 1], directions[n, 2]
        kind = NONE
        limit, index, cosine = nearest_box(boxes, dx, dy, dz, max_range)
        if index >= 0:
            kind = BOX
        if ground.kind == 1:
            distance, angle = meet_plane(ground.plane, ox, oy, oz, dx, dy, dz, limit)
            if distance < limit:
                limit, kind, index, cosine = distance, GROUND, 0, angle
        elif ground.kind == 2:
            distance, cell, angle = meet_grid(ground, ox, oy, oz, dx, dy, dz, limit)
            if cell >= 0:
                limit, kind, index, cosine = distance, GROUND, cell, angle
        if len(voxels.bricks):
            distance, splat, angle = meet_voxels(voxels, origin, directions[n], limit, reals, cells)
            if splat >= 0:
                limit, kind, index, cosine = distance, SPLAT, splat, angle
        distances[n] = limit if kind != NONE else math.inf
        kinds[n], indices[n], cosines[n] = kind, index, cosine
