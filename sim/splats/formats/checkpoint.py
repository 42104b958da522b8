"""Checkpoints of trainers: whose one is, is told by what is in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from drivelab.errors import DataError
from drivelab.sim.splats.formats import drivestudio, gsplat_checkpoint, hugsim, street_gaussians
from drivelab.sim.splats.formats.tensors import read_checkpoint_data
from drivelab.sim.splats.scene import SplatScene

KINDS = {"gsplat": gsplat_checkpoint, "drivestudio": drivestudio,
         "street_gaussians": street_gaussians, "hugsim": hugsim}  # fmt: skip


def kind_of(path: str | Path) -> str:
    """Whose checkpoint a file is, by the names of `table.FORMATS`; no tensor is read.

    Raises:
        DataError: nobody's who is known, or no readable checkpoint.
    """
    file = Path(path)
    return _kind(read_checkpoint_data(file), file)


def read_checkpoint(path: str | Path) -> SplatScene:
    """Read a checkpoint, or the `scene.pth` of a scene folder of HUGSIM.

    Raises:
        UnsafePickleError: it holds objects of other programs; the message says how to convert it.
        DataError: it is missing, truncated, nobody's who is known, or something in it is missing,
            of another shape, or not finite.
    """
    file = Path(path)
    if file.is_dir():
        file = file / hugsim.SCENE
    held = read_checkpoint_data(file)
    return KINDS[_kind(held, file)].scene_of(held, file)


def _kind(held: Any, file: Path) -> str:
    for name, module in KINDS.items():
        if module.fits(held):
            return name
    if isinstance(held, Mapping):
        found = f"the keys {', '.join(map(str, held))[:120]}"
    else:
        found = f"a {type(held).__name__}"
    raise DataError(
        f"is a checkpoint of torch with {found}; expected splats (gsplat's simple_trainer), models "
        "(DriveStudio), background (Street Gaussians) or a tuple of parameters (HUGSIM)",
        file=file,
    )
