"""One behaviour of one actor, and what it may look at and set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from drivelab.kernels.world.arrays import DRIVE, DT, Roads, State
from drivelab.sim.world.reference.free_way import Way
from drivelab.sim.world.reference.lane_way import Ahead, place_on_lane, turn_route
from drivelab.sim.world.reference.walk import way_of


@dataclass(frozen=True, slots=True, eq=False)
class Act:
    """Behaviour k of actor n in environment e, and all that it may look at."""

    roads: Roads
    state: State
    e: int
    n: int
    k: int

    def get(self, field: str, n: int | None = None) -> Any:
        """A field of `State` of this actor (or of another one)."""
        return getattr(self.state, field)[self.e, self.n if n is None else n]

    def set(self, **values: Any) -> None:
        """Set fields of this actor."""
        for field, value in values.items():
            getattr(self.state, field)[self.e, self.n] = value

    @property
    def kind(self) -> int:
        """Number of the behaviour's kind."""
        return int(self.get("script")[self.k])

    @property
    def value(self) -> Float[np.ndarray, " v"]:
        """The behaviour's values."""
        return self.get("script_value")[self.k]

    @property
    def memory(self) -> Float[np.ndarray, " v"]:
        """What it keeps in mind."""
        return self.get("script_memory")[self.k]

    @property
    def elapsed(self) -> float:
        """Time since it began [s]."""
        return float(self.state.step[self.e] - self.get("script_step")[self.k]) * DT

    @property
    def speed(self) -> float:
        """How fast the actor is, whichever way it faces."""
        return abs(float(self.get("speed")))

    @property
    def pose(self) -> tuple[float, float, float]:
        """Box centre and heading."""
        return float(self.get("x")), float(self.get("y")), float(self.get("yaw"))

    @property
    def ahead(self) -> Ahead:
        """Where it is on the lanes."""
        return Ahead(
            self.roads,
            self.get("route"),
            int(self.get("route_at")),
            int(self.get("lane")),
            float(self.get("lane_s")),
        )

    @property
    def on_lane(self) -> bool:
        """Whether it drives on a lane."""
        return bool(self.get("mode") == DRIVE and self.get("lane") >= 0)

    @property
    def ego_way(self) -> Way:
        """The ego's way."""
        return way_of(self.state, self.e, 0)


def enter_lane(act: Act, lane: int, steps: int, over: float) -> None:
    """The lane becomes the actor's own from where it is; its offset dies away."""
    s, shift = place_on_lane(act.roads, lane, *act.pose[:2])
    moves = abs(shift - act.get("shift_to")) > 1e-3
    act.set(
        lane=lane, lane_s=s, lane_d=shift, shift=shift, shift_from=shift, shift_time=0.0,
        shift_over=over if moves else 0.0, waited=0.0, stopped_at=-1,
        route_at=turn_route(act.roads, act.get("route"), int(act.get("route_at")), lane, steps),
    )  # fmt: skip
