"""OpenDRIVE as columns: what the file says, before any shape is computed.

`RoadNetwork` holds what poses are evaluated from and stays with the map. `Furniture` holds links,
marks, limits, signals and objects, and is only needed while the lane map is built.

Reference: ASAM OpenDRIVE 1.4 to 1.7. Superelevation, crossfall and lane heights are ignored, as
CARLA ignores them; elevation is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from jaxtyping import Bool, Float, Int


class Shape(IntEnum):
    """Kinds of plan-view geometry."""

    LINE = 0
    ARC = 1
    SPIRAL = 2
    POLY = 3  # poly3 and paramPoly3, both as parametric cubics


@dataclass(frozen=True, slots=True, eq=False)
class Records:
    """Values that hold from `s` [m] on, sorted by owner (a row of another table), then by s."""

    owner: Int[np.ndarray, " n"]
    s: Float[np.ndarray, " n"]
    values: Float[np.ndarray, "n k"]
    span: float  # more than any s
    key: Float[np.ndarray, " n"]  # owner * span + s, rising

    @classmethod
    def build(cls, rows: list[tuple[int | float, ...]], columns: int) -> Records:
        """Rows of (owner, s, *values), in any order; equal places keep their order."""
        table = np.array(rows, float).reshape(-1, columns + 2)
        owner = table[:, 0].astype(np.int64)
        order = np.lexsort((table[:, 1], owner))
        largest = float(np.abs(table[:, 1]).max(initial=0.0))
        span = 2.0 * largest + 1e4
        owner, s = owner[order], table[order, 1]
        return cls(owner, s, table[order, 2:], span, owner * span + s)

    def find(
        self, owner: Int[np.ndarray, " m"], s: Float[np.ndarray, " m"]
    ) -> Int[np.ndarray, " m"]:
        """Row that holds at s for each owner: the last that begins there or before, else the first.

        An owner without rows gets -1.
        """
        if not len(self.owner):
            return np.full(len(owner), -1)
        row = np.searchsorted(self.key, owner * self.span + s, side="right") - 1
        first = np.searchsorted(self.owner, owner)
        row = np.maximum(row, first)
        safe = np.minimum(row, len(self.owner) - 1)
        return np.where(self.owner[safe] == owner, safe, -1)

    def cubic(
        self, owner: Int[np.ndarray, " m"], s: Float[np.ndarray, " m"]
    ) -> Float[np.ndarray, "3 m"]:
        """Value, first and second derivative of the cubics a + b ds + c ds^2 + d ds^3."""
        row = self.find(owner, s)
        found = row >= 0
        if not len(self.owner):
            return np.zeros((3, len(owner)))
        a, b, c, d = np.where(found[:, None], self.values[row, :4], 0.0).T
        ds = np.where(found, s - self.s[row], 0.0)
        return np.stack(
            [a + ds * (b + ds * (c + ds * d)), b + ds * (2 * c + 3 * d * ds), 2 * c + 6 * d * ds]
        )


@dataclass(frozen=True, slots=True, eq=False)
class RoadNetwork:
    """Roads, lane sections and lanes; a table's row number is how other tables name its rows.

    Lanes are sorted by section, then from the left edge of the road to the right (falling id);
    the centre lane 0 is left out. `rank` counts a lane from the road's centre outwards, from 1.
    """

    road_ids: tuple[str, ...]
    junctions: tuple[str, ...]  # of each road, "" outside junctions
    length: Float[np.ndarray, " r"]
    left_hand: Bool[np.ndarray, " r"]  # traffic keeps to the left
    geometry: Records  # of roads: shape, x, y, heading, length, eight parameters
    offset: Records  # of roads: laneOffset
    elevation: Records  # of roads
    sections: Records  # of roads: s only
    section_end: Float[np.ndarray, " c"]
    section_number: Int[np.ndarray, " c"]  # place within its road
    lane_section: Int[np.ndarray, " n"]
    lane_id: Int[np.ndarray, " n"]
    lane_rank: Int[np.ndarray, " n"]
    lane_type: tuple[str, ...]
    lane_border: Bool[np.ndarray, " n"]  # its cubics give the outer border instead of the width
    width: Records  # of lanes, s counted from the road's start
    lane_road: Int[np.ndarray, " n"]  # row of the road of each lane
    forward: Bool[np.ndarray, " n"]  # traffic follows the reference line

    def lane_row(
        self, section: Int[np.ndarray, " m"], lane: Int[np.ndarray, " m"]
    ) -> Int[np.ndarray, " m"]:
        """Row of a lane by its section and id, -1 where the section has no such lane."""
        if not len(self.lane_id):
            return np.full(len(section), -1)
        reach = 1 + max(int(np.abs(self.lane_id).max()), int(np.abs(lane).max(initial=0)))
        key = self.lane_section * (2 * reach + 1) - self.lane_id
        wanted = section * (2 * reach + 1) - lane
        row = np.minimum(np.searchsorted(key, wanted), len(key) - 1)
        return np.where(key[row] == wanted, row, -1)


@dataclass(frozen=True, slots=True)
class Link:
    """What a road continues into at one of its ends."""

    kind: str  # "road" or "junction"
    id: str
    contact: str = ""  # "start", "end" or unknown; roads only


@dataclass(frozen=True, slots=True)
class Connection:
    """A way through a junction: lanes of the incoming road -> lanes of the connecting road."""

    junction: str
    incoming: str
    connecting: str
    contact: str
    lanes: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Signal:
    """A signal, or a reference to one from the road it governs."""

    id: str
    road: int
    s: float
    t: float
    orientation: str
    lanes: tuple[tuple[int, int], ...]  # inclusive ranges of lane ids; none: all that face it
    reference: bool = False
    name: str = ""
    type: str = ""
    subtype: str = ""
    value: float = float("nan")
    unit: str = ""
    heading: float = 0.0  # against the road [rad]
    width: float = 0.0  # [m]


@dataclass(frozen=True, slots=True)
class RoadObject:
    """An object beside or on a road; corners are (u, v) or, for `by_road`, (s, t) [m]."""

    id: str
    road: int
    name: str
    type: str
    s: float
    t: float
    heading: float  # against the road [rad]
    orientation: str
    length: float
    width: float
    corners: tuple[tuple[float, float], ...]
    by_road: bool


@dataclass(frozen=True, slots=True, eq=False)
class Furniture:
    """Links, marks, limits, signals and objects by the rows of a `RoadNetwork`."""

    predecessors: dict[int, Link]  # of roads
    successors: dict[int, Link]
    lane_predecessor: Int[np.ndarray, " n"]  # lane ids, 0 for none
    lane_successor: Int[np.ndarray, " n"]
    change_up: Bool[np.ndarray, " n"]  # the outer mark may be crossed towards higher lane ids
    change_down: Bool[np.ndarray, " n"]
    curb: Bool[np.ndarray, " n"]  # the outer mark is a kerb
    lane_speed: Records  # of lanes, s from the road's start: [m/s]
    road_speed: Records  # of roads: [m/s]
    connections: tuple[Connection, ...]
    signals: tuple[Signal, ...]
    objects: tuple[RoadObject, ...]
    controllers: dict[str, tuple[str, ...]]  # signal ids
    junction_controllers: dict[str, tuple[str, ...]]
