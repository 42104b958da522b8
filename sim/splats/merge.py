"""Fewer Gaussians where nobody looks closely: those of a cell of space become one.

The one has their mean, covariance and colour, weighted by what each covers (opacity times its mean
silhouette), and an opacity that makes it cover as much as they did together. Where that would be
more than opaque, as of a closed wall, it grows along its two longer axes instead: the moments of
three tiles side by side are narrower than the tiles are, and would leave gaps. Gaussians that hid
each other are counted in full, so a merged thing is a little denser than it was.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from drivelab.kernels.splat import Gaussians
from drivelab.sim.splats.compose import join
from drivelab.sim.splats.edit import distances, pick
from drivelab.sim.splats.scene import Splats

DENSEST = 0.999  # opacity of a merged Gaussian at most
WIDENED = 1.5  # times its own moments along an axis at most
FLATTEST = 1e-4  # least standard deviation of a merged Gaussian [m]
_P = 1.6075  # Thomsen's exponent for the area of an ellipsoid, true within 1.1 %


def merge_far(
    splats: Splats, path: Float[np.ndarray, "m 2"], distance: float, cell: float
) -> Splats:
    """Merge what is farther than so many metres from a path; what is nearer stays as it is.

    Args:
        splats: in the frame of the path.
        path: points, e.g. of a route every few metres, or one place as (1, 2).
        distance: on the ground plane [m].
        cell: edge of the cubes that become one Gaussian for each label in them [m]. Call again with
            a larger distance and cell for several levels.

    What it costs, on the 138,766 points of a reconstructed garden (in its own unit; median 1 from
    the nearest of three cameras) against the pictures of all of them, 648 x 420 px: beyond 1, cells
    of 0.02, 0.05, 0.1 keep 79, 62, 53 % at 39.5, 35.2, 32.7 dB; beyond 2, cells of 0.1 keep 78 % at
    42.7 dB.

    Returns:
        The near ones in their order, then the others by cell. Lone ones are not changed.

    Raises:
        ValueError: a cell that is not above 0.
    """
    if not cell > 0:
        raise ValueError(f"merge_far: cell={cell}; expected metres above 0")
    far = distances(splats, path) > distance
    return join([pick(splats, ~far), merge(pick(splats, far), cell)])


def merge(splats: Splats, cell: float) -> Splats:
    """Merge the Gaussians of each cube of so many metres that have the same label."""
    group, first, size = _groups(splats, cell)
    alone = size[group] == 1
    lone, many = pick(splats, alone), pick(splats, ~alone)
    if not len(many):
        return lone
    _, group = np.unique(group[~alone], return_inverse=True)
    return join([lone, _merged(many, group, splats.labels[first[size > 1]])])


def mass(gaussians: Gaussians) -> Float[np.ndarray, " n"]:
    """What each covers: opacity times its mean silhouette at one standard deviation [m^2]."""
    return np.asarray(gaussians.opacities, float) * silhouette(np.asarray(gaussians.scales, float))


def silhouette(scales: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, " n"]:
    """Mean area of an ellipsoid's shadow over all directions: a quarter of its surface [m^2]."""
    a, b, c = scales.T
    mean = ((a * b) ** _P + (a * c) ** _P + (b * c) ** _P) / 3.0
    area: np.ndarray = np.pi * mean ** (1.0 / _P)
    return area


def _groups(splats: Splats, cell: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Number of each one's group; of each group its first member and its size."""
    cells = np.floor(np.asarray(splats.gaussians.means, float) / cell).astype(np.int64)
    keys = np.column_stack([splats.labels.astype(np.int64), cells])
    order = np.lexsort(keys.T[::-1])
    new = np.ones(len(keys), bool)
    new[1:] = (np.diff(keys[order], axis=0) != 0).any(1)
    group = np.empty(len(keys), np.int64)
    group[order] = np.cumsum(new) - 1
    return group, order[new], np.bincount(group)


def _merged(splats: Splats, group: np.ndarray, labels: np.ndarray) -> Splats:
    found, count = splats.gaussians, len(labels)
    masses = mass(found)
    # Who covers nothing weighs next to nothing, but a group of such has a mean, too.
    weights = np.maximum(masses, 1e-12)
    share = weights / np.bincount(group, weights, count)[group]

    def mean(values: np.ndarray) -> np.ndarray:
        flat = np.asarray(values, float).reshape(len(values), -1)
        columns = [np.bincount(group, share * column, count) for column in flat.T]
        return np.stack(columns, 1).reshape(count, *values.shape[1:])

    means = mean(found.means)
    away = np.asarray(found.means, float) - means[group]
    spread = mean(covariances(found) + away[:, :, None] * away[:, None, :])
    variances, axes = np.linalg.eigh(spread)
    axes[..., 0] *= np.sign(np.linalg.det(axes))[:, None]  # right-handed
    scales = np.sqrt(np.maximum(variances, FLATTEST**2))
    masses = np.bincount(group, masses, count)
    wider = np.sqrt(masses / silhouette(scales) / DENSEST).clip(1.0, WIDENED)
    scales[:, 1:] *= wider[:, None]  # in the order of eigh: the longer two
    opacities = np.minimum(masses / silhouette(scales), DENSEST)
    merged = (means, quaternions(axes), scales, opacities, mean(found.sh))
    return Splats(Gaussians(*(field.astype(np.float32) for field in merged)), labels)


def covariances(gaussians: Gaussians) -> Float[np.ndarray, "n 3 3"]:
    """R S S R^T of each, float64 [m^2]."""
    quats = np.asarray(gaussians.quats, float)
    w, x, y, z = (quats / np.linalg.norm(quats, axis=1, keepdims=True)).T
    turns = np.array([
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]).transpose(2, 0, 1)  # fmt: skip
    stretched = turns * np.asarray(gaussians.scales, float)[:, None, :]
    return stretched @ stretched.transpose(0, 2, 1)


def quaternions(turns: Float[np.ndarray, "n 3 3"]) -> Float[np.ndarray, "n 4"]:
    """Rotations as wxyz: of the matrix that a rotation makes, the eigenvector (Bar-Itzhack)."""
    m = turns
    upper = {
        (0, 0): m[:, 0, 0] + m[:, 1, 1] + m[:, 2, 2], (1, 1): m[:, 0, 0] - m[:, 1, 1] - m[:, 2, 2],
        (2, 2): m[:, 1, 1] - m[:, 0, 0] - m[:, 2, 2], (3, 3): m[:, 2, 2] - m[:, 0, 0] - m[:, 1, 1],
        (0, 1): m[:, 2, 1] - m[:, 1, 2], (0, 2): m[:, 0, 2] - m[:, 2, 0],
        (0, 3): m[:, 1, 0] - m[:, 0, 1], (1, 2): m[:, 0, 1] + m[:, 1, 0],
        (1, 3): m[:, 0, 2] + m[:, 2, 0], (2, 3): m[:, 1, 2] + m[:, 2, 1],
    }  # fmt: skip
    symmetric = np.zeros((len(m), 4, 4))
    for (row, column), values in upper.items():
        symmetric[:, row, column] = symmetric[:, column, row] = values
    found: np.ndarray = np.linalg.eigh(symmetric)[1][..., -1]
    return found
