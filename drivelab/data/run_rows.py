"""rows.parquet of a run, read back: for the command line as for reports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from drivelab.errors import RunError


def read_rows(path: Path) -> list[dict[str, Any]]:
    """All rows of a rows.parquet, in order.

    Raises:
        RunError: no such file, no table, or no table of a run.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise RunError(
            f"{path}: cannot be read as the rows of a run ({error}); run the same `drivelab eval` "
            "again to complete the folder"
        ) from error
    if rows and not {"scene", "status", "score"} <= set(rows[0]):
        raise RunError(f"{path}: columns {sorted(rows[0])}, expected scene, status and score")
    return rows
