"""RAD's weights as one safetensors file, which says the sizes of its network itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from safetensors import safe_open

from drivelab.agents.learned.checkpoint import config_of, load_network
from drivelab.agents.learned.tensor_file import write_tensors
from drivelab.agents.rad.config import RadConfig
from drivelab.agents.rad.policy import RadNetwork
from drivelab.errors import DataError

NAME = "rad"


def save_rad(
    network: RadNetwork, path: str | Path, *, notes: Mapping[str, str] | None = None
) -> None:
    """Write weights and sizes, whole or not at all; `notes` are kept beside them."""
    file = Path(path)
    weights = {k: v.detach().cpu().contiguous() for k, v in network.state_dict().items()}
    told = {**(notes or {}), "network": NAME, "config": json.dumps(asdict(network.config))}
    write_tensors(weights, file, told)


def open_rad(path: str | Path) -> RadNetwork:
    """The network of a file that `save_rad` wrote, on vector observations, ready for inference.

    Raises:
        DataError: no such file, another network's, or weights that do not fit or are not finite.
    """
    file = Path(path)
    try:
        with safe_open(file, framework="pt") as opened:
            told = opened.metadata() or {}
        kind, sizes = told["network"], json.loads(told["config"])
    except Exception as error:  # no file, no safetensors, or one of somebody else
        raise DataError(
            "is no file of RAD's weights (safetensors with `network` and `config`); `drivelab "
            "train recipe=rad` writes best.safetensors",
            file=file,
        ) from error
    if kind != NAME:
        raise DataError(f"holds a {kind or 'network of an unknown kind'}, not a rad", file=file)
    network = RadNetwork(config_of(RadConfig, sizes, file))
    load_network(network, file)
    return network.eval()
