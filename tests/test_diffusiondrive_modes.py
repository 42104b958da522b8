"""DiffusionDrive under the learner of closed loops: its modes as actions, its own sensors."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra nn")

from rad_clips import clip, thing  # noqa: E402
from safetensors.torch import load_file  # noqa: E402

from drivelab.agents.diffusiondrive.agent import DiffusionDrive  # noqa: E402
from drivelab.agents.diffusiondrive.config import DiffusionDriveConfig  # noqa: E402
from drivelab.agents.diffusiondrive.losses import mode_loss  # noqa: E402
from drivelab.agents.diffusiondrive.mode_policy import ModePolicy, towards_modes  # noqa: E402
from drivelab.agents.features import expand  # noqa: E402
from drivelab.cli import main  # noqa: E402
from drivelab.errors import ConfigError, DataError  # noqa: E402
from drivelab.evaluation.closed_loop import drive  # noqa: E402
from drivelab.sim.envs.core import EnvOptions  # noqa: E402
from drivelab.sim.world.episode import Episode  # noqa: E402
from drivelab.training.reinforcement.expert import read_experts  # noqa: E402
from drivelab.training.reinforcement.loop import Course, learn  # noqa: E402
from drivelab.training.reinforcement.mode_pupil import (  # noqa: E402
    best_plans,
    mode_pupil,
    open_planner,
    policy_of,
)
from drivelab.training.reinforcement.mode_recipe import ModeRecipe  # noqa: E402
from drivelab.training.reinforcement.settings import ReinforcementSettings  # noqa: E402
from drivelab.training.rollouts.runner import ClipRunner  # noqa: E402
from drivelab.training.run_folder import CHECKPOINT, read_progress  # noqa: E402

pytestmark = pytest.mark.nn
STEPS = 4


def source(seed: int) -> Episode:
    """A car stands ahead, farther off for later seeds."""
    return clip(thing(48.0 + seed), steps=STEPS, name=f"clip{seed}")


def policy(temperature: float = 0.3) -> ModePolicy:
    torch.manual_seed(0)
    return ModeRecipe(temperature=temperature).policy(None)


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Course:
    seen = ModeRecipe().sensors(None, weather="day", keep=str(tmp_path_factory.mktemp("streets")))
    env = EnvOptions(episodes=source, action="rad", reward="rad")
    return Course(env, size=3, steps=STEPS, seen=seen).with_action(mode_pupil(policy()).action)


def settings_of(folder: Path, **changes) -> ReinforcementSettings:
    small = {
        "clips": 2, "validation": 1, "environments": 2, "pretraining": 1, "rounds": 2, "cycle": 2,
        "updates": 1, "later_updates": 1, "imitation_batch": 4, "harvest": 2, "window": 2,
        "batch": 4, "passes": 1, "look_every": 100, "save_every": 1,
    }  # fmt: skip
    return ReinforcementSettings(folder=folder, **{**small, **changes})


def quiet(text: str) -> None:
    pass


@pytest.fixture(scope="module")
def seen(course: Course) -> dict[str, np.ndarray]:
    """The first moments of two clips."""
    core = course.core(2)
    core.reset({0: 0, 1: 1})
    return {name: array[:, 0].copy() for name, array in core.observations.items()}


class Watched(DiffusionDrive):
    """Remembers what it planned."""

    def act(self, observations):
        plans = super().act(observations)
        self.planned = [*getattr(self, "planned", []), *plans]
        return plans


def test_plans_and_scores_are_the_networks_and_training_changes_nothing_of_them(seen):
    made = policy(temperature=0.5)
    floats = {k: torch.from_numpy(v) for k, v in expand(seen).items()}
    bytes_ = {k: torch.from_numpy(v) for k, v in seen.items()}
    with torch.inference_mode():
        wanted = made.network(floats)
        first, again = made.eval()(bytes_), made.train()(bytes_)
    assert made.training
    assert torch.equal(first["plans"], wanted["modes"])
    torch.testing.assert_close(first["longitudinal"], wanted["mode_scores"] / 0.5)
    assert first["lateral"].shape == (2, 1)
    assert not first["longitudinal_value"].any()
    for name, values in first.items():
        assert torch.equal(values, again[name]), name


def test_imitation_is_the_papers_loss_towards_the_mode_whose_anchor_is_nearest():
    anchors = torch.tensor([[[1.0, 0.0], [2.0, 0.0]], [[1.0, 1.0], [2.0, 2.0]]])
    target = torch.tensor([[[1.1, 0.9, 0.4], [2.0, 1.9, 0.8]]])
    plans, scores = torch.zeros(1, 2, 2, 3), torch.tensor([[0.3, -0.2]])
    config = DiffusionDriveConfig(mode_class_weight=3.0)
    found = towards_modes({"plans": plans, "mode_scores": scores}, target, anchors, config)
    wanted = mode_loss(plans, scores, target, torch.tensor([1]), class_weight=3.0)
    assert found["loss"] == wanted
    assert wanted > 8.0 * target.abs().mean()


def test_only_modes_that_mean_the_same_every_time_are_actions():
    network = policy().network
    network.config = replace(network.config, noise_seed=None)
    assert policy_of(network, 0.2).config.network.noise_seed == 0
    network.config = replace(network.config, diffusion="vanilla")
    with pytest.raises(ConfigError, match="same noise each time; take weights of truncated"):
        policy_of(network, 0.2)
    with pytest.raises(ConfigError, match="expected a number above 0"):
        ModeRecipe(temperature=0.0)


def test_the_agent_plans_what_the_learners_policy_drives(course: Course):
    """From the same features: all of them are built in worlds of both kinds."""
    agent = Watched()
    drive(replace(source(1), rendering=course.seen.rendering), agent)
    core, act = (
        course.core(1),
        best_plans(policy(), torch.ones(20, 1, dtype=bool), course.env.action),
    )
    core.reset({0: 1})
    for plan in agent.planned:
        found = act({name: array[:, 0] for name, array in core.observations.items()})[0]
        np.testing.assert_allclose(found, plan.poses, atol=2e-4)  # the agent's network is folded
        core.step(found[None])
    assert len(agent.planned) == STEPS


def test_the_expert_goes_where_the_recorded_ego_went(course: Course):
    pupil = mode_pupil(policy())
    harvest = ClipRunner(lambda: course.core(1), steps=STEPS).run(pupil.expert, [0])
    went = harvest.clips.targets["trajectory"]
    speed, ahead = 5.0, 0.5 * np.arange(1, 9)  # its expert drives straight on
    np.testing.assert_allclose(went[0, :, 0], speed * ahead, atol=1e-3)
    apart = np.hypot(*np.moveaxis(policy().anchors.numpy() - went[0, :, :2], -1, 0)).mean(-1)
    assert harvest.clips.bins[0].tolist() == [0, int(apart.argmin())]
    assert np.abs(harvest.clips.path_offset).max() < 0.05


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, course: Course) -> Path:
    folder, made = tmp_path_factory.mktemp("whole"), policy()
    learn(made.train(), course, settings=settings_of(folder), pupil=mode_pupil(made), say=quiet,
          objective=ModeRecipe().objective())  # fmt: skip
    return folder


def test_a_run_teaches_the_network_and_the_agent_drives_it(run: Path, course: Course):
    rows = read_progress(run)
    assert [row["kind"] for row in rows] == ["imitation", "reinforcement", "imitation"]
    assert rows[1]["render_s"] > 0.0
    before, after = policy().network.state_dict(), load_file(run / "best.safetensors")
    assert sorted(before) == sorted(after)
    moved = {name for name, values in after.items() if not torch.equal(values, before[name])}
    assert any(name.startswith("_backbone") for name in moved)
    assert not any("running_mean" in name or "plan_anchor" in name.split(".")[-1] for name in moved)
    agent = DiffusionDrive(checkpoint=str(run / "best.safetensors"))
    drive(replace(source(1), rendering=course.seen.rendering), agent)


def test_what_experts_saw_stays_on_the_disk(run: Path, course: Course):
    found = read_experts(course, run)
    assert found.decisions == 2 * STEPS
    for name, shape in course.seen.shapes.items():
        assert found.features[name].shape == (2 * STEPS, *shape)
        assert isinstance(found.features[name].base, np.memmap)


@pytest.mark.slow
def test_a_run_paused_after_every_round_ends_with_the_same_bits(
    run: Path, course: Course, tmp_path: Path
):
    paused = settings_of(tmp_path, minutes=1e-9)
    for _ in range(paused.total):
        made = policy()
        learn(made.train(), course, settings=paused, pupil=mode_pupil(made), say=quiet,
              objective=ModeRecipe().objective())  # fmt: skip
    whole, mine = (load_file(f / CHECKPOINT / "model.safetensors") for f in (run, tmp_path))
    for name, values in whole.items():
        assert torch.equal(mine[name], values), name


def test_weights_of_another_network_are_refused(tmp_path: Path):
    with pytest.raises(DataError, match="ego_mlp"):
        ModeRecipe().sensors(
            Path("agents/ego_mlp/weights/mini.safetensors"), weather="day", keep=""
        )
    with pytest.raises(DataError):
        open_planner(tmp_path / "none.safetensors", temperature=0.2)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["recipe=diffusiondrive"], "obs=vector: recipe=diffusiondrive learns from obs=sensors"),
        (["recipe=rad", "obs=sensors"], "recipe=rad learns from obs=vector or images"),
        (
            ["recipe=diffusiondrive", "obs=sensors", "pictures.rig=rad"],
            "with obs=sensors the network's own rig looks; leave it out",
        ),
        (["recipe=diffusiondrive", "obs=sensors", "recipe.preset=full"], "no weights ship for"),
        (["recipe=diffusiondrive", "obs=sensors", "recipe.clip=-1"], "recipe.clip=-1: expected a"),
    ],
)
def test_options_that_do_not_go_together_are_told(words, told, tmp_path: Path, capsys):
    assert main(["train", *words, f"run.dir={tmp_path / 'run'}"]) == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
