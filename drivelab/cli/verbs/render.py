"""`drivelab render`: film a scored plan of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from drivelab.cli.words import read_words
from drivelab.errors import ConfigError, RunError, nearest_name

USAGE = """usage: drivelab render run=RUN [scene=ID] [out=FILE.mp4]

Films the simulated plan of one scene (the worst one, if none is named). A run on a bench of your
own needs bench=package.module:Class again."""


def run(words: Sequence[str]) -> int:
    """Run the verb."""
    found = read_words(words, ("run", "scene", "out", "bench", "quiet"), places=("run",))
    if "run" not in found:
        raise ConfigError("render needs a run folder: drivelab render run=runs/RUN scene=ID")
    folder = Path(found["run"])
    from drivelab.cli.report_file import stored_bench
    from drivelab.evaluation.run_folder import file_name, load_rollout
    from drivelab.registry import build
    from drivelab.reports.run_record import first_event
    from drivelab.reports.video import render_rollout

    bench = build(stored_bench(folder, found.get("bench")))
    row = _choose_row(folder, found.get("scene"))
    name = file_name(row["scene"])
    stored = load_rollout(folder / "rollouts" / f"{name}.npz")
    out = Path(found.get("out", folder / "video" / f"{name}.mp4"))
    out.parent.mkdir(parents=True, exist_ok=True)
    event = first_event(row)
    scene = bench.source().load(row["scene"])
    events = [event] if event else []
    print(render_rollout(scene, stored["states"], out, plan=stored["plan"], events=events))
    return 0


def _choose_row(folder: Path, scene: str | None) -> Mapping[str, Any]:
    from drivelab.evaluation.row_table import read_table

    file = folder / "rows.parquet"
    if not file.is_file():
        raise RunError(f"{folder} is no finished run folder: it has no rows.parquet")
    rows = {row["scene"]: row for row in read_table(file)}
    if scene is not None and scene not in rows:
        raise ConfigError(f"scene={scene}: not in {folder}{nearest_name(scene, rows)}")
    scored = [row for row in rows.values() if row["score"] is not None]
    if scene is not None:
        return rows[scene]
    if not scored:
        raise RunError(f"{folder} holds no scored scene to film")
    return min(scored, key=lambda row: row["score"])
