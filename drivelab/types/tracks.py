"""Tracked boxes of the other road users over the frames of a scene."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

AGENT_KINDS = ("vehicle", "pedestrian", "bicycle")
STATIC_KINDS = ("traffic_cone", "barrier", "czone_sign", "generic_object")
KINDS = AGENT_KINDS + STATIC_KINDS


@dataclass(frozen=True, slots=True, eq=False)
class Tracks:
    """Boxes over time in the `map` frame.

    `poses` are box centres (x [m], y [m], yaw [rad]), `velocities` are along the map axes [m/s]
    (zero for static kinds), `sizes` are (length, width) [m] of a track's first box at or after the
    scene's current frame (or its last one before, when it has none). Invalid rows hold NaN.
    Tracks stand in the order in which they first appear, frame by frame.
    """

    ids: tuple[str, ...]
    kinds: tuple[str, ...]  # each one of KINDS
    sizes: Float[np.ndarray, "n 2"]
    poses: Float[np.ndarray, "t n 3"]
    velocities: Float[np.ndarray, "t n 2"]
    valid: Bool[np.ndarray, "t n"]
    dt: float  # nominal spacing of the frames [s]

    def __len__(self) -> int:
        return len(self.ids)

    def cut(self, start: int, stop: int) -> Tracks:
        """Frames [start, stop) with all tracks kept."""
        part = slice(start, stop)
        return Tracks(
            self.ids,
            self.kinds,
            self.sizes,
            self.poses[part],
            self.velocities[part],
            self.valid[part],
            self.dt,
        )

    def take(self, keep: Bool[np.ndarray, " n"]) -> Tracks:
        """The tracks marked in `keep`."""
        return self.reorder(np.flatnonzero(keep))

    def reorder(self, order: Int[np.ndarray, " k"]) -> Tracks:
        """The tracks with these indices, in this order."""
        return Tracks(
            tuple(self.ids[i] for i in order),
            tuple(self.kinds[i] for i in order),
            self.sizes[order],
            self.poses[:, order],
            self.velocities[:, order],
            self.valid[:, order],
            self.dt,
        )

    @staticmethod
    def empty(frames: int, dt: float) -> Tracks:
        """No tracks over `frames` frames."""
        return Tracks(
            (),
            (),
            np.zeros((0, 2)),
            np.zeros((frames, 0, 3)),
            np.zeros((frames, 0, 2)),
            np.zeros((frames, 0), bool),
            dt,
        )
