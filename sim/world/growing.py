"""Join road tables one after the other without copying what is there again and again."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from drivelab.kernels.world.arrays import Roads

# Fields that hold numbers of something, and what they are numbers of; -1 stays -1.
NUMBERS = {
    "lane_left": "lane",
    "lane_right": "lane",
    "lane_map": "map",
    "successor": "lane",
    "predecessor": "lane",
    "conflict_lane": "lane",
    "cell_first": "cell",
    "cell_row": "row",
    "border_item": "border",
    "near_item": "vertex",
    "near_lane": "lane",
    "view_item": "segment",
}
# Fields that say where the rows of a list begin, and the list.
STARTS = {
    "lane_first": "x",
    "map_border": "border",
    "map_lane": "lane_step",
    "successor_first": "successor",
    "predecessor_first": "predecessor",
    "conflict_first": "conflict_lane",
    "border_first": "border_item",
    "near_first": "near_item",
}
# A field of each kind of thing, to count it.
COUNTED = {
    "lane": "lane_step",
    "map": "grid_x",
    "cell": "cell_row",
    "row": "view_item",
    "border": "border",
    "vertex": "x",
    "segment": "segment",
}


class _Column:
    """An array that grows at its end; at least doubled when it has to move."""

    def __init__(self, like: np.ndarray) -> None:
        self._buffer = np.empty((max(1, len(like)), *like.shape[1:]), like.dtype)
        self.count = 0

    def append(self, part: np.ndarray, raised: int = 0) -> None:
        """Add rows; numbers that are not negative are raised."""
        need = self.count + len(part)
        if need > len(self._buffer):
            shape = (max(need, 2 * len(self._buffer)), *self._buffer.shape[1:])
            grown = np.empty(shape, self._buffer.dtype)
            grown[: self.count] = self._buffer[: self.count]
            self._buffer = grown
        added = self._buffer[self.count : need]
        added[:] = part
        if raised:
            absent = part < 0
            added += raised
            added[absent] = part[absent]
        self.count = need

    def array(self) -> np.ndarray:
        return self._buffer[: self.count]


class GrowingRoads:
    """A bank of maps under construction."""

    def __init__(self) -> None:
        self._columns: dict[str, _Column] = {}

    def append(self, roads: Roads) -> None:
        """Add one map; its own numbers are raised by what stands before it."""
        fields: Mapping[str, np.ndarray] = roads._asdict()
        if not self._columns:
            self._columns = {name: _Column(array) for name, array in fields.items()}
        columns = self._columns
        for name in STARTS:
            if not columns[name].count:
                columns[name].append(fields[name][:1])
        before = {kind: columns[name].count for kind, name in COUNTED.items()}
        begun = {name: columns[name].count for name in STARTS.values()}
        for name, array in fields.items():
            if name in STARTS:
                columns[name].append(array[1:], begun[STARTS[name]])
            else:
                columns[name].append(array, before[NUMBERS[name]] if name in NUMBERS else 0)

    def clear(self) -> None:
        """No maps, in the same memory: what `roads` gave before is overwritten."""
        for column in self._columns.values():
            column.count = 0

    def roads(self) -> Roads:
        """What has been joined so far."""
        return Roads(**{name: column.array() for name, column in self._columns.items()})
