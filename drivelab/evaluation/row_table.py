"""Rows -> rows.parquet: fixed columns first, then the metric's, timing last.

The table depends on the rows and their order alone, so equal rows give equal bytes. Columns whose
names start with `time_` hold wall-clock times [ms] and are the only ones that differ between runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from drivelab.evaluation.atomic import write_atomic

FIXED = ("scene", "family", "log", "time", "status", "score")
INFRACTION = (
    "first_kind",
    "first_step",
    "first_time",
    "first_actor",
    "first_detail",
    "first_margin",
)
TAIL = ("error", "traceback")
TIMING = ("time_load", "time_act", "time_score")
TEXT = {"scene", "family", "log", "status", "first_kind", "first_actor", "first_detail", *TAIL}
WHOLE = {"time", "first_step"}


def column_order(rows: Sequence[Mapping[str, Any]], subscores: Sequence[str]) -> list[str]:
    """Fixed columns, sub-scores, first infraction, details as they first appear, error, timing."""
    known = {*FIXED, *subscores, *INFRACTION, *TAIL, *TIMING}
    details = dict.fromkeys(key for row in rows for key in row if key not in known)
    return [*FIXED, *subscores, *INFRACTION, *details, *TAIL, *TIMING]


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]], subscores: Sequence[str]) -> None:
    """Write the table atomically."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = column_order(rows, subscores)
    columns = [_column(name, [row.get(name) for row in rows], subscores) for name in names]
    table = pa.Table.from_arrays(columns, names=names)
    write_atomic(path, lambda file: pq.write_table(table, file, compression="zstd"))


def _column(name: str, values: list[Any], subscores: Sequence[str]) -> Any:
    import pyarrow as pa

    if name in TEXT:
        kind = pa.string()
    elif name in WHOLE:
        kind = pa.int64()
    elif name == "score" or name in subscores or name.startswith(("time_", "first_")):
        kind = pa.float64()
    else:
        kind = _infer(values)
        if kind == pa.string():
            values = [None if value is None else str(value) for value in values]
    # NaN becomes null: "there is none", and equal tables compare as equal.
    return pa.array(values, type=kind, from_pandas=True)


def _infer(values: list[Any]) -> Any:
    import pyarrow as pa

    kinds = {type(value) for value in values if value is not None}
    if kinds == {bool}:
        return pa.bool_()
    if kinds == {int}:
        return pa.int64()
    if kinds and kinds <= {int, float}:
        return pa.float64()
    return pa.string()
