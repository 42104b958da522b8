"""Write the leaderboard file of NAVSIM v1.1 and v2.2 without navsim or nuPlan installed.

The official reader unpickles instances of its own classes. The pickler below writes the names of
those classes in the place of two stand-ins, and numpy 1 spelling for arrays, which the pinned numpy
of the official environment needs.
"""

from __future__ import annotations

import io
import os
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from drivelab.data.proposals import PLAN_DT, PLAN_SHAPE, check_plans, read_plans
from drivelab.errors import ConfigError, DataError

FILE_NAME = "submission.pkl"  # the leaderboard takes no other
VERSIONS = ("v1.1", "v2.2")
_PROTOCOL = 4
_SAMPLING = {"num_poses": PLAN_SHAPE[0], "time_horizon": 4, "interval_length": 0.5}


@dataclass(frozen=True, slots=True)
class Team:
    """Who submits, as the leaderboard asks for it."""

    team_name: str
    authors: str
    email: str
    institution: str
    country: str

    def fields(self) -> dict[str, str]:
        """The keys of the file; every one must say something."""
        named = {
            "team_name": self.team_name,
            "authors": self.authors,
            "email": self.email,
            "institution": self.institution,
            "country / region": self.country,
        }
        empty = [key for key, value in named.items() if not value.strip()]
        if empty:
            raise ConfigError(f"the leaderboard needs {', '.join(empty)}")
        return named


class _Trajectory:
    """Stands for `navsim.common.dataclasses.Trajectory`."""


class _TrajectorySampling:
    """Stands for nuPlan's `TrajectorySampling`."""


_NAMES: dict[Any, tuple[str, str]] = {
    _Trajectory: ("navsim.common.dataclasses", "Trajectory"),
    _TrajectorySampling: (
        "nuplan.planning.simulation.trajectory.trajectory_sampling",
        "TrajectorySampling",
    ),
}


_PurePickler: Any = pickle._Pickler  # the C pickler has no hook for names


class _Pickler(_PurePickler):  # type: ignore[misc]
    """Python's own pickler with other names for some classes and functions."""

    def save_global(self, obj: Any, name: str | None = None) -> None:
        module, renamed = _NAMES.get(obj, (getattr(obj, "__module__", ""), ""))
        if module.startswith("numpy._core."):
            module, renamed = module.replace("numpy._core.", "numpy.core."), obj.__name__
        if not renamed:
            super().save_global(obj, name)
            return
        self.save(module)
        self.save(renamed)
        self.write(pickle.STACK_GLOBAL)
        self.memoize(obj)


def sampled_plan(poses: Float[np.ndarray, "t 3"], dt: float) -> Float[np.ndarray, "8 3"]:
    """A plan at dt, 2 dt, ... -> the poses that the leaderboard takes, at 0.5 s ... 4 s.

    Rows at these times are taken as they are; between rows x, y and the unwrapped heading are
    interpolated, from the present pose (0, 0, 0) on.

    Raises:
        DataError: the plan ends before 4 s.
    """
    times = PLAN_DT * np.arange(1, PLAN_SHAPE[0] + 1)
    if len(poses) * dt < times[-1] - 1e-9:
        raise DataError(
            f"{len(poses)} poses every {dt:g} s end at {len(poses) * dt:g} s, expected "
            f"{times[-1]:g} s"
        )
    step = PLAN_DT / dt
    if abs(step - round(step)) < 1e-9:
        return np.array(poses[round(step) - 1 :: round(step)][: len(times)], float)
    known = dt * np.arange(len(poses) + 1)
    rows = np.vstack([np.zeros(3), poses])
    rows[:, 2] = np.unwrap(rows[:, 2])
    return np.stack([np.interp(times, known, rows[:, axis]) for axis in range(3)], axis=1)


def write_submission(
    file: str | Path,
    plans: Mapping[str, Float[np.ndarray, "8 3"]],
    team: Team,
    *,
    version: str = "v1.1",
    second_stage: Mapping[str, Float[np.ndarray, "8 3"]] | None = None,
) -> Path:
    """Write a leaderboard file, whole or not at all: it is read back before it stands there.

    Args:
        file: must be called submission.pkl.
        plans: token -> poses (x [m], y [m], heading [rad]) at 0.5 s in the current ego frame; for
            v2.2 those of the first stage.
        team: who submits.
        version: v1.1 or v2.2.
        second_stage: v2.2: plans of the synthetic scenes.

    Returns:
        The path written.
    """
    path = Path(file)
    if path.name != FILE_NAME:
        raise ConfigError(f"the leaderboard takes only {FILE_NAME}, not {path.name}")
    content: dict[str, Any] = dict(team.fields())
    first = _records(check_plans(plans, file=path))
    if version == "v1.1":
        if second_stage is not None:
            raise ConfigError("a v1.1 file has no second stage")
        content["predictions"] = [first]
    elif version == "v2.2":
        content["first_stage_predictions"] = [first]
        later = check_plans(second_stage, file=path) if second_stage else {}
        content["second_stage_predictions"] = [_records(later)]
    else:
        raise ConfigError(f"version {version!r} is unknown, expected one of {', '.join(VERSIONS)}")
    _put(path, content, {**plans, **(second_stage or {})})
    return path


def _put(path: Path, content: Mapping[str, Any], plans: Mapping[str, np.ndarray]) -> None:
    """Write beside, read back, then put in place."""
    buffer = io.BytesIO()
    _Pickler(buffer, _PROTOCOL).dump(content)
    part = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        part.write_bytes(buffer.getvalue())
        _check_written(part, plans)
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _check_written(part: Path, plans: Mapping[str, np.ndarray]) -> None:
    """Read the file as anybody would and compare every number."""
    found = read_plans(part)
    same = set(found) == set(plans) and all(
        np.array_equal(found[token], np.asarray(poses, np.float32))
        for token, poses in plans.items()
    )
    if not same:
        raise DataError("does not hold what was written; look at the disk", file=part)


def _records(plans: Mapping[str, np.ndarray]) -> dict[str, _Trajectory]:
    records = {}
    for token, poses in plans.items():
        sampling, trajectory = _TrajectorySampling(), _Trajectory()
        sampling.__dict__.update(_SAMPLING)
        trajectory.__dict__.update(
            poses=np.ascontiguousarray(poses, np.float32), trajectory_sampling=sampling
        )
        records[token] = trajectory
    return records
