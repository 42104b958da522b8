"""The scenes of the bench `reallogs`."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest
import shapely
from av2_files import START, write_log
from nuscenes_files import json_log, write_json_log
from real_data import real_data

from drivelab.data.log_map import LaneGraph, build_lane_map
from drivelab.data.log_route import command_at, lanes_ahead, match_lanes, route_blocks
from drivelab.data.reallogs import SHAPE, RealLogsSource
from drivelab.data.recording import WindowShape, window_starts
from drivelab.errors import ConfigError, DataError
from drivelab.geometry.boxes import box_corners, ego_boxes
from drivelab.geometry.polyline import with_headings
from drivelab.types import AreaKind, Command, Lane, LaneMap, Scene


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_log(tmp_path / "av2" / "log-a", frames=80)
    write_json_log(tmp_path / "nuscenes_mini", json_log(steps=90))
    return tmp_path


def test_windows_start_every_second(root: Path) -> None:
    first = START // 1000 + 1_500_000
    assert RealLogsSource(root).scene_ids() == (
        f"log-a-{first}",
        f"log-a-{first + 1_000_000}",
        "scene-0001-1500000",
        "scene-0001-2500000",
        "scene-0001-3500000",
    )


def test_a_scene_holds_its_window(root: Path) -> None:
    source = RealLogsSource(root)
    for scene_id in source.scene_ids():
        scene = source.load(scene_id)
        assert scene.id == scene_id
        assert (scene.frames, scene.now) == (66, 15)
        assert scene_id.endswith(str(scene.time))
        assert scene.tracks.valid.shape[0] == 66
        assert scene.tracks.valid.any(axis=0).all()
        assert "CC BY-NC-SA 4.0" in scene.licence
        assert set(scene.route) <= set(scene.map.blocks)
        assert scene.red_lights == ()


def test_scenes_do_not_depend_on_the_order_of_loading(root: Path) -> None:
    ids = RealLogsSource(root).scene_ids()
    forward, back = RealLogsSource(root), RealLogsSource(root)
    one = {key: forward.load(key) for key in ids}
    two = {key: back.load(key) for key in reversed(ids)}
    for key in ids:
        np.testing.assert_array_equal(one[key].ego.poses, two[key].ego.poses)
        assert one[key].route == two[key].route


def test_windows_of_a_log_share_its_map(root: Path) -> None:
    source = RealLogsSource(root)
    first, second = source.scene_ids()[:2]
    assert source.load(first).map is source.load(second).map


def test_a_source_and_its_scenes_can_be_pickled(root: Path) -> None:
    source = RealLogsSource(root)
    scene = source.load(source.scene_ids()[0])
    copy = pickle.loads(pickle.dumps(source))
    assert copy.scene_ids() == source.scene_ids()
    again = pickle.loads(pickle.dumps(scene))
    np.testing.assert_array_equal(again.ego.poses, scene.ego.poses)


def test_provenance_is_the_checksum_of_every_file(root: Path) -> None:
    found = RealLogsSource(root).provenance()
    assert len(found) == 4
    for name, digest in found.items():
        assert hashlib.sha256((root / name).read_bytes()).hexdigest() == digest


def test_labels_say_what_is_missing(root: Path) -> None:
    source = RealLogsSource(root)
    assert (source.label, source.data) == ("reallogs (AV2 + nuScenes mini, own mapping)", "real")
    (root / "nuscenes_mini").rename(root / "elsewhere")
    source = RealLogsSource(root)
    assert (source.label, source.data) == ("reallogs (AV2 only, own mapping)", "partial")
    assert source.licence == "Argoverse 2: CC BY-NC-SA 4.0"


def test_no_log_is_an_error_that_says_where_to_get_some(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"av2/LOG.*nuscenes_mini/scene-.*argoverse\.org"):
        RealLogsSource(tmp_path).scene_ids()


def test_logs_that_are_too_short_are_an_error(tmp_path: Path) -> None:
    write_json_log(tmp_path / "nuscenes_mini", json_log(steps=65))
    with pytest.raises(DataError, match="no window of 66 frames"):
        RealLogsSource(tmp_path).scene_ids()


def test_an_unknown_scene_offers_a_near_one(root: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'scene-0001-1500000'"):
        RealLogsSource(root).load("scene-0001-150000")


def test_windows_across_a_hole_are_left_out(caplog: pytest.LogCaptureFixture) -> None:
    times = np.arange(30) * 100_000
    times[15:] += 300_000
    shape = WindowShape(2, 7, 5)
    assert window_starts(times, 0.1, shape, "some-log") == [0, 5, 15, 20]
    assert "frames 14 and 15 are 0.400 s apart" in caplog.text


def corridor(*centrelines: list[tuple[float, float]], **links: tuple[str, ...]) -> LaneMap:
    lanes = {}
    for i, points in enumerate(centrelines):
        line = with_headings(np.array(points, float))
        shape = shapely.LineString(line[:, :2]).buffer(2, cap_style="flat", join_style="mitre")
        lanes[f"l{i}"] = Lane(f"l{i}", line, shape, successors=links.get(f"l{i}", ()))
    return build_lane_map(LaneGraph("m", lanes))


def forked() -> LaneMap:
    """l0 leads to l1 (straight on) and l2 (left); both begin alike."""
    bend = [(50.0, 0.0), (60.0, 0.0), (68.0, 4.0), (72.0, 12.0), (72.0, 60.0)]
    return corridor(
        [(x, 0.0) for x in range(0, 51, 5)], [(x, 0.0) for x in range(50, 151, 5)], bend,
        l0=("l1", "l2"),
    )  # fmt: skip


def poses(*rows: tuple[float, float, float]) -> np.ndarray:
    return np.array(rows, float)


def test_matching_looks_at_what_follows() -> None:
    lane_map = forked()
    drive = poses((40, 0, 0), (52, 0, 0), (58, 0, 0), (67, 3.5, 0.6), (72, 20, 1.57))
    assert match_lanes(lane_map, drive).lanes == ("l0", "l2", "l2", "l2", "l2")
    straight = poses((40, 0, 0), (52, 0, 0), (58, 0, 0), (67, 0, 0), (90, 0, 0))
    assert match_lanes(lane_map, straight).lanes == ("l0", "l1", "l1", "l1", "l1")


def test_the_route_goes_on_straight_beyond_the_record() -> None:
    lane_map = forked()
    driven = match_lanes(lane_map, poses((10, 0, 0), (20, 0, 0)))
    lanes = lanes_ahead(lane_map, driven, 0, 2, np.array([20.0, 0, 0]))
    assert lanes == ["l0", "l1"]
    assert route_blocks(lane_map, lanes) == ("block/l0", "block/l1")


def test_the_route_follows_the_rest_of_the_log_first() -> None:
    lane_map = forked()
    drive = poses((10, 0, 0), (20, 0, 0), (67, 3.5, 0.6), (72, 20, 1.57))
    driven = match_lanes(lane_map, drive)
    assert lanes_ahead(lane_map, driven, 0, 2, drive[1]) == ["l0", "l2"]


def test_oncoming_lanes_are_not_driven() -> None:
    lane_map = corridor([(0.0, 0.0), (50.0, 0.0)], [(50.0, 4.0), (0.0, 4.0)])
    assert match_lanes(lane_map, poses((10, 2.5, 0), (20, 2.5, 0))).lanes == ("l0", "l0")


@pytest.mark.parametrize(
    ("lanes", "x", "command"),
    [
        (["l0", "l2"], 10.0, Command.STRAIGHT),
        (["l0", "l2"], 49.0, Command.LEFT),
        (["l0", "l1"], 49.0, Command.STRAIGHT),
    ],
)
def test_the_command_is_the_route_20_m_ahead(lanes: list[str], x: float, command: Command) -> None:
    assert command_at(forked(), lanes, np.array([x, 0.5, 0.2])) is command


def test_a_lane_change_is_no_turn() -> None:
    lane_map = corridor(
        [(0.0, 0.0), (50.0, 0.0)], [(0.0, 4.0), (50.0, 4.0)],
        [(50.0, 0.0), (99.0, 0.0)], [(50.0, 4.0), (99.0, 4.0)], l0=("l2",), l1=("l3",),
    )  # fmt: skip
    assert command_at(lane_map, ["l0", "l1", "l3"], np.array([40.0, 0, 0])) is Command.STRAIGHT


def drivable(scene: Scene) -> shapely.STRtree:
    kinds = (AreaKind.DRIVABLE, AreaKind.CARPARK, AreaKind.INTERSECTION)
    areas = [area.polygon for area in scene.map.areas if area.kind in kinds]
    return shapely.STRtree([*areas, *(block.polygon for block in scene.map.blocks.values())])


@pytest.mark.data
def test_the_recorded_ego_stays_on_drivable_ground() -> None:
    """All four corners, every 0.1 s of 4 s, in at least 95 % of the windows."""
    source = RealLogsSource(real_data("real_logs"))
    inside = []
    for scene_id in source.scene_ids():
        scene = source.load(scene_id)
        path = scene.ego.poses[scene.now : scene.now + 41]
        corners = box_corners(ego_boxes(path, scene.vehicle)).reshape(-1, 2)
        hit = drivable(scene).query(shapely.points(corners), predicate="within")[0]
        inside.append(len(np.unique(hit)) == len(corners))
        lanes = [scene.map.lanes[key] for b in scene.route for key in scene.map.blocks[b].lanes]
        assert lanes
        assert min(lane.polygon.distance(shapely.Point(path[0, :2])) for lane in lanes) < 3.0
        assert scene.frames == SHAPE.frames
    assert np.mean(inside) >= 0.95
