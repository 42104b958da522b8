"""Events, rewards and advantages by hand, and what must hold for all clips."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivelab.errors import ConfigError, DataError
from drivelab.metrics.closed_loop.jerk import released_jerk
from drivelab.training.reinforcement.advantages import GAMMA, clip_advantages, gae
from drivelab.training.reinforcement.events import (
    PAPER,
    RELEASED,
    ClipEvent,
    ClipFrames,
    EventKind,
    collision_side,
    event_rewards,
    first_event,
)


def drive(frames: int = 6) -> ClipFrames:
    """Along the expert's path, 0.5 m beside it, without harm."""
    off = np.zeros(frames, bool)
    return ClipFrames(off, off, np.full(frames, 0.5), np.zeros(frames))


def at(frame: int, value: float, frames: int = 6) -> np.ndarray:
    return np.where(np.arange(frames) == frame, value, 0.0)


def hit(frame: int) -> np.ndarray:
    return at(frame, 1.0) > 0


@pytest.mark.parametrize("rules", [PAPER, RELEASED])
def test_nothing_happens_on_the_path(rules):
    assert first_event(drive(), rules) is None
    edge = replace(drive(), distance=np.full(6, 2.0), heading_error=np.full(6, np.radians(40.0)))
    assert first_event(edge, rules) is None  # only more than the limits counts


@pytest.mark.parametrize("rules", [PAPER, RELEASED])
def test_each_event_ends_the_clip_in_its_first_frame(rules):
    clips = {
        EventKind.DYNAMIC: replace(drive(), dynamic_hit=hit(4) | hit(5)),
        EventKind.STATIC: replace(drive(), static_hit=hit(4)),
        EventKind.POSITION: replace(drive(), distance=0.5 + at(4, 2.0)),
        EventKind.HEADING: replace(drive(), heading_error=at(4, -np.radians(41.0))),
    }
    for kind, clip in clips.items():
        assert first_event(clip, rules) == ClipEvent(kind, 4)


def test_of_events_in_one_frame_the_first_in_order_counts():
    everything = ClipFrames(hit(3), hit(3), 0.5 + at(3, 9.0), at(3, 1.0))
    assert first_event(everything, PAPER) == ClipEvent(EventKind.DYNAMIC, 3)
    no_car = replace(everything, dynamic_hit=np.zeros(6, bool))
    assert first_event(no_car, PAPER) == ClipEvent(EventKind.STATIC, 3)
    assert first_event(no_car, RELEASED) == ClipEvent(EventKind.POSITION, 3)


def test_the_released_script_forgives_near_the_path():
    near = replace(drive(), distance=np.full(6, 0.2), heading_error=at(2, 1.0), static_hit=hit(3))
    assert first_event(near, PAPER) == ClipEvent(EventKind.HEADING, 2)
    assert first_event(near, RELEASED) is None


def test_the_start_is_given_and_no_event():
    assert first_event(replace(drive(), dynamic_hit=hit(0))) is None


def test_the_decision_before_the_event_is_punished():
    rewards = event_rewards(6, ClipEvent(EventKind.HEADING, 4))
    assert rewards.shape == (4, 4)
    assert rewards[3].tolist() == [0, 0, 0, -1]
    assert not rewards[:3].any()
    assert event_rewards(6, None).shape == (5, 4)
    assert not event_rewards(6, None).any()


def test_a_car_is_hit_ahead_or_behind():
    crash = ClipEvent(EventKind.DYNAMIC, 4)
    assert collision_side(crash, np.array([3.0, -1.0])) == 1.0
    assert collision_side(crash, np.array([-0.5, -1.0])) == -1.0
    assert collision_side(ClipEvent(EventKind.STATIC, 4), np.array([3.0, 0.0])) == 0.0
    assert collision_side(None, np.array([3.0, 0.0])) == 0.0


def test_three_decisions_by_hand():
    # Surprises: 0 + 0.9 (-0.5) + 0.2 = -0.25; 0 + 0.9 (-0.8) + 0.5 = -0.22; -1 + 0 + 0.8 = -0.2.
    values, rewards = np.array([-0.2, -0.5, -0.8]), np.array([0.0, 0.0, -1.0])
    ends = np.array([False, False, True])
    found = gae(rewards, values, next_values=np.array([-0.5, -0.8, 0.0]), ends=ends)
    last, middle = -0.2, -0.22 + 0.855 * -0.2
    np.testing.assert_allclose(found, [-0.25 + 0.855 * middle, middle, last], rtol=1e-12)


def test_time_running_out_is_not_the_end_of_the_world():
    # The clip goes on in a state worth -0.4: 0 + 0.9 (-0.4) + 0.3 = -0.06.
    values = np.array([-0.3, -0.4])
    axis = {"lateral_values": values, "longitudinal_values": 0 * values}
    out_of_time = clip_advantages(np.zeros((1, 4)), **axis, terminated=False)
    np.testing.assert_allclose(out_of_time.lateral, [-0.06], rtol=1e-12)
    over = clip_advantages(np.zeros((1, 4)), **axis, terminated=True)
    np.testing.assert_allclose(over.lateral, [0.3], rtol=1e-12)


def random_clips(seed: int, count: int = 3) -> list[dict]:
    rng = np.random.default_rng(seed)
    clips = []
    for _ in range(count):
        frames = int(rng.integers(2, 12))
        kind = rng.integers(0, 5)
        event = None if kind == 4 else ClipEvent(EventKind(kind), frames - 1)
        clips.append(
            {
                "rewards": event_rewards(frames, event),
                "lateral_values": rng.normal(size=frames),
                "longitudinal_values": rng.normal(size=frames),
                "terminated": event is not None,
            }
        )
    return clips


@given(st.integers(0, 10_000))
def test_advantages_of_a_clip_do_not_depend_on_the_batch(seed):
    clips = random_clips(seed)
    alone = [clip_advantages(**clip).longitudinal for clip in clips]
    following = [clip["longitudinal_values"][1:].copy() for clip in clips]
    for clip, after in zip(clips, following, strict=True):
        after[-1] *= not clip["terminated"]
    ends = [np.arange(len(after)) == len(after) - 1 for after in following]
    together = gae(
        np.concatenate([clip["rewards"][:, EventKind.DYNAMIC] for clip in clips]),
        np.concatenate([clip["longitudinal_values"][:-1] for clip in clips]),
        next_values=np.concatenate(following),
        ends=np.concatenate(ends),
    )
    np.testing.assert_array_equal(together, np.concatenate(alone))
    # Side by side, and in another order
    swapped = [clip_advantages(**clip).longitudinal for clip in clips[::-1]]
    for one, other in zip(alone, swapped[::-1], strict=True):
        np.testing.assert_array_equal(one, other)


@given(st.integers(0, 10_000))
def test_rows_of_a_padded_batch_are_as_alone(seed):
    clips = random_clips(seed)
    longest = max(len(clip["rewards"]) for clip in clips)
    rng = np.random.default_rng(seed)
    rewards, values, following = rng.normal(size=(3, len(clips), longest))  # rubbish as padding
    ends = rng.random((len(clips), longest)) < 0.5
    for row, clip in enumerate(clips):
        steps = len(clip["rewards"])
        rewards[row, :steps] = clip["rewards"][:, EventKind.DYNAMIC]
        values[row, :steps] = clip["longitudinal_values"][:-1]
        following[row, :steps] = clip["longitudinal_values"][1:]
        following[row, steps - 1] *= not clip["terminated"]
        ends[row, :steps] = np.arange(steps) == steps - 1
    together = gae(rewards, values, next_values=following, ends=ends)
    for row, clip in enumerate(clips):
        alone = clip_advantages(**clip).longitudinal
        np.testing.assert_array_equal(together[row, : len(alone)], alone)


def test_values_that_are_right_leave_no_advantage():
    rewards = event_rewards(9, ClipEvent(EventKind.POSITION, 8))
    values = np.append(-(GAMMA ** np.arange(7, -1, -1)), 5.0)  # the last one does not count
    found = clip_advantages(
        rewards, lateral_values=values, longitudinal_values=np.zeros(9), terminated=True
    )
    np.testing.assert_allclose(found.lateral, 0.0, atol=1e-15)
    np.testing.assert_allclose(found.lateral_return, values[:-1], rtol=1e-14)


@pytest.mark.parametrize("decay", [0.0, 1.0])
def test_the_two_extremes_of_the_estimate(decay):
    rng = np.random.default_rng(0)
    rewards, values = rng.normal(size=6), rng.normal(size=7)
    ends = np.arange(6) == 5
    found = gae(rewards, values[:-1], next_values=values[1:], ends=ends, decay=decay)
    if decay == 0.0:  # one step ahead
        wanted = rewards + GAMMA * values[1:] - values[:-1]
    else:  # everything that came, discounted
        wanted = np.empty(6)
        total = values[-1]
        for step in range(5, -1, -1):
            total = rewards[step] + GAMMA * total
            wanted[step] = total - values[step]
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


def test_each_axis_has_its_own_rewards_and_values():
    rng = np.random.default_rng(1)
    lateral, longitudinal = rng.normal(size=(2, 5))
    crash = event_rewards(5, ClipEvent(EventKind.DYNAMIC, 4))
    one = clip_advantages(
        crash, lateral_values=lateral, longitudinal_values=longitudinal, terminated=True
    )
    np.testing.assert_array_equal(one.events[:, EventKind.DYNAMIC], one.longitudinal)
    assert not one.events[:, 1:].any()
    other = clip_advantages(
        crash, lateral_values=lateral, longitudinal_values=0 * longitudinal, terminated=True
    )
    np.testing.assert_array_equal(one.lateral, other.lateral)
    assert (one.longitudinal != other.longitudinal).all()


def test_without_an_event_no_objective_has_a_share():
    values = -np.ones(5)
    found = clip_advantages(
        event_rewards(5, None), lateral_values=values, longitudinal_values=values, terminated=False
    )
    assert not found.events.any()
    assert (found.lateral > 0).all()  # it went better than feared


@pytest.mark.parametrize("kind", [EventKind.STATIC, EventKind.POSITION, EventKind.HEADING])
def test_the_event_that_ended_it_has_the_whole_lateral_advantage(kind):
    values = np.linspace(-0.1, -0.8, 5)
    found = clip_advantages(
        event_rewards(5, ClipEvent(kind, 4)),
        lateral_values=values,
        longitudinal_values=values,
        terminated=True,
    )
    np.testing.assert_array_equal(found.events[:, kind], found.lateral)
    np.testing.assert_array_equal(found.events.sum(1), found.lateral)


def test_only_bootstrapping_keeps_the_sign_once_values_have_learned():
    values = np.array([-0.5, -0.6, -0.7, -0.8, -0.9])
    clip = {
        "rewards": event_rewards(5, ClipEvent(EventKind.DYNAMIC, 4)),
        "lateral_values": 0 * values,
        "longitudinal_values": values,
        "terminated": True,
    }
    assert (clip_advantages(**clip).longitudinal < 0).all()
    assert (clip_advantages(**clip, compat="released").longitudinal > 0).all()


def test_jerk_by_hand():
    # v = t^2 / 2 in steps of 0.1 s: 1 m/s^3 inside, halves of it at the ends of both differences
    speed = 0.5 * (0.1 * np.arange(5)) ** 2
    # first differences: 0.05 0.1 0.2 0.3 0.35; second: 0.5 0.75 1 0.75 0.5
    assert released_jerk(speed) == pytest.approx(0.7)
    assert released_jerk(speed[:1]) == 0.0


def test_damaged_clips_are_refused():
    with pytest.raises(DataError, match=r"distance.*first in frame 2.*leave it out"):
        replace(drive(), distance=0.5 + at(2, np.nan))
    with pytest.raises(DataError, match="expected \\(frames,\\) for all"):
        replace(drive(), static_hit=np.zeros(5, bool))
    with pytest.raises(DataError, match="expected 1 to 5"):
        event_rewards(6, ClipEvent(EventKind.STATIC, 6))


def test_damaged_rewards_and_values_are_refused():
    zeros = np.zeros(4)
    good = {"lateral_values": zeros, "longitudinal_values": zeros, "terminated": False}
    rewards = np.zeros((3, 4))
    rewards[1, 2] = np.nan
    with pytest.raises(
        DataError, match=r"rewards: 1 numbers are not finite, the first at \(1, 2\)"
    ):
        clip_advantages(rewards, **good)
    with pytest.raises(DataError, match=r"lateral_values: shape \(3,\), expected \(4,\)"):
        clip_advantages(np.zeros((3, 4)), **{**good, "lateral_values": zeros[:3]})
    with pytest.raises(DataError, match="no decision"):
        clip_advantages(np.zeros((0, 4)), **good)
    with pytest.raises(ConfigError, match=r"did you mean 'released'"):
        clip_advantages(np.zeros((3, 4)), **good, compat="release")
    with pytest.raises(DataError, match="ends: shape"):
        gae(zeros, zeros, next_values=zeros, ends=np.zeros(3, bool))
