"""What a scene is reconstructed from: views, points to begin with, and where it lies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float

from drivelab.errors import DataError
from drivelab.training.reconstruction.views import Views

_DOUBTS = (
    "check that the poses belong to the points, that they go the way that the format says "
    "(COLMAP: world to camera, nerfstudio: camera to world), and the focal lengths [px]"
)


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """Who a node of the views is, and what its Gaussians begin with.

    Attributes:
        id: of the track.
        kind: one of `types.KINDS`.
        size: length, width, height of its box [m].
        points: (n, 3) in its own frame [m]: origin in the middle of the box's floor, x forward.
        colours: (n, 3) of these, 0..1.
    """

    id: str
    kind: str
    size: tuple[float, float, float]
    points: Float[np.ndarray, "n 3"]
    colours: Float[np.ndarray, "n 3"]


@dataclass(frozen=True, slots=True, eq=False)
class Capture:
    """Posed pictures of a place and what else is known of it, in a local frame.

    Attributes:
        name: for files and messages.
        views: the pictures.
        points: (n, 3) where static Gaussians begin [m].
        colours: (n, 3) of these, 0..1.
        tracks: of the nodes of the views, in their order.
        times: (v,) of the views [s].
        map_from_scene: (4, 4) rigid.
        upright: whether z points up and lengths are metres.
        licence: of the pictures.
        info: how it was made: numbers and texts.
        rivals: other ways to make held-out views: name -> number of the view -> picture (h, w, 3).
    """

    name: str
    views: Views
    points: Float[np.ndarray, "n 3"]
    colours: Float[np.ndarray, "n 3"]
    tracks: tuple[Track, ...] = ()
    times: Float[np.ndarray, " v"] = field(default_factory=lambda: np.zeros(0))
    map_from_scene: Float[np.ndarray, "4 4"] = field(default_factory=lambda: np.eye(4))
    upright: bool = False
    licence: str = ""
    info: Mapping[str, Any] = field(default_factory=dict)
    rivals: Mapping[str, Mapping[int, np.ndarray]] = field(default_factory=dict)

    def seeds(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Points (n, 3), colours (n, 3), nodes (n,) of all Gaussians to begin with; 0: static."""
        parts: list[Capture | Track] = [self, *self.tracks]
        nodes = np.repeat(np.arange(len(parts)), [len(part.points) for part in parts])
        return (
            np.concatenate([part.points for part in parts]),
            np.concatenate([part.colours for part in parts]),
            nodes,
        )

    def check(self) -> None:
        """Refuse what nothing can be learned from.

        Raises:
            DataError: fewer than two views, fewer than four points, points that no view or no two
                views see.
        """
        if len(self.views) < 2:
            raise DataError(
                f"{len(self.views)} picture with a pose; expected two or more", file=self.name
            )
        if len(self.points) < 4:
            raise DataError(
                f"{len(self.points)} points to begin with; expected 4 or more: hand over lidar "
                "sweeps or COLMAP's points",
                file=self.name,
            )
        shared = self.views.witnesses(self.points)
        if not (shared > 0).any():
            raise DataError(
                f"none of the {len(self.views)} views sees any of the {len(self.points)} points; "
                f"{_DOUBTS}",
                file=self.name,
            )
        if not (shared > 1).any():
            raise DataError(
                f"no two of the {len(self.views)} views see the same one of the "
                f"{len(self.points)} points: nothing can be learned where views do not overlap; "
                f"take pictures closer together, or {_DOUBTS}",
                file=self.name,
            )
        blind = np.flatnonzero(self.views.seen(self.points) == 0)
        if 2 * len(blind) > len(self.views):
            raise DataError(
                f"{len(blind)} of {len(self.views)} views see none of the {len(self.points)} "
                f"points (the first is view {blind[0]}); {_DOUBTS}",
                file=self.name,
            )
