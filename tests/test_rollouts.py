"""Rollouts: events and sides by hand, clips as arrays, experts and episodes."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra nn")

from rad_clips import (  # noqa: E402
    LEFT,
    MIDDLE,
    RIGHT,
    START,
    STEADY,
    STRAIGHT,
    VALID,
    Blind,
    clip,
    cores,
    driven,
    thing,
    worker_of,
)

from drivelab.errors import ConfigError, DataError, RunError  # noqa: E402
from drivelab.sim.envs.clips import ClipEpisodes  # noqa: E402
from drivelab.sim.envs.core import EnvCore, EnvOptions  # noqa: E402
from drivelab.sim.envs.vector_view import VectorView  # noqa: E402
from drivelab.sim.world.episode import Replay  # noqa: E402
from drivelab.sim.world.roads import RoadTables, road_tables  # noqa: E402
from drivelab.training.reinforcement.events import EventKind  # noqa: E402
from drivelab.training.reinforcement.loop import Course  # noqa: E402
from drivelab.training.rollouts import runner  # noqa: E402
from drivelab.training.rollouts.clips import NO_EVENT, UNTAUGHT, DrivenClips  # noqa: E402
from drivelab.training.rollouts.demonstrations import demonstrate, expert_position  # noqa: E402
from drivelab.training.rollouts.episodes import KeptEpisodes  # noqa: E402
from drivelab.training.rollouts.runner import ClipRunner, Decided  # noqa: E402
from drivelab.training.rollouts.worker import RolloutWorker, weights_of  # noqa: E402
from drivelab.types import Tracks  # noqa: E402

pytestmark = pytest.mark.nn


def only_event(clips: DrivenClips) -> tuple:
    assert len(clips) == 1
    event = int(clips.events[0])
    kind = None if event == NO_EVENT else EventKind(event)
    return kind, int(clips.lengths[0]), float(clips.dynamic_side[0]), float(clips.static_side[0])


def test_a_clip_without_event_is_bootstrapped_from_its_last_state():
    clips = driven(clip(steps=20))
    assert only_event(clips) == (None, 20, 0.0, 0.0)
    np.testing.assert_array_equal(clips.last_values, [[-0.25, -0.5]])
    np.testing.assert_array_equal(clips.values, np.tile(np.float32([-0.25, -0.5]), (20, 1)))
    np.testing.assert_array_equal(clips.bins, np.tile([STRAIGHT, STEADY], (20, 1)))
    np.testing.assert_allclose(clips.log_probs, 0.0, atol=1e-6)
    np.testing.assert_allclose(clips.path_offset, 0.0, atol=1e-6)
    assert set(clips.version.tolist()) == {0}
    assert clips.features["vector"].shape == (20, 515)


@pytest.mark.parametrize(("kind", "event"), [("vehicle", "DYNAMIC"), ("barrier", "STATIC")])
def test_what_stands_ahead_is_hit_by_the_bumper(kind, event):
    # Its rear is at 38 m. The bumper is at 24.049 m + 0.5 m a step: 38.049 m after step 28.
    clips = driven(clip(thing(40.0, kind=kind)))
    found = only_event(clips)
    assert found[:2] == (EventKind[event], 28)
    assert found[2:] == ((1.0, 0.0) if event == "DYNAMIC" else (0.0, 0.0))
    np.testing.assert_array_equal(clips.last_values, 0.0)


@pytest.mark.parametrize(("y", "side"), [(MIDDLE + 1.5, 1.0), (MIDDLE - 1.5, -1.0)])
def test_a_thing_on_one_side_is_hit_on_that_side(y, side):
    assert only_event(driven(clip(thing(40.0, y, "barrier")))) == (EventKind.STATIC, 28, 0.0, side)


def test_of_two_bodies_at_once_the_road_user_counts():
    both = clip(thing(40.0, MIDDLE - 1.0, "barrier", 0.5), thing(40.0, MIDDLE + 1.0, width=0.5))
    assert only_event(driven(both)) == (EventKind.DYNAMIC, 28, 1.0, 0.0)


def test_who_comes_from_behind_hits_there():
    # The ego stands, its rear 1.127 m behind its axle at 18.873 m. The other one's front is at
    # 12 m + 1 m a step: 19 m after step 7.
    frames = np.arange(81)
    poses = np.zeros((81, 1, 3))
    poses[:, 0, 0], poses[:, 0, 1] = 10.0 + frames, MIDDLE
    velocities = np.tile([10.0, 0.0], (81, 1, 1))
    log = Tracks(("pusher",), ("vehicle",), np.array([[4.0, 2.0]]), poses, velocities,
                 np.ones((81, 1), bool), 0.1)  # fmt: skip
    pusher = replace(thing(10.0), id="pusher", motion=Replay(0), speed=10.0)
    clips = driven(replace(clip(pusher), log=log), longitudinal=0)
    assert only_event(clips) == (EventKind.DYNAMIC, 7, -1.0, 0.0)


@pytest.mark.parametrize(("y", "bend", "side"), [(LEFT, 6, 1.0), (RIGHT, -6, -1.0)])
def test_the_kerb_is_touched_on_its_side(y, bend, side):
    kind, _, _, static = only_event(driven(clip(y=y), STRAIGHT + bend))
    assert (kind, static) == (EventKind.STATIC, side)


def test_a_slow_drift_ends_2_m_off_the_path():
    clips = driven(clip(), STRAIGHT + 1)
    assert only_event(clips)[0] == EventKind.POSITION
    assert clips.path_offset[0] == 0.0
    assert 1.5 < clips.path_offset[-1] < 2.0  # before the last decision it was not yet over


def test_a_sharp_turn_ends_40_degrees_off_the_path():
    clips = driven(clip(), STRAIGHT + 13, 6)
    assert only_event(clips)[0] == EventKind.HEADING
    assert np.degrees(clips.heading_error[-1]) > 20.0


def test_clips_come_in_the_order_they_were_asked_for_and_do_not_depend_on_others():
    def source(seed: int):
        return clip(thing(40.0 + 5.0 * seed), name=f"clip{seed}")

    alone = worker_of(source).collect([0, 1, 2, 3, 4], 0).clips
    beside = worker_of(source, environments=3).collect([0, 1, 2, 3, 4], 0).clips
    assert alone.lengths.tolist() == [28, 38, 48, 58, 68]
    assert alone.seeds.tolist() == [0, 1, 2, 3, 4]
    for name, array in alone.arrays().items():
        np.testing.assert_array_equal(beside.arrays()[name], array, err_msg=name)


def test_the_same_draws_give_the_same_bits():
    network = Blind(STRAIGHT, STEADY, sure=0.02)
    first, again = (
        worker_of(lambda seed: clip(), network, 3).collect(range(5), 7).clips for _ in range(2)
    )
    other = worker_of(lambda seed: clip(), network, 3).collect(range(5), 8).clips
    for name, array in first.arrays().items():
        np.testing.assert_array_equal(again.arrays()[name], array, err_msg=name)
    assert not np.array_equal(other.bins[:5], first.bins[:5])
    assert bool(VALID[first.bins[:, 1], first.bins[:, 0]].all())  # masked ones are never drawn


def test_a_worker_that_forgets_its_maps_drives_the_same(monkeypatch: pytest.MonkeyPatch):
    def source(seed: int):
        return replace(clip(thing(44.0)), map=replace(clip().map, cache={}))

    workers = [worker_of(source, Blind(STRAIGHT, STEADY, sure=0.02), 2) for _ in range(2)]
    for seeds in ([0, 1, 2], [3], [4, 5, 6]):
        kept = workers[0].collect(seeds, 7).clips.arrays()
        with monkeypatch.context() as patch:
            patch.setattr(runner, "MAPS", 3)
            for name, array in workers[1].collect(seeds, 7).clips.arrays().items():
                np.testing.assert_array_equal(array, kept[name], err_msg=name)
    held = [len(worker._runner.core.world.bank.tables) for worker in workers]
    assert held == [7, 3]


def test_arrays_survive_a_trip():
    clips = driven(clip(steps=5))
    back = pickle.loads(pickle.dumps(clips.arrays()))
    both = DrivenClips.join([clips, DrivenClips.from_arrays(back)])
    assert (len(both), both.decisions, both.starts.tolist()) == (2, 10, [0, 5, 10])
    assert both.rows(1) == slice(5, 10)
    assert len(both.take(np.array([False, True]))) == 1
    with pytest.raises(DataError, match=r"clips.values: 4 rows, expected 5"):
        replace(clips, values=clips.values[1:])
    with pytest.raises(DataError, match="no bins"):
        DrivenClips.from_arrays({k: v for k, v in back.items() if k != "bins"})
    among = replace(clips, features={**clips.features, "entries": clips.bins})
    for parts in ([clips, among], [among, clips]):
        with pytest.raises(DataError, match=r"parts\[1\].*features.entries in only one of it"):
            DrivenClips.join(parts)


def test_weights_go_in_by_version():
    worker = RolloutWorker(cores(lambda seed: clip(steps=2)), Blind(0, 0), VALID)
    assert worker.version == UNTAUGHT
    with pytest.raises(RunError, match="no weights yet"):
        worker.collect([0], 0)
    worker.load(4, weights_of(Blind(STRAIGHT, STEADY)))
    assert set(worker.collect([0], 0).clips.version.tolist()) == {4}
    with pytest.raises(RunError, match="version 3 for a worker that drives with version 4"):
        worker.load(3, weights_of(Blind(STRAIGHT, STEADY)))
    with pytest.raises(RunError, match="version 5 are of another network"):
        worker.load(5, {"lateral": np.zeros(61, np.float32)})


def test_the_expert_is_repeated_by_actions():
    clips = demonstrate(cores(lambda seed: clip()), [0]).clips
    np.testing.assert_array_equal(clips.bins, np.tile([STRAIGHT, STEADY], (80, 1)))
    between = demonstrate(cores(lambda seed: clip(speed=5.1)), [0]).clips  # no bin of its own
    assert set(between.bins[:, 1].tolist()) == {10, 11}
    assert float(between.bins[:, 1].mean()) == pytest.approx(10.2, abs=0.05)
    assert set(between.version.tolist()) == {UNTAUGHT}


def test_an_expert_that_meets_an_event_is_not_imitated():
    def source(seed: int):
        return clip(thing(40.0)) if seed else clip()

    found = demonstrate(cores(source), [0, 1])
    assert found.clips.seeds.tolist() == [0]
    assert [dropped.seed for dropped in found.dropped] == [1]
    with pytest.raises(RunError, match="none of 1 clips can be imitated"):
        demonstrate(cores(source), [1])


def test_beyond_its_record_the_expert_keeps_its_velocity():
    poses = np.array([[0.0, 0.0, 0.0], [1.0, 0.5, 0.0]])
    np.testing.assert_allclose(expert_position(poses, 1), [1.0, 0.5])
    np.testing.assert_allclose(expert_position(poses, 3), [3.0, 1.5])


def test_the_latest_episodes_are_kept_and_the_oldest_of_them_let_tables_go():
    made = []

    def source(seed: int):
        made.append(seed)
        return replace(clip(), map=replace(clip().map, cache={}))

    kept = KeptEpisodes(source, limit=2, warm=1)
    first = kept(0)
    whole = road_tables(first.map)
    assert len(whole.roads.view_item) > 0
    assert kept(0) is first
    assert road_tables(first.map) is whole
    kept(1)
    left = [one for one in first.map.cache.values() if isinstance(one, RoadTables)]
    assert left
    assert all(len(one.roads.view_item) == 0 for one in left)
    assert kept(0) is first
    again = road_tables(first.map)
    assert road_tables(first.map) is again
    for name, array in whole.roads._asdict().items():
        np.testing.assert_array_equal(getattr(again.roads, name), array)
    kept(2)
    kept(1)
    assert made == [0, 1, 2, 1]
    with pytest.raises(ConfigError, match="limit=1, warm=2"):
        KeptEpisodes(source, limit=1, warm=2)


def test_what_a_worker_is_made_of_and_what_it_brings_can_travel():
    """So that it can live in a process of its own, which makes its own episodes."""
    kept = KeptEpisodes(ClipEpisodes("train"), limit=7, warm=3)
    env = EnvOptions(episodes=kept, action="rad", reward="rad")
    make = partial(Course(env, size=1000, steps=80).core, 2)
    made = (make, Blind(STRAIGHT, STEADY), VALID, weights_of(Blind(STRAIGHT, STEADY)))
    copy, network, valid, weights = pickle.loads(pickle.dumps(made))
    worker = RolloutWorker(copy, network, valid)
    worker.load(0, weights)
    found = pickle.loads(pickle.dumps(worker.collect([0], 0)))
    assert found.clips.seeds.tolist() == [0]
    assert set(found.seconds) == {"begin", "policy", "world", "render"}


def test_the_ego_of_these_clips_begins_where_they_say():
    assert clip().ego_pose[0] == START


class Summing:
    """Drives straight on; values are sums of what is seen."""

    version = 3

    def decide(self, features: Mapping[str, np.ndarray], runner: object) -> Decided:
        bins = np.tile([STRAIGHT, STEADY], (len(features["vector"]), 1))
        return Decided(bins, np.zeros(bins.shape, np.float32), self.values(features))

    def values(self, features: Mapping[str, np.ndarray]) -> np.ndarray:
        seen = features["vector"]
        return np.stack([seen.sum(1), seen[:, :7].sum(1)], -1).astype(np.float32)


def some_end_together(seed: int):
    """Of every four clips three end by time in the same step, one sooner; some hit something."""
    far = 38.0 + 3.0 * seed + (200.0 if seed % 3 == 0 else 0.0)
    return clip(thing(far), steps=12 if seed % 4 else 9, name=f"clip{seed}")


@pytest.mark.parametrize("environments", [2, 3, 7, 9])
def test_last_values_are_those_of_the_clips_own_last_states(environments: int):
    def run(count: int, poisoned: tuple[int, int] | None = None):
        class Poisoned(EnvCore):
            steps = 0

            def step(self, actions):
                super().step(actions)
                self.steps += 1
                if poisoned is not None and self.steps == poisoned[0]:
                    self.observations["vector"][poisoned[1], 0, 0] = np.nan

        env = EnvOptions(episodes=some_end_together, action="rad", reward="rad")
        make = partial(Poisoned, env, environments=count, view=VectorView())
        return ClipRunner(make, steps=12).run(Summing(), list(range(7)))

    alone, together = run(1).clips, run(environments).clips
    assert len(set(alone.last_values[:, 0].tolist())) > 3
    for name, array in alone.arrays().items():
        np.testing.assert_array_equal(together.arrays()[name], array, err_msg=name)
    broken = run(environments, poisoned=(12, 1))  # in the step in which others end
    assert len(broken.dropped) == 1
    for place, seed in enumerate(broken.clips.seeds.tolist()):
        np.testing.assert_array_equal(broken.clips.last_values[place], alone.last_values[seed])


def test_environments_without_a_clip_stand_still():
    env = EnvOptions(episodes=some_end_together, action="rad", reward="rad")
    runner = ClipRunner(partial(EnvCore, env, environments=4, view=VectorView()), steps=12)
    runner.run(Summing(), [1, 2])
    assert runner.core.over[:, 0].all()
    moved = runner.core.world.state.step
    assert moved[2] == moved[3]
    assert runner.core.verdict.returns[2:, 0].tolist() == [0.0, 0.0]
