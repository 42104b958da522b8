"""Raster layers of a nuPlan map, as the devkit caches them beside the GeoPackage."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from drivelab.data.npz import read_npz
from drivelab.data.nuplan.layers import MAP_INDEX, city_entries, find_city
from drivelab.errors import DataError


@dataclass(frozen=True, slots=True, eq=False)
class Raster:
    """A layer of pixels; `pixel_from_map` takes metres to (column, row)."""

    data: np.ndarray  # (rows, columns) uint8
    pixel_from_map: Float[np.ndarray, "4 4"]

    @property
    def precision(self) -> float:
        """Edge of a pixel [m]."""
        return float(1.0 / self.pixel_from_map[0, 0])

    def at(self, points: Float[np.ndarray, "n 2"]) -> Bool[np.ndarray, " n"]:
        """Whether each point lies in a marked pixel; points outside the raster do not."""
        scale, offset = self.pixel_from_map[:2, :2], self.pixel_from_map[:2, 3]
        column, row = (np.asarray(points) @ scale.T + offset).astype(int).T
        rows, columns = self.data.shape
        inside = (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
        found = np.zeros(len(points), bool)
        found[inside] = self.data[row[inside], column[inside]] > 0
        return found


def load_raster(maps_root: str | Path, location: str, layer: str = "drivable_area") -> Raster:
    """Read the cached raster `<version folder>/<layer>.npy.npz` of a city."""
    root = Path(maps_root)
    map_file, _ = find_city(root, location)
    described: dict[str, Any] = city_entries(root)[location].get("layers", {})
    if layer not in described:
        raise DataError(
            f"no raster layer {layer!r}; there are {sorted(described)}",
            file=root / MAP_INDEX,
            where=location,
        )
    file = map_file.parent / f"{layer}.npy.npz"
    arrays = read_npz(file, "a raster")
    if "data" not in arrays:
        raise DataError(f"cannot be read as a raster: it holds {sorted(arrays)}", file=file)
    data = arrays["data"]
    matrix = np.asarray(described[layer]["transform_matrix"], float)
    if matrix.shape != (4, 4) or list(data.shape) != list(described[layer]["shape"]):
        raise DataError(
            f"raster of shape {data.shape}, expected {described[layer]['shape']}", file=file
        )
    return Raster(data, matrix)
