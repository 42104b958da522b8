"""Where policies' vehicles are along their ways."""

from __future__ import annotations

from math import pi, sqrt

from numba import njit

from drivelab.kernels.world.arrays import POLICY, ROUTE_DONE, State

SEARCH_BACK, SEARCH_AHEAD = 5.0, 10.0  # how far from the last place the nearest one is sought [m]
STEP_REACH = 0.2  # ... and so many seconds farther at the present speed
DONE_WITHIN = 1.0  # so near to its end a way is done [m]
DONE_ASIDE = 5.0  # ... if no farther than this to its side [m]


@njit(cache=True)
def follow_ways(state: State) -> None:
    """Bring `way_at`, `way_off`, `way_heading` and the flag ROUTE_DONE up to date.

    For every POLICY actor with a way: the nearest place within a window about the last one, so that
    a way that meets itself again is not cut short. Offsets are positive to the left, headings are
    relative to the segment. Other flags are left as they are.
    """
    way = state.way
    for e in range(state.mode.shape[0]):
        for n in range(state.count[e]):
            if state.mode[e, n] != POLICY or state.way_count[e, n] < 2:
                continue
            first = state.way_first[e, n]
            last = first + state.way_count[e, n] - 1
            px, py, at = state.x[e, n], state.y[e, n], state.way_at[e, n]
            reach = STEP_REACH * abs(state.speed[e, n])
            low, high = at - SEARCH_BACK - reach, at + SEARCH_AHEAD + reach
            # The segment that holds the last place: from a guess at equal spacing, then by steps.
            length = way[e, last, 3]
            k = first + int((last - first) * at / max(length, 1e-9))
            k = min(max(k, first), last - 1)
            while k > first and way[e, k, 3] > low:
                k -= 1
            while k < last - 1 and way[e, k + 1, 3] < low:
                k += 1
            best, best_at, best_off, best_k = 1e300, at, 0.0, k
            while k < last and way[e, k, 3] <= high:
                ax, ay = way[e, k, 0], way[e, k, 1]
                dx, dy = way[e, k + 1, 0] - ax, way[e, k + 1, 1] - ay
                squared = dx * dx + dy * dy
                t = 0.0
                if squared > 0.0:
                    t = min(max(((px - ax) * dx + (py - ay) * dy) / squared, 0.0), 1.0)
                ox, oy = px - ax - t * dx, py - ay - t * dy
                away = ox * ox + oy * oy
                if away < best:
                    best, best_k = away, k
                    best_at = way[e, k, 3] + t * (way[e, k + 1, 3] - way[e, k, 3])
                    side = dx * (py - ay) - dy * (px - ax)
                    best_off = sqrt(away) if side >= 0.0 else -sqrt(away)
                k += 1
            state.way_at[e, n] = best_at
            state.way_off[e, n] = best_off
            turned = state.yaw[e, n] - way[e, best_k, 2]
            state.way_heading[e, n] = (turned + pi) % (2.0 * pi) - pi
            done = best_at >= length - DONE_WITHIN and abs(best_off) <= DONE_ASIDE
            kept = state.flags[e, n] & ~ROUTE_DONE
            state.flags[e, n] = kept | ROUTE_DONE if done else kept
