"""Checkpoints of other trainers: small ones come back, foreign objects and damage are refused.

No original file was at hand: what is written here follows the sources of those programs.
"""

from __future__ import annotations

import collections
import os
import pickle
import zipfile
from contextlib import suppress

import numpy as np
import pytest
from foreign_splats import FIELDS, some_gaussians
from hypothesis import example, given, settings
from hypothesis import strategies as st

from drivelab.errors import DataError, UnsafePickleError
from drivelab.sim.splats import memory
from drivelab.sim.splats.compose import compose, moment_at
from drivelab.sim.splats.files import load_scene
from drivelab.sim.splats.formats.table import format_of
from drivelab.sim.splats.formats.tensors import read_checkpoint_data
from drivelab.sim.splats.labels import LABELS
from drivelab.sim.splats.sky import sky_colours

pytestmark = pytest.mark.nn
torch = pytest.importorskip("torch")
made = pytest.importorskip("trainer_checkpoints")


def saved(tmp_path, held, name="a.pth"):
    torch.save(held, tmp_path / name)
    return tmp_path / name


def assert_like(found, wanted, *, but=()):
    for field in FIELDS:
        if field not in but:
            ours, theirs = getattr(found, field), getattr(wanted, field)
            np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6, err_msg=field)


@pytest.mark.parametrize("rank", [1, 4, 16])
def test_gsplat(tmp_path, rank):
    wanted = some_gaussians(40, rank)
    file = saved(tmp_path, made.gsplat(wanted), "ckpt_6999_rank0.pt")
    assert format_of(file).name == "gsplat"
    found = load_scene(file)
    assert_like(found.static.gaussians, wanted, but=("quats",))
    np.testing.assert_allclose(found.static.gaussians.quats, 3 * wanted.quats, rtol=1e-6)
    assert (found.convention, dict(found.info)) == ("gsplat", {"from": "gsplat", "step": 6999})
    assert load_scene(file, convention="inria").convention == "inria"


def test_drivestudio(tmp_path):
    file = saved(tmp_path, made.drivestudio(), "checkpoint_final.pth")
    assert format_of(file).name == "drivestudio"
    found = load_scene(file)
    assert_like(found.static.gaussians, some_gaussians(50, 4, seed=1))
    assert sorted(found.actors) == ["rigid_0", "rigid_1"]
    assert found.info["passed_over"] == ["Affine"]
    np.testing.assert_allclose(found.times, [0, 0.1, 0.2, 0.3])
    assert found.actors["rigid_1"].valid.tolist() == [False, True, True, True]
    assert set(moment_at(found, 0.0).poses) == {"rigid_0"}
    # Gaussians of things lie about the middle of a box; what is composed lies where they do.
    nodes = some_gaussians(60, 4, spread=0.5)
    cos, sin = np.cos(0.5), np.sin(0.5)
    turn = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    wanted = nodes.means[30:] @ turn.T + [2.0 * 3 + 10.0, 0.0, 0.8]
    composed = compose(found, moment_at(found, 0.3))
    np.testing.assert_allclose(composed.gaussians.means[80:], wanted, atol=1e-5)
    size = found.actors["rigid_0"].size
    np.testing.assert_allclose(size, [4.5, 1.9, 1.6], rtol=1e-6)
    floor = found.actors["rigid_0"].poses[0, :3, 3]
    np.testing.assert_allclose(floor, [0.0, 0.0, 0.8 - size[2] / 2], atol=1e-6)


def test_drivestudio_without_harmonics(tmp_path):
    """Its one colour is then a logit of what is seen."""
    found = load_scene(saved(tmp_path, made.drivestudio(rank=1))).static.gaussians
    stored = some_gaussians(50, 1, seed=1).sh
    np.testing.assert_allclose(
        0.5 + 0.28209479177387814 * found.sh, 1 / (1 + np.exp(-stored)), rtol=1e-5
    )


def gl_lookup(cube, ray):
    """Nearest texel as OpenGL's table of cube faces says (sc, tc, ma)."""
    x, y, z = ray
    face, sc, tc, ma = max(
        [(0, -z, -y, x), (1, z, -y, -x), (2, x, z, y), (3, x, -z, -y), (4, x, -y, z),
         (5, -x, -y, -z)], key=lambda row: row[3],
    )  # fmt: skip
    n = cube.shape[1]
    column, row = (int((part / ma + 1) / 2 * n) for part in (sc, tc))
    return cube[face, row, column]


def test_sky_cubes_are_seen_where_opengl_shows_them(tmp_path):
    cube = made.gl_cube()
    studio = load_scene(saved(tmp_path, made.drivestudio())).sky
    street = load_scene(saved(tmp_path, made.street_gaussians())).sky
    at = (2 * np.arange(4) + 1) / 4 - 1
    rays = np.array([np.insert([a, b], face // 2, 1.0 - 2 * (face % 2))
                     for face in range(6) for a in at for b in at])  # fmt: skip
    wanted = np.array([gl_lookup(cube, ray) for ray in rays])
    np.testing.assert_allclose(sky_colours(street, rays), wanted, atol=1e-5)
    wanted = np.array([gl_lookup(cube, (x, z, -y)) for x, y, z in rays])
    np.testing.assert_allclose(sky_colours(studio, rays), wanted, atol=1e-5)


def test_street_gaussians(tmp_path):
    file = saved(tmp_path, made.street_gaussians(), "iteration_50000.pth")
    assert format_of(file).name == "street_gaussians"
    found = load_scene(file)
    assert_like(found.static.gaussians, some_gaussians(50, 4, seed=1))
    (car,) = found.actors.values()
    wanted = some_gaussians(200, 4, seed=2, spread=0.5)
    assert (car.id, car.poses, found.convention) == ("obj_007", None, "inria")
    lifted = car.splats.gaussians.means - [0, 0, car.size[2] / 2]
    np.testing.assert_allclose(lifted, wanted.means, atol=1e-6)
    assert_like(car.splats.gaussians, wanted, but=("means",))
    inside = (np.abs(wanted.means) <= np.array(car.size) / 2).mean(0)
    assert (inside >= 0.98).all()


def test_hugsim(tmp_path):
    scene, road = some_gaussians(60, 16, seed=1), some_gaussians(40, 16, seed=2)
    classes = np.arange(60) % 20
    ground = made.hugsim_ground(road, np.zeros(40, int))
    folder = tmp_path / "scene-0383"
    folder.mkdir()
    saved(folder, (made.hugsim_parameters(scene, classes, ground=ground), 30000), "scene.pth")
    assert format_of(folder).name == format_of(folder / "scene.pth").name == "hugsim"
    found = load_scene(folder)
    assert (found.name, found.convention, len(found.static)) == ("scene-0383", "gsplat", 100)
    means = np.concatenate([scene.means, road.means])
    np.testing.assert_allclose(
        found.static.gaussians.means, np.stack([means[:, 2], -means[:, 0], -means[:, 1]], 1)
    )
    np.testing.assert_allclose(found.static.gaussians.scales[60:, 1], 0.001, rtol=1e-6)
    np.testing.assert_allclose(found.static.gaussians.scales[60:, 2], road.scales[:, 2], rtol=1e-6)
    named = [LABELS[label] for label in found.static.labels]
    assert named[:3] == ["road", "pavement", "building"]
    assert named[10:14] == ["sky", "pedestrian", "pedestrian", "vehicle"]
    assert set(named[60:]) == {"road"}
    assert load_scene(folder / "scene.pth").name == "scene-0383"


def test_hugsim_turns_colours_and_covariances(tmp_path):
    """What a camera sees of a Gaussian is the same from the turned place."""
    from drivelab.kernels.splat.harmonics import basis

    one = some_gaussians(5, 16)
    file = saved(tmp_path, (made.hugsim_parameters(one, np.zeros(5, int)), 1))
    turned = load_scene(file).static.gaussians
    ray = np.array([0.3, -0.5, 0.81])
    ray /= np.linalg.norm(ray)
    seen = np.einsum("k,nkc->nc", basis(*ray, 3), one.sh)
    after = np.array([ray[2], -ray[0], -ray[1]])
    np.testing.assert_allclose(np.einsum("k,nkc->nc", basis(*after, 3), turned.sh), seen, atol=1e-5)
    turn = np.array([[0, 0, 1], [-1, 0, 0], [0, -1, 0]])
    for n in range(5):
        wanted = turn @ covariance(one, n) @ turn.T
        np.testing.assert_allclose(covariance(turned, n), wanted, atol=1e-6)


def covariance(found, n):
    w, x, y, z = found.quats[n] / np.linalg.norm(found.quats[n])
    rotation = np.array([
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ])  # fmt: skip
    spread = rotation * found.scales[n]
    return spread @ spread.T


def test_hugsim_vehicles_look_ahead(tmp_path):
    car = some_gaussians(20, 4)
    held = (made.hugsim_parameters(car, np.full(20, 13), whole=False), 30000)
    (tmp_path / "2024_06_04").mkdir()
    found = load_scene(saved(tmp_path / "2024_06_04", held, "gs.pth"))
    x, y, z = car.means.T
    np.testing.assert_allclose(found.static.gaussians.means, np.stack([x, z, -y], 1))
    assert found.name == "2024_06_04"


class Call:
    def __init__(self, run, *args):
        self.run, self.args = run, args

    def __reduce__(self):
        return self.run, self.args


@pytest.mark.parametrize(
    ("held", "named"),
    [
        (lambda path: {"splats": Call(os.system, f"touch {path}")}, "system"),
        (lambda path: {"splats": {}, "x": Call(eval, f"open({str(path)!r}, 'w')")}, "eval"),
        (lambda path: {"splats": {}, "cfg": collections.Counter("ab")}, "collections.Counter"),
        (lambda path: torch.nn.Linear(2, 2), "torch.nn.modules.linear.Linear"),
        (lambda path: {"splats": {}, "device": torch.device("cpu")}, "torch.device"),
    ],
)
def test_foreign_objects_are_refused_with_the_way_to_convert(tmp_path, held, named):
    file, trace = tmp_path / "a.pth", tmp_path / "ran"
    torch.save(held(trace), file)
    with pytest.raises(UnsafePickleError, match=r"weights_only=False.*keep the tensors") as caught:
        load_scene(file)
    assert named in str(caught.value)
    assert str(file) in str(caught.value)
    assert not trace.exists()


def by_hand(path, script, *, root="a", **entries):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{root}/data.pkl", script)
        for name, data in entries.items():
            archive.writestr(f"{root}/data/{name.lstrip('_')}", data)
    return path


def tensor_script(*, storage="FloatStorage", key="0", count=4, offset=0, shape=(4,), strides=(1,)):
    """A protocol 2 pickle of one tensor, any of whose numbers may be wrong."""

    def plain(value):
        return pickle.dumps(value, protocol=2)[2:-1]

    args = b"(" + plain("storage") + b"ctorch\n" + storage.encode() + b"\n" + plain(key)
    args += plain("cpu") + plain(count) + b"tQ"
    body = b"ctorch._utils\n_rebuild_tensor_v2\n((" + args[1:] + plain(offset) + plain(shape)
    return b"\x80\x02" + body + plain(strides) + b"\x89)tR."


@pytest.mark.parametrize(
    ("script", "data", "message"),
    [
        (tensor_script(), b"\0" * 12, "12 bytes for 4 numbers"),
        (tensor_script(), b"\0" * 17, "17 bytes for 4 numbers"),
        (tensor_script(count=2), b"\0" * 8, "reaches beyond its 2 numbers"),
        (tensor_script(offset=1), b"\0" * 16, "reaches beyond its 4 numbers"),
        (tensor_script(offset=-1), b"\0" * 16, "something else than a storage"),
        (tensor_script(strides=(-1,)), b"\0" * 16, "something else than a storage"),
        (tensor_script(shape=(1 << 40,), strides=(0,)), b"\0" * 16, "reaches beyond"),
        (tensor_script(shape=(2, 2), strides=(1,)), b"\0" * 16, "with 1 strides"),
        (tensor_script(shape=(1,) * 9, strides=(1,) * 9), b"\0" * 16, "with 9 strides"),
        (tensor_script(key="../../x"), b"\0" * 16, "a storage of an unknown kind or name"),
        (tensor_script(key="7"), b"\0" * 16, "a/data/7: is not in it"),
        (tensor_script(storage="QInt8Storage"), b"\0" * 16, "names torch.QInt8Storage"),
        (tensor_script(count=-4), b"", "a storage of -4 numbers"),
        (tensor_script(count=1 << 62, shape=(1 << 61,)), b"\0" * 16, "16 bytes for"),
    ],
)
def test_tensors_that_are_not_as_they_say(tmp_path, script, data, message):
    with pytest.raises(DataError, match=message):
        read_checkpoint_data(by_hand(tmp_path / "a.pth", script, _0=data)).array()


def test_a_tensor_by_hand(tmp_path):
    script = tensor_script(shape=(2, 1), strides=(2, 1), offset=1)
    values = np.arange(4, dtype="<f4")
    found = read_checkpoint_data(by_hand(tmp_path / "a.pth", script, _0=values.tobytes()))
    np.testing.assert_array_equal(found.array(), [[1.0], [3.0]])
    wide = read_checkpoint_data(
        saved(tmp_path, torch.arange(6.0, dtype=torch.bfloat16).view(2, 3).T)
    )
    np.testing.assert_array_equal(wide.array(), [[0, 3], [1, 4], [2, 5]])


def test_nothing_changes_what_a_pickle_gets_hold_of(tmp_path):
    """BUILD on a tensor, a table or a storage's name would point them at other files."""
    tensor = tensor_script()[2:-1]
    state = pickle.dumps({"_file": "/etc/passwd"}, protocol=2)[2:-1]
    pair = pickle.dumps((None, {"shape": (1 << 40,)}), protocol=2)[2:-1]
    for subject in (tensor, b"ctorch\nFloatStorage\n", b"ctorch._utils\n_rebuild_tensor_v2\n"):
        for change in (state, pair):
            script = b"\x80\x02" + subject + change + b"b."
            with pytest.raises(UnsafePickleError, match="sets "):
                read_checkpoint_data(by_hand(tmp_path / "a.pth", script, _0=bytes(16)))
    table = b"\x80\x02ccollections\nOrderedDict\n)R" + state + b"b."
    found = read_checkpoint_data(by_hand(tmp_path / "a.pth", table))
    assert found == {}
    assert not hasattr(found, "_file")


def test_archives_that_are_none(tmp_path, monkeypatch):
    file = tmp_path / "a.pth"
    torch.save({"splats": {}}, file, _use_new_zipfile_serialization=False)
    with pytest.raises(DataError, match=r"written by torch before 1\.6"):
        load_scene(file)
    by_hand(file, pickle.dumps({}), root="a/b")
    with pytest.raises(DataError, match=r"without the data\.pkl"):
        load_scene(file)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", bytes(1 << 20))
    with pytest.raises(DataError, match=r"a/data\.pkl: is packed"):
        load_scene(file)
    with zipfile.ZipFile(by_hand(file, pickle.dumps({})), "a") as archive:
        archive.writestr("a/byteorder", "big")
    with pytest.raises(DataError, match="big-endian"):
        load_scene(file)
    with zipfile.ZipFile(by_hand(file, pickle.dumps({})), "a") as archive:
        archive.writestr("a/constants.pkl", b"")
    with pytest.raises(DataError, match="TorchScript"):
        load_scene(file)
    monkeypatch.setattr(memory, "available_memory", lambda: 1e5)
    with pytest.raises(DataError, match="would take"):
        load_scene(saved(tmp_path, made.gsplat(some_gaussians(3000))))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("quats"), r"splats: no 'quats'; found means, opacities"),
        (
            lambda s: s.update(quats=torch.zeros(40, 3)),
            r"\['quats'\]: of shape \(40, 3\); expected",
        ),
        (lambda s: s.update(quats=torch.zeros(40, 4)), r"\['quats'\] of Gaussian 0"),
        (lambda s: s.update(means=torch.full((40, 3), float("nan"))), r"\['means'\] of Gaussian 0"),
        (lambda s: s.update(scales=torch.full((40, 3), 200.0)), r"\['scales'\] of Gaussian 0"),
        (lambda s: s.update(means=torch.zeros(0, 3)), "holds no Gaussians"),
        (lambda s: s.update(means=7), r"holds no Gaussians|expected a tensor"),
        (lambda s: s.update(opacities="high"), r"\['opacities'\]: str; expected a tensor"),
        (lambda s: s.update(shN=torch.zeros(40, 5, 3)), "5 coefficients of a colour behind"),
        (lambda s: (s.pop("sh0"), s.update(features=torch.zeros(40, 32))), "app_opt"),
    ],
)
def test_gsplat_damaged(tmp_path, change, message):
    held = made.gsplat(some_gaussians(40))
    change(held["splats"])
    with pytest.raises(DataError, match=message):
        load_scene(saved(tmp_path, held))


@pytest.mark.parametrize(
    ("part", "key", "value", "message"),
    [
        ("RigidNodes", "points_ids", lambda: torch.full((60, 1), 2), "names the thing 2"),
        ("RigidNodes", "points_ids", lambda: torch.zeros(59, 1), r"expected \(60, 1\)"),
        ("RigidNodes", "instances_quats", lambda: torch.zeros(4, 2, 4), "RigidNodes 0: a pose"),
        ("RigidNodes", "instances_trans", lambda: torch.zeros(5, 2, 3), r"expected \(4, 2, 3\)"),
        ("RigidNodes", "instances_size", lambda: torch.zeros(1, 3), r"expected \(2, 3\)"),
        (
            "RigidNodes",
            "instances_size",
            lambda: torch.full((2, 3), float("nan")),
            r"actors\[0\]\.means\[0, 2\]: wrong",
        ),
        ("Sky", "base", lambda: torch.zeros(6, 2, 3, 3), "six square faces"),
        ("Sky", "base", lambda: torch.full((6, 2, 2, 3), float("inf")), "six square faces"),
    ],
)
def test_drivestudio_damaged(tmp_path, part, key, value, message):
    held = made.drivestudio()
    held["models"][part][key] = value()
    with pytest.raises(DataError, match=message):
        load_scene(saved(tmp_path, held))


def test_hugsim_damaged(tmp_path):
    one = some_gaussians(6, 4)
    whole = made.hugsim_parameters(one, np.zeros(6, int))
    for held, message in (
        ((*whole, 1, 2), "13 parameters; expected 11 of a scene or 9 of a vehicle.*--ver0"),
        ((*whole[:10], (1, 2)), "expected 8 parameters of the ground"),
        ((*whole[:4], torch.zeros(6, 30), *whole[5:]), "30 classes; expected up to 20"),
        ((*whole[:5], torch.zeros(6, 2), *whole[6:]), r"parameters\[5\]: of shape \(6, 2\)"),
    ):
        with pytest.raises(DataError, match=message):
            load_scene(saved(tmp_path, (held, 30000)))


def test_checkpoints_of_nobody(tmp_path):
    with pytest.raises(DataError, match="with the keys state_dict, epoch; expected splats"):
        load_scene(saved(tmp_path, {"state_dict": {}, "epoch": 3}))
    with pytest.raises(DataError, match="with a list; expected splats"):
        load_scene(saved(tmp_path, [1, 2]))


@given(at=st.floats(0, 1), noise=st.binary(max_size=4), cut=st.booleans())
@example(at=0.935546875, noise=b"\x00\x1c", cut=False)  # the name of an entry is no text
@settings(max_examples=40, deadline=None)
def test_no_damage_is_met_by_another_error(tmp_path_factory, at, noise, cut):
    folder = tmp_path_factory.mktemp("damaged")
    raw = saved(folder, made.gsplat(some_gaussians(10, 1))).read_bytes()
    n = int(at * (len(raw) - 1))
    (folder / "b.pth").write_bytes(raw[:n] if cut else raw[:n] + noise + raw[n + len(noise) :])
    with suppress(DataError):
        load_scene(folder / "b.pth")
