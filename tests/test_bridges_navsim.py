"""The navsim bridge against a stand-in of navsim's interface and the official readings."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from drivelab.bridges.navsim import NavsimAgent
from drivelab.bridges.navsim.inputs import (
    CAMERAS,
    agent_input_from,
    observation_from,
    rig_from,
    sensor_config_from,
)
from drivelab.bridges.navsim.interface import Interface, MissingNavsim, load_interface
from drivelab.cli import main
from drivelab.data.labmini import LabminiSource
from drivelab.data.navsim.source import NavsimSource
from drivelab.data.observation import build_observation
from drivelab.data.run_rows import read_rows
from drivelab.errors import ConfigError, DataError, PlanError
from drivelab.registry import build
from drivelab.types import Observation, Plan, Privilege, SensorRig

STAND_IN = Path(__file__).parent / "stand_ins" / "navsim_interface"
ROOT = Path(os.environ.get("DRIVELAB_GOLDEN", Path(__file__).parent / "golden")) / "nuplan_format"
OFFICIAL = json.loads((ROOT / "expected" / "navsim_expected.json").read_text())["scenes"]
FOREIGN = ("navsim", "nuplan", "stand_in_drivers", "drivelab.bridges.navsim.offered")
EVERYTHING = SensorRig(cameras=CAMERAS, lidar=True, history=4, sensor_frames=1)


class Watcher:
    """An agent of ours that keeps what it sees."""

    rig = SensorRig(cameras=("CAM_F0", "CAM_R1"), lidar=True, history=4, sensor_frames=1)

    def __init__(self) -> None:
        self.seen: list[Observation] = []

    def act(self, observations: Sequence[Observation]) -> list[Plan]:
        self.seen += observations
        fine = np.zeros((40, 3))
        fine[:, 0] = 0.1 * np.arange(1, 41)
        return [Plan(fine, 0.1) for _ in observations]


class Nan(Watcher):
    rig = SensorRig()

    def act(self, observations: Sequence[Observation]) -> list[Plan]:
        return [Plan(np.full((8, 3), np.nan)) for _ in observations]


def forget() -> None:
    for name in list(sys.modules):
        if name.startswith("navsim.") or name.startswith("nuplan.") or name in FOREIGN:
            del sys.modules[name]


@pytest.fixture(autouse=True)
def no_foreign_modules(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "path", list(sys.path))
    forget()
    yield
    forget()


@pytest.fixture
def navsim() -> Interface:
    sys.path.insert(0, str(STAND_IN))
    importlib.invalidate_caches()
    return load_interface()


@pytest.fixture(scope="module")
def source() -> NavsimSource:
    split = ROOT / "data" / "split" / "navsynth.yaml"
    return NavsimSource(ROOT / "data", ROOT / "data" / "maps", split)


def offered() -> Any:
    return importlib.import_module("drivelab.bridges.navsim").DrivelabAgent


def test_the_package_imports_nothing_of_others() -> None:
    code = (
        "import sys, drivelab.bridges.navsim\n"
        "print(sorted({'navsim', 'nuplan', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_without_navsim_one_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MissingNavsim, match="autonomousvision/navsim and motional/nuplan-devkit"):
        NavsimAgent("navsim.agents.constant_velocity_agent:ConstantVelocityAgent")
    with pytest.raises(MissingNavsim, match="which is not installed"):
        offered()
    words = ["agent=drivelab.bridges.navsim:NavsimAgent", "agent.target=a.b:C", "data=embedded"]
    assert main(["eval", *words]) == 2
    assert "this needs navsim" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"navsim/__init__.py": ""}, "the installed package navsim is not that one"),
        (
            {"navsim/__init__.py": "", "navsim/common/dataclasses.py": "import not_there"},
            "needs 'not_there', which is not installed",
        ),
        (
            {"navsim/__init__.py": "", "navsim/common/dataclasses.py": "1 / 0"},
            "cannot be imported",
        ),
    ],
)
def test_another_or_a_broken_navsim_is_told(
    files: dict[str, str], message: str, tmp_path: Path
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    sys.path.insert(0, str(tmp_path))
    importlib.invalidate_caches()
    with pytest.raises(MissingNavsim, match=message):
        load_interface()


@pytest.mark.parametrize("scene", OFFICIAL, ids=[scene["token"] for scene in OFFICIAL])
def test_agent_input_is_the_official_one(
    scene: dict[str, Any], source: NavsimSource, navsim: Interface
) -> None:
    """Frames, dtypes and layouts, held against what navsim's own reader made of these files."""
    config = sensor_config_from(EVERYTHING, navsim)
    observation = build_observation(source.load(scene["token"]), rig_from(config))
    found = agent_input_from(observation, config, navsim)
    for status, expected in zip(found.ego_statuses, scene["agent_input"], strict=True):
        for values, name in (
            (status.ego_pose, "pose"),
            (status.ego_velocity, "velocity"),
            (status.ego_acceleration, "acceleration"),
        ):
            assert values.dtype == np.float32
            np.testing.assert_allclose(values, expected[name], rtol=0, atol=1e-6)
        assert status.driving_command.tolist() == scene["driving_command"]
        assert not status.in_global_frame
    for name, expected in scene["cameras"].items():
        camera = getattr(found.cameras[3], name)
        assert (list(camera.image.shape), camera.image.dtype) == (expected["shape"], np.uint8)
        mean = camera.image.reshape(-1, 3).mean(0)
        np.testing.assert_allclose(mean, expected["mean_rgb"], rtol=0, atol=0.5)  # JPEG decoders
        assert camera.sensor2lidar_translation.tolist() == expected["sensor2lidar_translation"]
        assert camera.intrinsics[0, 0] == expected["fx"]
        assert camera.distortion.tolist() == expected["distortion"]
        assert getattr(found.cameras[2], name).image is None
    cloud = found.lidars[3].lidar_pc
    assert (list(cloud.shape), str(cloud.dtype)) == (scene["lidar"]["shape"], "float32")
    np.testing.assert_allclose(cloud[:, 0], scene["lidar"]["first_point"], rtol=0, atol=1e-4)
    assert found.lidars[2].lidar_pc is None


def test_there_and_back_is_the_same_observation(source: NavsimSource, navsim: Interface) -> None:
    config = sensor_config_from(EVERYTHING, navsim)
    given = build_observation(source.load(OFFICIAL[0]["token"]), EVERYTHING)
    found = observation_from(agent_input_from(given, config, navsim), EVERYTHING, "back")
    np.testing.assert_allclose(found.ego_poses, given.ego_poses, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(found.ego_velocities, given.ego_velocities.astype(np.float32))
    np.testing.assert_allclose(found.ego_times, [-1.5, -1.0, -0.5, 0.0])
    assert found.command == given.command
    assert set(found.images) == set(given.images)
    for name, frames in given.images.items():
        for back, frame in zip(found.images[name], frames, strict=True):
            np.testing.assert_array_equal(back.image, frame.image)
            np.testing.assert_array_equal(back.ego_from_cam_rotation, frame.ego_from_cam_rotation)
    np.testing.assert_array_equal(found.lidar[0], given.lidar[0])


@pytest.mark.parametrize(
    "command", [[0, 1, 0], [np.nan] * 4, [0, 0, 0, 0, 1], [1, 1, 0, 0], [0, 2, 0, 0]]
)
def test_a_command_that_is_none_is_told(
    command: list[float], source: NavsimSource, navsim: Interface
) -> None:
    config = sensor_config_from(EVERYTHING, navsim)
    given = build_observation(source.load(OFFICIAL[0]["token"]), EVERYTHING)
    found = agent_input_from(given, config, navsim)
    found.ego_statuses[-1].driving_command = np.array(command)
    with pytest.raises(DataError, match=r"scene-1: driving_command .*expected one-hot of left"):
        observation_from(found, EVERYTHING, "scene-1")


@pytest.mark.parametrize("options", [(), ("agent.options.slow_down=0.5",)])
def test_a_navsim_agent_drives_here(
    options: tuple[str, ...], navsim: Interface, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["data=embedded", "report=none", "quiet=true", "limit=6"]
    theirs = ["agent=drivelab.bridges.navsim:NavsimAgent", "agent.target=stand_in_drivers:Coast"]
    assert main(["eval", *theirs, *options, *words, "run.dir=theirs"]) == 0
    assert main(["eval", "agent=constant_velocity", *words, "run.dir=ours"]) == 0
    scores = [
        [row["score"] for row in read_rows(tmp_path / name / "rows.parquet")]
        for name in ("theirs", "ours")
    ]
    assert (np.allclose(*scores, atol=1e-5)) == (not options)


def test_sensors_reach_a_navsim_agent_as_it_asked(source: NavsimSource, navsim: Interface) -> None:
    agent = NavsimAgent("stand_in_drivers:Looks")
    assert agent.rig == SensorRig(("CAM_F0", "CAM_B0"), lidar=True, history=4, sensor_frames=2)
    scene = source.load(OFFICIAL[2]["token"])  # the frame before has its pictures, too
    plan = agent.act([build_observation(scene, agent.rig)])[0]
    assert (plan.poses.shape, plan.dt, agent.name()) == ((40, 3), 0.1, "coast")
    given = agent._agent.given[0]
    loaded = [
        [name for name in ("cam_f0", "cam_b0", "cam_l0") if getattr(c, name).image is not None]
        for c in given.cameras
    ]
    assert loaded == [[], [], ["cam_f0"], ["cam_f0", "cam_b0"]]
    assert [lidar.lidar_pc is not None for lidar in given.lidars] == [False] * 3 + [True]


def test_what_is_no_navsim_agent_is_refused(navsim: Interface) -> None:
    with pytest.raises(ConfigError, match="requires_scene=True"):
        NavsimAgent("stand_in_drivers:NeedsScene")
    with pytest.raises(ConfigError, match="it has no name, get_sensor_config"):
        NavsimAgent("stand_in_drivers:Strange")
    with pytest.raises(ConfigError, match="no option 'slow_dwn'"):
        NavsimAgent("stand_in_drivers:Coast", {"slow_dwn": 1})


@pytest.mark.parametrize("version", ["v1.1", "v2"])
def test_our_agent_plans_there(
    version: str, navsim: Interface, monkeypatch: pytest.MonkeyPatch
) -> None:
    if version == "v2":
        v1 = navsim.AbstractAgent

        class Newer(v1):
            def __init__(self, trajectory_sampling: Any, requires_scene: bool = False) -> None:
                super().__init__(requires_scene)
                self._trajectory_sampling = trajectory_sampling

        module = sys.modules["navsim.agents.abstract_agent"]
        monkeypatch.setattr(module, "AbstractAgent", Newer)
    agent = offered()("constant_velocity")
    assert isinstance(agent, sys.modules["navsim.agents.abstract_agent"].AbstractAgent)
    assert (agent.name(), agent.requires_scene) == ("drivelab_constant_velocity", False)
    config = agent.get_sensor_config()
    assert [config.get_sensors_at_iteration(index) for index in range(4)] == [[]] * 4
    agent.initialize()
    labmini = LabminiSource()
    observation = build_observation(labmini.load(labmini.scene_ids()[3]), SensorRig())
    found = agent.compute_trajectory(agent_input_from(observation, config, navsim))
    node = {"_target_": "drivelab.agents.constant_velocity.agent:ConstantVelocity"}
    wanted = build(node).act([observation])[0]
    assert (found.poses.dtype, found.poses.shape) == (np.float32, (8, 3))
    assert found.trajectory_sampling.interval_length == 0.5
    np.testing.assert_allclose(found.poses, wanted.poses, rtol=0, atol=1e-5)


def test_our_agent_sees_what_its_rig_asks_for(source: NavsimSource, navsim: Interface) -> None:
    agent = offered()("constant_velocity")
    agent._agent = watcher = Watcher()
    config = agent.get_sensor_config()
    assert config.get_sensors_at_iteration(2) == []
    assert config.get_sensors_at_iteration(3) == ["cam_f0", "cam_r1", "lidar_pc"]
    given = build_observation(source.load(OFFICIAL[0]["token"]), EVERYTHING)
    agent_input = agent_input_from(given, sensor_config_from(EVERYTHING, navsim), navsim)
    found = agent.compute_trajectory(agent_input)
    np.testing.assert_allclose(found.poses[:, 0], np.arange(1, 9) * 0.5, rtol=1e-6)
    seen = watcher.seen[0]
    assert list(seen.images) == ["CAM_F0", "CAM_R1"]
    assert (len(seen.lidar), seen.lidar[0].shape[1]) == (1, 6)
    agent_input.cameras[-1].cam_f0.image = None
    with pytest.raises(DataError, match="camera CAM_F0 was not loaded"):
        agent.compute_trajectory(agent_input)


def test_plans_that_navsim_cannot_take_are_refused(navsim: Interface) -> None:
    agent = offered()("constant_velocity")
    agent._agent = Nan()
    labmini = LabminiSource()
    observation = build_observation(labmini.load(labmini.scene_ids()[0]), SensorRig())
    given = agent_input_from(observation, agent.get_sensor_config(), navsim)
    with pytest.raises(DataError, match="NaN"):
        agent.compute_trajectory(given)
    agent._agent.act = lambda observations: []
    with pytest.raises(PlanError, match="one observation with one Plan"):
        agent.compute_trajectory(given)


@pytest.mark.parametrize(
    ("rig", "message"),
    [
        (SensorRig(privilege=Privilege.STATE), "privilege=state"),
        (SensorRig(cameras=("CAM_FRONT",)), "camera 'CAM_FRONT'; navsim has CAM_F0"),
        (SensorRig(history=5), "history=5; navsim has 4"),
        (SensorRig(sensor_frames=9), "sensor_frames=9"),
    ],
)
def test_rigs_that_navsim_cannot_serve_are_told(
    rig: SensorRig, message: str, navsim: Interface
) -> None:
    with pytest.raises(ConfigError, match=message):
        sensor_config_from(rig, navsim)


def test_names_and_samplings_that_are_not_there_are_told(navsim: Interface) -> None:
    with pytest.raises(ConfigError, match="did you mean 'constant_velocity'"):
        offered()("constant_velocty")
    with pytest.raises(ConfigError, match=r"expected 8 every 0\.5 s"):
        offered()("constant_velocity", trajectory_sampling=SimpleNamespace(
            num_poses=30, interval_length=0.1
        ))  # fmt: skip
