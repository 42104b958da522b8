"""Compressed PLY of PlayCanvas: chunks of 256 Gaussians, four 32-bit words each.

A chunk holds the bounds of its centres, log scales and colours; a word holds the place between
them: centres and scales in 11, 10, 11 bits, colours and opacities in 8 each, rotations as the three
smaller components in 10 each. Higher harmonics, if any, are bytes of their own.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from drivelab.errors import DataError
from drivelab.kernels.splat import Gaussians
from drivelab.kernels.splat.harmonics import C0
from drivelab.sim.splats.formats.packed_rotations import HALF, of_three, three_smaller
from drivelab.sim.splats.formats.ply import REST, rest_names
from drivelab.sim.splats.formats.ply_header import (
    Element,
    PlyHeader,
    check_length,
    read_header,
    rows_of,
)
from drivelab.sim.splats.formats.stored import (
    bytes_in_blocks,
    log_scales,
    refuse_wrong,
    require_room,
    single,
)
from drivelab.sim.splats.formats.z_order import z_order
from drivelab.sim.splats.writing import replace_file

CHUNK = 256
WIDEST = 20.0  # logs of scales are cut to +- this, as PlayCanvas does
_WIDE, _EVEN, _BYTES = (11, 10, 11), (10, 10, 10), (8, 8, 8, 8)
_REACH = 8.0  # harmonics within +-4
_AXES = {"centre": ("x", "y", "z"), "scale": ("scale_x", "scale_y", "scale_z"),
         "colour": ("r", "g", "b")}  # fmt: skip
_PACKED = ("packed_position", "packed_rotation", "packed_scale", "packed_color")


def is_compressed(header: PlyHeader) -> bool:
    """Whether a PLY holds chunks."""
    return header.elements[0].name == "chunk"


def read_compressed_ply(path: str | Path) -> Gaussians:
    """Read Gaussians; float32.

    Raises:
        DataError: no such file, not such a PLY, truncated, numbers that nothing can be made of,
            or more than the memory holds; says which and what to do.
    """
    file = Path(path)
    header = read_header(file)
    chunk, vertex, rest = _elements(header, file)
    check_length(header, os.path.getsize(file) - header.begin, file)
    require_room(vertex.count, rank := REST[len(rest)], file=file)
    chunks = rows_of(chunk, header.begin, file)
    begin = header.begin + chunk.size
    rows = rows_of(vertex, begin, file)
    sh = np.zeros((vertex.count, rank, 3), np.float32)
    if rest:
        third = header.elements[2]
        held = rows_of(third, begin + vertex.size, file)
        for n, name in enumerate(rest):
            sh[:, 1 + n % (rank - 1), n // (rank - 1)] = _harmonics(held[name])
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused below
        means = _between(chunks, "centre", _fractions(rows["packed_position"], _WIDE))
        logs = _between(chunks, "scale", _fractions(rows["packed_scale"], _WIDE))
        shares = _fractions(rows["packed_color"], _BYTES)
        colours = _between(chunks, "colour", shares[:, :3])
        sh[:, 0] = (colours - 0.5) / C0
        found = single(means, _quats(rows["packed_rotation"]), np.exp(logs), shares[:, 3], sh)
    refuse_wrong(found, file=file)
    return found


def write_compressed_ply(gaussians: Gaussians, path: str | Path) -> None:
    """Write Gaussians; whole or not at all.

    They are put in the order of a curve through space, so that those of a chunk lie together and
    its 11 bits are fine ones. Harmonics are cut to +-4, logs of scales to +-20.
    """
    order = z_order(np.asarray(gaussians.means, float))
    n, rest = len(order), 3 * (gaussians.sh.shape[1] - 1)
    table, words = _chunked(gaussians, order)
    harmonics = np.swapaxes(gaussians.sh[order, 1:], 1, 2).reshape(n, rest)
    # A step is 1/32; a byte stands for the middle of its step.
    packed_rest = bytes_in_blocks(harmonics, lambda part: np.floor((part / _REACH + 0.5) * 256.0))
    text = _header_text(len(table), n, rest)

    def fill(part: Path) -> None:
        with part.open("wb") as stream:
            for data in (text, table.tobytes(), words.tobytes(), packed_rest.tobytes()):
                stream.write(data)

    replace_file(Path(path), fill)


def _chunked(gaussians: Gaussians, order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bounds of the chunks, (c, 18), and the words of the Gaussians in an order, (n, 4)."""
    means, quats, scales, opacities = (
        np.asarray(getattr(gaussians, name), float)[order]
        for name in ("means", "quats", "scales", "opacities")
    )
    colours = 0.5 + C0 * np.asarray(gaussians.sh[:, 0], float)[order]
    logs = np.clip(log_scales(scales), -WIDEST, WIDEST)
    bounds: list[np.ndarray] = []
    shares: dict[str, np.ndarray] = {}
    for name, values in (("centre", means), ("scale", logs), ("colour", colours)):
        low, high, shares[name] = _within_chunks(values)
        bounds += [low, high]
    largest, others = three_smaller(quats)
    words = np.empty((len(order), 4), "<u4")
    words[:, 0] = _packed(shares["centre"], _WIDE)
    words[:, 1] = (largest << 30).astype(np.uint32) | _packed(others / (2 * HALF) + 0.5, _EVEN)
    words[:, 2] = _packed(shares["scale"], _WIDE)
    words[:, 3] = _packed(np.concatenate([shares["colour"], opacities[:, None]], 1), _BYTES)
    return np.concatenate(bounds, 1).astype("<f4"), words


def _header_text(chunks: int, count: int, rest: int) -> bytes:
    lines = ["ply", "format binary_little_endian 1.0", f"element chunk {chunks}"]
    for name in _AXES:
        lines += [f"property float {end}" for end in _ends(name)]
    lines += [f"element vertex {count}", *(f"property uint {name}" for name in _PACKED)]
    if rest:
        lines += [f"element sh {count}", *(f"property uchar f_rest_{n}" for n in range(rest))]
    return "\n".join([*lines, "end_header", ""]).encode()


def _elements(header: PlyHeader, file: Path) -> tuple[Element, Element, list[str]]:
    """Chunks, Gaussians, and the names of f_rest_*."""
    names = [element.name for element in header.elements]
    if names not in (["chunk", "vertex"], ["chunk", "vertex", "sh"]):
        raise DataError(f"its elements are {', '.join(names)[:100]}; expected chunk, vertex and "
                        "maybe sh, as PlayCanvas writes a compressed PLY", file=file)  # fmt: skip
    chunk, vertex = header.elements[:2]
    held = () if chunk.rows is None else chunk.rows.names or ()
    bounded = any(name in held for name in _ends("colour"))  # those of old files have no bounds
    ends = [end for name in _AXES if name != "colour" or bounded for end in _ends(name)]
    for element, wanted, kind in ((chunk, ends, "f"), (vertex, list(_PACKED), "u")):
        rows = element.rows or np.dtype([])
        if missing := [name for name in wanted if name not in (rows.names or ())]:
            raise DataError(
                f"its element {element.name} has no property {', '.join(missing)}; expected a "
                "compressed PLY as PlayCanvas writes it",
                file=file,
            )
        types = {rows[name] for name in wanted}
        if any(type_.kind != kind or type_.itemsize != 4 for type_ in types):
            raise DataError(f"its element {element.name} holds other types; expected "
                            f"{'float' if kind == 'f' else 'uint'}", file=file)  # fmt: skip
    if not vertex.count or chunk.count != -(-vertex.count // CHUNK):
        raise DataError(f"{chunk.count} chunks of {vertex.count} Gaussians; expected one for every "
                        f"{CHUNK}", file=file)  # fmt: skip
    return chunk, vertex, _rest(header, file)


def _ends(name: str) -> list[str]:
    """Properties of the bounds of a chunk, the lower ones first."""
    return [f"{end}_{axis}" for end in ("min", "max") for axis in _AXES[name]]


def _rest(header: PlyHeader, file: Path) -> list[str]:
    if len(header.elements) == 2:
        return []
    third = header.elements[2]
    rest = rest_names(() if third.rows is None else third.rows.names or (), file)
    if (
        third.count != header.elements[1].count
        or third.rows is None
        or any(third.rows[name] != np.uint8 for name in rest)
    ):
        raise DataError(f"{third.count} rows of sh; expected one of bytes for each of "
                        f"{header.elements[1].count} Gaussians", file=file)  # fmt: skip
    return rest


def _fractions(words: Any, bits: tuple[int, ...]) -> np.ndarray:
    """Words -> (n, fields) in 0..1, the first field highest."""
    words, shift, out = np.asarray(words), 0, []
    for width in reversed(bits):
        most = (1 << width) - 1
        out.append(((words >> np.uint32(shift)) & np.uint32(most)) / most)
        shift += width
    return np.stack(out[::-1], 1)


def _packed(shares: np.ndarray, bits: tuple[int, ...]) -> np.ndarray:
    """(n, fields) in 0..1 -> words, the first field highest."""
    word = np.zeros(len(shares), np.uint32)
    for values, width in zip(shares.T, bits, strict=True):
        most = (1 << width) - 1
        word = (word << np.uint32(width)) | np.clip(np.rint(values * most), 0, most).astype("u4")
    return word


def _between(chunks: Any, name: str, shares: np.ndarray) -> np.ndarray:
    """Places between the bounds of a chunk, (n, 3); colours of old files have no bounds."""
    if name == "colour" and "min_r" not in (chunks.dtype.names or ()):
        return shares
    of = np.arange(len(shares)) // CHUNK
    bounds = np.stack([chunks[end] for end in _ends(name)], 1).astype(float)
    low, high = bounds[:, :3], bounds[:, 3:]
    found: np.ndarray = low[of] * (1.0 - shares) + high[of] * shares
    return found


def _within_chunks(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bounds of each chunk as the file holds them, and the place of each value between them."""
    starts = np.arange(0, len(values), CHUNK)
    low = np.minimum.reduceat(values, starts).astype(np.float32)
    high = np.maximum.reduceat(values, starts).astype(np.float32)
    of = np.arange(len(values)) // CHUNK
    span = high.astype(float) - low
    span[span <= 0] = 1.0  # all are equal: all lie at the lower bound
    return low, high, (values - low[of]) / span[of]


def _harmonics(held: Any) -> np.ndarray:
    """Bytes -> coefficients; the two outermost bytes stand for the ends themselves."""
    held = np.asarray(held).astype(float)
    share = np.select([held == 0, held == 255], [0.0, 1.0], (held + 0.5) / 256.0)
    found: np.ndarray = (share - 0.5) * _REACH
    return found


def _quats(words: Any) -> np.ndarray:
    words = np.asarray(words)
    return of_three((words >> 30).astype(np.int64), (_fractions(words, _EVEN) - 0.5) * (2 * HALF))
