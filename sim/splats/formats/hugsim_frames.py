"""What stands beside a HUGSIM scene: the recorded way with the road below it, fitted drives.

In its world (x right, y down, z forward from the first front camera) places on the ground are a to
the right and b ahead. Here everything is in the scene's frame: x = b, y = -a, z up from the road.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from drivelab.data.unpickle import load_restricted
from drivelab.errors import DataError
from drivelab.sim.splats.formats.parts import numbers
from drivelab.sim.splats.formats.tensors import read_checkpoint_data

GROUND = "ground_param.pkl"
HIGHEST = 20.0  # that a front camera stands above the road [m]
UNTURNED = 1e-3  # how far a camera's axes may be from orthonormal
# Places of a fitted drive's eight numbers: a, b, speed, pitch and roll, yaw, height, times, spacing
_A, _B, _SPEED, _YAW, _TIMES, _FITTED = 0, 1, 2, 4, 6, 8


@dataclass(frozen=True, slots=True, eq=False)
class RecordedWay:
    """The drive that a scene was recorded on: HUGSIM's route.

    Attributes:
        poses: (m, 3) x, y, yaw of the front camera.
        height: of that camera above the road [m].
    """

    poses: Float[np.ndarray, "m 3"]
    height: float


@dataclass(frozen=True, slots=True, eq=False)
class FittedDrive:
    """How a recorded vehicle drove, by its unicycle fit.

    Attributes:
        times: (t,) [s], ascending.
        poses: (t, 3) x, y, yaw of its box's middle.
        speeds: (t,) [m/s].
    """

    times: Float[np.ndarray, " t"]
    poses: Float[np.ndarray, "t 3"]
    speeds: Float[np.ndarray, " t"]

    def at(self, times: Float[np.ndarray, " k"]) -> Float[np.ndarray, "k 3"]:
        """Poses at any times: between fitted ones on a straight line, beyond them straight on."""
        inside = np.clip(times, self.times[0], self.times[-1])
        yaw = np.interp(inside, self.times, np.unwrap(self.poses[:, 2]))
        speed = np.interp(inside, self.times, self.speeds)
        beyond = (times - inside) * speed
        x, y = (np.interp(inside, self.times, self.poses[:, k]) for k in range(2))
        return np.stack([x + beyond * np.cos(yaw), y + beyond * np.sin(yaw), yaw], 1)


def read_way(path: str | Path) -> RecordedWay:
    """Read `ground_param.pkl`: camera poses, the camera's height, a command for each.

    Raises:
        DataError: it is missing, damaged, names what is no data, has other shapes, or poses that
            are none.
    """
    file = Path(path)
    held = load_restricted(file)
    if not isinstance(held, tuple | list) or len(held) < 2:
        raise DataError("expected camera poses, the camera's height and commands", file=file)
    cameras, height = _array(held[0], file, "camera poses"), _array(held[1], file, "height")
    if cameras.ndim != 3 or cameras.shape[1:] != (4, 4) or len(cameras) < 2:
        raise DataError(f"of shape {cameras.shape}; expected (m, 4, 4) of 2 or more", file=file,
                        where="camera poses")  # fmt: skip
    turns = cameras[:, :3, :3]
    off = np.abs(np.swapaxes(turns, 1, 2) @ turns - np.eye(3)).max((1, 2))
    if not (off < UNTURNED).all():
        raise DataError("expected rigid motions, world from camera", file=file,
                        where=f"camera pose {int((~(off < UNTURNED)).argmax())}")  # fmt: skip
    if height.size != 1 or not 0.0 < float(height.reshape(())) < HIGHEST:
        raise DataError(f"{held[1]!r}; expected metres of a camera above the road, up to {HIGHEST}",
                        file=file, where="height")  # fmt: skip
    ahead = cameras[:, :3, 2]
    yaw = np.arctan2(-ahead[:, 0], ahead[:, 2])
    poses = np.stack([cameras[:, 2, 3], -cameras[:, 0, 3], yaw], 1)
    return RecordedWay(poses, float(height.reshape(())))


def read_drive(path: str | Path) -> FittedDrive:
    """Read `unicycle_ID.pth`.

    Raises:
        DataError: it is missing, damaged, names what is no data, or is of another shape.
    """
    file = Path(path)
    held = read_checkpoint_data(file)
    if not isinstance(held, tuple | list) or len(held) != _FITTED:
        raise DataError(f"expected the {_FITTED} numbers of a unicycle fit", file=file)
    count = int((getattr(held[_TIMES], "shape", (0,)) or (0,))[0])

    def of(place: int) -> np.ndarray:
        return numbers(held, place, (count,), file=file, where="fit").astype(float)

    times, a, b, yaw, speeds = (of(place) for place in (_TIMES, _A, _B, _YAW, _SPEED))
    if not count or not (np.diff(times) > 0).all():
        raise DataError(f"{count} times; expected one or more, each above the one before",
                        file=file)  # fmt: skip
    poses = np.stack([b, -a, yaw - np.pi / 2], 1)  # there yaw counts from right to ahead
    if not (np.isfinite(poses).all() and np.isfinite(speeds).all()):
        raise DataError("holds numbers that are not finite", file=file)
    return FittedDrive(times, poses, speeds)


def _array(held: Any, file: Path, where: str) -> np.ndarray:
    try:
        found = np.asarray(held, float)
    except (TypeError, ValueError) as error:
        raise DataError(f"expected numbers ({error})", file=file, where=where) from error
    if not np.isfinite(found).all():
        raise DataError("expected finite numbers", file=file, where=where)
    return found
