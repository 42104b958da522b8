"""Weights to begin with: what another network has learnt to see."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from drivelab.agents.learned.checkpoint import kind_of, read_checkpoint
from drivelab.errors import ConfigError


def take_weights(network: nn.Module, file: Path) -> str:
    """Fill what has the same name and shape in a file of another network's weights.

    Returns:
        A line that says how much was taken.

    Raises:
        ConfigError: the weights are of the same network, or none of them fit.
        DataError: the file cannot be read.
    """
    given, own = read_checkpoint(file), network.state_dict()
    kind = kind_of(own)
    if kind and kind_of(given) == kind:
        raise ConfigError(
            f"start={file}: holds a {kind} as well; go on from it with agent.checkpoint={file}"
        )
    taken = {
        name: tensor.to(own[name].dtype)
        for name, tensor in given.items()
        if name in own and own[name].shape == tensor.shape
    }
    if not taken:
        raise ConfigError(
            f"start={file}: none of its {len(given)} tensors has a name and shape of the network; "
            "take weights of the same preset"
        )
    network.load_state_dict(taken, strict=False)
    return f"start: {len(taken)} of {len(own)} tensors from {file}"
