"""The Stable-Baselines3 adapter (extra `rl`)."""

# ruff: noqa: E402 - what the extra brings is imported only where it is there
from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("stable_baselines3", reason="needs the extra rl")
pytestmark = pytest.mark.rl

from stable_baselines3.common.env_checker import check_env
from stable_baselines3.common.vec_env import VecEnv, VecMonitor

from drivelab.errors import ConfigError
from drivelab.sim.envs.native import NativeEnv
from drivelab.sim.envs.sb3 import NativeVecEnv
from drivelab.sim.envs.vector import NativeVectorEnv


@pytest.mark.filterwarnings("ignore:Your observation .* has an unconventional shape")
@pytest.mark.parametrize("observation", ["flat", "dict"])
def test_stable_baselines_checker_passes(observation: str) -> None:
    check_env(NativeEnv(observation=observation), skip_render_check=False)


def actions_at(step: int, count: int) -> np.ndarray:
    return np.random.default_rng(step).uniform(-1.0, 1.0, (count, 2)).astype(np.float32)


def test_the_adapter_steps_as_the_vector_environment_does() -> None:
    ours = NativeVecEnv(3, max_steps=40)
    theirs = NativeVectorEnv(3, observation="flat", max_steps=40, autoreset_mode="SameStep")
    ours.seed(20)
    np.testing.assert_array_equal(ours.reset(), theirs.reset(seed=20)[0])
    ended = 0
    for step in range(80):
        actions = actions_at(step, 3)
        seen, rewards, done, infos = ours.step(actions)
        expected, values, terminated, truncated, more = theirs.step(actions)
        np.testing.assert_array_equal(seen, expected)
        np.testing.assert_array_equal(rewards, values.astype(np.float32))
        np.testing.assert_array_equal(done, terminated | truncated)
        for e in np.flatnonzero(done):
            ended += 1
            np.testing.assert_array_equal(infos[e]["terminal_observation"], more["final_obs"][e])
            assert infos[e]["TimeLimit.truncated"] == truncated[e]
            assert infos[e]["is_success"] == more["final_info"]["success"][e]
    assert ended > 2


def test_an_episodes_return_and_length_are_told_at_its_end() -> None:
    batch = NativeVecEnv(2, max_steps=5, episodes="straight")
    batch.seed(3)
    batch.reset()
    total = np.zeros(2)
    for step in range(5):
        _, rewards, done, infos = batch.step(0.1 * actions_at(step, 2))
        total += rewards
    assert done.all()
    for e in range(2):
        assert infos[e]["episode"]["r"] == pytest.approx(total[e], abs=1e-5)
        assert infos[e]["episode"]["l"] == 5
        assert infos[e]["TimeLimit.truncated"]


def test_it_is_a_vec_env_that_wrappers_accept() -> None:
    batch = NativeVecEnv(2, episodes="straight")
    assert isinstance(batch, VecEnv)
    wrapped = VecMonitor(batch)
    wrapped.reset()
    wrapped.step(np.zeros((2, 2), np.float32))
    assert wrapped.env_is_wrapped(VecMonitor) == [False, False]
    with pytest.raises(ConfigError, match="cannot be set for one environment"):
        batch.set_attr("reward", 1)
