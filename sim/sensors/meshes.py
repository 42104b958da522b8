"""Rays against triangles by Open3D, for scenes that come with meshes (extra open3d)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec

import numpy as np
from jaxtyping import Float, Int, UInt8

from drivelab.kernels.raycast import MESH, Hits


@dataclass(frozen=True, slots=True, eq=False)
class Mesh:
    """Triangles of one material.

    Attributes:
        vertices: (n, 3) in the frame of the scene [m].
        triangles: (m, 3) numbers of vertices.
        label: number of `labels.LABELS`.
    """

    vertices: Float[np.ndarray, "n 3"]
    triangles: Int[np.ndarray, "m 3"]
    label: int


class MeshCaster:
    """Some meshes ready for rays.

    Raises:
        ImportError: Open3D is not installed; says how to install it.
    """

    def __init__(self, meshes: Sequence[Mesh]) -> None:
        if find_spec("open3d") is None:
            raise ImportError(
                "lidar against meshes needs the package 'open3d', which is not installed: "
                "pip install 'drivelab[open3d]'",
                name="open3d",
            )
        core = import_module("open3d").core
        self._tensor = core.Tensor
        self._scene = import_module("open3d").t.geometry.RaycastingScene()
        self.labels: UInt8[np.ndarray, " k"] = np.array([mesh.label for mesh in meshes], np.uint8)
        for mesh in meshes:
            self._scene.add_triangles(
                core.Tensor(np.ascontiguousarray(mesh.vertices, np.float32)),
                core.Tensor(np.ascontiguousarray(mesh.triangles, np.uint32)),
            )

    def nearer(
        self, hits: Hits, origin: Float[np.ndarray, "3"], directions: Float[np.ndarray, "n 3"]
    ) -> Hits:
        """The hits, with a triangle wherever one is nearer; indices are those of meshes."""
        rays = np.concatenate([np.broadcast_to(origin, directions.shape), directions], -1)
        found = self._scene.cast_rays(self._tensor(np.ascontiguousarray(rays, np.float32)))
        distances = found["t_hit"].numpy().astype(float)
        normals = found["primitive_normals"].numpy()
        closer = distances < hits.distances
        cosines = np.abs((normals * directions).sum(-1)).clip(0, 1)
        return Hits(
            np.where(closer, distances, hits.distances),
            np.where(closer, MESH, hits.kinds).astype(np.uint8),
            np.where(closer, found["geometry_ids"].numpy(), hits.indices).astype(np.int32),
            np.where(closer, cosines, hits.cosines).astype(np.float32),
        )
