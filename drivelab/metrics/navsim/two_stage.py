"""Two-stage aggregation of EPDMS (NAVSIM v2 pseudo-simulation).

Stage one: a scene (`now`) and its neighbour 0.5 s earlier (`previous`). Stage two: rendered
follow-up scenes, weighted by how near they start to where the stage-one plans end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from drivelab.errors import DataError
from drivelab.metrics.navsim.extended_comfort import LONGEST_GAP, two_frame_comfort
from drivelab.metrics.navsim.rules import EPDMS_V2_2
from drivelab.types import StageEntry

VARIANCE = 0.2  # of the weighting kernel exp(-d^2 / 0.2) [m^2]
TWO_FRAME = "two_frame_extended_comfort"


@dataclass(frozen=True, slots=True, eq=False)
class StageRow:
    """One scored scene of either stage, before two-frame comfort."""

    token: str
    start_time: float  # [s]
    product: float  # of the multipliers
    weighted: tuple[float, float, float, float]  # progress, TTC, lane keeping, history comfort
    start: tuple[float, float]  # rear axle at the start, map frame [m]
    end: tuple[float, float]  # last pose of the agent's own plan, map frame [m]
    columns: Mapping[str, float]  # sub-scores to aggregate beside the score


@dataclass(frozen=True, slots=True, eq=False)
class TwoStageResult:
    """Scores and weights by token, and the three averages by column."""

    rows: Mapping[str, Mapping[str, float]]
    combined: Mapping[str, float]
    stage_one: Mapping[str, float]
    stage_two: Mapping[str, float]


def follow_up_weights(
    end: Float[np.ndarray, "2"], starts: Float[np.ndarray, "n 2"]
) -> Float[np.ndarray, " n"]:
    """Normalised kernel weights; equal ones when all follow-ups are out of reach."""
    weights = np.exp(-np.square(starts - end).sum(1) / VARIANCE)
    total = weights.sum()
    if np.isnan(total) or abs(total) <= 1e-8:
        return np.full(len(starts), 1.0 / len(starts))
    return weights / total


def aggregate_two_stage(
    rows: Mapping[str, StageRow],
    entries: Sequence[StageEntry],
    states: Callable[[str], Float[np.ndarray, "t 11"]],
) -> TwoStageResult:
    """Aggregate by entry: the mean over now and previous of stage one times weighted stage two.

    `states` gives the simulated states of a token. An entry is used when either of its two
    stage-one tokens was scored; every row of a used entry is needed then.
    """
    used = [entry for entry in entries if entry.now in rows or entry.previous in rows]
    if not used:
        raise DataError(
            f"none of the {len(entries)} entries of the two-stage mapping was scored; expected "
            "rows of its stage-one tokens",
            where="reactive_all_mapping",
        )
    filled: dict[str, dict[str, float]] = {}
    firsts: list[dict[str, float]] = []
    seconds: list[dict[str, float]] = []
    for entry in used:
        for now, previous in ((entry.now, entry.previous), *entry.follow_ups):
            _fill_pair(rows, filled, now, previous, states)
        for side, token in enumerate((entry.now, entry.previous)):
            tokens = [pair[side] for pair in entry.follow_ups]
            first, second = _both_stages(rows, filled, token, tokens)
            firsts.append(first)
            seconds.append(second)
    # Two halves an entry, now and previous, so the mean over halves is the mean over entries.
    combined = [
        {name: first[name] * second[name] for name in first}
        for first, second in zip(firsts, seconds, strict=True)
    ]
    return TwoStageResult(filled, _mean(combined), _mean(firsts), _mean(seconds))


def _both_stages(
    rows: Mapping[str, StageRow],
    filled: dict[str, dict[str, float]],
    token: str,
    tokens: Sequence[str],
) -> tuple[dict[str, float], dict[str, float]]:
    """Columns of a stage-one scene, and the weighted ones of its follow-ups; weights are noted."""
    starts = np.array([rows[name].start for name in tokens])
    weights = follow_up_weights(np.array(rows[token].end), starts)
    filled[token]["weight"] = 1.0
    for name, weight in zip(tokens, weights, strict=True):
        filled[name]["weight"] = float(weight)
    second = [_columns(rows[name], filled[name]) for name in tokens]
    return _columns(rows[token], filled[token]), _weighted_mean(second, weights)


def _fill_pair(
    rows: Mapping[str, StageRow],
    filled: dict[str, dict[str, float]],
    now: str,
    previous: str,
    states: Callable[[str], Float[np.ndarray, "t 11"]],
) -> None:
    missing = [token for token in (now, previous) if token not in rows]
    if missing:
        raise DataError(
            f"scene {missing[0]!r} of the pair ({now!r}, {previous!r}) has no row; a two-stage "
            "score needs every scene of an entry",
            where="reactive_all_mapping",
        )
    gap = rows[now].start_time - rows[previous].start_time
    if not 0.0 < gap < LONGEST_GAP:
        raise DataError(
            f"scenes {previous!r} and {now!r} start {gap:.3f} s apart; expected more than 0 and "
            f"less than {LONGEST_GAP} s",
            where="reactive_all_mapping",
        )
    value = two_frame_comfort(states(previous), states(now), gap)
    weights = EPDMS_V2_2.weights
    for token in (now, previous):
        row = rows[token]
        total = float(np.dot(weights, (*row.weighted, value)))
        score = row.product * total / sum(weights)
        filled.setdefault(token, {}).update({TWO_FRAME: value, "score": score})


def _columns(row: StageRow, filled: Mapping[str, float]) -> dict[str, float]:
    return {**row.columns, TWO_FRAME: filled[TWO_FRAME], "score": filled["score"]}


def _weighted_mean(
    rows: Sequence[Mapping[str, float]], weights: Float[np.ndarray, " n"]
) -> dict[str, float]:
    total = weights.sum()
    return {name: float(np.dot(weights, [row[name] for row in rows]) / total) for name in rows[0]}


def _mean(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
