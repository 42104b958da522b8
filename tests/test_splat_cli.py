"""`drivelab splat`: what it prints and writes, how it refuses."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import golden_splats as golden
import numpy as np
import pytest

from drivelab.cli import main
from drivelab.kernels.splat import Gaussians
from drivelab.sim.splats.files import load_scene, save_scene
from drivelab.sim.splats.formats.ply import read_ply
from drivelab.sim.splats.labels import NUMBER
from drivelab.sim.splats.scene import Actor, Sky, Splats, SplatScene

PLY = Path(__file__).parent / "golden" / "gs" / "formats" / "inria.ply"


def splats(count: int, label: str) -> Splats:
    means = np.arange(3 * count, dtype=np.float32).reshape(count, 3)
    quats = np.tile(np.array([1, 0, 0, 0], np.float32), (count, 1))
    flat = np.zeros((count, 4, 3), np.float32)
    filled = np.full(count, 0.5, np.float32)
    gaussians = Gaussians(means, quats, means * 0 + 0.1, filled, flat)
    return Splats(gaussians, np.full(count, NUMBER[label], np.uint8))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    car = splats(3, "vehicle")
    poses = np.tile(np.eye(4), (2, 1, 1))
    poses[1, 0, 3] = 100.0
    scene = SplatScene(
        "street\x1b[31m 7",
        splats(10, "road"),
        actors={
            f"car{n}": Actor(f"car{n}", "vehicle", (4.5, 1.9, 1.5), car, poses) for n in range(14)
        },
        sky=Sky(np.zeros((6, 8, 8, 3), np.float32)),
        times=np.array([0.0, 0.5]),
        licence="Apache-2.0",
        info={"seed": 7},
    )
    save_scene(scene, tmp_path / "a.splats.safetensors")
    return tmp_path / "a.splats.safetensors"


def test_info_of_a_scene(file, capsys):
    assert main(["splat", "info", str(file)]) == 0
    lines = capsys.readouterr().out
    for wanted in (
        "name        street?[31m 7",
        "licence     Apache-2.0",
        "convention  gsplat",
        "gaussians   52: 10 static, 42 of 14 actors, 0 of 0 lamps",
        "colours     degree 1",
        "label       vehicle       42",
        "label       road          10",
        "bounds x    0.0 to 27.0 m, 98 % within 0.3 to 26.7",
        "map         origin at x 0.00, y 0.00, z 0.00 m",
        "times       2, 0.00 to 0.50 s",
        "actor       car0: vehicle, 4.5 x 1.9 x 1.5 m, 3, own poses",
        "actor       ... and 2 more",
        "sky         6 x 8 x 8",
        "rendering   about 6.9 MB more: 52 Gaussians at once, 3 pictures of 448 x 256",
        "info        seed = 7",
    ):
        assert wanted in lines.splitlines()


def test_info_of_a_ply(capsys):
    assert main(["splat", "info", str(PLY)]) == 0
    text = capsys.readouterr().out
    assert "gaussians   500: 500 static" in text
    assert "colours     degree 3" in text
    assert "convention  inria" in text
    assert "licence     not said" in text


def test_there_and_back(tmp_path, capsys):
    scene, back = tmp_path / "s.splats.safetensors", tmp_path / "back.ply"
    assert main(["splat", "convert", str(PLY), str(scene), "convention=gsplat"]) == 0
    assert load_scene(scene).convention == "gsplat"
    assert main(["splat", "convert", str(scene), str(back)]) == 0
    assert "500 Gaussians; labels, sky and motion are not in it" in capsys.readouterr().out
    one, two = read_ply(PLY), read_ply(back)
    for name in golden.FIELDS:
        np.testing.assert_allclose(getattr(two, name), getattr(one, name), rtol=2e-6, atol=1e-7)


def test_a_moment_of_a_scene(file, tmp_path):
    assert main(["splat", "convert", str(file), str(tmp_path / "m.ply"), "time=0.4"]) == 0
    found = read_ply(tmp_path / "m.ply")
    assert len(found) == 52
    np.testing.assert_array_equal(found.means[10:13, 0], [100, 103, 106])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "splat : expected one of info, convert"),
        (["inof"], "did you mean 'info'?"),
        (["info"], "expected: drivelab splat info FILE"),
        (["info", "none.ply"], "none.ply: no such file"),
        (["info", "a", "b"], "'b' is not expected here"),
        (["info", "{broken}"], "broken.ply: is no PLY file"),
        (["convert", "a.ply"], "expected: drivelab splat convert IN OUT"),
        (["convert", "{ply}", "b.obj"], "OUT=b.obj: expected a name that ends in"),
        (["convert", "{ply}", "b.ply", "convention=x"], "convention=x: expected gsplat or inria"),
        (["convert", "{ply}", "b.ply", "time=now"], "time=now: expected seconds"),
        (["convert", "{ply}", "no/where/b.ply"], "no/where: no such folder"),
        (["convert", "{ply}", "no/where/b.splats.safetensors"], "no/where: no such folder"),
    ],
)
def test_refusals(words, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("broken.ply").write_bytes(b"PK")
    words = [word.format(ply=PLY, broken="broken.ply") for word in words]
    assert main(["splat", *words]) == 2
    assert message in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["broken.ply"]


def test_help_is_there_at_once():
    begin = time.perf_counter()
    code = "import sys; from drivelab.cli import main; main(['splat', '--help']); " \
           "assert not {'numpy', 'numba', 'safetensors'} & set(sys.modules)"  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "drivelab splat info FILE" in done.stdout
    assert time.perf_counter() - begin < 5
