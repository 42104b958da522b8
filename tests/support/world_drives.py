"""Small episodes on map templates, driven step by step, with the plain NumPy step beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from drivelab.geometry.polyline import arc_lengths, sample
from drivelab.kernels.world import replay, scripts, walk
from drivelab.kernels.world.arrays import State
from drivelab.sim.scenario.templates.catalogue import build_template
from drivelab.sim.scenario.templates.template import RoadTemplate
from drivelab.sim.world.episode import ActorSpec, Behaviour, Drive, Episode, Motion, Parked, Trigger
from drivelab.sim.world.native import NativeWorld
from drivelab.sim.world.reference import replay as plain_replay
from drivelab.sim.world.reference import scripts as plain_scripts
from drivelab.sim.world.reference import walk as plain_walk
from drivelab.sim.world.state import copied

CAR = (4.7, 1.9)
PARTS: tuple[tuple[Callable[..., None], Callable[..., None], bool], ...] = (
    (scripts.run_scripts, plain_scripts.run_scripts, True),
    (walk.move_walkers, plain_walk.move_walkers, True),
    (replay.replay_actors, plain_replay.replay_actors, False),
)


class Place:
    """A template, and poses on its chains."""

    def __init__(self, name: str, chain: str = "0") -> None:
        self.template: RoadTemplate = build_template(name)
        self.lanes = self.template.chains[chain]
        lines = [self.template.map.lanes[key].centreline for key in self.lanes]
        self.line = np.concatenate([lines[0], *(line[1:] for line in lines[1:])])

    def pose(self, s: float, left: float = 0.0, turned: float = 0.0) -> np.ndarray:
        """A pose `s` along the chain, `left` of it, turned by so much."""
        x, y, yaw = sample(self.line, float(s))
        return np.array([x - left * np.sin(yaw), y + left * np.cos(yaw), yaw + turned])

    def path(self, s: float, lefts: Sequence[float]) -> np.ndarray:
        """A path straight across the chain at `s`."""
        turned = np.pi / 2 if lefts[-1] > lefts[0] else -np.pi / 2
        return np.array([self.pose(s, left, turned) for left in lefts])

    def car(self, s: float, *acts: Behaviour, speed: float = 8.0, name: str = "car") -> ActorSpec:
        """A car on the chain."""
        lanes = [self.template.map.lanes[key].centreline for key in self.lanes]
        ends = np.cumsum([arc_lengths(line)[-1] for line in lanes])
        route = self.lanes[int(np.searchsorted(ends, s)) :]  # its first lane holds the car
        return ActorSpec(
            name, "vehicle", CAR, self.pose(s), speed, Drive(route, lane_changes=False), acts
        )

    def actor(
        self,
        pose: np.ndarray,
        motion: Motion | None = None,
        *acts: Behaviour,
        kind: str = "vehicle",
        size: tuple[float, float] = CAR,
        speed: float = 0.0,
        name: str = "actor",
    ) -> ActorSpec:
        """Anybody anywhere; parked where no motion is given."""
        return ActorSpec(name, kind, size, pose, speed, motion or Parked(), acts)

    def episode(
        self,
        *actors: ActorSpec,
        ego: tuple[float, float] = (20.0, 8.0),
        duration: float = 20.0,
        **more: Any,
    ) -> Episode:
        """The ego at `ego` = (s, speed) on the chain, with others."""
        return Episode(
            "test",
            self.template.map,
            self.pose(ego[0]),
            ego[1],
            self.lanes,
            self.line,
            duration,
            actors,
            **more,
        )


def act(kind: str, when: Trigger | None = None, path: Any = None, **values: float) -> Behaviour:
    """A behaviour in one line."""
    return Behaviour(kind, when or Trigger(), values, path)


def drive(world: NativeWorld, seconds: float, acceleration: float = 0.0) -> list[State]:
    """Drive all egos straight with one acceleration; every state on the way, the first included."""
    states = [copied(world.state)]
    controls = np.zeros((*world.policies.shape, 2))
    controls[..., 0] = acceleration
    for _ in range(round(seconds / 0.1)):
        world.step(controls)
        states.append(copied(world.state))
        check_finite(world.state)
    return states


def states(run: list[State], k: int = 0, n: int = 1) -> list[int]:
    """The states of a behaviour one after another."""
    seen = [int(state.script_state[0, n, k]) for state in run]
    return [s for i, s in enumerate(seen) if i == 0 or s != seen[i - 1]]


def began(run: list[State], k: int = 0, n: int = 1) -> int:
    """The step in which a behaviour began, -1 for never."""
    last = run[-1]
    return int(last.script_step[0, n, k]) if last.script_state[0, n, k] else -1


def check_finite(state: State) -> None:
    """Nobody's body may ever hold a number that is none."""
    for name in ("x", "y", "yaw", "cos", "sin", "speed", "acceleration", "yaw_rate", "half_width"):
        assert np.isfinite(getattr(state, name)).all(), name


class Comparison:
    """Holds scripts, walkers and replay against plain NumPy, part by part from one state."""

    def __init__(self, world: NativeWorld) -> None:
        self.world = world
        self.fast, self.plain = copied(world.state), copied(world.state)

    def check(self) -> None:
        """Run every part both ways from the world's present state and compare all fields."""
        _put(self.world.state, self.fast)
        for compiled, reference, needs_roads in PARTS:
            _put(self.fast, self.plain)
            before = (self.world.roads,) if needs_roads else ()
            compiled(*before, self.fast)
            reference(*before, self.plain)
            assert_same(self.fast, self.plain)


def assert_same(state: State, other: State, atol: float = 1e-9) -> None:
    """All fields equal: numbers within `atol`, whole numbers and flags exactly."""
    used = np.arange(state.way.shape[1]) < state.way_used[:, None]
    for name, a, b in zip(State._fields, state, other, strict=True):
        if name == "way":  # rows behind the used ones are scratch room
            a, b = a[used], b[used]
        if a.dtype.kind == "f":
            np.testing.assert_allclose(a, b, rtol=0, atol=atol, err_msg=name)
        else:
            np.testing.assert_array_equal(a, b, err_msg=name)


def _put(source: State, target: State) -> None:
    for a, b in zip(source, target, strict=True):
        b[...] = a
