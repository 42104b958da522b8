"""Scene files: what is saved comes back, what is damaged is refused with its place."""

from __future__ import annotations

import json
import re
import struct
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import golden_splats as golden
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from drivelab.errors import DataError
from drivelab.kernels import memory as machine
from drivelab.kernels.splat import Gaussians
from drivelab.sim.splats import memory
from drivelab.sim.splats.files import ENDING, load_scene, save_scene
from drivelab.sim.splats.header import FORMAT
from drivelab.sim.splats.labels import NUMBER
from drivelab.sim.splats.scene import Actor, Air, Lamp, Sky, Splats, SplatScene


def splats(count: int = 5, rank: int = 4, label: str = "vehicle") -> Splats:
    draw = np.random.default_rng(count)
    return Splats(
        Gaussians(
            draw.normal(size=(count, 3)).astype(np.float32),
            draw.normal(size=(count, 4)).astype(np.float32),
            draw.random((count, 3)).astype(np.float32),
            draw.random(count).astype(np.float32),
            draw.normal(size=(count, rank, 3)).astype(np.float32),
        ),
        np.full(count, NUMBER[label], np.uint8),
    )


def scene() -> SplatScene:
    car, poses = splats(), np.tile(np.eye(4), (3, 1, 1))
    poses[:, 0, 3] = [1.0, 2.0, 3.0]
    where = np.eye(4)
    where[:2, 3] = 664_321.25, 3_998_123.5
    return SplatScene(
        name="../../../etc/street",
        static=splats(7, 16, "road"),
        actors={
            "a": Actor("a", "vehicle", (4.5, 1.9, 1.6), car, poses, np.array([True, True, False])),
            "b": Actor("b", "pedestrian", (0.6, 0.6, 1.8), car),
        },
        lamps=(Lamp(("in", "out"), "red", splats(2, 1), splats(3, 1)),),
        sky=Sky(np.random.default_rng(0).random((6, 2, 2, 3)).astype(np.float32)),
        air=Air(0.01, (0.5, 0.5, 0.6), 0.2, 0.9),
        times=np.array([0.0, 0.1, 0.2]),
        map_from_scene=where,
        convention="inria",
        licence="CC0-1.0",
        info={"seed": 3, "rig": "rad", "lod": [20.0, 0.5], "more": {"deep": None, "is": True}},
    )


def assert_same(ours: Splats, theirs: Splats) -> None:
    for name in golden.FIELDS:
        np.testing.assert_array_equal(
            getattr(ours.gaussians, name), getattr(theirs.gaussians, name)
        )
    np.testing.assert_array_equal(ours.labels, theirs.labels)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    save_scene(scene(), tmp_path / f"street{ENDING}")
    return tmp_path / f"street{ENDING}"


def test_a_scene_comes_back(file):
    wanted, found = scene(), load_scene(file)
    assert_same(found.static, wanted.static)
    assert list(found.actors) == ["a", "b"]
    for name, actor in wanted.actors.items():
        assert_same(found.actors[name].splats, actor.splats)
        assert found.actors[name].kind == actor.kind
        assert found.actors[name].size == actor.size
    np.testing.assert_array_equal(found.actors["a"].poses, wanted.actors["a"].poses)
    np.testing.assert_array_equal(found.actors["a"].valid, wanted.actors["a"].valid)
    assert found.actors["b"].poses is None
    assert found.actors["b"].valid is None
    assert found.actors["a"].splats is found.actors["b"].splats, "shared Gaussians stay shared"
    assert_same(found.lamps[0].lit, wanted.lamps[0].lit)
    assert (found.lamps[0].lanes, found.lamps[0].colour) == (("in", "out"), "red")
    np.testing.assert_array_equal(found.sky.faces, wanted.sky.faces)
    np.testing.assert_array_equal(found.map_from_scene, wanted.map_from_scene)
    np.testing.assert_array_equal(found.times, wanted.times)
    for field in ("name", "air", "convention", "licence", "info"):
        assert getattr(found, field) == getattr(wanted, field)


def test_the_same_scene_is_the_same_file(file, tmp_path):
    save_scene(load_scene(file), tmp_path / f"again{ENDING}")
    assert (tmp_path / f"again{ENDING}").read_bytes() == file.read_bytes()


def test_nothing_is_written_but_the_file(file):
    """Not even where its own name would lead; and a refused scene leaves the old file alone."""
    before = file.read_bytes()
    bad = replace(scene(), info={"f": float("nan")})
    with pytest.raises(DataError, match=r"info\.f: nan"):
        save_scene(bad, file)
    assert [path.name for path in file.parent.iterdir()] == [file.name]
    assert file.read_bytes() == before


def test_a_failed_write_leaves_the_old_file(file, monkeypatch):
    before = file.read_bytes()

    def full(tensors, part, metadata):
        Path(part).write_bytes(b"half")
        raise OSError(28, "No space left on device", str(part))

    monkeypatch.setattr("drivelab.sim.splats.files.save_file", full)
    with pytest.raises(OSError, match="No space"):
        save_scene(scene(), file)
    assert file.read_bytes() == before
    assert len(list(file.parent.iterdir())) == 1


def changed(file: Path, tensors: dict | None = None, **words: object) -> Path:
    """The file with other tensors or words in its header; None takes a tensor away."""
    found = load_file(file) | (tensors or {})
    raw = file.read_bytes()
    header = json.loads(raw[8 : 8 + struct.unpack("<Q", raw[:8])[0]])["__metadata__"][FORMAT]
    text = json.dumps(json.loads(header) | words)
    kept = {key: value for key, value in found.items() if value is not None}
    save_file(kept, file, {FORMAT: text})
    return file


def bad(shape: tuple[int, ...], at: tuple[int, ...], value: float) -> np.ndarray:
    found = np.full(shape, 0.5, np.float32)
    found[at] = value
    return found


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"parts.0.means": bad((7, 3), (2, 1), np.nan)}, r"static\.means\[2, 1\]: wrong; expe"),
        ({"parts.0.scales": bad((7, 3), (4, 0), -1)}, r"static\.scales\[4, 0\].* not below 0"),
        ({"parts.1.opacities": bad((5,), (3,), 1.5)}, r"actors\[0\]\.opacities\[3\].*0 to 1"),
        ({"parts.0.quats": np.zeros((7, 4), np.float32)}, r"quats\[0\]: wrong \(so are 6 more"),
        ({"parts.0.labels": np.full(7, 99, np.uint8)}, r"parts\.0: label 99; expected 0 to"),
        ({"parts.0.means": np.zeros((7, 3))}, r"parts\.0\.means: F64 \(7, 3\); expected F32"),
        ({"parts.0.sh": np.zeros((7, 5, 3), np.float32)}, r"parts\.0: .*k of 1, 4, 9 or 16"),
        ({"parts.2.lit": np.zeros(1)}, r"parts\.2\.lit: unknown tensor"),
        ({"parts.3.scales": None}, r"parts\.3\.scales: missing"),
        ({"times": np.array([0.0, 0.2, 0.1])}, "times: expected finite seconds"),
        ({"map_from_scene": 2 * np.eye(4)}, "map_from_scene: expected a rigid motion"),
        ({"actors.0.poses": np.full((3, 4, 4), np.nan)}, r"actors\[0\]\.poses\[0\]: expected a ri"),
        ({"sky": np.full((6, 1, 1, 3), np.inf, np.float32)}, r"sky\[0, 0, 0, 0\]"),
    ],
)  # fmt: skip
def test_damaged_numbers(file, tensors, message):
    with pytest.raises(DataError, match=message) as caught:
        load_scene(changed(file, tensors))
    assert str(file) in str(caught.value)


DEEP: dict = {}
for _ in range(12):
    DEEP = {"a": DEEP}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"version": 2}, "is of version 2, this drivelab reads 1"),
        ({"static": 9}, "static: part 9; expected below 4"),
        ({"name": 3}, r"Expected `str`, got `int` - at `\$\.name`"),
        ({"convention": "other"}, r"\$\.convention"),
        ({"extra": 1}, "unknown field `extra`"),
        ({"info": {"deep": DEEP}}, "tables within tables more than 8 deep"),
        ({"parts": -1}, r"\$\.parts"),
        ({"parts": 10**7}, r"parts\.4\.means: missing"),
        ({"actors": [{"id": "a", "kind": "ufo", "size": [1, 1, 1], "splats": 0, "poses": False,
                      "valid": False}]}, r"actors\[0\]\.kind: 'ufo'; expected one of"),
        ({"actors": [{"id": "a", "kind": "vehicle", "size": [1, 0, 1], "splats": 0,
                      "poses": False, "valid": False}]}, r"\$\.actors\[0\]\.size"),
    ],
)  # fmt: skip
def test_damaged_words(file, words, message):
    with pytest.raises(DataError, match=message):
        load_scene(changed(file, **words))


def test_no_json_is_too_deep(file):
    tensors = load_file(file)
    save_file(tensors, file, {FORMAT: '{"version":1,"info":' + "[" * 50_000})
    with pytest.raises(DataError, match="header: "):
        load_scene(file)


@given(cut=st.floats(0, 1, exclude_max=True), noise=st.binary(min_size=1, max_size=8))
@settings(max_examples=60, deadline=None)
def test_no_damage_is_met_by_another_error(tmp_path_factory, cut, noise):
    folder = tmp_path_factory.mktemp("damaged")
    file = folder / f"s{ENDING}"
    save_scene(scene(), file)
    raw = file.read_bytes()
    at = int(cut * len(raw))
    file.write_bytes(raw[:at])
    with pytest.raises(DataError, match=re.escape(str(file))):
        load_scene(file)
    file.write_bytes(raw[:at] + noise + raw[at + len(noise) :])
    with suppress(DataError):  # some damage leaves a whole scene
        load_scene(file)


def test_other_files(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        load_scene(tmp_path / f"none{ENDING}")
    with pytest.raises(DataError, match="is a folder without"):
        load_scene(tmp_path)
    save_file({"w": np.zeros(2)}, tmp_path / "w.safetensors")
    with pytest.raises(DataError, match="is no scene: its header lacks"):
        load_scene(tmp_path / "w.safetensors")
    (tmp_path / "a.obj").write_text("v 1 2 3")
    with pytest.raises(DataError, match=r"ends in '\.obj'; expected"):
        load_scene(tmp_path / "a.obj")
    with pytest.raises(DataError, match="a name that ends in"):
        save_scene(scene(), tmp_path / "a.ply")


def test_empty_scenes(tmp_path):
    nothing = SplatScene("nothing", splats(0))
    with pytest.raises(DataError, match="holds no Gaussians"):
        save_scene(nothing, tmp_path / f"n{ENDING}")
    assert not list(tmp_path.iterdir())


def test_too_large_for_the_memory(file, monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: 1000)
    with pytest.raises(DataError, match=r"would take \d\.\d kB, 1\.0 kB are available"):
        load_scene(file)


def test_available_memory(tmp_path, monkeypatch):
    (tmp_path / "meminfo").write_text("MemTotal: 9000 kB\nMemAvailable: 5000 kB\n")
    monkeypatch.setattr(machine, "_MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(machine, "_CGROUP", tmp_path)
    assert machine.available_memory() == 5000 * 1024
    (tmp_path / "memory.max").write_text("max\n")
    assert machine.available_memory() == 5000 * 1024
    (tmp_path / "memory.max").write_text("1000000\n")
    (tmp_path / "memory.current").write_text("700000\n")
    (tmp_path / "memory.stat").write_text("anon 5\ninactive_file 100000\n")
    assert machine.available_memory() == 400_000
