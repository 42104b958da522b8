"""VADv2 as an agent and as a trainee: weights, plans, and the vocabulary of a run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra nn")

from drivelab.agents.features import MINI, FeatureOptions  # noqa: E402
from drivelab.agents.learned.checkpoint import (  # noqa: E402
    kind_of,
    open_network,
    save_network,
)
from drivelab.agents.learned.sight import Sight  # noqa: E402
from drivelab.agents.learned.trainee import Trainee  # noqa: E402
from drivelab.agents.transfuser.config import TransfuserConfig  # noqa: E402
from drivelab.agents.transfuser.policy import TransfuserNetwork  # noqa: E402
from drivelab.agents.vadv2.agent import FAMILY, VadV2  # noqa: E402
from drivelab.agents.vadv2.choice import REACH  # noqa: E402
from drivelab.agents.vadv2.config import VadV2Config  # noqa: E402
from drivelab.agents.vadv2.policy import VadV2Network  # noqa: E402
from drivelab.agents.vadv2.vocabulary import (  # noqa: E402
    load_vocabulary,
    make_vocabulary,
    save_vocabulary,
    spacing,
)
from drivelab.data.labmini import LabminiSource  # noqa: E402
from drivelab.data.observation import build_observation  # noqa: E402
from drivelab.errors import ConfigError, DataError  # noqa: E402
from drivelab.sim.sensors.near import with_rendered_sensors  # noqa: E402
from drivelab.sim.sensors.rendering import Rendering  # noqa: E402
from drivelab.training.feature_cache import FeatureCache, Recipe  # noqa: E402
from drivelab.training.imitation import ImitationSettings, Lesson, imitate  # noqa: E402
from drivelab.training.imitation.learner import Learner  # noqa: E402
from drivelab.training.imitation.loop import BEST  # noqa: E402
from drivelab.training.imitation.start import take_weights  # noqa: E402
from drivelab.training.imitation.vocabulary import recorded_drives, write_vocabulary  # noqa: E402
from drivelab.types import SensorRig  # noqa: E402

SCENES = LabminiSource().scene_ids()
SMALL = {
    "camera": (32, 64), "lidar": (64, 64), "image_depths": (1, 1, 1, 1), "bev_channels": 8,
    "image_widths": (8, 8, 8, 8), "lidar_widths": (8, 8, 8, 8), "width": 16, "hidden": 16,
    "heads": 2, "entries": 9, "waves": 4,
}  # fmt: skip


def entries(count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(count)
    steps = torch.rand(count, 8, 3, generator=generator) * torch.tensor([5.0, 0.4, 0.02])
    return steps.cumsum(1)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Small networks with random weights, as training leaves them."""
    folder, found = tmp_path_factory.mktemp("weights"), {}
    for planning in ("probabilistic", "deterministic"):
        torch.manual_seed(5)
        network = VadV2.trainee(planning=planning).network
        if planning == "probabilistic":
            network._planning_head.set_vocabulary(entries(256))
        found[planning] = folder / f"{planning}.safetensors"
        save_network(network, found[planning])
    return found


@pytest.fixture(scope="module")
def observations():
    rig = SensorRig(cameras=MINI.camera.names, lidar=True, history=1)
    scenes = (LabminiSource().load(name) for name in SCENES[:20:10])
    seen = [with_rendered_sensors(scene, Rendering("labmini_mini")) for scene in scenes]
    return [build_observation(scene, rig) for scene in seen]


@pytest.fixture(scope="module")
def lesson(tmp_path_factory: pytest.TempPathFactory) -> Lesson:
    """Scenes without sensors: of targets and the ego's status alone."""
    cache = FeatureCache(
        Recipe(LabminiSource(), FeatureOptions(camera=None, lidar=None)),
        tmp_path_factory.mktemp("features"),
    )
    found = Lesson(cache, SCENES[:16], cache, SCENES[24:25])
    cache.fill(found.train_ids + found.validation_ids, workers=0)
    return found


class TestDriving:
    @pytest.mark.parametrize("choice", ["argmax", "mean"])
    def test_plans_tell_the_most_probable_entries(self, files, observations, choice):
        plans = VadV2(checkpoint=str(files["probabilistic"]), choice=choice).act(observations)
        for plan in plans:
            assert plan.modes.shape == (20, 8, 3)
            assert plan.probabilities.sum() == pytest.approx(1.0)
            assert (np.diff(plan.probabilities) <= 0).all()
            assert (entries(256).numpy() == plan.modes[0].astype(np.float32)).all((1, 2)).any()
            if choice == "argmax":
                np.testing.assert_array_equal(plan.poses, plan.modes[0])
            between = np.hypot(*(plan.poses - plan.modes[0])[:, :2].T).mean()
            assert between < REACH
            assert bool(between > 0.0) is (choice == "mean")

    def test_the_small_one_drives_between_entries_and_the_paper_s_by_the_likeliest(
        self, files, observations
    ):
        told = [
            VadV2(checkpoint=str(files["probabilistic"]), choice=choice).act(observations)[0].poses
            for choice in (None, "mean")
        ]
        np.testing.assert_array_equal(*told)
        assert VadV2Config.preset("mini").choice == "mean"
        assert VadV2Config.preset("full").choice == "argmax"

    def test_a_sampled_entry_depends_on_the_seed(self, files, observations):
        def poses(seed: int | None) -> np.ndarray:
            agent = VadV2(checkpoint=str(files["probabilistic"]), choice="sample", sample_seed=seed)
            both, (alone,) = agent.act(observations), agent.act(observations[1:])
            if seed is not None:
                np.testing.assert_array_equal(both[1].poses, alone.poses)
            return both[0].poses

        np.testing.assert_array_equal(poses(1), poses(1))
        found = {poses(seed).tobytes() for seed in range(4)}
        assert len(found) > 1
        assert np.isfinite(poses(None)).all()

    def test_the_twin_plans_one_trajectory(self, files, observations):
        (plan, _) = VadV2(checkpoint=str(files["deterministic"])).act(observations)
        assert plan.modes is None
        assert plan.poses.shape == (8, 3)

    def test_what_is_refused(self, files, tmp_path):
        with pytest.raises(ConfigError, match=r"agent\.preset=vectors: .*did you mean 'vector'"):
            VadV2(preset="vectors")
        weights = str(files["probabilistic"])
        with pytest.raises(ConfigError, match="the weights hold the vocabulary"):
            VadV2(checkpoint=weights, vocabulary="some.npy")
        with pytest.raises(DataError, match="do not fit VadV2Network"):
            VadV2(checkpoint=weights, entries=64)
        with pytest.raises(DataError, match="do not fit VadV2Network"):
            VadV2(checkpoint=weights, planning="deterministic")
        streaming = tmp_path / "streaming.safetensors"
        save_network(VadV2Network(VadV2Config.preset("mini", frames=2, **SMALL)), streaming)
        with pytest.raises(ConfigError, match="frames=2: agent and trainer see single frames"):
            VadV2(checkpoint=str(streaming))


class TestWeights:
    @pytest.mark.parametrize("planning", ["probabilistic", "deterministic"])
    def test_a_file_gives_the_network_back(self, files, planning):
        network = open_network(files[planning])
        assert network.config == VadV2Config.preset("mini", planning=planning)
        assert kind_of(network.state_dict()) == "vadv2"
        again = VadV2.trainee(checkpoint=str(files[planning])).network
        for name, value in network.state_dict().items():
            assert torch.equal(again.state_dict()[name], value), name

    @pytest.mark.parametrize("planning", ["probabilistic", "deterministic"])
    def test_how_it_drives_is_no_size(self, planning, tmp_path):
        config = VadV2Config.preset("mini", planning=planning, choice="argmax")
        file = tmp_path / "before.safetensors"
        save_network(VadV2Network(config), file)
        trainee = VadV2.trainee(preset="mini", checkpoint=str(file))
        assert (trainee.preset, trainee.network.config.choice) == ("mini", "argmax")
        told = VadV2.trainee(preset="mini", checkpoint=str(file), choice="mean")
        assert (told.preset, told.network.config.choice) == ("mini", "mean")

    def test_other_networks_are_told_apart(self, files, tmp_path):
        eyes = tmp_path / "eyes.safetensors"
        save_network(TransfuserNetwork(TransfuserConfig.preset("mini")), eyes)
        with pytest.raises(DataError, match="holds a transfuser, not a vadv2"):
            VadV2(checkpoint=str(eyes))

    def test_the_small_one_begins_with_transfusers_eyes(self, tmp_path):
        eyes = TransfuserNetwork(TransfuserConfig.preset("mini"))
        save_network(eyes, tmp_path / "eyes.safetensors")
        network = VadV2.trainee().network
        told = take_weights(network, tmp_path / "eyes.safetensors")
        taken = int(told.split()[1])
        assert taken == len([n for n in eyes.state_dict() if "_trajectory_head" not in n])
        assert torch.equal(network._query_embedding.weight, eyes._query_embedding.weight)


class TestTrainee:
    def test_presets_and_where_they_begin(self):
        mini = VadV2.trainee()
        assert (mini.name, mini.preset, mini.start) == ("vadv2", "mini", "transfuser")
        assert mini.learn_vocabulary is not None
        assert mini.set_anchors is None
        for options in ({"planning": "deterministic"}, {"entries": 64}):
            assert VadV2.trainee(**options).start == "transfuser"
        assert VadV2.trainee(planning="deterministic").learn_vocabulary is None
        assert VadV2.trainee(image_encoder="vig_h").start is None

    def test_weights_of_a_file_keep_their_vocabulary(self, files):
        trainee = VadV2.trainee(checkpoint=str(files["probabilistic"]))
        assert trainee.learn_vocabulary is None
        assert trainee.start is None
        assert torch.equal(trainee.network._planning_head.vocabulary, entries(256))

    def test_a_vocabulary_of_a_file(self, files, tmp_path):
        file = tmp_path / "vocabulary.npy"
        save_vocabulary(entries(64).double().numpy(), file)
        trainee = VadV2.trainee(entries=64, vocabulary=str(file))
        assert trainee.learn_vocabulary is None
        assert torch.equal(trainee.network._planning_head.vocabulary, entries(64))
        with pytest.raises(ConfigError, match=r"expected \(256, 8, 3\).*agent\.entries=64"):
            VadV2.trainee(vocabulary=str(file))
        for options in (
            {"planning": "deterministic"},
            {"checkpoint": str(files["probabilistic"])},
        ):
            with pytest.raises(ConfigError, match="leave it out"):
                VadV2.trainee(vocabulary=str(file), **options)


class StatusOnly(VadV2Network):
    """The whole network, its pictures made of the ego's status: scenes here have no sensors."""

    def see(self, features):
        status = features["status_feature"]
        pictures = {
            "camera_feature": status.mean(-1)[:, None, None, None].expand(-1, 3, 32, 64),
            "lidar_feature": status.new_zeros(len(status), 1, 64, 64),
        }
        return super().see({**pictures, "status_feature": status})


def small_trainee(**changes: object) -> Trainee:
    torch.manual_seed(3)
    config = FAMILY.preset("mini", {**SMALL, **changes})
    network = StatusOnly(config)
    learn = getattr(network._planning_head, "learn_vocabulary", None)
    sight = Sight(FeatureOptions(camera=None, lidar=None), None)
    return Trainee("vadv2", "own", network, sight, dict, learn_vocabulary=learn)


@pytest.fixture
def small_raster(monkeypatch: pytest.MonkeyPatch) -> None:
    """The small network's raster has a sixteenth of the cells of the targets."""
    loss = VadV2Network.loss

    def fitted(self, features, targets, **options):
        raster = targets["bev_semantic_map"][:, ::4, ::4]
        return loss(self, features, {**targets, "bev_semantic_map": raster}, **options)

    monkeypatch.setattr(VadV2Network, "loss", fitted)


@pytest.mark.usefixtures("small_raster")
class TestLearning:
    def settings(self, folder: Path, **changes: object) -> ImitationSettings:
        whole = ImitationSettings(folder, epochs=1, batch=4, threads=1, learning_rate=1e-3)
        return replace(whole, **changes)

    def test_the_vocabulary_is_made_of_the_training_scenes(self, lesson, tmp_path):
        trainee = small_trainee()
        imitate(trainee, lesson, self.settings(tmp_path), _silent)
        expected = make_vocabulary(recorded_drives(lesson.train, lesson.train_ids), 9)
        kept = open_network(tmp_path / BEST)._planning_head.vocabulary
        torch.testing.assert_close(kept, torch.from_numpy(expected).float(), rtol=0, atol=1e-6)

    def test_the_twin_learns_without_one(self, lesson, tmp_path):
        imitate(small_trainee(planning="deterministic"), lesson, self.settings(tmp_path), _silent)
        assert open_network(tmp_path / BEST).config.planning == "deterministic"

    def test_an_interrupted_run_ends_with_the_same_bits(self, lesson, tmp_path, monkeypatch):
        whole, torn = tmp_path / "whole", tmp_path / "torn"
        imitate(small_trainee(sampled=4), lesson, self.settings(whole), _silent)
        update = Learner.update

        def interrupted(self, parts):
            if self.updates == 2:
                raise KeyboardInterrupt
            return update(self, parts)

        kept = self.settings(torn, save_every=1e-9)  # a checkpoint after every update
        monkeypatch.setattr(Learner, "update", interrupted)
        with pytest.raises(KeyboardInterrupt):
            imitate(small_trainee(sampled=4), lesson, kept, _silent)
        monkeypatch.setattr(Learner, "update", update)
        again = small_trainee(sampled=4)
        refused = replace(again, learn_vocabulary=_never)  # the checkpoint holds the vocabulary
        imitate(refused, lesson, kept, _silent)
        expected, found = (open_network(folder / BEST).state_dict() for folder in (whole, torn))
        for name, value in expected.items():
            assert torch.equal(found[name], value), name

    def test_too_few_scenes_for_the_entries(self, lesson, tmp_path):
        few = replace(lesson, train_ids=lesson.train_ids[:8])
        with pytest.raises(ConfigError, match="fewer entries"):
            imitate(small_trainee(entries=64), few, self.settings(tmp_path), _silent)


def test_a_vocabulary_of_scenes_is_written_and_told(lesson, tmp_path):
    out = tmp_path / "vocabulary.npy"
    told = write_vocabulary(lesson.train, lesson.train_ids, 6, out)
    apart = spacing(load_vocabulary(out))
    assert told.startswith(f"6 entries, {apart:.2f} m from one to the next (median); 16 drives: ")
    assert load_vocabulary(out).shape == (6, 8, 3)
    with pytest.raises(ConfigError, match=r"ends in \.npy"):
        write_vocabulary(lesson.train, lesson.train_ids, 6, tmp_path / "vocabulary.txt")
    with pytest.raises(ConfigError, match="entries=1: expected"):
        write_vocabulary(lesson.train, lesson.train_ids, 1, out)


def test_the_command_names_a_typo(capsys):
    from drivelab.cli import main

    assert main(["train", "agent=vadv2", "agent.plannings=x"]) == 2
    assert "planning" in capsys.readouterr().err


def _never(recorded: object) -> None:
    raise AssertionError("a resumed run keeps its vocabulary")


def _silent(line: str) -> None:
    pass
