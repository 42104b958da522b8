"""Road tables: what the compiled world asks about a map, built once and kept with the map."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import shapely
from jaxtyping import Float

from drivelab.errors import ConfigError, DataError, nearest_name
from drivelab.kernels.world.arrays import (
    NO_SIGN,
    STOP_SIGN_AHEAD,
    YIELD_SIGN_AHEAD,
    Roads,
)
from drivelab.kernels.world.lanes import view_segments
from drivelab.maps.map_check import check_map
from drivelab.sim.world.borders import VIEW_TOLERANCE, drivable_area, ring_segments
from drivelab.sim.world.cells import grid_arrays, with_views, without_views
from drivelab.sim.world.growing import GrowingRoads
from drivelab.sim.world.lane_tables import (
    conflict_arrays,
    conflict_ranks,
    lane_arrays,
    lane_numbers,
    sign_before,
)
from drivelab.types import LaneMap

VIEW_LENGTH = 4.0  # longest road segment that is observed [m]

_KEY = "road_tables"


@dataclass(frozen=True, slots=True, eq=False)
class RoadTables:
    """A map with its signals as the only one of a bank.

    `origin` is where the local frame of `roads` lies in the `map` frame [m]; `drivable` is the
    drivable area in the local frame.
    """

    roads: Roads
    origin: Float[np.ndarray, "2"]
    lane_names: tuple[str, ...]
    lane_numbers: Mapping[str, int]
    group_numbers: Mapping[str, int]  # connector -> number of its signal group
    groups: tuple[tuple[str, ...], ...]
    drivable: Any


def road_tables(
    lane_map: LaneMap,
    groups: tuple[tuple[str, ...], ...] = (),
    stop_signs: tuple[str, ...] = (),
    yield_signs: tuple[str, ...] = (),
) -> RoadTables:
    """The tables of a map, from the map's cache where they have been asked for before.

    `groups` are connectors that share a signal; a sign stands at the end of the lane it names.

    Raises:
        DataError: the map has no lanes or a broken one.
        ConfigError: a signal or sign names a lane that the map does not have.
    """
    key = (_KEY, groups, stop_signs, yield_signs)
    found = lane_map.cache.get(key)  # type: ignore[call-overload]
    if isinstance(found, RoadTables):
        whole = with_views(found.roads)
        if whole is not found.roads:
            found = replace(found, roads=whole)
            lane_map.cache[key] = found  # type: ignore[index]
        return found
    plain = lane_map.cache.get(_KEY)
    if not isinstance(plain, RoadTables):
        plain = _geometry(lane_map)
        lane_map.cache[_KEY] = plain
    plain = replace(plain, roads=with_views(plain.roads))
    tables = _with_signals(plain, lane_map.name, groups, stop_signs, yield_signs)
    lane_map.cache[key] = tables  # type: ignore[index]
    return tables


def cool_tables(lane_map: LaneMap) -> None:
    """Let go of three quarters of what the tables of a map take; `road_tables` finds it again."""
    for key, found in lane_map.cache.items():
        if isinstance(found, RoadTables):
            lane_map.cache[key] = replace(found, roads=without_views(found.roads))


def _geometry(lane_map: LaneMap) -> RoadTables:
    """Everything that does not depend on signals and signs."""
    if not lane_map.lanes:
        raise DataError("the map has no lanes", where=f"map {lane_map.name}")
    check_map(lane_map)
    numbers = lane_numbers(lane_map.lanes)
    origin = _origin(lane_map)
    arrays = lane_arrays(lane_map, numbers, origin)
    arrays |= conflict_arrays(arrays)
    drivable = drivable_area(lane_map, origin)
    borders = ring_segments(drivable)
    segment = view_segments(
        arrays["lane_first"],
        arrays["lane_step"],
        arrays["x"],
        arrays["y"],
        arrays["lane_width"],
        arrays["lane_connector"],
        ring_segments(shapely.simplify(drivable, VIEW_TOLERANCE)),
        VIEW_LENGTH,
    )
    arrays |= grid_arrays(arrays, borders, segment)
    count = len(numbers)
    roads = Roads(
        **arrays,
        lane_group=np.full(count, -1, np.int32),
        lane_control=np.full(count, NO_SIGN, np.int8),
        lane_map=np.zeros(count, np.int32),
        map_lane=np.array([0, count], np.int32),
        conflict_rank=np.zeros(len(arrays["conflict_lane"]), np.int8),
        border=borders,
        map_border=np.array([0, len(borders)], np.int32),
        segment=segment,
    )
    return RoadTables(roads, origin, tuple(numbers), numbers, {}, (), drivable)


def _origin(lane_map: LaneMap) -> Float[np.ndarray, "2"]:
    points = np.concatenate([lane.centreline[:, :2] for lane in lane_map.lanes.values()])
    return (points.min(axis=0) + points.max(axis=0)) / 2


def _with_signals(
    plain: RoadTables,
    name: str,
    groups: tuple[tuple[str, ...], ...],
    stop_signs: tuple[str, ...],
    yield_signs: tuple[str, ...],
) -> RoadTables:
    numbers = plain.lane_numbers
    members = {lane: number for number, group in enumerate(groups) for lane in group}
    for lane in (*members, *stop_signs, *yield_signs):
        if lane not in numbers:
            raise ConfigError(
                f"map {name}: a signal or sign names the lane {lane!r}, which the map does not "
                f"have{nearest_name(lane, numbers)}"
            )
    roads = plain.roads
    group = roads.lane_group.copy()
    control = roads.lane_control.copy()
    for lane, number in members.items():
        group[numbers[lane]] = number
    control[[numbers[lane] for lane in yield_signs]] = YIELD_SIGN_AHEAD
    control[[numbers[lane] for lane in stop_signs]] = STOP_SIGN_AHEAD
    arrays = roads._asdict()
    rank = conflict_ranks(arrays, sign_before(arrays, control), group >= 0)
    return replace(
        plain,
        roads=roads._replace(lane_group=group, lane_control=control, conflict_rank=rank),
        group_numbers=members,
        groups=groups,
    )


class RoadBank:
    """Several maps as one `Roads`; a map stands in it once per set of signals.

    With one map, `roads` are the tables of that map themselves. Maps can be added at any time:
    numbers given out before stay good, arrays handed out before stay as they were, until `clear`.
    """

    def __init__(self, lane_maps: Iterable[LaneMap] = ()) -> None:
        self.era = 0  # goes on with every `clear`: numbers of another era mean nothing
        self._growing = GrowingRoads()
        self.clear()
        for lane_map in lane_maps:
            self.add(lane_map)

    def clear(self) -> None:
        """No maps; the memory stays, since new pages cost more than what is written into them.

        Nobody may go on with what the bank gave before.
        """
        self.era += 1
        self._growing.clear()
        self.tables: list[RoadTables] = []
        # where the local frame of each map lies in its `map` frame [m]
        self.origins: Float[np.ndarray, "m 2"] = np.zeros((0, 2))
        self._joined: Roads | None = None
        self._first_lane: list[int] = [0]
        self._known: dict[int, int] = {}

    def add(
        self,
        lane_map: LaneMap,
        *,
        groups: tuple[tuple[str, ...], ...] = (),
        stop_signs: tuple[str, ...] = (),
        yield_signs: tuple[str, ...] = (),
    ) -> int:
        """Number of the map in the bank; only a map that is new to the bank costs anything."""
        tables = road_tables(lane_map, groups, stop_signs, yield_signs)
        number = self._known.get(id(tables))
        if number is None:
            number = self._known[id(tables)] = len(self.tables)
            self.tables.append(tables)
            self.origins = np.vstack([self.origins, tables.origin])
            self._first_lane.append(self._first_lane[-1] + len(tables.lane_numbers))
            self._join(tables)
        return number

    def _join(self, tables: RoadTables) -> None:
        if len(self.tables) == 1:
            self._joined = tables.roads
            return
        if len(self.tables) == 2:
            self._growing.append(self.tables[0].roads)
        self._growing.append(tables.roads)
        self._joined = self._growing.roads()

    @property
    def roads(self) -> Roads:
        """All maps, for the compiled functions."""
        if self._joined is None:
            raise ConfigError("the road bank is empty: add a map first")
        return self._joined

    def lane_number(self, number: int, lane: str) -> int:
        """Number of a lane of map `number` in `roads`."""
        known = self.tables[number].lane_numbers
        if lane not in known:
            raise ConfigError(f"the map has no lane {lane!r}{nearest_name(lane, known)}")
        return self._first_lane[number] + known[lane]

    def lane_name(self, lane: int) -> str:
        """Id of the lane that stands at `lane` in `roads`."""
        number = bisect_right(self._first_lane, lane) - 1
        return self.tables[number].lane_names[lane - self._first_lane[number]]

    def groups(self, number: int) -> tuple[tuple[str, ...], ...]:
        """Connectors of every signal group of a map."""
        return self.tables[number].groups

    def group_number(self, number: int, connector: str) -> int:
        """Number of a connector's signal group within its map, -1 where it has no signal."""
        return self.tables[number].group_numbers.get(connector, -1)
