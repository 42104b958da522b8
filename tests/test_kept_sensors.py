from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from drivelab.data.array_store import ArrayStore
from drivelab.data.labmini import LabminiSource
from drivelab.errors import ConfigError, RunError
from drivelab.evaluation.benches.navsim import NavsimBench
from drivelab.evaluation.benches.rendered import turned_on
from drivelab.sim.sensors.kept import KIND, bytes_of_moment, kept_sensors
from drivelab.sim.sensors.rendered import rendered, stage_of_scene
from drivelab.sim.sensors.rendering import WEATHERS, Rendering
from drivelab.sim.sensors.rig import load_rig
from drivelab.types import SensorRig

SEEING = Rendering(rig="labmini_mini", scale=0.25)
SCENE = LabminiSource().load(LabminiSource().scene_ids()[0])
ORIGIN = {"labmini": "1"}


@pytest.fixture
def store(tmp_path: Path) -> ArrayStore:
    return ArrayStore(tmp_path, kind=KIND)


def kept(store: ArrayStore, *, scene=SCENE, rendering=SEEING, origin=ORIGIN):
    return kept_sensors(scene, rendering, origin, store)


def files(store: ArrayStore) -> int:
    return len(list(store.folder.rglob("*.npz")))


def test_pictures_and_echoes_are_those_of_the_stage_and_come_back(store: ArrayStore):
    drawn = rendered(SCENE, stage_of_scene(SCENE, SEEING))
    for turn in range(2):
        sensors = kept(store)
        assert sensors.cameras == drawn.cameras
        assert sensors.has_lidar
        seen, expected = sensors.camera("CAM_F0", SCENE.now), drawn.camera("CAM_F0", SCENE.now)
        np.testing.assert_array_equal(seen.image, expected.image)
        np.testing.assert_array_equal(seen.intrinsic, expected.intrinsic)
        np.testing.assert_array_equal(sensors.lidar(SCENE.now), drawn.lidar(SCENE.now))
        assert files(store) == 2
        assert (sensors._drawn is None) == (turn == 1)  # the second time nothing is drawn


def test_what_decides_a_picture_decides_where_it_lies(store: ArrayStore):
    kept(store).camera("CAM_F0", SCENE.now)
    for other in (
        kept(store, rendering=replace(SEEING, weather=WEATHERS["night"])),
        kept(store, rendering=replace(SEEING, scale=0.125)),
        kept(store, origin={"labmini": "2"}),
        kept(store, scene=replace(SCENE, id="another")),
    ):
        before = files(store)
        other.camera("CAM_F0", SCENE.now)
        assert files(store) == before + 1
    kept(store).camera("CAM_F0", SCENE.now - 1)
    kept(store).camera("CAM_L0", SCENE.now)
    assert files(store) == 7


def test_a_torn_file_is_drawn_again(store: ArrayStore):
    first = kept(store).camera("CAM_F0", SCENE.now).image
    (file,) = store.folder.rglob("*.npz")
    file.write_bytes(file.read_bytes()[:100])
    np.testing.assert_array_equal(kept(store).camera("CAM_F0", SCENE.now).image, first)


def test_a_full_disk_costs_a_warning_and_nothing_else(
    store: ArrayStore, monkeypatch: pytest.MonkeyPatch
):
    def full(*_: object) -> int:
        raise RunError("the disk is full")

    monkeypatch.setattr(ArrayStore, "write", full)
    sensors = kept(store)
    with pytest.warns(UserWarning, match="pictures are not kept: the disk is full"):
        assert sensors.camera("CAM_F0", SCENE.now).image.any()
    assert sensors.camera("CAM_R0", SCENE.now).image.any()


def test_only_small_rigs_are_kept_unless_one_asks():
    small, large = load_rig("labmini_mini"), load_rig("navsim_nominal")
    assert bytes_of_moment(small) == 3 * 3 * 480 * 270
    assert NavsimBench().keeps(small)
    assert not NavsimBench().keeps(large)
    assert NavsimBench(keep="on").keeps(large)
    assert not NavsimBench(keep="off").keeps(small)
    with pytest.raises(ConfigError, match=r"keep=yes: expected one of auto, on, off"):
        NavsimBench(keep="yes")


class Seeing:
    rig = SensorRig(cameras=("CAM_F0",))
    rendered_rig = "labmini_mini"


class Blind:
    rig = SensorRig()


def test_an_agent_gets_the_rig_it_was_trained_with():
    auto = {"sensors": "auto", "rig": "auto"}
    assert turned_on(auto, Seeing()) == {"sensors": "on", "rig": "labmini_mini"}
    assert turned_on({"sensors": "auto", "rig": "rad"}, Seeing()) == {"sensors": "on", "rig": "rad"}
    assert turned_on({"sensors": "off", "rig": "auto"}, Seeing()) is None
    assert turned_on(auto, Blind()) is None
    assert "rendered (navsim_nominal, day)" in NavsimBench(sensors="on").source().label


def test_generated_splits_are_chosen_among_embedded_data_only():
    bench = NavsimBench(data="embedded", split="test")
    assert len(bench.source().scene_ids()) == 1000
    assert bench.split_name(bench.source()) == "labmini-test"
    with pytest.raises(ConfigError, match=r"split=test: .* test is generated, add data=embedded"):
        NavsimBench(split="test")
