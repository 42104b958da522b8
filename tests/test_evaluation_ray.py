"""The Ray launcher on a real local cluster: equal rows, and actors that die."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from drivelab.evaluation.evaluate import RunResult, evaluate
from drivelab.evaluation.monitor import Silent
from drivelab.evaluation.settings import EvalSettings

pytestmark = pytest.mark.ray
TOYS = Path(__file__).parent / "toys"
RAY = {"_target_": "drivelab.evaluation.launchers.ray:RayLauncher"}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """One cluster for all tests of this file."""
    ray = pytest.importorskip("ray")
    still = {"include_dashboard": False, "log_to_driver": False, "logging_level": "ERROR"}
    ray.init(address="local", num_cpus=2, **still)
    yield ray
    ray.shutdown()


def run(folder: Path, launcher: dict[str, Any], **agent: Any) -> RunResult:
    settings = EvalSettings(
        agent={"_target_": "evaluation_toys:Faulty", "fault": "raises", **agent},
        agent_name="toy",
        bench={"_target_": "evaluation_toys:ToyBench", "count": 8},
        bench_name="toys",
        launcher=launcher,
        batch=2,
        workers=2 if launcher is RAY else 1,
        runs_root=folder,
    )
    return evaluate(settings, Silent())


def table(result: RunResult) -> Any:
    rows = pq.read_table(result.folder / "rows.parquet")
    return rows.drop_columns([name for name in rows.column_names if name.startswith("time_")])


def test_actors_give_the_rows_of_one_process(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(TOYS)
    local = {"_target_": "drivelab.evaluation.launchers.local:LocalLauncher"}
    assert table(run(tmp_path / "ray", RAY)).equals(table(run(tmp_path / "local", local)))
    assert cluster.is_initialized()  # a cluster that was there before stays


def test_actors_drive_as_one_process_does(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(TOYS)
    settings = EvalSettings(
        agent={"_target_": "driving_toys:Keeper"},
        agent_name="keeper",
        bench={"_target_": "driving_toys:FamilyBench"},
        bench_name="families",
        batch=2,
        runs_root=tmp_path,
    )
    by_actors = evaluate(replace(settings, launcher=RAY, workers=2), Silent())
    assert table(by_actors).equals(table(evaluate(settings, Silent())))


def test_a_dead_actor_is_replaced_and_its_scene_retried_then_recorded(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(TOYS)
    marker = tmp_path / "died"
    once = run(tmp_path / "once", RAY, fault="dies_once", marker=str(marker))
    assert marker.exists()
    assert once.summary.final
    always = run(tmp_path / "always", RAY, fault="dies")
    rows = table(always).to_pylist()
    assert [row["scene"] for row in rows if row["status"] == "failed"] == ["s003"]
    assert rows[3]["error"].startswith("the worker died on this scene: ")
