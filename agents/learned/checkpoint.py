"""Weights of the driving networks: published Lightning checkpoints, and our safetensors.

A safetensors file written here holds its network's name and configuration as metadata, so that
`open_network` needs nothing else.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import safe_open
from torch import Tensor, nn

from drivelab.agents.encoders.checkpoints import problems_between, read_weights, weights_in
from drivelab.agents.learned.inert_pickle import read_inert
from drivelab.agents.learned.tensor_file import write_tensors
from drivelab.errors import ConfigError, DataError
from drivelab.registry import load_object

PREFIXES = ("agent._transfuser_model.", "_transfuser_model.", "agent.")  # of Lightning checkpoints
ANCHORS = "_trajectory_head.plan_anchor"
SIGNS = {  # a tensor that only this network has
    "rad": "longitudinal_value.0.weight",
    "vadv2": "_planning_head.navigation.0.weight",
    "diffusiondrive": ANCHORS,
    "transfuser": "_trajectory_head._mlp.0.weight",
    "ego_mlp": "_mlp.0.weight",
}
PLACES = {
    "rad": ("drivelab.agents.rad", "Rad"),
    "vadv2": ("drivelab.agents.vadv2", "VadV2"),
    "diffusiondrive": ("drivelab.agents.diffusiondrive", "DiffusionDrive"),
    "transfuser": ("drivelab.agents.transfuser", "Transfuser"),
    "ego_mlp": ("drivelab.agents.ego_mlp", "EgoMlp"),
}


def read_checkpoint(path: str | Path) -> dict[str, Tensor]:
    """Weights by the names of the published networks, without a checkpoint's prefix.

    Foreign objects beside the weights are neither imported nor run.

    Raises:
        DataError: no such file, a damaged one, or one without weights.
    """
    try:
        found = read_weights(path)
    except DataError as error:
        if not isinstance(error.__cause__, pickle.UnpicklingError):
            raise
        found = weights_in(read_inert(path), Path(path))
    for prefix in PREFIXES:
        if any(name.startswith(prefix) for name in found):
            return {name.removeprefix(prefix): tensor for name, tensor in found.items()}
    return found


def load_network(network: nn.Module, path: str | Path) -> None:
    """Fill a network with all the weights of a file, or raise and leave it as it is.

    Raises:
        DataError: a file that cannot be read, or that holds another model, anchors of another
            horizon, other names or shapes (all are listed), or values that are not finite.
    """
    given, wanted = read_checkpoint(path), network.state_dict()
    kind, own = kind_of(given), kind_of(wanted)
    if kind and own and kind != own:
        raise DataError(f"holds a {kind}, not a {own}; use it with agent={kind}", file=path)
    if ANCHORS in given and ANCHORS in wanted:
        _check_anchors(given[ANCHORS], wanted[ANCHORS], path)
    problems = problems_between(wanted, given)
    if problems:
        raise DataError(
            f"the weights do not fit {type(network).__name__}: {'; '.join(problems)}; if only "
            "shapes differ, choose the preset and options that the weights were trained with",
            file=path,
        )
    for name, tensor in given.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise DataError(
                "values that are not finite; take a checkpoint from before the training broke",
                file=path,
                where=name,
            )
    network.load_state_dict(given, strict=False)


def save_network(
    network: nn.Module, path: str | Path, *, notes: Mapping[str, str] | None = None
) -> None:
    """Write weights, name and configuration as safetensors; `notes` go into the metadata.

    A network of somebody's own has no name here, and a configuration if its is a dataclass;
    `load_network` fills it again.

    Raises:
        OSError: the disk is full, or the folder cannot be written to; an older file stays.
    """
    weights = {
        name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()
    }
    config = getattr(network, "config", None)
    sizes = asdict(config) if is_dataclass(config) and not isinstance(config, type) else {}
    told = {
        **(notes or {}),
        "network": kind_of(weights),
        "config": json.dumps(sizes, sort_keys=True),
    }
    write_tensors(weights, Path(path), told)


def open_network(path: str | Path) -> nn.Module:
    """The network of a file that `save_network` wrote, ready for inference.

    Raises:
        DataError: no such file, or not one of ours.
    """
    kind, config = read_metadata(path)
    place, name = PLACES[kind]
    made = load_object(f"{place}.policy:{name}Network")(
        config_of(load_object(f"{place}.config:{name}Config"), config, path)
    )
    load_network(made, path)
    return made.eval()


def read_metadata(path: str | Path) -> tuple[str, dict[str, Any]]:
    """The network's name and the fields of its configuration."""
    file = Path(path)
    try:
        with safe_open(file, framework="pt") as opened:
            told = opened.metadata() or {}
        config = dict(json.loads(told["config"]))
        kind = told["network"]
        PLACES[kind]
    except Exception as error:  # no file, no safetensors, or one of somebody else
        raise DataError(
            "is no file of drivelab's weights (safetensors with `network` and `config`); to load "
            "a published checkpoint name the agent and its preset beside it",
            file=file,
        ) from error
    return kind, {k: tuple(v) if isinstance(v, list) else v for k, v in config.items()}


def told_kind(path: str | Path) -> str | None:
    """The name of the network that a file of ours says it is of; None: it is none of ours."""
    try:
        with safe_open(Path(path), framework="pt") as opened:
            return (opened.metadata() or {}).get("network") or None
    except Exception:  # no safetensors; who reads it says what is wrong
        return None


def config_of(kind: Callable[..., Any], told: Mapping[str, Any], path: str | Path) -> Any:
    """The configuration that a file of weights tells of itself.

    Raises:
        DataError: it has options that are not known here, or values that cannot be.
    """
    known = [field.name for field in fields(cast(Any, kind))]
    strange = [name for name in told if name not in known]
    if strange:
        raise DataError(
            f"its configuration has options that this drivelab does not know: "
            f"{', '.join(strange)}; a newer one may have written it: update drivelab, or take "
            "other weights",
            file=path,
        )
    try:
        return kind(**told)
    except (ConfigError, TypeError, ValueError) as error:
        raise DataError(
            f"its configuration cannot be used ({error}); take other weights", file=path
        ) from error


def read_notes(path: str | Path) -> dict[str, str]:
    """What was noted beside the weights when they were saved.

    Raises:
        DataError: no such file, or not one of ours.
    """
    read_metadata(path)
    with safe_open(path, framework="pt") as opened:
        told: dict[str, str] = opened.metadata()
    return {name: text for name, text in told.items() if name not in ("network", "config")}


def kind_of(weights: Mapping[str, Tensor]) -> str:
    """Which network these are weights of, or nothing if unknown."""
    return next((kind for kind, sign in SIGNS.items() if sign in weights), "")


def _check_anchors(given: Tensor, wanted: Tensor, path: str | Path) -> None:
    if given.ndim == 3 and wanted.ndim == 3 and given.shape[:2] != wanted.shape[:2]:
        raise DataError(
            f"anchors of {given.shape[0]} modes with {given.shape[1]} poses, the network has "
            f"{wanted.shape[0]} modes with {wanted.shape[1]}: take other weights, or a preset of "
            "as many",
            file=path,
            where=ANCHORS,
        )
