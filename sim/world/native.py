"""The native world: a batch of environments that one compiled call moves by 0.1 s."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from drivelab.errors import ConfigError, nearest_name
from drivelab.kernels.world.arrays import Roads, State
from drivelab.kernels.world.bodies import DYNAMIC, KINEMATIC, POSES
from drivelab.kernels.world.step import settle_world, step_world
from drivelab.sim.world.control import track_plans
from drivelab.sim.world.episode import Episode
from drivelab.sim.world.roads import RoadBank
from drivelab.sim.world.start import DT, Start, start_state
from drivelab.sim.world.state import Capacity, allocate, copied, copy_into, grown

Dynamics = Literal["kinematic", "dynamic"]
# Compiled starts that are kept. One is 5 to 113 kB of arrays (2 to 102 actors, measured on the
# library, radlab and CARLA's routes), and keeps its episode alive.
KEPT = 256
_HOW = {"kinematic": KINEMATIC, "dynamic": DYNAMIC}


def dynamics_number(dynamics: str) -> int:
    """What the compiled step calls a kind of dynamics.

    Raises:
        ConfigError: there is no such kind.
    """
    if dynamics not in _HOW:
        raise ConfigError(
            f"dynamics={dynamics!r}: expected one of {', '.join(_HOW)}"
            f"{nearest_name(str(dynamics), _HOW)}"
        )
    return _HOW[dynamics]


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """A moment of all environments; belongs to the world that made it."""

    state: State
    starts: tuple[Start, ...]
    bank: RoadBank  # whose maps the state's numbers mean
    era: int  # of the bank


class NativeWorld:
    """Environments side by side, each in an episode of its own.

    Args:
        episodes: one per environment; all maps join one bank and are shared.
        dynamics: how controls move a policy's vehicle: "kinematic" (bicycle) or "dynamic".
        policies: per environment the actor slots that are driven from outside; the ego, slot 0,
            when not given. All rows have the same length; -1 = none.
        capacity: room per environment beyond what the episodes need, for later resets.
        bank: maps that are known already.
    """

    def __init__(
        self,
        episodes: Sequence[Episode],
        *,
        dynamics: Dynamics = "kinematic",
        policies: Int[np.ndarray, "E A"] | None = None,
        capacity: Capacity | None = None,
        bank: RoadBank | None = None,
    ) -> None:
        if not episodes:
            raise ConfigError("a world needs at least one episode")
        self.bank = bank or RoadBank([])
        self._how = dynamics_number(dynamics)
        self._cache: dict[int, Start] = {}
        self.starts = [self.start(episode) for episode in episodes]
        self.capacity = (capacity or Capacity()).covering(s.capacity for s in self.starts)
        self.state = allocate(len(episodes), self.capacity)
        self.policies = _slots(policies, [len(start.ids) for start in self.starts])
        self._no_poses = np.zeros((len(episodes), self.policies.shape[1], 3))
        self._no_controls = np.zeros((len(episodes), self.policies.shape[1], 2))
        for e in range(len(episodes)):
            self._place(e, self.starts[e])
        settle_world(self.roads, self.state)

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def roads(self) -> Roads:
        """The tables of all maps."""
        return self.bank.roads

    def start(self, episode: Episode) -> Start:
        """Compile an episode; the last KEPT that were asked for are kept."""
        known = self._cache.pop(id(episode), None)
        if known is None:
            known = start_state(episode, self.bank)
            if len(self._cache) >= KEPT:
                del self._cache[next(iter(self._cache))]
        self._cache[id(episode)] = known
        return known

    def reset(self, environment: int, episode: Episode | None = None) -> None:
        """Put an environment back to the start of its episode, or of another one."""
        start = self.starts[environment] if episode is None else self.start(episode)
        if not self.capacity.holds(start.capacity):
            self.capacity = self.capacity.covering([start.capacity])
            self.state = grown(self.state, self.capacity)
        self.starts[environment] = start
        self._place(environment, start)
        settle_world(self.roads, self.one(environment))

    def one(self, environment: int) -> State:
        """A view of one environment, as a batch of one."""
        part = slice(environment, environment + 1)
        return State(*(array[part] for array in self.state))

    def step(self, controls: Float[np.ndarray, "E A 2"]) -> None:
        """Move everybody by 0.1 s.

        Args:
            controls: acceleration [m/s^2] and steering rate [rad/s] of every policy's vehicle.
        """
        self._check(controls, 2)
        step_world(
            self.roads, self.state, np.asarray(controls, float), self._no_poses, self._how,
            self.policies,
        )  # fmt: skip

    def step_poses(self, poses: Float[np.ndarray, "E A 3"]) -> None:
        """Move everybody by 0.1 s; policies' vehicles come to stand at the given poses.

        Args:
            poses: rear axles (x [m], y [m], yaw [rad]) in the map frame.
        """
        self._check(poses, 3)
        local = np.array(poses, float)
        local[..., :2] -= self.bank.origins[self.state.map][:, None]
        step_world(
            self.roads, self.state, self._no_controls, local, POSES, self.policies
        )  # fmt: skip

    def step_plans(self, plans: Float[np.ndarray, "E p 3"], dt: float) -> None:
        """Move everybody by 0.1 s; the ego follows a plan by the LQR tracker.

        Args:
            plans: future rear-axle poses in the present ego frame at dt, 2 dt, ...
            dt: their spacing [s].
        """
        self._check(plans[:, None], 3, shape=False)
        controls = self._no_controls.copy()
        controls[:, 0] = track_plans(self.state, plans, dt)
        self.step(controls)

    def snapshot(self) -> Snapshot:
        """Everything that changes, copied."""
        return Snapshot(copied(self.state), tuple(self.starts), self.bank, self.bank.era)

    def restore(self, snapshot: Snapshot) -> None:
        """Go back to a snapshot of this world, bit for bit."""
        if len(snapshot.starts) != len(self):
            raise ConfigError(
                f"a snapshot of {len(snapshot.starts)} environments, this world has {len(self)}"
            )
        if snapshot.bank is not self.bank or snapshot.era != self.bank.era:
            raise ConfigError("a snapshot of another world: it means other maps than this one's")
        self.starts = list(snapshot.starts)
        kept = copied(snapshot.state)
        self.state = grown(kept, self.capacity)

    def time(self, environment: int) -> float:
        """Time since the start of the episode [s]."""
        return float(self.state.step[environment]) * DT

    def ego_pose(self, environment: int) -> Float[np.ndarray, "3"]:
        """Rear axle of the ego in the map frame."""
        state, e = self.state, environment
        origin, back = self.bank.origins[state.map[e]], state.rear[e, 0]
        return np.array(
            [
                state.x[e, 0] - back * state.cos[e, 0] + origin[0],
                state.y[e, 0] - back * state.sin[e, 0] + origin[1],
                state.yaw[e, 0],
            ]
        )

    def _place(self, environment: int, start: Start) -> None:
        copy_into(self.state, environment, start.state)

    def _check(self, given: np.ndarray, width: int, *, shape: bool = True) -> None:
        wanted = (*self.policies.shape, width)
        if shape and np.shape(given) != wanted:
            raise ConfigError(f"actions of shape {np.shape(given)}: expected {wanted}")
        if not np.isfinite(given).all():
            where = np.argwhere(~np.isfinite(given))[0]
            raise ConfigError(
                f"action of environment {where[0]}, policy {where[1]}, entry "
                f"{tuple(int(i) for i in where[2:])} is {given[tuple(where)]}: expected a finite "
                "number"
            )


def _slots(policies: Int[np.ndarray, "E A"] | None, counts: Sequence[int]) -> np.ndarray:
    """Slots that are driven from outside; compiled code does not look whether they are there."""
    if policies is None:
        return np.zeros((len(counts), 1), np.int32)
    given = np.asarray(policies)
    if given.ndim != 2 or len(given) != len(counts) or given.dtype.kind not in "iu":
        raise ConfigError(
            f"policies: shape {given.shape} of {given.dtype}, expected ({len(counts)}, A) integers"
        )
    for row, count in zip(given.tolist(), counts, strict=True):
        used = [slot for slot in row if slot != -1]
        if len(set(used)) < len(used) or any(not 0 <= slot < count for slot in used):
            raise ConfigError(
                f"policies: {row}, expected each slot once, 0 to {count - 1}, or -1 for none"
            )
    return np.ascontiguousarray(given, np.int32)
