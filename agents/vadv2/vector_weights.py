"""Weights of the vocabulary planner on vector observations, one safetensors file with its sizes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from drivelab.agents.learned.sized_weights import open_sized, save_sized
from drivelab.agents.vadv2.vector_policy import VectorVadV2, VectorVadV2Config

NAME = "vadv2_vector"


def save_vector_vadv2(
    network: VectorVadV2, path: str | Path, *, notes: Mapping[str, str] | None = None
) -> None:
    """Write weights, vocabulary and sizes, whole or not at all; `notes` are kept beside them."""
    save_sized(network, network.config, NAME, path, notes=notes)


def open_vector_vadv2(path: str | Path) -> VectorVadV2:
    """The network of a file that `save_vector_vadv2` wrote, ready for inference.

    Raises:
        DataError: no such file, another network's, or weights that do not fit or are not finite.
    """
    return open_sized(path, NAME, VectorVadV2, VectorVadV2Config, "vadv2")
