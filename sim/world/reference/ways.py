"""Where policies' vehicles are along their ways: every segment of the window, the nearest one."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

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
        behind, beyond = at - SEARCH_BACK - reach, at + SEARCH_AHEAD + reach
        window = (way[1:, 3] >= behind) & (way[:-1, 3] <= beyond)
        pieces = np.flatnonzero(window)
        a, d = way[pieces, :2], way[pieces + 1, :2] - way[pieces, :2]
        center = np.array([state.x[e, n], state.y[e, n]])
        ahead = np.array([state.cos[e, n], state.sin[e, n]])
        k, t, aside = _nearest(a, d, center)
        begin, end = way[pieces[k], 3], way[pieces[k] + 1, 3]
        state.way_at[e, n] = begin + t * (end - begin)
        k, _, state.way_off[e, n] = _nearest(a, d, center - state.rear[e, n] * ahead)
        state.way_heading[e, n] = wrapped(state.yaw[e, n] - way[pieces[k], 2])
        done = state.way_at[e, n] >= way[-1, 3] - DONE_WITHIN and abs(aside) <= DONE_ASIDE
        flags = int(state.flags[e, n]) & ~ROUTE_DONE
        state.flags[e, n] = flags | ROUTE_DONE * done


def _nearest(
    a: Float[np.ndarray, "k 2"], d: Float[np.ndarray, "k 2"], here: Float[np.ndarray, "2"]
) -> tuple[int, float, float]:
    """The segment (from a, along d) nearest to a point, the share of it, the offset to the left."""
    t = np.clip(((here - a) * d).sum(axis=1) / (d * d).sum(axis=1), 0, 1)
    off = here - a - t[:, None] * d
    # Squares, as the kernel has them: at a vertex the two segments are equally near, and which of
    # them counts must not hang on how a root is rounded.
    away = (off * off).sum(axis=1)
    k = int(np.argmin(away))
    side = d[k, 0] * (here - a[k])[1] - d[k, 1] * (here - a[k])[0]
    return k, float(t[k]), float(np.sqrt(away[k]) * (1.0 if side >= 0 else -1.0))
