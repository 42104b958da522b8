"""Published weights: found in each kind of file, complete or refused, and never run."""

from __future__ import annotations

import argparse
import os

import pytest
import torch
from safetensors.torch import save_file

from drivelab.agents.encoders import build_encoder, load_checkpoint
from drivelab.agents.encoders.checkpoints import read_weights
from drivelab.errors import ConfigError, DataError

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
    elif kind == "beside":
        torch.save({"ema": {"decay": 0.999}, "model": weights}, path)
    elif kind == "bare":
        torch.save(weights, path)
    else:
        torch.save({kind: weights}, path)


KINDS = ["safetensors", "wrapped", "ema", "beside", "bare", "model", "state_dict"]


@pytest.mark.parametrize("kind", KINDS)
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


def test_counters_of_batch_norms_may_be_missing(tmp_path):
    source, target = build_encoder("resnet18", classes=2), build_encoder("resnet18", classes=2)
    source.bn1.running_mean.fill_(3.0)
    target.bn1.num_batches_tracked.fill_(7)
    weights = {n: t for n, t in source.state_dict().items() if "num_batches" not in n}
    save_file(weights, tmp_path / "w.safetensors")
    load_checkpoint(target, tmp_path / "w.safetensors")
    assert equal(source, target)
    assert torch.equal(target.bn1.running_mean, source.bn1.running_mean)
    assert target.bn1.num_batches_tracked == 7
    del weights["bn1.running_mean"]
    save_file(weights, tmp_path / "w.safetensors")
    with pytest.raises(DataError, match=r"1 missing: bn1\.running_mean$"):
        load_checkpoint(target, tmp_path / "w.safetensors")


def test_a_command_line_beside_the_weights_is_no_hindrance(tmp_path):
    source, target = tiny(), tiny()
    args = argparse.Namespace(model="DiT-XL/2", lr=1e-4, size=(256, 256))
    torch.save({"ema": source.state_dict(), "args": args}, tmp_path / "w.pt")
    load_checkpoint(target, tmp_path / "w.pt")
    assert equal(source, target)
    assert argparse.Namespace not in torch.serialization.get_safe_globals()
    with torch.serialization.safe_globals([argparse.Namespace]):
        load_checkpoint(target, tmp_path / "w.pt")
        assert argparse.Namespace in torch.serialization.get_safe_globals()


def test_code_inside_a_command_line_is_not_run(tmp_path, monkeypatch):
    monkeypatch.setenv("HARM", str(tmp_path / "harm"))
    args = argparse.Namespace(model=Harmful())
    torch.save({"model": tiny().state_dict(), "args": args}, tmp_path / "w.pth")
    with pytest.raises(DataError, match="other Python objects than tensors"):
        read_weights(tmp_path / "w.pth")
    assert not (tmp_path / "harm").exists()


UNFIT = {
    "sparse": (lambda t: t.to_sparse(), "nested or torch.sparse_coo for a dense one"),
    "meta": (lambda t: t.to("meta"), "without values"),
    "complex": (lambda t: t + 1j, "torch.complex64 for torch.float32"),
    "whole": (lambda t: t.long(), "torch.int64 for torch.float32"),
    "truth": (lambda t: t > 0, "torch.bool for torch.float32"),
}


@pytest.mark.parametrize("kind", UNFIT)
def test_a_tensor_of_another_kind_leaves_the_network_as_it_was(kind, tmp_path):
    change, told = UNFIT[kind]
    target, weights = tiny(), dict(tiny().state_dict())
    weights["norm.weight"] = change(weights["norm.weight"])
    torch.save(weights, tmp_path / "w.pth")
    before = {n: t.clone() for n, t in target.state_dict().items()}
    with pytest.raises(DataError, match=r"w\.pth: .*1 of another kind: norm\.weight .*") as caught:
        load_checkpoint(target, tmp_path / "w.pth")
    assert told in str(caught.value)
    assert "another shape" not in str(caught.value)
    assert all(torch.equal(t, before[n]) for n, t in target.state_dict().items())


def test_another_precision_is_converted(tmp_path):
    source, target = tiny().half(), tiny()
    torch.save(source.state_dict(), tmp_path / "w.pth")
    load_checkpoint(target, tmp_path / "w.pth")
    assert equal(source.float(), target)


def test_a_network_without_values_is_refused(tmp_path):
    torch.save(tiny().state_dict(), tmp_path / "w.pth")
    with torch.device("meta"):
        target = tiny()
    with pytest.raises(ConfigError, match="ViG is on the device 'meta'"):
        load_checkpoint(target, tmp_path / "w.pth")


def test_damage_anywhere_in_an_old_file_is_a_data_error(tmp_path):
    path = tmp_path / "w.pth"
    weights = {"a": torch.arange(3.0), "b": torch.ones(2, 2)}
    torch.save(weights, path, _use_new_zipfile_serialization=False)
    whole = path.read_bytes()
    changed = [whole[:at] for at in range(len(whole))]
    changed += [
        whole[:at] + bytes([whole[at] ^ 0x15]) + whole[at + 1 :] for at in range(len(whole))
    ]
    told = []
    for content in changed:
        path.write_bytes(content)
        try:
            read_weights(path)
        except DataError as error:
            told.append(str(error))
    assert len(told) > len(whole)
    assert all("w.pth: " in message for message in told)
