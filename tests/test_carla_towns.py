import gzip
from pathlib import Path

import numpy as np
import pytest
import shapely
from real_data import real_data
from xodr_text import crossing

from drivelab.errors import ConfigError, DataError
from drivelab.maps import towns
from drivelab.maps.map_check import check_map
from drivelab.maps.opendrive import OpenDriveMap, cache, parse_opendrive
from drivelab.maps.towns import TOWNS, read_town, town_file, town_name


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CARLA_ROOT", raising=False)


def same(a: OpenDriveMap, b: OpenDriveMap) -> None:
    """Every lane, block, area and table agrees, to the last bit."""
    assert a.lane_map.lanes.keys() == b.lane_map.lanes.keys()
    assert a.rows == b.rows
    for kind in ("lanes", "blocks"):
        for one in getattr(a.lane_map, kind).values():
            other = getattr(b.lane_map, kind)[one.id]
            for name in one.__dataclass_fields__:
                mine, theirs = getattr(one, name), getattr(other, name)
                if isinstance(mine, np.ndarray):
                    np.testing.assert_array_equal(mine, theirs)
                else:
                    assert mine == theirs
    assert [(x.id, x.kind, x.detail) for x in a.lane_map.areas] == [
        (x.id, x.kind, x.detail) for x in b.lane_map.areas
    ]
    for x, y in zip(a.lane_map.areas, b.lane_map.areas, strict=True):
        assert shapely.equals_exact(x.polygon, y.polygon)
    assert a.lane_map.control.signal_groups == b.lane_map.control.signal_groups
    assert a.lane_map.control.stop_signs == b.lane_map.control.stop_signs
    road, lane = np.zeros(3, int), np.array([-1, -2, 1])
    s = np.array([3.0, 50.0, 99.0])
    np.testing.assert_array_equal(a.poses(road, lane, s)[0], b.poses(road, lane, s)[0])


def test_a_map_read_before_comes_from_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = cache.cached_opendrive(crossing(), "x", folder=tmp_path / "maps")
    monkeypatch.setattr(cache, "parse_opendrive", lambda *a, **k: pytest.fail("read again"))
    same(fresh, cache.cached_opendrive(crossing(), "x", folder=tmp_path / "maps"))
    assert len(list((tmp_path / "maps").iterdir())) == 1


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 not an archive", None])
def test_a_damaged_cache_is_read_anew(damage: bytes | None, tmp_path: Path) -> None:
    fresh = cache.cached_opendrive(crossing(), "x", folder=tmp_path)
    (entry,) = tmp_path.iterdir()
    entry.write_bytes(entry.read_bytes()[:-400] if damage is None else damage)
    same(fresh, cache.cached_opendrive(crossing(), "x", folder=tmp_path))
    assert entry.stat().st_size > 1000


def test_another_file_of_the_same_name_is_another_map(tmp_path: Path) -> None:
    cache.cached_opendrive(crossing(), "x", folder=tmp_path)
    moved = cache.cached_opendrive(crossing().replace(b'y="0"', b'y="7"'), "x", folder=tmp_path)
    assert moved.lane_map.lanes["1/0/-1"].centreline[0, 1] == pytest.approx(7 - 1.75)


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    found = cache.cached_opendrive(crossing(), "x", folder=tmp_path / "file" / "maps")
    same(found, parse_opendrive(crossing(), "x"))


def test_the_cache_lies_where_the_desktop_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache.cache_folder() == Path("/somewhere/drivelab/maps")


@pytest.mark.parametrize(
    "place",
    [
        "Town05.xodr",
        "maps/Town05.xodr.gz",
        "CarlaUE4/Content/Carla/Maps/OpenDrive/Town05.xodr",
        "CarlaUE4/Content/Carla/Maps/Town05/OpenDrive/Town05.xodr",
    ],
)
def test_towns_are_found_in_plain_folders_and_installs(place: str, tmp_path: Path) -> None:
    file = tmp_path / place
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(gzip.compress(crossing()) if place.endswith("gz") else crossing())
    assert town_file("Carla/Maps/Town05_Opt", tmp_path) == file
    found = read_town("Town05", tmp_path, cache=tmp_path / "cache")
    assert (found.lane_map.name, len(found.lane_map.lanes)) == ("Town05", 9)


def test_the_option_comes_before_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("option", "install", "data/carla"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.setenv("DRIVELAB_DATA", str(tmp_path / "data"))
    assert towns.carla_root() == tmp_path / "data" / "carla"
    monkeypatch.setenv("CARLA_ROOT", str(tmp_path / "install"))
    assert towns.carla_root() == tmp_path / "install"
    assert towns.carla_root(tmp_path / "option") == tmp_path / "option"


def test_without_maps_one_line_says_where_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DRIVELAB_DATA", raising=False)
    with pytest.raises(DataError, match=r"set data\.carla_root=FOLDER or CARLA_ROOT") as caught:
        town_file("Town05")
    assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match=r"has no Town05\.xodr"):
        town_file("Town05", tmp_path)
    with pytest.raises(DataError, match=r"named by data\.carla_root, but there is no such folder"):
        town_file("Town05", tmp_path / "gone")


@pytest.mark.parametrize("name", ["Town5", "../Town05", "", "town05/../../secret"])
def test_unknown_towns_are_refused_with_the_nearest_name(name: str, tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "Town05.xodr").write_bytes(crossing())
    with pytest.raises((ConfigError, DataError)) as caught:
        town_file(name, tmp_path / "root")
    assert "Town05" in str(caught.value)


def test_names_of_carla_builds_are_plain_towns() -> None:
    names = ("/Game/Carla/Maps/Town10HD_Opt", "Town10", "Town05")
    assert [town_name(name) for name in names] == ["Town10HD", "Town10HD", "Town05"]


def test_a_file_that_unpacks_without_end_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(towns, "LARGEST", 10_000)
    bomb = tmp_path / "Town01.xodr.gz"
    bomb.write_bytes(gzip.compress(b" " * 20_000))
    with pytest.raises(DataError, match=r"Town01\.xodr\.gz: unpacks to more than 10000 bytes"):
        read_town("Town01", tmp_path, cache=tmp_path)
    bomb.write_bytes(gzip.compress(crossing())[:-20])
    with pytest.raises(DataError, match="cut short"):
        read_town("Town01", tmp_path, cache=tmp_path)
    bomb.write_bytes(b"no gzip")
    with pytest.raises(DataError, match="damaged"):
        read_town("Town01", tmp_path, cache=tmp_path)


# Lanes with traffic, connectors behind a light and behind a stop sign, as `carla.Map` counts its
# landmarks 1000001, 1000011 and 206, which are one for each connector.
COUNTS = {"Town03": (429, 112, 0), "Town05": (486, 200, 11), "Town15": (917, 74, 9)}


@pytest.mark.data
@pytest.mark.parametrize("town", sorted(COUNTS))
def test_towns_have_carlas_lanes_lights_and_signs(town: str, tmp_path: Path) -> None:
    lane_map = read_town(town, real_data("carla"), cache=tmp_path).lane_map
    check_map(lane_map)
    lights = [lane for lane in lane_map.lanes.values() if lane.has_traffic_lights]
    counts = len(lane_map.lanes), len(lights), len(lane_map.control.stop_signs)
    assert counts == COUNTS[town]
    assert all(lane.connector for lane in lights)
    ends = [
        (lane, lane_map.lanes[after])
        for lane in lane_map.lanes.values()
        for after in lane.successors
    ]
    gaps = [np.hypot(*(a.centreline[-1] - b.centreline[0])[:2]) for a, b in ends]
    assert np.mean(np.array(gaps) > 0.05) < 0.03  # some links in CARLA's files miss their lane
    assert all(lane.polygon.is_valid for lane in lane_map.lanes.values())


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize("town", [t for t in TOWNS if t not in COUNTS])
def test_every_town_loads_and_comes_back_from_the_cache(town: str, tmp_path: Path) -> None:
    fresh = read_town(town, real_data("carla"), cache=tmp_path)
    check_map(fresh.lane_map)
    same(fresh, read_town(town, real_data("carla"), cache=tmp_path))
