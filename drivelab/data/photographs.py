"""Photographs with poses, as structure-from-motion tools write them: where, by which lens."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from drivelab.errors import DataError

MODELS = ("pinhole", "fisheye")
FOCAL = (0.04, 100.0)  # in sizes of the picture: angles of view of about 171 and 0.6 degrees


@dataclass(frozen=True, slots=True, eq=False)
class Lens:
    """How a camera maps directions to pixels, with pixel middles at halves.

    Attributes:
        model: "pinhole" with OpenCV's distortion k1, k2, p1, p2, k3, or "fisheye" (equidistant)
            with k1, k2, k3, k4.
        width: of the picture that it was calibrated with [px].
        height: likewise.
        intrinsic: (3, 3) [px].
        distortion: (5,) of a pinhole, (4,) of a fisheye.
    """

    model: str
    width: int
    height: int
    intrinsic: Float[np.ndarray, "3 3"]
    distortion: Float[np.ndarray, " k"]

    def check(self, file: Path, where: str) -> None:
        """Refuse what no camera has.

        Raises:
            DataError: a focal length that is not above 0, a middle outside the picture, ...
        """
        focal, middle = self.intrinsic.diagonal()[:2], self.intrinsic[:2, 2]
        numbers = (*focal, *middle, *self.distortion)
        if not np.isfinite(numbers).all() or min(focal) <= 0:
            raise DataError(f"focal lengths {focal}; expected finite numbers above 0 [px]",
                            file=file, where=where)  # fmt: skip
        if not (1 <= self.width <= 65536 and 1 <= self.height <= 65536):
            raise DataError(f"pictures of {self.width} x {self.height} px; expected 1 to 65536",
                            file=file, where=where)  # fmt: skip
        size = max(self.width, self.height)
        if not FOCAL[0] * size <= min(focal) <= max(focal) <= FOCAL[1] * size:
            raise DataError(
                f"focal lengths {focal} for pictures of {self.width} x {self.height} px; expected "
                f"{FOCAL[0] * size:g} to {FOCAL[1] * size:g}: are they in pixels, and of this "
                "camera?",
                file=file,
                where=where,
            )
        if not (0 < middle[0] < self.width and 0 < middle[1] < self.height):
            raise DataError(
                f"its middle {middle[0]:.1f}, {middle[1]:.1f} lies outside the picture of "
                f"{self.width} x {self.height} px; are intrinsics and size of the same picture?",
                file=file,
                where=where,
            )


@dataclass(frozen=True, slots=True, eq=False)
class Photograph:
    """One picture.

    Attributes:
        file: where it lies.
        lens: that it was taken with.
        cam_from_scene: (4, 4) rigid, OpenCV's axes: x right, y down, z forward.
        group: number of its camera, from 0.
    """

    file: Path
    lens: Lens
    cam_from_scene: Float[np.ndarray, "4 4"]
    group: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Photographs:
    """All pictures of a place, and points that were found on the way.

    Attributes:
        pictures: by name.
        points: (n, 3) in the scene's frame.
        colours: (n, 3) of these, 0..1.
    """

    pictures: tuple[Photograph, ...]
    points: Float[np.ndarray, "n 3"]
    colours: Float[np.ndarray, "n 3"]


def inside(root: Path, name: str, *, file: Path, where: str) -> Path:
    """A file that is named by another one; names that lead out of the root are refused.

    Raises:
        DataError: it leads out of the root, or is not there.
    """
    found = root / name
    if "\0" in name:
        raise DataError(f"{name[:200]!r} is no path", file=file, where=where)
    if not found.resolve().is_relative_to(root.resolve()):
        raise DataError(f"{name[:200]!r} leads out of {root}; expected a path below it", file=file,
                        where=where)  # fmt: skip
    if not found.is_file():
        raise DataError(f"{found} is not there; expected the file that it names", file=file,
                        where=where)  # fmt: skip
    return found


def rigid(matrix: Float[np.ndarray, "4 4"], *, file: Path, where: str) -> Float[np.ndarray, "4 4"]:
    """A rigid motion, as it is.

    Raises:
        DataError: it is none.
    """
    turn = matrix[:3, :3]
    fits = np.isfinite(matrix).all() and np.abs(turn @ turn.T - np.eye(3)).max() < 1e-3
    if not fits or np.linalg.det(turn) <= 0:
        raise DataError("no rigid motion; expected a rotation (axes of length 1 at right angles, "
                        "right-handed) and finite metres", file=file, where=where)  # fmt: skip
    return matrix
