"""nuPlan map parts: projection, geometry blobs, curvature, and damaged maps."""

from __future__ import annotations

import json
import math
import os
import shutil
import sqlite3
import struct
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from drivelab.data.geopackage import decode_geometry
from drivelab.data.nuplan.baseline import curvature_at, nearest_pose
from drivelab.data.nuplan.layers import MAP_INDEX
from drivelab.data.nuplan.map import load_nuplan_map
from drivelab.errors import DataError
from drivelab.geometry.utm import utm_from_lonlat

ROOT = Path(os.environ.get("DRIVELAB_GOLDEN", Path(__file__).parent / "golden")) / "nuplan_format"
CITY = json.loads((ROOT / "expected" / "map_expected.json").read_text())["location"]


def test_the_central_meridian_is_500_km_and_the_equator_is_zero() -> None:
    np.testing.assert_allclose(utm_from_lonlat(np.array([[105.0, 0.0]]), 48), [[5e5, 0]], atol=1e-9)
    # Meridian arc of WGS84 from the equator to 45 degrees: 4984944.378 m, scaled by 0.9996.
    middle = utm_from_lonlat(np.array([[105.0, 45.0]]), 48)[0]
    assert middle[1] == pytest.approx(0.9996 * 4984944.378, abs=1e-3)


@given(lat=st.floats(-80, 80), east=st.floats(0, 3))
def test_the_projection_is_symmetric_and_conformal(lat: float, east: float) -> None:
    places = np.array([[105 + east, lat], [105 - east, lat], [105 + east, -lat]])
    right, left, south = utm_from_lonlat(places, 48)
    assert right[0] - 5e5 == pytest.approx(5e5 - left[0], abs=1e-6)
    assert right[1] == pytest.approx(left[1], abs=1e-6)
    assert south[1] == pytest.approx(-right[1], abs=1e-6)
    assert utm_from_lonlat(places[2:], 48, south=True)[0, 1] == pytest.approx(1e7 + south[1])
    step = 1e-5
    a, b, c = utm_from_lonlat(places[0] + np.array([[0, 0], [step, 0], [0, step]]), 48)
    assert abs((b - a) @ (c - a)) < 1e-4 * np.linalg.norm(b - a) * np.linalg.norm(c - a)


@pytest.mark.parametrize("envelope", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("order", [0, 1])
def test_a_blob_is_decoded_with_every_envelope_and_byte_order(envelope: int, order: int) -> None:
    shape = shapely.Polygon([(0, 0), (4, 0), (4, 4), (0, 4)], [[(1, 1), (2, 1), (2, 2)]])
    size = {0: 0, 1: 32, 2: 48, 3: 48, 4: 64}[envelope]
    head = b"GP\x00" + bytes([envelope << 1 | order]) + struct.pack("<i", 4326) + b"\xff" * size
    found = decode_geometry(head + shapely.to_wkb(shape, byte_order=order))
    assert shapely.equals_exact(found, shape)


@pytest.mark.parametrize("flavor", ["iso", "extended"])
def test_heights_are_dropped(flavor: str) -> None:
    line = shapely.MultiLineString([[(0, 0, 7), (1, 2, 8)], [(3, 4, 9), (5, 6, 9)]])
    wkb = shapely.to_wkb(line, output_dimension=3, flavor=flavor)
    found = decode_geometry(b"GP\x00\x01\x00\x00\x00\x00" + wkb)
    assert not found.has_z
    assert shapely.get_coordinates(found).tolist() == [[0, 0], [1, 2], [3, 4], [5, 6]]


def test_an_empty_blob_is_nothing_and_a_wrong_one_an_error() -> None:
    assert decode_geometry(b"GP\x00\x11\x00\x00\x00\x00") is None
    for blob in (b"", b"XX\x00\x01\x00\x00\x00\x00", b"GP\x00\x0b\x00\x00\x00\x00"):
        with pytest.raises(ValueError, match=r"no GeoPackage geometry|envelope kind"):
            decode_geometry(blob)
    with pytest.raises(shapely.errors.ShapelyError):
        decode_geometry(b"GP\x00\x01\x00\x00\x00\x00" + b"\x01\x02\x00")


def test_curvature_of_a_circle_is_one_over_its_radius() -> None:
    turn = np.linspace(0, math.pi / 2, 2000)
    left = np.column_stack([20 * np.sin(turn), 20 - 20 * np.cos(turn)])
    for s in (0.0, 10.0, 31.4):
        assert curvature_at(left, s) == pytest.approx(1 / 20, rel=1e-4)
        assert curvature_at(left * [1, -1], s) == pytest.approx(-1 / 20, rel=1e-4)
    assert curvature_at(np.array([[0.0, 0], [50, 0]]), 20.0) == 0.0


def test_the_nearest_pose_looks_ahead_and_at_the_end_back() -> None:
    path = np.array([[0.0, 0], [10, 0], [10, 10]])
    s, pose = nearest_pose(path, np.array([4.0, 3.0]))
    assert (s, *pose) == pytest.approx((4.0, 4.0, 0.0, 0.0))
    s, pose = nearest_pose(path, np.array([9.75, -1.0]))  # half of the look-ahead is round the bend
    assert pose[2] == pytest.approx(math.pi / 4)
    s, pose = nearest_pose(path, np.array([10.0, 30.0]))
    assert (s, *pose) == pytest.approx((20.0, 10.0, 10.0, math.pi / 2))


def test_a_map_is_read_once_and_again_when_its_file_changed(tmp_path: Path) -> None:
    maps = tmp_path / "maps"
    shutil.copytree(ROOT / "data" / "maps", maps)
    first = load_nuplan_map(maps, CITY)
    assert load_nuplan_map(maps, CITY) is first
    file = next((maps / CITY).glob("*/map.gpkg"))
    os.utime(file, ns=(1, 1))
    assert load_nuplan_map(maps, CITY) is not first


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("DELETE FROM baseline_paths", "layer baseline_paths is missing or empty"),
        (
            "DELETE FROM baseline_paths WHERE lane_connector_fid IS NULL",
            r"baseline_paths: no baseline path for lanes_polygons fid \d+",
        ),
        (
            "UPDATE baseline_paths SET lane_fid = (SELECT MIN(fid) FROM lanes_polygons) "
            "WHERE lane_fid IS NOT NULL",
            r"baseline_paths fid \d+: second path with lane_fid",
        ),
        (
            "DELETE FROM gen_lane_connectors_scaled_width_polygons",
            r"no polygon for this connector",
        ),
        ("UPDATE lanes_polygons SET geom = x'00'", r"lanes_polygons fid \d+: damaged geometry"),
        ("UPDATE lanes_polygons SET geom = NULL", r"lanes_polygons fid \d+: holds nothing"),
        ("UPDATE meta SET value = 'epsg:4326'", r"table meta: projectedCoordSystem is 'epsg:4326'"),
    ],
)
def test_a_damaged_map_is_told_with_layer_and_fid(tmp_path: Path, sql: str, message: str) -> None:
    maps = tmp_path / "maps"
    shutil.copytree(ROOT / "data" / "maps", maps)
    with closing(sqlite3.connect(next((maps / CITY).glob("*/map.gpkg")))) as connection:
        connection.execute(sql)
        connection.commit()
    with pytest.raises(DataError, match=rf"map\.gpkg.*{message}"):
        load_nuplan_map(maps, CITY)


def test_missing_columns_and_layers_are_tolerated_where_nothing_depends_on_them(
    tmp_path: Path,
) -> None:
    maps = tmp_path / "maps"
    shutil.copytree(ROOT / "data" / "maps", maps)
    with closing(sqlite3.connect(next((maps / CITY).glob("*/map.gpkg")))) as connection:
        connection.execute("ALTER TABLE lane_connectors DROP COLUMN turn_type_fid")
        connection.execute("UPDATE lane_connectors SET traffic_light_stop_line_fids = NULL")
        connection.execute("DROP TABLE walkways")
        connection.commit()
    found = load_nuplan_map(maps, CITY)
    connectors = [lane for lane in found.lanes.values() if lane.connector]
    assert {lane.turn for lane in connectors} == {"unknown"}
    assert not any(lane.has_traffic_lights or lane.stop_lines for lane in connectors)
    assert "walkway" not in {str(area.kind) for area in found.areas}


def test_a_version_that_leaves_the_root_is_refused(tmp_path: Path) -> None:
    (tmp_path / MAP_INDEX).write_text(json.dumps({CITY: {"version": "../../x"}}))
    with pytest.raises(DataError, match="is not a folder name"):
        load_nuplan_map(tmp_path, CITY)
    (tmp_path / MAP_INDEX).write_text("{")
    with pytest.raises(DataError, match="cannot be read"):
        load_nuplan_map(tmp_path, CITY)
