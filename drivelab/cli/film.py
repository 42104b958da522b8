"""The video of one scene of a run: a plan that was scored, or a whole drive."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from drivelab.types import Rollout


def film_scene(
    folder: Path, source: Any, row: Mapping[str, Any], out: Path | None = None, *, title: str = ""
) -> Path:
    """Write an mp4 of one row's scene.

    Args:
        folder: of the run.
        source: of its bench.
        row: of rows.parquet.
        out: where to; None for the run's own folder `video/`.
        title: of a drive, in the strip below its picture.
    """
    from drivelab.evaluation.benches.scenes import load_scene
    from drivelab.evaluation.run_folder import file_name
    from drivelab.reports.drive_video import render_drive

    name = file_name(row["scene"])
    out = out or folder / "video" / f"{name}.mp4"
    file = folder / "rollouts" / f"{name}.npz"
    scene = load_scene(source, row["scene"])
    if row.get("ended") is None:
        return _film_plan(scene, file, row, out)
    from drivelab.data.rollout_log import load_rollout, rollout_scene

    rollout: Rollout = load_rollout(file)
    return render_drive(rollout_scene(rollout, scene), rollout, out, title=title or row["scene"])


def _film_plan(scene: Any, file: Path, row: Mapping[str, Any], out: Path) -> Path:
    from drivelab.evaluation.run_folder import load_rollout
    from drivelab.reports.run_record import first_event
    from drivelab.reports.video import render_rollout

    stored, event = load_rollout(file), first_event(row)
    events = [event] if event else []
    return render_rollout(
        scene,
        stored["states"],
        out,
        plan=stored["plan"],
        modes=stored.get("modes"),
        mode_scores=stored.get("mode_scores"),
        events=events,
    )
