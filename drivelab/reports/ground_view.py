"""Where points and areas of the ground lie in a camera's picture.

What is drawn is first cut, in three dimensions, to what the camera can see: in front of a near
plane and inside the picture's field. Beyond it a lens's polynomial folds back and would draw what
lies behind the picture's border into its middle.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float

from drivelab.sim.sensors.lens import bend, straighten
from drivelab.types import CameraFrame

NEAR = 0.3  # nothing is drawn nearer to a camera's plane [m]
_SLACK = 0.02  # of the field beyond the picture's border, so that cut edges stay out of sight
_FINE = 0.05  # longest straight piece of a line behind a bent lens [focal lengths]
_BORDER = 16  # points along each border of the picture by which a bent lens's field is found


@dataclass(frozen=True, slots=True, eq=False)
class GroundView:
    """A camera, for drawing on the ground (z = 0 of the ego frame).

    Attributes:
        frame: the picture and its calibration.
        planes: rows of normals; what has a product below `offsets` with one is cut off.
        offsets: of the planes [m].
    """

    frame: CameraFrame
    planes: Float[np.ndarray, "5 3"]
    offsets: Float[np.ndarray, "5"]

    def area(self, corners: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "m 2"]:
        """A convex area of the ground in pixels, cut to the picture; (0, 2) where it is not seen.

        Args:
            corners: in order, x and y in the ego frame [m].
        """
        ring = self._in_camera(corners)
        for normal, offset in zip(self.planes, self.offsets, strict=True):
            ring = _cut_ring(ring, ring @ normal - offset)
        return self._pixels(ring, closed=True) if len(ring) >= 3 else np.empty((0, 2))

    def lines(self, points: Float[np.ndarray, "n 2"]) -> list[Float[np.ndarray, "_ 2"]]:
        """The pieces of a line on the ground that are seen, in pixels.

        Args:
            points: x and y in the ego frame [m].
        """
        seen = self._in_camera(points)
        pieces: list[list[np.ndarray]] = []
        for start, stop in pairwise(seen):
            low, high = self._share(start, stop)
            if low >= high:
                continue
            ends = [start + share * (stop - start) for share in (low, high)]
            if pieces and low == 0.0 and np.array_equal(pieces[-1][-1], ends[0]):
                pieces[-1].append(ends[1])
            else:
                pieces.append(ends)
        return [self._pixels(np.stack(piece), closed=False) for piece in pieces]

    def _in_camera(self, points: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 3"]:
        ground = np.column_stack([points, np.zeros(len(points))])
        frame = self.frame
        turned: Float[np.ndarray, "n 3"] = (
            ground - frame.ego_from_cam_translation
        ) @ frame.ego_from_cam_rotation
        return turned

    def _share(self, start: np.ndarray, stop: np.ndarray) -> tuple[float, float]:
        """From where to where a piece of line is inside of all planes."""
        low, high = 0.0, 1.0
        first, last = self.planes @ start - self.offsets, self.planes @ stop - self.offsets
        for a, b in zip(first, last, strict=True):
            if a < 0 and b < 0:
                return 1.0, 0.0
            if a < 0:
                low = max(low, a / (a - b))
            elif b < 0:
                high = min(high, a / (a - b))
        return low, high

    def _pixels(self, points: Float[np.ndarray, "n 3"], *, closed: bool) -> np.ndarray:
        """Points in front of the camera in pixels; (0, 0) is the picture's upper left corner."""
        frame = self.frame
        flat = points[:, :2] / points[:, 2:]
        if np.any(frame.distortion):
            flat = bend(_refined(flat, closed), frame.distortion)
        ones = np.ones((len(flat), 1))
        return (np.hstack([flat, ones]) @ frame.intrinsic.T)[:, :2]


def ground_view(frame: CameraFrame) -> GroundView:
    """How a camera sees the ground.

    Raises:
        ValueError: its distortion folds within the picture.
    """
    height, width = frame.image.shape[:2]
    across, down = np.linspace(0, width, _BORDER), np.linspace(0, height, _BORDER)
    border = np.concatenate([
        np.column_stack([across, np.zeros(_BORDER)]),
        np.column_stack([across, np.full(_BORDER, height)]),
        np.column_stack([np.zeros(_BORDER), down]),
        np.column_stack([np.full(_BORDER, width), down]),
    ])  # fmt: skip
    field = (np.column_stack([border, np.ones(len(border))]) @ np.linalg.inv(frame.intrinsic).T)[
        :, :2
    ]
    if np.any(frame.distortion):
        field = straighten(field, frame.distortion)
    (left, top), (right, bottom) = field.min(0) - _SLACK, field.max(0) + _SLACK
    planes = np.array(
        [[0, 0, 1.0], [1, 0, -left], [-1, 0, right], [0, 1, -top], [0, -1, bottom]], float
    )
    return GroundView(frame, planes, np.array([NEAR, 0, 0, 0, 0]))


def _cut_ring(
    ring: Float[np.ndarray, "n 3"], inside: Float[np.ndarray, " n"]
) -> Float[np.ndarray, "m 3"]:
    """The part of a convex ring where `inside` is not negative (Sutherland and Hodgman)."""
    kept = []
    for k in range(len(ring)):
        here, there = inside[k - 1], inside[k]
        if (here < 0) != (there < 0):
            kept.append(ring[k - 1] + here / (here - there) * (ring[k] - ring[k - 1]))
        if there >= 0:
            kept.append(ring[k])
    return np.array(kept).reshape(-1, 3)


def _refined(flat: Float[np.ndarray, "n 2"], closed: bool) -> Float[np.ndarray, "m 2"]:
    """The same outline or line with points close enough to bend."""
    ends = np.vstack([flat, flat[:1]]) if closed else flat
    lengths = np.hypot(*np.diff(ends, axis=0).T)
    pieces = []
    for start, stop, length in zip(ends[:-1], ends[1:], lengths, strict=True):
        count = max(1, int(np.ceil(length / _FINE)))
        pieces.append(start + np.arange(count)[:, None] / count * (stop - start))
    if not closed:
        pieces.append(ends[-1:])
    return np.concatenate(pieces)
