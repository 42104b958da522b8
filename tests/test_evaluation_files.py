"""The small parts of a run folder: journal, table, file names, interval, aggregation."""

from __future__ import annotations

import math
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivelab.errors import ConfigError, MissingExtra, RunError
from drivelab.evaluation.fingerprint import differences, scene_set_hash
from drivelab.evaluation.journal import append_rows, read_rows
from drivelab.evaluation.row_table import write_rows
from drivelab.evaluation.run_folder import LONGEST_NAME, file_name
from drivelab.evaluation.summary import metric_version, score_rows
from drivelab.evaluation.tasks import Task, after_death, cut_tasks
from drivelab.metrics.bootstrap import mean_interval
from drivelab.metrics.metric_names import find_metric


def test_journal_keeps_every_bit_and_the_latest_row(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    values = [0.1 + 0.2, -0.0, 1e-310, math.inf]
    append_rows(path, [{"scene": f"s{i}", "x": v} for i, v in enumerate(values)])
    append_rows(path, [{"scene": "s0", "x": math.pi}])
    rows = read_rows(path)
    assert [rows[f"s{i}"]["x"].hex() for i in range(4)] == [v.hex() for v in (math.pi, *values[1:])]


@given(cut=st.integers(1, 200))
def test_a_journal_cut_anywhere_reads_back_its_whole_lines(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    path = tmp_path_factory.mktemp("journal") / "rows.jsonl"
    append_rows(path, [{"scene": f"s{i}", "x": 0.5} for i in range(10)])
    data = path.read_bytes()[: -min(cut, path.stat().st_size)]
    path.write_bytes(data)
    assert list(read_rows(path)) == [f"s{i}" for i in range(data.count(b"\n"))]
    append_rows(path, [{"scene": "new"}])
    assert list(read_rows(path))[-1] == "new"


def test_a_journal_changed_from_outside_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"scene": "a"}\nnonsense\n{"scene": "b"}\n')
    with pytest.raises(RunError, match=r"rows\.jsonl, line 2: not a row"):
        read_rows(path)


def test_table_columns_and_types_do_not_depend_on_missing_values(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"scene": "a", "status": "failed", "error": "x"},
        {"scene": "b", "status": "ok", "score": 1, "nc": 1.0, "kind": "left", "n": 3, "r": 1},
        {"scene": "c", "status": "ok", "score": 0.5, "nc": 0.5, "r": 0.5, "time_act": math.nan},
    ]
    path = tmp_path / "rows.parquet"
    write_rows(path, rows, ("nc",))
    table = pq.read_table(path)
    kinds = {field.name: str(field.type) for field in table.schema}
    assert (kinds["score"], kinds["n"], kinds["r"]) == ("double", "int64", "double")
    assert (kinds["kind"], kinds["first_step"], kinds["time"]) == ("string", "int64", "int64")
    assert table["score"].to_pylist() == [None, 1.0, 0.5]
    assert table["time_act"].null_count == 3
    assert table.column_names[-3:] == ["time_load", "time_act", "time_score"]


@given(st.text(min_size=1, max_size=300))
def test_file_names_stay_inside_their_folder(scene: str) -> None:
    try:
        scene.encode()
    except UnicodeEncodeError:
        return
    name = file_name(scene)
    assert "/" not in name
    assert "\0" not in name
    assert not name.startswith(".")
    assert 0 < len(name) <= LONGEST_NAME


def test_file_names_keep_scenes_apart() -> None:
    scenes = ["a/b", "a_b", "a%2Fb", "..", ".", "A" * 200, "A" * 201, "x-1.5"]
    assert len({file_name(scene) for scene in scenes}) == len(scenes)
    assert file_name("x-1.5") == "x-1.5"


def test_interval_against_the_normal_one() -> None:
    values = np.random.default_rng(3).normal(0.7, 0.2, 400)
    low, high = mean_interval(values, seed=1)
    half = 1.96 * values.std() / np.sqrt(400)
    assert low == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert high == pytest.approx(values.mean() + half, abs=0.1 * half)
    assert mean_interval(values, seed=1) == (low, high)
    assert mean_interval(np.full(5, 0.25), seed=0) == (0.25, 0.25)


def test_scene_set_hash_knows_order_and_borders() -> None:
    sets = [("a", "b"), ("b", "a"), ("ab",), ("a", "b", "")]
    assert len({scene_set_hash(scenes) for scenes in sets}) == 4


def test_differences_name_inner_keys() -> None:
    old = {"agent": {"speed": 1}, "seed": 0}
    assert differences(old, {"agent": {"speed": 2}, "seed": 0}) == ["agent.speed: 1 there, 2 now"]


def test_a_task_is_retried_then_split_then_lost() -> None:
    first = cut_tasks(("a", "b", "c"), 2)
    assert [task.scenes for task in first] == [("a", "b"), ("c",)]
    again, lost = after_death(first[0], "killed")
    assert (again, lost) == ([Task(0, ("a", "b"), 1)], [])
    singles, lost = after_death(again[0], "killed")
    assert [task.scenes for task in singles] == [("a",), ("b",)]
    none, lost = after_death(singles[1], "killed")
    assert none == []
    assert lost[0].row == {
        "scene": "b",
        "status": "failed",
        "error": "the worker died on this scene: killed",
    }


class Mean:
    """Plain means of two columns."""

    name = "mean_v1.0"
    subscores = ("nc",)

    def __init__(self, failed_score: float | None) -> None:
        self.failed_score = failed_score

    def aggregate(self, rows: list[dict[str, Any]]) -> dict[str, float]:
        assert all(row["status"] == "ok" for row in rows)
        return {name: float(np.mean([row[name] for row in rows])) for name in ("score", "nc")}


ROWS = [
    {"scene": "a", "status": "ok", "score": 1.0, "nc": 1.0},
    {"scene": "b", "status": "ok", "score": 0.5, "nc": 0.0},
    {"scene": "c", "status": "failed"},
    {"scene": "d", "status": "skipped"},
]


@pytest.mark.parametrize(("failed_score", "score", "nc"), [(None, 0.75, 0.5), (0.0, 0.5, 1 / 3)])
def test_both_readings_of_a_failed_scene(
    failed_score: float | None, score: float, nc: float
) -> None:
    metric: Any = Mean(failed_score)
    scores = score_rows(ROWS, metric, seed=0)
    assert scores.score == pytest.approx(score, abs=1e-15)
    assert scores.subscores["nc"] == pytest.approx(nc, abs=1e-15)
    assert scores.score_failed_as_zero == pytest.approx(1.5 / 4, abs=1e-15)
    assert (scores.n_done, scores.n_failed) == (2, 1)


def test_metric_names_carry_versions() -> None:
    assert metric_version("pdms_v1.1") == "1.1"
    with pytest.raises(RunError, match="carries no version"):
        metric_version("pdms")
    assert find_metric("pdms_v1.1").name == "pdms_v1.1"
    with pytest.raises(ConfigError, match=r"no metric 'pdms_v11'; did you mean 'pdms_v1\.1'\?"):
        find_metric("pdms_v11")


def test_ray_that_is_not_installed_names_the_pip_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "drivelab.data.ray_cluster", raising=False)
    with pytest.raises(MissingExtra, match=r"pip install 'drivelab\[ray\]'"):
        import_module("drivelab.data.ray_cluster")
