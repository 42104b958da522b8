"""When scripted behaviours begin; as `drivelab.kernels.world.triggers`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import shapely
from jaxtyping import Float

from drivelab.geometry.boxes import box_polygon
from drivelab.kernels.world.arrays import DONE, DT
from drivelab.kernels.world.triggers import (
    AFTER,
    EGO_PAST,
    EGO_RADIUS,
    EGO_X,
    EGO_Y,
    GAP,
    PASSING,
    SLACK,
    TIME,
    TTC,
)
from drivelab.sim.world.reference.act import Act


def trigger_holds(act: Act) -> bool:
    """Whether all conditions of a trigger hold."""
    when, state, e = act.get("script_when")[act.k], act.state, act.e
    ego = np.array([state.x[e, 0], state.y[e, 0]])
    apart = np.array(act.pose[:2]) - ego
    conditions: dict[int, Callable[[], Any]] = {
        TIME: lambda: state.step[e] * DT >= when[TIME] - SLACK,
        AFTER: lambda: act.get("script_state")[int(when[AFTER])] == DONE,
        EGO_PAST: lambda: state.way_at[e, 0] >= when[EGO_PAST] - SLACK,
        EGO_RADIUS: lambda: np.hypot(*(ego - when[[EGO_X, EGO_Y]])) <= when[EGO_RADIUS],
        TTC: lambda: _contact_time(act, apart) < when[TTC],
        GAP: lambda: shapely.distance(_box(act, act.n), _box(act, 0)) < when[GAP],
    }
    return all(np.isnan(when[column]) or holds() for column, holds in conditions.items())


def _box(act: Act, n: int) -> Any:
    length, width = 2.0 * act.get("half_length", n), 2.0 * act.get("half_width", n)
    return box_polygon(
        np.array([act.get("x", n), act.get("y", n), act.get("yaw", n), length, width])
    )


def _contact_time(act: Act, apart: Float[np.ndarray, "2"]) -> float:
    """Time until the two discs touch, or pass each other near by."""
    velocity = [
        act.get("speed", n) * np.array([act.get("cos", n), act.get("sin", n)]) for n in (act.n, 0)
    ]
    closing = velocity[0] - velocity[1]
    radii = act.get("half_length") + act.get("half_length", 0)
    if apart @ apart <= radii**2:
        return 0.0
    roots = np.roots([closing @ closing, 2.0 * apart @ closing, apart @ apart - radii**2])
    real = [float(root.real) for root in roots if abs(root.imag) < 1e-12 and root.real > 0.0]
    if real or closing @ closing == 0.0:
        return min(real, default=np.inf)
    abreast = -(apart @ closing) / (closing @ closing)
    passes = np.hypot(*(apart + abreast * closing)) <= PASSING
    return float(abreast) if abreast > 0.0 and passes else np.inf
