"""Weights of the planners on vector observations, one safetensors file with its sizes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open

from drivelab.agents.learned.sized_weights import open_sized, save_sized
from drivelab.agents.vadv2.vector_policy import VectorVadV2, VectorVadV2Config
from drivelab.agents.vadv2.vector_twin import VectorTwin

NAME = "vadv2_vector"


def make_vector_vadv2(config: VectorVadV2Config) -> VectorVadV2 | VectorTwin:
    """The network of a configuration; a vocabulary of zeros is to be filled from a file."""
    return VectorVadV2(config) if config.planning == "probabilistic" else VectorTwin(config)


def save_vector_vadv2(
    network: VectorVadV2 | VectorTwin,
    path: str | Path,
    *,
    notes: Mapping[str, str] | None = None,
) -> None:
    """Write weights, vocabulary and sizes, whole or not at all; `notes` are kept beside them."""
    save_sized(network, network.config, NAME, path, notes=notes)


def open_vector_vadv2(path: str | Path) -> VectorVadV2 | VectorTwin:
    """The network of a file that `save_vector_vadv2` wrote, ready for inference.

    Raises:
        DataError: no such file, another network's, or weights that do not fit or are not finite.
    """
    return open_sized(path, NAME, make_vector_vadv2, VectorVadV2Config, "vadv2")


def holds_vector_vadv2(path: str | Path) -> bool:
    """Whether a file says that it is one of these; the reader of other networks judges the rest."""
    try:
        with safe_open(Path(path), framework="pt") as opened:
            return (opened.metadata() or {}).get("network") == NAME
    except (OSError, SafetensorError):  # no file, or none of safetensors
        return False
