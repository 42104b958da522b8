"""COLMAP folders and transforms.json: read as they were written, refused where they are broken."""

import json
import re
import shutil
import struct

import numpy as np
import pytest
from photographed_places import FOCAL, HEIGHT, WIDTH, write_colmap, write_nerfstudio
from PIL import Image

from drivelab.cli import main
from drivelab.data.colmap import read_colmap
from drivelab.data.nerfstudio import read_nerfstudio
from drivelab.data.photographs import Lens, Photograph
from drivelab.errors import DataError
from drivelab.sim.sensors.lens import bend
from drivelab.training.reconstruction.photographs import photographed, sampled

pytestmark = pytest.mark.nn
BINARY = {"colmap binary": True, "colmap text": False}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A place in all forms."""
    root = tmp_path_factory.mktemp("places")
    cameras = [write_colmap(root / name, binary=binary) for name, binary in BINARY.items()]
    write_nerfstudio(root / "nerfstudio", binary=True)
    write_nerfstudio(root / "nerfstudio text", binary=False)
    return root, cameras[0]


def read(folder):
    return (read_nerfstudio if "nerf" in folder.name else read_colmap)(folder)


@pytest.mark.parametrize("name", [*BINARY, "nerfstudio", "nerfstudio text"])
def test_all_forms_are_read_as_they_were_written(name, written):
    root, cameras = written
    found = read(root / name)
    capture = photographed(found, name, width=4000, most=1000, seed=0)
    np.testing.assert_allclose(capture.views.cameras.views, cameras.views, atol=1e-12)
    np.testing.assert_allclose(capture.views.cameras.intrinsics, cameras.intrinsics)
    assert found.points.shape == (150, 3)
    np.testing.assert_allclose(found.colours[0], np.array([90, 120, 150]) / 255)
    taken = np.asarray(Image.open(root / name / "images" / "view_03.png"))
    np.testing.assert_allclose(capture.views.images[3], taken / 255.0, atol=1e-6)
    capture.check()


def test_photographs_are_brought_to_a_smaller_size(written):
    root, _ = written
    capture = photographed(read_colmap(root / "colmap text"), "a", width=16, most=40, seed=0)
    assert capture.views.images.shape == (10, 12, 16, 3)
    assert len(capture.points) == 40
    np.testing.assert_allclose(capture.views.cameras.intrinsics[0, 0], [FOCAL / 4, 0, 8])
    taken = np.asarray(Image.open(root / "colmap text" / "images" / "view_00.png"), float) / 255
    mean = taken.reshape(12, 4, 16, 4, 3).mean((1, 3))
    np.testing.assert_allclose(capture.views.images[0], mean, atol=0.02)


@pytest.mark.parametrize("model", ["pinhole", "fisheye"])
def test_bent_pictures_are_straightened(model, tmp_path):
    """A picture whose colour says where its light came from."""
    lens = np.array([[60.0, 0, 50], [0, 60, 40], [0, 0, 1]])
    bent = np.array([-0.2, 0.05, 0.01, -0.01, 0.0] if model == "pinhole" else [0.05, 0, 0, 0])
    spec = Lens(model, 100, 80, lens, bent)
    grey = np.clip(np.arange(100) + 0.5, 0, 255).astype(np.uint8)
    image = np.repeat(np.tile(grey, (80, 1))[..., None], 3, -1)
    file = tmp_path / "ramp.png"
    Image.fromarray(image).save(file)
    seen = sampled(Photograph(file, spec, np.eye(4)), lens, (100, 80))[..., 0] * 255
    slopes = np.array([(70.5 - 50) / 60, (60.5 - 40) / 60])
    if model == "pinhole":
        wanted = bend(slopes, bent)[0]
    else:
        radius = np.hypot(*slopes)
        angle = np.arctan(radius)
        wanted = slopes[0] / radius * angle * (1 + 0.05 * angle**2)
    assert seen[60, 70] == pytest.approx(60 * wanted + 50 - 0.5, abs=0.51)
    assert abs(seen[60, 70] - 70) > 1


@pytest.mark.parametrize("part", ["cameras.bin", "images.bin", "points3D.bin"])
def test_models_cut_off_anywhere_are_refused(part, written, tmp_path):
    root, _ = written
    shutil.copytree(root / "colmap binary", tmp_path / "cut")
    file = tmp_path / "cut" / "sparse" / "0" / part
    whole = file.read_bytes()
    for size in np.unique(np.linspace(0, len(whole) - 1, 60).astype(int)).tolist():
        file.write_bytes(whole[:size])
        with pytest.raises(DataError, match=re.escape(part)):
            read_colmap(tmp_path / "cut")
    file.write_bytes(whole + b"\0")
    with pytest.raises(DataError, match="1 bytes beyond its last entry"):
        read_colmap(tmp_path / "cut")
    file.write_bytes(struct.pack("<Q", 2**60) + whole[8:])
    with pytest.raises(DataError, match="tells of 1152921504606846976"):
        read_colmap(tmp_path / "cut")


def replaced(file, old, new):
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("part", "old", "new", "told"),
    [
        ("cameras", "PINHOLE", "MAGIC", "model MAGIC; expected one of SIMPLE_PINHOLE"),
        ("cameras", f"{FOCAL!r}", "-3.0", "expected finite numbers above 0"),
        ("cameras", f"{FOCAL!r}", "nan", "line 2: 'nan'; expected a finite number"),
        ("cameras", f"{WIDTH / 2!r}", "900.0", "lies outside the picture of 64 x 48"),
        ("cameras", f"{WIDTH} {HEIGHT}", "64 90", "calibrated with 64 x 90"),
        ("images", "view_00.png", "../cameras.txt", "leads out of"),
        ("images", "view_00.png", "view_99.png", "is not there"),
        ("images", " 7 view_01", " 8 view_01", "camera 8 is not in cameras.txt"),
        ("images", "2 0.9", "2 9.9", "a quaternion of length"),
        ("points3D", " 90 120", " ninety 120", "'ninety'; expected a finite number"),
    ],
)
def test_broken_text_models_are_refused(part, old, new, told, written, tmp_path):
    root, _ = written
    shutil.copytree(root / "colmap text", tmp_path / "broken")
    replaced(tmp_path / "broken" / "sparse" / "0" / f"{part}.txt", old, new)
    with pytest.raises(DataError, match=told):
        photographed(read_colmap(tmp_path / "broken"), "a", width=64, most=100, seed=0)


def test_what_is_no_model_is_refused(written, tmp_path):
    root, _ = written
    with pytest.raises(DataError, match="holds no COLMAP model"):
        read_colmap(tmp_path)
    with pytest.raises(DataError, match=r"photos\.images="):
        read_colmap(root / "colmap text", images="images_4")
    shutil.copytree(root / "colmap text", tmp_path / "part")
    (tmp_path / "part" / "sparse" / "0" / "points3D.txt").unlink()
    with pytest.raises(DataError, match=r"points3D\.txt: no such file"):
        read_colmap(tmp_path / "part")
    (tmp_path / "part" / "images" / "view_00.png").write_bytes(b"no picture")
    shutil.copy(root / "colmap text/sparse/0/points3D.txt", tmp_path / "part" / "sparse" / "0")
    with pytest.raises(DataError, match="is no picture that can be read"):
        photographed(read_colmap(tmp_path / "part"), "a", width=64, most=100, seed=0)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"frames": 3}, r"Expected `array`, got `int` - at `\$.frames`"),
        ({"fl_x": None}, r"frames\[0\]\.fl_x: missing at the top and here"),
        ({"camera_model": "EQUIRECTANGULAR"}, "'EQUIRECTANGULAR'; expected one of OPENCV"),
        ({"ply_file_path": None}, "names no points"),
        ({"ply_file_path": "../secret.ply"}, "leads out of"),
        ({"ply_file_path": "transforms.json"}, "is no PLY"),
        ({"cx": 1e9}, "lies outside the picture"),
    ],
)
def test_broken_transforms_are_refused(change, told, written, tmp_path):
    root, _ = written
    shutil.copytree(root / "nerfstudio", tmp_path / "broken")
    file = tmp_path / "broken" / "transforms.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    with pytest.raises(DataError, match=told):
        read_nerfstudio(file)


def test_poses_and_points_of_transforms_are_checked(written, tmp_path):
    root, _ = written
    shutil.copytree(root / "nerfstudio", tmp_path / "broken")
    file, cloud = tmp_path / "broken" / "transforms.json", tmp_path / "broken" / "sparse_pc.ply"
    whole = cloud.read_bytes()
    cloud.write_bytes(whole[:-1])
    with pytest.raises(DataError, match="tells of 150 points of 15 bytes"):
        read_nerfstudio(file)
    cloud.write_bytes(whole)
    content = json.loads(file.read_text())
    content["frames"][2]["transform_matrix"][0][0] = 3.0
    file.write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"frames\[2\]\.transform_matrix: no rigid motion"):
        read_nerfstudio(file)


@pytest.mark.parametrize("kind", ["colmap", "nerfstudio"])
def test_the_verb_learns_from_photographs(kind, written, tmp_path):
    root, _ = written
    place = root / ("colmap binary" if kind == "colmap" else "nerfstudio")
    words = ["reconstruct", f"source={kind}:{place}", f"out={tmp_path / 'run'}", "steps=60",
             "look_every=30", "points=200", "hold_out=5", "texels=0", "degree=0", "threads=1",
             "rates.sh_first=0.03", "rates.means=1e-3", "density.last=0"]  # fmt: skip
    assert main(words) == 0
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["held_out"] == 2
    assert summary["psnr"] > 20.0
