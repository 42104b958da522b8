"""Weights of the driving networks: what loads, and what is refused with which words."""

from __future__ import annotations

import functools
import pathlib
import sys
import types
from collections import OrderedDict

import pytest
import torch
from safetensors.torch import save_file

from drivelab.agents.diffusiondrive import DiffusionDriveConfig
from drivelab.agents.diffusiondrive.policy import DiffusionDriveNetwork
from drivelab.agents.ego_mlp.policy import EgoMlpNetwork
from drivelab.agents.learned.checkpoint import load_network, open_network, save_network
from drivelab.agents.transfuser import TransfuserConfig
from drivelab.agents.transfuser.policy import TransfuserNetwork
from drivelab.errors import DataError

pytestmark = pytest.mark.nn
PREFIX = "agent._transfuser_model."


def small(**changes) -> DiffusionDriveNetwork:
    return DiffusionDriveNetwork(DiffusionDriveConfig.preset("mini", **changes))


def same(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    wanted = other.state_dict()
    return all(torch.equal(tensor, wanted[name]) for name, tensor in one.state_dict().items())


def prefixed(network: torch.nn.Module, prefix: str = PREFIX) -> dict[str, torch.Tensor]:
    return OrderedDict((prefix + name, tensor) for name, tensor in network.state_dict().items())


@pytest.fixture
def foreign(tmp_path, monkeypatch):
    """A module with classes of every kind, there while saving and gone while loading."""
    module = types.ModuleType("foreign_trainer")
    code = """
import enum, functools, os
class Plain:
    def __init__(self): self.x = [1, {"a": 2}]
class Table(dict): pass
class Row(list): pass
class Bag(set): pass
class Kind(enum.Enum):
    A = 1
class Bomb:
    def __reduce__(self): return os.mkdir, (TARGET,)
class State:
    def __getstate__(self): return (1, {"b": 2})
    def __setstate__(self, state): raise RuntimeError("ran")
def function(x): return x
"""
    module.TARGET = str(tmp_path / "ran")
    exec(code, module.__dict__)
    for value in vars(module).values():
        if getattr(value, "__module__", None) in ("builtins", "foreign_trainer"):
            value.__module__ = "foreign_trainer"
    monkeypatch.setitem(sys.modules, "foreign_trainer", module)
    return module


def test_a_lightning_checkpoint_loads_and_its_foreign_objects_do_not_run(foreign, tmp_path):
    trained, file = small(), tmp_path / "model.ckpt"
    torch.save(
        {
            "state_dict": prefixed(trained),
            "hyper_parameters": foreign.Table(lr=1e-4, rows=foreign.Row([1, 2])),
            "callbacks": {
                "kind": foreign.Kind.A,
                "state": foreign.State(),
                "at": pathlib.Path("."),
            },
            "more": [foreign.Plain(), foreign.Bag([1]), functools.partial(foreign.function, 1)],
            "bomb": foreign.Bomb(),
            "best": torch.tensor(0.5),
        },
        file,
    )
    del sys.modules["foreign_trainer"]
    made = small()
    assert not same(made, trained)
    load_network(made, file)
    assert same(made, trained)
    assert not (tmp_path / "ran").exists()
    assert "foreign_trainer" not in sys.modules


@pytest.mark.parametrize("prefix", ["", "_transfuser_model.", PREFIX])
def test_plain_checkpoints_load_under_every_prefix(prefix, tmp_path):
    trained, made, file = small(), small(), tmp_path / "model.pth"
    torch.save({"state_dict": prefixed(trained, prefix)}, file)
    load_network(made, file)
    assert same(made, trained)


def test_the_ego_mlp_loads_from_lightning(tmp_path):
    trained, made, file = EgoMlpNetwork(), EgoMlpNetwork(), tmp_path / "mlp.ckpt"
    torch.save({"state_dict": prefixed(trained, "agent.")}, file)
    load_network(made, file)
    assert same(made, trained)


@pytest.mark.parametrize(
    "network",
    [
        lambda: small(modes=6, diffusion="vanilla"),
        lambda: TransfuserNetwork(TransfuserConfig.preset("mini")),
        EgoMlpNetwork,
    ],
    ids=["diffusiondrive", "transfuser", "ego_mlp"],
)
def test_our_files_know_their_network(network, tmp_path):
    trained, file = network(), tmp_path / "model.safetensors"
    save_network(trained, file, notes={"seed": "7"})
    made = open_network(file)
    assert made.config == trained.config
    assert type(made) is type(trained)
    assert same(made, trained)


def test_missing_and_unexpected_names_are_listed(tmp_path):
    made, file = small(), tmp_path / "model.ckpt"
    before = {name: tensor.clone() for name, tensor in made.state_dict().items()}
    weights = prefixed(small())
    del weights[PREFIX + "bev_proj.0.bias"]
    weights[PREFIX + "bev_proj.9.bias"] = torch.zeros(3)
    weights["optimizer.step"] = torch.zeros(3)
    torch.save({"state_dict": weights}, file)
    with pytest.raises(DataError) as told:
        load_network(made, file)
    assert "1 missing: bev_proj.0.bias" in str(told.value)
    assert "2 unexpected: bev_proj.9.bias, optimizer.step" in str(told.value)
    assert all(torch.equal(before[name], tensor) for name, tensor in made.state_dict().items())


def test_another_model_is_named(tmp_path):
    file = tmp_path / "transfuser.ckpt"
    other = TransfuserNetwork(TransfuserConfig.preset("mini"))
    torch.save({"state_dict": prefixed(other)}, file)
    with pytest.raises(DataError, match=r"a transfuser, not a diffusiondrive; .*agent=transfuser"):
        load_network(small(), file)


def test_anchors_of_another_horizon_are_named(tmp_path):
    file = tmp_path / "short.ckpt"
    torch.save({"state_dict": prefixed(small(poses=6))}, file)
    with pytest.raises(DataError, match="20 modes with 6 poses, the network has 20 modes with 8"):
        load_network(small(), file)


def test_another_preset_is_hinted_at(tmp_path):
    file = tmp_path / "wide.ckpt"
    torch.save({"state_dict": prefixed(small(hidden=96))}, file)
    with pytest.raises(DataError, match=r"of another shape: .*choose the preset and options"):
        load_network(small(), file)


def test_broken_weights_are_refused(tmp_path):
    network, file = small(), tmp_path / "nan.ckpt"
    weights = prefixed(network)
    weights[PREFIX + "bev_proj.0.bias"] = torch.full((96,), torch.nan)
    torch.save({"state_dict": weights}, file)
    with pytest.raises(DataError, match=r"bev_proj\.0\.bias: values that are not finite"):
        load_network(network, file)


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ('{"width": 512, "bogus": 1}', "does not know: bogus; a newer one may have written it"),
        ('{"dt": NaN}', "cannot be used .*dt=nan: expected seconds above 0"),
        ('{"dt": "soon"}', "cannot be used"),
        ("[1, 2]", "is no file of drivelab's weights"),
        ("null", "is no file of drivelab's weights"),
    ],
)
def test_configurations_that_cannot_be_are_told_with_their_file(told, message, tmp_path):
    file = tmp_path / "strange.safetensors"
    weights = {name: tensor.contiguous() for name, tensor in EgoMlpNetwork().state_dict().items()}
    save_file(weights, file, metadata={"network": "ego_mlp", "config": told})
    with pytest.raises(DataError, match=rf"strange\.safetensors.*{message}"):
        open_network(file)


def test_damaged_and_foreign_files_are_refused(foreign, tmp_path):
    file = tmp_path / "model.ckpt"
    torch.save({"state_dict": prefixed(small()), "more": foreign.Plain()}, file)
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="cannot be read as weights"):
        load_network(small(), file)
    more = {"state_dict": prefixed(small()), "more": foreign.Plain()}
    torch.save(more, file, _use_new_zipfile_serialization=False)
    with pytest.raises(DataError, match=r"before 1\.6, or is damaged"):
        load_network(small(), file)
    torch.save({"state_dict": foreign.Table(prefixed(small()))}, file)
    with pytest.raises(DataError, match="no weights in it"):
        load_network(small(), file)
    with pytest.raises(DataError, match="is no file of drivelab's weights"):
        open_network(file)
    with pytest.raises(DataError, match="no such file"):
        load_network(small(), tmp_path / "none.ckpt")
