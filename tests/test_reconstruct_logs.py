"""Recorded logs with pictures become captures: where things are, what they look like, who moves."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pyarrow.feather as feather
import pytest
from av2_files import change
from nuscenes_frame import landed, real_frame
from PIL import Image
from reconstruct_logs import (
    AV2_NAMES,
    CAMERAS,
    PLACE,
    SHOWN,
    drive,
    pose_of,
    write_av2,
    write_nuscenes,
    write_real_frame,
)

from drivelab.cli import main
from drivelab.data.av2 import cameras as av2
from drivelab.data.navsim import cameras as navsim
from drivelab.data.navsim.log import NavsimLog
from drivelab.data.nuscenes import cameras as nuscenes
from drivelab.errors import ConfigError, DataError
from drivelab.sim.splats.files import load_scene
from drivelab.training.reconstruction.logs import LogOptions, log_capture
from drivelab.training.reconstruction.views import split

pytestmark = pytest.mark.nn
FORMATS = ("av2", "nuscenes")
OPTIONS = LogOptions(width=224, hold_out=3, points=20_000)
GOLDEN = Path(os.environ.get("DRIVELAB_GOLDEN", Path(__file__).parent / "golden"))


@pytest.fixture(scope="module")
def seen():
    return drive()


@pytest.fixture(scope="module")
def folders(seen, tmp_path_factory):
    root = tmp_path_factory.mktemp("logs")
    return {"av2": write_av2(root / "av2", seen), "nuscenes": write_nuscenes(root / "nus", seen)}


def read(kind, folder):
    return (av2 if kind == "av2" else nuscenes).read_camera_log(folder)


@pytest.fixture(scope="module")
def captures(folders):
    return {kind: log_capture(read(kind, folders[kind]), OPTIONS) for kind in FORMATS}


def every_view():
    return [(n, name) for n in SHOWN for name in CAMERAS]


@pytest.mark.parametrize("kind", FORMATS)
def test_pictures_have_the_poses_of_their_own_time(kind, seen, captures):
    """Argoverse's poses are known 0.1 s before and after each picture only."""
    capture = captures[kind]
    for view, (n, name) in enumerate(every_view()):
        found = capture.map_from_scene @ np.linalg.inv(capture.views.cameras.views[view])
        true = seen.ego[n] @ pose_of(seen.frames[n][name])
        np.testing.assert_allclose(found[:3, 3], true[:3, 3], atol=0.02)
        np.testing.assert_allclose(found[:3, :3], true[:3, :3], atol=1e-3)
    assert abs(capture.map_from_scene[2, 3] - PLACE[2]) < 0.05  # the ground is at height 0
    assert [round(time, 6) for time in capture.times[::3]] == [0, 0.6, 1.2, 1.8, 2.4, 3.0]


@pytest.mark.parametrize("kind", FORMATS)
def test_things_are_where_the_pictures_show_them(kind, seen, captures):
    """Lidar points have the colour of the original picture where its own camera sees them."""
    views = captures[kind].views
    for view, (n, name) in enumerate(every_view()):
        rows, columns = np.nonzero(views.depths[view])
        depth = views.depths[view][rows, columns]
        assert len(depth) > 150
        rays = np.stack([columns + 0.5, rows + 0.5, np.ones(len(depth))])
        there = (np.linalg.inv(views.cameras.intrinsics[view]) @ rays * depth).T
        frame = seen.frames[n][name]
        x, y = ((there @ frame.intrinsic.T)[:, :2] / there[:, 2:]).astype(int).T
        taken, found = frame.image[y, x] / 255.0, views.images[view][rows, columns]
        assert np.abs(taken - found).mean() < 0.06
        true = seen.depths[n, name][y, x]
        known = np.isfinite(true) & (true > 0)  # no Gaussian, no depth
        coarse = max(1.0, 224 / views.images.shape[2])  # lidar's nearest point stands for a pixel
        assert np.median(np.abs(true - depth)[known] / true[known]) < 0.04 * coarse


@pytest.mark.parametrize("kind", FORMATS)
def test_points_have_the_colours_of_the_street(kind, captures):
    capture = captures[kind]
    views, (learned, _) = capture.views, split(capture.views, OPTIONS.hold_out)
    grey = (capture.colours == 0.5).all(1)
    assert 0.05 < grey.mean() < 0.8  # three cameras do not see all around
    off = []
    for view in learned.tolist():
        eye = capture.points @ views.cameras.views[view][:3, :3].T
        eye += views.cameras.views[view][:3, 3]
        pixels = eye @ views.cameras.intrinsics[view].T
        at = pixels[:, :2] / np.maximum(pixels[:, 2:], 1e-3)
        high, wide = views.images.shape[1:3]
        shown = (eye[:, 2] > 1) & ((at >= 0) & (at < (wide, high))).all(1) & ~grey
        x, y = at[shown].astype(int).T
        off.append(np.abs(views.images[view][y, x] - capture.colours[shown]).mean(1))
    assert np.median(np.concatenate(off)) < 0.06


@pytest.mark.parametrize("kind", FORMATS)
def test_road_users_move_in_their_boxes(kind, seen, captures):
    capture = captures[kind]
    assert {"vehicle-00", "vehicle-01"} <= {track.id for track in capture.tracks}
    scene_from_map = np.linalg.inv(capture.map_from_scene)
    for number, track in enumerate(capture.tracks):
        k = seen.ids.index(track.id)
        np.testing.assert_allclose(track.size, seen.sizes[k])
        assert (np.abs(track.points[:, :2]) < seen.sizes[k, :2] / 2 + 0.3).all()
        for view, (n, _) in enumerate(every_view()):
            if capture.views.nodes.valid[number, view]:
                true = scene_from_map @ seen.boxes[n, k]
                true[2, 3] -= seen.sizes[k, 2] / 2
                np.testing.assert_allclose(capture.views.nodes.poses[number, view], true, atol=0.05)
    away = np.ptp(capture.views.nodes.poses[:, :, 0, 3], axis=1)
    assert away.max() > 5.0


def test_held_out_are_all_cameras_of_a_moment_and_none_of_their_colours(folders, tmp_path):
    root = shutil.copytree(folders["nuscenes"], tmp_path / "white")
    whole = log_capture(nuscenes.read_camera_log(root), OPTIONS)
    _, held = split(whole.views, OPTIONS.hold_out)
    assert held.tolist() == [0, 1, 2, 9, 10, 11]
    assert whole.views.groups[held].tolist() == [0, 1, 2] * 2
    for name in CAMERAS:
        files = sorted((root / "samples" / name).iterdir())
        for file in (files[0], files[3]):
            Image.new("RGB", (224, 126), "white").save(file)
    white = log_capture(nuscenes.read_camera_log(root), OPTIONS)
    assert white.views.images[held].min() > 0.99
    np.testing.assert_array_equal(white.colours, whole.colours)
    np.testing.assert_array_equal(white.tracks[0].colours, whole.tracks[0].colours)


@pytest.mark.parametrize("kind", FORMATS)
def test_the_verb_learns_from_logs(kind, folders, tmp_path):
    place = folders[kind] if kind == "av2" else f"{folders[kind]}:scene-0001"
    words = ["reconstruct", f"source={kind}:{place}", f"out={tmp_path}", "steps=18", "hold_out=3",
             "look_every=6", "save_every=6", "rates.sh_first=0.02", "points=3000",
             "photos.width=64", "texels=8",
             "density.first=1", "density.last=3", "density.every=2", "degree=0",
             "log.frames=4", "threads=1"]  # fmt: skip
    assert main(words) == 0
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert (summary["views"], summary["held_out"]) == (12, 6)
    assert "CC BY-NC-SA" in summary["licence"]
    scene = load_scene(tmp_path / "scene.splats.safetensors")
    driven = [np.ptp(actor.poses[actor.valid, 0, 3]) for actor in scene.actors.values()]
    assert max(driven) > 5.0
    losses = [json.loads(row)["loss"] for row in (tmp_path / "progress.jsonl").open()]
    assert losses[0] > losses[1] > losses[2]  # of the same six views, turn by turn


def test_argoverse_takes_the_shape_of_the_widest_and_no_distortion(captures, folders):
    views = captures["av2"].views
    assert views.images.shape == (18, 53, 94, 3)  # as wide as the portrait, cut to landscape
    log = read("av2", folders["av2"])
    assert list(log.pictures) == list(AV2_NAMES)
    front = log.pictures["ring_front_center"][0].lens
    assert front.height > front.width
    assert not front.distortion.any()
    np.testing.assert_allclose(views.cameras.intrinsics[0, 0, 0], front.intrinsic[0, 0])


def test_parts_of_a_log_are_chosen(folders):
    log = nuscenes.read_camera_log(folders["nuscenes"], None, ("CAM_BACK",))
    capture = log_capture(log, LogOptions(width=32, begin=0.5, seconds=1.5, frames=9))
    assert len(capture.views) == 3  # at 0.6, 1.2 and 1.8 s
    assert np.ptp(capture.times) == pytest.approx(1.2)
    with pytest.raises(ConfigError, match=r"the log shows 3\.0 s"):
        log_capture(log, LogOptions(begin=9.0))
    with pytest.raises(ConfigError, match="shows 1 moment here, which is held out"):
        log_capture(log, LogOptions(width=32, frames=1))


def without(*parts):
    return lambda folder: [
        shutil.rmtree(folder / part) if (folder / part).is_dir() else (folder / part).unlink()
        for part in parts
    ]


def spoilt(name, **columns):
    return lambda folder: change(folder / name, **columns)


def broken_picture(folder):
    file = sorted(folder.rglob("*.jpg"))[3]
    file.write_bytes(file.read_bytes()[:900])


def one_camera_less(folder):
    file = folder / "calibration" / "intrinsics.feather"
    feather.write_feather(feather.read_table(file, memory_map=False).slice(1), file)


def table_row(name, **values):
    def edit(root):
        file = root / "v1.0-mini" / f"{name}.json"
        rows = json.loads(file.read_text())
        rows[0] |= values
        file.write_text(json.dumps(rows))

    return edit


@pytest.mark.parametrize(
    ("kind", "spoil", "words", "told"),
    [
        ("av2", without("sensors/cameras"), (), "holds no picture of any camera"),
        ("av2", without("sensors/lidar"), (), "fetch the log's lidar files"),
        ("av2", without("calibration"), (), "fetch the log's calibration folder"),
        ("av2", one_camera_less, (), "0 rows of the camera ring_front_center"),
        ("av2", without("city_SE3_egovehicle.feather"), (), "sensor log has this file"),
        ("av2", broken_picture, (), "is no picture that can be read"),
        ("av2", without(), ("log.cameras=ring_front",), "did you mean 'ring_front_"),
        ("av2", without(), ("log.frames=0",), "log.frames=0: expected"),
        ("av2", without(), ("log.begin=-1",), "log.begin=-1: expected seconds"),
        ("nuscenes", without("samples/LIDAR_TOP"), (), "fetch the log's lidar files"),
        ("nuscenes", without(*(f"samples/{name}" for name in CAMERAS)), (), "holds no picture"),
        ("nuscenes", without(), ("log.cameras=CAM_SIDE",), "has no pictures of 'CAM_SIDE'"),
        ("nuscenes", broken_picture, (), "is no picture that can be read"),
        ("nuscenes", table_row("sample_data", filename="../x.jpg"), (), "leaves the sensor folder"),
        ("nuscenes", table_row("ego_pose", rotation=[2, 0, 0, 0]), (), "not of unit length"),
        ("nuscenes", table_row("calibrated_sensor", camera_intrinsic=[]), (), "3 x 3 numbers"),
        ("nuscenes", without("v1.0-mini/sensor.json"), (), "sensor.json: cannot be read"),
    ],
)  # fmt: skip
def test_what_is_missing_is_told(kind, spoil, words, told, folders, tmp_path, capsys):
    folder = shutil.copytree(folders[kind], tmp_path / "log")
    spoil(folder)
    words = ["reconstruct", f"source={kind}:{folder}", f"out={tmp_path / 'run'}",
             "photos.width=32", *words]  # fmt: skip
    assert main(words) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert told in said
    assert not (tmp_path / "run").exists()


def test_scenes_are_told_when_the_name_is_wrong(folders):
    with pytest.raises(ConfigError, match="no scene 'scene-0002'; did you mean 'scene-0001'"):
        nuscenes.read_camera_log(folders["nuscenes"], "scene-0002")
    with pytest.raises(DataError, match=r"expected exactly one folder v1\.0-\*"):
        nuscenes.read_camera_log(folders["av2"])
    with pytest.raises(DataError, match="no such folder"):
        av2.read_camera_log(folders["av2"] / "nowhere")


@pytest.mark.data
def test_the_real_frame_is_read(tmp_path):
    """Six views of one moment; the cloud lands in them as the frame's own file says."""
    frame = real_frame()
    log = nuscenes.read_camera_log(write_real_frame(tmp_path, frame))
    assert set(log.pictures) == set(frame.cameras)
    (sweep,) = log.sweeps
    assert len(sweep.read()) == 34_688
    for name, (picture,) in log.pictures.items():
        cam_from_ego = np.linalg.inv(picture.map_from_cam) @ sweep.map_from_ego
        count = len(landed(sweep.read(), cam_from_ego, picture.lens.intrinsic))
        said = frame.cameras[name]
        wanted = len(landed(frame.cloud[:, :3], said.cam_from_lidar, said.intrinsic))
        assert abs(count - wanted) <= 2
    capture = log_capture(log, LogOptions(width=224, hold_out=0))
    capture.check()
    assert capture.views.images.shape == (6, 126, 224, 3)
    assert abs(capture.map_from_scene[2, 3] - PLACE[2]) < 0.1
    assert (capture.views.depths > 0).sum((1, 2)).min() > 900


def test_navsim_logs_are_read(tmp_path):
    """Pictures are bent there; boxes stand where the reader of scenes puts them."""
    (file,) = (GOLDEN / "nuplan_format" / "data" / "navsim_logs" / "mini").glob("*.pkl")
    log = navsim.read_camera_log(file)
    assert list(log.pictures) == list(navsim.RING)
    assert {len(found) for found in log.pictures.values()} == {32}
    assert log.pictures["CAM_F0"][0].lens.distortion[0] == -0.3561
    assert len(log.sweeps) == 32
    frames, boxes = NavsimLog(file), log.boxes
    assert len(boxes.ids) >= 9
    for m in (0, 7, 31):
        known = frames.frame(m).boxes
        for track, pose in zip(known.tracks, known.poses, strict=True):
            k = boxes.ids.index(track)
            assert boxes.valid[k, m]
            np.testing.assert_allclose(boxes.poses[k, m, :2, 3], pose[:2], atol=0.05)
    words = ["reconstruct", f"source=navsim:{file}", f"out={tmp_path / 'run'}", "steps=2",
             "log.frames=3", "log.cameras=CAM_F0,CAM_L0", "photos.width=96", "points=500",
             "hold_out=2", "look_every=2", "texels=0", "threads=1"]  # fmt: skip
    assert main(words) == 0
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["size"] == [96, 54]
    with pytest.raises(DataError, match=r"expected a log, ROOT/navsim_logs/SPLIT/LOG\.pkl"):
        navsim.read_camera_log(file.parent)
