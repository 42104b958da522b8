"""Several vehicles of one episode driven from outside (extra `rl`)."""

# ruff: noqa: E402 - what the extra brings is imported only where it is there
from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("pettingzoo", reason="needs the extra rl")
pytestmark = pytest.mark.rl

from gymnasium.error import ResetNeeded
from pettingzoo.test import parallel_api_test, parallel_seed_test

from drivelab.errors import ConfigError
from drivelab.sim.envs.families import family_episode
from drivelab.sim.envs.multi import NativeMultiEnv
from drivelab.sim.envs.native import NativeEnv


@pytest.mark.parametrize("action", ["control", "rad"])
def test_pettingzoos_checkers_pass(action: str) -> None:
    parallel_api_test(NativeMultiEnv(agents=4, action=action), num_cycles=120)
    parallel_seed_test(lambda: NativeMultiEnv(agents=3, action=action), num_cycles=20)


def still(env: NativeMultiEnv) -> dict[str, np.ndarray]:
    return {agent: np.zeros(2, np.float32) for agent in env.agents}


def test_every_agent_sees_at_least_1500_numbers_in_its_own_frame() -> None:
    env = NativeMultiEnv(agents=3, episodes="straight")
    seen, infos = env.reset(seed=1)
    assert all(row.shape == (1624,) for row in seen.values())
    assert infos["agent_0"]["actor"] == "ego"
    assert len({row.tobytes() for row in seen.values()}) == 3


def test_chosen_actors_are_driven_and_the_others_drive_themselves() -> None:
    episode = family_episode("straight", 2)
    chosen, other = episode.actors[0].id, episode.actors[1].id
    env = NativeMultiEnv(agents=[chosen], episodes=lambda _: episode)
    _, infos = env.reset(seed=0)
    assert infos["agent_1"]["actor"] == chosen
    world = env.core.world
    ids = list(world.starts[0].ids)
    before = world.state.speed[0].copy()
    for _ in range(8):
        env.step({"agent_0": np.zeros(2), "agent_1": np.array([-1.0, 0.0])})
    slowed, free = ids.index(chosen), ids.index(other)
    assert world.state.speed[0, slowed] < before[slowed] - 2.5
    assert world.state.speed[0, free] > before[free] - 2.5


def test_an_agent_that_ended_leaves_and_its_vehicle_stops() -> None:
    env = NativeMultiEnv(agents=3, episodes="straight")
    env.reset(seed=4)
    for _ in range(80):
        actions = still(env) | {"agent_0": np.array([0.0, 1.0], np.float32)}
        _, _, terminated, _, infos = env.step(actions)
        if terminated["agent_0"]:
            break
    assert "agent_0" not in env.agents
    assert infos["agent_0"]["events"]
    assert env.agents
    for _ in range(45):
        seen = env.step(still(env))[0]
    assert "agent_0" not in seen
    assert env.core.world.state.speed[0, 0] == 0.0


def test_alone_it_equals_the_single_environment() -> None:
    many, one = NativeMultiEnv(agents=1, episodes="curve"), NativeEnv(episodes="curve")
    many.reset(seed=9), one.reset(seed=9)
    for step in range(30):
        action = np.random.default_rng(step).uniform(-0.3, 0.3, 2).astype(np.float32)
        _, rewards, *_ = many.step({"agent_0": action})
        assert rewards["agent_0"] == one.step(action)[1]


def test_misuse_is_told() -> None:
    with pytest.raises(ConfigError, match="drives the ego alone"):
        NativeMultiEnv(action="trajectory")
    env = NativeMultiEnv(agents=["nobody"], episodes="curve")
    with pytest.raises(ConfigError, match="has no actor 'nobody'"):
        env.reset(seed=0)
    env = NativeMultiEnv(agents=2, episodes="curve", slots=3)
    with pytest.raises(ConfigError, match="make the environment with slots="):
        env.reset(seed=0)
    env = NativeMultiEnv(agents=2, episodes="curve", max_steps=1)
    env.reset(seed=0)
    with pytest.raises(ConfigError, match="no action of 'agent_1'"):
        env.step({"agent_0": np.zeros(2)})
    env.step(still(env))
    with pytest.raises(ResetNeeded, match=r"call reset\(\)"):
        env.step({})
