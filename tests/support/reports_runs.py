"""Run folders for the report tests, made from the golden cases."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from golden_worlds import archive, golden_scene

from drivelab.types import Scene

SUBSCORES = (
    "no_at_fault_collisions",
    "drivable_area_compliance",
    "driving_direction_compliance",
    "ego_progress",
    "time_to_collision_within_bound",
    "comfort",
)
HOSTILE = "</script><script>document.title='owned'</script>"


def golden_rows() -> list[dict[str, Any]]:
    """A row per golden case, with the first infraction that its time indices give."""
    golden = archive()
    rows = []
    for case in golden.cases:
        scene, v1 = golden.scenes[case["scene_index"]], case["v1"]
        row = {
            "scene": case["case_id"],
            "family": golden.worlds[scene["world_id"]]["kind"],
            "status": "ok",
            "score": v1["score"],
            **{name: v1[name] for name in SUBSCORES},
            "time_act": 1.5,
            "time_score": 12.5,
        }
        collision, ttc = v1["collision_time_idx"], v1["ttc_time_idx"]
        if collision is not None and v1["no_at_fault_collisions"] < 1:
            actor, kind = (*v1["collision_types"][0], "")[:2] if v1["collision_types"] else ("", "")
            row |= _first("collision", int(collision), actor, str(kind).lower(), -0.21)
        elif ttc is not None and v1["time_to_collision_within_bound"] < 1:
            row |= _first("ttc", int(ttc), "", "", float("nan"))
        rows.append(row)
    return rows


def _first(kind: str, step: int, actor: str, detail: str, margin: float) -> dict[str, Any]:
    return {
        "first_kind": kind,
        "first_step": step,
        "first_time": step * 0.1,
        "first_actor": actor,
        "first_detail": detail,
        "first_margin": margin,
    }


def failed_row(scene: str, error: str) -> dict[str, Any]:
    """The row of a scene whose agent raised."""
    return {
        "scene": scene,
        "family": "straight",
        "status": "failed",
        "score": None,
        "error": error,
        "traceback": f"tracebacks/{quote(scene, safe='')[:40]}.txt",
    }


def write_run(
    folder: Path, rows: list[dict[str, Any]], *, expected: int | None = None, **changes: Any
) -> Path:
    """A run folder with these rows; `changes` replace fields of the summary."""
    folder.mkdir(parents=True, exist_ok=True)
    scored = [row for row in rows if row["status"] == "ok"]
    mean = float(np.mean([row["score"] for row in scored])) if scored else None
    summary = {
        "schema": 1,
        "agent": "pdm_closed",
        "bench": "navsim",
        "split": "labmini",
        "scene_set_sha256": "ab" * 32,
        "data": "embedded",
        "metric": "pdms_v1.1",
        "metric_version": "1.1",
        "n_expected": expected or len(rows),
        "n_done": len(scored),
        "n_failed": len(rows) - len(scored),
        "final": len(scored) == (expected or len(rows)),
        "score": mean,
        "score_ci95": None if mean is None else [mean - 0.05, mean + 0.05],
        "score_failed_as_zero": mean,
        "subscores": {
            name: float(np.mean([row[name] for row in scored])) if scored else None
            for name in SUBSCORES
        },
        "seed": 0,
        "wall_s": 9.4,
        "versions": {"drivelab": "0.1.0"},
    } | changes
    (folder / "summary.json").write_text(json.dumps(summary))
    environment = {
        "started": "2030-01-02T03:04:05+00:00",
        "command": "drivelab eval agent=pdm_closed bench=navsim data=embedded",
        "versions": {"python": "3.11.4", "drivelab": "0.1.0", "numpy": "2.4.1"},
        "privilege": "state",
        "data": {"label": "labmini (embedded, not NAVSIM)", "kind": "embedded", "licence": "none"},
        "git": {"commit": "0123456789abcdef", "dirty": False},
        "host": {"system": "Linux", "cpus": 2},
    }
    (folder / "env.json").write_text(json.dumps(environment))
    (folder / "config.yaml").write_text("agent: pdm_closed\nbench: navsim\nseed: 0\n")
    names = list(dict.fromkeys(key for row in rows for key in row))
    table = pa.table({name: [row.get(name) for row in rows] for name in names})
    pq.write_table(table, folder / "rows.parquet")
    return folder


def golden_run(folder: Path, extra: list[dict[str, Any]] | None = None) -> Path:
    """All golden cases as a run with rollouts; `extra` rows come last."""
    write_run(folder, golden_rows() + (extra or []))
    (folder / "rollouts").mkdir(exist_ok=True)
    arrays = archive().case_arrays
    for index, row in enumerate(golden_rows()):
        np.savez(
            folder / "rollouts" / f"{quote(row['scene'], safe='')}.npz",
            states=arrays["sim"][index],
            plan=arrays["poses"][index],
            plan_dt=0.5,
        )
    return folder


def load_golden(case_id: str) -> Scene | None:
    """The scene of a golden case."""
    for case in archive().cases:
        if case["case_id"] == case_id:
            return golden_scene(case["scene_index"])
    return None
