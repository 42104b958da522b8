"""Pictures with poses: what a scene is reconstructed from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from drivelab.kernels.splat import Cameras
from drivelab.training.reconstruction.points import on_image


@dataclass(frozen=True, slots=True, eq=False)
class Nodes:
    """Rigid things that move from view to view, e.g. in tracked boxes.

    Attributes:
        poses: (k, v, 4, 4) scene_from_node at each view.
        valid: (k, v) whether it is there.
    """

    poses: np.ndarray
    valid: np.ndarray

    def __len__(self) -> int:
        return len(self.poses)

    def repeated(self, count: int) -> Nodes:
        """The same for several cameras of each moment, moment by moment."""
        return Nodes(np.repeat(self.poses, count, 1), np.repeat(self.valid, count, 1))


@dataclass(frozen=True, slots=True, eq=False)
class Views:
    """Pictures of one size and where they were taken.

    Attributes:
        images: (v, h, w, 3) float32 colours 0..1.
        cameras: of all views; camera from scene.
        depths: (v, h, w) float32 depths along the camera's axis [m], 0 where none was measured; or
            None.
        sky: (v, h, w) bool, where nothing but the sky is seen; or None.
        groups: (v,) number of the camera that took each, from 0; None: one took all.
        nodes: what moves, or None.
        frames: (v,) number of the moment at which each was taken, from 0; None: each at its own.
    """

    images: np.ndarray
    cameras: Cameras
    depths: np.ndarray | None = None
    sky: np.ndarray | None = None
    groups: np.ndarray | None = None
    nodes: Nodes | None = None
    frames: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.images)

    def __post_init__(self) -> None:
        size = (len(self.cameras), self.cameras.height, self.cameras.width)
        shapes = {"images": (*size, 3), "depths": size, "sky": size, "groups": size[:1],
                  "frames": size[:1]}  # fmt: skip
        for name, shape in shapes.items():
            found = getattr(self, name)
            if found is not None and found.shape != shape:
                raise ValueError(
                    f"views.{name} has the shape {found.shape}; expected {shape} as its cameras"
                )
        if self.nodes is not None and self.nodes.poses.shape[1:] != (len(self.cameras), 4, 4):
            raise ValueError(
                f"views.nodes has poses of the shape {self.nodes.poses.shape}; expected (k, "
                f"{len(self.cameras)}, 4, 4)"
            )
        if not (np.isfinite(self.images).all() and self.images.min(initial=0) >= 0):
            raise ValueError("views.images are not finite or below 0; expected colours 0..1")
        if self.images.max(initial=0) > 1:
            raise ValueError("views.images are above 1; expected colours 0..1, not 0..255")

    def camera(self, number: int) -> Cameras:
        """The camera of one view."""
        part, cameras = slice(number, number + 1), self.cameras
        return Cameras(
            cameras.views[part], cameras.intrinsics[part], cameras.width, cameras.height,
            cameras.model,
        )  # fmt: skip

    def seen(self, points: np.ndarray) -> np.ndarray:
        """(v,) how many of some points (n, 3) each view has on its picture."""
        counts = [len(on_image(points, self.cameras, n)[0]) for n in range(len(self))]
        return np.array(counts, int)

    def witnesses(self, points: np.ndarray) -> np.ndarray:
        """(n,) on how many views' pictures each of some points (n, 3) is."""
        counts = np.zeros(len(points), int)
        for number in range(len(self)):
            counts[on_image(points, self.cameras, number)[0]] += 1
        return counts

    @property
    def digest(self) -> str:
        """SHA-256, hex, of pictures, cameras and who moves: a run goes on with the same ones."""
        cameras, nodes = self.cameras, self.nodes
        parts = [self.images, cameras.views, cameras.intrinsics, self.depths, self.sky, self.groups,
                 self.frames]  # fmt: skip
        parts += [] if nodes is None else [nodes.poses, nodes.valid]
        found = hashlib.sha256()
        for part in parts:
            array = np.ascontiguousarray(np.zeros(0) if part is None else part)
            found.update(f"{array.dtype} {array.shape}".encode())
            found.update(array.view(np.uint8).data if array.size else b"")
        return found.hexdigest()

    @property
    def eyes(self) -> np.ndarray:
        """(v, 3) where the cameras stood, in the scene's frame [m]."""
        places: np.ndarray = np.linalg.inv(self.cameras.views)[:, :3, 3]
        return places

    @property
    def extent(self) -> float:
        """Largest distance of a camera from the middle of all, and a tenth more [m] (gsplat)."""
        eyes = self.eyes
        return 1.1 * float(np.linalg.norm(eyes - eyes.mean(0), axis=1).max(initial=0)) or 1.0


def split(views: Views, every: int) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the views to learn from and of those held out: every so many-th moment, 0 is none.

    As Mip-NeRF 360 (arXiv 2111.12077) holds out every eighth; of a moment all cameras are.
    """
    numbers = np.arange(len(views))
    frames = numbers if views.frames is None else views.frames
    held = frames % every == 0 if every else np.zeros(len(views), bool)
    return numbers[~held], numbers[held]


def threes(views: Views, numbers: np.ndarray) -> np.ndarray:
    """(k, 3) those of some views that follow each other, of one camera each.

    None where the moments of the views are not known: photographs come in any order.
    """
    if views.frames is None:
        return np.zeros((0, 3), int)
    groups = np.zeros(len(views), int) if views.groups is None else views.groups
    rows = []
    for group in np.unique(groups).tolist():
        own = numbers[groups[numbers] == group]
        own = own[np.argsort(views.frames[own], kind="stable")]
        rows.append(np.stack([own[:-2], own[1:-1], own[2:]], 1))
    return np.concatenate(rows)
