"""EPDMS over a two-stage split: a metric around a metric, which changes how rows come together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from drivelab.metrics.metric import Metric, SceneScore
from drivelab.metrics.navsim.epdms import MULTIPLIERS, WEIGHTED
from drivelab.metrics.navsim.two_stage import (
    StageRow,
    TwoStageResult,
    aggregate_two_stage,
)
from drivelab.types import Scene, StageEntry


class TwoStageEpdms:
    """Scores scenes as the metric inside; the run's score is the official two-stage aggregate.

    The aggregate needs every scene of the mapping: without them the score stays NaN and the run is
    not final.
    """

    failed_score: float | None = None

    def __init__(self, inside: Metric, entries: Sequence[StageEntry]) -> None:
        self.name = f"{inside.name}_two_stage"
        self.subscores = inside.subscores
        self._inside, self._entries = inside, tuple(entries)
        self._result: TwoStageResult | None = None

    def prepare(self, scene: Scene) -> Any:
        """As the metric inside."""
        return self._inside.prepare(scene)

    def score(
        self, prepared: Any, plans: Float[np.ndarray, "b t 3"], dt: float
    ) -> list[SceneScore]:
        """As the metric inside."""
        return self._inside.score(prepared, plans, dt)

    def finish(
        self,
        rows: Sequence[dict[str, Any]],
        states: Callable[[str], Float[np.ndarray, "t 11"]],
    ) -> list[dict[str, Any]]:
        """Two-frame comfort, final score and weight of every row of a complete run."""
        scored = {row["scene"]: _stage_row(row) for row in rows}
        needed = {
            token
            for entry in self._entries
            for pair in ((entry.now, entry.previous), *entry.follow_ups)
            for token in pair
        }
        if not needed <= scored.keys():
            return list(rows)
        self._result = aggregate_two_stage(scored, self._entries, states)
        filled = self._result.rows
        return [{**row, **filled.get(row["scene"], {})} for row in rows]

    def aggregate(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
        """The combined averages; NaN while scenes are missing."""
        columns = ("score", *self.subscores)
        if self._result is None:
            return dict.fromkeys(columns, float("nan"))
        return {name: self._result.combined[name] for name in columns}


def _stage_row(row: Mapping[str, Any]) -> StageRow:
    progress, ttc, lane, comfort = (float(row[name]) for name in WEIGHTED)
    return StageRow(
        token=row["scene"],
        start_time=row["time"] * 1e-6,
        product=float(np.prod([row[name] for name in MULTIPLIERS])),
        weighted=(progress, ttc, lane, comfort),
        start=(row["start_x"], row["start_y"]),
        end=(row["end_x"], row["end_y"]),
        columns={name: float(row[name]) for name in (*MULTIPLIERS, *WEIGHTED)},
    )
