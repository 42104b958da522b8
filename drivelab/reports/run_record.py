"""Reads a run folder for reports: summary, rows, environment, configuration and rollouts."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import numpy as np
from jaxtyping import Float

from drivelab.data.rollout_log import load_rollout
from drivelab.data.run_rows import read_rows
from drivelab.errors import RunError
from drivelab.metrics.metric import Event
from drivelab.types import Rollout

SCHEMA = 1
_NEEDED = (
    *("agent", "bench", "split", "scene_set_sha256", "data", "metric", "metric_version"),
    *("n_expected", "n_done", "n_failed", "final", "score", "score_ci95", "score_failed_as_zero"),
    *("subscores", "seed", "wall_s", "versions"),
)
_DIGEST = 32  # letters of a SHA-256 that end the file names of very long scene ids
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class ScoredPlan:
    """What an open-loop run kept of a scene: simulated states (map frame), plan (ego frame).

    `modes` (ego frame) and `mode_scores` are there where the agent told what it chose from.
    """

    states: Float[np.ndarray, "t 11"]
    plan: Float[np.ndarray, "p 3"]
    plan_dt: float = 0.5  # [s]
    modes: Float[np.ndarray, "k t 3"] | None = None
    mode_scores: Float[np.ndarray, " k"] | None = None
    events: tuple[Event, ...] = ()  # in the order in which they happened


@dataclass(frozen=True, slots=True, eq=False)
class RunRecord:
    """A run folder in memory; rollouts and videos are read when asked for.

    Runs on a closed-loop bench keep whole rollouts (`drive`), the others the plan that was scored
    (`plan`).
    """

    folder: Path
    summary: Mapping[str, Any]
    rows: tuple[Row, ...]
    environment: Mapping[str, Any]
    config: str  # config.yaml as it stands
    rollout_files: Mapping[str, Path]
    video_files: Mapping[str, Path]

    @property
    def subscores(self) -> tuple[str, ...]:
        """Names of the sub-scores, in the metric's order."""
        return tuple(self.summary.get("subscores", {}))

    @property
    def metric(self) -> str:
        """Name of the metric, with its version."""
        return str(self.summary["metric"])

    @property
    def cameras(self) -> tuple[str, ...]:
        """The cameras that the agent looked at; none where the run does not say."""
        return tuple(self.environment.get("cameras") or ())

    @property
    def closed_loop(self) -> bool:
        """Whether scenes were driven to an end, which their rows tell."""
        return any(row.get("ended") is not None for row in self.rows)

    @property
    def done(self) -> tuple[Row, ...]:
        """Rows with a score."""
        return tuple(row for row in self.rows if is_number(row.get("score")))

    @property
    def failed(self) -> tuple[Row, ...]:
        """Rows of scenes that gave no score."""
        return tuple(row for row in self.rows if row.get("status") == "failed")

    def plan(self, scene: str) -> ScoredPlan | None:
        """States and plan of a scene; None when the run kept none."""
        path = _file_of(self.rollout_files, scene)
        if path is None:
            return None
        try:
            with np.load(path, allow_pickle=False) as stored:
                found = {name: stored[name] for name in ("modes", "mode_scores") if name in stored}
                dt = float(stored["plan_dt"]) if "plan_dt" in stored else 0.5
                told = json.loads(str(stored["events"])) if "events" in stored else []
                events = tuple(Event(**event) for event in told)
                return ScoredPlan(stored["states"], stored["plan"], dt, **found, events=events)
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
            raise RunError(
                f"{path}: not a whole rollout ({error}); expected the arrays states and plan; "
                "run the same `drivelab eval` again to make it"
            ) from error

    def drive(self, scene: str) -> Rollout | None:
        """What was driven in a scene; None when the run scored plans or kept nothing of it.

        Raises:
            DataError: the file is damaged.
        """
        path = _file_of(self.rollout_files, scene) if self.closed_loop else None
        return None if path is None else load_rollout(path)

    def video(self, scene: str) -> str:
        """Relative link to the scene's video, or the empty string."""
        path = _file_of(self.video_files, scene)
        return quote(path.relative_to(self.folder).as_posix()) if path else ""


def is_number(value: object) -> bool:
    """Whether a cell holds a finite number."""
    return isinstance(value, int | float) and bool(np.isfinite(value))


def first_event(row: Row) -> Event | None:
    """The first infraction of a row."""
    kind, step = row.get("first_kind"), row.get("first_step")
    if not kind or not is_number(step):
        return None
    margin = row.get("first_margin")
    return Event(
        str(kind),
        int(step or 0),
        str(row.get("first_actor") or ""),
        str(row.get("first_detail") or ""),
        float(margin) if margin is not None else float("nan"),
    )


def read_summary(run_dir: Path) -> dict[str, Any]:
    """The summary of a run, schema 1."""
    summary = _read_json(run_dir / "summary.json")
    if summary.get("schema") != SCHEMA:
        raise RunError(
            f"{run_dir / 'summary.json'}: schema is {summary.get('schema')!r}, expected {SCHEMA}; "
            "write it again by `drivelab rescore` of this version"
        )
    missing = [key for key in _NEEDED if key not in summary]
    if missing:
        raise RunError(
            f"{run_dir / 'summary.json'}: has no {missing[0]!r}; expected a summary written by "
            "`drivelab eval`: type the run's command again to write it"
        )
    return summary


def read_environment(run_dir: Path) -> dict[str, Any]:
    """Versions, host, command and data of a run."""
    return _read_json(run_dir / "env.json")


def read_run(run_dir: Path) -> RunRecord:
    """Read a run folder; raises RunError naming the file that is missing or torn."""
    summary = read_summary(run_dir)
    config = run_dir / "config.yaml"
    return RunRecord(
        folder=run_dir,
        summary=summary,
        rows=tuple(read_rows(run_dir / "rows.parquet")),
        environment=read_environment(run_dir),
        config=config.read_text("utf-8") if config.is_file() else "",
        rollout_files=_scene_files(run_dir / "rollouts", ".npz"),
        video_files=_scene_files(run_dir / "video", ".mp4"),
    )


def scene_scores(run_dir: Path) -> dict[str, float]:
    """Scores of a run by scene, without scenes that gave none."""
    rows = read_rows(run_dir / "rows.parquet")
    return {str(row["scene"]): float(row["score"]) for row in rows if is_number(row["score"])}


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(
            f"{path}: cannot be read ({error}); expected a folder written by `drivelab eval`"
        ) from error
    if not isinstance(content, dict):
        raise RunError(f"{path}: holds a {type(content).__name__}, expected a JSON object")
    return content


def _scene_files(folder: Path, ending: str) -> dict[str, Path]:
    """Files by scene id: names are percent-encoded ids, or end in a digest when too long."""
    return {unquote(path.stem): path for path in sorted(folder.glob(f"*{ending}"))}


def _file_of(files: Mapping[str, Path], scene: str) -> Path | None:
    if scene in files:
        return files[scene]
    ending = "-" + hashlib.sha256(scene.encode()).hexdigest()[:_DIGEST]
    return next((path for name, path in files.items() if name.endswith(ending)), None)
