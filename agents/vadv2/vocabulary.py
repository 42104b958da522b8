"""The planning vocabulary: recorded trajectories that lie as far from each other as can be.

Furthest trajectory sampling (VADv2, arXiv 2402.13243): begin with one trajectory, then add
again and again the recorded one that is furthest from all that were taken. The distance of two
trajectories is the sum over the steps of the distance of their positions; neither it nor the first
trajectory was published. Ours begins with standing still, which is always entry 0.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from drivelab.errors import ConfigError, DataError

STAND = 0  # the entry of standing still


def furthest_trajectories(
    points: Float[np.ndarray, "n t 2"], picks: int, *, first: Float[np.ndarray, "t 2"]
) -> Int[np.ndarray, " k"]:
    """Rows of the trajectories furthest from `first` and from each other, in the order of taking.

    Each is, when it is taken, the first of those with the largest distance to the nearest taken
    one. Costs n * picks distances.

    Args:
        points: x, y [m].
        picks: how many.
        first: where to begin; it is not among the rows returned.

    Raises:
        ConfigError: fewer different trajectories than picks.
    """
    columns = np.ascontiguousarray(np.moveaxis(np.asarray(points, float), 0, -1))  # t, 2, n
    nearest = np.full(len(points), np.inf)
    chosen = np.empty(picks, np.int64)
    last = np.asarray(first, float)
    for pick in range(picks):
        np.minimum(nearest, _distances(columns, last), out=nearest)
        row = int(nearest.argmax()) if len(nearest) else 0
        if not len(nearest) or nearest[row] == 0.0:
            raise ConfigError(
                f"{picks + 1} entries wanted, but only {pick} recorded trajectories differ from "
                "each other and from standing still; take more clips or scenes, or fewer entries"
            )
        chosen[pick], last = row, columns[..., row]
    return chosen


def spacing(entries: Float[np.ndarray, "m t c"]) -> float:
    """Median over the entries of the way to the next one: mean over the poses [m]."""
    nearest = np.empty(len(entries))
    for row, entry in enumerate(entries[..., :2]):
        apart = np.hypot(*np.moveaxis(entries[..., :2] - entry, -1, 0)).mean(-1)
        apart[row] = np.inf
        nearest[row] = apart.min()
    return float(np.median(nearest))


def make_vocabulary(
    recorded: Float[np.ndarray, "n t 3"], entries: int
) -> Float[np.ndarray, "m t 3"]:
    """Standing still, then the recorded trajectories furthest from it and from each other.

    Args:
        recorded: x, y [m], heading [rad] in the ego frame of their scene.
        entries: of the vocabulary.

    Raises:
        ConfigError: fewer different trajectories than entries.
        DataError: poses that are not finite.
    """
    if not np.isfinite(recorded).all():
        row = int((~np.isfinite(recorded)).any(axis=(1, 2)).argmax())
        raise DataError(f"trajectory {row} is not finite; leave its scene out")
    stand = np.zeros((1, *recorded.shape[1:]))
    rows = furthest_trajectories(recorded[..., :2], entries - 1, first=stand[0, :, :2])
    return np.concatenate([stand, recorded[rows].astype(float)])


def coverage(
    recorded: Float[np.ndarray, "n t 3"], vocabulary: Float[np.ndarray, "m t 3"]
) -> Float[np.ndarray, " n"]:
    """Mean distance over the steps [m] of each trajectory from the entry nearest to it."""
    nearest = np.full(len(recorded), np.inf)
    columns = np.ascontiguousarray(np.moveaxis(np.asarray(recorded[..., :2], float), 0, -1))
    for entry in vocabulary:
        np.minimum(nearest, _distances(columns, entry[:, :2]), out=nearest)
    return nearest / recorded.shape[1]


def save_vocabulary(vocabulary: Float[np.ndarray, "m t 3"], file: Path) -> None:
    """Write a vocabulary as npy, float64 [m, m, rad]."""
    part = file.with_name(f".{file.name}.part.npy")
    file.parent.mkdir(parents=True, exist_ok=True)
    np.save(part, vocabulary, allow_pickle=False)
    part.replace(file)


def load_vocabulary(
    file: Path,
    remedy: str = "leave out agent.vocabulary and one is made of the training scenes",
) -> Float[np.ndarray, "m t 3"]:
    """Read the vocabulary of a npy file.

    Args:
        file: to read.
        remedy: what to do where that fails.

    Raises:
        DataError: there is none, or it holds something else, or poses that are not finite.
    """
    if not file.is_file():
        raise DataError(f"no such file; {remedy}", file=file)
    try:
        found = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"no npy of numbers that can be read; {remedy}", file=file) from error
    if not isinstance(found, np.ndarray) or found.ndim != 3 or found.shape[-1] != 3:
        raise DataError(
            f"shape {getattr(found, 'shape', 'of several arrays')}, expected (entries, poses, 3) "
            f"in metres and radians; {remedy}",
            file=file,
        )
    if not np.isfinite(found).all():
        entry = int((~np.isfinite(found)).any(axis=(1, 2)).argmax())
        raise DataError(f"entry {entry} is not finite; {remedy}", file=file)
    return found.astype(float)


def _distances(
    columns: Float[np.ndarray, "t 2 n"], to: Float[np.ndarray, "t 2"]
) -> Float[np.ndarray, " n"]:
    """Sum over the steps of the distances [m]: step by step, so that a step stays in the cache."""
    total, x, y = (np.zeros(columns.shape[-1]) for _ in range(3))
    for step, (at_x, at_y) in zip(columns, to, strict=True):
        np.subtract(step[0], at_x, out=x)
        x *= x
        np.subtract(step[1], at_y, out=y)
        y *= y
        x += y
        total += np.sqrt(x, out=x)
    return total
