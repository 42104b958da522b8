"""Gaussians as the PLY files of INRIA's and nerfstudio's trainers hold them.

Little-endian rows by property name: centres, colours `f_dc_*` and `f_rest_*` (all of red, then
green, then blue), logits of opacities, logs of scales, rotations wxyz. Normals and anything else
(HUGSIM's `semantic_*`) are passed over.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from drivelab.errors import DataError
from drivelab.kernels.splat import Gaussians
from drivelab.sim.splats.formats.ply_header import (
    Element,
    check_length,
    read_header,
    rows_of,
)
from drivelab.sim.splats.formats.stored import log_scales, logit, require_room, trained
from drivelab.sim.splats.writing import replace_file

REST = {0: 1, 9: 4, 24: 9, 45: 16}  # number of f_rest_* -> coefficients of a colour
SAID = ("x, y, z", "rot_*", "scale_*", "opacity", "f_*")  # names of the five in messages
_MEANS, _DC = ("x", "y", "z"), ("f_dc_0", "f_dc_1", "f_dc_2")
_SCALES, _QUATS = tuple(f"scale_{n}" for n in range(3)), tuple(f"rot_{n}" for n in range(4))


def read_ply(path: str | Path) -> Gaussians:
    """Read Gaussians: linear scales, opacities in 0..1, rotations as stored; float32.

    Raises:
        DataError: no such file, not such a PLY, truncated, numbers that nothing can be made of,
            or more than the memory holds; says which and what to do.
    """
    file = Path(path)
    header = read_header(file)
    vertex = header.elements[0]
    rest = _rest(vertex, file)
    check_length(header, os.path.getsize(file) - header.begin, file)
    require_room(vertex.count, rank := REST[len(rest)], file=file)
    rows = rows_of(vertex, header.begin, file)
    with np.errstate(over="ignore", invalid="ignore"):  # what float32 cannot hold is refused below
        sh = np.empty((vertex.count, rank, 3), np.float32)
        sh[:, 0] = _columns(rows, _DC)
        for n, name in enumerate(rest):
            sh[:, 1 + n % (rank - 1), n // (rank - 1)] = rows[name]
        means, quats = _columns(rows, _MEANS), _columns(rows, _QUATS)
        logits, logs = _columns(rows, ("opacity",))[:, 0], _columns(rows, _SCALES)
    return trained(means, quats, logs, logits, sh, file=file, names=SAID)


def write_ply(gaussians: Gaussians, path: str | Path) -> None:
    """Write Gaussians in the order of INRIA's trainer, with normals of 0; whole or not at all.

    Opacities of 0 and 1 become 2^-24 from there, scales below 1e-12 m become that.
    """
    rest = 3 * (gaussians.sh.shape[1] - 1)
    names = [*_MEANS, "nx", "ny", "nz", *_DC, *(f"f_rest_{n}" for n in range(rest)), "opacity"]
    names += [*_SCALES, *_QUATS]
    rows = np.zeros((len(gaussians), len(names)), "<f4")
    rows[:, :3] = gaussians.means
    rows[:, 6:9] = gaussians.sh[:, 0]
    rows[:, 9 : 9 + rest] = np.swapaxes(gaussians.sh[:, 1:], 1, 2).reshape(len(rows), rest)
    rows[:, -8] = logit(gaussians.opacities)
    rows[:, -7:-4] = log_scales(gaussians.scales)
    rows[:, -4:] = gaussians.quats
    lines = ["ply", "format binary_little_endian 1.0", f"element vertex {len(rows)}"]
    lines += [f"property float {name}" for name in names]
    text = "\n".join([*lines, "end_header", ""]).encode()

    def fill(part: Path) -> None:
        with part.open("wb") as stream:
            stream.write(text)
            stream.write(rows.data)

    replace_file(Path(path), fill)


def _rest(vertex: Element, file: Path) -> list[str]:
    """The names of f_rest_* of the Gaussians, all else that is needed being there."""
    if vertex.name != "vertex":
        hint = " (a compressed PLY)" if vertex.name == "chunk" else ""
        raise DataError(f"its first element is {vertex.name[:40]!r}{hint}; expected 'element "
                        "vertex COUNT'", file=file)  # fmt: skip
    if not vertex.count:
        raise DataError("'0' Gaussians; expected a count above 0", file=file)
    if vertex.rows is None:
        raise DataError("its vertices have a list; expected 'property TYPE NAME' alone", file=file)
    names = vertex.rows.names or ()
    wanted = (*_MEANS, *_DC, "opacity", *_SCALES, *_QUATS)
    if missing := [name for name in wanted if name not in names]:
        raise DataError(
            f"has no property {', '.join(missing)}; expected Gaussians as INRIA's or nerfstudio's "
            f"trainer writes them, found {', '.join(names)[:200]}",
            file=file,
        )
    return rest_names(names, file)


def rest_names(names: tuple[str, ...], file: Path) -> list[str]:
    """The f_rest_* among the names of properties.

    Raises:
        DataError: their number is of no degree, or they are not counted from 0 on.
    """
    count = sum(name.startswith("f_rest_") for name in names)
    rest = [f"f_rest_{n}" for n in range(count)]
    if count not in REST or any(name not in names for name in rest):
        raise DataError(
            f"{count} properties f_rest_*; expected f_rest_0 on, 0, 9, 24 or 45 of them (colours "
            "of degree 0 to 3)",
            file=file,
        )
    return rest


def _columns(rows: Any, names: tuple[str, ...]) -> np.ndarray:
    return np.stack([rows[name] for name in names], -1).astype(np.float32)
