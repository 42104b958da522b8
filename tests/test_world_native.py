from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from drivelab.agents.constant_velocity import ConstantVelocity
from drivelab.agents.idm import Idm
from drivelab.errors import ConfigError
from drivelab.evaluation.closed_loop import drive, drive_all
from drivelab.evaluation.reference_impact import reference_impact
from drivelab.sim.envs.families import family_episode
from drivelab.sim.world.episode import Episode, Termination
from drivelab.sim.world.native import NativeWorld
from drivelab.sim.world.roads import RoadBank
from drivelab.types import Observation, Plan, SensorRig

EPISODES = [family_episode("merge", 3), family_episode("follow", 4), family_episode("curve", 5)]


def controls(steps: int, environments: int = 1) -> np.ndarray:
    rng = np.random.default_rng(5)
    return rng.uniform([-2.0, -0.1], [1.5, 0.1], (steps, environments, 1, 2))


def same(a: NativeWorld, b: NativeWorld, e: int = 0, f: int = 0) -> bool:
    count = a.state.count[e]
    names = ("x", "y", "yaw", "speed", "acceleration", "flags", "hit", "border_gap", "lane_s")
    return all(
        np.array_equal(getattr(a.state, n)[e, :count], getattr(b.state, n)[f, :count])
        for n in names
    )


def test_the_same_actions_give_the_same_bits() -> None:
    worlds = [NativeWorld([EPISODES[0]]) for _ in range(2)]
    for action in controls(80):
        for world in worlds:
            world.step(action)
    assert same(*worlds)


def test_an_environment_does_not_know_its_neighbours() -> None:
    """A batch of different maps and sizes equals each alone, whatever the order."""
    order = (2, 0, 1)
    batch = NativeWorld([EPISODES[k] for k in order])
    alone = [NativeWorld([episode]) for episode in EPISODES]
    for action in controls(60, 3):
        batch.step(action[list(order)])
        for k, world in enumerate(alone):
            world.step(action[k : k + 1])
    for place, k in enumerate(order):
        assert same(batch, alone[k], place)


def test_a_snapshot_brings_the_moment_back() -> None:
    world, actions = NativeWorld(EPISODES[:2]), controls(60, 2)
    for action in actions[:30]:
        world.step(action)
    moment = world.snapshot()
    for action in actions[30:]:
        world.step(action)
    after = world.snapshot().state
    world.restore(moment)
    for action in actions[30:]:
        world.step(action)
    for name, first, second in zip(after._fields, after, world.state, strict=True):
        np.testing.assert_array_equal(first, second, err_msg=name)


def test_a_snapshot_outlives_larger_episodes() -> None:
    world = NativeWorld([EPISODES[1]])
    moment = world.snapshot()
    world.reset(0, EPISODES[0])
    world.restore(moment)
    fresh = NativeWorld([EPISODES[1]])
    for action in controls(20):
        world.step(action)
        fresh.step(action)
    assert same(world, fresh)


def test_a_reset_is_a_fresh_start() -> None:
    world, fresh = NativeWorld([EPISODES[0]]), NativeWorld([EPISODES[2]])
    for action in controls(40):
        world.step(action)
    world.reset(0, EPISODES[2])
    for action in controls(40):
        world.step(action)
        fresh.step(action)
    assert same(world, fresh)


def test_actions_that_are_no_numbers_are_named() -> None:
    world = NativeWorld(EPISODES[:2])
    action = np.zeros((2, 1, 2))
    action[1, 0, 1] = np.nan
    with pytest.raises(ConfigError, match=r"environment 1, policy 0, entry \(1,\) is nan"):
        world.step(action)
    with pytest.raises(ConfigError, match=r"shape \(1, 1, 2\): expected \(2, 1, 2\)"):
        world.step(np.zeros((1, 1, 2)))


@pytest.mark.parametrize(
    ("policies", "told"),
    [
        (np.array([[999]]), "expected each slot once"),
        (np.array([[-5]]), "expected each slot once"),
        (np.array([[0, 0]]), "expected each slot once"),
        (np.array([0]), "shape"),
        (np.array([[0], [0]]), "shape"),
        (np.array([[0.5]]), "float64"),
    ],
)
def test_slots_that_are_not_there_are_refused(policies: np.ndarray, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        NativeWorld(EPISODES[:1], policies=policies)


def test_a_snapshot_of_another_world_is_refused() -> None:
    moment = NativeWorld([EPISODES[0]]).snapshot()
    with pytest.raises(ConfigError, match="another world"):
        NativeWorld([EPISODES[1]]).restore(moment)


def test_a_snapshot_from_before_the_maps_were_let_go_is_refused() -> None:
    bank = RoadBank()
    moment = NativeWorld([EPISODES[0]], bank=bank).snapshot()
    bank.clear()
    world = NativeWorld([EPISODES[0]], bank=bank)
    with pytest.raises(ConfigError, match="another world"):
        world.restore(moment)
    world.restore(world.snapshot())


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"ego_pose": np.array([np.nan, 0.0, 0.0])}, "the ego starts at"),
        ({"ego_speed": np.inf}, "the ego starts at"),
        ({"duration": np.nan}, "lasts nan s"),
        ({"duration": 0.0}, "lasts 0.0 s"),
        ({"route_line": np.zeros((1, 3))}, "1 vertices"),
        ({"route_line": np.full((4, 3), np.nan)}, "2 or more, finite"),
        (
            {"actors": (replace(EPISODES[1].actors[0], pose=np.full(3, np.nan)),)},
            "expected finite numbers",
        ),
    ],
)
def test_episodes_without_numbers_are_refused(wrong: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        NativeWorld([replace(EPISODES[1], **wrong)])


def test_one_id_for_two_road_users_is_refused() -> None:
    lead, other = EPISODES[1].actors[0], EPISODES[1].actors[1]
    twins = (other, lead, replace(other, id=lead.id))
    told = rf"actors\[1\] and actors\[2\] have the id '{lead.id}', expected one each"
    with pytest.raises(ConfigError, match=told):
        NativeWorld([replace(EPISODES[1], actors=twins)])
    with pytest.raises(ConfigError, match=r"the ego and actors\[0\] have the id 'ego'"):
        NativeWorld([replace(EPISODES[1], actors=(replace(lead, id="ego"),))])


def test_unknown_dynamics_get_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match="did you mean 'dynamic'"):
        NativeWorld(EPISODES[:1], dynamics="dynamik")  # type: ignore[arg-type]


class Straight:
    """Plans straight on at a speed."""

    rig = SensorRig(history=1)

    def __init__(self, speed: float) -> None:
        self.speed = speed

    def act(self, observations: list[Observation]) -> list[Plan]:
        ahead = np.arange(1, 9) * 0.5 * self.speed
        return [Plan(np.column_stack([ahead, 0 * ahead, 0 * ahead])) for _ in observations]


@pytest.mark.parametrize("controller", ["lqr", "dynamic", "perfect"])
def test_a_plan_is_driven(controller: str) -> None:
    """On an empty road 10 m/s for 4 s are 40 m, whoever turns plans into motion."""
    episode = replace(EPISODES[2], actors=(), ego_speed=10.0, duration=4.0)
    rollout = drive(episode, Straight(10.0), controller=controller)
    assert len(rollout.times) == 41
    driven = np.hypot(*np.diff(rollout.ego[:, :2], axis=0).T).sum()
    assert driven == pytest.approx(40.0, abs=0.3)
    assert rollout.plans is not None
    assert rollout.plans.shape == (40, 8, 3)


def test_side_by_side_is_one_by_one() -> None:
    agent = ConstantVelocity()
    short = [replace(episode, duration=3.0) for episode in EPISODES]
    together = [one.rollout() for one in drive_all(short, agent)]
    for episode, rollout in zip(short, together, strict=True):
        alone = drive(episode, agent)
        np.testing.assert_array_equal(alone.ego, rollout.ego)
        np.testing.assert_array_equal(alone.tracks.poses, rollout.tracks.poses)
        assert alone.events == rollout.events


def collision_course() -> Episode:
    return replace(EPISODES[1], ego_speed=14.0, duration=10.0)


def test_a_collision_says_who_how_fast_and_where() -> None:
    rollout = drive(collision_course(), Straight(14.0))
    hit = next(event for event in rollout.events if event["kind"] == "collision")
    assert hit["actor"] in rollout.tracks.ids
    assert hit["side"] == "front"
    assert hit["at_fault"] is True
    assert 0.0 < hit["impact_speed"] <= 14.5
    assert rollout.info["status"] == "failed: collision"
    assert len(rollout.times) == hit["step"] + 1


def test_the_agent_sees_two_seconds_of_history() -> None:
    seen: list[Observation] = []

    class Curious(Straight):
        rig = SensorRig(history=4)

        def act(self, observations: list[Observation]) -> list[Plan]:
            seen.extend(observations)
            return super().act(observations)

    drive(replace(EPISODES[2], actors=(), ego_speed=8.0, duration=1.0), Curious(8.0))
    first, last = seen[0], seen[-1]
    np.testing.assert_allclose(first.ego_times, [-1.5, -1.0, -0.5, 0.0])
    np.testing.assert_allclose(first.ego_poses[:, 0], [-12.0, -8.0, -4.0, 0.0], atol=1e-9)
    assert last.time - first.time == 900_000


def test_the_reference_impact_is_what_happens_when_nobody_acts() -> None:
    hit = reference_impact(collision_course())
    assert 0.0 < hit <= 14.0
    empty = replace(EPISODES[1], actors=(), ego_speed=11.0, duration=5.0)
    assert reference_impact(empty) == 11.0


def test_too_much_of_the_route_made_beside_it_ends_the_episode() -> None:
    """All of it 20 m aside at 10 m/s: 30 % of the line are passed at the first metre beyond."""
    episode = family_episode("straight", 0)
    line = np.array(episode.route_line, float) + np.array([0.0, 20.0, 0.0])
    length = float(line[-1, 0] - line[0, 0])
    rules = Termination(collision=False, route_deviation=None, route_astray=0.3)
    lost = replace(
        episode, actors=(), ego_speed=10.0, duration=9.0, route_line=line, termination=rules
    )
    rollout = drive(lost, Straight(10.0), controller="perfect")
    assert rollout.info["status"] == "failed: route deviation"
    assert len(rollout.times) == int(0.3 * length) + 2
    kept = replace(lost, termination=replace(rules, route_astray=None))
    assert drive(kept, Straight(10.0), controller="perfect").info["status"] == "failed: timeout"


def test_all_four_checkpoints_of_a_finished_route_are_noted() -> None:
    """The goal counts a metre before the line's end; the last quarter counts all the same."""
    rollout = drive(family_episode("follow", 0), Idm())
    assert rollout.info["status"] == "completed"
    steps = [event["step"] for event in rollout.events if event["kind"] == "min_speed"]
    assert len(steps) == 4
    assert steps[-1] == len(rollout.times) - 1


def test_a_reference_that_the_episode_knows_is_kept() -> None:
    told = replace(EPISODES[2], actors=(), duration=0.5, info={"v_ref": 7.5})
    assert drive(told, Straight(8.0)).info["v_ref"] == 7.5
