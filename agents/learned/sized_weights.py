"""Weights as one safetensors file that says itself which network they are of, and its sizes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, TypeVar

from safetensors import safe_open
from torch import nn

from drivelab.agents.learned.checkpoint import config_of, load_network
from drivelab.agents.learned.tensor_file import write_tensors
from drivelab.errors import DataError

N = TypeVar("N", bound=nn.Module)


def save_sized(
    network: nn.Module, config: Any, name: str, path: str | Path,
    *, notes: Mapping[str, str] | None = None,
) -> None:  # fmt: skip
    """Write weights and sizes, whole or not at all; `notes` are kept beside them."""
    weights = {k: v.detach().cpu().contiguous() for k, v in network.state_dict().items()}
    told = {**(notes or {}), "network": name, "config": json.dumps(asdict(config))}
    write_tensors(weights, Path(path), told)


def open_sized(
    path: str | Path, name: str, make: Callable[[Any], N], config: Callable[..., Any], recipe: str
) -> N:
    """The network `name` of a file that `save_sized` wrote, ready for inference.

    Raises:
        DataError: no such file, another network's, or weights that do not fit or are not finite.
    """
    file = Path(path)
    if not file.is_file():
        raise DataError(
            f"no such file of weights; `drivelab train recipe={recipe}` writes best.safetensors",
            file=file,
        )
    try:
        with safe_open(file, framework="pt") as opened:
            told = opened.metadata() or {}
        kind = told["network"]
        sizes = {k: tuple(v) if isinstance(v, list) else v
                 for k, v in json.loads(told["config"]).items()}  # fmt: skip
    except Exception as error:  # no file, no safetensors, or one of somebody else
        raise DataError(
            f"is no file of {name}'s weights (safetensors with `network` and `config`); `drivelab "
            f"train recipe={recipe}` writes best.safetensors",
            file=file,
        ) from error
    if kind != name:
        raise DataError(
            f"holds a {kind or 'network of an unknown kind'}, not a {name}; `drivelab train "
            f"recipe={recipe}` writes such weights",
            file=file,
        )
    network = make(config_of(config, sizes, file))
    load_network(network, file)
    return network.eval()


def other_sizes(found: Any, wanted: Any) -> str:
    """In which fields a configuration differs from what is wanted: `bins=31 (not 61)`, ..."""
    pairs = [(f.name, getattr(found, f.name), getattr(wanted, f.name)) for f in fields(wanted)]
    return ", ".join(f"{name}={a} (not {b})" for name, a, b in pairs if a != b)
