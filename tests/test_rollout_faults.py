"""Rollouts that go wrong: broken clips are dropped and counted, broken policies refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra nn")

from rad_clips import STEADY, STRAIGHT, VALID, Blind, clip, cores, driven, worker_of  # noqa: E402

from drivelab.errors import ConfigError, DataError, RunError  # noqa: E402
from drivelab.sim.envs.core import EnvCore  # noqa: E402
from drivelab.sim.radlab import RULES  # noqa: E402
from drivelab.training.rollouts.worker import RolloutWorker, weights_of  # noqa: E402

pytestmark = pytest.mark.nn


def broken(seed: int):
    """Every clip but the even ones is broken in a way of its own."""
    if seed == 1:
        raise OSError("the disk is gone")
    if seed == 3:
        return replace(clip(), expert=None)
    if seed == 5:
        return replace(clip(), route=("nowhere",))
    if seed == 7:
        return "no episode"
    if seed == 9:
        return replace(clip(steps=81))
    return clip(steps=3)


@pytest.mark.parametrize("environments", [1, 4])
def test_broken_clips_are_dropped_and_counted(environments):
    found = worker_of(broken, environments=environments).collect(range(11), 0)
    assert found.clips.seeds.tolist() == [0, 2, 4, 6, 8, 10]
    told = {dropped.seed: dropped.reason for dropped in found.dropped}
    assert sorted(told) == [1, 3, 5, 7, 9]
    assert told[1] == "OSError: the disk is gone"
    assert "no expert" in told[3]
    assert "nowhere" in told[5]
    assert "gave a str" in told[7]
    assert "81 decisions, there is room for 80" in told[9]


def test_no_clip_at_all_is_an_error():
    with pytest.raises(RunError, match=r"none of 2 clips could be driven.*the disk is gone"):
        worker_of(broken).collect([1, 1], 0)
    with pytest.raises(RunError, match="no seed was given"):
        worker_of(broken).collect([], 0)


class _Damaged(EnvCore):
    """In the third step of its first clip something happens to environment 0."""

    def __init__(self, *args, harm, **kwargs):
        super().__init__(*args, **kwargs)
        self.harm, self.steps = harm, 0

    def step(self, actions):
        super().step(actions)
        self.steps += 1
        if self.steps == 3:
            self.harm(self)


def _raise(core):
    raise FloatingPointError("the world fell apart")


@pytest.mark.parametrize(
    ("harm", "reason", "lost"),
    [
        (lambda core: core.verdict.rewards.__setitem__((0, 0), np.nan), "reward of decision 2", 1),
        (lambda core: core.observations["vector"].__setitem__((0, 0), np.inf), "not finite", 1),
        (_raise, "once only: both of that step are driven again", 0),
    ],
)
def test_a_clip_that_breaks_on_its_way_is_dropped(harm, reason, lost):
    def make():
        plain = cores(lambda seed: clip(steps=5), 2)()
        return _Damaged(plain.options, environments=2, view=plain.view, harm=harm)

    worker = RolloutWorker(make, Blind(STRAIGHT, STEADY), VALID)
    worker.load(0, weights_of(Blind(STRAIGHT, STEADY)))
    found = worker.collect(range(4), 0)
    assert len(found.dropped) == lost
    assert all(reason in dropped.reason for dropped in found.dropped)
    assert found.clips.lengths.tolist() == [5] * (4 - lost)


class _Hostile(EnvCore):
    """Raises in every step that a clip of 7 decisions takes part in."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.held = {}

    def reset_to(self, episodes):
        super().reset_to(episodes)
        self.held.update(episodes)

    def step(self, actions):
        if any(round(10 * self.held[e].duration) == 7 and not self.over[e] for e in self.held):
            raise FloatingPointError("the world fell apart")
        super().step(actions)


@pytest.mark.parametrize("environments", [1, 2, 3, 8])
def test_of_clips_side_by_side_only_the_one_that_raises_is_dropped(environments):
    def make():
        plain = cores(lambda seed: clip(steps=7 if seed == 2 else 5), environments)()
        return _Hostile(plain.options, environments=environments, view=plain.view)

    worker = RolloutWorker(make, Blind(STRAIGHT, STEADY), VALID)
    worker.load(0, weights_of(Blind(STRAIGHT, STEADY)))
    found = worker.collect(range(5), 0)
    assert [(dropped.seed, dropped.reason) for dropped in found.dropped] == [
        (2, "FloatingPointError: the world fell apart")
    ]
    assert found.clips.seeds.tolist() == [0, 1, 3, 4]
    assert found.clips.lengths.tolist() == [5] * 4


def test_an_end_that_rad_does_not_know_drops_the_clip():
    slow = replace(RULES, blocked_for=0.3)
    with pytest.raises(RunError, match=r"ended by blocked.*expected one of RAD's events"):
        driven(replace(clip(), termination=slow), longitudinal=0)


def test_a_policy_of_the_wrong_action_size_is_refused():
    with pytest.raises(ConfigError, match=r"33 lateral and 33 longitudinal actions.*61 and 61"):
        worker_of(lambda seed: clip(), Blind(16, 5, bins=33)).collect([0], 0)


def test_a_diverged_policy_is_no_fault_of_the_clip():
    network = Blind(STRAIGHT, STEADY)
    with torch.no_grad():
        network.lateral_value.fill_(torch.nan)
    with pytest.raises(DataError, match="values that are not finite: the network has diverged"):
        worker_of(lambda seed: clip(), network).collect([0], 0)
