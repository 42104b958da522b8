"""RAD's weights as one safetensors file, which says the sizes of its network itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from drivelab.agents.learned.sized_weights import open_sized, save_sized
from drivelab.agents.rad.config import RadConfig
from drivelab.agents.rad.policy import RadNetwork

NAME = "rad"


def save_rad(
    network: RadNetwork, path: str | Path, *, notes: Mapping[str, str] | None = None
) -> None:
    """Write weights and sizes, whole or not at all; `notes` are kept beside them."""
    save_sized(network, network.config, NAME, path, notes=notes)


def open_rad(path: str | Path) -> RadNetwork:
    """The network of a file that `save_rad` wrote, on vector observations, ready for inference.

    Raises:
        DataError: no such file, another network's, or weights that do not fit or are not finite.
    """
    return open_sized(path, NAME, RadNetwork, RadConfig, "rad")
