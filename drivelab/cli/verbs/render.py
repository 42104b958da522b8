"""`drivelab render`: film a scored plan, or a drive, of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from drivelab.cli.words import read_words
from drivelab.errors import ConfigError, RunError, nearest_name

USAGE = """usage: drivelab render run=RUN [scene=ID] [out=FILE.mp4]

Films one scene (the worst one, if none is named): the simulated plan, or in a closed loop the whole
drive with a camera that follows the ego. A run on a bench of your own needs
bench=package.module:Class again."""


def run(words: Sequence[str]) -> int:
    """Run the verb."""
    found = read_words(words, ("run", "scene", "out", "bench", "quiet"), places=("run",))
    if "run" not in found:
        raise ConfigError("render needs a run folder: drivelab render run=runs/RUN scene=ID")
    folder = Path(found["run"])
    from drivelab.cli.film import film_scene
    from drivelab.cli.report_file import stored_bench
    from drivelab.registry import build

    bench = build(stored_bench(folder, found.get("bench")))
    row = _choose_row(folder, found.get("scene"))
    out = Path(found["out"]) if "out" in found else None
    print(film_scene(folder, bench.source(), row, out))
    return 0


def _choose_row(folder: Path, scene: str | None) -> Mapping[str, Any]:
    from drivelab.data.run_rows import read_rows

    file = folder / "rows.parquet"
    if not file.is_file():
        raise RunError(f"{folder} is no finished run folder: it has no rows.parquet")
    rows = {row["scene"]: row for row in read_rows(file)}
    if scene is not None and scene not in rows:
        raise ConfigError(f"scene={scene}: not in {folder}{nearest_name(scene, rows)}")
    if scene is not None and rows[scene]["score"] is None:
        reason = rows[scene].get("error") or rows[scene]["status"]
        raise RunError(f"scene={scene}: there is nothing to film, it has no score: {reason}")
    scored = [row for row in rows.values() if row["score"] is not None]
    if scene is not None:
        return rows[scene]
    if not scored:
        raise RunError(f"{folder} holds no scored scene to film")
    return min(scored, key=lambda row: row["score"])
