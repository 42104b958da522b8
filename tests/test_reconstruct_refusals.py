"""What no scene can be learned from, and runs that cannot go on: refused with a reason."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from drivelab.data.camera_log import boxes_of_rows
from drivelab.data.photographs import Lens, inside
from drivelab.errors import DataError, RunError
from drivelab.kernels.splat import Cameras
from drivelab.training.reconstruction.capture import Capture
from drivelab.training.reconstruction.loop import Reconstruction, reconstruct
from drivelab.training.reconstruction.model import Model
from drivelab.training.reconstruction.settings import (
    Density,
    Mcmc,
    Rates,
    ReconstructionSettings,
    Weights,
)
from drivelab.training.reconstruction.sky import Looked, looked_up
from drivelab.training.reconstruction.views import Views
from drivelab.training.run_folder import open_folder

pytestmark = pytest.mark.nn
POINTS = np.array([[x, y, 5.0] for x in (-0.5, 0.5) for y in (-0.5, 0.5)])


def views_at(*places):
    """Views straight ahead from places along x, which see 2 m at 1 m distance."""
    cams = np.tile(np.eye(4), (len(places), 1, 1))
    cams[:, 0, 3] = -np.array(places)
    lens = np.tile([[12.0, 0, 12], [0, 12, 8], [0, 0, 1]], (len(places), 1, 1))
    images = np.full((len(places), 16, 24, 3), 0.5, np.float32)
    return Views(images, Cameras(cams, lens, 24, 16))


def capture(views, points=POINTS):
    return Capture("place", views, points, np.full(points.shape, 0.5))


def test_views_have_to_share_points():
    capture(views_at(0.0, 0.1)).check()
    with pytest.raises(DataError, match=r"none of the 2 views sees any .* focal lengths"):
        capture(views_at(0.0, 0.1), POINTS * (1, 1, -1)).check()
    apart = np.concatenate([POINTS, POINTS + np.array([100.0, 0, 0])])
    with pytest.raises(DataError, match=r"no two of the 2 views see the same one of the 8 points"):
        capture(views_at(0.0, 100.0), apart).check()
    with pytest.raises(DataError, match=r"3 of 5 views see none .*COLMAP: world to camera"):
        capture(views_at(0.0, 0.1, 500.0, 600.0, 700.0)).check()


@pytest.mark.parametrize("focal", [0.001, 1e6])
def test_a_lens_sees_some_angle(focal):
    intrinsic = np.array([[focal, 0, 24], [0, focal, 16], [0, 0, 1]])
    lens = Lens("pinhole", 48, 32, intrinsic, np.zeros(5))
    with pytest.raises(DataError, match=r"expected 1\.92 to 4800: are they in pixels"):
        lens.check(Path("cameras.txt"), "camera 1")


def test_names_are_paths(tmp_path):
    with pytest.raises(DataError, match="is no path"):
        inside(tmp_path, "a\0b.png", file=tmp_path / "transforms.json", where="frame 0")


def test_boxes_have_a_size():
    row = ("7f", "vehicle", 0, np.array([4.0, 0.0, 1.5]), np.eye(4))
    with pytest.raises(DataError, match=r"7f: a box of 4 x 0 x 1\.5 m; expected .* above 0"):
        boxes_of_rows([row])


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: Rates(means=1e30), r"rates\.means=1e\+30; expected 0 to 1"),
        (lambda: Rates(sky=-1), r"rates\.sky=-1; expected 0 to 1"),
        (lambda: Weights(dissimilarity=2), r"weights\.dissimilarity=2; expected 0 to 1"),
        (lambda: Density(every=0), r"density\.every=0; expected 1 or more"),
        (lambda: Density(reset_every=0), r"density\.reset_every=0"),
        (lambda: Mcmc(every=0), r"mcmc\.every=0"),
        (lambda: ReconstructionSettings(opacity=0.001), r"above least_opacity=0\.005"),
        (lambda: ReconstructionSettings(texels=1), "texels=1; expected 0, or 2 and more"),
    ],
)
def test_numbers_have_ranges(make, told):
    with pytest.raises(ValueError, match=told):
        make()


def test_a_first_write_that_broke_off_is_no_other_run(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / ".config.yaml.part").write_text("sour")
    assert not open_folder(folder, {"source": "a"}, option="out")
    assert open_folder(folder, {"source": "a"}, option="out")
    with pytest.raises(RunError, match=r"choose another out$"):
        open_folder(folder, {"source": "b"}, option="out")
    (tmp_path / "else").mkdir()
    (tmp_path / "else" / "notes.txt").write_text("mine")
    with pytest.raises(RunError, match="holds no training run: choose another out"):
        open_folder(tmp_path / "else", {"source": "a"}, option="out")


SHORT = ReconstructionSettings(steps=2, hold_out=0, save_every=1, degree=0, opacity=0.5)


def test_a_run_goes_on_with_its_own_pictures_only(tmp_path):
    views, colours = views_at(0.0, 0.1), np.full(POINTS.shape, 0.5)
    reconstruct(views, POINTS, colours, SHORT, tmp_path, look=lambda run, loss: False)
    other = replace(views, images=views.images * 0.9)
    with pytest.raises(RunError, match="other pictures, poses or tracks"):
        reconstruct(other, POINTS, colours, SHORT, tmp_path)
    assert reconstruct(views, POINTS, colours, SHORT, tmp_path).step == 2


def test_a_loss_that_is_no_number_ends_a_run():
    model = Model.of_points(POINTS, np.full(POINTS.shape, 0.5), 0.5)
    run = Reconstruction(views_at(0.0, 0.1), model, SHORT)
    with torch.no_grad():
        run.model.sh_first[0] = math.nan
    before = run.model.means.clone()
    with pytest.raises(RunError, match=r"step 1, view \d: .*wrong.*lower rates"):
        run.advance()
    torch.testing.assert_close(run.model.means, before)


def test_the_sky_of_gpus_is_that_of_compiled_loops():
    rng = np.random.default_rng(0)
    rays = torch.from_numpy(rng.normal(size=(500, 3)).astype(np.float32))
    weights = torch.from_numpy(rng.normal(size=(500, 3)).astype(np.float32))
    found = []
    for look in (Looked.apply, looked_up):
        faces = torch.from_numpy(np.random.default_rng(1).random((6, 5, 5, 3), np.float32))
        seen = look(faces.requires_grad_(), rays)
        (seen * weights).sum().backward()
        found.append((seen.detach(), faces.grad))
    torch.testing.assert_close(found[1], found[0], atol=1e-5, rtol=1e-5)
