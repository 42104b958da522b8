"""Beginning a training with what another network has learnt."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="needs the extra nn")

from drivelab.agents.diffusiondrive.agent import FAMILY as DIFFUSIONDRIVE  # noqa: E402
from drivelab.agents.diffusiondrive.agent import DiffusionDrive  # noqa: E402
from drivelab.agents.ego_mlp.agent import FAMILY as EGO_MLP  # noqa: E402
from drivelab.agents.learned.checkpoint import save_network  # noqa: E402
from drivelab.agents.learned.weights import weights_file  # noqa: E402
from drivelab.agents.transfuser.agent import FAMILY as TRANSFUSER  # noqa: E402
from drivelab.cli import main  # noqa: E402
from drivelab.errors import ConfigError, DataError  # noqa: E402
from drivelab.training.imitation.start import take_weights  # noqa: E402

SMALL = {
    "camera": (32, 64), "lidar": (64, 64), "image_depths": (1, 1, 1, 1), "bev_channels": 8,
    "image_widths": (8, 8, 8, 8), "lidar_widths": (8, 8, 8, 8), "width": 16, "hidden": 16,
    "heads": 2,
}  # fmt: skip


@pytest.fixture
def eyes(tmp_path: Path) -> Path:
    torch.manual_seed(1)
    file = tmp_path / "eyes.safetensors"
    save_network(TRANSFUSER.make(TRANSFUSER.preset("mini", SMALL)).half(), file)
    return file


def test_what_sees_is_taken_and_what_plans_is_not(eyes: Path):
    torch.manual_seed(2)
    network = DIFFUSIONDRIVE.make(DIFFUSIONDRIVE.preset("mini", SMALL))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    told = take_weights(network, eyes)
    from safetensors.torch import load_file

    given, after = load_file(eyes), network.state_dict()
    shared = [name for name in given if name in before]
    assert told == f"start: {len(shared)} of {len(before)} tensors from {eyes}"
    assert any(name.startswith("_backbone.image_encoder") for name in shared)
    assert any(name.startswith("_agent_head") for name in shared)
    for name, value in after.items():
        assert value.dtype == before[name].dtype
        expected = given[name].to(value.dtype) if name in given else before[name]
        assert torch.equal(value, expected), name
    assert not any(name.startswith("_trajectory_head") for name in shared)


def test_the_same_network_is_gone_on_with_otherwise(eyes: Path):
    network = TRANSFUSER.make(TRANSFUSER.preset("mini", SMALL))
    with pytest.raises(ConfigError, match=r"holds a transfuser as well; .* agent\.checkpoint="):
        take_weights(network, eyes)


def test_weights_that_do_not_fit_anywhere_are_told(eyes: Path):
    with pytest.raises(ConfigError, match=r"none of its .* tensors has a name and shape"):
        take_weights(EGO_MLP.make(EGO_MLP.preset("mini", {})), eyes)


def test_only_the_small_new_one_begins_with_eyes_that_ship(tmp_path: Path):
    file = tmp_path / "own.safetensors"
    save_network(DIFFUSIONDRIVE.make(DIFFUSIONDRIVE.preset("mini", {})), file)
    assert DiffusionDrive.trainee().start == "transfuser"
    assert DiffusionDrive.trainee(checkpoint=str(file)).start is None
    assert DiffusionDrive.trainee(image_encoder="vig_h").start is None


def test_a_start_that_is_nowhere_is_told(tmp_path: Path, capsys):
    with pytest.raises(
        DataError, match="no such file, and no agent that ships weights of preset mini"
    ):
        weights_file("transfuzer")
    words = ["agent=ego_mlp", "limit=8", "batch=4", "validation=2", "builders=0", "quiet=true"]
    run = [f"run.dir={tmp_path / 'run'}", f"cache={tmp_path}", "start=none.safetensors"]
    assert main(["train", *words, *run]) == 2
    assert "none.safetensors" in capsys.readouterr().err
