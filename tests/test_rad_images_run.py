"""RAD that learns from pictures: expert clips on disk, the same bits when resumed, its agent."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra nn")

from rad_clips import VALID, clip, thing, walled  # noqa: E402
from safetensors.torch import load_file  # noqa: E402
from watched_rad import WatchedRad  # noqa: E402

from drivelab.agents.rad.config import RadConfig  # noqa: E402
from drivelab.agents.rad.policy import RadNetwork  # noqa: E402
from drivelab.agents.rad.weights import save_rad  # noqa: E402
from drivelab.cli import main  # noqa: E402
from drivelab.cli.reinforcement_run import _seen  # noqa: E402
from drivelab.data.labmini import LabminiSource  # noqa: E402
from drivelab.data.observation import build_observation  # noqa: E402
from drivelab.errors import ConfigError, DataError, RunError  # noqa: E402
from drivelab.evaluation.closed_loop import drive  # noqa: E402
from drivelab.planning.rad_anchors import rad_anchors  # noqa: E402
from drivelab.sim.envs.core import EnvOptions  # noqa: E402
from drivelab.sim.envs.splat_view import FRONT  # noqa: E402
from drivelab.sim.world.episode import Episode  # noqa: E402
from drivelab.training.reinforcement import expert  # noqa: E402
from drivelab.training.reinforcement.judge import greedy  # noqa: E402
from drivelab.training.reinforcement.learner import Learner  # noqa: E402
from drivelab.training.reinforcement.loop import Course, learn, make_fleet  # noqa: E402
from drivelab.training.reinforcement.pupil import rad_pupil  # noqa: E402
from drivelab.training.reinforcement.recipe import RadRecipe  # noqa: E402
from drivelab.training.reinforcement.settings import ReinforcementSettings  # noqa: E402
from drivelab.training.rollouts.pictures import Pictures  # noqa: E402
from drivelab.training.run_folder import CHECKPOINT, read_progress  # noqa: E402

pytestmark = pytest.mark.nn
SCALE, STEPS = 0.25, 8
TINY = RadConfig(
    width=8, hidden=8, layers=1, heads=2, value_width=8, encoder="image", cameras=FRONT,
    pixels=(24, 12), rig="rad_small", image_widths=(4, 6),
)  # fmt: skip


def source(seed: int) -> Episode:
    """A car stands ahead, farther off for later seeds; the expert of seed 2 drives into it."""
    return clip(thing(26.0 if seed == 2 else 48.0 + seed), steps=STEPS, name=f"clip{seed}")


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Course:
    env = EnvOptions(episodes=source, action="rad", reward="rad")
    streets = str(tmp_path_factory.mktemp("streets"))
    return Course(env, size=6, steps=STEPS, seen=Pictures(scale=SCALE, keep=streets))


def settings_of(folder: Path, **changes) -> ReinforcementSettings:
    small = {
        "clips": 4, "validation": 2, "environments": 2, "pretraining": 1, "rounds": 2, "cycle": 2,
        "updates": 2, "later_updates": 1, "imitation_batch": 8, "harvest": 2, "window": 2,
        "batch": 8, "passes": 1, "look_every": 100, "save_every": 1,
    }  # fmt: skip
    return ReinforcementSettings(folder=folder, **{**small, **changes})


def network() -> RadNetwork:
    """Random weights; it keeps to the middle at some 5 m/s, and what it sees moves it."""
    torch.manual_seed(3)
    made, places = RadNetwork(TINY), torch.arange(61)
    with torch.no_grad():
        made.lateral[-1].bias.copy_(-((places - 30) ** 2) / 50.0)
        made.longitudinal[-1].bias.copy_(-((places - 10) ** 2) / 50.0)
        for head in (made.lateral, made.longitudinal):
            head[-1].weight.mul_(5.0)
    return made


def quiet(text: str) -> None:
    pass


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, course: Course) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    learn(network(), course, settings=settings_of(folder), say=quiet)
    return folder


def test_a_run_tells_what_drawing_took(run: Path):
    rows = read_progress(run)
    assert [row["kind"] for row in rows] == ["imitation", "reinforcement", "imitation"]
    assert rows[1]["render_s"] > 0.0
    assert all("validation" in row for row in (rows[0], rows[-1]))
    (window,) = (run / CHECKPOINT).glob("window-*")
    pictures = load_file(window)["features.images"]
    assert (pictures.dtype, tuple(pictures.shape[1:])) == (torch.uint8, (3, 12, 24, 4))


def test_experts_pictures_stay_on_the_disk(run: Path, course: Course):
    found = expert.read_experts(course, run)
    assert found.seeds.tolist() == [0, 1, 3]  # the third ends in an event
    pictures = found.features["images"]
    assert pictures.shape == (3 * STEPS, 3, 12, 24, 4)
    assert isinstance(pictures.base, np.memmap)
    assert (run / expert.DRAWN.format(name="images")).stat().st_size == pictures.nbytes
    core = course.core(1)
    core.reset({0: 1})
    np.testing.assert_array_equal(pictures[STEPS], core.observations["images"][0, 0])
    assert not (run / expert.PARTS).exists()


def test_experts_broken_off_go_on_where_they_were(
    run: Path, course: Course, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(expert, "PART", 2)
    made: list[int] = []
    watched = replace(
        course, env=replace(course.env, episodes=lambda seed: (made.append(seed), source(seed))[1])
    )

    def broken(text: str) -> None:
        if "drove 2 of 4" in text:
            raise KeyboardInterrupt

    settings = settings_of(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        expert.drive_experts(watched, rad_pupil(), settings, broken)
    assert set(made) == {0, 1}
    with (tmp_path / expert.DRAWN.format(name="images")).open("ab") as stream:
        stream.write(b"half of a picture")
    made.clear()
    expert.drive_experts(watched, rad_pupil(), settings, quiet)
    assert set(made) == {2, 3}
    expert.drive_experts(watched, rad_pupil(), settings, quiet)
    assert (tmp_path / expert.DRAWN.format(name="images")).read_bytes() == (
        run / expert.DRAWN.format(name="images")
    ).read_bytes()
    mine, whole = (expert.read_experts(course, folder) for folder in (tmp_path, run))
    for name, array in whole.arrays().items():
        np.testing.assert_array_equal(mine.arrays()[name], array, err_msg=name)
    with (tmp_path / expert.DRAWN.format(name="images")).open("r+b") as stream:
        stream.truncate(100)
    with pytest.raises(RunError, match=r"has 100 bytes, expected .* will be driven again"):
        expert.read_experts(course, tmp_path)


def test_a_disk_without_room_is_told_before_anything_is_driven(course: Course, tmp_path: Path):
    settings = settings_of(tmp_path, clips=10**9)
    with pytest.raises(RunError, match=r"take up to 27648\.0 GB, and .* ask for fewer experts="):
        expert.drive_experts(course, rad_pupil(), settings, quiet)


def test_a_run_paused_after_every_round_ends_with_the_same_bits(
    run: Path, course: Course, tmp_path: Path
):
    paused = settings_of(tmp_path, minutes=1e-9)
    for _ in range(paused.total):
        done = learn(network(), course, settings=paused, say=quiet)
    assert done.rounds == paused.total
    whole, mine = (
        load_file(folder / CHECKPOINT / "model.safetensors") for folder in (run, tmp_path)
    )
    assert sorted(mine) == sorted(whole)
    for name, values in whole.items():
        assert torch.equal(mine[name], values), name


def test_reinforcement_moves_the_encoder(course: Course, tmp_path: Path):
    before = {k: v.clone() for k, v in network().state_dict().items()}
    made = network()
    learn(made, course, settings=settings_of(tmp_path, mode="rl", pretraining=0, rounds=1,
          rate=1e-3), say=quiet)  # fmt: skip
    moved = [k for k, v in made.state_dict().items() if not torch.equal(v, before[k])]
    assert "encoder.maps.stem.weight" in moved
    assert "encoder.place" in moved


@pytest.mark.ray
@pytest.mark.slow
def test_actors_drive_what_this_process_drives(course: Course, tmp_path: Path):
    ray = pytest.importorskip("ray")
    env = EnvOptions(episodes=walled, action="rad", reward="rad")
    course = replace(course, env=env, steps=24)
    found = []
    for cluster in (None, {"address": None, "cpus": 0.5, "gpus": 0.0}):
        workers = 1 if cluster is None else 2
        settings = settings_of(tmp_path, workers=workers, pretraining=0, harvest=4, window=4)
        learner = Learner(network(), VALID, settings=settings)
        fleet = make_fleet(learner, course=course, cluster=cluster)
        try:
            learner.drive(fleet)
        finally:
            fleet.close()
        found.append(learner.window.clips.arrays())
    ray.shutdown()
    for name, array in found[0].items():
        np.testing.assert_array_equal(found[1][name], array, err_msg=name)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_rad(network(), file)
    return file


def test_the_agent_does_what_the_trainers_policy_does(course: Course, weights: Path):
    agent = WatchedRad(str(weights))
    assert (agent.rendered_rig, agent.rig.cameras, agent.rig.pixels) == (
        "rad_small",
        FRONT,
        (24, 12),
    )
    for seed in (0, 1):  # the second time nothing of the first is remembered
        agent.planned = []
        shown = replace(source(seed), rendering=course.seen.rendering)
        rollout = drive(shown, agent, controller="perfect")
        core, act = course.core(1), greedy(network().eval(), VALID)
        core.reset({0: seed})
        bins, poses = [], [core.world.ego_pose(0)]
        for _ in range(STEPS):
            bins.append(act({k: v[:, 0] for k, v in core.observations.items()})[0])
            core.step(bins[-1][None])
            poses.append(core.world.ego_pose(0))
        lateral, longitudinal = np.stack(bins).T
        plans = np.stack([plan.poses for plan in agent.planned])
        np.testing.assert_array_equal(plans, rad_anchors().poses[longitudinal, lateral, 1:])
        np.testing.assert_allclose(rollout.ego[:, :3], poses, atol=1e-6)
    assert len({tuple(pair) for pair in np.stack(bins).tolist()}) > 1


def test_worlds_without_its_cameras_are_refused(weights: Path, tmp_path: Path, capsys):
    agent = WatchedRad(str(weights))
    drive(replace(source(0), rendering=Pictures(scale=SCALE).rendering), agent)
    seen = agent.seen[0]
    with pytest.raises(DataError, match="no picture of camera CAM_FRONT_LEFT; there are: none"):
        agent.act([replace(seen, images={})])
    large = np.zeros((24, 48, 3), np.uint8)
    wide = {name: [replace(taken[-1], image=large)] for name, taken in seen.images.items()}
    with pytest.raises(DataError, match=r"delivers 48 x 24 px of uint8, the weights expect 24 x 1"):
        agent.act([replace(seen, images=wide)])
    scenes = LabminiSource()
    blind = replace(agent.rig, cameras=(), pixels=None)
    with pytest.raises(DataError, match="has no `vector`: only closed loops"):
        agent.act([build_observation(scenes.load(scenes.scene_ids()[0]), blind)])
    words = ["eval", "agent=rad", f"agent.checkpoint={weights}", "bench=rad", "limit=1",
             "bench.sensors=off", f"run.dir={tmp_path / 'run'}"]  # fmt: skip
    assert main(words) == 2
    assert "the agent asks for camera 'CAM_FRONT_LEFT'" in capsys.readouterr().err


def test_weights_begin_only_what_sees_the_same(weights: Path, course: Course, tmp_path: Path):
    with pytest.raises(ConfigError, match=r"its network has width=\d+ \(not \d+\)"):
        RadRecipe().network(0, weights, course.seen)
    made = RadRecipe().network(0, None, course.seen)
    assert (made.config.encoder, made.config.pixels) == ("image", (24, 12))
    save_rad(made, tmp_path / "mini.safetensors")
    again = RadRecipe().network(0, tmp_path / "mini.safetensors", course.seen)
    assert again.config == made.config
    with pytest.raises(ConfigError, match=r"has encoder=image \(not vector\)"):
        RadRecipe().network(0, tmp_path / "mini.safetensors")


def test_streets_are_kept_below_the_cache_unless_a_folder_is_named(tmp_path: Path):
    asked = {"rig": None, "scale": None, "weather": "day", "keep": None}
    recipe = RadRecipe()
    assert _seen({"obs": "vector", "pictures": asked}, recipe, None) is None
    usual = _seen({"obs": "images", "pictures": asked}, recipe, None)
    assert (usual.rig, usual.keep.endswith("drivelab/streets")) == ("rad_small", True)
    named = _seen({"obs": "images", "pictures": {**asked, "keep": str(tmp_path)}}, recipe, None)
    assert (named.keep, named.shape) == (str(tmp_path), (3, 48, 96, 4))


@pytest.mark.slow
def test_a_run_of_the_command_line(tmp_path: Path, capsys):
    words = [
        "train", "recipe=rad", "obs=images", "pictures.scale=0.25", "clips=3", "validation=1",
        "trials=1", "environments=2", "updates=2", "later_updates=1", "imitation_batch=16",
        "pretraining=1", "rounds=1", "mode=rl", "harvest=2", "window=2", "batch=32", "passes=1",
        "quiet=true", f"pictures.keep={tmp_path / 'streets'}", f"run.dir={tmp_path / 'run'}",
    ]  # fmt: skip
    assert main(words) == 0
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert (summary["obs"], summary["rounds"]) == ("images", 2)
    assert len(list((tmp_path / "streets").glob("*"))) >= 5
    moved = [word for word in words if not word.startswith("pictures.keep")]
    assert main([*moved, f"pictures.keep={tmp_path / 'elsewhere'}"]) == 0
    assert main([*words, "pictures.scale=0.5"]) == 2
    assert "holds a run with other settings" in capsys.readouterr().err
    file = tmp_path / "run" / "best.safetensors"
    words = ["eval", "agent=rad", f"agent.checkpoint={file}", "bench=rad", "limit=1", "quiet=true",
             "bench.scale=0.25", "bench.controller=perfect"]  # fmt: skip
    assert main([*words, f"run.dir={tmp_path / 'eval'}"]) == 0
    done = json.loads((tmp_path / "eval" / "summary.json").read_text())
    assert (done["n_done"], done["n_failed"]) == (1, 0)
