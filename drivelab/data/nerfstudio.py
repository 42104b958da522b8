"""nerfstudio's transforms.json: pictures with camera-to-world poses in OpenGL's axes.

Intrinsics stand at the top or in each frame; points come from the PLY that `ply_file_path` names.
Poses stay in the frame of the file (`applied_transform` has been applied already).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from drivelab.data.nerfstudio_points import read_points
from drivelab.data.photographs import Lens, Photograph, Photographs, inside, rigid
from drivelab.errors import DataError

NAME = "transforms.json"
LONGEST = 256 << 20  # bytes of JSON
OPENCV = np.diag([1.0, -1.0, -1.0, 1.0])  # OpenGL's camera looks along -z, y up
_NUMBERS = ("fl_x", "fl_y", "cx", "cy", "w", "h", "k1", "k2", "k3", "k4", "p1", "p2")
_MODELS = {
    "OPENCV": "pinhole", "PINHOLE": "pinhole", "SIMPLE_PINHOLE": "pinhole",
    "OPENCV_FISHEYE": "fisheye",
}  # fmt: skip


class _Frame(msgspec.Struct):
    file_path: str
    transform_matrix: list[list[float]]
    camera_model: str | None = None
    fl_x: float | None = None
    fl_y: float | None = None
    cx: float | None = None
    cy: float | None = None
    w: float | None = None
    h: float | None = None
    k1: float | None = None
    k2: float | None = None
    k3: float | None = None
    k4: float | None = None
    p1: float | None = None
    p2: float | None = None


class _File(_Frame, kw_only=True):
    file_path: str = ""
    transform_matrix: list[list[float]] = []
    frames: list[_Frame]
    ply_file_path: str | None = None


def read_nerfstudio(place: Path) -> Photographs:
    """Pictures and points of a transforms.json.

    Args:
        place: the file, or the folder that holds it; pictures and points lie below that folder.

    Raises:
        DataError: it is missing or not what its format says; names file, key and what was
            expected.
    """
    file = place / NAME if place.is_dir() else place
    if not file.is_file():
        raise DataError("no such file; expected transforms.json or its folder", file=file)
    if file.stat().st_size > LONGEST:
        raise DataError(f"of more than {LONGEST} bytes; is it transforms.json?", file=file)
    try:
        found = msgspec.json.decode(file.read_bytes(), type=_File)
    except (msgspec.DecodeError, RecursionError) as error:
        raise DataError(f"{error}; expected nerfstudio's transforms.json", file=file) from error
    if found.ply_file_path is None:
        raise DataError("names no points; expected them, e.g. \"ply_file_path\": "
                        "\"sparse_pc.ply\", as ns-process-data writes", file=file,
                        where="ply_file_path")  # fmt: skip
    cloud = inside(file.parent, found.ply_file_path, file=file, where="ply_file_path")
    groups: dict[Any, int] = {}
    pictures = []
    for n, frame in enumerate(found.frames):
        lens, where = _lens(found, frame, file, n), f"frames[{n}]"
        group = groups.setdefault(
            (lens.model, *lens.intrinsic.ravel(), *lens.distortion), len(groups)
        )
        picture = inside(file.parent, frame.file_path, file=file, where=f"{where}.file_path")
        pose = _pose(frame, file, f"{where}.transform_matrix")
        pictures.append(Photograph(picture, lens, pose, group))
    pictures.sort(key=lambda picture: str(picture.file))
    return Photographs(tuple(pictures), *read_points(cloud))


def _pose(frame: _Frame, file: Path, where: str) -> np.ndarray:
    rows = frame.transform_matrix
    if len(rows) not in (3, 4) or any(len(row) != 4 for row in rows):
        raise DataError("expected 4 x 4 numbers, camera to world", file=file, where=where)
    pose = np.eye(4)
    pose[:3] = rows[:3]
    return np.asarray(np.linalg.inv(rigid(pose, file=file, where=where) @ OPENCV))


def _lens(top: _File, frame: _Frame, file: Path, n: int) -> Lens:
    """A frame's own numbers go before those at the top."""
    values = {}
    for name in _NUMBERS:
        own = getattr(frame, name)
        values[name] = getattr(top, name) if own is None else own
    where = f"frames[{n}]"
    for name in ("fl_x", "cx", "cy", "w", "h"):
        if values[name] is None:
            raise DataError("missing at the top and here; expected it in pixels", file=file,
                            where=f"{where}.{name}")  # fmt: skip
    name = frame.camera_model or top.camera_model or "OPENCV"
    if name not in _MODELS:
        raise DataError(f"{name[:40]!r}; expected one of {', '.join(_MODELS)}", file=file,
                        where=f"{where}.camera_model")  # fmt: skip
    down = values["fl_x"] if values["fl_y"] is None else values["fl_y"]
    intrinsic = np.array([[values["fl_x"], 0, values["cx"]], [0, down, values["cy"]], [0, 0, 1.0]])
    model = _MODELS[name]
    order = ("k1", "k2", "p1", "p2", "k3") if model == "pinhole" else ("k1", "k2", "k3", "k4")
    distortion = np.array([values[key] or 0.0 for key in order])
    lens = Lens(model, int(values["w"]), int(values["h"]), intrinsic, distortion)
    lens.check(file, where)
    return lens
