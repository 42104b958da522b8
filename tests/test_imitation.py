from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from drivelab.agents.ego_mlp.agent import EgoMlp  # noqa: E402
from drivelab.agents.features import FeatureOptions  # noqa: E402
from drivelab.agents.learned.checkpoint import load_network, open_network  # noqa: E402
from drivelab.agents.learned.trainee import Trainee  # noqa: E402
from drivelab.data.labmini import LabminiSource  # noqa: E402
from drivelab.errors import ConfigError, DataError, RunError  # noqa: E402
from drivelab.training.checkpoint import load_facts  # noqa: E402
from drivelab.training.feature_cache import FeatureCache, Recipe  # noqa: E402
from drivelab.training.imitation import ImitationSettings, Lesson, imitate  # noqa: E402
from drivelab.training.imitation.judge import Judge  # noqa: E402
from drivelab.training.imitation.learner import Learner, groups_of  # noqa: E402
from drivelab.training.imitation.lesson import batches, order_of  # noqa: E402
from drivelab.training.imitation.loop import BEST  # noqa: E402
from drivelab.training.imitation.scenes import spread  # noqa: E402
from drivelab.training.run_folder import read_progress  # noqa: E402
from drivelab.training.together import Share  # noqa: E402

SCENES = LabminiSource().scene_ids()


@pytest.fixture(scope="module")
def lesson(tmp_path_factory: pytest.TempPathFactory) -> Lesson:
    cache = FeatureCache(
        Recipe(LabminiSource(), FeatureOptions(camera=None, lidar=None)),
        tmp_path_factory.mktemp("features"),
    )
    found = Lesson(cache, SCENES[:24], cache, SCENES[24:28])
    cache.fill(found.train_ids + found.validation_ids, workers=0)
    return found


def trainee():
    torch.manual_seed(3)
    return EgoMlp.trainee()


def settings(folder: Path, **changes: object) -> ImitationSettings:
    whole = ImitationSettings(
        folder, epochs=3, batch=8, threads=1, learning_rate=1e-3, look_every=1
    )
    return replace(whole, **changes)


def weights(folder: Path) -> dict[str, np.ndarray]:
    from safetensors.numpy import load_file

    return load_file(folder / "checkpoint" / "model.safetensors")


def silent(line: str) -> None:
    pass


class OwnNetwork(torch.nn.Module):
    """Somebody's own: not one of those that ship, and without a configuration."""

    def __init__(self) -> None:
        super().__init__()
        self.plan = torch.nn.Linear(8, 24)

    def forward(self, features):
        return {"trajectory": self.plan(features["status_feature"]).unflatten(-1, (8, 3))}

    def loss(self, features, targets):
        apart = self.forward(features)["trajectory"] - targets["trajectory"]
        return {"loss": apart.abs().mean()}


class TestLoop:
    def test_learns_keeps_the_best_and_logs_every_look(self, lesson: Lesson, tmp_path: Path):
        progress = imitate(trainee(), lesson, settings(tmp_path, epochs=12), silent)
        rows = [json.loads(line) for line in (tmp_path / "progress.jsonl").read_text().splitlines()]
        assert [row["epoch"] for row in rows] == list(range(1, 13))
        assert [row["updates"] for row in rows] == list(range(3, 39, 3))
        assert rows[-1]["loss"] < 0.8 * rows[0]["loss"]
        best = max(row["validation"]["pdms"] for row in rows)
        assert progress.best == best
        agent = EgoMlp(checkpoint=str(tmp_path / BEST))
        assert agent.weights_sha256[:12] in agent.weights

    @pytest.mark.parametrize("broken_at", [2, 3, 5])
    def test_an_interrupted_run_ends_with_the_same_bits(
        self, lesson: Lesson, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken_at: int
    ):
        whole, torn = tmp_path / "whole", tmp_path / "torn"
        imitate(trainee(), lesson, settings(whole), silent)
        update = Learner.update

        def interrupted(self: Learner, parts: object) -> dict[str, float]:
            if self.updates == broken_at:
                raise KeyboardInterrupt
            return update(self, parts)

        kept = settings(torn, save_every=1e-9)  # a checkpoint after every update
        monkeypatch.setattr(Learner, "update", interrupted)
        with pytest.raises(KeyboardInterrupt):
            imitate(trainee(), lesson, kept, silent)
        assert load_facts(torn / "checkpoint")["updates"] == broken_at
        monkeypatch.setattr(Learner, "update", update)
        imitate(trainee(), lesson, kept, silent)
        expected, found = weights(whole), weights(torn)
        assert expected.keys() == found.keys()
        for name, value in expected.items():
            np.testing.assert_array_equal(found[name], value, err_msg=name)

    def test_a_network_of_ones_own_learns_and_is_kept(self, lesson: Lesson, tmp_path: Path):
        own = Trainee("mine", "own", OwnNetwork(), EgoMlp.trainee().sight, dict)
        imitate(own, lesson, settings(tmp_path), silent)
        first, *_, last = read_progress(tmp_path)
        assert last["loss"] < first["loss"]
        again = OwnNetwork()
        load_network(again, tmp_path / BEST)
        assert not torch.equal(again.plan.weight, OwnNetwork().plan.weight)
        with pytest.raises(DataError, match="no file of drivelab's weights"):
            open_network(tmp_path / BEST)

    def test_pauses_when_its_minutes_are_over_and_goes_on(self, lesson: Lesson, tmp_path: Path):
        whole, short = tmp_path / "whole", settings(tmp_path / "short", minutes=1e-9)
        imitate(trainee(), lesson, settings(whole), silent)
        found = [imitate(trainee(), lesson, short, silent) for _ in range(9)]  # one update each
        assert [(at.epoch, at.batch) for at in found[:4]] == [(0, 1), (0, 2), (0, 3), (1, 1)]
        assert imitate(trainee(), lesson, settings(short.folder), silent).epoch == 3
        assert [row["updates"] for row in read_progress(short.folder)] == [3, 6, 9]
        expected, found_weights = weights(whole), weights(short.folder)
        for name, value in expected.items():
            np.testing.assert_array_equal(found_weights[name], value, err_msg=name)

    def test_a_look_that_was_broken_off_is_made_again(
        self, lesson: Lesson, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        whole, torn = settings(tmp_path / "whole"), settings(tmp_path / "torn", save_every=1e-9)
        imitate(trainee(), lesson, whole, silent)
        look, times = Judge.try_out, []

        def broken(self: Judge, *given: object) -> object:
            times.append(1)
            if len(times) == 2:
                raise KeyboardInterrupt
            return look(self, *given)

        monkeypatch.setattr(Judge, "try_out", broken)
        with pytest.raises(KeyboardInterrupt):
            imitate(trainee(), lesson, torn, silent)
        with (torn.folder / "progress.jsonl").open("a") as stream:
            stream.write('{"epoch": 2, "upda')  # and the line was torn
        imitate(trainee(), lesson, torn, silent)
        rows, expected = read_progress(torn.folder), read_progress(whole.folder)
        assert [row["updates"] for row in rows] == [3, 6, 9]
        for row, other in zip(rows, expected, strict=True):
            assert row["validation"] == other["validation"]

    def test_other_scenes_are_another_run(self, lesson: Lesson, tmp_path: Path):
        imitate(trainee(), lesson, settings(tmp_path, minutes=1e-9), silent)
        fewer = replace(lesson, train_ids=lesson.train_ids[1:])
        with pytest.raises(RunError, match="begun with other scenes"):
            imitate(trainee(), fewer, settings(tmp_path), silent)

    def test_a_damaged_checkpoint_is_told(self, lesson: Lesson, tmp_path: Path):
        imitate(trainee(), lesson, settings(tmp_path, minutes=1e-9), silent)
        file = tmp_path / "checkpoint" / "model.safetensors"
        file.write_bytes(file.read_bytes()[:100])
        with pytest.raises(RunError, match=r"damaged or no checkpoint .* to begin anew"):
            imitate(trainee(), lesson, settings(tmp_path), silent)

    def test_ends_early_when_nothing_gets_better(self, lesson: Lesson, tmp_path: Path):
        still = settings(tmp_path, epochs=9, learning_rate=1e-12, ema=0.0, patience=2)
        assert imitate(trainee(), lesson, still, silent).epoch == 3  # one better, two not

    def test_updates_of_two_halves_equal_one_of_both(self, lesson: Lesson, tmp_path: Path):
        whole, halves = tmp_path / "whole", tmp_path / "halves"
        imitate(trainee(), lesson, settings(whole), silent)
        imitate(trainee(), lesson, settings(halves, batch=4, accumulate=2), silent)
        found = weights(halves)
        for name, value in weights(whole).items():
            np.testing.assert_allclose(found[name], value, rtol=0, atol=2e-5, err_msg=name)

    def test_a_loss_that_is_not_finite_stops_it_and_harms_nothing(self, lesson: Lesson):
        taught = trainee()
        learner = Learner(taught, settings(Path("nowhere")), total=10)
        before = {k: v.clone() for k, v in taught.network.state_dict().items()}
        features, targets = next(batches(lesson, seed=0, epoch=0, batch=8))
        targets["trajectory"][0, 0, 0] = torch.nan
        with pytest.raises(RunError, match=r"update 0: loss.* not finite"):
            learner.update([(features, targets)])
        for name, value in taught.network.state_dict().items():
            assert torch.equal(value, before[name])

    def test_norms_and_biases_do_not_decay(self):
        deep, flat = groups_of(trainee().network, 0.1)
        assert [p.ndim for p in flat["params"]] == [1] * 4
        assert [p.ndim for p in deep["params"]] == [2] * 4
        assert (deep["weight_decay"], flat["weight_decay"]) == (0.1, 0.0)


class TestBatches:
    def test_an_epoch_sees_every_scene_once_in_an_order_of_its_own(self):
        first, second = order_of(50, 7, 0), order_of(50, 7, 1)
        assert sorted(first) == sorted(second) == list(range(50))
        assert first.tolist() != second.tolist()
        assert first.tolist() == order_of(50, 7, 0).tolist()

    def test_workers_share_a_batch_without_overlap(self, lesson: Lesson):
        whole = next(batches(lesson, seed=1, epoch=0, batch=8))[1]["trajectory"]
        shares = [
            next(batches(lesson, seed=1, epoch=0, batch=8, share=Share(rank, 2)))[1]["trajectory"]
            for rank in range(2)
        ]
        assert torch.equal(torch.stack(shares, 1).flatten(0, 1), whole)

    def test_loading_processes_give_the_same_batches(self, lesson: Lesson):
        here = list(batches(lesson, seed=1, epoch=2, batch=8))
        there = list(batches(lesson, seed=1, epoch=2, batch=8, loaders=1))
        assert len(here) == len(there) == 3
        for (a, _), (b, _) in zip(here, there, strict=True):
            assert torch.equal(a["status_feature"], b["status_feature"])

    def test_a_batch_larger_than_the_lesson_is_told(self, lesson: Lesson):
        with pytest.raises(ConfigError, match="batch=32, all of an update: more than the 24"):
            lesson.updates(32)

    def test_a_validation_is_spread_over_the_logs(self):
        assert spread("abcdefghi", 3) == ("a", "e", "i")
        assert spread("ab", 3) == ("a", "b")


@dataclass
class Echo:
    """A network that plans what it is told."""

    plans: object

    def eval(self) -> None:
        pass

    def __call__(self, features: object) -> dict[str, object]:
        return {"trajectory": self.plans}


def test_the_recorded_drive_is_zero_metres_away_and_scores_as_the_bench_scores_it(lesson: Lesson):
    from drivelab.metrics.metric_names import find_metric

    human = [lesson.validation.load(scene)["trajectory"] for scene in lesson.validation_ids]
    judge = Judge(lesson, 0.5)
    trial = judge.try_out(Echo(torch.from_numpy(np.stack(human))), dict, "cpu")
    assert trial.distance == 0.0
    metric = find_metric("pdms_v1.1")
    scores = [
        metric.score(metric.prepare(LabminiSource().load(scene)), plan[None].astype(float), 0.5)[0]
        for scene, plan in zip(lesson.validation_ids, human, strict=True)
    ]
    assert trial.pdms == pytest.approx(np.mean([score.score for score in scores]), abs=1e-12)


def test_scenes_that_cannot_be_scored_are_left_out_of_a_look(
    lesson: Lesson, monkeypatch: pytest.MonkeyPatch
):
    load = LabminiSource.load

    def torn(self: LabminiSource, scene: str) -> object:
        if scene in broken:
            raise DataError("is torn", where=f"scene {scene}")
        return load(self, scene)

    monkeypatch.setattr(LabminiSource, "load", torn)
    broken = lesson.validation_ids[1:2]
    judge = Judge(lesson, 0.5)
    assert list(judge.failed) == list(broken)
    human = [lesson.validation.load(scene)["trajectory"] for scene in judge.ids]
    look = judge.try_out(Echo(torch.from_numpy(np.stack(human))), dict, "cpu")
    assert (look.scenes, look.distance) == (3, 0.0)
    broken = lesson.validation_ids
    with pytest.raises(DataError, match=r"no validation scene can be scored by pdms.*is torn"):
        Judge(lesson, 0.5)


def test_memory_is_kept_where_the_c_library_can():
    import platform

    from drivelab.training.imitation.allocation import keep_memory

    assert keep_memory() == (platform.libc_ver()[0] == "glibc")


def test_a_network_that_sees_goes_on_with_the_same_bits(tmp_path: Path):
    """Convolutions, batch norms, dropout and the noise of diffusion, from a checkpoint."""
    from drivelab.agents.diffusiondrive.agent import DiffusionDrive

    torch.manual_seed(0)
    part = (
        {
            "camera_feature": torch.rand(2, 3, 128, 512),
            "lidar_feature": torch.rand(2, 1, 256, 256),
            "status_feature": torch.rand(2, 8),
        },
        {
            "trajectory": torch.rand(2, 8, 3),
            "agent_states": torch.rand(2, 30, 5),
            "agent_labels": torch.rand(2, 30) > 0.5,
            "bev_semantic_map": torch.randint(0, 7, (2, 128, 256), dtype=torch.uint8),
        },
    )

    def learner() -> Learner:
        torch.manual_seed(1)
        taught = DiffusionDrive.trainee()
        taught.set_anchors(torch.rand(20, 8, 2))
        return Learner(taught, settings(tmp_path), total=10)

    whole, torn = learner(), learner()
    whole.update([part])
    whole.update([part])
    torn.update([part])
    torn.save(tmp_path / "c", {})
    again = learner()
    again.load(tmp_path / "c", load_facts(tmp_path / "c"))
    again.update([part])
    for mine, other in ((again.network, whole.network), (again.mean, whole.mean)):
        expected = other.state_dict()
        for name, value in mine.state_dict().items():
            assert torch.equal(value, expected[name]), name


def test_numbers_also_go_to_tensorboard(lesson: Lesson, tmp_path: Path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    imitate(trainee(), lesson, settings(tmp_path, epochs=4, curves="tensorboard"), silent)
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    names = events.Tags()["scalars"]
    assert {"train/loss", "train/rate", "validation/pdms"} <= set(names)
    assert [point.step for point in events.Scalars("validation/pdms")] == [3, 6, 9, 12]
    assert [point.step for point in events.Scalars("train/loss")] == [10]


def test_curves_whose_package_is_missing_name_the_extra(monkeypatch: pytest.MonkeyPatch):
    import builtins

    from drivelab.errors import MissingExtra
    from drivelab.training.imitation.curves import open_curves

    known = builtins.__import__

    def lacking(name: str, *rest: object, **more: object) -> object:
        if name.startswith(("wandb", "torch.utils.tensorboard")):
            raise ImportError(name)
        return known(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", lacking)
    with pytest.raises(MissingExtra, match=r"drivelab\[curves\]"):
        open_curves("tensorboard", Path("nowhere"))
