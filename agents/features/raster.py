"""Polygons and thick lines on a grid of pixels, by the rules of OpenCV's unsmoothed drawing.

A filled polygon with whole-numbered corners covers its outline and every pixel whose centre lies
inside by the even-odd rule. What reaches beyond the canvas is cut at its border first, and a cut
line ends on a whole pixel, so that it may run a pixel beside the uncut one. A thick line is, piece
by piece, a rectangle whose corners lie between pixels, with a disc at both ends.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Int

Mask = Bool[np.ndarray, "h w"]
Ends = Int[np.ndarray, "n 2"]
FIXED = 65536  # corners of rectangles are rounded to so many parts of a pixel


def fill_polygon(mask: Mask, corners: Int[np.ndarray, "n 2"]) -> None:
    """Set the pixels of a polygon.

    Args:
        mask: painted on.
        corners: (column, row), in order; the last need not repeat the first.
    """
    if not _meets(mask, corners):
        return
    starts, ends = corners, np.roll(corners, -1, axis=0)
    cut_starts, cut_ends, seen = clip_lines(starts, ends, mask.shape)
    _fill(mask, (starts, ends), (cut_starts, cut_ends))
    _thin_lines(mask, cut_starts[seen], cut_ends[seen])


def thick_lines(mask: Mask, points: Int[np.ndarray, "n 2"], thickness: int) -> None:
    """Set the pixels of an open polyline.

    Args:
        mask: painted on.
        points: (column, row) along it.
        thickness: [px].
    """
    height, width = mask.shape
    if not _meets(mask, points, margin=thickness + 1):
        return
    if thickness <= 1:
        starts, ends, seen = clip_lines(points[:-1], points[1:], mask.shape)
        _thin_lines(mask, starts[seen], ends[seen])
        return
    half = FIXED * (thickness + thickness % 2) / 2
    room = (height + 2 * thickness, width + 2 * thickness)
    starts, ends, seen = clip_lines(points[:-1] + thickness, points[1:] + thickness, room)
    starts, ends = starts[seen] - thickness, ends[seen] - thickness
    for start, end in zip(starts, ends, strict=True):
        along = end - start
        if along.any():
            aside = np.rint(np.array([-along[1], along[0]]) * (half / np.hypot(*along))).astype(int)
            a, b = start * FIXED, end * FIXED
            _rectangle(mask, np.stack([a + aside, a - aside, b - aside, b + aside]))
    _discs(mask, np.concatenate([starts, ends]), (thickness + 1) // 2)


def clip_lines(
    starts: Ends, ends: Ends, size: tuple[int, int]
) -> tuple[Int[np.ndarray, "n 2"], Int[np.ndarray, "n 2"], Bool[np.ndarray, " n"]]:
    """Lines cut at the canvas: new starts, new ends, and which lines are on it at all.

    Args:
        starts: (column, row).
        ends: of the same lines.
        size: rows and columns of the canvas [px].
    """
    last = np.array(size[::-1]) - 1
    outside = ((starts < 0) | (starts > last) | (ends < 0) | (ends > last)).any(axis=1)
    starts, ends, seen = starts.copy(), ends.copy(), np.array(~outside)
    for n in np.flatnonzero(outside):
        line = [starts[n].tolist(), ends[n].tolist()]
        seen[n] = _cut(line, 1, int(last[1])) and _cut(line, 0, int(last[0]))
        starts[n], ends[n] = line
    return starts, ends, seen


def _cut(line: list[list[int]], axis: int, last: int) -> bool:
    """Cut one line between 0 and `last` of an axis, in place; False where nothing of it is left."""
    sides = [(point[axis] > last) - (point[axis] < 0) for point in line]
    if sides[0] == sides[1] != 0:
        return False
    for point, side in zip(line, sides, strict=True):
        if side:
            (x1, y1), (x2, y2) = ((end[axis], end[1 - axis]) for end in line)
            border = last if side > 0 else 0
            point[1 - axis] += int((border - point[axis]) * (y2 - y1) / (x2 - x1))
            point[axis] = border
    return True


def _fill(mask: Mask, whole: tuple[Ends, Ends], cut: tuple[Ends, Ends]) -> None:
    """Even-odd filling; an edge runs through its cut line, but over all of its own rows.

    Args:
        mask: painted on.
        whole: starts and ends of the edges.
        cut: the same of what of them is on the canvas; what is level there runs from cut column
            to cut column over its own rows.
    """
    level = cut[0][:, 1] == cut[1][:, 1]
    starts, ends = cut[0].copy(), cut[1].copy()
    starts[level, 1], ends[level, 1] = whole[0][level, 1], whole[1][level, 1]
    low, high = (choose(whole[0][:, 1], whole[1][:, 1]) for choose in (np.minimum, np.maximum))
    here = np.arange(mask.shape[0])[:, None]
    row, edge = np.nonzero((low <= here) & (here < high))
    step = ends[edge] - starts[edge]
    at = starts[edge, 0] + (row - starts[edge, 1]) * step[:, 0] / step[:, 1]
    order = np.lexsort((at, row))
    row, at = row[order], at[order]
    _spans(mask, row[::2], np.ceil(at[::2]), np.floor(at[1::2]))


def _rectangle(mask: Mask, corners: Int[np.ndarray, "4 2"]) -> None:
    """A convex shape, its corners in parts of a pixel; they snap to rows, borders run between."""
    after = np.roll(corners, -1, axis=0)
    _between_pixels(mask, corners, after)
    down = (corners[:, 1] <= after[:, 1])[:, None]
    starts, ends = np.where(down, corners, after), np.where(down, after, corners)
    first, last = _nearest(starts[:, 1]), _nearest(ends[:, 1])
    rows = np.arange(max(0, first.min()), min(mask.shape[0] - 1, last.max()) + 1)
    if not len(rows):
        return
    count = np.maximum(last - first, 1)
    slope = _quotient(2 * (ends[:, 0] - starts[:, 0]) + count, 2 * count)
    at = starts[:, 0] + (rows[:, None] - first) * slope
    met = (rows[:, None] >= first) & (rows[:, None] <= last) & (first != last)
    far = 1 << 40
    left, right = np.where(met, at, far).min(axis=1), np.where(met, at, -far).max(axis=1)
    some = met.any(axis=1)
    _spans(mask, rows[some], _nearest(left[some]), _nearest(right[some]))


def _spans(mask: Mask, rows: np.ndarray, first: np.ndarray, last: np.ndarray) -> None:
    """Set the columns first to last, both included, of some rows."""
    height, width = mask.shape
    first = np.clip(first, 0, width).astype(int)
    stop = np.clip(last + 1, 0, width).astype(int)
    some = first < stop
    change = np.zeros((height, width + 1), np.int32)
    np.add.at(change, (rows[some], first[some]), 1)
    np.add.at(change, (rows[some], stop[some]), -1)
    mask |= change[:, :-1].cumsum(axis=1) > 0


def _thin_lines(mask: Mask, starts: Int[np.ndarray, "n 2"], ends: Int[np.ndarray, "n 2"]) -> None:
    """Lines one pixel wide, from left to right; a tie between two pixels goes to the left end."""
    swapped = (ends[:, 0] < starts[:, 0])[:, None]
    starts, ends = np.where(swapped, ends, starts), np.where(swapped, starts, ends)
    step = ends - starts
    longest = np.abs(step).max(axis=1, initial=0)
    line, k = _counted(longest)
    share = k[:, None] * np.abs(step[line]) / np.maximum(longest[line], 1)[:, None]
    _set(mask, starts[line] + np.sign(step[line]) * np.ceil(share - 0.5).astype(int))


def _between_pixels(mask: Mask, starts: Ends, ends: Ends) -> None:
    """Lines one pixel wide whose ends lie between pixels: steps begin at the rounded start.

    Args:
        mask: painted on.
        starts: (column, row) in parts of a pixel.
        ends: of the same lines.
    """
    height, width = mask.shape
    starts, ends, seen = clip_lines(starts, ends, (height * FIXED, width * FIXED))
    starts, ends = starts[seen], ends[seen]
    step = ends - starts
    each = np.arange(len(starts))
    axis = (np.abs(step[:, 0]) <= np.abs(step[:, 1])).astype(int)  # the longer one
    swapped = (step[each, axis] < 0)[:, None]
    starts, ends = np.where(swapped, ends, starts), np.where(swapped, starts, ends)
    step = ends - starts
    line, k = _counted(step[each, axis] // FIXED)
    slope = _quotient(step * FIXED, (step[each, axis] | 1)[:, None])
    slope[each, axis] = FIXED
    _set(mask, _nearest(np.concatenate([starts[line] + k[:, None] * slope[line], ends])))


def _counted(longest: Int[np.ndarray, " n"]) -> tuple[np.ndarray, np.ndarray]:
    """For lines of so many steps: the line of every pixel, and its number along the line."""
    line = np.repeat(np.arange(len(longest)), longest + 1)
    first = np.cumsum(longest + 1) - (longest + 1)
    return line, np.arange(len(line)) - first[line]


def _discs(mask: Mask, points: Int[np.ndarray, "n 2"], radius: int) -> None:
    """Full discs of whole-numbered radius; one of radius 1 is a plus."""
    span = np.arange(-radius, radius + 1)
    across, down = np.meshgrid(span, span)
    near = across**2 + down**2 <= radius * radius
    offsets = np.stack([across[near], down[near]], axis=-1)
    _set(mask, (points[:, None] + offsets).reshape(-1, 2))


def _set(mask: Mask, pixels: Int[np.ndarray, "n 2"]) -> None:
    height, width = mask.shape
    column, row = pixels[:, 0], pixels[:, 1]
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    mask[row[inside], column[inside]] = True


def _nearest(parts: Int[np.ndarray, "*shape"]) -> Int[np.ndarray, "*shape"]:
    """Pixels nearest to places given in parts of a pixel."""
    return (parts + FIXED // 2) // FIXED


def _quotient(
    above: Int[np.ndarray, "*shape"], below: Int[np.ndarray, "*shape2"]
) -> Int[np.ndarray, "*shape"]:
    """Whole quotients cut towards zero; what is below is above 0."""
    return np.sign(above) * (np.abs(above) // below)


def _meets(mask: Mask, points: Int[np.ndarray, "n 2"], margin: int = 0) -> bool:
    """Whether any of it can lie on the mask."""
    if not len(points):
        return False
    low, high = points.min(axis=0), points.max(axis=0)
    size = np.array(mask.shape[::-1])
    return bool((high >= -margin).all() and (low <= size - 1 + margin).all())
