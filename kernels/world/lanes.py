"""Lane tables of a map: vertices at equal spacing, headings, speeds, where lanes conflict."""

from __future__ import annotations

from math import atan2, ceil, cos, hypot, inf, pi, sin, sqrt

import numpy as np
from jaxtyping import Bool, Float, Int
from numba import njit

from drivelab.kernels.polygons import point_segment_distance
from drivelab.kernels.world.inner import inner

WIDEST_STEP = 2.5  # spacing of lane vertices on a straight lane [m]
HALVINGS = 3  # how often the spacing is halved at most
SAGITTA = 0.02  # how far the vertices of the source may lie off the chords [m]
SHORTEST = 0.01  # a lane without length is drawn this long [m]
BEND_WINDOW = 5.0  # curvature is averaged over this length [m]
CONFLICT_STEP = 0.5  # spacing at which two lanes are compared [m]


@njit(cache=True)
def lane_steps(
    points: Float[np.ndarray, "q 3"], first: Int[np.ndarray, " L+1"]
) -> tuple[Float[np.ndarray, " L"], Int[np.ndarray, " L"]]:
    """Length of every polyline first[l]:first[l + 1] and into how many equal pieces to cut it.

    The pieces are as long as they may be for the vertices to lie within SAGITTA of their chord.
    """
    count = first.shape[0] - 1
    length = np.zeros(count)
    pieces = np.ones(count, np.int64)
    for lane in range(count):
        a, b = first[lane], first[lane + 1]
        for i in range(a, b - 1):
            length[lane] += hypot(points[i + 1, 0] - points[i, 0], points[i + 1, 1] - points[i, 1])
        n = max(1, ceil(length[lane] / WIDEST_STEP))
        for _ in range(HALVINGS):
            if _chord_error(points, a, b, length[lane], n) <= SAGITTA:
                break
            n *= 2
        pieces[lane] = n
        length[lane] = max(length[lane], SHORTEST)
    return length, pieces


@inner
def _chord_error(
    line: Float[np.ndarray, "q 3"], first: int, stop: int, length: float, pieces: int
) -> float:
    """How far vertices lie off the chords between points at equal distances along a line [m]."""
    worst = 0.0
    step = length / pieces
    at, k = 0.0, 1
    ax, ay = line[first, 0], line[first, 1]
    begin = first
    for i in range(first, stop - 1):
        x, y = line[i, 0], line[i, 1]
        gap = hypot(line[i + 1, 0] - x, line[i + 1, 1] - y)
        last = i == stop - 2
        while k <= pieces and (k * step <= at + gap or (last and k == pieces)):
            t = min((k * step - at) / gap, 1.0) if gap > 0.0 else 0.0
            bx, by = x + t * (line[i + 1, 0] - x), y + t * (line[i + 1, 1] - y)
            for j in range(begin, i + 1):
                worst = max(worst, point_segment_distance(line[j, 0], line[j, 1], ax, ay, bx, by))
            ax, ay, begin, k = bx, by, i + 1, k + 1
        at += gap
    return worst


@njit(cache=True)
def lane_vertices(
    points: Float[np.ndarray, "q 3"],
    first: Int[np.ndarray, " L+1"],
    length: Float[np.ndarray, " L"],
    pieces: Int[np.ndarray, " L"],
) -> tuple[Int[np.ndarray, " L+1"], np.ndarray, np.ndarray, np.ndarray]:
    """First vertex of every lane; x, y and unwrapped yaw of the vertices.

    The yaw of an inner vertex is the mean of its two chords; at the ends it is carried on.
    """
    count = first.shape[0] - 1
    start = np.zeros(count + 1, np.int32)
    for lane in range(count):
        start[lane + 1] = start[lane] + pieces[lane] + 1
    x, y, yaw = np.empty(start[count]), np.empty(start[count]), np.empty(start[count])
    for lane in range(count):
        a, b, v, n = first[lane], first[lane + 1], start[lane], pieces[lane]
        x[v], y[v] = points[a, 0], points[a, 1]
        x[v + n], y[v + n] = points[b - 1, 0], points[b - 1, 1]
        at, i = 0.0, a
        for k in range(1, n):
            want = k * length[lane] / n
            gap = hypot(points[i + 1, 0] - points[i, 0], points[i + 1, 1] - points[i, 1])
            while at + gap < want and i + 2 < b:
                at, i = at + gap, i + 1
                gap = hypot(points[i + 1, 0] - points[i, 0], points[i + 1, 1] - points[i, 1])
            t = min((want - at) / gap, 1.0) if gap > 0.0 else 0.0
            x[v + k] = points[i, 0] + t * (points[i + 1, 0] - points[i, 0])
            y[v + k] = points[i, 1] + t * (points[i + 1, 1] - points[i, 1])
        if x[v + n] == x[v] and y[v + n] == y[v] and n == 1:
            x[v + n] += SHORTEST * cos(points[a, 2])
            y[v + n] += SHORTEST * sin(points[a, 2])
        before = atan2(y[v + 1] - y[v], x[v + 1] - x[v])
        bend = 0.0
        yaw[v] = before
        for k in range(1, n):
            chord = atan2(y[v + k + 1] - y[v + k], x[v + k + 1] - x[v + k])
            bend = _wrapped(chord - before)
            if k == 1:
                yaw[v] = before - bend / 2
            yaw[v + k] = before + bend / 2
            before += bend
        yaw[v + n] = before + bend / 2
    return start, x, y, yaw


@inner
def _wrapped(angle: float) -> float:
    while angle > pi:
        angle -= 2 * pi
    while angle < -pi:
        angle += 2 * pi
    return angle


@njit(cache=True)
def lane_speeds(
    start: Int[np.ndarray, " L+1"],
    step: Float[np.ndarray, " L"],
    yaw: Float[np.ndarray, " P"],
    limit: Float[np.ndarray, " L"],
    successor_first: Int[np.ndarray, " L+1"],
    successor: Int[np.ndarray, " s"],
    lateral: float,
    braking: float,
) -> Float[np.ndarray, " P"]:
    """Speed at every vertex [m/s]: the limit, bends at `lateral`, early braking at `braking`.

    At a lane's end the fastest of its successors counts: who turns into a slower one has to look
    along its own route.
    """
    speed = np.empty(yaw.shape[0])
    for lane in range(step.shape[0]):
        a, n = start[lane], start[lane + 1] - start[lane] - 1
        reach = max(1, int(BEND_WINDOW / 2 / step[lane]))
        for k in range(n + 1):
            low, high = max(k - reach, 0), min(k + reach, n)
            bend = abs(yaw[a + high] - yaw[a + low]) / ((high - low) * step[lane])
            speed[a + k] = min(limit[lane], sqrt(lateral / max(bend, 1e-6)))
        for k in range(n - 1, -1, -1):
            ahead = speed[a + k + 1]
            speed[a + k] = min(speed[a + k], sqrt(ahead * ahead + 2 * braking * step[lane]))
    changed = True
    while changed:  # ends: speeds only fall, and never below the slowest one
        changed = False
        for lane in range(step.shape[0] - 1, -1, -1):
            fastest = 0.0
            for i in range(successor_first[lane], successor_first[lane + 1]):
                fastest = max(fastest, speed[start[successor[i]]])
            end = start[lane + 1] - 1
            if fastest == 0.0 or speed[end] <= fastest:
                continue
            changed = True
            speed[end] = fastest
            for v in range(end - 1, start[lane] - 1, -1):
                allowed = sqrt(speed[v + 1] * speed[v + 1] + 2 * braking * step[lane])
                if speed[v] <= allowed:
                    break
                speed[v] = allowed
    return speed


@njit(cache=True)
def conflict_pieces(
    pairs: Int[np.ndarray, "p 2"],
    start: Int[np.ndarray, " L+1"],
    step: Float[np.ndarray, " L"],
    x: Float[np.ndarray, " P"],
    y: Float[np.ndarray, " P"],
    apart: Float[np.ndarray, " p"],
) -> Float[np.ndarray, "p 4"]:
    """Where the lanes (a, b) of each pair are nearer than `apart`: in, out on a, in, out on b.

    Distances along the centrelines [m]; NaN where the two keep clear of each other.
    """
    out = np.full((pairs.shape[0], 4), np.nan)
    for p in range(pairs.shape[0]):
        for side in range(2):
            mine, other = pairs[p, side], pairs[p, 1 - side]
            low, high = inf, -inf
            length = step[mine] * (start[mine + 1] - start[mine] - 1)
            samples = max(1, ceil(length / CONFLICT_STEP))
            for k in range(samples + 1):
                s = length * k / samples
                v = min(int(s / step[mine]), start[mine + 1] - start[mine] - 2)
                t = s / step[mine] - v
                v += start[mine]
                px, py = x[v] + t * (x[v + 1] - x[v]), y[v] + t * (y[v + 1] - y[v])
                for w in range(start[other], start[other + 1] - 1):
                    gap = point_segment_distance(px, py, x[w], y[w], x[w + 1], y[w + 1])
                    if gap < apart[p]:
                        low, high = min(low, s), max(high, s)
                        break
            if high < low:
                break
            out[p, 2 * side], out[p, 2 * side + 1] = low, high
        if np.isnan(out[p, 2]):
            out[p, 0] = np.nan
    return out


@njit(cache=True)
def view_segments(
    start: Int[np.ndarray, " L+1"],
    step: Float[np.ndarray, " L"],
    x: Float[np.ndarray, " P"],
    y: Float[np.ndarray, " P"],
    width: Float[np.ndarray, " L"],
    connector: Bool[np.ndarray, " L"],
    borders: Float[np.ndarray, "b 4"],
    longest: float,
) -> np.ndarray:
    """Road segments of about `longest` [m] at most: lanes, then border lines (ax, ay, bx, by).

    Rows as the columns of `Roads.segment`.
    """
    count = 0
    for lane in range(step.shape[0]):
        stride = max(1, int(longest / step[lane]))
        count += (start[lane + 1] - start[lane] - 2) // stride + 1
    for b in range(borders.shape[0]):
        length = hypot(borders[b, 2] - borders[b, 0], borders[b, 3] - borders[b, 1])
        count += max(1, ceil(length / longest))
    out = np.empty((count, 7), np.float32)
    row = 0
    for lane in range(step.shape[0]):
        stride = max(1, int(longest / step[lane]))
        for v in range(start[lane], start[lane + 1] - 1, stride):
            w = min(v + stride, start[lane + 1] - 1)
            _fill(out, row, x[v], y[v], x[w], y[w], width[lane], 2.0 if connector[lane] else 0.0)
            row += 1
    for b in range(borders.shape[0]):
        ax, ay = borders[b, 0], borders[b, 1]
        dx, dy = borders[b, 2] - ax, borders[b, 3] - ay
        n = max(1, ceil(hypot(dx, dy) / longest))
        for k in range(n):
            low, high = k / n, (k + 1) / n
            _fill(out, row, ax + low * dx, ay + low * dy, ax + high * dx, ay + high * dy, 0.0, 1.0)
            row += 1
    return out


@inner
def _fill(
    out: np.ndarray,
    row: int,
    ax: float,
    ay: float,
    bx: float,
    by: float,
    width: float,
    kind: float,
) -> None:
    length = hypot(bx - ax, by - ay)
    out[row, 0], out[row, 1], out[row, 2] = (ax + bx) / 2, (ay + by) / 2, length / 2
    out[row, 3], out[row, 4] = (bx - ax) / max(length, 1e-9), (by - ay) / max(length, 1e-9)
    out[row, 5], out[row, 6] = width, kind
