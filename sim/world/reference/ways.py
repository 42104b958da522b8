"""Where policies' vehicles are along their ways: every segment of the window, the nearest one."""

from __future__ import annotations

import numpy as np

from drivelab.kernels.world.arrays import POLICY, ROUTE_DONE, State
from drivelab.kernels.world.ways import (
    DONE_ASIDE,
    DONE_WITHIN,
    SEARCH_AHEAD,
    SEARCH_BACK,
    STEP_REACH,
)
from drivelab.sim.world.reference.bodies import wrapped


def follow_ways(state: State) -> None:
    """As `drivelab.kernels.world.ways.follow_ways`."""
    for e, n in np.argwhere((state.mode == POLICY) & (state.way_count >= 2)):
        if n >= state.count[e]:
            continue
        first = state.way_first[e, n]
        way = state.way[e, first : first + state.way_count[e, n]]
        at, reach = state.way_at[e, n], STEP_REACH * abs(state.speed[e, n])
        begin, end = way[:-1, 3], way[1:, 3]
        window = (end >= at - SEARCH_BACK - reach) & (begin <= at + SEARCH_AHEAD + reach)
        pieces = np.flatnonzero(window)
        a, d = way[pieces, :2], way[pieces + 1, :2] - way[pieces, :2]
        here = np.array([state.x[e, n], state.y[e, n]])
        squared = (d * d).sum(axis=1)
        t = np.clip(((here - a) * d).sum(axis=1) / squared, 0, 1)
        away = np.hypot(*(here - a - t[:, None] * d).T)
        k = int(np.argmin(away))
        piece = pieces[k]
        side = d[k, 0] * (here - a[k])[1] - d[k, 1] * (here - a[k])[0]
        state.way_at[e, n] = begin[piece] + t[k] * (end[piece] - begin[piece])
        state.way_off[e, n] = away[k] if side >= 0 else -away[k]
        state.way_heading[e, n] = wrapped(state.yaw[e, n] - way[piece, 2])
        done = state.way_at[e, n] >= way[-1, 3] - DONE_WITHIN and away[k] <= DONE_ASIDE
        flags = int(state.flags[e, n]) & ~ROUTE_DONE
        state.flags[e, n] = flags | ROUTE_DONE * done
