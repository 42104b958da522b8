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

    For every POLICY actor with a way: the nearest places within a window about the last one, so
    that a way that meets itself again is not cut short. The box centre says how far it has come;
    offset (positive to the left) and heading (relative to the segment) are those of the rear axle,
    which is what plans, recorded drives and hence most ways are of. Other flags stay as they are.
    """
    way = state.way
    for e in range(state.mode.shape[0]):
        for n in range(state.count[e]):
            if state.mode[e, n] != POLICY or state.way_count[e, n] < 2:
                continue
            first = state.way_first[e, n]
            last = first + state.way_count[e, n] - 1
            px, py, at = state.x[e, n], state.y[e, n], state.way_at[e, n]
            back = state.rear[e, n]
            rx, ry = px - back * state.cos[e, n], py - back * state.sin[e, n]
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
            best, best_at, nearest, off, rear_k = 1e300, at, 1e300, 0.0, k
            while k < last and way[e, k, 3] <= high:
                ax, ay = way[e, k, 0], way[e, k, 1]
                dx, dy = way[e, k + 1, 0] - ax, way[e, k + 1, 1] - ay
                squared = max(dx * dx + dy * dy, 1e-300)
                t = min(max(((px - ax) * dx + (py - ay) * dy) / squared, 0.0), 1.0)
                ox, oy = px - ax - t * dx, py - ay - t * dy
                away = ox * ox + oy * oy
                if away < best:
                    best = away
                    best_at = way[e, k, 3] + t * (way[e, k + 1, 3] - way[e, k, 3])
                t = min(max(((rx - ax) * dx + (ry - ay) * dy) / squared, 0.0), 1.0)
                ox, oy = rx - ax - t * dx, ry - ay - t * dy
                away = ox * ox + oy * oy
                if away < nearest:
                    nearest, rear_k = away, k
                    side = dx * (ry - ay) - dy * (rx - ax)
                    off = sqrt(away) if side >= 0.0 else -sqrt(away)
                k += 1
            state.way_at[e, n] = best_at
            state.way_off[e, n] = off
            turned = state.yaw[e, n] - way[e, rear_k, 2]
            state.way_heading[e, n] = (turned + pi) % (2.0 * pi) - pi
            done = best_at >= length - DONE_WITHIN and best <= DONE_ASIDE * DONE_ASIDE
            kept = state.flags[e, n] & ~ROUTE_DONE
            state.flags[e, n] = kept | ROUTE_DONE if done else kept
