"""What was learned as a scene to drive in: Gaussians, labels of the ground, sky."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, UInt8
from scipy.spatial import cKDTree

from drivelab.kernels.splat import Gaussians
from drivelab.sim.splats.labels import NUMBER
from drivelab.sim.splats.scene import Actor, Sky, Splats, SplatScene
from drivelab.training.reconstruction.capture import Capture
from drivelab.training.reconstruction.loop import Reconstruction
from drivelab.training.reconstruction.sky import filled_sky

AROUND, ABOVE = 3.0, 0.3  # m: how far the lowest point is looked for, what counts as ground on it


def scene_of(run: Reconstruction, capture: Capture) -> SplatScene:
    """The learned scene in the capture's frame, with how it was made in `info`."""
    whole, nodes = _normal(run.gaussians()), run.model.nodes.cpu().numpy()
    found = _part(whole, nodes == 0)
    labels = np.zeros(len(found), np.uint8)
    if capture.upright:
        labels = ground_labels(found.means, capture.points)
    times, first = np.unique(capture.times, return_index=True)
    actors = [_actor(capture, n, _part(whole, nodes == n + 1), first)
              for n in range(len(capture.tracks))]  # fmt: skip
    faces = run.model.sky.detach().cpu().numpy()
    sky = Sky(filled_sky(faces, capture.views)) if faces.size else None
    return SplatScene(
        capture.name,
        Splats(found, labels),
        {actor.id: actor for actor in actors},
        sky=sky,
        times=times,
        map_from_scene=capture.map_from_scene,
        convention=run.settings.render.convention,
        licence=capture.licence,
        info={"builder": "reconstruct", "steps": run.step, **capture.info},
    )


def ground_labels(
    means: Float[np.ndarray, "n 3"], points: Float[np.ndarray, "m 3"]
) -> UInt8[np.ndarray, " n"]:
    """Road for what lies no higher than 0.3 m above the lowest point within 3 m, void else.

    Without a segmentation of pictures nothing says what else things are.
    """
    cells, group = np.unique(np.floor(points[:, :2]), axis=0, return_inverse=True)
    lowest = np.full(len(cells), np.inf)
    np.minimum.at(lowest, group, points[:, 2])
    tree = cKDTree(cells + 0.5)
    away, near = tree.query(means[:, :2], k=min(25, len(cells)), distance_upper_bound=AROUND)
    heights = np.where(np.isfinite(away), np.append(lowest, np.inf)[near], np.inf)
    floor = heights.reshape(len(means), -1).min(1)
    return np.where(means[:, 2] < floor + ABOVE, NUMBER["road"], 0).astype(np.uint8)


def _actor(capture: Capture, n: int, found: Gaussians, first: np.ndarray) -> Actor:
    """A node with its poses at the times of the views."""
    track, nodes = capture.tracks[n], capture.views.nodes
    assert nodes is not None  # tracks are theirs
    label = NUMBER.get(track.kind, NUMBER["obstacle"])
    splats = Splats(found, np.full(len(found), label, np.uint8))
    return Actor(track.id, track.kind, track.size, splats, nodes.poses[n][first],
                 nodes.valid[n][first])  # fmt: skip


def _part(found: Gaussians, chosen: np.ndarray) -> Gaussians:
    names = ("means", "quats", "scales", "opacities", "sh")
    return Gaussians(*(getattr(found, name)[chosen] for name in names))


def _normal(found: Gaussians) -> Gaussians:
    """Quaternions of length 1, as files should have them."""
    quats = found.quats / np.linalg.norm(found.quats, axis=1, keepdims=True).clip(1e-12)
    return Gaussians(found.means, quats, found.scales, found.opacities, found.sh)
