"""When scripted behaviours begin: the conditions of `State.script_when`."""

from __future__ import annotations

from math import hypot, inf, isnan, sqrt

from numba import njit

from drivelab.kernels.world.arrays import DONE
from drivelab.kernels.world.inner import inner

# Columns of State.script_when
TIME, GAP, TTC, EGO_PAST, EGO_X, EGO_Y, EGO_RADIUS, AFTER = range(8)
SLACK = 1e-9  # of comparisons with times and distances
PASSING = 10.0  # who passes farther away than this is not met at all [m]


@inner
def _beyond(dx: float, dy: float, cos_b: float, sin_b: float, length: float, width: float) -> float:
    """Distance of a point (relative to a box's centre) from the box; 0 inside."""
    along = abs(dx * cos_b + dy * sin_b) - length
    across = abs(dy * cos_b - dx * sin_b) - width
    return hypot(max(along, 0.0), max(across, 0.0))


@njit(cache=True)
def box_distance(
    x: float,
    y: float,
    cos_a: float,
    sin_a: float,
    length_a: float,
    width_a: float,
    cos_b: float,
    sin_b: float,
    length_b: float,
    width_b: float,
) -> float:
    """Distance of box b, whose centre lies (x, y) from a's, to box a [m]; 0 when they meet.

    Lengths and widths are halves. Two boxes apart are nearest at a corner of one of them.
    """
    cross, dot = abs(cos_a * sin_b - sin_a * cos_b), abs(cos_a * cos_b + sin_a * sin_b)
    split = abs(x * cos_a + y * sin_a) - (length_a + length_b * dot + width_b * cross)
    split = max(split, abs(y * cos_a - x * sin_a) - (width_a + length_b * cross + width_b * dot))
    split = max(split, abs(x * cos_b + y * sin_b) - (length_b + length_a * dot + width_a * cross))
    split = max(split, abs(y * cos_b - x * sin_b) - (width_b + length_a * cross + width_a * dot))
    if split <= 0.0:
        return 0.0
    best = inf
    for corner in range(4):
        front = 1.0 if corner < 2 else -1.0
        left = 1.0 if corner % 2 == 0 else -1.0
        u, v = front * length_b, left * width_b
        dx, dy = x + u * cos_b - v * sin_b, y + u * sin_b + v * cos_b
        best = min(best, _beyond(dx, dy, cos_a, sin_a, length_a, width_a))
        u, v = front * length_a, left * width_a
        dx, dy = u * cos_a - v * sin_a - x, u * sin_a + v * cos_a - y
        best = min(best, _beyond(dx, dy, cos_b, sin_b, length_b, width_b))
    return best


@njit(cache=True)
def meeting_time(x: float, y: float, speed_x: float, speed_y: float, radii: float) -> float:
    """Time until two discs touch that are (x, y) apart and close with (speed_x, speed_y) [s].

    Where they will pass each other within PASSING metres: until their centres are abreast, which
    joins the former without a jump. 0 when they overlap, infinite when they will not come near.
    """
    c = x * x + y * y - radii * radii
    if c <= 0.0:
        return 0.0
    a = speed_x * speed_x + speed_y * speed_y
    b = x * speed_x + y * speed_y
    if b >= 0.0:
        return inf
    root = b * b - a * c
    if root >= 0.0:
        return c / (sqrt(root) - b)
    return -b / a if x * x + y * y - b * b / a <= PASSING * PASSING else inf


@inner
def trigger_holds(  # type: ignore[no-untyped-def]
    when, others, time, ego_at, x, y, cos, sin, speed, half_length, half_width, n
):
    """Whether all conditions of a behaviour of actor n hold; without any they do.

    Args:
        when: (8,) row of `State.script_when`.
        others: states of this actor's behaviours.
        time: since the start [s].
        ego_at: how far the ego is along its way [m].
        x: of all actors of the environment, as the next six: rows of `State`.
        y: row.
        cos: row.
        sin: row.
        speed: row.
        half_length: row.
        half_width: row.
        n: slot of the actor.
    """
    if not isnan(when[TIME]) and time < when[TIME] - SLACK:
        return False
    if not isnan(when[AFTER]) and others[int(when[AFTER])] != DONE:
        return False
    if not isnan(when[EGO_PAST]) and ego_at < when[EGO_PAST] - SLACK:
        return False
    away = hypot(x[0] - when[EGO_X], y[0] - when[EGO_Y])  # NaN where it is not asked
    if away > when[EGO_RADIUS]:
        return False
    dx, dy = x[n] - x[0], y[n] - y[0]
    if not isnan(when[TTC]):
        closing_x = speed[n] * cos[n] - speed[0] * cos[0]
        closing_y = speed[n] * sin[n] - speed[0] * sin[0]
        radii = half_length[n] + half_length[0]
        if meeting_time(dx, dy, closing_x, closing_y, radii) >= when[TTC]:
            return False
    if not isnan(when[GAP]):
        gap = box_distance(
            dx, dy, cos[0], sin[0], half_length[0], half_width[0],
            cos[n], sin[n], half_length[n], half_width[n],
        )  # fmt: skip
        if gap >= when[GAP]:
            return False
    return True
