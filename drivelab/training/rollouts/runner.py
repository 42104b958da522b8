"""Clips side by side: whoever decides, they are driven to their ends and kept as arrays.

An environment whose clip has ended takes the next one at once, so that all of them stay busy. A
clip that cannot be made, or that turns to numbers that are none, is dropped and told; the others
go on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Protocol

import numpy as np
from jaxtyping import Bool, Float, Float32, Int

from drivelab.errors import ConfigError, DataError, RunError
from drivelab.kernels.world.arrays import DT
from drivelab.sim.envs.core import EnvCore
from drivelab.sim.envs.episodes import make_episode
from drivelab.sim.radlab import LENGTH
from drivelab.sim.world.episode import Episode
from drivelab.training.rollouts.clips import NO_EVENT, DrivenClips, Dropped, Harvest
from drivelab.training.rollouts.outcome import Outcome, outcome_of

_IDLE = -1
MAPS = 256  # clips after which a world begins anew: it keeps the maps of all it has driven

MakeCore = Callable[[], EnvCore]


@dataclass(frozen=True, slots=True, eq=False)
class Decided:
    """Decisions of all environments.

    Attributes:
        bins, log_probs, values: of each.
        features: what the decision was made among beside what was seen, the same every time.
        targets: those of `DrivenClips`, the same every time.
        actions: what the environments are told, kept within their space; None: the bins.
    """

    bins: Int[np.ndarray, "e 2"]
    log_probs: Float[np.ndarray, "e 2"]
    values: Float[np.ndarray, "e 2"]
    features: Mapping[str, np.ndarray] = field(default_factory=dict)
    targets: Mapping[str, np.ndarray] = field(default_factory=dict)
    actions: np.ndarray | None = None


class Decider(Protocol):
    """Who drives the clips."""

    @property
    def version(self) -> int:
        """Of the policy."""

    def decide(self, features: Mapping[str, np.ndarray], runner: ClipRunner) -> Decided:
        """For all environments, those without a clip included, whose features are 0."""

    def values(self, features: Mapping[str, np.ndarray]) -> Float[np.ndarray, "k 2"]:
        """Of the last states of clips that time ended."""


class ClipRunner:
    """Drives clips in environments of its own.

    Args:
        make_core: makes them; their actions are RAD's, their source makes the episodes.
        steps: decisions of the longest clip.

    Attributes:
        core: the environments.
        at: decisions made so far in the present clip of each environment.
        episodes: what each environment drives in.
    """

    def __init__(self, make_core: MakeCore, *, steps: int = LENGTH) -> None:
        self.steps = steps
        self.core = core = make_core()
        room = (len(core), steps)
        self._features: dict[str, np.ndarray] = {}
        self._decided = {"bins": np.zeros((*room, 2), np.int64)}
        self._decided |= {k: np.zeros((*room, 2), np.float32) for k in ("log_probs", "values")}
        self._errors = {k: np.zeros(room, np.float32) for k in ("path_offset", "heading_error")}
        self._targets: dict[str, np.ndarray] = {}
        self.at = np.zeros(len(core), np.int64)
        self.episodes: list[Episode | None] = [None] * len(core)
        self._place = np.full(len(core), _IDLE)  # of an environment's clip among the seeds
        self._driven: set[int] = set()  # seeds of the clips in the present world

    def run(self, decider: Decider, seeds: Sequence[int]) -> Harvest:
        """Drive the clips of these seeds.

        Raises:
            RunError: not one of them could be driven.
        """
        self._queue = deque(enumerate(int(seed) for seed in seeds))
        self._seeds = [seed for _, seed in self._queue]
        self._done: dict[int, DrivenClips] = {}
        self._dropped: list[Dropped] = []
        self._suspects: deque[tuple[int, int]] = deque()
        self._seconds = {"begin": 0.0, "policy": 0.0, "world": 0.0, "render": 0.0}
        self._place[:], self._targets = _IDLE, {}
        seen = self.core.observations
        self._features = {name: rows for name, rows in self._features.items() if name in seen}
        if len(self._driven | set(self._seeds)) > MAPS:
            self.core.forget_maps()
            self._driven = set()
        for e in range(len(self.core)):
            self._next(e)
        while (self._place != _IDLE).any():
            self._step(decider)
        while self._suspects:  # one of them made a step of all raise: which, shows by itself
            self._queue.append(self._suspects.popleft())
            self._next(0)
            while (self._place != _IDLE).any():
                self._step(decider)
        if not self._done:
            first = self._dropped[0].reason if self._dropped else "no seed was given"
            raise RunError(f"none of {len(seeds)} clips could be driven; the first: {first}")
        clips = DrivenClips.join([self._done[place] for place in sorted(self._done)])
        return Harvest(clips, tuple(self._dropped), self._seconds)

    def _next(self, e: int) -> None:
        """Give an environment the next clip that can be made, or none."""
        clock = perf_counter()
        self._place[e] = _IDLE
        while self._queue and self._place[e] == _IDLE:
            place, seed = self._queue.popleft()
            try:
                self._begin(e, make_episode(self.core.source, seed))
                self._place[e] = place
                self._driven.add(seed)
            except Exception as error:  # whatever is wrong with one clip, the others are driven
                self._dropped.append(Dropped(seed, f"{type(error).__name__}: {error}"))
        if self._place[e] == _IDLE:
            self.core.over[e] = True  # so that it stands, and nothing is drawn for it
        self._seconds["begin"] += perf_counter() - clock

    def _begin(self, e: int, episode: Episode) -> None:
        limit = self.core.options.max_steps or round(episode.duration / DT)
        if episode.expert is None:
            raise DataError(
                "it has no expert, whose path RAD's events are measured from; leave it out",
                where=f"episode {episode.id}",
            )
        if min(limit, round(episode.duration / DT)) > self.steps:
            raise ConfigError(
                f"episode {episode.id} has {limit} decisions, there is room for {self.steps}: "
                "give max_steps= or a larger steps="
            )
        whole = (e,) if self._driven else range(len(self.core))  # a world begins everywhere
        self.core.reset_to(dict.fromkeys(whole, episode))
        self.at[e], self.episodes[e] = 0, episode
        self._check_seen(e)

    def _step(self, decider: Decider) -> None:
        core, live = self.core, np.flatnonzero(self._place != _IDLE)
        clock = perf_counter()
        features = self._seen()
        decided = decider.decide(features, self)
        self._note(live, features, decided)
        self._seconds["policy"] += perf_counter() - clock
        clock, drawn = perf_counter(), self._drawn()
        try:
            core.step(_told(decided, core))
        except Exception as error:  # whatever is wrong with one clip, the others are driven
            for e in live.tolist():
                if len(live) == 1:
                    self._drop(e, error)
                else:
                    place = int(self._place[e])
                    self._suspects.append((place, self._seeds[place]))
                    self._next(e)
            return
        drawn = self._drawn() - drawn
        self._seconds["render"] += drawn
        self._seconds["world"] += perf_counter() - clock - drawn
        self.at[live] += 1
        self._harvest(live, decider)

    def _harvest(self, live: Int[np.ndarray, " k"], decider: Decider) -> None:
        """Keep the clips that have ended, drop those that broke, and begin others."""
        over = (self.core.verdict.ended[:, 0] != 0) | (self.at >= self.steps) | self._broken()
        ended: dict[int, Outcome] = {}
        for e in live[over[live]].tolist():
            try:
                self._check_seen(e)
                self._check_reward(e)
                ended[e] = outcome_of(self.core, e) or Outcome(None)
            except DataError as error:
                self._drop(e, error)
        last = self._last_values(ended, decider)
        for e, outcome in ended.items():
            self._done[int(self._place[e])] = self._clip(e, outcome, decider.version, last[e])
            self._next(e)

    def _last_values(
        self, ended: Mapping[int, Outcome], decider: Decider
    ) -> Float32[np.ndarray, "e 2"]:
        """Of the states that clips ended in by time, as most do, in the same step; else 0."""
        found = np.zeros((len(self.core), 2), np.float32)
        late = [e for e, outcome in ended.items() if outcome.event is None]
        if late:
            clock = perf_counter()
            found[late] = decider.values({k: array[late] for k, array in self._seen().items()})
            self._seconds["policy"] += perf_counter() - clock
        return found

    def _drawn(self) -> float:
        """Seconds that the view has spent on pictures so far; 0 where it draws none."""
        return float(getattr(self.core.view, "seconds", 0.0))

    def _drop(self, e: int, error: Exception) -> None:
        seed = self._seeds[int(self._place[e])]
        self._dropped.append(Dropped(seed, f"{type(error).__name__}: {error}"))
        self._next(e)

    def _seen(self) -> dict[str, np.ndarray]:
        """Features of all environments; what lies in idle ones may be broken, and is hidden."""
        found = {name: array[:, 0].copy() for name, array in self.core.observations.items()}
        for array in found.values():
            array[self._place == _IDLE] = 0
        return found

    def _note(
        self, live: Int[np.ndarray, " k"], features: Mapping[str, np.ndarray], decided: Decided
    ) -> None:
        at, state = (live, self.at[live]), self.core.world.state
        for name, array in (*features.items(), *decided.features.items()):
            self._room(self._features, name, array)[at] = array[live]
        for name, rows in self._decided.items():
            rows[at] = getattr(decided, name)[live]
        for name, array in decided.targets.items():
            self._room(self._targets, name, array)[at] = array[live]
        self._errors["path_offset"][at] = state.way_off[live, 0]
        self._errors["heading_error"][at] = state.way_heading[live, 0]

    def _room(self, kept: dict[str, np.ndarray], name: str, like: np.ndarray) -> np.ndarray:
        """For what is noted of each decision."""
        if name not in kept:
            kept[name] = np.zeros((len(self.core), self.steps, *like.shape[1:]), like.dtype)
        return kept[name]

    def _clip(
        self, e: int, outcome: Outcome, version: int, last: Float32[np.ndarray, "2"]
    ) -> DrivenClips:
        steps = int(self.at[e])
        part = slice(steps)
        return DrivenClips(
            features={name: rows[e, part].copy() for name, rows in self._features.items()},
            targets={name: rows[e, part].copy() for name, rows in self._targets.items()},
            **{name: rows[e, part].copy() for name, rows in self._decided.items()},
            **{name: rows[e, part].copy() for name, rows in self._errors.items()},
            version=np.full(steps, version, np.int64),
            seeds=np.array([self._seeds[int(self._place[e])]], np.int64),
            lengths=np.array([steps], np.int64),
            events=np.array([NO_EVENT if outcome.event is None else outcome.event], np.int64),
            dynamic_side=np.array([outcome.dynamic_side], np.float32),
            static_side=np.array([outcome.static_side], np.float32),
            last_values=last[None],
        )

    def _numbers(self) -> dict[str, np.ndarray]:
        """What learning is fed with, by environment, where it can be no number."""
        state = self.core.world.state
        numbers = {name: array[:, 0] for name, array in self.core.observations.items()}
        numbers |= {"way_off": state.way_off[:, :1], "way_heading": state.way_heading[:, :1]}
        return {name: array for name, array in numbers.items() if array.dtype.kind == "f"}

    def _broken(self) -> Bool[np.ndarray, " e"]:
        """Whose numbers are not all finite; to ask all costs no more than to ask one."""
        broken = ~np.isfinite(self.core.verdict.rewards[:, 0])
        for array in self._numbers().values():
            broken |= ~np.isfinite(array.reshape(len(array), -1)).all(axis=1)
        return broken

    def _check_seen(self, e: int) -> None:
        for name, array in self._numbers().items():
            if not np.isfinite(array[e]).all():
                raise DataError(
                    f"{name} is not finite after {self.at[e]} decisions; look at its world",
                    where=f"clip {self._id(e)}",
                )

    def _check_reward(self, e: int) -> None:
        reward = float(self.core.verdict.rewards[e, 0])
        if not np.isfinite(reward):
            raise DataError(
                f"the reward of decision {self.at[e] - 1} is {reward}; look at its world",
                where=f"clip {self._id(e)}",
            )

    def _id(self, e: int) -> str:
        episode = self.episodes[e]
        return "" if episode is None else episode.id


def _told(decided: Decided, core: EnvCore) -> np.ndarray:
    if decided.actions is None:
        return decided.bins
    return np.clip(decided.actions, core.action_space.low, core.action_space.high)  # type: ignore[attr-defined]
