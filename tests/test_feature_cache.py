from __future__ import annotations

import errno
import pickle
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, make_dataclass, replace
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from drivelab.agents.features import MINI, FeatureOptions, expand, features_of, rig_of
from drivelab.data import array_store
from drivelab.data.array_store import LATER, ArrayStore, cache_folder, digest_of
from drivelab.data.labmini import LabminiSource
from drivelab.data.observation import build_observation
from drivelab.errors import DataError, RunError
from drivelab.sim.sensors.near import with_rendered_sensors
from drivelab.sim.sensors.rendered import rendered, stage_of_scene
from drivelab.sim.sensors.rendering import WEATHERS, Rendering
from drivelab.training import feature_cache
from drivelab.training.feature_cache import (
    FeatureCache,
    Recipe,
    _deaf_to_interrupts,
    told_failures,
)
from drivelab.types import Scene

BLIND = FeatureOptions(camera=None, lidar=None)  # nothing is rendered
SEEING = Rendering(rig="labmini_mini")


@dataclass(frozen=True)
class Few:
    """The embedded scenes; counts what is asked of it, and fails where it is told to."""

    broken: tuple[str, ...] = ()
    interrupted: str = ""
    version: str = "1"
    loaded: list[str] = field(default_factory=list)
    label = "few"
    data = "embedded"
    licence = ""

    def scene_ids(self) -> tuple[str, ...]:
        return LabminiSource().scene_ids()[:20]

    def load(self, scene_id: str) -> Scene:
        self.loaded.append(scene_id)
        if scene_id == self.interrupted:
            raise KeyboardInterrupt
        if scene_id in self.broken:
            raise DataError("is torn", where=f"scene {scene_id}")
        return LabminiSource().load(scene_id)

    def provenance(self) -> Mapping[str, str]:
        return {"few": self.version}


IDS = Few().scene_ids()


def blind(folder: Path, **changes: object) -> FeatureCache:
    return FeatureCache(Recipe(Few(**changes), BLIND), folder)


def test_a_scene_is_built_once_and_read_again(tmp_path: Path) -> None:
    cache = blind(tmp_path)
    first = cache.load(IDS[0])
    again = blind(tmp_path)
    second = again.load(IDS[0])
    assert again.recipe.source.loaded == []
    assert set(first) == {
        "status_feature", "trajectory", "agent_states", "agent_labels", "bev_semantic_map",
    }  # fmt: skip
    for name, array in first.items():
        np.testing.assert_array_equal(second[name], array)
        assert second[name].dtype == array.dtype


def test_whatever_decides_the_arrays_is_in_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = Recipe(Few(), MINI, SEEING)
    rig = (tmp_path / "rig.yaml").resolve()
    text = (files("drivelab.conf") / "rig" / "rad.yaml").read_text()
    rig.write_text(text)
    recipes = [
        recipe,
        replace(recipe, source=Few(version="2")),
        replace(recipe, options=replace(MINI, poses=6)),
        replace(recipe, targets=False),
        replace(recipe, rendering=replace(SEEING, weather=WEATHERS["rain"])),
        replace(recipe, rendering=Rendering(rig=str(rig))),
    ]
    keys = [FeatureCache(one, tmp_path).key(IDS[0]) for one in recipes]
    keys.append(FeatureCache(recipe, tmp_path).key(IDS[1]))
    rig.write_text(text.replace("fov_deg: 70", "fov_deg: 71", 1))
    keys.append(FeatureCache(recipes[-1], tmp_path).key(IDS[0]))
    monkeypatch.setattr(feature_cache, "VERSION", 99)
    keys.append(FeatureCache(recipe, tmp_path).key(IDS[0]))
    assert len(set(keys)) == len(keys)
    assert FeatureCache(replace(recipe), tmp_path).key(IDS[0]) == keys[-1]
    assert digest_of({"a": (1, 2.5, None)}) == digest_of({"a": [1, 2.5, None]})
    with pytest.raises(TypeError, match="a set has no digest"):
        digest_of({1})


def test_a_field_that_came_later_counts_only_when_it_is_set() -> None:
    def digest(street: str | None) -> str:
        fields = [] if street is None else [("street", str, field(default="", metadata=LATER))]
        made = make_dataclass("Look", [("rig", str), *fields])
        return digest_of(made("rad") if street is None else made("rad", street))

    assert digest("") == digest(None) != digest("house")
    assert digest_of(Rendering()) != digest_of(Rendering(street="house"))


def test_filling_tells_what_it_takes_and_how_far_it_is(tmp_path: Path) -> None:
    told: list[str] = []
    cache = blind(tmp_path, broken=(IDS[7],))
    filled = cache.fill(IDS, workers=0, say=told.append)
    assert told[0].startswith("16 of 20 scenes to build: about 0 MB, ")
    assert "16 of 16 scenes, 0.0 minutes left" in told
    assert told[-1] == f"left out: scene {IDS[7]}: is torn"
    assert (filled.built, list(filled.failed)) == (15, [IDS[7]])
    assert cache.missing(IDS) == [IDS[7]]
    assert cache.estimate(IDS[:7]).missing == 0
    assert blind(tmp_path).fill(IDS, workers=0).failed == {}


def test_many_scenes_that_are_left_out_are_counted() -> None:
    failed = {f"s{n}": f"scene s{n}: is torn" for n in range(8)} | {"t": "no map"}
    lines = told_failures(failed)
    assert lines[0] == "left out: scene s0: is torn"
    assert lines[-1] == "left out: 4 more"
    assert len(lines) == 6
    assert told_failures({"t": "no map"}) == ["left out: t: no map"]


def test_what_was_finished_before_a_break_is_kept(tmp_path: Path) -> None:
    broken_off = blind(tmp_path, interrupted=IDS[8])
    with pytest.raises(KeyboardInterrupt):
        broken_off.fill(IDS, workers=0)
    left = blind(tmp_path)
    missing = left.missing(IDS)
    assert IDS[8] in missing
    assert 0 < len(missing) < 20
    left.fill(IDS, workers=0)
    assert sorted(left.recipe.source.loaded) == sorted(missing)
    assert not left.missing(IDS)


def test_processes_that_build_leave_an_interrupt_to_their_parent() -> None:
    asked = "import signal as s; print(s.SIGINT in s.pthread_sigmask(s.SIG_BLOCK, []))"
    with _deaf_to_interrupts():
        inside = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True)
    after = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True)
    assert (inside.stdout.strip(), after.stdout.strip()) == ("True", "False")


def test_two_processes_build_the_same(tmp_path: Path) -> None:
    recipe = Recipe(LabminiSource(), BLIND)
    two, one = FeatureCache(recipe, tmp_path / "two"), FeatureCache(recipe, tmp_path / "one")
    filled = two.fill([*IDS[:8], "nowhere-0"], workers=2)
    assert list(filled.failed) == ["nowhere-0"]
    assert "has no scene 'nowhere-0'" in filled.failed["nowhere-0"]
    for scene in IDS[:8]:
        one.load(scene)
        assert one.store.file(one.key(scene)).read_bytes() == (
            two.store.file(two.key(scene)).read_bytes()
        )


def test_a_full_disk_is_told_and_nothing_half_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = blind(tmp_path)
    cache.load(IDS[0])
    write = array_store._write_npz

    def full(file: Path, arrays: Mapping[str, np.ndarray]) -> None:
        write(file, arrays)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(array_store, "_write_npz", full)
    said = r"disk of the cache of features, .*, is full. What was finished is kept: free some space"
    for workers in (0, 1):
        with pytest.raises(RunError, match=said):
            cache.fill(IDS, workers=workers)
    with pytest.raises(RunError, match=said):
        cache.load(IDS[1])
    assert [file.suffix for file in tmp_path.rglob("*.*")] == [".npz"]
    assert cache.missing(IDS) == list(IDS[1:])


def test_too_little_space_is_told_before_it_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = blind(tmp_path / "not" / "there")
    assert cache.store.free() > 0
    monkeypatch.setattr(ArrayStore, "free", lambda store: 1000)
    with pytest.raises(RunError, match=r"would need about .* for 16 scenes, but its disk has 0 MB"):
        cache.fill(IDS, workers=0)


def test_a_folder_that_cannot_be_written_to_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"cannot be written to .*name a folder on another disk"):
        blind(tmp_path / "file").load(IDS[0])


def test_features_lie_among_the_caches_of_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    cache = FeatureCache(Recipe(Few(), BLIND))
    assert cache.store.folder == tmp_path / "drivelab" / "features"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder("features") == Path.home() / ".cache" / "drivelab" / "features"


def test_a_damaged_file_is_made_again(tmp_path: Path) -> None:
    cache = blind(tmp_path)
    whole = cache.load(IDS[0])
    file = cache.store.file(cache.key(IDS[0]))
    file.write_bytes(file.read_bytes()[:100])
    np.testing.assert_array_equal(cache.load(IDS[0])["trajectory"], whole["trajectory"])
    assert cache.store.read(cache.key(IDS[0])) is not None


def test_a_cache_travels_to_other_processes(tmp_path: Path) -> None:
    cache = FeatureCache(Recipe(LabminiSource(), MINI, SEEING), tmp_path)
    assert pickle.loads(pickle.dumps(cache)).key(IDS[0]) == cache.key(IDS[0])


def test_what_is_cached_is_what_a_bench_shows(tmp_path: Path) -> None:
    """Bit by bit, though the cache makes only the street near the ego solid."""
    source = LabminiSource()
    cached = FeatureCache(Recipe(source, MINI, SEEING), tmp_path).load(IDS[4])
    scene = source.load(IDS[4])
    bench = replace(scene, sensors=rendered(scene, stage_of_scene(scene, SEEING)))
    near = with_rendered_sensors(scene, SEEING)
    assert with_rendered_sensors(near, Rendering()) is near
    np.testing.assert_array_equal(near.sensors.lidar(near.now), bench.sensors.lidar(bench.now))
    wanted = build_observation(bench, rig_of(MINI))
    shown = features_of(wanted, MINI)
    for name, array in expand(cached, MINI).items():
        if name in shown:
            np.testing.assert_array_equal(array, shown[name])
    assert cached["camera_feature"].shape == (3, 128, 512)
    assert cached["camera_feature"].std() > 20
    assert 500 < np.count_nonzero(cached["lidar_feature"]) < 5000
