"""AlpaSim's scorers of plans: followed through, consistent, free of collisions."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from drivelab.kernels.contacts import poses_hit
from drivelab.metrics.closed_loop.drive import DT, Drive
from drivelab.metrics.closed_loop.driven_plans import DrivenPlans, frames_of

MIN_ADE_SECONDS = (0.5, 1.0, 2.5, 5.0)
OPEN_LOOP_SECONDS = 3.0
DECAY = 0.5  # of the weights of a plan's poses, by pose
_CLOSE = 1e-6  # [s]


def min_ade(drive: Drive, plans: DrivenPlans, end: int) -> list[float]:
    """Mean distance [m] between the plan and what was then driven, for each horizon.

    Averaged over the plans made before `end` that reach the horizon within the episode; NaN where
    none does. A rollout holds one plan a decision, so the minimum over samples is over one.
    """
    errors = []
    for seconds in MIN_ADE_SECONDS:
        count = round(seconds / DT)
        usable = (plans.steps < end) & (plans.steps + count < drive.steps)
        if plans.horizon + _CLOSE < seconds or not usable.any():
            errors.append(float("nan"))
            continue
        part = DrivenPlans(plans.steps[usable], plans.poses[usable], plans.dt)
        planned = part.at(DT * np.arange(1, count + 1)).poses[..., :2]
        driven = drive.states[part.steps[:, None] + np.arange(1, count + 1), :2]
        errors.append(float(np.hypot(*np.moveaxis(planned - driven, -1, 0)).mean()))
    return errors


def plan_deviation(plans: DrivenPlans, end: int) -> float:
    """How far consecutive plans disagree about the same moments [m], early moments first.

    Distances are averaged with weights exp(-0.5 i) over the poses of the later plan that the
    earlier one still covers, then over the plans; NaN with fewer than two plans.
    """
    values = []
    rows = [(int(step), k) for k, step in enumerate(plans.steps) if step < end]
    own = plans.dt * np.arange(1, plans.poses.shape[1])
    for (before, j), (step, k) in pairwise(rows):
        shift = DT * (step - before)
        shared = own[own + shift <= plans.horizon + _CLOSE]
        if not len(shared):
            continue
        times = np.minimum(shared + shift, plans.horizon)
        earlier = DrivenPlans(plans.steps[j : j + 1], plans.poses[j : j + 1], plans.dt).at(times)
        gap = plans.poses[k, 1 : len(shared) + 1, :2] - earlier.poses[0, :, :2]
        weights = np.exp(-DECAY * np.arange(len(shared)))
        values.append(float(np.average(np.hypot(*gap.T), weights=weights)))
    return float(np.mean(values)) if values else float("nan")


def open_loop_collision(drive: Drive, plans: DrivenPlans, end: int) -> float:
    """Share of the plans whose first 3 s run into a box where it really was then."""
    times = plans.dt * np.arange(1, plans.poses.shape[1])
    times = times[times <= OPEN_LOOP_SECONDS + _CLOSE]
    hits = []
    for step, poses in plans:
        frames = frames_of(step, times)
        known = frames < drive.steps
        if step >= end or not known.any():
            continue
        future = np.ascontiguousarray(poses[1 : len(times) + 1][known])
        hit, _ = poses_hit(future, frames[known], drive.ego_size, drive.boxes)
        hits.append(hit >= 0)
    return float(np.mean(hits)) if hits else float("nan")
