"""Weights of the vocabulary planner on vector observations, one safetensors file with its sizes."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import save_file

from drivelab.agents.learned.checkpoint import load_network
from drivelab.agents.vadv2.vector_policy import VectorVadV2, VectorVadV2Config
from drivelab.errors import DataError

NAME = "vadv2_vector"


def save_vector_vadv2(
    network: VectorVadV2, path: str | Path, *, notes: Mapping[str, str] | None = None
) -> None:
    """Write weights, vocabulary and sizes, whole or not at all; `notes` are kept beside them."""
    file = Path(path)
    weights = {k: v.detach().cpu().contiguous() for k, v in network.state_dict().items()}
    told = {**(notes or {}), "network": NAME, "config": json.dumps(asdict(network.config))}
    part = file.with_name(f".{file.name}.part")
    save_file(weights, part, metadata=told)
    os.replace(part, file)


def open_vector_vadv2(path: str | Path) -> VectorVadV2:
    """The network of a file that `save_vector_vadv2` wrote, ready for inference.

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
            "is no file of VADv2's weights on vector observations; `drivelab train recipe=vadv2` "
            "writes best.safetensors",
            file=file,
        ) from error
    if kind != NAME:
        raise DataError(f"holds a {kind or 'network of an unknown kind'}, not a {NAME}", file=file)
    network = VectorVadV2(VectorVadV2Config(**sizes))
    load_network(network, file)
    return network.eval()
