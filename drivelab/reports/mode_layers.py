"""All plans that an agent chose from: thin, the better scored the stronger."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import shapely
from jaxtyping import Float

from drivelab.reports.palette import mode_role
from drivelab.reports.shapes import SIDE, Dot, Label, Shape, line_path
from drivelab.reports.view import View

TOLD = 3  # scores written beside the ends
_SIZE = 12.0  # of these words [picture units]
_TIP = 2.2  # radius of the ends [picture units]
_LETTER = 0.62  # width of a digit in its size
_SIDES: tuple[tuple[Literal["start", "end"], float], ...] = (("start", 8.0), ("end", -8.0))
_CANVAS = shapely.box(0.0, 0.0, SIDE, SIDE)


def mode_layers(
    view: View, modes: Float[np.ndarray, "k t 3"], scores: Float[np.ndarray, " k"] | None
) -> list[Shape]:
    """A line and a dot at its end for every mode, from the lowest score to the highest.

    Args:
        view: the window.
        modes: rear-axle poses in the ego frame; those that are not finite are left out.
        scores: of any scale where more is better and 0 is the least; None makes all alike.
    """
    shapes: list[Shape] = []
    for k in by_score(modes, scores)[::-1]:
        points = view.ego_points(np.vstack([np.zeros(2), modes[k, :, :2]]))
        if not np.isfinite(points).all():
            continue
        told = "" if scores is None else f": score {scores[k]:.2f}"
        role = mode_role(share_of(scores, k))
        line = line_path(role, [points], f"mode {k}{told}")
        end = Dot(f"{role}_end", float(points[-1, 0]), float(points[-1, 1]), _TIP)
        shapes += [*([line] if line else []), end]
    return shapes


def score_labels(
    view: View,
    modes: Float[np.ndarray, "k t 3"],
    scores: Float[np.ndarray, " k"] | None,
    lettering: float,
) -> list[Shape]:
    """The best scores beside the ends of their modes, on either side, none over a better one."""
    if scores is None:
        return []
    size = _SIZE * lettering
    taken: list[shapely.Polygon] = []
    labels: list[Shape] = []
    for k in by_score(modes, scores)[:TOLD]:
        x, y = (float(v) for v in view.ego_points(modes[k, -1, :2]))
        if not np.isfinite(x + y):
            continue
        text = f"{scores[k]:.2f}"
        width = len(text) * size * _LETTER
        for anchor, start in _SIDES:
            left = x + start if anchor == "start" else x + start - width
            box = shapely.box(left, y - size / 2, left + width, y + size / 2)
            if _CANVAS.contains(box) and not any(box.intersects(other) for other in taken):
                taken.append(box)
                labels.append(Label("mode_text", text, x + start, y, size, anchor, not labels))
                break
    return labels


def by_score(
    modes: Float[np.ndarray, "k t 3"], scores: Float[np.ndarray, " k"] | None
) -> Sequence[int]:
    """Numbers of the modes, the best first; in their own order among equals."""
    order = np.arange(len(modes)) if scores is None else np.argsort(-scores, kind="stable")
    return [int(k) for k in order]


def share_of(scores: Float[np.ndarray, " k"] | None, k: int) -> float:
    """A mode's score as a share of the best one; 1 where nothing tells them apart."""
    if scores is None or not scores.max() > 0:
        return 1.0
    return float(np.clip(scores[k] / scores.max(), 0.0, 1.0))
