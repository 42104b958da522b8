"""Published weights, from the files their authors or others wrote."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from drivelab.errors import DataError

KEYS = ("ema", "model", "state_dict")  # under which training code keeps the weights
WRAPPER = "module."  # what data-parallel training puts before each name
SHOWN = 6  # names in a message


def load_checkpoint(
    network: nn.Module, path: str | Path, *, prefix: str = "", without: Sequence[str] = ()
) -> None:
    """Fill a network with the weights of a file; all of them, or none and an error.

    Args:
        network: whose parameter names are the published ones.
        path: a .safetensors file, or what torch.save wrote.
        prefix: of the names in the file that belong to the network; others are left alone.
        without: beginnings of names that neither side needs, such as "head.".

    Raises:
        DataError: no such file, one that is damaged or holds more than tensors, or weights with
            other names or shapes than the network's, all of which are listed.
    """
    given = {
        name.removeprefix(prefix): tensor
        for name, tensor in read_weights(path).items()
        if name.startswith(prefix)
    }
    dropped = tuple(without)
    wanted = {n: t for n, t in network.state_dict().items() if not n.startswith(dropped)}
    given = {n: t for n, t in given.items() if not n.startswith(dropped)}
    problems = [
        _told("missing", wanted.keys() - given.keys()),
        _told("unexpected", given.keys() - wanted.keys()),
        _told("of another shape", _other_shapes(wanted, given)),
    ]
    if any(problems):
        raise DataError(
            f"the weights do not fit {type(network).__name__}: "
            f"{'; '.join(problem for problem in problems if problem)}",
            file=path,
        )
    network.load_state_dict(given, strict=False)


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """Tensors by name; nothing in the file is run."""
    file = Path(path)
    if not file.is_file():
        raise DataError("no such file; expected weights as .safetensors, .pth or .pt", file=file)
    try:
        if file.suffix == ".safetensors":
            return load_file(file)
        found = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise DataError(
            "holds other Python objects than tensors, or none at all; load it where it was made "
            "and save its state dict alone, best as .safetensors",
            file=file,
        ) from error
    except (SafetensorError, RuntimeError, EOFError, ValueError, KeyError, OSError) as error:
        raise DataError(f"cannot be read as weights: {error}", file=file) from error
    return _weights(found, file)


def _weights(found: Any, file: Path) -> dict[str, Tensor]:
    """The state dict, wherever the training code kept it, without a wrapper's prefix."""
    if isinstance(found, Mapping):
        inner = next((found[key] for key in KEYS if isinstance(found.get(key), Mapping)), found)
        weights = {str(n): t for n, t in inner.items() if isinstance(t, Tensor)}
        if weights and all(name.startswith(WRAPPER) for name in weights):
            return {name.removeprefix(WRAPPER): tensor for name, tensor in weights.items()}
        if weights:
            return weights
    raise DataError(
        f"no weights in it; expected tensors by name, or such a table under {', '.join(KEYS)}",
        file=file,
    )


def _other_shapes(wanted: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> list[str]:
    return [
        f"{name} {tuple(given[name].shape)} for {tuple(tensor.shape)}"
        for name, tensor in wanted.items()
        if name in given and given[name].shape != tensor.shape
    ]


def _told(what: str, names: Iterable[str]) -> str:
    listed = sorted(names)
    if not listed:
        return ""
    more = f" and {len(listed) - SHOWN} more" if len(listed) > SHOWN else ""
    return f"{len(listed)} {what}: {', '.join(listed[:SHOWN])}{more}"
