"""Files with wrong bytes: every reader answers with its own error, whatever the bytes say."""

from __future__ import annotations

import gzip
import io
import json
import os
import random
import shutil
import sqlite3
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import av2_files
import numpy as np
import nuscenes_files
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import feather

from drivelab.data.av2.log import load_log
from drivelab.data.npz import read_npz
from drivelab.data.nuplan.map import load_nuplan_map
from drivelab.data.nuplan.source import NuplanSource
from drivelab.data.nuscenes.json_file import read_json_log
from drivelab.data.proposals import read_plans
from drivelab.errors import DataError

GOLDEN = Path(os.environ.get("DRIVELAB_GOLDEN", Path(__file__).parent / "golden"))
DATA = GOLDEN / "nuplan_format" / "data"
MAPS = DATA / "maps"
PLAN = np.zeros((8, 3))


def damaged(content: bytes, count: int = 40) -> Iterator[bytes]:
    """Copies of a file with a few wrong bytes each, and copies that end early."""
    chance = random.Random(1)
    for _ in range(count):
        copy = bytearray(content)
        for _ in range(6):
            copy[chance.randrange(len(copy))] = chance.randrange(256)
        yield bytes(copy)
        yield content[: chance.randrange(len(content))]


def refusals(file: Path, read: Callable[[], object]) -> int:
    """How many damaged copies are refused, each with its place; other exceptions go through."""
    told = []
    for content in damaged(file.read_bytes()):
        file.write_bytes(content)
        try:
            read()
        except DataError as error:
            told.append(str(error))
    assert [text for text in told if str(file.parent) not in text] == []
    return len(told)


def test_damaged_feather_is_told(tmp_path: Path) -> None:
    folder = av2_files.write_log(tmp_path / "log")
    assert refusals(folder / "annotations.feather", lambda: load_log(folder)) > 40


def test_damaged_text_in_feather_is_told(tmp_path: Path) -> None:
    folder = av2_files.write_log(tmp_path / "log")
    file = folder / "annotations.feather"
    table = feather.read_table(file, memory_map=False)
    feather.write_feather(table, file, compression="uncompressed")
    content = file.read_bytes()
    assert content.count(b"BUS") > 1
    file.write_bytes(content.replace(b"BUS", b"B\xff\xfe"))
    with pytest.raises(DataError, match=r"annotations\.feather"):
        load_log(folder)


def test_damaged_gzip_is_told(tmp_path: Path) -> None:
    file = tmp_path / "scene-0001.json.gz"
    file.write_bytes(gzip.compress(json.dumps(nuscenes_files.json_log()).encode()))
    assert refusals(file, lambda: read_json_log(file)) > 40


def test_json_without_end_or_bottom_is_told(tmp_path: Path) -> None:
    file = tmp_path / "scene-0001.json.gz"
    file.write_bytes(gzip.compress(b"[" * 100_000))
    with pytest.raises(DataError, match="cannot be read"):
        read_json_log(file)
    file.write_bytes(gzip.compress(json.dumps({**nuscenes_files.json_log(), "dt": 1e999}).encode()))
    with pytest.raises(DataError, match="finite dt"):
        read_json_log(file)


def test_damaged_npz_is_told(tmp_path: Path) -> None:
    file = tmp_path / "plans.npz"
    np.savez_compressed(file, **{f"t{i}": PLAN + i for i in range(9)})
    assert refusals(file, lambda: read_plans(file)) > 40


def test_npz_that_claims_a_terabyte_is_told(tmp_path: Path) -> None:
    header = io.BytesIO()
    shape = {"descr": "<f8", "fortran_order": False, "shape": (10**13,)}
    np.lib.format.write_array_header_1_0(header, shape)
    with zipfile.ZipFile(tmp_path / "plans.npz", "w") as archive:
        archive.writestr("a.npy", header.getvalue() + bytes(80))
    with pytest.raises(DataError, match="damaged"):
        read_npz(tmp_path / "plans.npz", "plans")


def test_a_single_array_is_no_archive(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", PLAN)
    shutil.move(tmp_path / "a.npy", tmp_path / "a.npz")
    with pytest.raises(DataError, match="cannot be read as plans"):
        read_npz(tmp_path / "a.npz", "plans")


@pytest.mark.parametrize("kind", [complex, "M8[s]", "m8[s]", bool])
def test_plans_that_are_no_real_numbers_are_refused(tmp_path: Path, kind: str) -> None:
    np.savez(tmp_path / "p.npz", a=np.zeros((8, 3), kind))
    with pytest.raises(DataError, match="no real numbers"):
        read_plans(tmp_path / "p.npz")


@pytest.mark.parametrize("tokens", [pa.array([["a"]]), pa.array([None], pa.string()), [7]])
def test_tokens_that_are_no_text_are_refused(tmp_path: Path, tokens: object) -> None:
    table = pa.table({"token": tokens, "poses": [[0.0] * 24]})
    pq.write_table(table, tmp_path / "p.parquet")
    with pytest.raises(DataError, match="column token, row 0"):
        read_plans(tmp_path / "p.parquet")


@pytest.mark.parametrize(
    ("layer", "column"),
    [
        ("lanes_polygons", "lane_group_fid"),
        ("lanes_polygons", "speed_limit_mps"),
        ("lane_connectors", "traffic_light_stop_line_fids"),
        ("baseline_paths", "lane_fid"),
    ],
)
@pytest.mark.parametrize("cell", ["text", b"\x00\x01", float("inf")])
def test_map_cells_that_are_no_numbers_are_named(
    tmp_path: Path, layer: str, column: str, cell: object
) -> None:
    maps, spoilt = tmp_path / "maps", 0
    shutil.copytree(MAPS, maps)
    for file in maps.rglob("map.gpkg"):
        with closing(sqlite3.connect(file)) as connection:
            tables = connection.execute("SELECT name FROM sqlite_master").fetchall()
            if ("lanes_polygons",) not in tables:  # a city without content
                continue
            connection.execute(f'UPDATE "{layer}" SET "{column}" = ?', (cell,))
            connection.commit()
        with pytest.raises(DataError, match=f"{layer} fid .*, column {column}: holds"):
            load_nuplan_map(maps, file.parents[1].name)
        spoilt += 1
    assert spoilt


def _load_all(source: NuplanSource) -> None:
    for scene_id in source.scene_ids():
        source.load(scene_id)


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("ego_pose", "qx"),
        ("lidar_box", "vx"),
        ("lidar_box", "yaw"),
        ("lidar_pc", "timestamp"),
        ("traffic_light_status", "lane_connector_id"),
    ],
)
@pytest.mark.parametrize("cell", ["text", b"\x00\x01"])
def test_log_cells_that_are_no_numbers_are_named(
    tmp_path: Path, table: str, column: str, cell: object
) -> None:
    shutil.copytree(DATA / "nuplan-v1.1", tmp_path / "nuplan-v1.1")
    for file in tmp_path.rglob("*.db"):
        with closing(sqlite3.connect(file)) as connection:
            connection.execute(f'UPDATE "{table}" SET "{column}" = ?', (cell,))
            connection.commit()
    source = NuplanSource(tmp_path, MAPS)
    with pytest.raises(DataError, match=f"table {table}, sweep"):
        _load_all(source)
