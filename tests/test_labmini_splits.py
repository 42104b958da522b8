from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from drivelab.data.labmini import LabminiSource
from drivelab.data.source import SceneSource
from drivelab.errors import DataError
from drivelab.maps.map_check import check_map
from drivelab.sim import labmini_splits, labmini_table
from drivelab.sim.generator.families import FAMILIES
from drivelab.sim.labmini import SEED
from drivelab.sim.labmini_splits import (
    SPLITS,
    UNKNOWN,
    find_attempt,
    labmini_source,
    map_digest,
    read_scene_id,
    scene_ids,
    split_table,
)


def test_the_splits_are_as_large_as_promised_and_cover_all_families() -> None:
    assert {split: len(scene_ids(split)) for split in SPLITS} == {
        "train": 3000, "val": 300, "test": 1000,
    }  # fmt: skip
    for split in SPLITS:
        names = [read_scene_id(scene) for scene in scene_ids(split)]
        assert {name.family for name in names} == set(FAMILIES)
        assert [name.index for name in names] == list(range(len(names)))


def test_no_map_occurs_twice_nor_among_the_shipped_ones() -> None:
    shipped = LabminiSource()
    logs = {shipped.load(scene).log for scene in shipped.scene_ids()}
    digests = [map_digest(shipped.log(log).map) for log in sorted(logs)]
    for split in SPLITS:
        digests.extend(split_table(split)[1].tolist())
    assert len(digests) == 100 + sum(count for count, _ in SPLITS.values())
    assert len(set(digests)) == len(digests)


def test_seeds_are_disjoint_and_every_scene_has_an_attempt() -> None:
    assert len({SEED, *(seed for _, seed in SPLITS.values())}) == len(SPLITS) + 1
    for split in SPLITS:
        assert (split_table(split)[0] < UNKNOWN).all()


@pytest.mark.parametrize(("split", "index"), [("train", 2999), ("val", 8), ("test", 19)])
def test_the_table_holds_the_first_good_attempt_and_the_map_it_drives_on(
    split: str, index: int
) -> None:
    name = read_scene_id(scene_ids(split)[index])
    attempts, maps = split_table(split)
    assert find_attempt(name) == (attempts[index], maps[index])


def test_a_scene_is_whole_and_always_the_same() -> None:
    source = labmini_source("val")
    assert isinstance(source, SceneSource)
    assert (source.data, source.label) == ("embedded", "labmini val (generated, not NAVSIM)")
    scene = source.load("labmini-val-0006-roundabout")
    again = pickle.loads(pickle.dumps(source)).load("labmini-val-0006-roundabout")
    assert (scene.id, scene.family, scene.source) == (
        "labmini-val-0006-roundabout", "roundabout", "labmini",
    )  # fmt: skip
    check_map(scene.map)
    assert (scene.frames, scene.now, scene.tracks.dt) == (14, 3, 0.5)
    np.testing.assert_array_equal(scene.ego.poses, again.ego.poses)
    np.testing.assert_array_equal(scene.tracks.poses, again.tracks.poses)
    assert map_digest(scene.map) == split_table("val")[1][6]
    assert source.provenance()["labmini_split"] == "val"


def test_names_that_are_none_are_told() -> None:
    with pytest.raises(DataError, match=r"no split 'trian'; did you mean 'train'\?"):
        labmini_source("trian")
    for scene in ("labmini-val-0006-merge", "merge-002-0", "labmini-vall-0006-roundabout"):
        with pytest.raises(DataError, match=r"no scene .*expected an id like"):
            labmini_source("val").load(scene)
    assert len(labmini_source("embedded").scene_ids()) == 200


def test_a_table_begun_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "table.npz"
    looked_for = []

    class Alone:
        """Stands in for a pool of processes."""

        def __init__(self, workers: int) -> None: ...

        def __enter__(self) -> Alone:
            return self

        def __exit__(self, *_: object) -> None: ...

        def imap_unordered(self, call: object, names: list, chunksize: int) -> list:
            looked_for.extend(names)
            return [(name, 3, 77 + name.index) for name in names]

    class Context:
        Pool = Alone

    monkeypatch.setattr(labmini_table, "get_context", lambda _: Context)
    assert labmini_table.make_table(file, limit=5) == 4295
    assert labmini_table.make_table(file, limit=3) == 4292
    assert [name.index for name in looked_for] == list(range(8))
    columns = labmini_table.read_columns(file)
    assert columns["train_attempts"][:9].tolist() == [3] * 8 + [UNKNOWN]
    assert columns["train_maps"][7] == 84


def test_a_table_that_is_not_whole_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labmini_splits, "files", lambda _: tmp_path)
    labmini_splits._table.cache_clear()
    try:
        with pytest.raises(DataError, match=r"labmini_splits\.npz: cannot be read.*labmini_table"):
            split_table("train")
        (tmp_path / "labmini_splits.npz").write_bytes(b"PK\x03\x04 cut")
        with pytest.raises(DataError, match="cannot be read"):
            split_table("train")
        columns = labmini_table.read_columns(tmp_path / "none")
        labmini_table.write_columns(tmp_path / "labmini_splits.npz", columns)
        with pytest.raises(DataError, match="the table of attempts ends before"):
            labmini_source("train").load("labmini-train-0000-straight")
    finally:
        labmini_splits._table.cache_clear()
