"""What a rasteriser draws and from where: Gaussians and cameras as plain arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

MODELS = ("pinhole", "fisheye", "ortho")
COEFFICIENTS = {1: 0, 4: 1, 9: 2, 16: 3}  # of spherical harmonics -> their degree


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Gaussians:
    """A scene of n oriented Gaussians; numpy arrays, or tensors of torch for the reference.

    Their numbers are checked at the first picture and must not be changed afterwards.

    Attributes:
        means: (n, 3) centres [m].
        quats: (n, 4) rotations wxyz; any length but 0.
        scales: (n, 3) standard deviations along the own axes [m], linear, not below 0.
        opacities: (n,) in 0..1.
        sh: (n, k, 3) coefficients of the colour, k of 1, 4, 9 or 16 (degree 0 to 3), DC first;
            degree 1 is ordered -y, z, -x.
    """

    means: Any
    quats: Any
    scales: Any
    opacities: Any
    sh: Any

    def __len__(self) -> int:
        return int(self.means.shape[0])

    def __post_init__(self) -> None:
        n = self.means.shape[0] if self.means.ndim else 0
        wanted = {"means": (n, 3), "quats": (n, 4), "scales": (n, 3), "opacities": (n,)}
        for name, shape in wanted.items():
            if (found := tuple(getattr(self, name).shape)) != shape:
                raise ValueError(f"gaussians.{name} has the shape {found}; expected {shape}")
        found = tuple(self.sh.shape)
        if len(found) != 3 or found[0] != n or found[2] != 3 or found[1] not in COEFFICIENTS:
            raise ValueError(
                f"gaussians.sh has the shape {found}; expected ({n}, k, 3) with k of 1, 4, 9 or 16"
            )


@dataclass(frozen=True, slots=True, eq=False)
class Cameras:
    """Views of one size; a pixel (row i, column j) is sampled at (j + 0.5, i + 0.5).

    Attributes:
        views: (c, 4, 4) camera from world; x right, y down, z forward.
        intrinsics: (c, 3, 3) fx, fy, cx, cy [px]; of an orthographic camera fx, fy in px/m.
        width: of the pictures [px].
        height: of the pictures [px].
        model: pinhole, fisheye (equidistant) or ortho.
    """

    views: Any
    intrinsics: Any
    width: int
    height: int
    model: str = "pinhole"

    def __len__(self) -> int:
        return int(self.views.shape[0])

    def __post_init__(self) -> None:
        count = self.views.shape[0] if self.views.ndim else 0
        for name, shape in (("views", (count, 4, 4)), ("intrinsics", (count, 3, 3))):
            if (found := tuple(getattr(self, name).shape)) != shape:
                raise ValueError(f"cameras.{name} has the shape {found}; expected {shape}")
        if self.model not in MODELS:
            raise ValueError(f"cameras.model={self.model!r}; expected {', '.join(MODELS)}")
        if not (0 < self.width <= 16384 and 0 < self.height <= 16384):
            raise ValueError(
                f"cameras are {self.width} x {self.height} px; expected 1 to 16384 each"
            )


def check_gaussians(gaussians: Gaussians) -> None:
    """Refuse numbers that no picture can be made of.

    Raises:
        ValueError: NaN or infinity, a negative scale, a rotation of length 0, an opacity outside
            0..1; names the field and the first index.
    """
    for name in ("means", "quats", "scales", "opacities", "sh"):
        _refuse(~np.isfinite(_array(getattr(gaussians, name))), name, "finite numbers")
    _refuse(_array(gaussians.scales) < 0, "scales", "scales not below 0 (linear, not their logs)")
    _refuse(~_array(gaussians.quats).any(-1), "quats", "a rotation, not a quaternion of length 0")
    opacities = _array(gaussians.opacities)
    _refuse((opacities < 0) | (opacities > 1), "opacities", "0..1 (not their logits)")


def check_cameras(cameras: Cameras) -> None:
    """Refuse cameras that are nowhere.

    Raises:
        ValueError: numbers that are not finite, or a focal length that is not above 0.
    """
    views, intrinsics = _array(cameras.views), _array(cameras.intrinsics)
    if not (np.isfinite(views).all() and np.isfinite(intrinsics).all()):
        raise ValueError("cameras.views or cameras.intrinsics are not finite")
    if not (intrinsics[:, [0, 1], [0, 1]] > 0).all():
        raise ValueError("cameras.intrinsics hold a focal length that is not above 0")


def _array(values: Any) -> np.ndarray:
    return np.asarray(values.detach().cpu() if hasattr(values, "detach") else values)


def _refuse(wrong: Any, name: str, wanted: str) -> None:
    if wrong.any():
        at = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise ValueError(
            f"gaussians.{name}{list(at)} and {int(wrong.sum()) - 1} more are wrong; "
            f"expected {wanted}"
        )
