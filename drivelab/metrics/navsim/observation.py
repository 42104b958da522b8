"""What the scorer sees of the others: boxes at 10 Hz from the recorded key frames."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float

from drivelab.kernels.boxes import boxes_overlap
from drivelab.kernels.tracks import densify_tracks
from drivelab.metrics.navsim.rules import DT
from drivelab.types import AGENT_KINDS, Scene


@dataclass(frozen=True, slots=True, eq=False)
class ObjectFrames:
    """Boxes (x, y, cos, sin, half length, half width) by 10 Hz frame, relative to an origin.

    `speeds` are those of a track's first frame [m/s]: the collision rules use them at all times.
    """

    ids: tuple[str, ...]
    is_agent: Bool[np.ndarray, " n"]
    speeds: Float[np.ndarray, " n"]
    boxes: Float[np.ndarray, "f n 6"]

    def take(self, keep: Bool[np.ndarray, " n"]) -> ObjectFrames:
        """The objects marked in `keep`."""
        return replace(
            self,
            ids=tuple(name for name, kept in zip(self.ids, keep, strict=True) if kept),
            is_agent=self.is_agent[keep],
            speeds=self.speeds[keep],
            boxes=np.ascontiguousarray(self.boxes[:, keep]),
        )

    def touching(self, box: Float[np.ndarray, "6"]) -> Bool[np.ndarray, " n"]:
        """Which objects overlap a box in frame 0."""
        hits = (boxes_overlap(box, self.boxes[0, n]) for n in range(len(self.ids)))
        return np.fromiter(hits, bool, len(self.ids))


def recorded_objects(scene: Scene, seconds: float, origin: Float[np.ndarray, "2"]) -> ObjectFrames:
    """Interpolate the recorded boxes of the next `seconds` [s] to 10 Hz.

    A scene that ends earlier keeps the frames it has; later ones are empty.
    """
    tracks = scene.tracks
    substeps = round(tracks.dt / DT)
    stop = scene.now + 1 + round(seconds / tracks.dt)
    valid = tracks.valid[scene.now : stop]
    seen = np.asarray(valid.any(axis=0), bool)
    valid = np.ascontiguousarray(valid[:, seen])
    poses = np.array(tracks.poses[scene.now : stop, seen])
    poses[..., :2] -= origin
    first = np.argmax(valid, 0) if len(valid) else np.zeros(0, int)
    velocity = tracks.velocities[scene.now : stop, seen][first, np.arange(len(first))]
    kinds = [kind for kind, here in zip(tracks.kinds, seen, strict=True) if here]
    return ObjectFrames(
        ids=tuple(name for name, here in zip(tracks.ids, seen, strict=True) if here),
        is_agent=np.array([kind in AGENT_KINDS for kind in kinds], bool),
        speeds=np.hypot(velocity[:, 0], velocity[:, 1]),
        boxes=densify_tracks(poses, valid, tracks.sizes[seen], substeps, round(seconds / DT) + 1),
    )
