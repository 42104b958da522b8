"""Rendered drives become captures, captures become scenes: by the verb, broken off and resumed."""

import json
import resource

import gymnasium as gym
import numpy as np
import pytest
import torch

import drivelab.sim.envs  # noqa: F401  (registers the environments)
from drivelab.cli import main
from drivelab.errors import ConfigError, DataError, RunError
from drivelab.kernels.splat import Cameras
from drivelab.sim.envs.clips import ClipEpisodes
from drivelab.sim.splats.files import load_scene
from drivelab.sim.splats.labels import NUMBER
from drivelab.sim.splats.scene import Sky
from drivelab.sim.splats.sky import sky_colours, texel_directions
from drivelab.training.reconstruction.capture import Capture
from drivelab.training.reconstruction.export import ground_labels
from drivelab.training.reconstruction.loop import Reconstruction, reconstruct
from drivelab.training.reconstruction.points import depth_picture, thinned
from drivelab.training.reconstruction.quality import copied
from drivelab.training.reconstruction.settings import ReconstructionSettings
from drivelab.training.reconstruction.sky import filled_sky, rays_of, sky_picture
from drivelab.training.reconstruction.spacing import spaced
from drivelab.training.reconstruction.views import Views

pytestmark = pytest.mark.nn
QUICK = (
    "drive.poses=9", "drive.scale=0.25", "points=3000", "steps=20", "look_every=10",
    "save_every=5", "hold_out=4", "texels=16", "density.first=5", "density.every=5", "degree=0",
    "threads=1",
)  # fmt: skip


def cameras(count=3, width=24, height=16):
    views = np.tile(np.eye(4), (count, 1, 1))
    views[:, 0, 3] = -np.arange(count)
    lens = np.tile([[12.0, 0, width / 2], [0, 12.0, height / 2], [0, 0, 1]], (count, 1, 1))
    return Cameras(views, lens, width, height)


def flat(count=3):
    images = np.tile(np.linspace(0, 1, count, dtype=np.float32)[:, None, None, None], (16, 24, 3))
    return Views(images.reshape(count, 16, 24, 3), cameras(count))


def drives_in(street):
    env = gym.make(
        "drivelab/Splat-v0", episodes=lambda _: ClipEpisodes("test")(3), cameras=("CAM_FRONT",),
        scale=0.25, street=str(street),
    )  # fmt: skip
    first, _ = env.reset(seed=0)
    for _ in range(5):
        then, *_ = env.step(np.array(env.action_space.nvec) // 2)
    env.close()
    assert first["images"].std() > 10
    assert (first["images"] != then["images"]).any()


def test_a_drive_is_learned_broken_off_and_goes_on(tmp_path, capsys):
    words = ["reconstruct", "source=radlab:test-0003-lane_drop", *QUICK]
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert main([*words, f"out={whole}"]) == 0
    summary = json.loads((whole / "summary.json").read_text())
    assert (summary["views"], summary["held_out"], summary["size"]) == (9, 3, [112, 64])
    scene = load_scene(whole / "scene.splats.safetensors")
    assert len(scene.static) == summary["gaussians"]
    assert scene.sky is not None
    assert (scene.static.labels == NUMBER["road"]).any()
    rows = [json.loads(line) for line in (whole / "progress.jsonl").read_text().splitlines()]
    assert [row["updates"] for row in rows] == [10, 20]
    assert rows[1]["loss"] < rows[0]["loss"]
    drives_in(whole / "scene.splats.safetensors")
    assert sorted(file.name for file in (whole / "previews").iterdir()) == [
        "000010.jpg", "000020.jpg",
    ]  # fmt: skip

    assert main([*words, f"out={broken}", "minutes=0.0001"]) == 0
    assert "paused at step" in capsys.readouterr().err
    assert not (broken / "summary.json").exists()
    assert main([*words, f"out={broken}"]) == 0
    again = json.loads((broken / "summary.json").read_text())
    assert (again["psnr"], again["ssim"]) == (summary["psnr"], summary["ssim"])

    assert main([*words, f"out={broken}"]) == 0
    assert "this run is finished" in capsys.readouterr().err
    assert main([*words, f"out={broken}", "seed=1"]) == 2
    assert "other settings" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "source=null: expected one of radlab:"),
        (("source=radlap:x",), "did you mean 'radlab'"),
        (("source=radlab:nowhere",), "no clip 'nowhere'"),
        (("source=radlab:test-0003-lane_drop", "steps=0"), "steps=0; expected 1 or more"),
        (("source=radlab:test-0003-lane_drop", "rates.means=much"), "rates.means=much: expected"),
        (("source=radlab:test-0003-lane_drop", "minutes=-1"), "minutes=-1: expected"),
        (("source=radlab:test-0003-lane_drop", "drive.weather=hail"), "drive.weather=hail"),
        (("source=radlab:test-0003-lane_drop", "drive.poses=900"), "frames has only"),
    ],
)
def test_wrong_words_are_answered_and_leave_no_folder(words, told, tmp_path, capsys):
    assert main(["reconstruct", *words, f"out={tmp_path / 'run'}"]) == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_frames_lie_at_equal_distances():
    poses = np.zeros((21, 3))
    poses[10:, 0] = np.arange(11) ** 1.0  # stands, then 1 m a frame
    assert spaced(poses, 3).tolist() == [0, 15, 20]
    with pytest.raises(ConfigError, match="only 11 different ones"):
        spaced(poses, 15)


def test_the_sky_is_looked_up_as_scenes_do_and_has_its_gradient():
    rng = np.random.default_rng(0)
    faces, views = rng.random((6, 8, 8, 3)).astype(np.float32), cameras()
    seen = sky_picture(torch.from_numpy(faces), views, 1)
    wanted = sky_colours(Sky(faces), rays_of(views, 1))
    np.testing.assert_allclose(seen.reshape(-1, 3), wanted, atol=1e-6)
    np.testing.assert_allclose(sky_colours(Sky(faces), texel_directions(8).reshape(-1, 3)).reshape(
        faces.shape), faces, atol=1e-5)  # fmt: skip
    # Linear in the texels: the gradient of a weighted sum says what a change of them does.
    texels = torch.from_numpy(faces).requires_grad_()
    weights = torch.from_numpy(rng.normal(size=seen.shape).astype(np.float32))
    (sky_picture(texels, views, 1) * weights).sum().backward()
    change = torch.from_numpy(rng.normal(size=faces.shape).astype(np.float32))
    moved = sky_picture(torch.from_numpy(faces) + change, views, 1)
    assert float(((moved - seen) * weights).sum()) == pytest.approx(
        float((texels.grad * change).sum()), rel=1e-3
    )


def test_texels_that_nobody_saw_take_the_nearest_colour():
    views = flat(1)
    faces = np.full((6, 4, 4, 3), 0.5, np.float32)
    faces[4] = 0.9  # +z, straight ahead
    filled = filled_sky(faces, views)
    assert filled[5].min() == pytest.approx(0.9)  # behind


def test_nearest_view_is_copied():
    quality = copied(flat(3), 2)  # views 0 and 2 are held out, 1 is learned: off by a half
    assert quality.views == 2
    assert quality.psnr == pytest.approx(-20 * np.log10(0.5), abs=1e-4)


def test_points_thin_out_with_distance_and_fall_into_pixels():
    box = np.random.default_rng(0).random((4000, 3))
    points = np.concatenate([box + np.array([0, 0, 3]), box + np.array([0, 0, 60])])
    eyes = np.zeros((1, 3))
    kept = thinned(points, eyes, 10_000, seed=0)
    near, far = (kept < 4000).sum(), (kept >= 4000).sum()
    assert near > 5 * far > 0
    assert len(thinned(points, eyes, 100, seed=0)) == 100
    depth = depth_picture(np.array([[0.0, 0, 5], [0, 0, 3], [0, 0, -2], [90, 0, 1]]), cameras(), 0)
    assert depth[8, 12] == 3.0
    assert (depth > 0).sum() == 1


def test_ground_is_what_lies_lowest():
    rng = np.random.default_rng(0)
    ground = np.column_stack([rng.uniform(0, 20, (2000, 2)), rng.normal(0, 0.02, 2000)])
    wall = np.column_stack([np.full(500, 10.0), rng.uniform(0, 20, 500), rng.uniform(0, 5, 500)])
    points = np.concatenate([ground, wall])
    labels = ground_labels(points, points)
    assert (labels[:2000] == NUMBER["road"]).all()
    assert (labels[2000:][wall[:, 2] > 0.4] == 0).all()


def test_captures_without_overlap_are_refused():
    points = np.random.default_rng(0).random((50, 3)) + np.array([0, 0, 4])
    Capture("street", flat(), points, points).check()
    with pytest.raises(DataError, match="none of the 3 views sees any of the 50 points"):
        Capture("street", flat(), points - [0, 0, 90], points).check()
    with pytest.raises(DataError, match="3 points to begin with"):
        Capture("street", flat(), points[:3], points[:3]).check()
    with pytest.raises(DataError, match="1 picture with a pose"):
        Capture("street", flat(1), points, points).check()


def test_a_full_disk_leaves_the_last_checkpoint(tmp_path):
    rng = np.random.default_rng(0)
    points = rng.uniform((-1, -1, 4), (1, 1, 6), (400, 3))
    how = ReconstructionSettings(steps=2, hold_out=0, save_every=1)
    run = reconstruct(flat(), points, points * 0 + 0.5, how, tmp_path, look=lambda *_: False)
    before = run.model.means.detach().clone()
    run.advance()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))  # bytes of a file
    try:
        with pytest.raises(RunError, match=r"step 2 cannot be written .* the one before it is who"):
            run.save(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    again = Reconstruction.load(tmp_path, flat(), how)
    assert again.step == 1
    np.testing.assert_array_equal(again.model.means.detach(), before)
