"""Scenes without sensors of their own get rendered ones: benches, closed loops, reports, faults."""

import json
from dataclasses import dataclass, replace
from typing import get_args

import numpy as np
import pytest

from drivelab.cli import main
from drivelab.data.observation import build_observation
from drivelab.errors import ConfigError
from drivelab.evaluation.benches.navsim import NavsimBench
from drivelab.evaluation.benches.rad import RadBench
from drivelab.evaluation.benches.scenarios import ScenariosBench
from drivelab.evaluation.closed_loop import drive
from drivelab.sim.scenario.surroundings import WeatherName
from drivelab.sim.sensors.episode_weather import weather_of
from drivelab.sim.sensors.rendered import rendered, stage_of_episode, stage_of_scene
from drivelab.sim.sensors.rendering import Rendering
from drivelab.sim.splats.labels import NUMBER
from drivelab.types import CameraFrame, Plan, SensorRig

CLIP = "test-0003-lane_drop"


@pytest.fixture(scope="module")
def source():
    return RadBench(sensors="on", scale=0.5).source()


@pytest.fixture(scope="module")
def episode(source):
    return source.load(CLIP)


class Looker:
    """Drives straight on and keeps what it saw."""

    rig = SensorRig(cameras=("CAM_FRONT", "CAM_BACK"), lidar=True, sensor_frames=2)

    def __init__(self):
        self.seen = []

    def act(self, observations):
        self.seen += observations
        ahead = np.arange(1, 9)[:, None] * [[4.0, 0.0, 0.0]]
        return [Plan(ahead) for _ in observations]


@pytest.fixture(scope="module")
def looked(episode):
    agent = Looker()
    rollout = drive(replace(episode, duration=1.0), agent)
    return agent.seen, rollout


def test_an_agent_sees_pictures_and_sweeps_at_every_step(looked):
    seen, rollout = looked
    assert len(seen) == len(rollout.times) - 1 == 10
    for observation in seen:
        assert list(observation.images) == ["CAM_FRONT", "CAM_BACK"]
        for frames in observation.images.values():
            assert [frame.image.shape for frame in frames] == [(128, 224, 3)] * 2
            assert all(isinstance(frame, CameraFrame) for frame in frames)
        assert len(observation.lidar) == 2
        assert observation.lidar[-1].shape[1] == 6
        assert len(observation.lidar[-1]) > 10_000


def test_pictures_change_as_the_ego_drives_and_repeat_with_the_drive(episode, looked):
    seen, _ = looked
    first, last = (seen[k].images["CAM_FRONT"][-1].image.astype(float) for k in (0, -1))
    assert np.abs(first - last).mean() > 3.0
    agent = Looker()
    drive(replace(episode, duration=0.3), agent)
    for ours, theirs in zip(agent.seen, seen[:3], strict=True):
        for name, frames in ours.images.items():
            np.testing.assert_array_equal(frames[-1].image, theirs.images[name][-1].image)
        np.testing.assert_array_equal(ours.lidar[-1], theirs.lidar[-1])


def test_what_is_ahead_on_the_map_is_ahead_in_the_picture(episode):
    """The nearest vehicle ahead: where its box projects to, the labels say vehicle."""
    from drivelab.sim.world.native import NativeWorld
    from drivelab.sim.world.recorder import Recorder
    from drivelab.sim.world.view import SceneView

    recorder = Recorder(NativeWorld([episode]), 0)
    recorder.record()
    scene = SceneView(recorder).scene()
    shot = scene.sensors.shot(scene.now)
    labels = shot.targets("CAM_FRONT").labels[0]
    spec = shot.stage.rig.camera("CAM_FRONT")
    tracks, ego = scene.tracks, scene.ego.poses[scene.now]
    found = 0
    for n in np.flatnonzero(tracks.valid[scene.now]):
        if tracks.kinds[n] != "vehicle":
            continue
        off = tracks.poses[scene.now, n, :2] - ego[:2]
        cos, sin = np.cos(ego[2]), np.sin(ego[2])
        middle = np.array([cos * off[0] + sin * off[1], cos * off[1] - sin * off[0], 0.7])
        there = spec.ego_from_cam_rotation.T @ (middle - spec.ego_from_cam_translation)
        u, v, z = spec.intrinsic @ there
        if not 5 < z < 50 or not (0 < u / z < spec.width and 0 < v / z < spec.height):
            continue
        found += labels[int(v / z), int(u / z)] == NUMBER["vehicle"]
    assert found >= 1


def test_faults_of_a_scenario_reach_the_agent(episode):
    faults = (
        {"fault": "black", "camera": "CAM_FRONT", "start": 0.2},
        {"fault": "noisy_status", "speed": 2.0, "start": 0.2},
    )
    names = {fault["fault"] for fault in faults}
    agent = Looker()
    broken = replace(episode, duration=0.4, info={"sensor_faults": faults})
    drive(broken, agent)
    black = [not observation.images["CAM_FRONT"][-1].image.any() for observation in agent.seen]
    assert black == [False, False, True, True], names
    assert all(observation.images["CAM_BACK"][-1].image.any() for observation in agent.seen)
    speeds = np.array([observation.ego_velocities[-1, 0] for observation in agent.seen])
    assert abs(speeds[0] - episode.ego_speed) < 1e-9
    assert abs(speeds[2] - speeds[1]) > 0.2


def test_a_scenarios_weather_goes_before_the_benchs(episode):
    info = {**episode.info, "weather": {"rain": 0.4, "snow": 1.0}, "time_of_day": 21.5}
    said = replace(episode, info=info)
    weather = stage_of_episode(said, episode.rendering).rendering.weather
    assert (weather.time, weather.rain, weather.fog) == ("night", 0.4, 0.0)
    assert stage_of_episode(episode, episode.rendering).rendering.weather.time == "day"
    for word in get_args(WeatherName):
        assert weather_of({"weather": word, "time_of_day": "dawn"}).time == "dusk"


def test_lights_are_green_unless_they_are_red(source):
    episode = source.load("test-0004-four_way")
    stage = stage_of_episode(episode, episode.rendering)
    lit = [lane.id for lane in episode.map.lanes.values() if lane.has_traffic_lights]
    assert len(lit) >= 8
    shown = stage.signals(lit[:3], lit[3:4])
    assert [shown[lane] for lane in lit[:5]] == ["red"] * 3 + ["yellow", "green"]


def test_open_loop_scenes_of_labmini_have_the_nominal_rig():
    source = NavsimBench(data="embedded", sensors="on", scale=0.1).source()
    assert "sensors rendered (navsim_nominal, day)" in source.label
    scene = source.load(source.scene_ids()[0])
    assert set(scene.sensors.cameras) == {
        "CAM_F0", "CAM_L0", "CAM_L1", "CAM_L2", "CAM_R0", "CAM_R1", "CAM_R2", "CAM_B0",
    }  # fmt: skip
    observation = build_observation(scene, SensorRig(cameras=("CAM_F0",), lidar=True))
    (frame,) = observation.images["CAM_F0"]
    assert frame.image.shape == (108, 192, 3)
    assert frame.distortion.any()
    assert len(observation.lidar[0]) > 10_000


def test_recorded_sensors_win():
    source = NavsimBench(data="embedded", sensors="on", scale=0.1, keep="off").source()
    scene = source.source.load(source.scene_ids()[0])
    own = rendered(scene, stage_of_scene(scene, Rendering()))

    class LidarAlone:
        cameras, has_lidar = (), True

    @dataclass
    class Recorded:
        sensors: object
        label, data, licence = "own", "real", ""

        def load(self, scene_id):
            return replace(scene, sensors=self.sensors)

        def provenance(self):
            return {}

    assert replace(source, source=Recorded(own)).load("any").sensors is own
    filled = replace(source, source=Recorded(LidarAlone())).load("any").sensors
    assert "CAM_F0" in filled.cameras
    assert filled.has_lidar


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"sensors": "maybe"}, "sensors=maybe: expected one of auto, on, off"),
        ({"weather": "nigth"}, "night"),
        ({"scale": 0.0}, "scale=0.0"),
    ],
)
def test_options_that_mean_nothing_are_refused(options, told):
    with pytest.raises(ConfigError, match=told):
        RadBench(**options)


def test_a_rig_that_is_not_there_is_told_before_the_first_scene(capsys, tmp_path):
    words = ["eval", "agent=pdm_closed", "bench=rad", "sensors=on", "rig=nuscnes", "limit=1"]
    assert main([*words, f"run.dir={tmp_path / 'run'}"]) == 2
    assert "nuscenes" in capsys.readouterr().err


def test_the_report_shows_what_the_camera_saw(tmp_path, capsys):
    run = tmp_path / "run"
    words = ["eval", "agent=pdm_closed", "bench=rad", "sensors=on", f"scenes=[{CLIP}]"]
    assert main([*words, f"run.dir={run}", "quiet=true"]) in (0, 3)
    page = (run / "report.html").read_text()
    assert page.count('<img class="camera" alt="rendered CAM_FRONT"') == 1
    assert "sensors rendered (rad, day)" in page


def test_sensors_turn_on_by_themselves_where_an_agent_asks(tmp_path, capsys):
    agent = "agent=looker_agent:Front"
    (tmp_path / "looker_agent.py").write_text(
        "import numpy as np\n"
        "from drivelab.types import Plan, SensorRig\n\n\n"
        "class Front:\n"
        "    rig = SensorRig(cameras=('CAM_F0',))\n\n"
        "    def act(self, observations):\n"
        "        bright = [o.images['CAM_F0'][0].image.mean() for o in observations]\n"
        "        return [Plan(np.zeros((8, 3)), notes={'bright': b}) for b in bright]\n"
    )
    run = tmp_path / "run"
    import os
    import sys

    before = os.getcwd()
    os.chdir(tmp_path)
    sys.path.insert(0, str(tmp_path))
    try:
        words = ["eval", agent, "bench=navsim", "data=embedded", "bench.scale=0.1", "limit=2"]
        code = main([*words, f"run.dir={run}", "quiet=true"])
    finally:
        os.chdir(before)
        sys.path.remove(str(tmp_path))
    assert code in (0, 3), capsys.readouterr().err
    assert "sensors: 'on'" in (run / "config.yaml").read_text()
    rows = [json.loads(line) for line in (run / "rows.jsonl").read_text().splitlines()]
    assert [row["status"] for row in rows] == ["ok", "ok"]


def test_of_a_long_street_only_what_is_near_is_drawn(episode, monkeypatch):
    import drivelab.sim.sensors.stage as module

    stage = stage_of_episode(episode, episode.rendering)
    whole = stage.around(np.zeros(2))
    assert whole is stage.scene
    monkeypatch.setattr(module, "SHORT", 1000)
    monkeypatch.setattr(module, "SIGHT", 30.0)
    part = stage.around(np.zeros(2))
    assert 0 < len(part.static) < len(whole.static)
    assert np.hypot(*part.static.gaussians.means[:, :2].T).max() <= 50.001
    assert stage.around(np.array([0.0, 19.0])) is part
    moved = stage.around(np.array([0.0, 21.0]))
    assert moved is not part
    assert np.hypot(*(moved.static.gaussians.means[:, :2] - [0, 21]).T).max() <= 50.001


def test_scenarios_are_seen_too():
    source = ScenariosBench(sensors="on", family="daily", seeds=1).source()
    assert "sensors rendered (rad, day)" in source.label
    assert source.load(source.scene_ids()[0]).rendering.rig == "rad"
