"""`agent=rad`: the policy that was trained, asked in the closed loop of the benches."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

torch = pytest.importorskip("torch", reason="needs the extra nn")

from rad_clips import VALID, clip, environments_of, thing  # noqa: E402
from watched_rad import WatchedRad  # noqa: E402

from drivelab.agents.ego_mlp.config import EgoMlpConfig  # noqa: E402
from drivelab.agents.ego_mlp.policy import EgoMlpNetwork  # noqa: E402
from drivelab.agents.learned.checkpoint import save_network  # noqa: E402
from drivelab.agents.rad.agent import Rad  # noqa: E402
from drivelab.agents.rad.config import RadConfig  # noqa: E402
from drivelab.agents.rad.policy import RadNetwork  # noqa: E402
from drivelab.agents.rad.weights import save_rad  # noqa: E402
from drivelab.cli import main  # noqa: E402
from drivelab.data.labmini import LabminiSource  # noqa: E402
from drivelab.data.observation import build_observation  # noqa: E402
from drivelab.errors import ConfigError, DataError  # noqa: E402
from drivelab.evaluation.closed_loop import drive  # noqa: E402
from drivelab.planning.rad_anchors import rad_anchors  # noqa: E402
from drivelab.training.reinforcement.judge import greedy  # noqa: E402
from drivelab.types import Observation, Plan, Privilege, Rollout  # noqa: E402

pytestmark = pytest.mark.nn


def network(bins: int = 61) -> RadNetwork:
    """Random weights; it keeps to the middle, at some 5 m/s."""
    torch.manual_seed(3)
    made = RadNetwork(RadConfig.preset("mini", width=16, hidden=16, heads=2, bins=bins))
    places = torch.arange(bins)
    with torch.no_grad():
        made.lateral[-1].bias.copy_(-((places - 30) ** 2) / 50.0)
        made.longitudinal[-1].bias.copy_(-((places - 10) ** 2) / 50.0)
        for head in (made.lateral, made.longitudinal):
            head[-1].weight.mul_(5.0)  # what it sees makes a difference of some bins
    return made


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("rad") / "tiny.safetensors"
    save_rad(network(), file)
    return file


def driven_in_the_environment(source, steps: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What the trainer's policy sees, decides and where it comes: vectors, bins, poses."""
    core, act = environments_of(source, 1), greedy(network().eval(), VALID)
    core.reset({0: 0})
    seen, bins, poses = [], [], [core.world.ego_pose(0)]
    for _ in range(steps):
        seen.append(core.observations["vector"][0, 0].copy())
        bins.append(act(core.observations["vector"][:, 0])[0])
        core.step(bins[-1][None])
        poses.append(core.world.ego_pose(0))
    return np.stack(seen), np.stack(bins), np.stack(poses)


def test_it_sees_and_does_what_the_trainers_policy_does(weights: Path):
    def source(seed: int):
        return clip(thing(100.0), thing(30.0, y=0.0, kind="bicycle"), steps=12)

    agent = WatchedRad(str(weights))
    rollout = drive(source(0), agent, controller="perfect")
    steps = len(rollout.times) - 1
    assert steps == 12
    vectors, bins, poses = driven_in_the_environment(source, steps)
    assert len({tuple(pair) for pair in bins.tolist()}) > 1
    assert vectors[0].any()
    np.testing.assert_allclose(np.stack([o.vector for o in agent.seen]), vectors, atol=1e-5)
    plans = np.stack([plan.poses for plan in agent.planned])
    np.testing.assert_array_equal(plans, rad_anchors().poses[bins[:, 1], bins[:, 0], 1:])
    np.testing.assert_allclose(rollout.ego[:, :3], poses, atol=1e-6)


def test_a_plan_is_the_anchor_with_what_the_network_thought(weights: Path):
    agent = WatchedRad(str(weights))
    assert agent.act([]) == []
    rollout: Rollout = drive(clip(steps=3), agent)  # with the tracker between
    assert rollout.plans.shape == (3, 5, 3)
    assert agent.rig.privilege is Privilege.STATE
    for plan in agent.planned:
        assert plan.dt == 0.1
        assert 0.0 < plan.notes["lateral_probability"] <= 1.0
        assert 0.0 < plan.notes["longitudinal_probability"] <= 1.0
        assert (plan.notes["lateral_value"], plan.notes["longitudinal_value"]) == (0.0, 0.0)
    plan = agent.planned[0].poses
    plan[:] = 0.0  # whoever changes a plan changes no anchor
    np.testing.assert_array_less(0.0, agent.act(agent.seen[:1])[0].poses[:, 0])


def test_together_or_one_by_one_it_plans_the_same(weights: Path):
    agent = WatchedRad(str(weights))
    drive(clip(thing(60.0), steps=4), agent)
    for seen, plan in zip(agent.seen, agent.act(agent.seen), strict=True):
        np.testing.assert_array_equal(agent.act([seen])[0].poses, plan.poses)


def test_what_is_no_weights_of_a_rad_is_refused(weights: Path, tmp_path: Path):
    garbage = tmp_path / "garbage.safetensors"
    garbage.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(DataError, match=r"garbage\.safetensors"):
        Rad(str(garbage))
    other = tmp_path / "other.safetensors"
    save_network(EgoMlpNetwork(EgoMlpConfig(width=16)), other)
    with pytest.raises(DataError, match="holds a ego_mlp, not a rad; use agent=ego_mlp"):
        Rad(str(other))
    few = tmp_path / "few.safetensors"
    save_rad(network(bins=31), few)
    with pytest.raises(DataError, match="31 actions an axis, the anchors are 61 x 61"):
        Rad(str(few))
    diverged = network()
    with torch.no_grad():
        diverged.lateral[0].weight[0, 0] = torch.nan
    save_rad(diverged, tmp_path / "diverged.safetensors")
    with pytest.raises(DataError, match="not finite"):
        Rad(str(tmp_path / "diverged.safetensors"))
    with pytest.raises(DataError, match="no such file of weights"):
        Rad(str(tmp_path / "nothing.safetensors"))
    with pytest.raises(ConfigError, match="device=tpu"):
        Rad(str(weights), device="tpu")


def test_obs_says_which_of_the_weights_that_ship(weights: Path):
    assert Rad().weights_sha256 == Rad(obs="vector").weights_sha256
    assert Rad(str(weights), obs="vector").weights.startswith(f"weights: {weights}")
    seeing = Rad(obs="images")
    assert seeing.weights.startswith("weights: rad-images, the weights that ship")
    assert len(seeing.rig.cameras) == 3
    assert seeing.rendered_rig == "rad_small"
    with pytest.raises(ConfigError, match=r"agent\.obs=images: the network of .* sees vector"):
        Rad(str(weights), obs="images")
    with pytest.raises(ConfigError, match=r"agent\.obs=lidar: expected one of vector, images"):
        Rad(obs="lidar")


def test_an_observation_without_numbers_is_refused(weights: Path):
    scenes = LabminiSource()
    agent = Rad(str(weights))
    seen: Observation = build_observation(scenes.load(scenes.scene_ids()[0]), agent.rig)
    assert seen.vector is None
    with pytest.raises(DataError, match="has no `vector`: only closed loops"):
        agent.act([seen])


def test_nobody_else_is_handed_the_numbers(weights: Path):
    class Blind(WatchedRad):
        def act(self, observations) -> list[Plan]:
            assert all(seen.vector is None for seen in observations)
            return [Plan(np.zeros((5, 3)), 0.1) for _ in observations]

    agent = Blind(str(weights))
    agent.rig = type(agent.rig)(history=1)
    assert len(drive(clip(steps=2), agent).times) == 3


def test_eval_drives_clips_of_radlab(weights: Path, tmp_path: Path, capsys):
    words = ["eval", "agent=rad", f"agent.checkpoint={weights}", "bench=rad", "limit=3"]
    assert main([*words, "quiet=true", f"run.dir={tmp_path / 'run'}"]) == 0
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert (summary["agent"], summary["n_done"], summary["n_failed"]) == ("rad", 3, 0)
    rows = pq.read_table(tmp_path / "run" / "rows.parquet").to_pylist()
    assert [row["status"] for row in rows] == ["ok"] * 3
    assert min(row["steps"] for row in rows) > 0


def test_open_loops_and_missing_weights_are_told_before_anything_is_driven(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
):
    words = ["eval", "agent=rad", "data=embedded", "limit=1", f"run.dir={tmp_path / 'run'}"]
    assert main([*words, f"agent.checkpoint={weights}", "bench=navsim"]) == 2
    assert "asks for vector observations, which labmini" in capsys.readouterr().err
    monkeypatch.setattr("drivelab.agents.learned.weights.files", lambda package: tmp_path)
    assert main([*words[:2], "bench=rad", "limit=1", f"run.dir={tmp_path / 'run'}"]) == 2
    told = capsys.readouterr().err
    assert "no weights ship for agent=rad" in told
    assert "drivelab train recipe=rad" in told
