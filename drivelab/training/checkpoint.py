"""Checkpoints without pickle: tensors as safetensors, everything else as JSON (extra `nn`)."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from drivelab.errors import MissingExtra, RunError

try:
    import torch
    from safetensors import safe_open
    from safetensors.torch import load_file

    from drivelab.agents.learned.tensor_file import write_tensors
except ModuleNotFoundError as error:
    raise MissingExtra(str(error.name), extra="nn") from error

WEIGHTS, FACTS = "model.safetensors", "config.json"
_OPTIMIZER = "optimizer."
_FACTS = "facts"  # in the metadata of the weights; FACTS is the same for people to read


def save_checkpoint(
    folder: Path,
    module: torch.nn.Module,
    facts: Mapping[str, Any],
    optimizer: torch.optim.Optimizer | None = None,
) -> None:
    """Write weights, the optimiser's moments and facts; a broken write leaves the old one."""
    folder.mkdir(parents=True, exist_ok=True)
    # Networks may share parts; each name is written by itself, so that any reader understands.
    tensors = {name: _copied(value) for name, value in module.state_dict().items()}
    if optimizer is not None:
        for number, moments in optimizer.state_dict()["state"].items():
            tensors |= {f"{_OPTIMIZER}{number}.{k}": _copied(v) for k, v in moments.items()}
    # The facts go with the tensors: a crash between two files would join old ones with new ones.
    write_tensors(tensors, folder / WEIGHTS, {_FACTS: json.dumps(facts)})
    part = folder / f".{FACTS}.part"
    part.write_text(json.dumps(facts, indent=2))
    os.replace(part, folder / FACTS)


def load_facts(folder: Path) -> dict[str, Any] | None:
    """The facts of a checkpoint; None where there is none."""
    file = folder / WEIGHTS
    if not file.is_file():
        return None
    try:
        with safe_open(file, framework="pt") as opened:
            facts = json.loads((opened.metadata() or {})[_FACTS])
    except Exception as error:  # the reader has exception types of its own
        raise RunError(
            f"{file} is damaged or no checkpoint ({error}); remove {folder} to begin anew"
        ) from error
    if not isinstance(facts, dict):
        raise RunError(f"{file}: its facts are no JSON object; remove {folder} to begin anew")
    return facts


def load_weights(
    folder: Path, module: torch.nn.Module, optimizer: torch.optim.Optimizer | None = None
) -> None:
    """Put a checkpoint's tensors into a module, and its moments into the optimiser.

    Raises:
        RunError: the file is damaged, or its tensors are not the module's.
    """
    file = folder / WEIGHTS
    try:
        tensors = load_file(file)
    except Exception as error:  # the reader has exception types of its own
        raise RunError(f"{file} cannot be read ({error}); remove {folder} to begin anew") from error
    weights = {k: v for k, v in tensors.items() if not k.startswith(_OPTIMIZER)}
    try:
        module.load_state_dict(weights)
    except RuntimeError as error:
        raise RunError(f"{file} holds another network's weights: {error}") from error
    if optimizer is None:
        return
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name in tensors.keys() - weights.keys():
        number, _, moment = name.removeprefix(_OPTIMIZER).partition(".")
        state.setdefault(int(number), {})[moment] = tensors[name]
    whole = optimizer.state_dict()
    optimizer.load_state_dict({"state": state, "param_groups": whole["param_groups"]})


def _copied(value: torch.Tensor | float) -> torch.Tensor:
    """By itself, and row by row whatever its layout in memory."""
    return torch.as_tensor(value).detach().clone(memory_format=torch.contiguous_format)
