"""The embedded split: what is in the file, that it can be made again, and how it fails."""

from __future__ import annotations

import pickle
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import shapely

from drivelab.data.labmini import LabminiSource, embedded_path, file_sha256, write_labmini
from drivelab.data.labmini_format import decode_log, encode_log
from drivelab.errors import DataError
from drivelab.geometry.boxes import box_corners, box_polygon, box_polygons, ego_boxes
from drivelab.geometry.polyline import arc_lengths
from drivelab.sim.generator import FAMILIES, generate_log
from drivelab.sim.generator.quality import drivable_area
from drivelab.sim.labmini import LOGS, SEED, labmini_plan
from drivelab.types import KINDS, Command, Scene, TrafficControl

SOURCE = LabminiSource()
IDS = SOURCE.scene_ids()
CARD = embedded_path().with_name("labmini.md")


def test_the_split_has_200_scenes_in_pairs_and_all_families() -> None:
    assert len(IDS) == len(set(IDS)) == 200
    assert {SOURCE.load(scene_id).family for scene_id in IDS} == set(FAMILIES)
    for early, late in zip(IDS[::2], IDS[1::2], strict=True):
        first, second = SOURCE.load(early), SOURCE.load(late)
        assert first.log == second.log
        assert second.time - first.time == 500_000
    assert embedded_path().stat().st_size < 5_000_000


def test_the_card_names_the_file_by_its_checksum_and_seed() -> None:
    text = CARD.read_text()
    assert file_sha256(embedded_path()) in text
    assert str(SEED) in text
    assert dict(SOURCE.provenance()) == {"labmini_sha256": file_sha256(embedded_path())}
    for family in FAMILIES:
        assert f"`{family}`" in text


@pytest.mark.parametrize("index", [0, 6, 41, LOGS - 1])
def test_generating_a_log_again_gives_the_bytes_in_the_file(index: int) -> None:
    family, number = labmini_plan()[index]
    made = generate_log(family, SEED, index=number)
    assert encode_log(made) == encode_log(SOURCE.log(made.name))


@pytest.mark.parametrize("scene_id", IDS)
def test_scene_is_sound(scene_id: str) -> None:
    scene = SOURCE.load(scene_id)
    _check_time_and_shape(scene)
    _check_ego_on_the_road(scene)
    _check_boxes(scene)
    _check_route(scene)
    _check_map(scene)


def _check_time_and_shape(scene: Scene) -> None:
    assert scene.frames == 14
    assert scene.now == 3
    assert scene.ego.times.dtype == np.int64
    assert (np.diff(scene.ego.times) == 500_000).all()
    assert scene.tracks.poses.shape[0] == len(scene.red_lights) == 14
    assert np.isfinite(np.hstack([scene.ego.poses, scene.ego.velocities])).all()
    assert scene.command in (Command.LEFT, Command.STRAIGHT, Command.RIGHT)


def _check_ego_on_the_road(scene: Scene) -> None:
    area = shapely.union_all(drivable_area(scene.map)).buffer(1e-3)
    corners = box_corners(ego_boxes(scene.ego.poses, scene.vehicle))
    assert shapely.contains(area, shapely.points(corners)).all()


def _check_boxes(scene: Scene) -> None:
    tracks = scene.tracks
    assert set(tracks.kinds) <= set(KINDS)
    assert tracks.valid.any(axis=0).all()
    assert np.isfinite(tracks.poses[tracks.valid]).all()
    assert np.isnan(tracks.poses[~tracks.valid]).all()
    first = tracks.valid.argmax(axis=0)
    assert (np.diff(first) >= 0).all()
    for frame in range(scene.frames):
        seen = tracks.valid[frame]
        boxes = np.hstack([tracks.poses[frame, seen], tracks.sizes[seen]])
        ego = box_polygon(ego_boxes(scene.ego.poses[frame], scene.vehicle))
        assert not shapely.intersects(ego, box_polygons(boxes)).any()


def _check_route(scene: Scene) -> None:
    blocks = [scene.map.blocks[block] for block in scene.route]
    here = shapely.Point(scene.ego.poses[scene.now, :2])
    inside = [k for k, block in enumerate(blocks) if block.polygon.contains(here)]
    assert inside, "no block of the route is under the ego"
    for block, follower in zip(scene.route[:-1], scene.route[1:], strict=True):
        assert follower in scene.map.blocks[block].successors
    ahead = sum(
        arc_lengths(scene.map.lanes[block.lanes[0]].centreline[:, :2])[-1]
        for block in blocks[inside[0] :]
    )
    behind = blocks[inside[0]].polygon.length / 2
    assert ahead > 150.0 or ahead + behind > 190.0


def _check_map(scene: Scene) -> None:
    for lane in scene.map.lanes.values():
        assert lane.polygon.is_valid, lane.id
        assert lane.id in scene.map.blocks[lane.block].lanes
        for follower in lane.successors:
            gap = lane.centreline[-1, :2] - scene.map.lanes[follower].centreline[0, :2]
            assert np.hypot(*gap) < 0.01
            assert lane.id in scene.map.lanes[follower].predecessors
    for block in scene.map.blocks.values():
        assert block.polygon.is_valid, block.id
    for area in scene.map.areas:
        assert area.polygon.is_valid, area.id
    for red in scene.red_lights:
        assert all(scene.map.lanes[connector].connector for connector in red)


def test_connectors_lie_inside_their_intersection() -> None:
    for name in dict.fromkeys(SOURCE.load(scene_id).log for scene_id in IDS):
        lane_map = SOURCE.log(name).map
        areas = {area.id: area.polygon.buffer(0.01) for area in lane_map.areas}
        for block in lane_map.blocks.values():
            if block.intersection is not None:
                for lane in block.lanes:
                    assert areas[block.intersection].covers(lane_map.lanes[lane].polygon)


@pytest.mark.parametrize(
    "more",
    [
        {"heights": np.zeros(2)}, {"change_left": False}, {"change_right": False},
        {"kind": "bicycle"}, {"stop_lines": ("s",)}, {"line": np.zeros((2, 2))}, {"index": 1},
    ],
)  # fmt: skip
def test_a_map_of_which_something_would_be_lost_is_refused(more: dict[str, object]) -> None:
    log = SOURCE.log(SOURCE.load(IDS[0]).log)
    name, lane = next(iter(log.map.lanes.items()))
    lanes = {**log.map.lanes, name: replace(lane, **more)}
    with pytest.raises(DataError, match=f"lane {name}: `{next(iter(more))}` of a lane cannot be"):
        encode_log(replace(log, map=replace(log.map, lanes=lanes)))


def test_a_map_with_signs_is_refused() -> None:
    log = SOURCE.log(SOURCE.load(IDS[0]).log)
    signs = TrafficControl(stop_signs=tuple(log.map.lanes)[:1])
    with pytest.raises(DataError, match="traffic control cannot be written"):
        encode_log(replace(log, map=replace(log.map, control=signs)))


def test_encoding_loses_nothing() -> None:
    log = SOURCE.log(SOURCE.load(IDS[50]).log)
    again = decode_log(encode_log(log), file="memory", member=log.name)
    np.testing.assert_array_equal(again.ego.poses, log.ego.poses)
    np.testing.assert_array_equal(again.ego.times, log.ego.times)
    np.testing.assert_array_equal(again.tracks.poses, log.tracks.poses)
    np.testing.assert_array_equal(again.tracks.velocities, log.tracks.velocities)
    assert (again.route, again.red_lights, again.commands) == (
        log.route,
        log.red_lights,
        log.commands,
    )
    for lane in log.map.lanes:
        assert again.map.lanes[lane].polygon.equals(log.map.lanes[lane].polygon)
        np.testing.assert_array_equal(
            again.map.lanes[lane].centreline, log.map.lanes[lane].centreline
        )


def test_written_file_is_read_back_and_stays_the_same(tmp_path: Path) -> None:
    logs = [generate_log("dense_queue", 11, index=k) for k in range(2)]
    write_labmini(tmp_path / "a.npz", logs)
    write_labmini(tmp_path / "b.npz", logs)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    source = LabminiSource(tmp_path / "a.npz")
    assert source.scene_ids() == tuple(i for log in logs for i in log.scene_ids())
    copy = pickle.loads(pickle.dumps(source))
    scene = copy.load(source.scene_ids()[3])
    np.testing.assert_array_equal(scene.ego.poses, logs[1].ego.poses[1:15])


def test_the_file_is_a_plain_npz() -> None:
    with np.load(embedded_path(), allow_pickle=False) as file:
        assert file["index"].dtype == np.uint8


def test_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.npz: is missing; make it with"):
        LabminiSource(tmp_path / "none.npz").scene_ids()
    with pytest.raises(DataError, match="cannot be read"):
        LabminiSource(tmp_path / "none.npz").provenance()


@pytest.mark.parametrize("share", [0.0, 0.3, 0.999])
def test_truncated_file_is_refused(tmp_path: Path, share: float) -> None:
    whole = embedded_path().read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(DataError, match=r"cut\.npz: is not a whole labmini file"):
        LabminiSource(tmp_path / "cut.npz").scene_ids()


def test_damaged_log_is_named(tmp_path: Path) -> None:
    whole = bytearray(embedded_path().read_bytes())
    name = SOURCE.load(IDS[-1]).log
    with zipfile.ZipFile(embedded_path()) as archive:
        at = archive.getinfo(f"{name}.npy").header_offset
    for k in range(at + 200, at + 240):
        whole[k] ^= 0xFF
    (tmp_path / "bad.npz").write_bytes(whole)
    source = LabminiSource(tmp_path / "bad.npz")
    source.load(IDS[0])  # the others are still there
    with pytest.raises(DataError, match=name):
        source.load(IDS[-1])


@pytest.mark.parametrize("cut", [2, 100, -4])
def test_short_payload_is_refused(cut: int) -> None:
    payload = encode_log(SOURCE.log(SOURCE.load(IDS[0]).log))
    with pytest.raises(DataError, match="not a log of this version"):
        decode_log(payload[:cut], file="memory", member="log")


def test_unknown_scene_suggests_a_name() -> None:
    with pytest.raises(DataError, match=f"did you mean '{IDS[0]}'"):
        SOURCE.load(IDS[0] + "x")


def test_a_file_without_scenes_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="at least one scene"):
        write_labmini(tmp_path / "empty.npz", [])
