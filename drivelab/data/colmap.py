"""COLMAP's sparse models (cameras, images, points3D; binary or text), read by ourselves.

Format: https://colmap.github.io/format.html. Counts of binary files are held against what is left
of the file before anything is made of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from drivelab.data.colmap_binary import binary_cameras, binary_images, binary_points
from drivelab.data.colmap_text import text_cameras, text_images, text_points
from drivelab.data.photographs import Lens, Photograph, Photographs, inside, rigid
from drivelab.errors import DataError

PLACES = ("", "sparse/0", "sparse", "colmap/sparse/0")  # of a model below the folder
PARTS = ("cameras", "images", "points3D")
# Model -> which of fx fy cx cy and of the distortion each parameter is.
_PINHOLE = {
    "SIMPLE_PINHOLE": ("f", "cx", "cy"),
    "PINHOLE": ("fx", "fy", "cx", "cy"),
    "SIMPLE_RADIAL": ("f", "cx", "cy", "k1"),
    "RADIAL": ("f", "cx", "cy", "k1", "k2"),
    "OPENCV": ("fx", "fy", "cx", "cy", "k1", "k2", "p1", "p2"),
}
_FISHEYE = {
    "OPENCV_FISHEYE": ("fx", "fy", "cx", "cy", "k1", "k2", "k3", "k4"),
    "SIMPLE_RADIAL_FISHEYE": ("f", "cx", "cy", "k1"),
    "RADIAL_FISHEYE": ("f", "cx", "cy", "k1", "k2"),
}


def read_colmap(folder: Path, *, images: str = "images") -> Photographs:
    """A model and its pictures.

    Args:
        folder: with cameras, images and points3D (.bin or .txt), or with `sparse/0` that has them.
        images: folder of the pictures below it, e.g. images_4.

    Raises:
        DataError: a file is missing, cut off or not what its format says; names it, the entry and
            what was expected.
    """
    model = _model(folder)
    kind = ".bin" if (model / "cameras.bin").is_file() else ".txt"
    files = [model / f"{part}{kind}" for part in PARTS]
    for file in files:
        if not file.is_file():
            raise DataError("no such file; a model has cameras, images and points3D, all .bin or "
                            "all .txt", file=file)  # fmt: skip
    read = (binary_cameras, binary_images, binary_points)
    if kind == ".txt":
        read = (text_cameras, text_images, text_points)
    lenses = {
        number: _lens(name, size, values, files[0], f"camera {number}")
        for number, name, size, values in read[0](files[0])
    }
    groups = {number: n for n, number in enumerate(sorted(lenses))}
    root = folder / images
    if not root.is_dir():
        raise DataError("no such folder; name that of the pictures by photos.images=", file=root)
    pictures = []
    for name, pose, camera in sorted(_posed(read[1](files[1]), files[1]), key=lambda row: row[0]):
        where = f"image {name[:100]!r}"
        if camera not in lenses:
            raise DataError(f"camera {camera} is not in {files[0].name}", file=files[1],
                            where=where)  # fmt: skip
        file = inside(root, name, file=files[1], where=where)
        pictures.append(Photograph(file, lenses[camera], pose, groups[camera]))
    points, colours = read[2](files[2])
    return Photographs(tuple(pictures), points, colours)


def _model(folder: Path) -> Path:
    for place in PLACES:
        if any((folder / place / f"cameras{end}").is_file() for end in (".bin", ".txt")):
            return folder / place
    raise DataError("holds no COLMAP model; expected cameras.bin or cameras.txt in it or in its "
                    "sparse/0", file=folder)  # fmt: skip


def _lens(
    name: str, size: tuple[int, int], values: tuple[float, ...], file: Path, where: str
) -> Lens:
    names = _PINHOLE.get(name) or _FISHEYE.get(name)
    if names is None:
        known = ", ".join((*_PINHOLE, *_FISHEYE))
        raise DataError(f"model {name[:40]}; expected one of {known}: undistort the pictures by "
                        "COLMAP's image_undistorter", file=file, where=where)  # fmt: skip
    if len(values) != len(names):
        raise DataError(f"{len(values)} parameters; {name} has {len(names)}", file=file,
                        where=where)  # fmt: skip
    found = dict(zip(names, values, strict=True))
    across, down = found.get("fx", found.get("f", 0.0)), found.get("fy", found.get("f", 0.0))
    intrinsic = np.array([[across, 0, found["cx"]], [0, down, found["cy"]], [0, 0, 1.0]])
    order = ("k1", "k2", "p1", "p2", "k3") if name in _PINHOLE else ("k1", "k2", "k3", "k4")
    distortion = np.array([found.get(key, 0.0) for key in order])
    model = "pinhole" if name in _PINHOLE else "fisheye"
    lens = Lens(model, *size, intrinsic, distortion)
    lens.check(file, where)
    return lens


def _posed(
    rows: Iterator[tuple[str, np.ndarray, np.ndarray, int]], file: Path
) -> Iterator[tuple[str, np.ndarray, int]]:
    """Name, cam_from_scene, camera."""
    for name, quat, shift, camera in rows:
        length = float(np.linalg.norm(quat))
        where = f"image {name[:100]!r}"
        if not np.isfinite(length) or abs(length - 1.0) > 0.01:
            raise DataError(f"a quaternion of length {length:.3f}; expected 1", file=file,
                            where=where)  # fmt: skip
        w, x, y, z = quat / length
        pose = np.eye(4)
        pose[:3, :3] = [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
        pose[:3, 3] = shift
        yield name, rigid(pose, file=file, where=where), camera
