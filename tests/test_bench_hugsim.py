"""The bench `hugsim`: a synthetic folder in its layout is driven and judged, others are refused."""

from __future__ import annotations

import json
import os
import pickle

import numpy as np
import pytest

from drivelab.agents.constant_velocity import ConstantVelocity
from drivelab.cli import main
from drivelab.errors import ConfigError, DataError, UnsafePickleError
from drivelab.evaluation.benches.hugsim import HugsimBench
from drivelab.evaluation.benches.hugsim_road import LANE, ground_polygons, resampled
from drivelab.evaluation.closed_loop import drive
from drivelab.metrics.closed_loop.hugsim import published
from drivelab.sim.sensors.rendered import stage_of_episode
from drivelab.sim.sensors.stage import Shot
from drivelab.sim.splats.files import load_scene, save_scene
from drivelab.sim.splats.formats.hugsim_frames import read_drive, read_way
from drivelab.sim.splats.scene import Moment, Splats, SplatScene
from drivelab.sim.splats.shown_by_file import shown_by_file
from drivelab.sim.world.episode import Drive, Parked, Replay, Walk
from drivelab.sim.world.view import base_scene

pytestmark = pytest.mark.nn
pytest.importorskip("torch")
import hugsim_folders as made  # noqa: E402

AXLE = 1.35  # from the ego's rear axle to the middle of its box


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hugsim")
    made.write_folder(folder)
    return folder


@pytest.fixture(scope="module")
def source(root):
    return HugsimBench(root=str(root)).source()


def driven(episode):
    rollout = drive(episode, ConstantVelocity())
    return published().score(base_scene(episode), rollout), rollout


def redness(episode, root) -> int:
    """Red pixels of what the front camera shows at the start."""
    stage = stage_of_episode(episode, HugsimBench(root=str(root), scale=0.25).source().rendering)
    there = episode.actors
    actors, poses = stage.cast(
        [actor.id for actor in there], [actor.kind for actor in there],
        np.array([actor.size for actor in there]).reshape(-1, 2),
        np.array([actor.pose for actor in there]).reshape(-1, 3), np.ones(len(there), bool),
    )  # fmt: skip
    shot = Shot(stage, actors, Moment(poses, {}), episode.ego_pose, name=episode.id, frame=0)
    image = shot.camera("CAM_FRONT").image.astype(int)
    return int(((image[..., 0] > 150) & (image[..., 1:] < 80).all(-1)).sum())


def test_vehicles_look_as_their_files_say(root, source, tmp_path):
    episode = source.load("scene-0001-medium_00")
    assert episode.actors[0].look == str(root / "3DRealCar" / made.CAR / "gs.pth")
    # its back, 1.9 x 1.5 m 32 m ahead of the camera, and two deviations of its Gaussians around it,
    # with 316 pixels of focal length: 18 x 14 to 23 x 19
    assert 252 < redness(episode, root) < 437
    assert not redness(source.load("scene-0001-easy_00"), root)
    made.write_folder(tmp_path / "bare")
    (tmp_path / "bare" / "3DRealCar" / made.CAR / "gs.pth").unlink()
    bare = HugsimBench(root=str(tmp_path / "bare")).source().load("scene-0001-medium_00")
    assert bare.actors[0].look == ""
    assert redness(bare, tmp_path / "bare") < 10  # rear lamps


def test_a_vehicle_stands_on_the_road(root):
    actor = shown_by_file(str(root / "3DRealCar" / made.CAR / "gs.pth"), "a", "vehicle", (4.6, 1.9))
    means = actor.splats.gaussians.means
    np.testing.assert_allclose(means.min(0), [-2.3, -0.95, 0.0], atol=1e-5)
    np.testing.assert_allclose(actor.size, [4.6, 1.9, 1.5], atol=1e-5)


def test_a_vehicle_of_nothing_is_refused(tmp_path):
    file = tmp_path / "fog.splats.safetensors"
    fog = Splats(made.gaussians(np.zeros((3, 3)), opacity=0.01), np.zeros(3, np.uint8))
    save_scene(SplatScene("fog", fog), file)
    with pytest.raises(DataError, match="none of its 3 Gaussians is to be seen"):
        shown_by_file(str(file), "a", "vehicle", (4.6, 1.9))


def test_what_is_found(source):
    assert source.scene_ids() == (
        "scene-0001-easy_00", "scene-0001-hard_00", "scene-0001-medium_00", "scene-0002-easy_00",
    )  # fmt: skip
    assert "4 scenarios (native world, its Gaussians are felt)" in source.label
    assert source.provenance()["scenarios"] == "4"


def test_who_starts_where(source):
    episode = source.load("scene-0001-hard_00")
    assert (episode.family, episode.ego_speed, episode.route) == ("hard", 5.0, (LANE,))
    np.testing.assert_allclose(episode.ego_pose, [-AXLE, 0, 0], atol=1e-9)
    np.testing.assert_allclose(episode.route_line[[0, -1], 0], [0, 60], atol=1e-9)
    follower, repeated, attacker, crossing = episode.actors
    for actor in episode.actors:
        assert actor.size == (4.6, 1.9)
    np.testing.assert_allclose(follower.pose, [25, 0, 0], atol=1e-9)
    assert isinstance(follower.motion, Drive)
    assert (follower.motion.driver.min_gap, follower.motion.driver.headway) == (5.0, 2.0)
    assert follower.motion.pace * 13.9 == pytest.approx(6.0)
    np.testing.assert_allclose(attacker.pose, [30, -3.5, -3.14159], atol=1e-5)
    assert [act.kind for act in attacker.behaviours] == ["follow_path"]
    np.testing.assert_allclose(attacker.behaviours[0].path[1:, :2], [[10, 0], [0, 0]], atol=1e-6)
    np.testing.assert_allclose(crossing.pose, [50, 4, -np.pi / 2], atol=1e-4)  # right positive
    assert isinstance(crossing.motion, Walk)
    np.testing.assert_allclose(crossing.motion.path[1, :2], [50, 4 - 100], atol=1e-2)
    assert isinstance(repeated.motion, Replay)
    track = episode.log.poses[:, repeated.motion.track]
    np.testing.assert_allclose(track[:, 0], 20 + 4 * 0.1 * np.arange(1001), atol=1e-4)
    np.testing.assert_allclose(track[:, 1], 3.0, atol=1e-4)
    np.testing.assert_allclose(track[:, 2], 0.0, atol=1e-6)
    assert isinstance(source.load("scene-0001-medium_00").actors[0].motion, Parked)


def test_the_road_is_where_its_gaussians_are(source):
    episode = source.load("scene-0001-easy_00")
    (area,) = episode.map.areas
    left, bottom, right, top = area.polygon.bounds
    np.testing.assert_allclose([left, right], [-12, 75], atol=0.6)
    np.testing.assert_allclose([bottom, top], [-6, 6], atol=0.6)
    assert area.polygon.area == pytest.approx(87 * 12, rel=0.06)


def test_a_hole_in_the_ground_stays_one():
    x, y = (part.ravel() for part in np.meshgrid(np.arange(0, 20, 0.3), np.arange(-5, 5, 0.3)))
    ground = np.stack([x, y], 1)
    hole = (np.abs(ground - [10, 0]) < 2).all(1)
    way = np.stack([np.linspace(0, 20, 21), np.zeros(21), np.zeros(21)], 1)
    (polygon,) = ground_polygons(way, ground[~hole])
    assert len(polygon.interiors) == 1
    assert ground_polygons(way, ground + 500.0) == []


def test_free_road(source):
    """5 m/s, nobody there: only plans beyond the end of the ground lose their DAC."""
    found, rollout = driven(source.load("scene-0001-easy_00"))
    assert found.subscores["nc"] == found.subscores["ttc"] == found.subscores["comfort"] == 1.0
    assert found.subscores["route_completion"] == 1.0
    assert found.score == pytest.approx(found.subscores["dac"])
    assert 0.9 < found.score < 1.0
    assert any(event["kind"] == "route_done" for event in rollout.events)


def test_a_car_in_the_way(source):
    """Its tail stands at 32.7 m, the ego's bumper 2.85 m before the axle."""
    found, rollout = driven(source.load("scene-0001-medium_00"))
    assert rollout.ego[-1, 0] == pytest.approx(32.7 - 2.85, abs=0.6)
    assert found.subscores["route_completion"] == pytest.approx(
        (29.85 + AXLE) / 60 / 0.9, abs=0.012
    )
    assert found.subscores["nc"] < 0.6
    assert found.score < 0.3


@pytest.mark.parametrize("sensors", ["on", "off"])
def test_a_wall_of_gaussians_is_felt_where_sensors_are_on(root, sensors):
    """2400 Gaussians of a building stand 40 m ahead, and no box; 100 of them are a collision."""
    source = HugsimBench(root=str(root), sensors=sensors).source()
    found, rollout = driven(source.load("scene-0002-easy_00"))
    if sensors == "off":
        assert found.subscores["route_completion"] == 1.0
        return
    assert rollout.ego[-1, 0] == pytest.approx(40 - 2.85, abs=0.6)
    assert [event["kind"] for event in rollout.events][-1] == "terminated"
    assert "collision" in {event["kind"] for event in rollout.events}


def test_the_scene_stands_on_its_road(root):
    found = load_scene(root / "scenes" / "scene-0001")
    road = found.static.gaussians.means[-500:]
    np.testing.assert_allclose(road[:, 2], 0.0, atol=1e-5)


def test_off_the_way(source):
    """Half a turn to the left of it: 10 m away the episode ends."""
    from dataclasses import replace

    episode = source.load("scene-0001-easy_00")
    away = replace(episode, ego_pose=np.array([0.0, 0.0, np.pi / 3]))
    _, rollout = driven(away)
    assert any(event["kind"] == "route_deviation" for event in rollout.events)
    assert np.hypot(*rollout.ego[-1, :2]) < 16


def test_a_way_that_bends_and_waits(tmp_path):
    poses = np.tile(np.eye(4), (40, 1, 1))
    angle = np.linspace(0, 0.5, 40)
    angle[10:20] = angle[10]
    poses[:, 0, 3], poses[:, 2, 3] = 30 * (1 - np.cos(angle)), 30 * np.sin(angle)  # to the right
    poses[:, 0, 0] = poses[:, 2, 2] = np.cos(angle)
    poses[:, 0, 2], poses[:, 2, 0] = np.sin(angle), -np.sin(angle)
    (tmp_path / "g.pkl").write_bytes(pickle.dumps((poses, np.float64(1.4), [0] * 40)))
    way = read_way(tmp_path / "g.pkl")
    np.testing.assert_allclose(way.poses[:, 2], -angle, atol=1e-9)
    even = resampled(way.poses)
    steps = np.hypot(*np.diff(even[:, :2], axis=0).T)
    assert steps.min() > 0.9
    np.testing.assert_allclose(np.hypot(even[:, 0], even[:, 1] + 30), 30, atol=0.08)


def test_a_fitted_drive_beyond_its_ends(root):
    fitted = read_drive(root / "scenes" / "scene-0001" / "unicycle_7.pth")
    found = fitted.at(np.array([-1.0, 0.0, 0.75, 5.0, 7.0]))
    np.testing.assert_allclose(found[:, 0], [16, 20, 23, 40, 48], atol=1e-4)
    np.testing.assert_allclose(found[:, 1], 3.0, atol=1e-5)


def test_from_the_command_line(root, tmp_path, capsys):
    words = ["eval", "agent=constant_velocity", "bench=hugsim", f"data.root={root}", "limit=1",
             f"run.dir={tmp_path / 'run'}", "workers=1", "report=none"]  # fmt: skip
    assert main(words) == 0
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert (summary["metric"], summary["n_done"], summary["data"]) == ("hugsim_hd_v1", 1, "partial")
    assert 0.9 < summary["score"] < 1.0
    assert "hugsim_hd_v1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([0, 1, 2], r"plan_list\[0\]: expected \[right, ahead"),
        ([0, 10, 0, "left", 1, made.CAR, "IDM", {}], r"plan_list\[0\].*expected 5 numbers"),
        ([0, 10, 0, 0, 1, made.CAR, "IDMM", {}], "unknown planner 'IDMM'; did you mean 'IDM'"),
        ([0, 10, 0, 0, 1, "none", "IDM", {}], r"none/wlh\.json: cannot be read .*bench\.vehicles="),
        ([0, 10, 0, 0, 1, "../x", "IDM", {}], r"names the vehicle '\.\./x'"),
        ([0, 10, 0, 0, 1, "/etc", "IDM", {}], "names the vehicle '/etc'"),
        ([0, 10, 0, 0, 1, made.CAR, "IDM", {"v0": "fast"}], "v0: is 'fast'; expected a number"),
        ([0, 10, 0, 0, 1, made.CAR, "IDM", 7], "expected a mapping"),
        ([0, 10, 0, 0, 1, made.CAR, "UnicyclePlanner", {"uc_id": 99}], r"unicycle_99\.pth.*cannot"),
        ([0, 10, 0, 0, 1, made.CAR, "UnicyclePlanner", {"uc_id": "/../x"}], "expected the number"),
        ([0, 10, 0, 0, 1, made.CAR, "UnicyclePlanner", {"uc_id": 7, "speed": 0}], "a pace above 0"),
    ],
)  # fmt: skip
def test_rows_that_cannot_be(root, row, message):
    file = made.write_scenario(root, "scene-0001", "bad_00", [row])
    try:
        with pytest.raises(DataError, match=message):
            HugsimBench(root=str(root)).source().load("scene-0001-bad_00")
    finally:
        file.unlink()


class Call:
    def __reduce__(self):
        return os.system, ("true",)


@pytest.mark.parametrize(
    ("held", "message"),
    [
        (7, "expected camera poses"),
        ((np.eye(4), 1.5, []), r"camera poses: of shape \(4, 4\)"),
        ((np.zeros((5, 4, 4)), 1.5, []), "camera pose 0: expected rigid motions"),
        ((np.full((5, 4, 4), np.nan), 1.5, []), "camera poses: expected finite numbers"),
        ((np.tile(np.eye(4), (5, 1, 1)), -1.0, []), r"height: -1\.0; expected metres"),
        ((np.tile(np.eye(4), (5, 1, 1)), "high", []), "height: expected numbers"),
        ((np.tile(np.eye(4), (5, 1, 1)), 1.5, Call()), r"posix\.system, which is not on the"),
    ],
)
def test_grounds_that_cannot_be(tmp_path, held, message):
    (tmp_path / "ground_param.pkl").write_bytes(pickle.dumps(held, protocol=4))
    with pytest.raises(DataError, match=message):
        read_way(tmp_path / "ground_param.pkl")
    assert issubclass(UnsafePickleError, DataError)


def test_folders_that_cannot_be(tmp_path, root, capsys):
    for options, message in (
        ({}, r"bench=hugsim needs data\.root=DIR"),
        ({"root": str(tmp_path / "none")}, "no such folder"),
        ({"root": str(tmp_path)}, "no scenario"),
        ({"root": str(root), "rig": "nuscens"}, "nuscens"),
        ({"root": str(root), "sensors": "maybe"}, "sensors=maybe"),
    ):
        with pytest.raises(ConfigError, match=message):
            HugsimBench(**options).source()
    made.write_scenario(tmp_path, "scene-0009", "easy_00", [])
    with pytest.raises(DataError, match="plays in the scene 'scene-0009'; no folder"):
        HugsimBench(root=str(tmp_path)).source()
    assert main(["eval", "agent=constant_velocity", "bench=hugsim"]) == 2
    assert "needs data.root=DIR" in capsys.readouterr().err


def test_two_scenarios_of_one_name(root):
    file = made.write_scenario(root, "scene-0001", "easy_00", [])
    twin = file.with_name("twin.yaml")
    twin.write_bytes(file.read_bytes())
    try:
        with pytest.raises(ConfigError, match="are both scene-0001-easy_00"):
            HugsimBench(root=str(root)).source()
    finally:
        twin.unlink()
