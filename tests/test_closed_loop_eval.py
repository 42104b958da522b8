"""Closed-loop runs as a whole: faults, workers, resuming, scoring again; on generated episodes."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

from drivelab.agents.human import Human
from drivelab.data.rollout_log import load_rollout
from drivelab.errors import ConfigError
from drivelab.evaluation.closed_loop import drive
from drivelab.evaluation.evaluate import RunResult, evaluate
from drivelab.evaluation.monitor import Silent
from drivelab.evaluation.settings import EvalSettings
from drivelab.metrics.registry import ROLLOUT_METRICS
from drivelab.sim.envs.families import family_episode
from drivelab.types import EgoTrajectory

TOYS = Path(__file__).parent / "toys"
SCENES = ["straight-0", "curve-1", "follow-2", "merge-3"]
STEPS = 15


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
    header = "carla_ds_v2.1 needs 'route_completion', which this rollout does not hold"
    scene = clean.folder / "rollouts" / "curve-1.npz"
    kept = scene.read_bytes()
    rollout = load_rollout(scene)
    info = {key: value for key, value in rollout.info.items() if key != "route_completion"}
    from drivelab.data.rollout_log import write_rollout

    try:
        write_rollout(replace(rollout, info=info), scene)
        result = rescored(clean, tmp_path, metric="carla_ds_v2.1")
    finally:
        scene.write_bytes(kept)
    rows = table(result).to_pylist()
    assert [row["status"] for row in rows] == ["ok", "failed", "ok", "ok"]
    assert header in rows[1]["error"]


def test_a_rescored_run_gets_its_reference_speed(clean: RunResult, tmp_path: Path) -> None:
    """The runs of benches do not record it: it is found when NeuroNCAP's score asks for it."""
    bench = {"told": False, "metric": "neuroncap_v1"}
    driven = run(tmp_path, bench={"_target_": "driving_toys:FamilyBench", "told": False})
    stored = load_rollout(driven.folder / "rollouts" / "follow-2.npz")
    assert "v_ref" not in stored.info
    result = rescored(driven, tmp_path, **bench)
    assert result.summary.final
    again = load_rollout(result.folder / "rollouts" / "follow-2.npz")
    assert again.info["v_ref"] > 0.0


HUMAN = {"_target_": "drivelab.agents.human:Human"}


def test_the_recorded_driver_drives_to_the_end_of_the_record(tmp_path: Path) -> None:
    result = run(tmp_path, agent=HUMAN, metric="rad9_v2")
    rows = table(result).to_pylist()
    assert [(row["status"], row["steps"]) for row in rows] == [("ok", STEPS)] * len(SCENES)
    for row in rows:
        rollout = load_rollout(result.folder / "rollouts" / f"{row['scene']}.npz")
        away = rollout.ego[:, :2] - rollout.info["expert"][:, :2]
        assert np.hypot(*away.T).max() < 0.3, row["scene"]


def test_a_plan_beyond_the_record_goes_on_at_its_last_velocity() -> None:
    """x = 5 t^2 to 1.2 s: 7.2 m, and 11.5 m/s in its last step. All is along the first heading."""
    base = family_episode("straight", 0)
    seconds = 0.1 * np.arange(13)
    heading = float(base.ego_pose[2])
    poses = np.tile(np.asarray(base.ego_pose, float), (13, 1))
    poses[:, :2] += 5.0 * seconds[:, None] ** 2 * [np.cos(heading), np.sin(heading)]
    still = np.zeros((13, 2))
    expert = EgoTrajectory((seconds * 1e6).astype(np.int64), poses, still, still)
    rollout = drive(replace(base, actors=(), duration=0.3, expert=expert), Human())
    expected = [1.25, 5.0, *(7.2 + 11.5 * (t - 1.2) for t in (1.5, 2.0, 2.5, 3.0, 3.5, 4.0))]
    np.testing.assert_allclose(rollout.plans[0][:, 0], expected, atol=1e-9)
    np.testing.assert_allclose(rollout.plans[0][:, 1:], 0.0, atol=1e-9)


def test_a_recorded_driver_is_refused_where_nothing_was_recorded(tmp_path: Path) -> None:
    bench = {"_target_": "drivelab.evaluation.benches.scenarios:ScenariosBench", "seeds": 1}
    with pytest.raises(ConfigError, match=r"Human asks for the recorded ego.*has none.*rad"):
        run(tmp_path, agent=HUMAN, bench=bench)
    assert not list(tmp_path.iterdir())
    with pytest.raises(ConfigError, match="asks for the recorded ego"):
        drive(family_episode("straight", 0), Human())


def test_an_unknown_controller_is_refused_before_anything_is_driven(tmp_path: Path) -> None:
    bench = {"_target_": "driving_toys:FamilyBench", "controller": "lqrr"}
    with pytest.raises(ConfigError, match=r"^bench\.controller=lqrr.*did you mean 'lqr'"):
        run(tmp_path, bench=bench)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("asked", "toy", "taken"),
    [("auto", "Jumper", "perfect"), ("auto", "Keeper", "lqr"), ("lqr", "Jumper", "lqr")],
)
def test_auto_is_the_controller_that_the_agent_says(asked, toy, taken, tmp_path: Path) -> None:
    bench = {"_target_": "driving_toys:FamilyBench", "count": 1, "controller": asked}
    agent = {"_target_": f"driving_toys:{toy}", "speed": 20.0}
    done = run(tmp_path, agent=agent, bench=bench, config={"bench": bench})
    told = yaml.safe_load((done.folder / "config.yaml").read_text())
    assert told["bench"]["controller"] == taken
    rollout = load_rollout(done.folder / "rollouts" / "straight-0.npz")
    moved = np.hypot(*np.diff(rollout.ego[:2, :2], axis=0)[0])
    assert (moved == pytest.approx(2.0)) == (taken == "perfect")
