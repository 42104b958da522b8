"""Anchors of truncated diffusion: the centres of k-means over recorded trajectories."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float
from scipy.cluster.vq import kmeans2

from drivelab.errors import ConfigError, DataError
from drivelab.training.feature_cache import FeatureCache

TRIES = 8  # starts of k-means; the tightest centres are kept
ROUNDS = 100  # of each


def trajectories_of(cache: FeatureCache, ids: Sequence[str]) -> Float[np.ndarray, "n t 2"]:
    """Recorded positions x, y [m] in the ego frame of scenes."""
    return np.stack([cache.load(scene)["trajectory"][:, :2] for scene in ids]).astype(float)


def cluster(
    trajectories: Float[np.ndarray, "n t 2"], modes: int, *, seed: int = 0
) -> Float[np.ndarray, "m t 2"]:
    """Centres of the trajectories by squared distance over all positions, straightest first.

    Lloyd's k-means from k-means++ starts (arXiv 2411.15139 clusters its training set likewise).

    Args:
        trajectories: positions [m].
        modes: how many centres.
        seed: of the starts.

    Raises:
        ConfigError: fewer different trajectories than modes.
        DataError: positions that are not finite.
    """
    flat = trajectories.reshape(len(trajectories), -1)
    if not np.isfinite(flat).all():
        row = int((~np.isfinite(flat)).any(axis=1).argmax())
        raise DataError(f"trajectory {row} is not finite; leave its scene out")
    if len(np.unique(flat, axis=0)) < modes:
        raise ConfigError(
            f"{modes} modes of {len(np.unique(flat, axis=0))} different trajectories; take more "
            "scenes (limit=) or fewer modes"
        )
    found = [_tried(flat, modes, np.random.default_rng([seed, i])) for i in range(TRIES)]
    centres = min(found, key=lambda pair: pair[0])[1].reshape(modes, *trajectories.shape[1:])
    end = centres[:, -1]
    return centres[np.lexsort((end[:, 0], np.round(np.abs(end[:, 1]), 1)))]


def save_anchors(anchors: Float[np.ndarray, "m t 2"], file: Path) -> None:
    """Write anchors as npy, float64 [m]."""
    part = file.with_name(f".{file.name}.part.npy")
    file.parent.mkdir(parents=True, exist_ok=True)
    np.save(part, anchors, allow_pickle=False)
    part.replace(file)


def load_anchors(file: Path) -> Float[np.ndarray, "m t 2"]:
    """Read anchors of a npy file.

    Raises:
        DataError: there is none, or it holds something else.
    """
    try:
        anchors = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(
            f"no anchors ({error}); make them with 'drivelab train anchors out=FILE.npy'", file=file
        ) from error
    if anchors.ndim != 3 or anchors.shape[-1] != 2:
        raise DataError(f"shape {anchors.shape}, expected (modes, poses, 2) in metres", file=file)
    return anchors.astype(float)


def _tried(
    flat: Float[np.ndarray, "n d"], modes: int, rng: np.random.Generator
) -> tuple[float, Float[np.ndarray, "m d"]]:
    with np.errstate(all="ignore"):
        centres, labels = kmeans2(flat, modes, iter=ROUNDS, minit="++", rng=rng, missing="warn")
    return float(((flat - centres[labels]) ** 2).sum()), centres
