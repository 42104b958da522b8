"""Closed-loop runs as a whole: faults, workers, resuming, scoring again; on generated episodes."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from drivelab.data.rollout_log import load_rollout
from drivelab.errors import ConfigError
from drivelab.evaluation.evaluate import RunResult, evaluate
from drivelab.evaluation.monitor import Silent
from drivelab.evaluation.settings import EvalSettings
from drivelab.metrics.registry import ROLLOUT_METRICS

TOYS = Path(__file__).parent / "toys"
SCENES = ["straight-0", "curve-1", "follow-2", "merge-3"]
STEPS = 15
RAY = {"_target_": "drivelab.evaluation.launchers.ray:RayLauncher"}


def keeper(fault: str = "", **options: Any) -> dict[str, Any]:
    return {"_target_": "driving_toys:Keeper", "fault": fault, **options}


def settings_in(folder: Path, **changes: Any) -> EvalSettings:
    base = EvalSettings(
        agent=keeper(),
        agent_name="keeper",
        bench={"_target_": "driving_toys:FamilyBench"},
        bench_name="families",
        batch=2,
        runs_root=folder,
    )
    return replace(base, **changes)


def run(folder: Path, **changes: Any) -> RunResult:
    return evaluate(settings_in(folder, **changes), Silent())


def table(result: RunResult) -> Any:
    """The rows without wall-clock columns."""
    rows = pq.read_table(result.folder / "rows.parquet")
    return rows.drop_columns([name for name in rows.column_names if name.startswith("time_")])


@pytest.fixture(autouse=True)
def toys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(TOYS)


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    """A run without faults."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(TOYS)
        return run(tmp_path_factory.mktemp("clean"))


def without(rows: Any, scene: str) -> list[dict[str, Any]]:
    """All rows but one, without the columns that only a failed row fills."""
    kept = [row for row in rows.to_pylist() if row["scene"] != scene]
    return [{k: v for k, v in row.items() if k not in ("error", "traceback")} for row in kept]


def test_rows_say_how_a_drive_ended_and_the_rollout_is_kept(clean: RunResult) -> None:
    rows = table(clean).to_pylist()
    assert [row["scene"] for row in rows] == SCENES
    for row in rows:
        assert row["status"] == "ok"
        rollout = load_rollout(clean.folder / "rollouts" / f"{row['scene']}.npz")
        assert rollout.info["status"] == row["ended"]
        assert (len(rollout.times), len(rollout.plans)) == (row["steps"] + 1, row["steps"])
        assert row["steps"] == STEPS or row["ended"] != "failed: timeout"


@pytest.mark.parametrize(
    ("fault", "step", "error"),
    [
        ("reset", 0, "RuntimeError: no memory of this place"),
        ("raises", 7, "ValueError: the network exploded"),
        ("exits", 7, "SystemExit: 7"),
        ("shape", 3, "PlanError: the plan of step 3 has 5 poses at dt=0.5 s, the first one had 8"),
        ("nan", 3, "PlanError: Plan.poses[2] is [12.0, nan, 0.0]"),
    ],
)
def test_an_agents_fault_ends_its_own_episode_only(
    clean: RunResult, tmp_path: Path, fault: str, step: int, error: str
) -> None:
    result = run(tmp_path, agent=keeper(fault, step=step))
    row = table(result).to_pylist()[2]
    assert (row["status"], row["score"]) == ("failed", None)
    assert row["error"].startswith(error)
    trace = (result.folder / row["traceback"]).read_text()
    assert error.partition(":")[0] in trace
    assert without(table(result), "follow-2") == without(table(clean), "follow-2")
    assert (result.summary.n_done, result.summary.n_failed) == (3, 1)


def test_an_agent_that_ends_its_process_loses_its_own_scene_only(
    clean: RunResult, tmp_path: Path
) -> None:
    result = run(tmp_path, agent=keeper("dies"), workers=2)
    row = table(result).to_pylist()[2]
    assert row["error"] == "the worker died on this scene: it exited with 3"
    assert without(table(result), "follow-2") == without(table(clean), "follow-2")


@pytest.mark.ray
def test_actors_of_ray_give_the_rows_of_one_process(clean: RunResult, tmp_path: Path) -> None:
    ray = pytest.importorskip("ray")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    try:
        assert table(run(tmp_path, launcher=RAY, workers=2)).equals(table(clean))
    finally:
        ray.shutdown()


def test_a_killed_run_resumes_to_equal_rows(clean: RunResult, tmp_path: Path) -> None:
    agent = keeper("killed_once", marker=str(tmp_path / "killed"))
    code = (
        "import sys; sys.path[:0] = sys.argv[1:3]\n"
        "from pathlib import Path\n"
        "from test_closed_loop_eval import run\n"
        f"run(Path(), agent={agent!r}, run_dir=Path(sys.argv[3]))\n"
    )
    folder = tmp_path / "run"
    words = [sys.executable, "-c", code, str(TOYS), str(TOYS.parent), str(folder)]
    assert subprocess.run(words).returncode == -9
    assert (folder / "rows.jsonl").read_bytes().count(b"\n") == 2  # the first batch was kept
    resumed = run(tmp_path, agent=agent, run_dir=folder)
    assert table(resumed).equals(table(clean))


def rescored(clean: RunResult, folder: Path, **bench: Any) -> RunResult:
    agent = {
        "_target_": "drivelab.evaluation.proposals:StoredRollouts",
        "run": str(clean.folder),
        "journal": str(clean.folder / "rows.jsonl"),
    }
    return run(folder, agent=agent, bench={"_target_": "driving_toys:FamilyBench", **bench})


@pytest.fixture
def no_driving(monkeypatch: pytest.MonkeyPatch) -> None:
    """A world that cannot be started: what is stored is scored as it is."""

    def refuse(*_: Any) -> None:
        raise AssertionError("a world was started")

    monkeypatch.setattr("drivelab.sim.world.native.NativeWorld.__init__", refuse)


@pytest.mark.usefixtures("no_driving")
def test_every_metric_comes_from_one_recorded_run(clean: RunResult, tmp_path: Path) -> None:
    scores: dict[str, float | None] = {}
    for metric in ROLLOUT_METRICS:
        if metric == "scenario_pass_v1":  # judges what a scenario's text expects; these have none
            continue
        result = rescored(clean, tmp_path, metric=metric)
        assert result.summary.final, metric
        assert result.summary.metric == metric
        scores[metric] = result.summary.score
    assert len(scores) >= 13
    assert all(score is not None for score in scores.values())
    assert scores["carla_ds_v2.1"] == clean.summary.score


@pytest.mark.usefixtures("no_driving")
def test_what_a_rollout_does_not_hold_is_told_row_by_row(tmp_path: Path, clean: RunResult) -> None:
    header = "neuroncap_v1 needs 'v_ref', which this rollout does not hold"
    scene = clean.folder / "rollouts" / "curve-1.npz"
    kept = scene.read_bytes()
    rollout = load_rollout(scene)
    info = {key: value for key, value in rollout.info.items() if key != "v_ref"}
    from drivelab.data.rollout_log import write_rollout

    try:
        write_rollout(replace(rollout, info=info), scene)
        result = rescored(clean, tmp_path, metric="neuroncap_v1")
    finally:
        scene.write_bytes(kept)
    rows = table(result).to_pylist()
    assert [row["status"] for row in rows] == ["ok", "failed", "ok", "ok"]
    assert header in rows[1]["error"]


def test_an_unknown_controller_is_refused_before_anything_is_driven(tmp_path: Path) -> None:
    bench = {"_target_": "driving_toys:FamilyBench", "controller": "lqrr"}
    with pytest.raises(ConfigError, match=r"controller=lqrr.*did you mean 'lqr'"):
        run(tmp_path, bench=bench)
    assert not list(tmp_path.iterdir())
