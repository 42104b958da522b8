"""The plans of an episode in the frame of its drive, each at the step that it was made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from drivelab.errors import DataError
from drivelab.geometry.poses import compose
from drivelab.metrics.closed_loop.drive import DT, Drive
from drivelab.types import Rollout


@dataclass(frozen=True, slots=True, eq=False)
class DrivenPlans:
    """Rear-axle poses relative to the drive's origin; row 0 of a plan is where it was made."""

    steps: Int[np.ndarray, " k"]
    poses: Float[np.ndarray, "k p 3"]
    dt: float  # [s]

    def __iter__(self) -> Iterator[tuple[int, Float[np.ndarray, "p 3"]]]:
        return ((int(step), poses) for step, poses in zip(self.steps, self.poses, strict=True))

    @property
    def horizon(self) -> float:
        """How far a plan reaches [s]."""
        return (self.poses.shape[1] - 1) * self.dt

    def at(self, times: Float[np.ndarray, " t"]) -> DrivenPlans:
        """The plans sampled at these times [s], which stay within the horizon."""
        knots = np.arange(self.poses.shape[1]) * self.dt
        yaw = np.unwrap(self.poses[..., 2], axis=1)
        low = np.clip(np.searchsorted(knots, times + 1e-9, side="right") - 1, 0, len(knots) - 2)
        share = ((times - knots[low]) / self.dt)[:, None]
        values = np.concatenate([self.poses[..., :2], yaw[..., None]], -1)
        sampled = values[:, low] + share * (values[:, low + 1] - values[:, low])
        return DrivenPlans(self.steps, sampled, float(times[1] - times[0]) if len(times) > 1 else 0)


def driven_plans(drive: Drive, rollout: Rollout) -> DrivenPlans:
    """Bring the plans to the drive's frame; raises DataError where they do not fit the rollout."""
    plans, steps = rollout.plans, rollout.plan_steps
    where = f"rollout of {rollout.scene_id}, plans"
    if plans is None or steps is None or not len(plans) or len(plans) != len(steps):
        raise DataError("no plans, or not one step for each", where=where)
    steps = np.asarray(steps, int)
    if (steps < 0).any() or (steps >= drive.steps).any():
        raise DataError(f"plan_steps reach beyond the {drive.steps} states", where=where)
    if not (np.isfinite(plans).all() and plans.shape[1] > 0 and rollout.plan_dt > 0):
        raise DataError("a plan is empty or holds numbers that are not finite", where=where)
    poses = np.empty((len(plans), plans.shape[1] + 1, 3))
    poses[:, 0] = drive.states[steps, :3]
    for k, step in enumerate(steps):
        poses[k, 1:] = compose(drive.states[step, :3], plans[k])
    return DrivenPlans(steps, poses, float(rollout.plan_dt))


def frames_of(step: int, offsets: Float[np.ndarray, " t"]) -> Int[np.ndarray, " t"]:
    """Steps of the episode that lie `offsets` [s] after a step."""
    return step + np.rint(offsets / DT).astype(np.int64)
