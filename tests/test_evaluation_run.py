"""A run as a whole: rows, faults, workers, resuming, refusing; on toys computed by hand."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from drivelab.errors import ConfigError, RunError
from drivelab.evaluation import run_folder
from drivelab.evaluation.evaluate import RunResult, evaluate
from drivelab.evaluation.launchers import processes
from drivelab.evaluation.monitor import Silent
from drivelab.evaluation.run_folder import load_rollout
from drivelab.evaluation.settings import EvalSettings
from drivelab.evaluation.summary import read_summary

SUMMARY_FIELDS = re.split(
    r"\s+",
    "schema agent bench split scene_set_sha256 data metric metric_version n_expected n_done "
    "n_failed final score score_ci95 score_failed_as_zero subscores seed wall_s versions",
)
TOYS = Path(__file__).parent / "toys"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EvalSettings:
    monkeypatch.syspath_prepend(TOYS)
    return EvalSettings(
        agent={"_target_": "evaluation_toys:Straight"},
        agent_name="straight",
        bench={"_target_": "evaluation_toys:ToyBench"},
        bench_name="toys",
        batch=4,
        runs_root=tmp_path / "runs",
    )


def run(settings: EvalSettings, **changes: Any) -> RunResult:
    return evaluate(replace(settings, **changes), Silent())


def agent(name: str, **options: Any) -> dict[str, Any]:
    return {"_target_": f"evaluation_toys:{name}", **options}


def table(result: RunResult) -> Any:
    """The rows without wall-clock columns."""
    rows = pq.read_table(result.folder / "rows.parquet")
    return rows.drop_columns([name for name in rows.column_names if name.startswith("time_")])


def rows_of(result: RunResult) -> list[dict[str, Any]]:
    return table(result).to_pylist()


def test_rows_and_summary_of_a_whole_run(settings: EvalSettings) -> None:
    result = run(settings)
    rows = rows_of(result)
    assert [row["scene"] for row in rows] == [f"s{i:03d}" for i in range(12)]
    assert {row["status"] for row in rows} == {"ok"}
    for row in rows:
        assert 0.79 < row["score"] <= 0.8  # 32 m of 40 m, less up to 0.1 m
        assert row["metres"] == pytest.approx(40 * row["score"], abs=1e-12)
        states = load_rollout(result.folder / "rollouts" / f"{row['scene']}.npz")["states"]
        assert row["last_x"] == states[-1, 0]
        assert row["first_kind"] is None
    summary = json.loads((result.folder / "summary.json").read_text())
    assert list(summary) == SUMMARY_FIELDS
    assert summary["score"] == pytest.approx(np.mean([row["score"] for row in rows]), abs=1e-15)
    assert summary["score_failed_as_zero"] == summary["score"]
    low, high = summary["score_ci95"]
    assert low < summary["score"] < high
    assert (summary["final"], summary["n_done"], summary["metric_version"]) == (True, 12, "1.0")
    assert summary["versions"]["toys"] == "1"
    environment = json.loads((result.folder / "env.json").read_text())
    assert environment["data"]["label"] == "toys"


def test_the_first_infraction_is_the_earliest(settings: EvalSettings) -> None:
    row = rows_of(run(settings, agent=agent("Straight", speed=1.0), limit=1))[0]
    first = [row[f"first_{name}"] for name in ("kind", "step", "actor", "detail", "margin")]
    assert first == ["collision", 4, "a", "front", -0.5]
    assert table(run(settings, agent=agent("Straight", speed=1.0), limit=1))["first_time"][
        0
    ].as_py() == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("raises", "ValueError: the network exploded"),
        ("exits", "SystemExit: 7"),
        ("shape", r"PlanError: Plan.poses has shape (8, 2), expected (t, 3)"),
        ("nan", "PlanError: Plan.poses[5] is [23.9"),
        ("short", "PlanError: Plan.poses has 7 rows at dt=0.5 s, expected at least 8"),
        ("far", "PlanError: Plan.poses[0] is [3.9"),
        ("complex", "PlanError: Plan.poses holds complex numbers"),
        ("undecodable", r"ValueError: no file \udcff.pt"),
        ("type", "PlanError: expected a drivelab.types.Plan, got ndarray"),
    ],
)
def test_a_faulty_scene_is_one_failed_row(settings: EvalSettings, fault: str, error: str) -> None:
    result = run(settings, agent=agent("Faulty", fault=fault))
    rows = rows_of(result)
    assert [row["scene"] for row in rows if row["status"] != "ok"] == ["s003"]
    assert rows[3]["error"].startswith(error)
    trace = (result.folder / rows[3]["traceback"]).read_text()
    assert error.partition(":")[0] in trace
    summary = result.summary
    assert (summary.n_done, summary.n_failed, summary.final) == (11, 1, False)
    assert summary.score is not None
    assert summary.score_failed_as_zero == pytest.approx(summary.score * 11 / 12, abs=1e-12)


def test_a_strict_metric_counts_failed_scenes_as_zero(settings: EvalSettings) -> None:
    bench = {**settings.bench, "metric": "evaluation_toys:StrictMetric"}
    summary = run(settings, agent=agent("Faulty", fault="raises"), bench=bench).summary
    assert summary.score == summary.score_failed_as_zero
    assert summary.score == pytest.approx(0.8 * 11 / 12, abs=0.01)


def test_too_many_plans_fail_every_scene(settings: EvalSettings) -> None:
    result = run(settings, agent=agent("TooMany"), limit=5)
    assert [row["error"] for row in rows_of(result)] == [
        "PlanError: act returned 2 plans for 1 observations"
    ] * 5
    assert result.summary.score is None
    assert result.summary.score_ci95 is None


def test_a_broken_scene_does_not_stop_the_run(settings: EvalSettings) -> None:
    result = run(settings, bench={**settings.bench, "broken": "s000"})
    assert rows_of(result)[0]["error"] == "DataError: toy.bin, frame 3: pose 3 is NaN"
    assert result.summary.n_done == 11


def test_one_and_two_workers_and_twice_give_equal_rows(settings: EvalSettings) -> None:
    faulty = agent("Faulty", fault="raises")
    first = table(run(settings, agent=faulty))
    assert table(run(settings, agent=faulty)).equals(first)
    assert table(run(settings, agent=faulty, workers=2)).equals(first)


def test_a_worker_killed_once_loses_nothing(settings: EvalSettings, tmp_path: Path) -> None:
    clean = run(settings)
    marker = str(tmp_path / "died")
    result = run(settings, agent=agent("Faulty", fault="dies_once", marker=marker), workers=2)
    assert Path(marker).exists()
    assert table(result).equals(table(clean))


def test_a_scene_that_kills_its_worker_is_the_only_one_lost(settings: EvalSettings) -> None:
    result = run(settings, agent=agent("Faulty", fault="dies"), workers=2)
    lost = [row for row in rows_of(result) if row["status"] == "failed"]
    assert [row["scene"] for row in lost] == ["s003"]
    assert lost[0]["error"] == "the worker died on this scene: killed by SIGKILL"
    assert result.summary.n_done == 11


def test_threads_are_put_back_after_spawning(settings: EvalSettings) -> None:
    before = {name: os.environ.get(name) for name in processes.THREAD_VARIABLES}
    run(settings, workers=2, limit=8)
    assert {name: os.environ.get(name) for name in processes.THREAD_VARIABLES} == before


def test_an_agent_cannot_write_into_what_it_is_scored_on(settings: EvalSettings) -> None:
    rows = rows_of(run(settings, agent=agent("Meddling")))
    assert [row["scene"] for row in rows if row["status"] != "ok"] == ["s003"]
    assert rows[3]["error"] == "ValueError: assignment destination is read-only"


@pytest.mark.parametrize("batch", [1, 4])
def test_an_interrupt_inside_compiled_code_is_no_failed_scene(
    settings: EvalSettings, batch: int
) -> None:
    options = agent("Faulty", fault="interrupts_within", scene="s006")
    result = run(settings, agent=options, batch=batch)
    assert result.interrupted
    assert (result.summary.n_done, result.summary.n_failed) == (6 // batch * batch, 0)


def test_a_file_is_no_run_folder(settings: EvalSettings, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=r"file is a file, expected a folder"):
        run(settings, run_dir=tmp_path / "file")


def test_an_interrupted_run_resumes_in_the_same_folder(
    settings: EvalSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    import evaluation_toys

    options = agent("Faulty", fault="interrupts", scene="s006")
    first = run(settings, agent=options)
    assert first.interrupted
    assert (first.summary.n_done, first.summary.final) == (4, False)
    assert [row["status"] for row in rows_of(first)] == ["ok"] * 4 + ["skipped"] * 8
    monkeypatch.setattr(evaluation_toys.Faulty, "_interrupts", lambda self, good: good)
    second = run(settings, agent=options)
    assert second.folder == first.folder
    assert second.summary.final
    assert table(second).equals(table(run(settings)))


def test_kill_and_run_again_is_complete_and_equal(settings: EvalSettings, tmp_path: Path) -> None:
    slow = agent("Straight", wait=0.15)
    clean = run(settings, agent=slow, run_dir=tmp_path / "clean")
    folder = tmp_path / "killed"
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\n"
        "from drivelab.evaluation.evaluate import evaluate\n"
        "from drivelab.evaluation.monitor import Silent\n"
        "from drivelab.evaluation.settings import EvalSettings\n"
        "evaluate(EvalSettings(agent={'_target_': 'evaluation_toys:Straight', 'wait': 0.15},"
        " agent_name='straight', bench={'_target_': 'evaluation_toys:ToyBench'},"
        " bench_name='toys', batch=4, run_dir=Path(sys.argv[2])), Silent())\n"
    )
    kills = 0
    for rows_before in (1, 2):
        process = subprocess.Popen([sys.executable, "-c", code, str(TOYS), str(folder)])
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            journal = folder / "rows.jsonl"
            if journal.exists() and journal.read_bytes().count(b"\n") >= 4 * rows_before:
                process.send_signal(signal.SIGKILL)
                kills += process.wait() == -signal.SIGKILL
                break
            time.sleep(0.005)
        process.wait()
    assert kills >= 1
    resumed = run(settings, agent=slow, run_dir=folder)
    assert resumed.summary.final
    assert table(resumed).equals(table(clean))
    assert run_folder.open_existing(folder).hash == run_folder.open_existing(clean.folder).hash


def test_torn_files_are_made_again(settings: EvalSettings, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    clean = table(run(settings, run_dir=folder))
    with (folder / "rows.jsonl").open("ab") as journal:
        journal.write(b'{"scene": "s0')
    rollout = folder / "rollouts/s005.npz"
    rollout.write_bytes(rollout.read_bytes()[:100])
    again = run(settings, run_dir=folder)
    assert table(again).equals(clean)
    assert load_rollout(rollout)["plan"].shape == (8, 3)
    assert b'{"scene": "s0{' not in (folder / "rows.jsonl").read_bytes()


def test_failed_rows_are_tried_again_in_a_named_folder(
    settings: EvalSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    import evaluation_toys

    broken = run(settings, run_dir=folder, agent=agent("Faulty", fault="raises"))
    assert broken.summary.n_failed == 1
    monkeypatch.setattr(evaluation_toys.Faulty, "_raises", lambda self, good: good)
    mended = run(settings, run_dir=folder, agent=agent("Faulty", fault="raises"))
    assert mended.summary.final


def test_another_configuration_is_refused_with_what_differs(
    settings: EvalSettings, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    run(settings, run_dir=folder)
    with pytest.raises(RunError, match=r"seed: 0 there, 5 now"):
        run(settings, run_dir=folder, seed=5)
    with pytest.raises(RunError, match=r"agent\.speed: None there, 3\.0 now"):
        run(settings, run_dir=folder, agent=agent("Straight", speed=3.0))
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.tex").write_text("precious")
    with pytest.raises(RunError, match="is no run folder"):
        run(settings, run_dir=other)


def test_a_finished_run_is_not_resumed_and_an_unfinished_one_of_others_neither(
    settings: EvalSettings,
) -> None:
    first, second = run(settings), run(settings)
    assert first.folder != second.folder
    (first.folder / "summary.json").unlink()  # as if killed before the end
    assert run(settings, seed=1).folder not in (first.folder, second.folder)
    assert run(settings).folder == first.folder


def test_a_folder_in_use_is_left_alone(settings: EvalSettings) -> None:
    first = run(settings)
    (first.folder / "summary.json").unlink()
    with run_folder.run_lock(first.folder):
        assert run(settings).folder != first.folder
        with pytest.raises(RunError, match="in use by another process"):
            run(settings, run_dir=first.folder)


def test_a_full_disk_keeps_what_is_there(
    settings: EvalSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, written = tmp_path / "run", []
    real = run_folder.append_rows

    def append(path: Path, rows: Any) -> None:
        if written:
            with Path("/dev/full").open("wb", buffering=0) as full:
                full.write(b"row\n")  # raises ENOSPC
        written.append(real(path, rows))

    monkeypatch.setattr(run_folder, "append_rows", append)
    with pytest.raises(RunError, match=r"the disk is full .*run the same command again"):
        run(settings, run_dir=folder)
    assert (folder / "rows.jsonl").read_bytes().count(b"\n") == 4
    monkeypatch.setattr(run_folder, "append_rows", real)
    resumed = run(settings, run_dir=folder)
    assert table(resumed).equals(table(run(settings)))


def test_subsets_are_labelled_partial(settings: EvalSettings) -> None:
    some = run(settings, scenes=("s004", "s001"))
    assert [row["scene"] for row in rows_of(some)] == ["s001", "s004"]
    assert (some.summary.data, some.summary.n_expected) == ("partial", 2)
    assert some.label == "toys, partial: 2 of 12 scenes"
    assert some.folder.name.endswith("-eval-straight-toys-toys-partial")
    whole = run(settings, limit=12)
    assert whole.summary.data == "embedded"
    with pytest.raises(ConfigError, match=r"no scene 's0004' in this bench; did you mean 's004'"):
        run(settings, scenes=("s0004",))


def test_an_agent_that_cannot_act_is_told_before_the_run(
    settings: EvalSettings, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"Blind\.rig is None"):
        run(settings, agent=agent("Blind"))
    with pytest.raises(ConfigError, match=r"camera 'CAM_F0', which toys lacks.*navsim"):
        run(settings, agent=agent("Seeing"))
    with pytest.raises(ConfigError, match=r"no option 'sped'; did you mean 'speed'\?"):
        run(settings, agent=agent("Straight", sped=1))
    assert not (tmp_path / "runs").exists()


def test_summary_reads_back(settings: EvalSettings) -> None:
    result = run(settings)
    assert read_summary(result.folder / "summary.json") == result.summary
