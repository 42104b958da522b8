"""Let a policy drive given episodes, all side by side, and count what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from drivelab.sim.envs.core import EnvCore, EnvOptions
from drivelab.sim.envs.event_names import event_names
from drivelab.sim.envs.vector_view import VectorView
from drivelab.sim.world.recorder import Recorder
from drivelab.sim.world.view import base_scene
from drivelab.types import Rollout, Scene

Act = Callable[[np.ndarray], np.ndarray]  # observations (n, floats) -> actions (n, ...)
ActByName = Callable[[Mapping[str, np.ndarray]], np.ndarray]  # arrays (n, ...) by name -> actions
FILMED = 0.5  # spacing of the plans that a rollout without plans is given [s]


@dataclass(frozen=True, slots=True)
class Trial:
    """How one episode went."""

    episode: str
    family: str
    seed: int
    success: bool
    events: tuple[str, ...]
    progress: float  # [m]
    seconds: float  # of driving
    returned: float | None  # sum of rewards, where they were counted


@dataclass(frozen=True, slots=True)
class Trials:
    """How a policy did on a list of seeds."""

    trials: tuple[Trial, ...]
    rollouts: tuple[Rollout, ...] = ()
    scenes: tuple[Scene, ...] = ()  # the worlds of the rollouts

    @property
    def success(self) -> float:
        """Share of the episodes whose route was driven without any fault."""
        return float(np.mean([trial.success for trial in self.trials]))

    @property
    def mean_return(self) -> float | None:
        """Mean sum of rewards; None for drivers that were given none."""
        returns = [trial.returned for trial in self.trials if trial.returned is not None]
        return float(np.mean(returns)) if returns else None

    def facts(self) -> dict[str, Any]:
        """Numbers for a summary."""
        families: dict[str, list[bool]] = {}
        for trial in self.trials:
            families.setdefault(trial.family, []).append(trial.success)
        events = Counter(name for trial in self.trials for name in set(trial.events))
        return {
            "success": self.success,
            "families": {name: float(np.mean(done)) for name, done in sorted(families.items())},
            "events": dict(events.most_common()),
            "mean_return": self.mean_return,
            "mean_progress": float(np.mean([trial.progress for trial in self.trials])),
            "mean_seconds": float(np.mean([trial.seconds for trial in self.trials])),
            "episodes": len(self.trials),
        }


def run_trials(
    act: Act, options: EnvOptions, seeds: Sequence[int], *, record: Sequence[int] = ()
) -> Trials:
    """Drive the episodes of these seeds to their ends.

    Args:
        act: asked for the actions of all episodes at once.
        options: of the environment.
        seeds: one per episode.
        record: places in `seeds` whose rollouts are kept.
    """
    core = EnvCore(options, environments=len(seeds), view=VectorView())
    return drive_trials(lambda seen: act(seen["vector"]), core, seeds, record=record)


def drive_trials(
    act: ActByName, core: EnvCore, seeds: Sequence[int], *, record: Sequence[int] = ()
) -> Trials:
    """As `run_trials`, in given environments, as many as seeds, by all that these show."""
    core.reset(dict(enumerate(seeds)))
    recorders = {place: Recorder(core.world, place) for place in record}
    for recorder in recorders.values():
        recorder.record()
    seen = np.zeros(len(seeds), np.int64)
    found: dict[int, Trial] = {}
    while len(found) < len(seeds):
        going = ~core.over[:, 0]
        core.step(act({name: array[:, 0].copy() for name, array in core.observations.items()}))
        seen[going] |= core.verdict.events[going, 0]
        for place, recorder in recorders.items():
            if going[place] and recorder.frames <= recorder.episode_steps:
                recorder.record()
        for e in np.flatnonzero(going & core.over[:, 0]):
            found[int(e)] = _trial(core, int(e), seeds[int(e)], int(seen[e]))
    return Trials(
        tuple(found[e] for e in range(len(seeds))),
        tuple(_rollout(recorder) for recorder in recorders.values()),
        tuple(base_scene(recorder.episode) for recorder in recorders.values()),
    )


def random_policy(options: EnvOptions, seed: int) -> Act:
    """Actions drawn evenly from the action space."""
    space = EnvCore(options, environments=1, view=VectorView()).action_space
    space.seed(seed)
    return lambda observations: np.stack([space.sample() for _ in observations])


def with_episodes(options: EnvOptions, episodes: Any) -> EnvOptions:
    """The same environment on other episodes."""
    return replace(options, episodes=episodes)


def _trial(core: EnvCore, e: int, seed: int, events: int) -> Trial:
    episode = core.world.starts[e].episode
    info = core.info(e)
    return Trial(
        episode=episode.id,
        family=episode.family,
        seed=seed,
        success=bool(info["success"]),
        events=event_names(events),
        progress=info["progress"],
        seconds=info["time"],
        returned=float(core.verdict.returns[e, 0]),
    )


def _rollout(recorder: Recorder) -> Rollout:
    return recorder.rollout(plans=np.zeros((0, 1, 3)), plan_dt=FILMED, info={})
