"""Published weights, from the files their authors or others wrote."""

from __future__ import annotations

import argparse
import pickle
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from drivelab.errors import ConfigError, DataError

KEYS = ("ema", "model", "state_dict")  # under which training code keeps the weights
WRAPPER = "module."  # what data-parallel training puts before each name
COUNTER = "num_batches_tracked"  # of a batch norm: torch, too, loads weights without it
SHOWN = 6  # names in a message


def load_checkpoint(
    network: nn.Module, path: str | Path, *, prefix: str = "", without: Sequence[str] = ()
) -> None:
    """Fill a network with the weights of a file; all of them, or none and an error.

    Everything is compared before the first parameter changes. The counters of batch norms
    (`num_batches_tracked`), which older files lack, keep their values where the file has none.

    Args:
        network: whose parameter names are the published ones.
        path: a .safetensors file, or what torch.save wrote.
        prefix: of the names in the file that belong to the network; others are left alone.
        without: beginnings of names that neither side needs, such as "head.".

    Raises:
        DataError: no such file, one that is damaged or holds other objects than tensors, plain
            values and `argparse.Namespace`, or weights with other names, shapes or kinds of
            numbers than the network's, or without values, all of which are listed.
        ConfigError: a network on the "meta" device, which has no values to fill.
    """
    given = {
        name.removeprefix(prefix): tensor
        for name, tensor in read_weights(path).items()
        if name.startswith(prefix)
    }
    dropped = tuple(without)
    wanted = {n: t for n, t in network.state_dict().items() if not n.startswith(dropped)}
    given = {n: t for n, t in given.items() if not n.startswith(dropped)}
    if any(tensor.is_meta for tensor in wanted.values()):
        raise ConfigError(
            f"{type(network).__name__} is on the device 'meta', where weights have no values; "
            "call its to_empty(device='cpu') before loading"
        )
    problems = problems_between(wanted, given)
    if problems:
        raise DataError(
            f"the weights do not fit {type(network).__name__}: {'; '.join(problems)}", file=path
        )
    network.load_state_dict(given, strict=False)


def problems_between(wanted: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> list[str]:
    """What keeps the given tensors from becoming the wanted ones, all of it."""
    needed = {name for name in wanted if not name.endswith(COUNTER)}
    unfit = {n: _unfit(t, wanted[n]) for n, t in given.items() if n in wanted}
    fit = {n: t for n, t in given.items() if not unfit.get(n)}
    told = [
        _told("missing", needed - given.keys()),
        _told("unexpected", given.keys() - wanted.keys()),
        _told("of another kind", [f"{n} {problem}" for n, problem in unfit.items() if problem]),
        _told("of another shape", _other_shapes(wanted, fit)),
    ]
    return [problem for problem in told if problem]


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """Tensors by name; nothing in the file is run.

    Raises:
        DataError: no such file, or one without weights, damaged, or with other objects in it.
    """
    file = Path(path)
    if not file.is_file():
        raise DataError("no such file; expected weights as .safetensors, .pth or .pt", file=file)
    try:
        if file.suffix == ".safetensors":
            return load_file(file)
        with _namespaces_allowed():
            found = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise DataError(
            "holds other Python objects than tensors, or none at all; load it where it was made "
            "and save its state dict alone, best as .safetensors",
            file=file,
        ) from error
    except Exception as error:  # a damaged byte can break any step of either reader
        raise DataError(
            f"cannot be read as weights ({type(error).__name__}: {error}); fetch it again",
            file=file,
        ) from error
    return weights_in(found, file)


def _namespaces_allowed() -> AbstractContextManager[Any]:
    """Training code keeps its command line beside the weights; a Namespace only holds values.

    What the process allows already stays so: torch takes away all that is named here.
    """
    allowed = torch.serialization.get_safe_globals()
    return torch.serialization.safe_globals(
        [] if argparse.Namespace in allowed else [argparse.Namespace]
    )


def weights_in(found: Any, file: Path) -> dict[str, Tensor]:
    """The state dict, wherever the training code kept it, without a wrapper's prefix."""
    tables = [*(found.get(key) for key in KEYS), found] if isinstance(found, Mapping) else []
    for table in tables:
        inner = table if isinstance(table, Mapping) else {}
        weights = {str(n): t for n, t in inner.items() if isinstance(t, Tensor)}
        if weights and all(name.startswith(WRAPPER) for name in weights):
            return {name.removeprefix(WRAPPER): tensor for name, tensor in weights.items()}
        if weights:
            return weights
    raise DataError(
        f"no weights in it; expected tensors by name, or such a table under {', '.join(KEYS)}",
        file=file,
    )


def _unfit(given: Tensor, wanted: Tensor) -> str:
    """Why a tensor's numbers cannot become the network's, or nothing."""
    if given.is_meta:
        return "without values (device meta)"
    if given.is_nested or given.layout != torch.strided:
        return f"nested or {given.layout} for a dense one"
    if _numbers(given) != _numbers(wanted):
        return f"{given.dtype} for {wanted.dtype}"
    return ""


def _numbers(tensor: Tensor) -> str:
    """What kind of numbers: precision may differ, the kind may not."""
    if tensor.is_floating_point():
        return "real"
    whole = not (tensor.is_complex() or tensor.is_quantized or tensor.dtype == torch.bool)
    return "whole" if whole else str(tensor.dtype)


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
