"""The JSON log format: one gzip file per nuScenes scene, read with a check of every field used."""

from __future__ import annotations

import gzip
import json
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from drivelab.errors import DataError

SUFFIX = ".json.gz"
_KEYS: Mapping[str, type | tuple[type, ...]] = {
    "scenario_id": str,
    "map": str,
    "num_steps": int,
    "dt": (int, float),
    "sdc_id": str,
    "tracks": dict,
    "map_features": dict,
}


@dataclass(frozen=True, slots=True, eq=False)
class JsonLog:
    """The decoded file with its path for messages."""

    file: Path
    data: Mapping[str, Any]

    @property
    def steps(self) -> int:
        """Number of frames."""
        return int(self.data["num_steps"])

    @property
    def dt(self) -> float:
        """Spacing of the frames [s]."""
        return float(self.data["dt"])

    def track_array(self, key: str, name: str, width: int) -> np.ndarray:
        """One per-step field of a track as (steps, width) floats."""
        record = self.data["tracks"][key]
        where = f"tracks[{key}].{name}"
        try:
            values = np.array(record[name], float).reshape(len(record[name]), -1)
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"expected numbers for {self.steps} steps ({error!r})", file=self.file, where=where
            ) from error
        if values.shape[0] != self.steps or values.shape[1] < width:
            raise DataError(
                f"has shape {values.shape}, expected {self.steps} steps of {width} numbers",
                file=self.file,
                where=where,
            )
        return values[:, :width]

    def feature_points(self, key: str, name: str) -> np.ndarray:
        """A point list of a map feature as (n, 2) floats."""
        where = f"map_features[{key}].{name}"
        try:
            points = np.array([point[:2] for point in self.data["map_features"][key][name]], float)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise DataError(
                f"expected a list of [x, y] ({error!r})", file=self.file, where=where
            ) from error
        if points.ndim != 2 or len(points) < 2 or not np.isfinite(points).all():
            raise DataError("expected at least 2 finite points", file=self.file, where=where)
        return points


def read_json_log(file: Path) -> JsonLog:
    """Decode a file and check its top level."""
    try:
        with gzip.open(file, "rt", encoding="utf-8") as stream:
            data = json.load(stream)
    except FileNotFoundError as error:
        raise DataError("missing", file=file) from error
    except (OSError, EOFError, ValueError, zlib.error, RecursionError) as error:
        raise DataError(
            f"cannot be read as gzip JSON, it may be cut short ({error})", file=file
        ) from error
    for key, kind in _KEYS.items():
        if not isinstance(data, dict) or not isinstance(data.get(key), kind):
            found = type(data.get(key)).__name__ if isinstance(data, dict) else type(data).__name__
            raise DataError(f"found {found}, expected {kind}", file=file, where=f"key {key!r}")
    if data["sdc_id"] not in data["tracks"]:
        raise DataError(
            "no track of that name; the ego is missing",
            file=file,
            where=f"sdc_id {data['sdc_id']!r}",
        )
    if data["num_steps"] < 2 or not 0 < data["dt"] < math.inf:
        raise DataError(
            "expected at least 2 steps and a finite dt > 0", file=file, where="num_steps, dt"
        )
    return JsonLog(file, data)
