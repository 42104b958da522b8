"""Read GeoPackage layers with sqlite3 and shapely: no GIS library, nothing written to disk."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from drivelab.errors import DataError

_ENVELOPE_BYTES = {0: 0, 1: 32, 2: 48, 3: 48, 4: 64}
_HEADER_BYTES = 8
_EMPTY_FLAG = 0x10


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """One feature table in row order; columns that the file lacks are lists of None."""

    name: str
    ids: tuple[int, ...]
    geometries: np.ndarray  # shapely geometries in the file's coordinates, None where missing
    columns: dict[str, list[Any]]

    def __len__(self) -> int:
        return len(self.ids)


def decode_geometry(blob: bytes) -> Any:
    """Decode a geometry blob (header, optional envelope, WKB) to a 2D shapely geometry."""
    if len(blob) < _HEADER_BYTES or blob[:2] != b"GP":
        raise ValueError("no GeoPackage geometry: the blob does not begin with 'GP'")
    flags = blob[3]
    kind = flags >> 1 & 0b111
    if kind not in _ENVELOPE_BYTES:
        raise ValueError(f"envelope kind {kind} is not defined")
    if flags & _EMPTY_FLAG:
        return None
    start = _HEADER_BYTES + _ENVELOPE_BYTES[kind]
    return shapely.force_2d(shapely.from_wkb(bytes(blob[start:])))


def read_layer(
    connection: sqlite3.Connection, name: str, columns: Sequence[str], *, file: Path
) -> Layer:
    """Read a feature table ordered by its key `fid`; an absent table is an empty layer."""
    present = _column_names(connection, name)
    wanted = [column for column in columns if column in present]
    if not present:
        return Layer(name, (), np.empty(0, object), {column: [] for column in columns})
    for key in ("fid", "geom"):
        if key not in present:
            raise DataError(f"layer {name} has no column {key}", file=file, where=name)
    names = ", ".join(f'"{column}"' for column in ("fid", "geom", *wanted))
    rows = connection.execute(f'SELECT {names} FROM "{name}" ORDER BY fid').fetchall()
    geometries = np.empty(len(rows), object)
    for index, row in enumerate(rows):
        try:
            geometries[index] = decode_geometry(row[1]) if row[1] is not None else None
        except (ValueError, TypeError, shapely.errors.ShapelyError) as error:
            raise DataError(
                f"damaged geometry: {error}", file=file, where=f"{name} fid {row[0]}"
            ) from error
    values = {column: [row[2 + i] for row in rows] for i, column in enumerate(wanted)}
    for column in columns:
        values.setdefault(column, [None] * len(rows))
    return Layer(name, tuple(int(row[0]) for row in rows), geometries, values)


def read_meta(connection: sqlite3.Connection) -> dict[str, str]:
    """Key-value rows of the attribute table `meta`."""
    if not _column_names(connection, "meta"):
        return {}
    rows = connection.execute("SELECT key, value FROM meta").fetchall()
    return {str(key): str(value) for key, value in rows}


def layer_names(connection: sqlite3.Connection) -> list[str]:
    """Tables listed as content of the file."""
    rows = connection.execute("SELECT table_name FROM gpkg_contents").fetchall()
    return [str(row[0]) for row in rows]


def _column_names(connection: sqlite3.Connection, table: str) -> set[str]:
    quoted = table.replace('"', '""')
    return {str(row[1]) for row in connection.execute(f'PRAGMA table_info("{quoted}")')}
