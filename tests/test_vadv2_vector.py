"""`agent=vadv2` on vector observations: weights of `train recipe=vadv2` drive in the benches."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

torch = pytest.importorskip("torch", reason="needs the extra nn")

from rad_clips import clip, thing  # noqa: E402

from drivelab.agents.rad import RadConfig  # noqa: E402
from drivelab.agents.rad.policy import RadNetwork  # noqa: E402
from drivelab.agents.rad.weights import save_rad  # noqa: E402
from drivelab.agents.vadv2.agent import VadV2  # noqa: E402
from drivelab.agents.vadv2.choice import REACH  # noqa: E402
from drivelab.agents.vadv2.vector_policy import VectorVadV2, VectorVadV2Config  # noqa: E402
from drivelab.agents.vadv2.vector_twin import VectorTwin  # noqa: E402
from drivelab.agents.vadv2.vector_weights import save_vector_vadv2  # noqa: E402
from drivelab.cli import main  # noqa: E402
from drivelab.errors import ConfigError, DataError  # noqa: E402
from drivelab.evaluation.closed_loop import drive  # noqa: E402
from drivelab.sim.envs.core import EnvCore, EnvOptions  # noqa: E402
from drivelab.sim.envs.vector_view import VectorView  # noqa: E402
from drivelab.training.reinforcement.vocabulary_pupils import (  # noqa: E402
    twin_pupil,
    vocabulary_pupil,
)
from drivelab.types import Plan, Privilege  # noqa: E402

pytestmark = pytest.mark.nn
SIZES = {"width": 16, "hidden": 16, "layers": 1, "heads": 2, "entries": 24, "poses": 6, "waves": 4}
DT = 0.4  # not the default: the file has to say it


def entries() -> np.ndarray:
    """Standing still, then drives at 4 to 8 m/s that bend a little to either side."""
    speed, bend = np.meshgrid(np.linspace(4.0, 8.0, 6), np.linspace(-0.03, 0.03, 4))
    way = speed.reshape(-1, 1) * DT * np.arange(1, 7)
    yaw = bend.reshape(-1, 1) * way
    made = np.stack([way, 0.5 * yaw * way, yaw], -1)
    made[0] = 0.0
    return made.astype(np.float32).astype(float)


def network(kind: str) -> VectorVadV2 | VectorTwin:
    """Random weights, whose plans go forward and differ with what is seen."""
    torch.manual_seed(9)
    planning = "deterministic" if kind == "deterministic" else "probabilistic"
    config = VectorVadV2Config(**SIZES, dt=DT, planning=planning, shifted=kind == "shifted")
    if planning == "probabilistic":
        made = VectorVadV2(config, torch.from_numpy(entries()))
        with torch.no_grad():  # what it sees decides for one entry or another
            for layer in (made.encoder.navigation[0], made.encoder.state[0]):
                layer.weight.mul_(10.0)
            made.score[-1].weight.mul_(20.0)
            if config.shifted:
                made.shift[-1].weight.normal_(std=0.3)
        return made
    twin = VectorTwin(config)
    with torch.no_grad():
        ahead = torch.full((6,), 0.5)  # of 10 m/s
        bias = torch.stack([ahead, 0 * ahead, 0 * ahead], -1).flatten()
        twin.regression._mlp[-1].bias.copy_(bias)
        twin.regression._mlp[-1].weight.mul_(0.1)
    return twin


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder, found = tmp_path_factory.mktemp("weights"), {}
    for kind in ("probabilistic", "shifted", "deterministic"):
        found[kind] = folder / f"{kind}.safetensors"
        save_vector_vadv2(network(kind), found[kind])
    return found


class Watched(VadV2):
    """Keeps what it saw and planned."""

    def act(self, observations) -> list[Plan]:
        plans = super().act(observations)
        self.seen = [*getattr(self, "seen", []), *observations]
        self.planned = [*getattr(self, "planned", []), *plans]
        return plans


def source(seed: int):
    return clip(thing(100.0), thing(30.0, y=0.0, kind="bicycle"), steps=12)


class TestDriving:
    @pytest.mark.parametrize("planning", ["probabilistic", "shifted", "deterministic"])
    def test_it_sees_and_does_what_the_trainers_policy_does(self, files, planning):
        twin = planning == "deterministic"
        pupil = twin_pupil(entries(), DT) if twin else vocabulary_pupil(entries(), entries(), DT)
        options = EnvOptions(episodes=source, action=pupil.action, reward="rad")
        core = EnvCore(options, environments=1, view=VectorView())
        act = pupil.act(pupil.open(files[planning]))
        core.reset({0: 0})
        seen, poses = [], [core.world.ego_pose(0)]
        for _ in range(12):
            seen.append(core.observations["vector"][0, 0].copy())
            core.step(act(core.observations["vector"][:, 0]))
            poses.append(core.world.ego_pose(0))
        agent = Watched(checkpoint=str(files[planning]))
        rollout = drive(source(0), agent)  # with the bench's own tracker
        assert len(rollout.times) == 13
        np.testing.assert_allclose(np.stack([o.vector for o in agent.seen]), seen, atol=1e-5)
        np.testing.assert_allclose(rollout.ego[:, :3], poses, atol=1e-5)
        assert len({plan.poses.tobytes() for plan in agent.planned}) > 1
        assert all(plan.dt == DT for plan in agent.planned)
        assert rollout.ego[-1, 0] > rollout.ego[0, 0] + 3.0

    @pytest.mark.parametrize("choice", ["argmax", "mean"])
    def test_plans_tell_the_most_probable_entries(self, files, choice):
        agent = Watched(checkpoint=str(files["probabilistic"]), choice=choice)
        assert agent.act([]) == []
        drive(source(0), agent)
        assert agent.rig.vector
        assert agent.rig.privilege is Privilege.STATE
        between = []
        for plan in agent.planned:
            assert plan.modes.shape == (20, 6, 3)
            assert plan.probabilities.sum() == pytest.approx(1.0)
            assert (np.diff(plan.probabilities) <= 0).all()
            best = entries()[plan.notes["entry"]]
            np.testing.assert_array_equal(plan.modes[0], best)
            between.append(np.hypot(*(plan.poses - best)[:, :2].T).mean())
            assert 1 / 24 <= plan.notes["probability"] <= 1.0
            assert plan.notes["value"] == 0.0
        assert max(between) < REACH
        assert bool(max(between) > 0.0) is (choice == "mean")

    def test_its_modes_are_moved_as_the_plan_is(self, files):
        agent = Watched(checkpoint=str(files["shifted"]), choice="argmax")
        drive(source(0), agent)
        away = [np.abs(p.modes[0] - entries()[p.notes["entry"]]).max() for p in agent.planned]
        assert min(away) > 0.01
        for plan in agent.planned:
            np.testing.assert_allclose(plan.modes[0], plan.poses, atol=1e-6)

    @pytest.mark.parametrize("planning", ["probabilistic", "shifted", "deterministic"])
    def test_together_or_one_by_one_it_plans_the_same(self, files, planning):
        agent = Watched(checkpoint=str(files[planning]))
        drive(source(0), agent)
        for seen, plan in zip(agent.seen, agent.act(agent.seen), strict=True):
            np.testing.assert_allclose(agent.act([seen])[0].poses, plan.poses, atol=1e-5)

    def test_a_sampled_entry_depends_on_the_seed_and_comes_as_often_as_it_is_probable(self, files):
        likeliest = Watched(checkpoint=str(files["probabilistic"]))
        drive(source(0), likeliest)
        seen = likeliest.seen[:1]

        def drawn(seed: int | None) -> int:
            agent = VadV2(checkpoint=str(files["probabilistic"]), choice="sample", sample_seed=seed)
            (alone,), both = agent.act(seen), agent.act(seen * 2)
            if seed is not None:
                assert alone.notes["entry"] == both[1].notes["entry"]
            return alone.notes["entry"]

        assert drawn(1) == drawn(1)
        assert len({drawn(seed) for seed in range(8)}) > 1
        torch.manual_seed(0)
        agent = VadV2(checkpoint=str(files["probabilistic"]), choice="sample", sample_seed=None)
        often = np.bincount([p.notes["entry"] for p in agent.act(seen * 4000)], minlength=24)
        best = likeliest.planned[0].notes
        assert often[best["entry"]] / 4000 == pytest.approx(best["probability"], abs=0.03)


class TestRefusals:
    @pytest.mark.parametrize(
        ("planning", "options", "told"),
        [
            ("probabilistic", {"planning": "deterministic"}, "taught with planning=probabilistic"),
            ("deterministic", {"planning": "probabilistic"}, "taught with planning=deterministic"),
            ("probabilistic", {"entries": 64}, "taught with entries=24; leave the option out"),
            ("probabilistic", {"image_encoder": "resnet"}, "vector observations, no pictures"),
            ("probabilistic", {"precision": "bf16"}, "drive by fp32 alone"),
            ("probabilistic", {"choice": "sampel"}, "did you mean 'sample'"),
            ("probabilistic", {"preset": "mini"}, "is of a network on vector observations"),
            ("probabilistic", {"vocabulary": "v.npy"}, "the weights hold the vocabulary"),
            ("probabilistic", {"device": "tpu"}, "device=tpu"),
            ("deterministic", {"choice": "sample"}, "one plan and nothing to draw from"),
        ],
    )
    def test_options_that_do_not_fit_the_weights(self, files, planning, options, told):
        with pytest.raises(ConfigError, match=told):
            VadV2(checkpoint=str(files[planning]), **options)

    def test_files_that_are_none_of_its_weights(self, files, tmp_path: Path):
        garbage = tmp_path / "garbage.safetensors"
        garbage.write_bytes(files["probabilistic"].read_bytes()[:1000])
        with pytest.raises(DataError, match=r"garbage\.safetensors"):
            VadV2(checkpoint=str(garbage))
        with pytest.raises(DataError, match="no such file of weights"):
            VadV2(checkpoint=str(tmp_path / "nothing.safetensors"))
        save_rad(RadNetwork(RadConfig.preset("mini")), tmp_path / "rad.safetensors")
        with pytest.raises(DataError, match="holds a rad, not a vadv2; use agent=rad"):
            VadV2(checkpoint=str(tmp_path / "rad.safetensors"))
        with pytest.raises(DataError, match="holds a rad, not a vadv2_vector"):
            VadV2(preset="vector", checkpoint=str(tmp_path / "rad.safetensors"))
        diverged = network("probabilistic")
        with torch.no_grad():
            diverged.score[0].weight[0, 0] = torch.inf
        save_vector_vadv2(diverged, tmp_path / "diverged.safetensors")
        with pytest.raises(DataError, match="not finite"):
            VadV2(checkpoint=str(tmp_path / "diverged.safetensors"))

    def test_the_weights_are_taught_by_the_recipe_alone(self, files):
        with pytest.raises(ConfigError, match=r"train recipe=vadv2 start=.*probabilistic\."):
            VadV2.trainee(checkpoint=str(files["probabilistic"]))

    @pytest.mark.parametrize("preset", ["mini", "full"])
    def test_those_through_sensors_do_not_ship(self, preset: str):
        with pytest.raises(ConfigError, match=rf"no weights ship for agent=vadv2 preset={preset}"):
            VadV2(preset=preset)


@pytest.mark.parametrize("preset", [None, "vector"])
def test_those_on_vector_observations_ship(preset: str | None):
    agent = VadV2(preset=preset)
    assert agent.weights.startswith("weights: vadv2-vector, the weights that ship")
    assert agent.rig.vector


def test_eval_drives_clips_of_radlab(files, tmp_path: Path):
    words = ["eval", "agent=vadv2", f"agent.checkpoint={files['deterministic']}", "bench=rad"]
    assert main([*words, "limit=2", "quiet=true", f"run.dir={tmp_path / 'run'}"]) == 0
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert (summary["agent"], summary["n_done"], summary["n_failed"]) == ("vadv2", 2, 0)
    rows = pq.read_table(tmp_path / "run" / "rows.parquet").to_pylist()
    assert min(row["steps"] for row in rows) > 0


def test_benches_without_vector_observations_are_refused_before_anything_is_driven(
    files, tmp_path: Path, capsys
):
    words = ["eval", "agent=vadv2", f"agent.checkpoint={files['probabilistic']}", "bench=navsim"]
    assert main([*words, "data=embedded", "limit=1", f"run.dir={tmp_path / 'run'}"]) == 2
    assert "asks for vector observations, which labmini" in capsys.readouterr().err
