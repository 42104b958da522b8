"""Rigid poses by time, and what lies between two of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.spatial.transform import Rotation

from drivelab.errors import DataError

HOLD = 60_000  # so far before the first and after the last one a pose still holds [us]


@dataclass(frozen=True, slots=True, eq=False)
class TimedPoses:
    """Where one thing was.

    Attributes:
        times: (n,) increasing [us].
        poses: (n, 4, 4) map_from_thing, rigid.
    """

    times: Int[np.ndarray, " n"]
    poses: Float[np.ndarray, "n 4 4"]

    def covered(self, times: Int[np.ndarray, " m"]) -> Int[np.ndarray, " k"]:
        """Those of some times at which a pose is known; all of them if it is known at none."""
        known = (times >= self.times[0] - HOLD) & (times <= self.times[-1] + HOLD)
        return times[known] if known.any() else times

    def at(self, times: Int[np.ndarray, " m"], *, file: object = "") -> Float[np.ndarray, "m 4 4"]:
        """Poses at other times: places in proportion, rotations along the shortest way.

        Raises:
            DataError: a time lies outside of those that are known; `file` is named.
        """
        before, share = _around(self.times, times)
        out = np.maximum(self.times[0] - times, times - self.times[-1])
        if len(out) and int(out.max()) > HOLD:
            raise DataError(
                f"no pose at {int(times[out.argmax()])} us; those known span {self.times[0]} to "
                f"{self.times[-1]} us: are poses and pictures of the same log?",
                file=str(file),
            )
        after = np.minimum(before + 1, len(self.times) - 1)
        return between(self.poses[before], self.poses[after], share)


def tracked_at(
    times: Int[np.ndarray, " n"],
    poses: Float[np.ndarray, "k n 4 4"],
    valid: Bool[np.ndarray, "k n"],
    wanted: Int[np.ndarray, " m"],
) -> tuple[Float[np.ndarray, "k m 4 4"], Bool[np.ndarray, "k m"]]:
    """Poses of k things that come and go, and whether each is there.

    One is there between two known times if it is there at both, and by `HOLD` around each.

    Args:
        times: increasing [us].
        poses: at these; identities where one is not there.
        valid: whether it is there.
        wanted: times that are asked for [us].
    """
    before, share = _around(times, wanted)
    after = np.minimum(before + 1, len(times) - 1)
    first, second = valid[:, before], valid[:, after]
    close_first = np.abs(wanted - times[before]) <= HOLD
    close_second = np.abs(wanted - times[after]) <= HOLD
    inside = (wanted >= times[0] - HOLD) & (wanted <= times[-1] + HOLD)
    there = (first & second & inside) | (first & close_first) | (second & close_second)
    shares = np.where(first & second, share, np.where(first, 0.0, 1.0))
    found = between(poses[:, before], poses[:, after], shares)
    found[~there] = np.eye(4)
    return found, there


def between(
    first: Float[np.ndarray, "*n 4 4"],
    second: Float[np.ndarray, "*n 4 4"],
    share: Float[np.ndarray, "*n"],
) -> Float[np.ndarray, "*n 4 4"]:
    """Rigid poses on the way from one to another, 0 the first and 1 the second."""
    shape = first.shape
    if not first.size:
        return first.copy()
    one, two = first.reshape(-1, 4, 4), second.reshape(-1, 4, 4)
    part = share.reshape(-1, 1)
    turn = Rotation.from_matrix(one[:, :3, :3])
    whole = (turn.inv() * Rotation.from_matrix(two[:, :3, :3])).as_rotvec()
    found = np.tile(np.eye(4), (len(one), 1, 1))
    found[:, :3, :3] = (turn * Rotation.from_rotvec(part * whole)).as_matrix()
    found[:, :3, 3] = (1 - part) * one[:, :3, 3] + part * two[:, :3, 3]
    return found.reshape(shape)


def rigid_poses(
    quaternions: Float[np.ndarray, "n 4"], places: Float[np.ndarray, "n 3"]
) -> Float[np.ndarray, "n 4 4"]:
    """Matrices of unit quaternions wxyz and places [m]."""
    found = np.tile(np.eye(4), (len(places), 1, 1))
    if len(places):
        found[:, :3, :3] = Rotation.from_quat(quaternions[:, [1, 2, 3, 0]]).as_matrix()
        found[:, :3, 3] = places
    return found


def _around(
    known: Int[np.ndarray, " n"], wanted: Int[np.ndarray, " m"]
) -> tuple[Int[np.ndarray, " m"], Float[np.ndarray, " m"]]:
    """Number of the known time at or before each wanted one, and the share of the way to the next.

    Held to the first and the last.
    """
    before = np.clip(np.searchsorted(known, wanted, side="right") - 1, 0, len(known) - 1)
    after = np.minimum(before + 1, len(known) - 1)
    spacing = np.maximum(known[after] - known[before], 1)
    return before, ((wanted - known[before]) / spacing).clip(0.0, 1.0)
