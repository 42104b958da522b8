"""Whole runs of the learner: what they leave, the same bits when resumed, checkpoints, weights."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra nn")

from rad_clips import clip, thing  # noqa: E402
from rad_learner import TINY, learner_of, one_thread, settings_of  # noqa: E402, F401
from safetensors.numpy import save_file  # noqa: E402

from drivelab.agents.rad.policy import RadNetwork  # noqa: E402
from drivelab.agents.rad.weights import open_rad, save_rad  # noqa: E402
from drivelab.errors import ConfigError, DataError, RunError  # noqa: E402
from drivelab.sim.envs.core import EnvOptions  # noqa: E402
from drivelab.training.reinforcement.checkpoints import load_clips, resume_learner  # noqa: E402
from drivelab.training.reinforcement.expert import EXPERT  # noqa: E402
from drivelab.training.reinforcement.loop import BEST, IMITATION, Course, learn  # noqa: E402
from drivelab.training.reinforcement.recipe import RadRecipe  # noqa: E402
from drivelab.training.rollouts.episodes import KeptEpisodes  # noqa: E402
from drivelab.training.run_folder import CHECKPOINT, read_progress  # noqa: E402

pytestmark = pytest.mark.nn


def course() -> Course:
    """Six clips in which a car stands farther and farther ahead; the last two are held out."""

    def source(seed: int):
        return clip(thing(48.0 + 3.0 * (seed % 3)), steps=12, name=f"clip{seed}")

    return Course(
        EnvOptions(episodes=KeptEpisodes(source), action="rad", reward="rad"), size=6, steps=12
    )


def taught(folder: Path, *, pause: bool = False, **changes) -> dict:
    """All weights of a run, perhaps paused after every round."""
    settings = settings_of(folder, **changes)
    paused = replace(settings, minutes=1e-9) if pause else settings
    for _ in range(settings.total if pause else 1):
        torch.manual_seed(0)
        done = learn(RadNetwork(TINY), course(), settings=paused, say=lambda text: None)
    assert done.rounds == settings.total
    from safetensors.torch import load_file

    return load_file(folder / CHECKPOINT / "model.safetensors")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    taught(folder)
    return folder


def test_a_run_leaves_everything_behind(run: Path):
    rows = read_progress(run)
    kinds = [row["kind"] for row in rows]
    assert kinds == ["imitation", *4 * ["reinforcement"], "imitation", "reinforcement"]  # RL:IL 4:1
    assert [row["round"] for row in rows] == list(range(1, 8))
    assert rows[-1]["clips"] == 10
    assert [row["round"] for row in rows if "validation" in row] == [1, 7]
    for row in rows:
        assert np.isfinite([v for v in row.values() if isinstance(v, float)]).all()
    looked = rows[-1]["validation"]
    assert set(looked) >= {"score", "collision_ratio", "average_deviation_distance"}
    for name in (BEST, IMITATION):
        assert open_rad(run / name).config == TINY
    facts = json.loads((run / CHECKPOINT / "config.json").read_text())
    assert facts["counts"]["round"] == 7
    assert [file.name for file in (run / CHECKPOINT).glob("window-*")] == [facts["window"]]


def test_a_run_paused_after_every_round_ends_with_the_same_bits(run: Path, tmp_path: Path):
    from safetensors.torch import load_file

    paused = taught(tmp_path, pause=True)
    whole = load_file(run / CHECKPOINT / "model.safetensors")
    assert sorted(paused) == sorted(whole)
    for name, values in whole.items():
        assert torch.equal(paused[name], values), name
    timed = ("seconds", "begin_s", "policy_s", "world_s", "learn_s", "wait_s")
    plain = [
        [{k: v for k, v in row.items() if k not in timed} for row in read_progress(folder)]
        for folder in (run, tmp_path)
    ]
    assert plain[0] == plain[1]


def test_a_run_that_died_between_two_checkpoints_writes_its_rounds_again(run: Path, tmp_path: Path):
    """What a kill leaves: lines of progress after the checkpoint, and a torn one."""
    taught(tmp_path, rounds=6, save_every=4, pause=False)
    lines = (tmp_path / "progress.jsonl").read_text()
    (tmp_path / "progress.jsonl").write_text(lines + lines.splitlines()[-1][:40])
    taught(tmp_path, rounds=6, save_every=4)
    assert [row["round"] for row in read_progress(tmp_path)] == list(range(1, 8))


def test_imitation_only_and_reinforcement_only(tmp_path: Path):
    il, rl = settings_of(tmp_path, mode="il"), settings_of(tmp_path, mode="rl")
    assert il.total == 1
    assert [rl.imitates(number) for number in range(rl.total)] == [True, *6 * [False]]


def test_of_some_clips_the_expert_is_imitated_and_all_are_driven(tmp_path: Path):
    taught(tmp_path, experts=1, rounds=4)
    assert load_clips(tmp_path / EXPERT).seeds.tolist() == [0]
    (window,) = (tmp_path / CHECKPOINT).glob("window-*")
    rows = [row for row in read_progress(tmp_path) if row["kind"] == "reinforcement"]
    assert rows[-1]["clips"] == 8
    assert set(load_clips(window).seeds.tolist()) - {0}


def test_imitation_alone_learns_what_the_expert_did(tmp_path: Path):
    taught(tmp_path, mode="il", pretraining=8, updates=8, imitation_rate=1e-2)
    losses = [row["loss"] for row in read_progress(tmp_path)]
    assert losses[-1] < 0.2 * losses[0]
    assert not list((tmp_path / CHECKPOINT).glob("window-*"))


def test_a_crash_between_two_files_of_a_checkpoint_leaves_the_old_one(tmp_path: Path):
    """The window of a later round is there already, the weights beside it are not yet."""
    taught(tmp_path, rounds=3)
    place = tmp_path / CHECKPOINT
    (kept,) = place.glob("window-*")
    (place / "window-000099.safetensors").write_bytes(b"half of a file")
    facts = resume_learner(learner_of(tmp_path, RadNetwork(TINY), rounds=3), tmp_path)
    assert facts["window"] == kept.name
    taught(tmp_path, rounds=3)
    assert list(place.glob("window-*")) == [kept]


def test_a_damaged_checkpoint_says_so(run: Path, tmp_path: Path):
    place = tmp_path / CHECKPOINT
    place.mkdir()
    for file in (run / CHECKPOINT).iterdir():
        (place / file.name).write_bytes(file.read_bytes())
    (window,) = place.glob("window-*")
    window.write_bytes(b"nothing")
    with pytest.raises(RunError, match=r"window-000007.safetensors cannot be read"):
        learn(RadNetwork(TINY), course(), settings=settings_of(tmp_path), say=print)
    save_file({"w": np.ones(2)}, window)
    with pytest.raises(DataError, match=r"window-000007.*no bins, .*; remove .* to begin anew"):
        learn(RadNetwork(TINY), course(), settings=settings_of(tmp_path), say=print)
    window.unlink()
    with pytest.raises(RunError, match=r"window-000007.safetensors cannot be read"):
        learn(RadNetwork(TINY), course(), settings=settings_of(tmp_path), say=print)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mode": "rl+il"}, "mode=rl\\+il: expected one of il, rl, rl_il"),
        ({"clips": 0}, "clips=0: expected a whole number from 1 on"),
        ({"experts": 5}, "experts=5: expected 1 to clips=4, or null"),
        ({"experts": 0}, "experts=0: expected 1 to clips=4, or null"),
        ({"batch": 1.5}, "batch=1.5: expected a whole number"),
        ({"rate": 0.0}, "rate=0.0: expected a finite number above 0"),
        ({"kl_limit": float("nan")}, "kl_limit=nan: expected a finite number above 0"),
        ({"window": 1}, "window=1: expected harvest=2 or more"),
        ({"cycle": 1}, "cycle=1: expected 2 or more"),
        ({"seed": -1}, "seed=-1: expected a whole number from 0 to"),
        ({"pretraining": 0, "rounds": 0}, "rounds=0: expected 1 or more, or some"),
        ({"minutes": 0}, "minutes=0: expected above 0, or null"),
    ],
)
def test_settings_that_make_no_sense_are_refused(tmp_path: Path, changes, message):
    with pytest.raises(ConfigError, match=message):
        settings_of(tmp_path, **changes)


def test_held_out_clips_are_never_trained_on(tmp_path: Path):
    with pytest.raises(ConfigError, match="clips=5 and validation=2: the training split has 6"):
        learn(RadNetwork(TINY), course(), settings=settings_of(tmp_path, clips=5), say=print)


def test_weights_say_what_network_they_are_of(tmp_path: Path):
    file = tmp_path / "weights.safetensors"
    network = RadNetwork(TINY)
    save_rad(network, file, notes={"round": "3"})
    assert open_rad(file).config == TINY
    with pytest.raises(ConfigError, match=r"has width=8 \(not 64\)"):
        RadRecipe().network(0, file)
    file.write_bytes(b"nothing")
    with pytest.raises(DataError, match="is no file of rad's weights"):
        open_rad(file)
    with torch.no_grad():
        next(network.parameters()).fill_(torch.nan)
    save_rad(network, file)
    with pytest.raises(DataError, match="not finite"):
        open_rad(file)


def test_a_recipe_begins_with_the_weights_of_its_seed():
    first, again, other = (RadRecipe().network(seed, None).plan_query for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    with pytest.raises(ConfigError, match=r"value=-1\.0: expected a number from 0 on"):
        RadRecipe(value=-1.0)
    with pytest.raises(ConfigError, match="no preset 'huge'"):
        RadRecipe(preset="huge")
