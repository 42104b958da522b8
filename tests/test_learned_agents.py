from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from drivelab.agents.diffusiondrive.agent import DiffusionDrive  # noqa: E402
from drivelab.agents.ego_mlp.agent import EgoMlp  # noqa: E402
from drivelab.agents.features import FULL, MINI, features_of  # noqa: E402
from drivelab.agents.learned.checkpoint import save_network  # noqa: E402
from drivelab.agents.learned.driver import Driver, check_device, plan_of  # noqa: E402
from drivelab.agents.learned.sight import blind, sight_of  # noqa: E402
from drivelab.agents.transfuser.agent import Transfuser  # noqa: E402
from drivelab.agents.transfuser.config import TransfuserConfig  # noqa: E402
from drivelab.data.labmini import LabminiSource  # noqa: E402
from drivelab.data.observation import build_observation  # noqa: E402
from drivelab.errors import ConfigError, DataError  # noqa: E402
from drivelab.evaluation.agent_check import check_wishes  # noqa: E402
from drivelab.evaluation.benches.rendered import RenderedSource  # noqa: E402
from drivelab.sim.sensors.near import with_rendered_sensors  # noqa: E402
from drivelab.sim.sensors.rendering import Rendering  # noqa: E402
from drivelab.types import SensorRig  # noqa: E402

KINDS = {"diffusiondrive": DiffusionDrive, "transfuser": Transfuser, "ego_mlp": EgoMlp}
SIGHT = sight_of(TransfuserConfig.preset("mini"))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Small networks with random weights, as training leaves them."""
    folder, found = tmp_path_factory.mktemp("weights"), {}
    for name, kind in KINDS.items():
        torch.manual_seed(5)
        trainee = kind.trainee()
        if trainee.set_anchors is not None:
            trainee.set_anchors(torch.rand(20, 8, 2).cumsum(1))
        found[name] = folder / f"{name}.safetensors"
        save_network(trainee.network, found[name])
    return found


@pytest.fixture(scope="module")
def observations():
    rig = SensorRig(cameras=MINI.camera.names, lidar=True, history=1)
    ids = LabminiSource().scene_ids()[:20:10]
    seen = (with_rendered_sensors(LabminiSource().load(i), Rendering("labmini_mini")) for i in ids)
    return [build_observation(scene, rig) for scene in seen]


def agent(name: str, files: dict[str, Path], **options: object):
    return KINDS[name](checkpoint=str(files[name]), **options)


@pytest.mark.parametrize("name", KINDS)
def test_plans_are_those_of_the_network_on_the_features(name, files, observations):
    found = agent(name, files).act(observations)
    taught = KINDS[name].trainee(checkpoint=str(files[name]))
    rows = [features_of(o, taught.sight.features) for o in observations]
    batch = {key: torch.from_numpy(np.stack([row[key] for row in rows])) for key in rows[0]}
    with torch.inference_mode():
        expected = taught.network.eval()(taught.inputs(batch))["trajectory"].numpy()
    assert len(found) == 2
    for plan, poses in zip(found, expected, strict=True):
        assert (plan.poses.shape, plan.poses.dtype, plan.dt) == ((8, 3), np.float64, 0.5)
        np.testing.assert_allclose(plan.poses, poses, rtol=0, atol=2e-4)


def test_a_batch_plans_as_one_by_one(files, observations):
    driver = agent("diffusiondrive", files)
    together = driver.act(observations)
    for plan, observation in zip(together, observations, strict=True):
        (alone,) = driver.act([observation])
        np.testing.assert_allclose(plan.poses, alone.poses, rtol=0, atol=1e-4)
    assert driver.act([]) == []


def test_diffusiondrive_tells_all_modes_and_how_likely_they_are(files, observations):
    plan = agent("diffusiondrive", files).act(observations)[0]
    assert plan.modes.shape == (20, 8, 3)
    assert plan.probabilities.sum() == pytest.approx(1.0)
    best = int(plan.probabilities.argmax())
    np.testing.assert_array_equal(plan.modes[best], plan.poses)
    assert ((plan.notes["mode_scores"] > 0) & (plan.notes["mode_scores"] < 1)).all()


def test_the_noise_has_a_seed_and_none_means_other_noise(files, observations):
    def plans(**options: object) -> np.ndarray:
        driver = agent("diffusiondrive", files, **{"noise_share": 1.0, **options})
        return np.stack([driver.act(observations[:1])[0].modes for _ in range(2)])

    first, second = plans()
    np.testing.assert_array_equal(first, second)
    other = plans(noise_seed=7)[0]
    assert np.abs(other - first).max() > 1e-3
    fresh = plans(noise_seed=None)
    assert np.abs(fresh[0] - fresh[1]).max() > 1e-3
    still = plans(noise_seed=None, noise_share=0.0)
    np.testing.assert_array_equal(still[0], still[1])
    np.testing.assert_array_equal(still[0], plans(noise_seed=7, noise_share=0.0)[0])


def test_a_training_tries_out_with_the_steps_and_noise_it_is_told():
    config = DiffusionDrive.trainee(denoise_steps=4, noise_seed=None).network.config
    assert (config.denoise_steps, config.noise_seed) == (4, None)


@pytest.mark.parametrize(("name", "near"), [("transfuser", 0.1), ("diffusiondrive", 0.3)])
def test_products_in_bf16_stay_near(name, near, files, observations):
    exact = agent(name, files).act(observations)[0]
    rough = agent(name, files, precision="bf16").act(observations)[0]
    off = rough.poses - exact.poses if exact.modes is None else rough.modes - exact.modes
    assert 0 < np.abs(off).max() < near


@pytest.mark.parametrize("name", KINDS)
def test_plans_keep_their_digits_within_autocast(name, files, observations):
    """A quarter of a metre is what bfloat16 tells apart far from the ego."""
    taught = KINDS[name].trainee(checkpoint=str(files[name]))
    row = features_of(observations[0], taught.sight.features)
    batch = {key: torch.from_numpy(value[None]) for key, value in row.items()}
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        found = taught.network.eval()(taught.inputs(batch))
    assert found["trajectory"].dtype == torch.float32
    assert found.get("agent_states", found["trajectory"]).dtype == torch.float32


def test_an_agent_names_its_weights(files):
    found = agent("transfuser", files)
    digest = hashlib.sha256(files["transfuser"].read_bytes()).hexdigest()
    assert found.weights_sha256 == digest
    assert str(files["transfuser"]) in found.weights
    assert (found.rig, found.rendered_rig) == (
        SensorRig(("CAM_L0", "CAM_F0", "CAM_R0"), lidar=True, history=1, pixels=(480, 270)),
        "labmini_mini",
    )  # fmt: skip
    assert agent("ego_mlp", files).rig == SensorRig(history=1)


@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        ("diffusiondrive", {"preset": "full"}, "not of preset=full: .*image_widths.* differ"),
        ("diffusiondrive", {"denoise_steps": 0}, "denoise_steps=0"),
        ("diffusiondrive", {"noise_seed": -1}, "noise_seed=-1: expected 0 to 4294967295"),
        ("diffusiondrive", {"diffusion": "vanila"}, "truncated, vanilla; did you mean 'vanilla'"),
        ("diffusiondrive", {"diffusion": "vanilla"}, "was taught with diffusion=truncated"),
        ("diffusiondrive", {"image_encoder": "vig_h"}, "was taught with image_encoder=resnet"),
        ("transfuser", {"latent": True}, "was taught with latent=False"),
        ("transfuser", {"preset": "minni"}, "no preset 'minni'; did you mean 'mini'"),
        ("transfuser", {"precision": "fp16"}, "precision=fp16: expected one of fp32, bf16"),
        ("ego_mlp", {"device": "tpu"}, "device=tpu: expected cpu, cuda"),
    ],
)
def test_options_that_cannot_be_are_told(name, options, told, files):
    with pytest.raises(ConfigError, match=told):
        agent(name, files, **options)


def test_weights_of_another_agent_or_none_are_told(files, tmp_path: Path):
    with pytest.raises(DataError, match="holds a transfuser, not a diffusiondrive"):
        DiffusionDrive(checkpoint=str(files["transfuser"]))
    with pytest.raises(DataError, match="no such file of weights"):
        DiffusionDrive(checkpoint=str(tmp_path / "missing.ckpt"))
    with pytest.raises(ConfigError, match=r"no weights ship for agent=transfuser preset=full: .*"):
        Transfuser(preset="full")


def test_what_an_observation_lacks_is_told(files, observations):
    driver = agent("transfuser", files)
    bare = replace(observations[0], images={})
    with pytest.raises(DataError, match="no picture of camera CAM_L0"):
        driver.act([bare])
    odd = replace(observations[0], ego_velocities=np.full((1, 2), np.nan))
    with pytest.raises(DataError, match="the ego status is not finite"):
        driver.act([odd])


@pytest.mark.parametrize("name", ["transfuser", "diffusiondrive"])
def test_latent_networks_plan_without_lidar(name, observations, tmp_path: Path):
    taught = KINDS[name].trainee(latent=True)
    save_network(taught.network, tmp_path / "blind.safetensors")
    driver = KINDS[name](checkpoint=str(tmp_path / "blind.safetensors"))
    assert not driver.rig.lidar
    (plan,) = driver.act([replace(observations[0], lidar=())])
    assert np.isfinite(plan.poses).all()


def test_a_published_checkpoint_is_of_the_full_preset(tmp_path: Path):
    """A Lightning file says no sizes; its weights are given to the published network."""
    network = EgoMlp.trainee().network
    state = {f"agent.{name}": value for name, value in network.state_dict().items()}
    torch.save({"state_dict": state, "epoch": 3}, tmp_path / "ego.ckpt")
    assert "ego.ckpt" in EgoMlp(checkpoint=str(tmp_path / "ego.ckpt")).weights


@pytest.mark.slow
def test_the_published_diffusiondrive_drives_by_a_checkpoint_of_its_size(tmp_path: Path):
    torch.manual_seed(0)
    network = DiffusionDrive.trainee(preset="full").network.eval()
    network._trajectory_head.set_anchors(torch.rand(20, 8, 2) * 20)
    state = {f"agent._transfuser_model.{n}": value for n, value in network.state_dict().items()}
    assert len(state) == 763
    torch.save({"state_dict": state, "epoch": 99}, tmp_path / "full.ckpt")
    driver = DiffusionDrive(checkpoint=str(tmp_path / "full.ckpt"))
    assert (driver.rig.pixels, driver.rendered_rig) == ((1920, 1080), "navsim_nominal")
    scene = LabminiSource().load(LabminiSource().scene_ids()[0])
    seen = build_observation(with_rendered_sensors(scene, Rendering("navsim_nominal")), driver.rig)
    features = features_of(seen, FULL)
    with torch.inference_mode():
        wanted = network({name: torch.from_numpy(a)[None] for name, a in features.items()})
    (plan,) = driver.act([seen])
    np.testing.assert_allclose(plan.poses, wanted["trajectory"][0].numpy(), atol=1e-3)


def test_weights_for_other_pictures_are_refused_before_the_first_scene(files):
    driver = agent("transfuser", files)
    source = RenderedSource(LabminiSource(), Rendering("navsim_nominal", scale=0.1), "day")
    first = source.scene_ids()[0]
    with pytest.raises(ConfigError, match=r"delivers 192 x 108 px.*expect 480 x 270"):
        check_wishes(driver, source, first)
    check_wishes(driver, replace(source, rendering=Rendering("labmini_mini")), first)


def test_a_sight_that_no_camera_gives_is_told():
    with pytest.raises(ConfigError, match=r"images of \(64, 64\) px .*\(128, 512\) \(mini\)"):
        sight_of(TransfuserConfig(camera=(64, 64)))
    assert SIGHT.rig == "labmini_mini"
    assert blind(8, 0.5).rig is None
    assert sight_of(TransfuserConfig.preset("mini", latent=True)).features.lidar is None


def test_devices_that_are_not_there_are_told():
    assert check_device("cpu") == "cpu"
    if not torch.cuda.is_available():
        with pytest.raises(ConfigError, match="PyTorch sees no GPU here"):
            check_device("cuda:1")


def test_a_plan_without_modes_has_none():
    plan = plan_of({"trajectory": np.ones((2, 8, 3))}, 1, 0.5)
    assert plan.modes is None
    assert plan.probabilities is None
    with pytest.raises(ConfigError, match="precision=half"):
        Driver(lambda features: features, SIGHT, precision="half")
