"""`drivelab/Splat-v0`: the checker, determinism, batches, RAD's events with and without guards."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from drivelab.errors import DrivelabError
from drivelab.kernels.world.judge import TERMS
from drivelab.sim.envs.clips import ClipEpisodes
from drivelab.sim.envs.splat import SplatEnv, SplatVectorEnv
from drivelab.sim.world.episode import Episode

ID = "drivelab.sim.envs:drivelab/Splat-v0"
SMALL = {"scale": 0.25}
STRAIGHT = 30  # lateral bin


def steady(env: SplatEnv, info: dict) -> np.ndarray:
    """Go on straight at the present speed."""
    return np.array([STRAIGHT, round(2 * info["speed"])])


@cache
def clip(number: int) -> Episode:
    return ClipEpisodes()(number)


def two_clips(seed: int) -> Episode:
    """Clips that are simulated once, on streets that are built once."""
    return clip(seed % 2)


@pytest.mark.filterwarnings("ignore:.*render.*:UserWarning")
@pytest.mark.parametrize(("action", "observation"), [("rad", "dict")])
def test_gymnasiums_checker_passes(action: str, observation: str) -> None:
    asked = {"action": action, "observation": observation, "episodes": two_clips, **SMALL}
    env = gym.make(ID, render_mode="rgb_array", **asked)
    check_env(env.unwrapped, skip_render_check=action != "rad")


def test_an_observation_has_pictures_own_numbers_and_route() -> None:
    env = SplatEnv(**SMALL, episodes=two_clips, render_mode="rgb_array")
    seen, _ = env.reset(seed=3)
    assert seen["images"].shape == (3, 64, 112, 3)
    assert seen["images"].dtype == np.uint8
    assert seen["images"].std() > 20
    assert seen["ego"].shape == (16,)
    assert seen["route"].shape == (30, 4)
    assert seen["route"][5, 0] > seen["route"][0, 0]
    picture = env.render()
    np.testing.assert_array_equal(picture, np.concatenate(list(seen["images"]), axis=1))


def test_equal_seeds_and_actions_give_equal_pictures() -> None:
    records = []
    for _ in range(2):
        env = SplatEnv(**SMALL, episodes=two_clips)
        record = [env.reset(seed=5)[0]["images"]]
        info = env.core.info(0)
        for _ in range(8):
            seen, _, over, cut, info = env.step(steady(env, info))
            record.append(seen["images"])
            if over or cut:
                break
        records.append(np.stack(record))
    np.testing.assert_array_equal(*records)
    assert (records[0][0] != records[0][-1]).mean() > 0.2


def test_a_batch_equals_so_many_single_environments() -> None:
    singles = [SplatEnv(**SMALL, episodes=two_clips) for _ in range(2)]
    batch = SplatVectorEnv(2, **SMALL, episodes=two_clips)
    seen, _ = batch.reset(seed=11)
    own = [env.reset(seed=11 + e)[0] for e, env in enumerate(singles)]
    for _ in range(4):
        for name in ("images", "ego", "route"):
            np.testing.assert_array_equal(seen[name], np.stack([one[name] for one in own]))
        actions = np.array([[STRAIGHT, 12], [STRAIGHT, 8]])
        seen = batch.step(actions)[0]
        own = [env.step(action)[0] for env, action in zip(singles, actions, strict=True)]


def test_a_clip_is_truncated_after_eight_seconds_on_the_experts_path() -> None:
    """The recorded poses, driven as trajectories, meet none of RAD's events."""
    clips = ClipEpisodes("test")
    env = SplatEnv(**SMALL, action="trajectory", split="test", observation="flat")
    for seed in range(20):
        episode = clips(seed)
        env.reset(options={"episode": episode})
        expert, ended = episode.expert.poses, False
        for step in range(80):
            at = np.minimum(step + 5 * np.arange(1, 9), len(expert) - 1)
            pose = env.core.world.ego_pose(0)
            off = expert[at] - pose
            cos, sin = np.cos(pose[2]), np.sin(pose[2])
            plan = np.stack(
                [cos * off[:, 0] + sin * off[:, 1], cos * off[:, 1] - sin * off[:, 0],
                 (off[:, 2] + np.pi) % (2 * np.pi) - np.pi], -1
            ).astype(np.float32)  # fmt: skip
            _, reward, over, cut, info = env.step(plan)
            ended = over or cut
            if ended:
                break
        if cut:
            assert step == 79
            assert reward == 0.0
            return
    pytest.fail(f"none of 20 clips was driven to its end: {info['events']}")


def test_what_stands_about_is_hit() -> None:
    """With borders switched off the ego drives on into a house, a tree or a pole."""
    episode = ClipEpisodes("test")(0)
    free = replace(episode.termination, kerb=False, route_deviation=None, heading_deviation=None)
    env = SplatEnv(**SMALL)
    env.reset(options={"episode": replace(episode, termination=free, duration=30.0)})
    info = env.core.info(0)
    for _ in range(200):
        _, reward, over, cut, info = env.step(np.array([45, 14]))  # a bend to the left
        if over or cut:
            break
    assert over
    assert "collision" in info["events"]
    assert info["hit"] is None
    assert info["reward_terms"]["collision"] == -1.0
    assert reward == pytest.approx(-1.0 + sum(
        value for name, value in info["reward_terms"].items() if name != "collision"
    ))  # fmt: skip
    assert set(info["reward_terms"]) == set(TERMS)


def test_guards_leave_borders_near_the_path_alone() -> None:
    assert ClipEpisodes(guarded=True)(0).termination.guard == 0.2
    assert ClipEpisodes()(0).termination.guard is None


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"rig": "radd"}, "radd"),
        ({"cameras": ("CAM_FRONT", "CAM_FORNT")}, "CAM_FORNT"),
        ({"cameras": ()}, "at least one"),
        ({"weather": "snow"}, "snow"),
        ({"split": "tset"}, "tset"),
        ({"traffic": "reply"}, "did you mean 'replay'"),
        ({"cameras": "CAM_FORNT"}, "did you mean 'CAM_FRONT'"),
        ({"scale": float("nan")}, "expected finite and more than 0"),
        ({"scale": 1e5}, "are available"),
        ({"rig": "bench2drive", "cameras": ("CAM_FRONT", "CAM_BACK", "BEV")}, "BEV"),
    ],
)
def test_options_that_mean_nothing_are_refused(options: dict, told: str) -> None:
    with pytest.raises(DrivelabError, match=told):
        SplatEnv(**options)


def test_one_camera_may_be_named_alone() -> None:
    seen = SplatEnv(**SMALL, cameras="CAM_BACK").observation_space["images"]
    assert seen.shape == (1, 64, 112, 3)


def test_faults_of_a_scenarios_cameras_are_seen() -> None:
    faults = (
        {"fault": "black", "camera": "CAM_FRONT", "start": 0.2, "stop": 0.4},
        {"fault": "frozen", "camera": "CAM_FRONT_LEFT", "start": 0.1},
    )
    episode = replace(clip(0), info={**clip(0).info, "sensor_faults": faults})
    env, clean = SplatEnv(**SMALL), SplatEnv(**SMALL)
    for _ in range(2):  # a new episode begins with no memory of the last one
        seen, info = env.reset(options={"episode": episode})
        first, _ = clean.reset(options={"episode": clip(0)})
        left, front, right = [], [], []
        for _ in range(5):
            action = steady(env, info)
            left.append(np.array_equal(seen["images"][0], first["images"][0]))
            front.append(bool(seen["images"][1].any()))
            seen, _, _, _, info = env.step(action)
            sound = clean.step(action)[0]["images"]
            right.append(np.array_equal(seen["images"][2], sound[2]))
        assert front == [True, True, False, False, True]
        assert all(left)
        assert not np.array_equal(seen["images"][0], sound[0])
        assert all(right)


def test_weathers_take_turns_by_clip() -> None:
    env = SplatEnv(**SMALL, weather=("day", "night"))
    bright = []
    for name in ("a", "b"):  # of which one has an even number
        seen, _ = env.reset(options={"episode": replace(clip(0), id=name)})
        bright.append(seen["images"].mean())
    assert max(bright) > 2 * min(bright)
