"""Published weights: found in each kind of file, complete or refused, and never run."""

from __future__ import annotations

import os

import pytest
import torch
from safetensors.torch import save_file

from drivelab.agents.encoders import build_encoder, load_checkpoint
from drivelab.agents.encoders.checkpoints import read_weights
from drivelab.errors import DataError

pytestmark = pytest.mark.nn


def tiny(classes: int = 4) -> torch.nn.Module:
    return build_encoder("vig_t", width=12, heads=3, depth=1, classes=classes)


def equal(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def save(path, kind: str, weights: dict) -> None:
    if kind == "safetensors":
        save_file(weights, path)
    elif kind == "wrapped":
        torch.save({"model": {f"module.{n}": t for n, t in weights.items()}, "epoch": 3}, path)
    elif kind == "ema":
        other = {n: torch.zeros_like(t) for n, t in weights.items()}
        torch.save({"model": other, "ema": weights, "opt": {"lr": 0.1}}, path)
    elif kind == "bare":
        torch.save(weights, path)
    else:
        torch.save({kind: weights}, path)


@pytest.mark.parametrize("kind", ["safetensors", "wrapped", "ema", "bare", "model", "state_dict"])
def test_weights_are_found(kind, tmp_path):
    source, target = tiny(), tiny()
    path = tmp_path / ("weights.safetensors" if kind == "safetensors" else "weights.pth")
    save(path, kind, source.state_dict())
    assert not equal(source, target)
    load_checkpoint(target, path)
    assert equal(source, target)


def test_part_of_a_larger_file_is_enough(tmp_path):
    source, target = tiny(), tiny()
    weights = {f"vision.{n}": t for n, t in source.state_dict().items()}
    save_file({**weights, "language.weight": torch.ones(2)}, tmp_path / "all.safetensors")
    load_checkpoint(target, tmp_path / "all.safetensors", prefix="vision.")
    assert equal(source, target)


def test_a_head_can_be_left_out(tmp_path):
    source, target = tiny(), tiny()
    save_file(source.state_dict(), tmp_path / "w.safetensors")
    bare = tiny(classes=0)
    load_checkpoint(bare, tmp_path / "w.safetensors", without=["head."])
    assert torch.equal(bare.norm.weight, source.norm.weight)
    before = target.head.weight.clone()
    load_checkpoint(target, tmp_path / "w.safetensors", without=["head."])
    assert torch.equal(target.head.weight, before)
    assert torch.equal(target.pos_embed, source.pos_embed)


def test_what_does_not_fit_is_listed_and_nothing_is_loaded(tmp_path):
    target = tiny()
    weights = dict(tiny().state_dict())
    del weights["norm.weight"]
    weights["neck.weight"] = torch.ones(1)
    weights["head.bias"] = torch.ones(9)
    save_file(weights, tmp_path / "w.safetensors")
    before = {n: t.clone() for n, t in target.state_dict().items()}
    with pytest.raises(DataError) as caught:
        load_checkpoint(target, tmp_path / "w.safetensors")
    message = str(caught.value)
    assert "w.safetensors: the weights do not fit ViG: 1 missing: norm.weight; " in message
    assert "1 unexpected: neck.weight" in message
    assert "1 of another shape: head.bias (9,) for (4,)" in message
    assert all(torch.equal(t, before[n]) for n, t in target.state_dict().items())
    with pytest.raises(DataError, match=r"\d+ missing: .* and \d+ more"):
        load_checkpoint(target, tmp_path / "w.safetensors", prefix="vision.")


class Harmful:
    def __reduce__(self):
        return os.mkdir, (os.environ["HARM"],)


def test_code_in_a_file_is_not_run(tmp_path, monkeypatch):
    monkeypatch.setenv("HARM", str(tmp_path / "harm"))
    torch.save({"model": tiny().state_dict(), "args": Harmful()}, tmp_path / "w.pth")
    with pytest.raises(DataError, match="other Python objects than tensors"):
        read_weights(tmp_path / "w.pth")
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize("name", ["w.safetensors", "w.pth"])
@pytest.mark.parametrize("content", [b"", b"no weights at all", b"PK\x03\x04 broken"])
def test_damaged_files_are_data_errors(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=name):
        read_weights(tmp_path / name)


def test_missing_files_and_files_without_weights_are_data_errors(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        read_weights(tmp_path / "none.pth")
    torch.save({"epoch": 3}, tmp_path / "w.pth")
    with pytest.raises(DataError, match="no weights in it"):
        read_weights(tmp_path / "w.pth")
