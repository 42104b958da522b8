"""Entries of a vocabulary as actions, under the learner that RAD has."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra nn")

from rad_clips import clip, thing  # noqa: E402
from safetensors import safe_open  # noqa: E402
from safetensors.numpy import load_file, save_file  # noqa: E402

from drivelab.agents.rad import RadConfig  # noqa: E402
from drivelab.agents.rad.policy import RadNetwork  # noqa: E402
from drivelab.agents.rad.weights import save_rad  # noqa: E402
from drivelab.agents.vadv2.likeliest import LikeliestVadV2  # noqa: E402
from drivelab.agents.vadv2.orders import bend_of, progress_of  # noqa: E402
from drivelab.agents.vadv2.vector_policy import (  # noqa: E402
    FURTHEST,
    VectorVadV2,
    VectorVadV2Config,
)
from drivelab.agents.vadv2.vector_weights import (  # noqa: E402
    open_vector_vadv2,
    save_vector_vadv2,
)
from drivelab.cli import main  # noqa: E402
from drivelab.errors import ConfigError, DataError  # noqa: E402
from drivelab.kernels.world.observe_ego import EGO_FLOATS  # noqa: E402
from drivelab.sim.envs.actions import TrajectoryActions  # noqa: E402
from drivelab.sim.envs.core import EnvCore, EnvOptions  # noqa: E402
from drivelab.sim.envs.vector_view import VectorView  # noqa: E402
from drivelab.training.reinforcement.events import EventKind  # noqa: E402
from drivelab.training.reinforcement.learner import Learner  # noqa: E402
from drivelab.training.reinforcement.settings import ReinforcementSettings  # noqa: E402
from drivelab.training.reinforcement.vocabulary_pupils import vocabulary_pupil  # noqa: E402
from drivelab.training.reinforcement.vocabulary_recipe import VocabularyRecipe  # noqa: E402
from drivelab.training.reinforcement.window import advantages_of, practise  # noqa: E402
from drivelab.training.rollouts.clips import NO_EVENT, DrivenClips  # noqa: E402
from drivelab.training.rollouts.demonstrations import demonstrate  # noqa: E402
from drivelab.training.rollouts.record_expert import (  # noqa: E402
    RecordExpert,
    expert_vocabulary,
    future,
    nearest_entry,
)
from drivelab.training.rollouts.worker import RolloutWorker, weights_of  # noqa: E402
from drivelab.training.run_folder import read_progress  # noqa: E402

pytestmark = pytest.mark.nn
SIZES = VectorVadV2Config(width=16, hidden=16, layers=1, heads=2, entries=4, poses=6, waves=4)


def straight(*speeds: float, poses: int = 6) -> np.ndarray:
    """Drives straight on, 0.5 s between two poses."""
    x = np.asarray(speeds)[:, None] * 0.5 * np.arange(1, poses + 1)
    return np.stack([x, 0 * x, 0 * x], -1)


ENTRIES = straight(0.0, 2.5, 5.0, 10.0)


def core(source, action) -> EnvCore:
    options = EnvOptions(episodes=source, action=action, reward="rad")
    return EnvCore(options, environments=1, view=VectorView())


def drives(*lengths: int, entry: int, event: int) -> DrivenClips:
    """Clips driven by one entry throughout, drawn with a fourth of the probability."""
    total, n = sum(lengths), len(lengths)
    return DrivenClips(
        features={"vector": np.zeros((total, EGO_FLOATS), np.float32)},
        bins=np.tile([0, entry], (total, 1)),
        log_probs=np.tile(np.log([1.0, 0.25]), (total, 1)).astype(np.float32),
        values=np.zeros((total, 2), np.float32),
        version=np.zeros(total, np.int64),
        path_offset=np.zeros(total, np.float32),
        heading_error=np.zeros(total, np.float32),
        seeds=np.arange(n),
        lengths=np.array(lengths),
        events=np.full(n, event),
        dynamic_side=np.zeros(n, np.float32),
        static_side=np.zeros(n, np.float32),
        last_values=np.zeros((n, 2), np.float32),
    )


class TestDrawing:
    def test_the_likeliest_entries_of_the_same_weights(self):
        torch.manual_seed(0)
        network = VectorVadV2(SIZES, torch.from_numpy(ENTRIES)).eval()
        some = LikeliestVadV2(SIZES, drawn=2).eval()
        some.load_state_dict(network.state_dict())
        seen = {"vector": torch.randn(5, EGO_FLOATS)}
        whole, found = network(seen), some(seen)
        order = whole["longitudinal"].argsort(1, descending=True)[:, :2]
        assert torch.equal(found["entries"], order)
        torch.testing.assert_close(found["longitudinal"], whole["longitudinal"].gather(1, order))
        torch.testing.assert_close(found["plans"], network.vocabulary[order])
        assert LikeliestVadV2(SIZES, drawn=9)(seen)["longitudinal"].shape == (5, 4)

    def test_their_plans_are_moved_by_the_shift(self):
        torch.manual_seed(0)
        some = LikeliestVadV2(replace(SIZES, shifted=True), drawn=2).eval()
        with torch.no_grad():
            some.vocabulary.copy_(torch.from_numpy(ENTRIES))
            some.shift[-1].weight.normal_()
        found = some({"vector": torch.randn(5, EGO_FLOATS)})
        moved = found["plans"] - some.vocabulary[found["entries"]]
        assert 0.1 < moved.abs().max() < 4.0
        torch.testing.assert_close(moved[:, 0], found["shift"])
        torch.testing.assert_close(moved[:, 1], found["shift"])

    def test_what_was_drawn_is_learnt_from_among_the_same_entries(self):
        torch.manual_seed(0)
        pupil = vocabulary_pupil(ENTRIES, ENTRIES, 0.5, drawn=3)
        network = VectorVadV2(SIZES, torch.from_numpy(ENTRIES)).eval()
        with torch.no_grad():
            network.score[-1].weight.mul_(10.0)  # no entry is as likely as another
        options = EnvOptions(
            episodes=lambda seed: clip(thing(90.0), steps=20), action=pupil.action, reward="rad"
        )
        worker = RolloutWorker(
            lambda: EnvCore(options, environments=2, view=VectorView()), pupil.make(SIZES),
            pupil.valid, steps=20,
        )  # fmt: skip
        worker.load(0, weights_of(network))
        clips = worker.collect([0, 1, 2], draws=5).clips
        assert set(clips.bins[:, 1].tolist()) == {0, 1, 2}
        assert clips.features["entries"].shape == (len(clips.bins), 3)
        driven = clips.features["entries"][np.arange(len(clips.bins)), clips.bins[:, 1]]
        assert len(set(driven.tolist())) > 1
        practice = practise(clips, joint=True)
        with torch.no_grad():
            outputs = network(practice.features)
        choice = practice.decisions.choice
        shares = outputs["longitudinal"].log_softmax(-1)
        again = shares[torch.arange(len(shares)), choice.longitudinal]
        torch.testing.assert_close(again, choice.longitudinal_log_prob)


class TestExpert:
    def test_the_nearest_entry_by_hand(self):
        # 3 m/s: 0.5 m/s from 2.5, summed over the steps nearer than 5
        assert nearest_entry(straight(3.0)[0, :, :2], ENTRIES) == 1
        assert nearest_entry(straight(3.75)[0, :, :2], ENTRIES) == 1  # the first of equals
        assert nearest_entry(straight(30.0)[0, :, :2], ENTRIES) == 3

    def test_beyond_its_record_the_expert_goes_on(self):
        record = np.column_stack([np.arange(11.0), np.zeros(11), np.full(11, 0.1)])
        found = future(record, 5, 3, 0.5)
        np.testing.assert_allclose(found, [[10, 0, 0.1], [15, 0, 0.1], [20, 0, 0.1]])

    def test_it_drives_the_record_and_names_the_nearest_entry(self):
        def make():
            return core(lambda seed: clip(steps=20), TrajectoryActions(6, 0.5))

        found = demonstrate(make, [0], steps=20, expert=RecordExpert(ENTRIES, 0.5))
        assert found.clips.events.tolist() == [NO_EVENT]
        assert set(found.clips.bins[:, 1].tolist()) == {2}  # 5 m/s
        assert not found.clips.bins[:, 0].any()

    def test_a_vocabulary_of_experts(self):
        def source(seed: int):
            return clip(steps=60, speed=3.0 + seed)

        made = expert_vocabulary(source, range(4), 5, poses=6, dt=0.5)
        assert made.shape == (5, 6, 3)
        np.testing.assert_allclose(sorted(made[:, 0, 0]), [0.0, 1.5, 2.0, 2.5, 3.0], atol=1e-9)
        with pytest.raises(
            ConfigError, match="50 entries wanted, but only 4 recorded trajectories"
        ):
            expert_vocabulary(source, range(4), 50, poses=6, dt=0.5)


class TestNetwork:
    def test_outputs_are_rads_with_one_lateral_bin(self):
        torch.manual_seed(0)
        network = VectorVadV2(SIZES, torch.from_numpy(ENTRIES))
        found = network({"vector": torch.randn(3, EGO_FLOATS)})
        assert found["longitudinal"].shape == (3, 4)
        assert found["lateral"].shape == (3, 1)
        assert not found["longitudinal_value"].any()  # no accident is expected yet
        (found["longitudinal"].logsumexp(-1).sum() + found["longitudinal_value"].sum()).backward()
        still = {n for n, p in network.named_parameters() if p.requires_grad and p.grad is None}
        assert still == set()
        assert network.vocabulary.grad is None

    def test_a_shift_begins_with_none_and_is_bounded(self):
        torch.manual_seed(0)
        network = VectorVadV2(replace(SIZES, shifted=True), torch.from_numpy(ENTRIES))
        seen = {"vector": torch.randn(3, EGO_FLOATS)}
        assert not network(seen)["shift"].any()
        with torch.no_grad():
            network.shift[-1].bias.fill_(1e6)
        torch.testing.assert_close(network(seen)["shift"], torch.tensor(FURTHEST).expand(3, 6, 3))
        assert "shift" not in VectorVadV2(SIZES, torch.from_numpy(ENTRIES))(seen)

    def test_a_file_of_before_shifts_has_none(self, tmp_path: Path):
        network = VectorVadV2(SIZES, torch.from_numpy(ENTRIES))
        save_vector_vadv2(network, tmp_path / "w.safetensors")
        with safe_open(tmp_path / "w.safetensors", framework="pt") as opened:
            told = opened.metadata()
        sizes = json.loads(told["config"])
        assert sizes.pop("shifted") is False
        tensors = load_file(tmp_path / "w.safetensors")
        save_file(tensors, tmp_path / "w.safetensors", {**told, "config": json.dumps(sizes)})
        assert open_vector_vadv2(tmp_path / "w.safetensors").config == SIZES
        told["config"] = json.dumps({**sizes, "shifted": "no"})
        save_file(tensors, tmp_path / "w.safetensors", told)
        with pytest.raises(DataError, match=r"cannot be used (?s:.)*shifted"):
            open_vector_vadv2(tmp_path / "w.safetensors")

    def test_orders_of_entries_by_hand(self):
        entries = torch.zeros(4, 2, 3)
        entries[1] = torch.tensor([[1.0, 0.0, 0.0], [3.0, 0.0, 0.0]])
        entries[2] = torch.tensor([[2.0, 0.0, 0.0], [3.0, 4.0, 0.0]])
        entries[3] = torch.tensor([[0.0, 0.0, 0.0], [0.0, -0.1, 0.0]])
        torch.testing.assert_close(progress_of(entries), torch.tensor([0.0, 2.0, 2.5, 0.0]))
        torch.testing.assert_close(bend_of(entries), torch.tensor([0.0, 0.0, 8.0 / 25.0, -0.2]))
        mirrored = entries * torch.tensor([1.0, -1.0, -1.0])
        torch.testing.assert_close(bend_of(mirrored), -bend_of(entries))
        # points of one circle of radius 20 m
        angles = torch.tensor([0.1, 0.5, 1.0])
        ends = torch.stack([20 * angles.sin(), 20 - 20 * angles.cos(), angles], -1)[:, None]
        torch.testing.assert_close(bend_of(ends), torch.full((3,), 1 / 20))

    def test_entries_in_another_order_are_scored_the_same(self):
        torch.manual_seed(0)
        network = VectorVadV2(SIZES, torch.from_numpy(ENTRIES)).eval()
        seen, order = {"vector": torch.randn(2, EGO_FLOATS)}, torch.tensor([2, 0, 3, 1])
        before = network(seen)["longitudinal"]
        with torch.no_grad():
            network.vocabulary.copy_(network.vocabulary[order])
        torch.testing.assert_close(network(seen)["longitudinal"], before[:, order])

    def test_some_entries_of_each_row_are_scored_as_among_all(self):
        torch.manual_seed(0)
        network = VectorVadV2(SIZES, torch.from_numpy(ENTRIES)).eval()
        seen, asked = {"vector": torch.randn(2, EGO_FLOATS)}, torch.tensor([[2, 0], [3, 1]])
        whole, some = network(seen), network({**seen, "entries": asked})
        torch.testing.assert_close(some["longitudinal"], whole["longitudinal"].gather(1, asked))
        torch.testing.assert_close(some["longitudinal_value"], whole["longitudinal_value"])
        for order in ("progress", "bend"):
            torch.testing.assert_close(some[order], whole[order].gather(1, asked))
        assert whole["progress"].argsort(-1).tolist() == [[0, 1, 2, 3]] * 2

    def test_a_file_gives_it_back_and_others_are_refused(self, tmp_path: Path):
        network = VectorVadV2(SIZES, torch.from_numpy(ENTRIES))
        save_vector_vadv2(network, tmp_path / "w.safetensors", notes={"round": "3"})
        found = open_vector_vadv2(tmp_path / "w.safetensors")
        assert found.config == SIZES
        for name, values in network.state_dict().items():
            torch.testing.assert_close(found.state_dict()[name], values)
        rad = RadNetwork(RadConfig.preset("mini", width=16, hidden=16, heads=2))
        save_rad(rad, tmp_path / "rad.safetensors")
        with pytest.raises(DataError, match="holds a rad, not a vadv2_vector"):
            open_vector_vadv2(tmp_path / "rad.safetensors")
        with pytest.raises(DataError, match="no such file of weights"):
            open_vector_vadv2(tmp_path / "nothing.safetensors")
        with pytest.raises(ConfigError, match=r"shape \(3, 6, 3\), expected \(4, 6, 3\)"):
            VectorVadV2(SIZES, torch.from_numpy(ENTRIES[:3]))


class TestLearning:
    def test_one_axis_answers_for_all_events(self):
        clips = drives(2, entry=3, event=EventKind.STATIC)
        found = advantages_of(clips, 0, joint=True)
        np.testing.assert_allclose(found.longitudinal, [-0.855, -1.0])
        assert not found.lateral.any()
        apart = advantages_of(clips, 0)
        assert not apart.longitudinal.any()
        np.testing.assert_array_equal(found.events[:, EventKind.STATIC], found.longitudinal)
        assert not np.delete(found.events, EventKind.STATIC, axis=1).any()
        ignored = advantages_of(clips, 0, joint=True, rewards=(1.0, 0.0, 1.0, 1.0))
        assert not ignored.events.any()

    def test_what_ended_in_events_becomes_rarer(self, tmp_path: Path):
        torch.manual_seed(0)
        network = VectorVadV2(SIZES, torch.from_numpy(ENTRIES))
        with torch.no_grad():  # all entries as likely as another, as the clips say
            network.score[-1].weight.mul_(1e-3)
        settings = ReinforcementSettings(
            tmp_path, pretraining=0, mode="rl", harvest=8, window=8, batch=40, passes=60,
            rate=1e-2, kl_limit=10.0,
        )  # fmt: skip
        learner = Learner(
            network, torch.ones(4, 1, dtype=torch.bool), settings=settings,
            objective=VocabularyRecipe().objective(),
        )  # fmt: skip
        learner.window.add(drives(*[5] * 4, entry=3, event=EventKind.POSITION))
        learner.window.add(drives(*[5] * 4, entry=1, event=NO_EVENT))
        seen = {"vector": torch.zeros(1, EGO_FLOATS)}
        before = network(seen)["longitudinal"].softmax(-1)[0, 3].item()
        told = learner.reinforce()
        after = network(seen)
        # as far as PPO lets one round go: a fifth of the ratio
        assert after["longitudinal"].softmax(-1)[0, 3].item() < 0.85 * before
        assert after["longitudinal_value"].item() < -0.05  # half of the clips end badly
        assert told["lateral_ppo_loss"] == told["lateral_kl"] == 0.0


SHORT = [
    "train", "recipe=vadv2", "clips=4", "validation=2", "trials=2", "environments=2", "updates=2",
    "later_updates=2", "imitation_batch=32", "pretraining=1", "rounds=2", "cycle=2", "harvest=2",
    "window=2", "batch=64", "passes=1", "quiet=true", "recipe.entries=12", "recipe.driven=12",
    "recipe.drawn=5", "recipe.sampled=4", "recipe.width=16", "recipe.hidden=16", "recipe.heads=2",
    "recipe.layers=1", "save_every=1", "recipe.shifted=true", "recipe.dynamic_aux=1",
]  # fmt: skip


def test_from_the_command_line_to_the_report(tmp_path: Path, capsys):
    folder = tmp_path / "first"
    assert main([*SHORT, f"run.dir={folder}"]) == 0
    summary = json.loads((folder / "summary.json").read_text())
    assert (summary["recipe"], set(summary["results"])) == ("vadv2", {"imitation", "trained"})
    kinds = [row["kind"] for row in read_progress(folder)]
    assert kinds == ["imitation", "reinforcement", "imitation"]
    (window,) = (folder / "checkpoint").glob("window-*.safetensors")
    assert load_file(window)["features.entries"].shape[1] == 5
    entries = np.load(folder / "vocabulary.npy")
    assert entries.shape == (12, 6, 3)
    kept = open_vector_vadv2(folder / "best.safetensors").vocabulary
    np.testing.assert_allclose(kept.numpy(), entries, atol=1e-6)
    last = load_file(folder / "checkpoint" / "model.safetensors")
    for _ in range(3):  # paused after every round
        assert main([*SHORT, f"run.dir={tmp_path / 'again'}", "minutes=1e-9"]) == 0
    again = load_file(tmp_path / "again" / "checkpoint" / "model.safetensors")
    for name, values in last.items():
        np.testing.assert_array_equal(again[name], values)
    assert main([*SHORT, f"run.dir={folder}", "recipe.poses=4"]) == 2
    assert "holds a run with other settings (recipe.poses was 6" in capsys.readouterr().err
    start = f"start={folder / 'best.safetensors'}"
    words = [*SHORT, start, "mode=il", "clips=1", "recipe.driven=3", f"run.dir={tmp_path / 'on'}"]
    assert main(words) == 0  # by the file's vocabulary: one clip makes none of so many entries
    np.testing.assert_allclose(np.load(tmp_path / "on" / "vocabulary.npy"), entries, atol=1e-6)
    assert main([*SHORT, start, "recipe.entries=13", f"run.dir={tmp_path / 'other'}"]) == 2
    assert "its network has " in capsys.readouterr().err
    assert main([*SHORT, "recipe.entries=2", f"run.dir={tmp_path / 'one'}", "recipe.dt=0"]) == 2
    assert "dt=0: expected a multiple of 0.1 seconds above 0" in capsys.readouterr().err
    (folder / "summary.json").unlink()
    (folder / "vocabulary.npy").write_text("no numbers")
    assert main([*SHORT, f"run.dir={folder}"]) == 2
    told = capsys.readouterr().err
    assert "vocabulary.npy: no npy of numbers that can be read; remove the file" in told
    assert "pickle" not in told
    np.save(folder / "vocabulary.npy", entries[:4])
    assert main([*SHORT, f"run.dir={folder}"]) == 2
    told = capsys.readouterr().err
    assert "vocabulary.npy: shape (4, 6, 3), expected (12, 6, 3); remove the file" in told


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("recipe.sampled=1", "recipe.sampled=1: expected a whole number from 2 on"),
        ("recipe.entries=1", "recipe.entries=1: expected a whole number from 2 on"),
        ("recipe.clip=-1", "recipe.clip=-1: expected a number from 0 on"),
        ("recipe.static_aux=-1", "recipe.static_aux=-1: expected a number from 0 on"),
        ("recipe.drawn=1", "recipe.drawn=1: expected a whole number from 2 on"),
        ("recipe.driven=0", "recipe.driven=0: expected a whole number from 1 on"),
    ],
)
def test_a_choice_of_one_is_refused(word: str, message: str, tmp_path: Path, capsys):
    assert main([*SHORT, word, f"run.dir={tmp_path / 'run'}"]) == 2
    assert message in capsys.readouterr().err
