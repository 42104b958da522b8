from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from drivelab.data.rollout_log import load_rollout, rollout_file, rollout_scene, save_rollout
from drivelab.errors import DataError
from drivelab.geometry.polyline import with_headings
from drivelab.types import (
    Block,
    EgoTrajectory,
    Lane,
    LaneMap,
    Rollout,
    Scene,
    Tracks,
)


def some_rollout(seed: int, frames: int, tracks: int, scene_id: str = "a/b c") -> Rollout:
    rng = np.random.default_rng(seed)
    poses = rng.normal(size=(frames, tracks, 3)) * 1e6
    valid = rng.random((frames, tracks)) < 0.7
    poses[~valid] = np.nan
    return Rollout(
        scene_id,
        np.arange(frames) * 0.1,
        rng.normal(size=(frames, 11)) / 3,
        Tracks(
            tuple(f"t{i}" for i in range(tracks)),
            ("vehicle",) * tracks,
            rng.random((tracks, 2)),
            poses,
            poses[..., :2] / 7,
            valid,
            0.1,
        ),
        rng.normal(size=(8, 3)),
        0.5,
        (
            {
                "kind": "collision",
                "step": min(3, frames - 1),
                "actor": "t0",
                "margin": float("-inf"),
            },
        ),
        {"speed": 0.1 + 0.2, "proposals": rng.normal(size=(2, 8, 3)), "note": "ä"},
    )


def assert_equal(a: Rollout, b: Rollout) -> None:
    assert (a.scene_id, a.plan_dt, a.events) == (b.scene_id, b.plan_dt, b.events)
    assert (a.tracks.ids, a.tracks.kinds, a.tracks.dt) == (
        b.tracks.ids,
        b.tracks.kinds,
        b.tracks.dt,
    )
    pairs = [(a.times, b.times), (a.ego, b.ego), (a.plan, b.plan)]
    pairs += [(getattr(a.tracks, n), getattr(b.tracks, n)) for n in ("sizes", "poses", "valid")]
    pairs += [(a.tracks.velocities, b.tracks.velocities)]
    assert set(a.info) == set(b.info)
    for key, value in a.info.items():
        if isinstance(value, np.ndarray):
            pairs.append((value, b.info[key]))
        else:
            assert value == b.info[key]
    for left, right in pairs:
        assert left.dtype == right.dtype
        assert left.tobytes() == right.tobytes()


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(0, 5))
def test_a_rollout_comes_back_bit_for_bit(
    tmp_path_factory: pytest.TempPathFactory, seed: int, frames: int, tracks: int
) -> None:
    folder = tmp_path_factory.mktemp("rollouts")
    rollout = some_rollout(seed, frames, tracks)
    file = save_rollout(rollout, folder)
    assert_equal(rollout, load_rollout(file))
    assert_equal(rollout, load_rollout(folder))
    assert_equal(rollout, load_rollout(folder, rollout.scene_id))


def test_scene_ids_never_leave_the_folder(tmp_path: Path) -> None:
    for name in ("../../evil", "/etc/passwd", "a/b", ".."):
        assert rollout_file(tmp_path, name).parent == tmp_path
    assert rollout_file(tmp_path, "a/b") != rollout_file(tmp_path, "a_b")


def test_no_partial_file_is_left_behind(tmp_path: Path) -> None:
    file = save_rollout(some_rollout(1, 5, 2), tmp_path)
    assert list(tmp_path.iterdir()) == [file]


def test_a_folder_of_several_asks_for_the_scene(tmp_path: Path) -> None:
    save_rollout(some_rollout(1, 5, 2, "one"), tmp_path)
    save_rollout(some_rollout(2, 5, 2, "two"), tmp_path)
    with pytest.raises(DataError, match="found 2 rollouts"):
        load_rollout(tmp_path)
    assert load_rollout(tmp_path, "two").scene_id == "two"


@pytest.mark.parametrize("keep", [0, 10, 500])
def test_a_cut_file_is_named(tmp_path: Path, keep: int) -> None:
    file = save_rollout(some_rollout(1, 5, 2), tmp_path)
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(DataError, match="cut short") as caught:
        load_rollout(file)
    assert str(file) in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nothing\.npz"):
        load_rollout(tmp_path / "nothing.npz")


def test_pickled_arrays_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "x.npz"
    np.savez(file, header=np.array([{"schema": 1}], dtype=object))
    with pytest.raises(DataError, match="cannot be read"):
        load_rollout(file)


@pytest.mark.parametrize(("name", "shape"), [("ego", (5, 10)), ("track_poses", (4, 2, 3))])
def test_a_wrong_shape_names_the_array(tmp_path: Path, name: str, shape: tuple[int, ...]) -> None:
    file = save_rollout(some_rollout(1, 5, 2), tmp_path)
    with np.load(file) as stored:
        arrays = {key: stored[key] for key in stored.files}
    np.savez(file, **{**arrays, name: np.zeros(shape)})
    with pytest.raises(DataError, match=f"{name}: axis"):
        load_rollout(file)


def test_an_unknown_schema_is_refused(tmp_path: Path) -> None:
    file = save_rollout(some_rollout(1, 5, 2), tmp_path)
    with np.load(file) as stored:
        arrays = {key: stored[key] for key in stored.files}
    header = json.loads(str(arrays["header"])) | {"schema": 99}
    np.savez(file, **{**arrays, "header": np.array(json.dumps(header))})
    with pytest.raises(DataError, match="schema 2"):
        load_rollout(file)


def test_a_closed_loop_comes_back_with_plans_route_and_lights(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    rollout = replace(
        some_rollout(1, 5, 2),
        plans=rng.normal(size=(4, 8, 3)),
        plan_steps=np.arange(4),
        route=rng.normal(size=(9, 3)),
        red_lights=(("a", "b"), (), (), ("b",), ()),
    )
    back = load_rollout(save_rollout(rollout, tmp_path))
    assert_equal(rollout, back)
    assert back.red_lights == rollout.red_lights
    for name in ("plans", "plan_steps", "route"):
        np.testing.assert_array_equal(getattr(back, name), getattr(rollout, name))


def test_a_file_of_the_first_schema_is_still_read(tmp_path: Path) -> None:
    file = save_rollout(some_rollout(1, 5, 2), tmp_path)
    with np.load(file) as stored:
        arrays = {key: stored[key] for key in stored.files}
    header = json.loads(str(arrays["header"])) | {"schema": 1}
    del header["red_lights"]
    np.savez(file, **{**arrays, "header": np.array(json.dumps(header))})
    back = load_rollout(file)
    assert (back.plans, back.route, back.red_lights) == (None, None, ())


def test_values_that_cannot_be_stored_are_named(tmp_path: Path) -> None:
    rollout = replace(some_rollout(1, 5, 2), info={"agent": object()})
    with pytest.raises(DataError, match="found a object"):
        save_rollout(rollout, tmp_path)
    assert list(tmp_path.iterdir()) == []


def world(scene_id: str = "a/b c") -> Scene:
    line = with_headings(np.array([[0.0, 0.0], [100.0, 0.0]]))
    lane = Lane("l", line, shapely.box(0, -2, 100, 2), block="b")
    times = np.arange(3) * 500_000
    ego = EgoTrajectory(times, np.zeros((3, 3)), np.zeros((3, 2)), np.zeros((3, 2)))
    return Scene(
        scene_id,
        "test",
        "log",
        LaneMap("m", {"l": lane}, {"b": Block("b", ("l",), lane.polygon)}),
        ego,
        1,
        Tracks.empty(3, 0.5),
        ("b",),
        red_lights=((), ("l",), ()),
        licence="CC0",
    )


def test_a_scene_of_a_rollout_shows_what_was_driven() -> None:
    rollout = some_rollout(3, 9, 2)
    scene = rollout_scene(rollout, world(), now=4)
    assert scene.now == 4
    assert scene.time == world().time + 400_000
    np.testing.assert_array_equal(scene.ego.poses, rollout.ego[:, :3])
    np.testing.assert_array_equal(scene.ego.velocities, rollout.ego[:, 3:5])
    np.testing.assert_array_equal(scene.ego.accelerations, rollout.ego[:, 5:7])
    assert scene.tracks is rollout.tracks
    assert scene.route == ("b",)
    assert scene.licence == "CC0"
    # The world's frames are 0.5 s apart: red from 0.5 s (its current moment) until 1.0 s.
    assert scene.red_lights == (("l",),) * 5 + ((),) * 4


def test_a_rollout_of_another_scene_is_refused() -> None:
    with pytest.raises(DataError, match="was driven in"):
        rollout_scene(some_rollout(3, 9, 2), world("other"))


def test_now_must_be_a_frame_of_the_rollout() -> None:
    with pytest.raises(DataError, match="expected 0 to 8"):
        rollout_scene(some_rollout(3, 9, 2), world(), now=9)


@pytest.mark.parametrize(
    ("events", "where"),
    [
        ([{"kind": "collision"}], r"events\[0\]"),
        ([{"kind": "kerb", "step": 2}, {"kind": "kerb", "step": 9}], r"events\[1\]: .*0 to 8"),
        ([{"kind": "kerb", "step": "2"}], r"events\[0\]"),
        ([7], r"events\[0\]"),
        ({"kind": "kerb", "step": 2}, "list of events"),
    ],
)
def test_events_that_cannot_be_read_are_named(tmp_path: Path, events: object, where: str) -> None:
    file = save_rollout(some_rollout(1, 9, 1), tmp_path)
    with np.load(file) as stored:
        content = dict(stored)
    header = {**json.loads(str(content["header"])), "events": events}
    np.savez(file, **{**content, "header": np.array(json.dumps(header))})
    with pytest.raises(DataError, match=where):
        load_rollout(file)


def test_an_ego_that_is_nowhere_is_named(tmp_path: Path) -> None:
    rollout = some_rollout(1, 9, 1)
    rollout.ego[4, 2] = np.nan
    with pytest.raises(DataError, match="ego, step 4: a number is not finite"):
        load_rollout(save_rollout(rollout, tmp_path))
