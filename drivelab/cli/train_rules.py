"""A closed-loop drive of a rule agent, counted as a trial of a learner is."""

from __future__ import annotations

from drivelab.evaluation.closed_loop import Drive
from drivelab.sim.envs.event_names import EVENT_NAMES, FAULT_NAMES
from drivelab.training.trials import Trial


def trial_of_drive(drive: Drive, seed: int) -> Trial:
    """Success is the same: the route driven to its end without any fault."""
    if drive.fault is not None:
        raise drive.fault
    rollout = drive.rollout()
    known = {name for _, name in EVENT_NAMES}
    events = tuple(dict.fromkeys(e["kind"] for e in rollout.events if e["kind"] in known))
    done = "route_done" in events and not set(events) & FAULT_NAMES
    return Trial(
        episode=drive.episode.id,
        family=drive.episode.family,
        seed=seed,
        success=done,
        events=events,
        progress=float(rollout.info["progress"][-1]),
        seconds=float(rollout.times[-1]),
        returned=None,
    )
