"""Nodes in tracked boxes, exposures, poses: each learned where it is needed, and by hand."""

import json

import numpy as np
import pytest
import torch

from drivelab.cli import main
from drivelab.kernels.splat import Cameras, Gaussians, render
from drivelab.sim.splats.compose import place
from drivelab.sim.splats.files import load_scene
from drivelab.sim.splats.scene import Splats
from drivelab.training.reconstruction.boxes import Boxes, split_boxes
from drivelab.training.reconstruction.loop import Reconstruction, beside_of
from drivelab.training.reconstruction.model import Model
from drivelab.training.reconstruction.moment import at_view, moved
from drivelab.training.reconstruction.settings import Density, Rates, ReconstructionSettings
from drivelab.training.reconstruction.views import Nodes, Views

pytestmark = pytest.mark.nn
WIDTH, HEIGHT = 48, 32


def blobs(count=80, seed=0):
    rng = np.random.default_rng(seed)
    fields = (
        rng.uniform((-1.5, -1, 4), (1.5, 1, 6), (count, 3)), np.tile([1.0, 0, 0, 0], (count, 1)),
        rng.uniform(0.1, 0.3, (count, 3)), rng.uniform(0.5, 0.95, count),
        rng.uniform(-1.5, 1.5, (count, 1, 3)),
    )  # fmt: skip
    return Gaussians(*(np.ascontiguousarray(field, np.float32) for field in fields))


def cameras(count):
    views = np.tile(np.eye(4), (count, 1, 1))
    views[:, 0, 3] = np.linspace(-1, 1, count)
    lens = np.tile([[40.0, 0, WIDTH / 2], [0, 40, HEIGHT / 2], [0, 0, 1]], (count, 1, 1))
    return Cameras(views, lens, WIDTH, HEIGHT)


def known(scene, views, settings):
    """A model that is the scene already."""
    model = Model(len(scene), beside_of(views, settings))
    with torch.no_grad():
        model.means.copy_(torch.as_tensor(scene.means))
        model.quats.copy_(torch.as_tensor(scene.quats))
        model.scales.copy_(torch.as_tensor(scene.scales).log())
        model.opacities.copy_(torch.logit(torch.as_tensor(scene.opacities)))
        model.sh_first.copy_(torch.as_tensor(scene.sh[:, :1]))
    return model


def quarter(x, y, z):
    pose = np.eye(4)
    pose[:3, :3] = [[0, -1, 0], [1, 0, 0], [0, 0, 1]]
    pose[:3, 3] = x, y, z
    return pose


def test_nodes_move_as_scenes_compose_them():
    scene, still = blobs(12), ReconstructionSettings(steps=1)
    model = known(scene, Views(np.zeros((1, HEIGHT, WIDTH, 3)), cameras(1)), still)
    model.nodes[8:] = 1
    pose = quarter(1.0, 2.0, 3.0)
    nodes = Nodes(pose[None, None].repeat(2, 1), np.array([[True, False]]))
    there, gone = (at_view(model.gaussians(0), model, nodes, n) for n in (0, 1))
    wanted = place(Splats(scene, np.zeros(12, np.uint8)), pose).gaussians
    np.testing.assert_allclose(there.means[8:].detach(), wanted.means[8:], atol=1e-5)
    np.testing.assert_allclose(there.quats[8:].detach(), wanted.quats[8:], atol=1e-6)
    np.testing.assert_array_equal(there.means[:8].detach(), scene.means[:8])
    assert float(gone.opacities[8:].detach().abs().max()) == 0.0
    assert float(gone.opacities[:8].detach().min()) > 0.4
    there.means.sum().backward()  # a turn leaves the gradient's length as it is
    np.testing.assert_allclose(model.means.grad[8:].norm(dim=1), 3**0.5, rtol=1e-5)


def test_points_in_boxes_go_with_them():
    pose = quarter(10.0, 0.0, 0.0)
    boxes = Boxes(("a", "b"), ("vehicle",) * 2, np.array([[4.0, 2, 1.5]] * 2),
                  np.stack([[pose, pose], [np.eye(4)] * 2]),
                  np.array([[True, False], [False, False]]))  # fmt: skip
    inside = np.array([[10.0, y, 1.0] for y in (-1.9, -1, 0, 1, 1.9)])
    outside = np.array([[12.5, 0, 1], [10, 0, 0.05], [10, 0, 3.0]])
    sweeps = [np.concatenate([inside, outside])] * 2
    tracks, nodes, left = split_boxes(boxes, sweeps, 0)
    assert [track.id for track in tracks] == ["a"]
    np.testing.assert_allclose(tracks[0].points[:, 0], [-1.9, -1, 0, 1, 1.9], atol=1e-12)
    np.testing.assert_array_equal(left[0], outside)  # while the box is there
    np.testing.assert_array_equal(left[1], sweeps[1])
    assert nodes.valid.tolist() == [[True, False]]
    assert nodes.repeated(2).valid.tolist() == [[True, True, False, False]]


def test_exposures_of_cameras_are_found():
    """The second camera takes pictures 0.7 times as bright."""
    scene, seen = blobs(), cameras(6)
    groups = np.array([0, 1] * 3)
    images = render(scene, seen).rgb * np.where(groups, 0.7, 1.0)[:, None, None, None] * 0.5
    views = Views(images.clip(0, 1).astype(np.float32), seen, groups=groups)
    fixed = Rates(means=0, quats=0, scales=0, opacities=0, sh_rest=0, sh_first=0.02, exposure=0.02)
    how = ReconstructionSettings(steps=90, hold_out=0, rates=fixed, density=Density(last=0))
    run = Reconstruction(views, known(scene, views, how), how)
    for _ in range(how.steps):
        run.advance()
    ratio = (run.model.exposure[1] - run.model.exposure[0]).exp().detach()
    np.testing.assert_allclose(ratio, 0.7, atol=0.03)


def test_poses_that_are_a_little_wrong_are_mended():
    scene, true = blobs(), cameras(5)
    images = render(scene, true).rgb.clip(0, 1)
    wrong = true.views.copy()
    wrong[2, :3, 3] += [0.04, -0.03, 0.0]
    views = Views(images, Cameras(wrong, true.intrinsics, WIDTH, HEIGHT))
    fixed = Rates(means=0, quats=0, scales=0, opacities=0, sh_first=0, sh_rest=0, twists=1e-3)
    how = ReconstructionSettings(steps=250, hold_out=0, rates=fixed, density=Density(last=0))
    run = Reconstruction(views, known(scene, views, how), how)
    for _ in range(how.steps):
        run.advance()
    found = moved(views.camera(2), run.model.twists[2].detach()).views[0].numpy()

    def places(pose):  # on the picture, to which a turn may do what a shift does
        ahead = scene.means @ pose[:3, :3].T + pose[:3, 3]
        return 40 * ahead[:, :2] / ahead[:, 2:]

    before, after = (
        np.abs(places(pose) - places(true.views[2])).mean() for pose in (wrong[2], found)
    )
    assert before > 0.2  # pixels
    assert after < 0.25 * before


def test_traffic_is_learned_as_actors(tmp_path):
    words = ["reconstruct", "source=radlab:test-0003-lane_drop", f"out={tmp_path}", "steps=6",
             "drive.traffic=true", "drive.poses=6", "drive.scale=0.25", "points=2000",
             "look_every=6", "save_every=3", "hold_out=3", "texels=8", "density.first=2",
             "density.every=2", "drive.cameras=CAM_FRONT,CAM_BACK_LEFT", "threads=1"]  # fmt: skip
    assert main(words) == 0
    scene = load_scene(tmp_path / "scene.splats.safetensors")
    assert len(scene.times) == 6
    assert len(scene.actors) >= 2
    for actor in scene.actors.values():
        spread = np.abs(actor.splats.gaussians.means).max(0)
        assert (spread[:2] < np.array(actor.size[:2])).all()
    driven = [np.ptp(actor.poses[actor.valid, 0, 3]) for actor in scene.actors.values()]
    assert max(driven) > 5.0
    assert json.loads((tmp_path / "summary.json").read_text())["views"] == 12
