"""The Gymnasium faces: checkers, determinism, autoreset, misuse."""

from __future__ import annotations

import pickle
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env

from drivelab.errors import ConfigError
from drivelab.kernels.world.judge import TERMS
from drivelab.sim.envs.families import family_episode
from drivelab.sim.envs.native import NativeEnv
from drivelab.sim.envs.vector import NativeVectorEnv

NATIVE = "drivelab.sim.envs:drivelab/Native-v0"
STEPS = 60


def drive(env: gym.Env, seed: int, steps: int = STEPS) -> list[Any]:
    """Observations, rewards and ends under seeded actions, across resets."""
    space = env.action_space
    space.seed(seed)
    record: list[Any] = [env.reset(seed=seed)[0]]
    for _ in range(steps):
        observation, reward, terminated, truncated, _ = env.step(space.sample())
        record += [observation, reward, terminated, truncated]
        if terminated or truncated:
            record.append(env.reset()[0])
    return record


def test_the_registered_ids_can_be_made() -> None:
    env = gym.make(NATIVE, episodes="straight")
    env.reset(seed=0)
    batch = gym.make_vec(NATIVE, num_envs=3, vectorization_mode="vector_entry_point")
    assert isinstance(batch.unwrapped, NativeVectorEnv)
    assert batch.num_envs == 3


@pytest.mark.filterwarnings("ignore:.*render.*:UserWarning")
@pytest.mark.parametrize("action", ["control", "rad", "trajectory"])
@pytest.mark.parametrize("observation", ["dict", "flat"])
def test_gymnasiums_checker_passes(action: str, observation: str) -> None:
    env = gym.make(NATIVE, action=action, observation=observation, render_mode="rgb_array")
    check_env(env.unwrapped, skip_render_check=action != "control")


@pytest.mark.parametrize("observation", ["dict", "flat"])
def test_the_picture_environment_passes_the_checker(observation: str) -> None:
    env = gym.make("drivelab.sim.envs:drivelab/NativeBEV-v0", observation=observation)
    check_env(env.unwrapped, skip_render_check=True)


def test_the_picture_shows_road_way_and_cars_about_the_ego() -> None:
    batch = gym.make_vec(
        "drivelab.sim.envs:drivelab/NativeBEV-v0",
        num_envs=2,
        vectorization_mode="vector_entry_point",
        episodes="follow",
    )
    seen, _ = batch.reset(seed=1)
    picture = seen["raster"]
    assert picture.shape == (2, 6, 96, 96)
    assert picture[:, 0, 46:50, 46:50].all()  # the ego stands on the road
    assert picture[:, 2, 30:48, 44:52].any(axis=(1, 2)).all()  # its way leads ahead
    assert picture[:, 3, :48].any(axis=(1, 2)).all()  # the leader
    moved = batch.step(np.zeros((2, 2), np.float32))[0]
    assert not np.array_equal(moved["raster"], picture)


def test_flat_and_dict_hold_the_same_numbers() -> None:
    parts = NativeEnv(episodes="merge").reset(seed=4)[0]
    flat = NativeEnv(episodes="merge", observation="flat").reset(seed=4)[0]
    assert flat.size >= 300
    np.testing.assert_array_equal(flat, np.concatenate([part.ravel() for part in parts.values()]))


@pytest.mark.parametrize("action", ["control", "rad"])
def test_equal_seeds_and_actions_give_equal_bits(action: str) -> None:
    first = drive(NativeEnv(action=action), 7)
    again = drive(NativeEnv(action=action), 7)
    for a, b in zip(first, again, strict=True):
        np.testing.assert_equal(a, b)
    assert any(not np.array_equal(a["ego"], first[0]["ego"]) for a in first[1::4])


def test_an_environment_survives_pickling_in_the_middle_of_an_episode() -> None:
    env = NativeEnv(episodes="curve")
    env.reset(seed=1)
    env.step(np.array([0.3, 0.1], np.float32))
    copy = pickle.loads(pickle.dumps(env))
    for _ in range(5):
        ours, theirs = (one.step(np.array([0.2, -0.1], np.float32)) for one in (env, copy))
        np.testing.assert_equal(ours, theirs)


def test_observations_are_not_written_again() -> None:
    env = NativeEnv(episodes="straight")
    first = env.reset(seed=0)[0]
    kept = {name: part.copy() for name, part in first.items()}
    env.step(np.array([1.0, 0.0], np.float32))
    for name, part in first.items():
        np.testing.assert_array_equal(part, kept[name])


def test_step_without_an_episode_says_reset() -> None:
    env = NativeEnv(episodes="straight")
    with pytest.raises(ResetNeeded, match=r"call reset\(\) before step\(\)"):
        env.step(np.zeros(2, np.float32))
    env.reset(seed=0)
    for _ in range(400):
        _, _, terminated, truncated, info = env.step(np.array([0.0, 1.0], np.float32))
        if terminated or truncated:
            break
    assert terminated
    told = rf"{info['episode_id']} has ended .*{info['events'][0]}.*call reset\(\)"
    with pytest.raises(ResetNeeded, match=told):
        env.step(np.zeros(2, np.float32))


def test_info_tells_events_deviations_and_weighted_terms_that_sum_to_the_reward() -> None:
    env = NativeEnv(episodes="straight", reward={"speeding": -1.0})
    env.reset(seed=3)
    total = 0.0
    for k in range(40):
        _, reward, terminated, _, info = env.step(np.array([1.0, 0.2 * (k > 30)], np.float32))
        assert set(info["reward_terms"]) == set(TERMS)
        assert sum(info["reward_terms"].values()) == pytest.approx(reward, abs=1e-12)
        total += info["reward_terms"]["progress"]
        if terminated:
            break
    assert info["progress"] == pytest.approx(total / 0.02, abs=1e-6)
    assert info["progress"] > 20.0
    assert info["time"] == pytest.approx(0.1 * (k + 1))


def test_time_truncates_and_max_steps_is_a_shorter_time() -> None:
    env = NativeEnv(episodes="straight", max_steps=5)
    env.reset(seed=0)
    ends = [env.step(np.zeros(2, np.float32))[2:4] for _ in range(5)]
    assert ends == [(False, False)] * 4 + [(False, True)]


def test_a_given_seed_or_episode_is_played() -> None:
    env = NativeEnv(episodes="merge")
    _, info = env.reset(options={"episode_seed": 11})
    assert info["episode_id"].endswith("-11")
    own = family_episode("curve", 3)
    _, info = env.reset(options={"episode": own})
    assert info["episode_id"] == own.id


def test_an_expert_that_keeps_its_lane_and_distance_succeeds() -> None:
    """A hand-written driver, to see that success can be had and is told."""
    env = NativeEnv(episodes="curve")
    for seed in range(6):
        observation, _ = env.reset(options={"episode_seed": seed})
        over = False
        while not over:
            observation, _, terminated, truncated, info = env.step(_lane_keeper(observation))
            over = terminated or truncated
        assert info["success"], seed
        assert info["events"] == ("route_done",)


def _lane_keeper(observation: dict[str, np.ndarray]) -> np.ndarray:
    speed, wanted = 30.0 * observation["ego"][0], 30.0 * min(observation["ego"][14:16])
    ahead = observation["way"][4] * 60.0  # a point of the way 8 to 10 m ahead
    actors = observation["actors"][observation["actors"][:, 0] > 0]
    close = [60.0 * a[1] for a in actors if 0 < 60.0 * a[1] < 35 and abs(60.0 * a[2]) < 2.0]
    if close:
        wanted = min(wanted, max(0.0, 0.6 * (min(close) - 9.0)))
    angle = np.arctan2(2.0 * 3.089 * ahead[1], ahead[0] ** 2 + ahead[1] ** 2)
    return np.array(
        [np.clip(0.7 * (wanted - speed), -1, 1), np.clip(angle / 0.5, -1, 1)], np.float32
    )


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"observation": "vector"}, "expected one of dict, flat"),
        ({"dynamics": "kinematics"}, "did you mean 'kinematic'"),
        ({"max_steps": 0}, "max_steps=0"),
        ({"max_steps": 2.5}, "max_steps=2.5: expected a whole number"),
        ({"render_mode": "human"}, "expected None or 'rgb_array'"),
    ],
)
def test_wrong_options_are_told(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        NativeEnv(**options)


def actions_at(step: int, count: int) -> np.ndarray:
    rng = np.random.default_rng(step)
    return rng.uniform(-1.0, 1.0, (count, 2)).astype(np.float32)


def test_a_batch_equals_so_many_single_environments() -> None:
    batch = NativeVectorEnv(3, observation="flat", max_steps=40, autoreset_mode="SameStep")
    singles = [NativeEnv(observation="flat", max_steps=40) for _ in range(3)]
    seen, _ = batch.reset(seed=20)
    for e, env in enumerate(singles):
        np.testing.assert_array_equal(seen[e], env.reset(seed=20 + e)[0])
    ended = 0
    for step in range(90):
        actions = actions_at(step, 3)
        seen, rewards, terminated, truncated, infos = batch.step(actions)
        for e, env in enumerate(singles):
            observation, reward, term, trunc, info = env.step(actions[e])
            assert (rewards[e], terminated[e], truncated[e]) == (reward, term, trunc)
            if term or trunc:
                ended += 1
                np.testing.assert_array_equal(infos["final_obs"][e], observation)
                assert infos["final_info"]["progress"][e] == info["progress"]
                observation = env.reset()[0]
            np.testing.assert_array_equal(seen[e], observation)
    assert ended > 2


def test_next_step_autoreset_ignores_one_action() -> None:
    batch = NativeVectorEnv(2, observation="flat", max_steps=4)
    assert batch.metadata["autoreset_mode"] is gym.vector.AutoresetMode.NEXT_STEP
    batch.reset(seed=0)
    for step in range(4):
        last, _, _, truncated, _ = batch.step(actions_at(step, 2) * 0.1)
    assert truncated.all()
    first, rewards, terminated, truncated, _ = batch.step(actions_at(9, 2))
    assert not rewards.any()
    assert not terminated.any()
    assert not truncated.any()
    assert not np.array_equal(first, last)
    _, rewards, *_ = batch.step(actions_at(10, 2) * 0.1)
    assert rewards.all()


def test_results_do_not_depend_on_the_size_of_the_batch() -> None:
    small, large = NativeVectorEnv(1), NativeVectorEnv(4)
    small.reset(seed=[5]), large.reset(seed=[8, 5, 9, 10])
    for step in range(30):
        actions = actions_at(step, 4) * 0.2
        ours, theirs = small.step(actions[1:2]), large.step(actions)
        for name, part in ours[0].items():
            np.testing.assert_array_equal(part[0], theirs[0][name][1])
        assert ours[1][0] == theirs[1][1]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"episod_seed": 3}, "no option 'episod_seed'; did you mean 'episode_seed'"),
        ({"episode_seed": -1}, "episode_seed=-1: expected a whole number, 0 or more"),
        ({"episode_seed": "x"}, "episode_seed='x'"),
        ({"episode": 5}, "episode=5: expected a drivelab.sim.world Episode"),
    ],
)
def test_wrong_options_of_reset_are_told(options: dict[str, Any], told: str) -> None:
    env = NativeEnv(episodes="straight")
    with pytest.raises(ConfigError, match=told):
        env.reset(options=options)
