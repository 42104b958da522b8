"""A log as its cameras and lidar saw it: pictures, sweeps and boxes in space, each at its time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int

from drivelab.data.photographs import Lens
from drivelab.data.timed_poses import tracked_at
from drivelab.errors import ConfigError, DataError, nearest_name
from drivelab.types import VehicleParameters


@dataclass(frozen=True, slots=True, eq=False)
class LoggedPicture:
    """One picture.

    Attributes:
        file: where it lies.
        time: at which it was taken [us].
        lens: that it was taken with.
        map_from_cam: (4, 4) rigid, OpenCV's axes, from the ego's pose at this time.
    """

    file: Path
    time: int
    lens: Lens
    map_from_cam: Float[np.ndarray, "4 4"]


@dataclass(frozen=True, slots=True, eq=False)
class LoggedSweep:
    """One turn of the lidars.

    Attributes:
        time: [us].
        map_from_ego: (4, 4) rigid, at this time.
        read: gives its points (n, 3) in the ego's frame [m].
    """

    time: int
    map_from_ego: Float[np.ndarray, "4 4"]
    read: Callable[[], Float[np.ndarray, "n 3"]]


@dataclass(frozen=True, slots=True, eq=False)
class LoggedBoxes:
    """Tracked boxes of k things at m labelled moments.

    Attributes:
        ids: of the tracks.
        kinds: of `types.KINDS`.
        sizes: (k, 3) length, width, height [m].
        times: (m,) increasing [us].
        poses: (k, m, 4, 4) map_from_box; origin in the middle of the floor, x forward.
        valid: (k, m) whether it is there.
    """

    ids: tuple[str, ...]
    kinds: tuple[str, ...]
    sizes: Float[np.ndarray, "k 3"]
    times: Int[np.ndarray, " m"]
    poses: Float[np.ndarray, "k m 4 4"]
    valid: Bool[np.ndarray, "k m"]

    def at(
        self, times: Int[np.ndarray, " n"]
    ) -> tuple[Float[np.ndarray, "k n 4 4"], Bool[np.ndarray, "k n"]]:
        """Poses at other times [us], and who is there."""
        if not len(self.ids):
            return np.zeros((0, len(times), 4, 4)), np.zeros((0, len(times)), bool)
        return tracked_at(self.times, self.poses, self.valid, times)


@dataclass(frozen=True, slots=True, eq=False)
class CameraLog:
    """What cameras and lidars recorded of a drive.

    Attributes:
        name: for files and messages.
        pictures: by camera, each in the order of time.
        sweeps: in the order of time.
        boxes: of everybody who was labelled.
        vehicle: that the sensors are mounted on.
        licence: of the data.
    """

    name: str
    pictures: Mapping[str, tuple[LoggedPicture, ...]]
    sweeps: tuple[LoggedSweep, ...]
    boxes: LoggedBoxes
    vehicle: VehicleParameters
    licence: str


def chosen_cameras(
    wanted: Iterable[str] | None, there: Iterable[str], usual: Iterable[str], file: Path
) -> tuple[str, ...]:
    """The cameras that were asked for, or else the usual ones that are there.

    Args:
        wanted: names; None: the usual ones.
        there: names that the log has pictures of.
        usual: names that are taken without any word.
        file: for messages.

    Raises:
        ConfigError: one that was asked for is not there, or is asked for twice.
        DataError: none is there.
    """
    known = tuple(sorted(there))
    if not known:
        raise DataError(
            "holds no picture of any camera; a scene is learned from pictures: fetch the log's "
            "camera files, too",
            file=file,
        )
    if wanted is None:
        return tuple(name for name in usual if name in known) or known
    names = tuple(wanted)
    for name in names:
        if name not in known:
            raise ConfigError(
                f"log.cameras={','.join(names)}: {file} has no pictures of {name!r}"
                f"{nearest_name(name, known)}; there are {', '.join(known)}"
            )
    if len(set(names)) < len(names):
        raise ConfigError(f"log.cameras={','.join(names)}: a camera twice; expected each once")
    return names


def boxes_of_rows(
    rows: Iterable[tuple[str, str, int, Float[np.ndarray, "3"], Float[np.ndarray, "4 4"]]],
) -> LoggedBoxes:
    """Boxes from rows of (track, kind, time [us], length-width-height [m], map_from_centre).

    A track has the kind and size of its first row; the origin moves from the centre of the box to
    its floor.

    Raises:
        DataError: a box without a size.
    """
    found = sorted(rows, key=lambda row: row[2])
    times = np.unique(np.array([row[2] for row in found], np.int64))
    first: dict[str, tuple[str, np.ndarray]] = {}
    for track, kind, _, size, _ in found:
        if not (np.isfinite(size).all() and min(size) > 0):
            told = " x ".join(f"{value:g}" for value in size)
            raise DataError(f"a box of {told} m; expected length, width and height above 0",
                            where=f"track {track}")  # fmt: skip
        first.setdefault(track, (kind, np.asarray(size, float)))
    number = {track: k for k, track in enumerate(first)}
    poses = np.tile(np.eye(4), (len(first), len(times), 1, 1))
    valid = np.zeros((len(first), len(times)), bool)
    for track, _, time, size, pose in found:
        k, m = number[track], int(np.searchsorted(times, time))
        poses[k, m], valid[k, m] = pose, True
        poses[k, m, :3, 3] -= pose[:3, 2] * size[2] / 2
    sizes = np.array([size for _, size in first.values()], float).reshape(-1, 3)
    kinds = tuple(kind for kind, _ in first.values())
    return LoggedBoxes(tuple(first), kinds, sizes, times, poses, valid)
