"""The alternatives of a plan, as a rollout file keeps them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from drivelab.types import Plan

Modes = Float[np.ndarray, "k t 3"] | None
Scores = Float[np.ndarray, " k"] | None


def modes_of(plan: Plan) -> tuple[Modes, Scores]:
    """Modes in the ego frame and their scores, each float32, or None where there are none.

    Scores are `notes["mode_scores"]`, else the probabilities. They only show what an agent thought
    and no number depends on them: what has another shape, or is no number, is left out.
    """
    modes = _numbers(plan.modes)
    if modes is None or modes.ndim != 3 or modes.shape[2] != 3 or not modes.size:
        return None, None
    notes = plan.notes if isinstance(plan.notes, Mapping) else {}
    for told in (notes.get("mode_scores"), plan.probabilities):
        scores = _numbers(told)
        if scores is not None and scores.shape == modes.shape[:1] and np.isfinite(scores).all():
            return modes, scores
    return modes, None


def _numbers(told: object) -> Float[np.ndarray, "..."] | None:
    if told is None:
        return None
    try:
        with np.errstate(over="ignore"):
            return np.asarray(told, np.float32)
    except (TypeError, ValueError):
        return None
