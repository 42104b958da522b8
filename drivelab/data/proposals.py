"""Plans on disk, to be scored: parquet, npz or a leaderboard pickle -> {token: (8, 3)}."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Float

from drivelab.data.npz import read_npz
from drivelab.data.unpickle import SamplingRecord, TrajectoryRecord, load_restricted
from drivelab.errors import DataError

PLAN_SHAPE = (8, 3)  # 4 s at 0.5 s: x [m], y [m], heading [rad] in the current ego frame
PLAN_DT = 0.5  # [s]
_STAGES = ("first_stage_predictions", "second_stage_predictions")
_SHOWN = 3  # tokens named in a message

Plans = dict[str, Float[np.ndarray, "8 3"]]


def read_plans(file: str | Path, *, seed: int | None = None) -> Plans:
    """Read plans by token.

    Args:
        file: `.parquet` with columns token and poses (8 x 3 nested, or 24 numbers), `.npz` with one
            array a token, or `.pkl` of the leaderboard (v1.1, or v2.2: both stages together).
        seed: which training seed of a merged leaderboard file, counted from 0.

    Returns:
        token -> poses (8, 3) float64, all finite.
    """
    path = Path(file)
    readers = {".parquet": _from_parquet, ".npz": _from_npz}
    if path.suffix in readers:
        return check_plans(readers[path.suffix](path), file=path)
    if path.suffix in (".pkl", ".pickle"):
        return check_plans(_from_pickle(path, seed), file=path)
    raise DataError("is not a plan file; expected .parquet, .npz or .pkl", file=path)


def check_plans(plans: Mapping[str, Any], *, file: str | Path) -> Plans:
    """Refuse plans of another shape or with NaN; an empty set is an error too."""
    if not plans:
        raise DataError("holds no plan", file=file)
    checked: Plans = {}
    for token, poses in plans.items():
        array = _numbers(poses, file, token)
        if array.shape != PLAN_SHAPE:
            raise DataError(
                f"poses have shape {array.shape}, expected {PLAN_SHAPE}: x, y, heading every "
                f"{PLAN_DT} s",
                file=file,
                where=f"token {token}",
            )
        if not np.isfinite(array).all():
            row = int(np.argwhere(~np.isfinite(array))[0, 0])
            raise DataError(
                f"pose {row} is NaN or infinite: {array[row].tolist()}",
                file=file,
                where=f"token {token}",
            )
        checked[token] = array
    return checked


def _numbers(poses: Any, file: str | Path, token: str) -> np.ndarray:
    try:
        raw = np.asarray(poses)
        if raw.dtype.kind in "cmMb":  # float() would drop what makes them no coordinates
            raise TypeError(raw.dtype)
        return np.asarray(raw, float)
    except (TypeError, ValueError):
        raise DataError(
            f"poses are no real numbers but {type(poses).__name__}",
            file=file,
            where=f"token {token}",
        ) from None


def require_tokens(plans: Mapping[str, Any], tokens: Iterable[str], *, file: str | Path) -> None:
    """Refuse plans that lack scenes of a split, or that are for scenes outside it."""
    wanted = list(dict.fromkeys(tokens))
    missing = [token for token in wanted if token not in plans]
    strange = sorted(set(plans) - set(wanted))
    if missing:
        raise DataError(
            f"{len(missing)} of {len(wanted)} scenes have no plan (first: "
            f"{', '.join(missing[:_SHOWN])})",
            file=file,
        )
    if strange:
        raise DataError(
            f"{len(strange)} plans are for scenes outside the split (first: "
            f"{', '.join(strange[:_SHOWN])})",
            file=file,
        )


def _from_parquet(path: Path) -> dict[str, Any]:
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"cannot be read as parquet: {error}", file=path) from error
    missing = [name for name in ("token", "poses") if name not in table.column_names]
    if missing:
        raise DataError(
            f"no column {missing[0]}; there are {', '.join(table.column_names)}", file=path
        )
    tokens, poses = table["token"].to_pylist(), table["poses"].to_pylist()
    for row, token in enumerate(tokens):
        if not isinstance(token, str):
            raise DataError(
                f"holds {token!r}, expected text", file=path, where=f"column token, row {row}"
            )
    _refuse_twice(tokens, path)
    return {token: _unflattened(value) for token, value in zip(tokens, poses, strict=True)}


def _unflattened(value: Any) -> Any:
    flat = isinstance(value, list) and len(value) == PLAN_SHAPE[0] * PLAN_SHAPE[1]
    return [value[i : i + 3] for i in range(0, len(value), 3)] if flat else value


def _from_npz(path: Path) -> dict[str, Any]:
    return dict(read_npz(path, "plans", entry="token"))


def _from_pickle(path: Path, seed: int | None) -> dict[str, Any]:
    content = load_restricted(path)
    if not isinstance(content, dict):
        raise DataError(f"holds {type(content).__name__}, expected a dict", file=path)
    keys = ("predictions",) if "predictions" in content else _STAGES
    plans: dict[str, Any] = {}
    for key in keys:
        stage = _of_seed(content.get(key), key, seed, path)
        _refuse_twice([*plans, *stage], path)
        plans |= {str(token): _poses(record, path, str(token)) for token, record in stage.items()}
    return plans


def _of_seed(runs: Any, key: str, seed: int | None, path: Path) -> dict[Any, Any]:
    if not isinstance(runs, list) or not runs or not all(isinstance(run, dict) for run in runs):
        raise DataError(
            "expected a list of dicts token -> Trajectory; a leaderboard file has predictions "
            f"(v1.1) or {' and '.join(_STAGES)} (v2.2)",
            file=path,
            where=f"key {key}",
        )
    if seed is None and len(runs) > 1:
        raise DataError(
            f"holds {len(runs)} training seeds; choose one, counted from 0", file=path, where=key
        )
    if not 0 <= (seed or 0) < len(runs):
        raise DataError(f"no seed {seed}, there are {len(runs)}", file=path, where=f"key {key}")
    chosen: dict[Any, Any] = runs[seed or 0]
    return chosen


def _poses(record: Any, path: Path, token: str) -> Any:
    where = f"token {token}"
    if not isinstance(record, TrajectoryRecord) or "poses" not in record.fields:
        raise DataError(
            f"holds {type(record).__name__}, expected a Trajectory", file=path, where=where
        )
    sampling = record.fields.get("trajectory_sampling")
    spacing = (
        sampling.fields.get("interval_length") if isinstance(sampling, SamplingRecord) else None
    )
    if spacing is not None and not np.isclose(float(spacing), PLAN_DT):
        raise DataError(f"poses every {spacing} s, expected {PLAN_DT} s", file=path, where=where)
    return record.fields["poses"]


def _refuse_twice(tokens: Iterable[Any], path: Path) -> None:
    seen: set[Any] = set()
    for token in tokens:
        if token in seen:
            raise DataError(f"token {token} occurs twice", file=path)
        seen.add(token)
