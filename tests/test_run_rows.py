"""Rows of a run are read by one reader, which tells every damage by its file."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from drivelab.data.run_rows import read_rows
from drivelab.errors import RunError


def test_rows_come_back_in_order(tmp_path: Path) -> None:
    rows = [{"scene": name, "status": "ok", "score": 0.5} for name in "cab"]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rows.parquet")
    assert read_rows(tmp_path / "rows.parquet") == rows


def test_a_file_that_is_no_table_of_a_run_is_told(tmp_path: Path) -> None:
    file = tmp_path / "rows.parquet"
    with pytest.raises(RunError, match=r"rows\.parquet: cannot be read as the rows of a run"):
        read_rows(file)
    file.write_bytes(b"PAR1 torn")
    with pytest.raises(RunError, match="run the same `drivelab eval`"):
        read_rows(file)
    pq.write_table(pa.table({"loss": [1.0]}), file)
    with pytest.raises(RunError, match="expected scene, status and score"):
        read_rows(file)
