from __future__ import annotations

import numpy as np
import pytest

from drivelab.agents.constant_velocity import ConstantVelocity
from drivelab.errors import DataError
from drivelab.evaluation.benches.rad import RadBench
from drivelab.evaluation.closed_loop import drive
from drivelab.maps.map_check import check_map
from drivelab.metrics.closed_loop.rad import paper
from drivelab.sim import radlab
from drivelab.sim.generator.families import FAMILIES
from drivelab.sim.generator.setting import Setting
from drivelab.sim.radlab import (
    LENGTH,
    PAST,
    SPLITS,
    clip_ids,
    clip_scene,
    find_attempts,
    read_clip_id,
)
from drivelab.sim.radlab import _attempts as attempts
from drivelab.sim.world.view import base_scene


def test_the_splits_are_as_large_as_promised_and_cover_all_families() -> None:
    assert len(clip_ids("train")) >= 1000
    assert len(clip_ids("test")) == 300
    for split in SPLITS:
        assert {read_clip_id(clip).family for clip in clip_ids(split)} == set(FAMILIES)
        assert len(attempts()[split]) == len(clip_ids(split))


def test_the_table_holds_the_first_good_attempts() -> None:
    for split, first in (("train", 117), ("test", 3)):
        assert find_attempts(split, first, first + 2) == attempts()[split][first : first + 2]


def test_a_clip_is_always_the_same() -> None:
    first, again = clip_scene("test-0006-roundabout"), clip_scene("test-0006-roundabout")
    np.testing.assert_array_equal(first.ego.poses, again.ego.poses)
    np.testing.assert_array_equal(first.tracks.poses, again.tracks.poses)


def test_no_two_clips_share_a_road(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of three clips of every family in each split, looked at before anybody drives."""

    class Drawn(Exception):
        """Carries the map of a clip out before its drive."""

    def stop(setting: Setting, **_: object) -> None:
        lanes = setting.map.lanes.values()
        raise Drawn(np.concatenate([lane.centreline for lane in lanes]).tobytes())

    monkeypatch.setattr(radlab, "run_setting", stop)
    roads = []
    for clip in (clip for split in SPLITS for clip in clip_ids(split)[: 3 * len(FAMILIES)]):
        with pytest.raises(Drawn) as drawn:
            clip_scene(clip)
        roads.append(drawn.value.args[0])
    assert len(set(roads)) == len(roads) == 6 * len(FAMILIES)


@pytest.mark.parametrize("clip", ["test-0002-merge", "train-0016-four_way"])
def test_a_clip_is_a_whole_scene_at_ten_hertz(clip: str) -> None:
    scene = clip_scene(clip)
    check_map(scene.map)
    assert scene.now == PAST
    assert scene.frames > PAST + LENGTH
    assert set(np.diff(scene.ego.times)) == {100_000}
    assert len(scene.tracks) > 3
    moved = np.hypot(*np.diff(scene.ego.poses[:, :2], axis=0).T)
    speed = scene.ego.velocities[:, 0]
    np.testing.assert_allclose(moved / 0.1, (speed[1:] + speed[:-1]) / 2, atol=0.05)


@pytest.mark.parametrize("clip", ["test-0003", "valid-0000-straight", "test-0003-merge", "../x"])
def test_an_unknown_clip_is_refused(clip: str) -> None:
    with pytest.raises(DataError, match="no clip"):
        clip_scene(clip)


def test_an_unknown_split_is_refused_with_the_nearest() -> None:
    with pytest.raises(DataError, match="did you mean 'train'"):
        clip_ids("trian")


def test_the_score_agrees_with_the_world_about_the_end() -> None:
    """Straight on where the path turns: the world ends the clip at RAD's limit of 2 m."""
    episode = RadBench().source().load("test-0005-t_junction")
    rollout = drive(episode, ConstantVelocity())
    assert rollout.info["status"] == "failed: route deviation"
    result = paper().score(base_scene(episode), rollout)
    assert (result.score, result.subscores["position_deviation_ratio"]) == (0.0, 1.0)
    assert result.events[0].step == len(rollout.times) - 1
