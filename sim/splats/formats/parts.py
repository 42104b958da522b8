"""Pieces of a checkpoint by name, with the shape that they must have."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from drivelab.errors import DataError
from drivelab.kernels.splat import Gaussians
from drivelab.sim.splats.formats.stored import RANKS, require_room, trained
from drivelab.sim.splats.formats.tensors import StoredTensor

Shape = tuple[int | None, ...]
_RANK = {rank - 1: rank for rank in RANKS.values()}


def table(held: Any, key: Any, *, file: Path, where: str) -> Mapping[Any, Any]:
    """A table within a table.

    Raises:
        DataError: it is not there, or is no table.
    """
    found = held.get(key) if isinstance(held, Mapping) else None
    if not isinstance(found, Mapping):
        raise DataError(f"no table {key!r}; expected one as its trainer writes it", file=file,
                        where=where)  # fmt: skip
    return found


def numbers(held: Any, key: Any, shape: Shape, *, file: Path, where: str) -> np.ndarray:
    """A tensor of this shape; None stands for any length.

    Args:
        held: a table or a tuple.
        key: of the table, or place in the tuple.
        shape: expected.
        file: named in messages.
        where: what messages call the table.

    Raises:
        DataError: it is not there, or has another shape.
    """
    try:
        found = held[key]
    except (KeyError, IndexError, TypeError):
        known = ", ".join(map(str, held))[:120] if isinstance(held, Mapping) else "less"
        raise DataError(f"no {key!r}; found {known}", file=file, where=where) from None
    if not isinstance(found, StoredTensor | np.ndarray):
        raise DataError(f"{type(found).__name__}; expected a tensor", file=file,
                        where=f"{where}[{key!r}]")  # fmt: skip
    if len(found.shape) != len(shape) or any(
        wanted not in (None, length) for wanted, length in zip(shape, found.shape, strict=True)
    ):
        wanted = ", ".join("n" if length is None else str(length) for length in shape)
        raise DataError(f"of shape {tuple(found.shape)}; expected ({wanted})", file=file,
                        where=f"{where}[{key!r}]")  # fmt: skip
    return found.array() if isinstance(found, StoredTensor) else np.asarray(found)


def gaussians(
    held: Any, keys: Mapping[str, Any], *, file: Path, where: str, planar: bool = False
) -> Gaussians:
    """Gaussians of the tensors that a trainer holds: logs of scales, logits of opacities.

    Args:
        held: a table or a tuple of tensors.
        keys: where `means`, `quats`, `scales`, `opacities`, `dc` and `rest` are in it.
        file: named in messages.
        where: what messages call the table.
        planar: whether there are two scales, of x and z, and 1 mm across (HUGSIM's ground).

    Raises:
        DataError: one is missing, of another shape, not drawable, or beyond the memory.
    """

    def of(name: str, *shape: int | None) -> np.ndarray:
        return numbers(held, keys[name], shape, file=file, where=where)

    def one_of(name: str, *shapes: Shape) -> np.ndarray:
        """Trainers differ in whether they keep an axis of length 1."""
        axes = len(getattr(_held(held, keys[name]), "shape", ()))
        return of(name, *next((shape for shape in shapes if len(shape) == axes), shapes[0]))

    count, rest = (_length(held, keys["means"], 0), _length(held, keys["rest"], 1))
    if rest not in _RANK:
        raise DataError(f"{rest} coefficients of a colour behind the first; expected 0, 3, 8 or 15",
                        file=file, where=f"{where}[{keys['rest']!r}]")  # fmt: skip
    if not count:
        raise DataError("holds no Gaussians", file=file, where=where)
    require_room(count, _RANK[rest], file=file)
    logs = of("scales", count, 2 if planar else 3)
    if planar:
        logs = np.stack([logs[:, 0], np.full(count, np.log(0.001)), logs[:, 1]], 1)
    first = one_of("dc", (count, 1, 3), (count, 3)).reshape(count, 1, 3)
    sh = np.concatenate([first, of("rest", count, rest, 3)], 1)
    logits = one_of("opacities", (count, 1), (count,)).reshape(count)
    named = [f"{where}[{keys[name]!r}]" for name in ("means", "quats", "scales", "opacities", "dc")]
    return trained(of("means", count, 3), of("quats", count, 4), logs, logits, sh, file=file,
                   names=named)  # fmt: skip


def _held(held: Any, key: Any) -> Any:
    try:
        return held[key]
    except (KeyError, IndexError, TypeError):
        return None


def _length(held: Any, key: Any, axis: int) -> int:
    """Of an axis of a tensor, 0 where there is none: the reader of the tensor tells what is."""
    shape = getattr(_held(held, key), "shape", ())
    return int(shape[axis]) if len(shape) > axis else 0
