"""SOG of PlayCanvas (spatially ordered Gaussians): numbers as lossless pictures, read only.

`meta.json` names WebP pictures, a pixel a Gaussian, in a zip (`.sog`) or a folder. Version 2 looks
bytes up in tables of 256 numbers; files without a version spread them between bounds. Centres are
16 bits of sign(x) ln(1 + |x|); rotations the three smaller components, the largest named by alpha.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
from PIL import Image

from drivelab.errors import DataError
from drivelab.kernels.splat import Gaussians
from drivelab.sim.splats.formats.bundle import Bundle
from drivelab.sim.splats.formats.packed_rotations import HALF, of_three
from drivelab.sim.splats.formats.stored import (
    RANKS,
    refuse_wrong,
    require_room,
    sigmoid,
    single,
)
from drivelab.sim.splats.memory import require_memory

META = "meta.json"
LONGEST = 4 << 20  # bytes of meta.json
ROW = 64  # entries of the palette in one row of its picture
LARGEST = 252  # alpha of a rotation whose first component was left out

Names = Annotated[list[str], msgspec.Meta(min_length=1, max_length=4)]
Table = Annotated[list[float], msgspec.Meta(min_length=256, max_length=256)]
Count = Annotated[int, msgspec.Meta(gt=0, lt=1 << 32)]
Bounds = float | list[float]


class _Layer(msgspec.Struct):
    """One kind of numbers: its pictures, and how bytes become numbers."""

    files: Names
    codebook: Table | None = None
    mins: Bounds | None = None
    maxs: Bounds | None = None
    shape: list[int] = []
    count: int = 0  # of the palette
    bands: int = 0


class _Meta(msgspec.Struct):
    means: _Layer
    scales: _Layer
    quats: _Layer
    sh0: _Layer
    shN: _Layer | None = None  # the file's word
    version: int = 1
    count: Count | None = None


def read_sog(path: str | Path) -> Gaussians:
    """Read Gaussians; float32.

    Args:
        path: a `.sog`, a folder with a `meta.json`, or that `meta.json`.

    Raises:
        DataError: no such file, not such a zip or folder, pictures that are missing, damaged or
            too small, or more than the memory holds.
    """
    place = Path(path)
    with Bundle(place.parent if place.name == META else place) as bundle:
        meta, count = _meta(bundle)
        rank = _rank(meta.shN, bundle.path)
        require_room(count, rank, file=bundle.path)
        means = _means(meta.means, bundle, count)
        quats = _quats(meta.quats, bundle, count)
        scales = _values(meta.scales, _pixels(meta.scales, 0, bundle, count)[:, :3], bundle)
        shade = _pixels(meta.sh0, 0, bundle, count)
        sh = np.zeros((count, rank, 3), np.float32)
        sh[:, 0] = _values(meta.sh0, shade[:, :3], bundle)
        if meta.shN is not None:
            sh[:, 1:] = _harmonics(meta.shN, bundle, count, rank - 1)
        if meta.sh0.codebook is None:
            opacities = sigmoid(_values(meta.sh0, shade, bundle)[:, 3])
        else:
            opacities = shade[:, 3] / 255.0
    with np.errstate(over="ignore"):
        found = single(means, quats, np.exp(scales), opacities, sh)
    refuse_wrong(found, file=bundle.path)
    return found


def _meta(bundle: Bundle) -> tuple[_Meta, int]:
    text = bundle.read(META)
    if len(text) > LONGEST:
        raise DataError(f"{len(text)} bytes; expected at most {LONGEST}", file=bundle.path,
                        where=META)  # fmt: skip
    try:
        meta = msgspec.json.decode(text, type=_Meta)
    except (msgspec.DecodeError, RecursionError) as error:
        raise DataError(f"{error}; expected SOG of version 2, or the older one without a version",
                        file=bundle.path, where=META) from error  # fmt: skip
    if meta.version not in (1, 2):
        raise DataError(f"is of version {meta.version}; SOG 2 and the older one without a version "
                        "are read", file=bundle.path, where=META)  # fmt: skip
    count = meta.count if meta.count is not None else (meta.means.shape or [0])[0]
    if count < 1:
        raise DataError("says no count of Gaussians", file=bundle.path, where=META)
    return meta, count


def _rank(layer: _Layer | None, file: Path) -> int:
    """Coefficients of a colour."""
    if layer is None:
        return 1
    degree = layer.bands
    if not degree and layer.shape:  # the older one says how many numbers a palette's entry has
        degree = {n * n - 1: n - 1 for n in (2, 3, 4)}.get(layer.shape[-1] // 3, 0)
    if degree not in (1, 2, 3) or len(layer.files) < 2:
        raise DataError(f"harmonics of {degree} bands in {len(layer.files)} pictures; expected 1 "
                        "to 3 bands, a palette and its labels", file=file, where="shN")  # fmt: skip
    return RANKS[degree]


def _means(layer: _Layer, bundle: Bundle, count: int) -> np.ndarray:
    low, high = _bounds(layer, 3, bundle)
    fine, coarse = (_pixels(layer, n, bundle, count)[:, :3].astype(float) for n in range(2))
    folded = low + (high - low) * (fine + 256.0 * coarse) / 65535.0
    with np.errstate(over="ignore"):
        means: np.ndarray = np.sign(folded) * np.expm1(np.abs(folded))
    return means


def _quats(layer: _Layer, bundle: Bundle, count: int) -> np.ndarray:
    pixels = _pixels(layer, 0, bundle, count)
    largest = pixels[:, 3].astype(np.int64) - LARGEST
    if (wrong := largest < 0).any():
        raise DataError(f"names the component {int(largest[wrong][0])}; expected 0 to 3: damaged, "
                        "or packed with losses", file=bundle.path,
                        where=f"rotation of Gaussian {int(wrong.argmax())}")  # fmt: skip
    return of_three(largest, (pixels[:, :3] / 127.5 - 1.0) * HALF)


def _harmonics(layer: _Layer, bundle: Bundle, count: int, coefficients: int) -> np.ndarray:
    """(count, coefficients, 3) by way of the palette."""
    palette = _picture(layer, 0, bundle)
    labels = _pixels(layer, 1, bundle, count)
    entries = labels[:, 0].astype(np.int64) + 256 * labels[:, 1].astype(np.int64)
    size = layer.count or ROW * len(palette)
    if palette.shape[1] != ROW * coefficients or -(-size // ROW) > len(palette):
        raise DataError(
            f"{palette.shape[1]} x {len(palette)} pixels; expected {ROW * coefficients} across and "
            f"enough rows for {size} entries",
            file=bundle.path, where=layer.files[0][:60],
        )  # fmt: skip
    if (wrong := entries >= size).any():
        raise DataError(f"entry {int(entries[wrong][0])} of a palette of {size}", file=bundle.path,
                        where=f"harmonics of Gaussian {int(wrong.argmax())}")  # fmt: skip
    rows = palette.reshape(-1, coefficients, 4)[entries, :, :3]
    return _values(layer, rows, bundle)


def _values(layer: _Layer, held: np.ndarray, bundle: Bundle) -> np.ndarray:
    """Bytes -> numbers: of the table, or between the bounds of each channel."""
    if layer.codebook is not None:
        found: np.ndarray = np.array(layer.codebook)[held]
        return found
    low, high = _bounds(layer, held.shape[-1], bundle)
    return low + (high - low) * (held / 255.0)


def _bounds(layer: _Layer, channels: int, bundle: Bundle) -> tuple[np.ndarray, np.ndarray]:
    """Least and greatest of each channel; one number stands for all of them."""
    ends = []
    for name, said in (("mins", layer.mins), ("maxs", layer.maxs)):
        end = np.array(np.nan if said is None else said, float).reshape(-1)
        if len(end) > channels:
            end = end[:channels]  # of opacities too, where only colours are asked for
        if len(end) not in (1, channels) or not np.isfinite(end).all():
            raise DataError(f"{said}; expected {channels} finite numbers, or a codebook",
                            file=bundle.path, where=f"{layer.files[0][:40]}: {name}")  # fmt: skip
        ends.append(end)
    return ends[0], ends[1]


def _pixels(layer: _Layer, number: int, bundle: Bundle, count: int) -> np.ndarray:
    """(count, 4) bytes, a pixel a Gaussian, row by row."""
    picture = _picture(layer, number, bundle)
    if picture.shape[0] * picture.shape[1] < count:
        raise DataError(f"{picture.shape[1]} x {picture.shape[0]} pixels; expected one for each of "
                        f"{count} Gaussians", file=bundle.path,
                        where=layer.files[number][:60])  # fmt: skip
    return picture.reshape(-1, 4)[:count]


def _picture(layer: _Layer, number: int, bundle: Bundle) -> np.ndarray:
    """(h, w, 4) bytes."""
    if number >= len(layer.files):
        raise DataError(f"{len(layer.files)} pictures; expected {number + 1}", file=bundle.path,
                        where=layer.files[0][:60])  # fmt: skip
    name = layer.files[number]
    data = bundle.read(name)
    try:
        with Image.open(io.BytesIO(data), formats=("WEBP", "PNG")) as picture:
            require_memory(8 * picture.width * picture.height, file=bundle.path, what=name[:60])
            return np.asarray(picture.convert("RGBA"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"is no whole picture ({error}); damaged, fetch it again",
                        file=bundle.path, where=name[:60]) from error  # fmt: skip
