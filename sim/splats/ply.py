"""Gaussians as the PLY files of INRIA's and nerfstudio's trainers hold them.

Little-endian rows by property name: centres, colours `f_dc_*` and `f_rest_*` (all of red, then
green, then blue), logits of opacities, logs of scales, rotations wxyz. Normals and anything else
are passed over.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from drivelab.errors import DataError
from drivelab.kernels.splat import Gaussians
from drivelab.sim.splats.checks import no_rotations
from drivelab.sim.splats.memory import CHECKED, require_memory
from drivelab.sim.splats.writing import replace_file

HEADER = 1 << 16  # bytes that a header has at most
REST = {0: 1, 9: 4, 24: 9, 45: 16}  # number of f_rest_* -> coefficients of a colour
LEAST_SCALE = 1e-12  # [m]; the log of 0 cannot be stored
CERTAIN = 2.0**-24  # nearest that a stored opacity comes to 0 and 1
_TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "<i2", "int16": "<i2",
    "ushort": "<u2", "uint16": "<u2", "int": "<i4", "int32": "<i4", "uint": "<u4",
    "uint32": "<u4", "float": "<f4", "float32": "<f4", "double": "<f8", "float64": "<f8",
}  # fmt: skip
_MEANS, _DC = ("x", "y", "z"), ("f_dc_0", "f_dc_1", "f_dc_2")
_SCALES, _QUATS = tuple(f"scale_{n}" for n in range(3)), tuple(f"rot_{n}" for n in range(4))


@dataclass(frozen=True, slots=True)
class _Header:
    rows: np.dtype  # of one Gaussian
    count: int
    begin: int  # byte of the first row
    last: bool  # whether nothing but the Gaussians follows


def read_ply(path: str | Path) -> Gaussians:
    """Read Gaussians: linear scales, opacities in 0..1, rotations as stored; float32.

    Raises:
        DataError: no such file, not such a PLY, truncated, numbers that nothing can be made of,
            or more than the memory holds; says which and what to do.
    """
    file = Path(path)
    header = _header(file)
    names = header.rows.names or ()
    rest = _rest_names(names, file)
    _check_size(file, header, rank := REST[len(rest)])
    rows = np.memmap(file, header.rows, "r", header.begin, (header.count,))
    # What is too large for float32 becomes infinity, and is refused with all else that is not
    # finite.
    with np.errstate(over="ignore", invalid="ignore"):
        sh = np.empty((header.count, rank, 3), np.float32)
        sh[:, 0] = _columns(rows, _DC)
        for n, name in enumerate(rest):
            sh[:, 1 + n % (rank - 1), n // (rank - 1)] = rows[name]
        logits = _columns(rows, ("opacity",))[:, 0].astype(float)
        scales = np.exp(_columns(rows, _SCALES).astype(float)).astype(np.float32)
        opacities = (1.0 / (1.0 + np.exp(-logits))).astype(np.float32)
        found = Gaussians(_columns(rows, _MEANS), _columns(rows, _QUATS), scales, opacities, sh)
    _check_numbers(found, logits, file)
    return found


def write_ply(gaussians: Gaussians, path: str | Path) -> None:
    """Write Gaussians in the order of INRIA's trainer, with normals of 0; whole or not at all.

    Opacities of 0 and 1 become 2^-24 from there, scales below 1e-12 m become that.
    """
    rest = 3 * (gaussians.sh.shape[1] - 1)
    names = [*_MEANS, "nx", "ny", "nz", *_DC, *(f"f_rest_{n}" for n in range(rest)), "opacity"]
    names += [*_SCALES, *_QUATS]
    rows = np.zeros((len(gaussians), len(names)), "<f4")
    opacities = np.clip(np.asarray(gaussians.opacities, float), CERTAIN, 1.0 - CERTAIN)
    rows[:, :3] = gaussians.means
    rows[:, 6:9] = gaussians.sh[:, 0]
    rows[:, 9 : 9 + rest] = np.swapaxes(gaussians.sh[:, 1:], 1, 2).reshape(len(rows), rest)
    rows[:, -8] = np.log(opacities / (1.0 - opacities))
    rows[:, -7:-4] = np.log(np.maximum(gaussians.scales, LEAST_SCALE))
    rows[:, -4:] = gaussians.quats
    lines = ["ply", "format binary_little_endian 1.0", f"element vertex {len(rows)}"]
    lines += [f"property float {name}" for name in names]
    text = "\n".join([*lines, "end_header", ""]).encode()

    def fill(part: Path) -> None:
        with part.open("wb") as stream:
            stream.write(text)
            stream.write(rows.data)

    replace_file(Path(path), fill)


def _header(file: Path) -> _Header:
    try:
        with file.open("rb") as stream:
            start = stream.read(HEADER)
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}", file=file) from error
    if not start.startswith(b"ply"):
        raise DataError("is no PLY file: it does not begin with 'ply'", file=file)
    mark = start.find(b"end_header")
    end = start.find(b"\n", mark)
    if mark < 0 or end < 0:
        raise DataError(
            f"has no end_header in its first {HEADER} bytes; truncated or no PLY", file=file
        )
    lines = [line.split() for line in start[:mark].decode("latin-1").splitlines()[1:]]
    lines = [words for words in lines if words and words[0] not in ("comment", "obj_info")]
    if not lines or lines[0][:2] != ["format", "binary_little_endian"]:
        found = " ".join(lines[0]) if lines else "nothing"
        raise DataError(
            f"{found[:60]!r} in its header; expected 'format binary_little_endian 1.0': export "
            "it again as binary PLY",
            file=file,
        )
    return _Header(*_vertices(lines[1:], file), begin=end + 1, last=_last(lines))


def _vertices(lines: list[list[str]], file: Path) -> tuple[np.dtype, int]:
    """Row type and count of the element `vertex`."""
    if not lines or lines[0][:2] != ["element", "vertex"] or len(lines[0]) != 3:
        found = " ".join(lines[0])[:60] if lines else "nothing"
        hint = " (a compressed PLY, which is not read)" if found.startswith("element chunk") else ""
        raise DataError(f"its first element is {found!r}{hint}; expected 'element vertex COUNT'",
                        file=file)  # fmt: skip
    if not (lines[0][2].isdecimal() and 0 < int(lines[0][2][:20]) < 1 << 40):
        raise DataError(f"{lines[0][2][:40]!r} Gaussians; expected a count above 0", file=file)
    fields: list[tuple[str, str]] = []
    for words in lines[1:]:
        if words[0] != "property":
            break
        if len(words) != 3 or words[1] not in _TYPES:
            raise DataError(f"{' '.join(words)[:60]!r} in its header; expected 'property TYPE "
                            f"NAME' with one of {', '.join(_TYPES)}", file=file)  # fmt: skip
        fields.append((words[2], _TYPES[words[1]]))
    names = [name for name, _ in fields]
    if twice := {name for name in names if names.count(name) > 1}:
        raise DataError(f"the property {min(twice)!r} twice in its header", file=file)
    wanted = (*_MEANS, *_DC, "opacity", *_SCALES, *_QUATS)
    if missing := [name for name in wanted if name not in names]:
        raise DataError(
            f"has no property {', '.join(missing)}; expected Gaussians as INRIA's or nerfstudio's "
            f"trainer writes them, found {', '.join(names)[:200]}",
            file=file,
        )
    return np.dtype(fields), int(lines[0][2])


def _last(lines: list[list[str]]) -> bool:
    return sum(words[0] == "element" for words in lines) == 1


def _rest_names(names: tuple[str, ...], file: Path) -> list[str]:
    count = sum(name.startswith("f_rest_") for name in names)
    rest = [f"f_rest_{n}" for n in range(count)]
    if count not in REST or any(name not in names for name in rest):
        raise DataError(
            f"{count} properties f_rest_*; expected f_rest_0 on, 0, 9, 24 or 45 of them (colours "
            "of degree 0 to 3)",
            file=file,
        )
    return rest


def _check_size(file: Path, header: _Header, rank: int) -> None:
    needed, found = header.rows.itemsize * header.count, os.path.getsize(file) - header.begin
    if found < needed or (header.last and found > needed):
        raise DataError(
            f"{found} bytes behind its header, which names {header.count} Gaussians of "
            f"{header.rows.itemsize} bytes = {needed}; truncated or damaged, fetch it again",
            file=file,
        )
    require_memory(CHECKED * 4 * header.count * (11 + 3 * rank), file=file, what="its Gaussians")


def _columns(rows: Any, names: tuple[str, ...]) -> np.ndarray:
    return np.stack([rows[name] for name in names], -1).astype(np.float32)


def _check_numbers(found: Gaussians, logits: np.ndarray, file: Path) -> None:
    for key, values in (
        ("x, y, z", found.means), ("rot_*", found.quats), ("scale_*", found.scales),
        ("opacity", logits), ("f_*", found.sh),
    ):  # fmt: skip
        wrong = ~np.isfinite(values).reshape(len(values), -1).all(1)
        if key == "rot_*":
            wrong |= no_rotations(values)
        if wrong.any():
            raise DataError(
                f"{int(wrong.sum())} Gaussians are wrong; expected finite numbers (scales as "
                "logs) and rotations longer than 0; train or export it again",
                file=file,
                where=f"{key} of Gaussian {int(wrong.argmax())}",
            )
