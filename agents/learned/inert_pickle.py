"""Checkpoints that hold objects of other packages beside the weights, read without these packages.

Lightning keeps callbacks, hyper-parameters and whole configurations in a checkpoint. Here every
class and function of a file, except the few that tensors are made of, becomes a placeholder that
takes whatever it is given and does nothing: nothing of the file is imported or run.
"""

from __future__ import annotations

import pickle
import types
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch

from drivelab.errors import DataError

SCRIPT = "constants.pkl"  # only in archives of TorchScript, which hold code


class Placeholder:
    """Stands for an object of a foreign class, or for what a foreign function would return."""

    def __new__(cls, *_given: Any, **_named: Any) -> Placeholder:
        """Made of anything."""
        return object.__new__(cls)

    def __init__(self, *_given: Any, **_named: Any) -> None:
        return

    def __call__(self, *_given: Any, **_named: Any) -> Placeholder:
        """Called with anything."""
        return Placeholder()

    def __setstate__(self, _state: Any) -> None:
        return

    def __setitem__(self, _key: Any, _value: Any) -> None:
        return

    def append(self, _item: Any) -> None:
        """Of a foreign list."""

    def extend(self, _items: Any) -> None:
        """Of a foreign list."""

    def add(self, _item: Any) -> None:
        """Of a foreign set."""


def _tensor(*parts: Any) -> torch.Tensor:
    return torch._utils._rebuild_tensor_v2(*parts)


def _parameter(data: torch.Tensor, *_rest: Any) -> torch.Tensor:
    return data


def _found(module: str, name: str) -> Any:
    """What tensors are made of, or nothing.

    Functions are wrapped anew each time: a pickle may set attributes of what it gets hold of.
    """
    if (module, name) == ("collections", "OrderedDict"):
        return OrderedDict
    if module == "torch._utils" and name == "_rebuild_tensor_v2":
        return lambda *parts: _tensor(*parts)
    if module == "torch._utils" and name.startswith("_rebuild_parameter"):
        return lambda *parts: _parameter(*parts)
    return None


class InertUnpickler(pickle.Unpickler):
    """Finds what tensors are made of, and placeholders for the rest."""

    def find_class(self, module: str, name: str, /) -> Any:
        """Nothing is looked up in, or imported from, the module that the file names."""
        return _found(module, name) or type(
            "Placeholder", (Placeholder,), {"__doc__": f"{module}.{name}"}
        )


def read_inert(path: str | Path) -> Any:
    """What torch.save wrote, tensors as they are and foreign objects as placeholders.

    Raises:
        DataError: not an archive of torch.save, one of TorchScript, or a damaged one.
    """
    file = Path(path)
    reader = types.ModuleType("inert_pickle")
    reader.__dict__.update(Unpickler=InertUnpickler)
    if not zipfile.is_zipfile(file):
        raise DataError(
            "holds objects of other packages in the format that torch.save had before 1.6, or is "
            "damaged; fetch it again, or load it where it was made and save its state dict alone",
            file=file,
        )
    try:
        with zipfile.ZipFile(file) as archive:
            names = [Path(name).name for name in archive.namelist()]
        if SCRIPT in names:
            raise DataError("holds a TorchScript program, not weights", file=file)
        # weights_only would refuse any foreign class; the reader above is as strict
        return torch.load(file, map_location="cpu", weights_only=False, pickle_module=reader)
    except DataError:
        raise
    except Exception as error:  # a damaged byte can break any step
        raise DataError(
            f"cannot be read as weights ({type(error).__name__}: {error}); fetch it again",
            file=file,
        ) from error
