"""`.splat` files: 32 bytes a Gaussian, as antimatter15's viewer reads them. No header.

Three floats of the centre, three of the linear scales, then bytes: red, green, blue, opacity, and
the rotation wxyz as 128 q + 128. Colours are those seen from everywhere, in 0..1.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from drivelab.errors import DataError
from drivelab.kernels.splat import Gaussians
from drivelab.kernels.splat.harmonics import C0
from drivelab.sim.splats.formats.stored import (
    as_bytes,
    refuse_wrong,
    require_room,
    unit_quats,
)
from drivelab.sim.splats.writing import replace_file

ROW = np.dtype([("means", "<f4", 3), ("scales", "<f4", 3), ("rgba", "u1", 4), ("quats", "u1", 4)])
SAID = ("centre", "rotation", "scale", "opacity", "colour")


def read_splat(path: str | Path) -> Gaussians:
    """Read Gaussians of one colour each; float32.

    Raises:
        DataError: no such file, not a multiple of 32 bytes, numbers that nothing can be made of,
            or more than the memory holds.
    """
    file = Path(path)
    try:
        size = file.stat().st_size
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}", file=file) from error
    if not size or size % ROW.itemsize:
        raise DataError(f"{size} bytes; expected a multiple of {ROW.itemsize} (a Gaussian) above "
                        "0: truncated, or no .splat file", file=file)  # fmt: skip
    require_room(size // ROW.itemsize, 1, file=file)
    rows = np.fromfile(file, ROW)
    colours = (rows["rgba"][:, None, :3] / 255.0 - 0.5) / C0
    quats = (rows["quats"].astype(np.float32) - 128.0) / 128.0
    opacities = (rows["rgba"][:, 3] / 255.0).astype(np.float32)
    found = Gaussians(rows["means"].copy(), quats, rows["scales"].copy(), opacities,
                      colours.astype(np.float32))  # fmt: skip
    refuse_wrong(found, file=file, names=SAID)
    if (wrong := (found.scales < 0).any(1)).any():
        raise DataError("is below 0; written by something else, or damaged: export it again",
                        file=file, where=f"scale of Gaussian {int(wrong.argmax())}")  # fmt: skip
    return found


def write_splat(gaussians: Gaussians, path: str | Path) -> None:
    """Write Gaussians; whole or not at all.

    Colours lose what depends on the direction and are cut to 0..1, opacities and rotations are
    rounded to a byte.
    """
    rows = np.zeros(len(gaussians), ROW)
    rows["means"], rows["scales"] = gaussians.means, gaussians.scales
    colours = 0.5 + C0 * np.asarray(gaussians.sh[:, 0], float)
    rows["rgba"][:, :3] = as_bytes(255.0 * colours)
    rows["rgba"][:, 3] = as_bytes(255.0 * np.asarray(gaussians.opacities, float))
    rows["quats"] = as_bytes(128.0 * unit_quats(gaussians.quats) + 128.0)
    replace_file(Path(path), lambda part: rows.tofile(part))
