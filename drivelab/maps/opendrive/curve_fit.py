"""Reference lines for writing: lines and cubics fitted to a centreline, and offsets from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from drivelab.geometry.polyline import arc_lengths
from drivelab.geometry.poses import wrap_angle

TOLERANCE = 0.01  # a piece may miss the vertices it replaces by this much [m]
_LONGEST = 100.0  # of a piece [m]
_SHARPEST = 1.0  # a piece turns by at most this much [rad]
_TRACE = 65  # points at which a piece is compared and measured
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(24)


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """A line (no parameters) or a cubic aU..dU, aV..dV over [0, 1] in the frame of its start."""

    s: float
    start: Float[np.ndarray, "3"]
    length: float
    cubic: Float[np.ndarray, "2 4"] | None


def fit_line(centreline: Float[np.ndarray, "n 3"]) -> list[Piece]:
    """Pieces through a centreline, each as long as the tolerance allows.

    Vertex headings are the mean of the two segments that meet; the ends keep their own.
    """
    points = _distinct(centreline)
    headings = _headings(points)
    pieces: list[Piece] = []
    first, s = 0, 0.0
    while first < len(points) - 1:
        last, piece = _longest(points, headings, first, s)
        pieces.append(piece)
        first, s = last, s + piece.length
    return pieces


def _distinct(line: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "m 3"]:
    step = np.hypot(*np.diff(line[:, :2], axis=0).T)
    kept = np.concatenate([[True], step > 1e-3])
    if not kept[-1]:  # the end stays, the vertex just before it goes
        kept[np.flatnonzero(kept)[-1]] = kept.sum() == 1
        kept[-1] = True
    return line[kept]


def _headings(points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, " n"]:
    delta = np.diff(points[:, :2], axis=0)
    yaw, length = np.unwrap(np.arctan2(delta[:, 1], delta[:, 0])), np.hypot(*delta.T)
    inner = yaw[:-1] + np.diff(yaw) * length[:-1] / (length[:-1] + length[1:])
    ends = [
        at + wrap_angle(own - at) if abs(wrap_angle(own - at)) < np.pi / 4 else at
        for at, own in ((yaw[0], points[0, 2]), (yaw[-1], points[-1, 2]))
    ]
    return np.concatenate([ends[:1], inner, ends[1:]])


def _longest(
    points: Float[np.ndarray, "n 3"], headings: Float[np.ndarray, " n"], first: int, s: float
) -> tuple[int, Piece]:
    """Double the reach while the fit holds, then halve the doubt."""
    good, bad, reach = first + 1, len(points), first + 2
    best = _piece(points, headings, first, good, s)
    assert best is not None  # one step holds no vertex that could be missed
    while good + 1 < bad:
        trial = min(reach, bad - 1)
        piece = _piece(points, headings, first, trial, s, check=True)
        if piece is None:
            bad = trial
        else:
            good, best = trial, piece
        reach = (good + bad) // 2 if bad < len(points) else first + 2 * (good - first)
        reach = max(reach, good + 1)
    return good, best


def _piece(
    points: Float[np.ndarray, "n 3"],
    headings: Float[np.ndarray, " n"],
    first: int,
    last: int,
    s: float,
    *,
    check: bool = False,
) -> Piece | None:
    """Fit from one vertex to another; None where `check` finds a vertex missed."""
    inside = points[first : last + 1, :2]
    turn = headings[last] - headings[first]
    way = float(arc_lengths(inside)[-1])
    if check and (way > _LONGEST or np.ptp(headings[first : last + 1]) > _SHARPEST):
        return None
    start = np.array([*inside[0], headings[first]])
    cos, sin = np.cos(start[2]), np.sin(start[2])
    local = (inside - inside[0]) @ np.array([[cos, -sin], [sin, cos]])
    end = local[-1]
    if abs(turn) < 1e-6 and np.abs(local[:, 1]).max() < 1e-4:
        return Piece(s, start, float(end[0]), None)
    pull = way * (1.0 + turn * turn / 24.0 / max(last - first, 1) ** 2)  # chords -> arc
    slopes = pull * np.array([[1.0, np.cos(turn)], [0.0, np.sin(turn)]])
    cubic = np.column_stack(
        [
            np.zeros(2),
            slopes[:, 0],
            3 * end - 2 * slopes[:, 0] - slopes[:, 1],
            -2 * end + slopes[:, 0] + slopes[:, 1],
        ]
    )
    if check and _miss(cubic, local) > TOLERANCE:
        return None
    return Piece(s, start, _length(cubic), cubic)


def _miss(cubic: Float[np.ndarray, "2 4"], local: Float[np.ndarray, "n 2"]) -> float:
    p = np.linspace(0.0, 1.0, _TRACE)
    curve = (cubic @ np.stack([np.ones_like(p), p, p * p, p**3])).T
    delta = np.diff(curve, axis=0)
    reach = local[1:-1, None] - curve[None, :-1]
    share = (reach * delta).sum(-1) / np.maximum((delta * delta).sum(-1), 1e-18)
    gap = reach - np.clip(share, 0.0, 1.0)[..., None] * delta
    return float(np.hypot(gap[..., 0], gap[..., 1]).min(1).max(initial=0.0))


def _length(cubic: Float[np.ndarray, "2 4"]) -> float:
    p = (_NODES + 1.0) / 2.0
    slope = cubic[:, 1:] @ np.stack([np.ones_like(p), 2 * p, 3 * p * p])
    return float(_WEIGHTS @ np.hypot(*slope)) / 2.0


def trace(pieces: list[Piece], spacing: float = 0.25) -> tuple[np.ndarray, np.ndarray]:
    """Points of the fitted line, and the arc length at each of them."""
    points, lengths = [], []
    for piece in pieces:
        count = max(2, int(np.ceil(piece.length / spacing)) + 1)
        p = np.linspace(0.0, 1.0, count)
        if piece.cubic is None:
            local = np.column_stack([p * piece.length, np.zeros(count)])
        else:
            local = (piece.cubic @ np.stack([np.ones_like(p), p, p * p, p**3])).T
        x, y, heading = piece.start
        cos, sin = np.cos(heading), np.sin(heading)
        points.append(local @ np.array([[cos, sin], [-sin, cos]]) + np.array([x, y]))
        along = arc_lengths(local)
        lengths.append(piece.s + along * (piece.length / max(along[-1], 1e-12)))
    return np.concatenate(points), np.concatenate(lengths)


def offsets_along(
    line: Float[np.ndarray, "n 2"],
    s: Float[np.ndarray, " n"],
    edge: Float[np.ndarray, "m 2"],
    stations: Float[np.ndarray, " k"],
) -> Float[np.ndarray, " k"]:
    """How far to the left of the line an edge lies at stations along it [m]."""
    length = arc_lengths(edge)
    at = np.union1d(length, np.linspace(0.0, length[-1], max(2, int(length[-1] / 1.0) + 1)))
    spots = np.column_stack([np.interp(at, length, edge[:, 0]), np.interp(at, length, edge[:, 1])])
    keep = np.concatenate([np.hypot(*np.diff(line, axis=0).T) > 1e-9, [True]])
    line, s = line[keep], s[keep]
    delta = np.diff(line, axis=0)
    squared = (delta * delta).sum(1)
    reach = spots[:, None] - line[None, :-1]
    share = (reach * delta).sum(-1) / squared
    gap = reach - np.clip(share, 0.0, 1.0)[..., None] * delta
    best = np.argmin(np.hypot(gap[..., 0], gap[..., 1]), axis=1)
    row = np.arange(len(spots))
    foot = s[best] + np.clip(share[row, best], 0.0, 1.0) * np.diff(s)[best]
    side = delta[best, 0] * reach[row, best, 1] - delta[best, 1] * reach[row, best, 0]
    t = side / np.sqrt(squared[best])
    order = np.argsort(foot, kind="stable")
    return np.interp(stations, foot[order], t[order])


def corners(
    s: Float[np.ndarray, " n"], value: Float[np.ndarray, " n"], tolerance: float = 1e-3
) -> list[int]:
    """Rows that a polyline through a function needs to stay within a tolerance."""
    kept, stack = {0, len(s) - 1}, [(0, len(s) - 1)]
    while stack:
        first, last = stack.pop()
        if last - first < 2:
            continue
        chord = np.interp(s[first : last + 1], s[[first, last]], value[[first, last]])
        gap = np.abs(value[first : last + 1] - chord)
        worst = int(np.argmax(gap))
        if gap[worst] > tolerance:
            kept.add(first + worst)
            stack += [(first, first + worst), (first + worst, last)]
    return sorted(kept)
