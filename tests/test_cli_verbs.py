"""Verbs from the command line to their files, on the embedded split."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from real_data import real_data

from drivelab.cli import main
from drivelab.data.run_rows import read_rows

ROOT = Path(__file__).parent.parent
RUNS = ("run", "scored", "again", "once_more")
DATA_ROOTS = ("OPENSCENE_DATA_ROOT", "NUPLAN_MAPS_ROOT", "DRIVELAB_REALLOGS_ROOT")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in DATA_ROOTS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return tmp_path


def evaluate(*words: str, code: int = 0) -> Path:
    folder = Path("run")
    assert main(["eval", "data=embedded", "report=none", f"run.dir={folder}", *words]) == code
    return folder


def test_eval_prints_table_label_and_next_commands(capsys: pytest.CaptureFixture[str]) -> None:
    folder = evaluate("agent=constant_velocity", "limit=5")
    shown = capsys.readouterr()
    assert "constant_velocity on navsim" in shown.out
    assert "labmini (embedded, not NAVSIM)" in shown.out
    assert "partial: 5 of 200" in shown.out.replace("│", " ").replace("\n", " ")
    assert "NOT FINAL" not in shown.out
    assert shown.out.count("drivelab ") >= 3
    assert "100 %" in shown.err
    summary = json.loads((folder / "summary.json").read_text())
    assert (summary["data"], summary["split"], summary["final"]) == ("partial", "labmini", True)
    assert len(summary["versions"]["labmini_sha256"]) == 64
    assert {row["status"] for row in read_rows(folder / "rows.parquet")} == {"ok"}


def test_quiet_prints_no_progress(capsys: pytest.CaptureFixture[str]) -> None:
    evaluate("agent=constant_velocity", "limit=2", "quiet=true")
    assert capsys.readouterr().err == ""


def test_workers_and_the_second_metric(tmp_path: Path) -> None:
    words = ["eval", "agent=pdm_closed", "bench=navsim_v2", "data=embedded", "limit=10"]
    tables = []
    for workers in (1, 2):
        folder = tmp_path / str(workers)
        assert main([*words, "report=none", f"workers={workers}", f"run.dir={folder}"]) == 0
        rows = pq.read_table(folder / "rows.parquet")
        tables.append(rows.drop_columns([n for n in rows.column_names if n.startswith("time_")]))
    assert tables[0].equals(tables[1])
    assert tables[0]["score"].null_count == 0


def test_score_and_rescore_give_the_scores_of_the_agent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = evaluate("agent=idm", "limit=6")
    rows = read_rows(folder / "rows.parquet")
    plans = {
        row["scene"]: np.load(folder / "rollouts" / f"{row['scene']}.npz")["plan"] for row in rows
    }
    np.savez(tmp_path / "plans.npz", **{name: plan[:8] for name, plan in plans.items()})
    words = ["proposals=plans.npz", "data=embedded", "limit=6", "report=none", "run.dir=scored"]
    assert main(["score", *words]) == 0
    assert main(["rescore", "run", "run.dir=again"]) == 0
    for other in ("scored", "again"):
        again = read_rows(Path(other) / "rows.parquet")
        assert [row["score"] for row in again] == [row["score"] for row in rows]
    assert "privilege: state" in Path("again/config.yaml").read_text()
    assert main(["rescore", "scored", "run.dir=once_more"]) == 0
    seen = [json.loads(Path(run, "env.json").read_text())["privilege"] for run in RUNS]
    assert seen == ["state", "unknown", "state", "unknown"]
    assert main(["report", "run", "scored"]) == 0
    shown = capsys.readouterr().out
    assert re.search(r"privilege .*(state .*unknown|unknown .*state)", shown)


def test_a_run_folder_of_others_runs_no_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = evaluate("agent=constant_velocity", "limit=1")
    config = yaml.safe_load((folder / "config.yaml").read_text())
    bombs = (
        {"_target_": "os:mkdir", "path": "harm"},
        {**config["bench"], "root": {"_target_": "os:mkdir", "path": "harm"}},
        {**config["bench"], "metric": "os:getcwd"},
    )
    for bench in bombs:
        (folder / "config.yaml").write_text(yaml.safe_dump({**config, "bench": bench}))
        for verb in ("report", "render", "rescore"):
            assert main([verb, "run"]) == 2
            assert "was not run; if it is yours, add bench=os:" in capsys.readouterr().err
    assert not (tmp_path / "harm").exists()


def test_a_bench_of_ones_own_is_named_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(ROOT / "tests/toys/evaluation_toys.py", tmp_path / "own_toys.py")
    text = (tmp_path / "own_toys.py").read_text()
    (tmp_path / "own_toys.py").write_text(text.replace("evaluation_toys:", "own_toys:"))
    toys = ["agent=own_toys:Straight", "bench=own_toys:ToyBench"]
    assert main(["eval", *toys, "limit=2", "report=none", "run.dir=run"]) == 0
    assert main(["report", "run"]) == 2
    assert "add bench=own_toys:ToyBench" in capsys.readouterr().err
    for words in (["report", "run"], ["render", "run"], ["rescore", "run", "run.dir=again"]):
        assert main([*words, "bench=own_toys:ToyBench"]) == 0


def test_a_folder_that_is_not_whole_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    folder = evaluate("agent=constant_velocity", "limit=1")
    (folder / "env.json").write_text('{"identity": {}}')
    assert main(["rescore", "run"]) == 2
    assert "env.json has no 'agent'" in capsys.readouterr().err
    (folder / "rows.parquet").write_bytes(b"PAR1")
    assert main(["render", "run"]) == 2
    assert "rows.parquet: cannot be read as the rows of a run" in capsys.readouterr().err


def test_missing_proposals_are_failed_rows_and_exit_3(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = main_scene()
    np.savez(tmp_path / "plans.npz", **{first: np.zeros((8, 3))})
    words = ["proposals=plans.npz", "data=embedded", "limit=3", "report=none", "run.dir=run"]
    assert main(["score", *words]) == 3
    shown = capsys.readouterr()
    assert shown.out.startswith("NOT FINAL: 2 failed of 3 scenes")
    second = read_rows(Path("run/rows.parquet"))[1]
    assert f"first failure, {second['scene']}: {second['error']}" in shown.err
    assert f"run/{second['traceback']}" in shown.err
    assert [row["status"] for row in read_rows(Path("run/rows.parquet"))] == [
        "ok",
        "failed",
        "failed",
    ]


def main_scene() -> str:
    from drivelab.data.labmini import LabminiSource

    return LabminiSource().scene_ids()[0]


def test_report_render_show_and_list_scenes(capsys: pytest.CaptureFixture[str]) -> None:
    folder = evaluate("agent=constant_velocity", "limit=2")
    assert main(["report", str(folder)]) == 0
    assert "labmini (embedded, not NAVSIM)" in (folder / "report.html").read_text()
    assert main(["render", f"run={folder}", "out=film.mp4"]) == 0
    assert Path("film.mp4").stat().st_size > 1000
    assert main(["show", "data=embedded", f"scene={main_scene()}", "out=scene.png"]) == 0
    assert Path("scene.png").read_bytes().startswith(b"\x89PNG")
    capsys.readouterr()
    assert main(["list", "scenes", "data=embedded"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == main_scene()


def test_the_example_agent_runs_without_registration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = ROOT / "examples/my_agent.py"
    assert len(source.read_text().splitlines()) <= 40
    shutil.copy(source, tmp_path)
    folder = evaluate("agent=my_agent:MyAgent", "agent.slow_down=2.0", "limit=2")
    summary = json.loads((folder / "summary.json").read_text())
    assert (summary["agent"], summary["n_done"]) == ("MyAgent", 2)
    assert "slow_down: 2.0" in (folder / "config.yaml").read_text()


def test_a_sweep_runs_one_folder_each(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["-m", "agent=constant_velocity,idm", "data=embedded", "limit=1", "report=none"]
    code = f"import sys; from drivelab.cli import main; sys.exit(main({['eval', *words]!r}))"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    names = sorted(json.loads(f.read_text())["agent"] for f in Path("runs").glob("*/summary.json"))
    assert names == ["constant_velocity", "idm"]


@pytest.mark.parametrize("checkout", [False, True])
def test_a_new_agent_passes_its_own_test(tmp_path: Path, checkout: bool) -> None:
    if checkout:
        (tmp_path / "conf/agent").mkdir(parents=True)
        (tmp_path / "drivelab/cli").mkdir(parents=True)
    assert main(["new", "agent", "slow_poke"]) == 0
    home = tmp_path / ("agents/slow_poke" if checkout else "slow_poke")
    assert {path.name for path in home.iterdir()} >= {"agent.py", "__init__.py", "README.md"}
    ruff = Path(sys.executable).with_name("ruff")
    style = ["--isolated", "--line-length", "100"]
    if ruff.exists():
        for command in (["check", "--select", "E,F,UP,B"], ["format", "--check"]):
            subprocess.run([ruff, *command, *style, "."], check=True)
    if checkout:
        text = (tmp_path / "conf/agent/slow_poke.yaml").read_text()
        assert "_target_: drivelab.agents.slow_poke.agent:SlowPoke" in text
        assert (tmp_path / "tests/test_agent_slow_poke.py").exists()
    else:
        pytest_command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "."]
        subprocess.run(pytest_command, check=True)
        evaluate("agent=slow_poke.agent:SlowPoke", "agent.hold=1.0", "limit=1")
    assert main(["new", "agent", "slow_poke"]) == 2  # nothing is overwritten


@pytest.mark.parametrize("name", ["numpy", "json", "drivelab"])
def test_a_new_agent_hides_no_module(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", "agent", name]) == 2
    assert f"{name!r} is a module that is installed here" in capsys.readouterr().err
    assert not Path(name).exists()


def test_doctor_and_data_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    assert "numpy" in capsys.readouterr().out
    assert main(["data", "list"]) == 0
    assert "labmini (embedded, not NAVSIM): " in capsys.readouterr().out
    assert main(["data", "list", "data.root=."]) == 2
    assert "no logs; looked for" in capsys.readouterr().err


@pytest.mark.data
def test_reallogs_from_the_command_line() -> None:
    words = ["agent=human", "bench=reallogs", f"data.root={real_data('real_logs')}", "limit=3"]
    assert main(["eval", *words, "report=none", "run.dir=run"]) == 0
    summary = json.loads(Path("run/summary.json").read_text())
    assert (summary["bench"], summary["n_done"], summary["data"]) == ("reallogs", 3, "partial")


@pytest.mark.install
def test_a_package_of_others_adds_agents(tmp_path: Path) -> None:
    target = tmp_path / "site"
    source = tmp_path / "package"
    shutil.copytree(ROOT / "examples/plugin_package", source)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
    subprocess.run([*pip, "--no-build-isolation", "--target", target, source], check=True)
    words = ["agent=lane_follow", "agent.speed=6.0", "limit=1", "report=none", "data=embedded"]
    code = (
        f"import sys; sys.path.insert(0, {str(target)!r}); from drivelab.cli import main\n"
        f"codes = [main(['list', 'agents']), main({['eval', *words]!r}),\n"
        "  main(['eval', 'agent=lane_follow_slow', 'limit=1', 'report=none', 'data=embedded'])]\n"
        "sys.exit(max(codes))"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "lane_follow_slow" in done.stdout
    names = {json.loads(f.read_text())["agent"] for f in Path("runs").glob("*/summary.json")}
    assert names == {"LaneFollow", "lane_follow_slow"}
