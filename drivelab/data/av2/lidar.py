"""Lidar sweeps of an Argoverse 2 log, read when asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import feather

from drivelab.errors import ConfigError, DataError
from drivelab.types import CameraFrame

_COLUMNS = ("x", "y", "z", "intensity", "laser_number")


@dataclass(frozen=True, slots=True, eq=False)
class Av2Lidar:
    """Sweeps named by their stamp in `sensors/lidar`; frames are those of the scene."""

    folder: Path
    stamps: np.ndarray  # (t,) int64 [ns]

    def cut(self, start: int, stop: int) -> Av2Lidar | None:
        """Sweeps of frames [start, stop); None when not one of them is on disk."""
        part = replace(self, stamps=self.stamps[start:stop])
        return part if part.has_lidar else None

    @property
    def cameras(self) -> tuple[str, ...]:
        """No camera is read from these logs."""
        return ()

    @property
    def has_lidar(self) -> bool:
        """Whether at least one frame has a sweep."""
        return any(self._file(frame).is_file() for frame in range(len(self.stamps)))

    def camera(self, name: str, frame: int) -> CameraFrame:
        """Refuse: the reader offers no camera."""
        raise ConfigError(
            f"camera {name!r} was asked for, but the Argoverse 2 reader offers lidar only"
        )

    def lidar(self, frame: int) -> np.ndarray:
        """One sweep: (n, 6) float32 x, y, z [m], intensity, laser number, 0; ego frame."""
        file = self._file(frame)
        if not file.is_file():
            raise DataError(f"no lidar sweep for frame {frame}", file=file)
        try:
            table = feather.read_table(file, columns=list(_COLUMNS), memory_map=True)
        except (OSError, pa.ArrowException) as error:
            raise DataError(f"cannot be read as a lidar sweep ({error})", file=file) from error
        out = np.zeros((table.num_rows, 6), np.float32)
        for i, name in enumerate(_COLUMNS):
            out[:, i] = table[name].to_numpy()
        return out

    def _file(self, frame: int) -> Path:
        return self.folder / f"{int(self.stamps[frame])}.feather"
