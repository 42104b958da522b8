"""One city's GeoPackage as layers in metres: which file, which columns, which projection."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from math import isinf
from pathlib import Path

import msgspec
import numpy as np
import shapely

from drivelab.data.geopackage import Layer, read_layer, read_meta
from drivelab.data.sqlite import open_readonly
from drivelab.errors import DataError, nearest_name
from drivelab.geometry.utm import utm_from_lonlat

MAP_INDEX = "nuplan-maps-v1.0.json"  # the name inside nuplan-maps-v1.1.zip as well
LAYERS: dict[str, tuple[str, ...]] = {
    "lanes_polygons": (
        "lane_group_fid",
        "lane_index",
        "lane_type_fid",
        "left_boundary_fid",
        "right_boundary_fid",
        "speed_limit_mps",
    ),
    "lane_connectors": (
        "exit_lane_fid",
        "entry_lane_fid",
        "lane_group_connector_fid",
        "turn_type_fid",
        "traffic_light_stop_line_fids",
        "speed_limit_mps",
    ),
    "gen_lane_connectors_scaled_width_polygons": (
        "lane_connector_fid",
        "left_boundary_fid",
        "right_boundary_fid",
    ),
    "lane_groups_polygons": (),
    "lane_group_connectors": ("from_lane_group_fid", "to_lane_group_fid", "intersection_fid"),
    "baseline_paths": ("lane_fid", "lane_connector_fid"),
    "boundaries": (),
    "intersections": ("intersection_type_fid",),
    "stop_polygons": ("stop_polygon_type_fid",),
    "crosswalks": (),
    "carpark_areas": (),
    "road_segments": (),
    "walkways": (),
    "generic_drivable_areas": (),
}
_REQUIRED = ("lanes_polygons", "lane_connectors", "lane_groups_polygons", "baseline_paths")
_UTM_EPSG = re.compile(r"epsg:32([67])(\d\d)", re.IGNORECASE)  # 326zz north, 327zz south


@dataclass(frozen=True, slots=True, eq=False)
class CityLayers:
    """All vector layers of one city, projected to metres."""

    location: str
    version: str
    file: Path
    layers: dict[str, Layer]

    def __getitem__(self, name: str) -> Layer:
        return self.layers[name]


def find_city(maps_root: Path, location: str) -> tuple[Path, str]:
    """Path of a city's map.gpkg and its version, as the index of the maps folder names them."""
    entry = city_entries(maps_root).get(location)
    if entry is None:
        known = sorted(city_entries(maps_root))
        raise DataError(
            f"no map called {location!r}; there are {', '.join(known)}"
            + nearest_name(location, known),
            file=maps_root / MAP_INDEX,
        )
    version = str(entry.get("version", ""))
    if not re.fullmatch(r"[\w.-]+", version) or version.strip(".") == "":
        raise DataError(
            f"version {version!r} is not a folder name", file=maps_root / MAP_INDEX, where=location
        )
    return maps_root / location / version / "map.gpkg", version


def city_entries(maps_root: Path) -> dict[str, dict]:
    """The index of the maps folder: location -> {version, layers}."""
    index = maps_root / MAP_INDEX
    try:
        return msgspec.json.decode(index.read_bytes(), type=dict[str, dict])
    except FileNotFoundError:
        raise DataError(
            "no nuPlan maps here; unpack nuplan-maps-v1.1.zip and set NUPLAN_MAPS_ROOT to the "
            f"folder that holds {MAP_INDEX}",
            file=index,
        ) from None
    except (OSError, msgspec.MsgspecError) as error:
        raise DataError(f"cannot be read: {error}", file=index) from error


def read_city(maps_root: Path, location: str) -> CityLayers:
    """Read and project every layer that the lane map needs; opens only this city's file."""
    file, version = find_city(maps_root, location)
    with open_readonly(file) as connection:
        zone, south = _utm_zone(read_meta(connection), file)
        layers = {
            name: read_layer(connection, name, columns, file=file)
            for name, columns in LAYERS.items()
        }
    for name in _REQUIRED:
        if not len(layers[name]):
            raise DataError(
                f"layer {name} is missing or empty; the file is not a complete nuPlan map",
                file=file,
            )
    for layer in layers.values():
        _check_cells(layer, file)
    projected = {
        name: replace(layer, geometries=_project(layer.geometries, zone, south))
        for name, layer in layers.items()
    }
    return CityLayers(location, version, file, projected)


def _check_cells(layer: Layer, file: Path) -> None:
    """Every column read here holds numbers, or texts of whole numbers joined by commas."""
    for column, cells in layer.columns.items():
        for fid, cell in zip(layer.ids, cells, strict=True):
            if not _is_number(cell):
                raise DataError(
                    f"holds {cell!r:.60}, expected a number",
                    file=file,
                    where=f"{layer.name} fid {fid}, column {column}",
                )


def _is_number(cell: object) -> bool:
    if isinstance(cell, str):
        return all(part.strip().removeprefix("-").isdecimal() for part in cell.split(",") if part)
    return cell is None or isinstance(cell, int) or (isinstance(cell, float) and not isinf(cell))


def _utm_zone(meta: dict[str, str], file: Path) -> tuple[int, bool]:
    code = meta.get("projectedCoordSystem", "")
    match = _UTM_EPSG.fullmatch(code.strip())
    if not match:
        raise DataError(
            f"projectedCoordSystem is {code!r}, expected a UTM code such as epsg:32648",
            file=file,
            where="table meta",
        )
    return int(match[2]), match[1] == "7"


def _project(geometries: np.ndarray, zone: int, south: bool) -> np.ndarray:
    return shapely.transform(geometries, lambda lonlat: utm_from_lonlat(lonlat, zone, south=south))
