"""Where to sample lane sections, so that polylines stay within a chord error of the curves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from drivelab.errors import DataError
from drivelab.maps.opendrive.geometry import reference_poses
from drivelab.maps.opendrive.lane_poses import lane_edges
from drivelab.maps.opendrive.tables import RoadNetwork

CHORD_ERROR = 0.02  # between a boundary and its polyline [m]
SPACING = 2.0  # of centreline vertices at most [m]
BOUNDARY_SPACING = 40.0  # of boundary vertices at most, on straight roads [m]
MOST_PLACES = 10_000_000  # of a map: 20,000 km of road
_SAME = 0.01  # break points nearer than this to another are one [m]
_MARGIN = 1e-3  # how far inside a piece its bends are measured, as a share of it


@dataclass(frozen=True, slots=True, eq=False)
class Stations:
    """Sample places, section by section; `start[c]` is the first of section c."""

    section: Int[np.ndarray, " m"]
    s: Float[np.ndarray, " m"]
    corner: Bool[np.ndarray, " m"]  # boundaries need this one; centrelines have them all
    start: Int[np.ndarray, " c1"]


def place_stations(network: RoadNetwork, file: str = "") -> Stations:
    """Break points of all records, then as many places between as curvature asks for.

    Raises:
        DataError: more than `MOST_PLACES` would be needed; `file` is what the message calls it.
    """
    section, s = _breaks(network)
    inside = section[1:] == section[:-1]
    first, length = np.flatnonzero(inside), np.diff(s)[inside]
    bend = _bends(network, section[first], s[first], length)
    count = np.ceil(length * np.sqrt(bend / (8 * CHORD_ERROR)))
    asked = np.maximum(count, np.ceil(length / BOUNDARY_SPACING))
    section, s = _divide(section, s, first, _counts(network, section[first], asked, file))
    corner_at = (section, s)
    inside = section[1:] == section[:-1]
    first = np.flatnonzero(inside)
    asked = np.ceil(np.diff(s)[inside] / SPACING - 1e-9)
    count = _counts(network, section[first], asked, file)
    corner = np.zeros(len(section) + int((count - 1).sum()), bool)
    corner[_kept_places(len(section), first, count)] = True
    section, s = _divide(*corner_at, first, count)
    start = np.searchsorted(section, np.arange(len(network.section_end) + 1))
    return Stations(section, s, corner, start)


def _counts(
    network: RoadNetwork,
    section: Int[np.ndarray, " p"],
    asked: Float[np.ndarray, " p"],
    file: str,
) -> Int[np.ndarray, " p"]:
    """Parts of each step as whole numbers; a small file with absurd numbers asks for too many."""
    asked = np.where(np.isnan(asked), np.inf, np.maximum(asked, 1.0))
    if asked.sum() > MOST_PLACES:
        worst = int(section[np.argmax(asked)])
        road = network.road_ids[network.sections.owner[worst]]
        raise DataError(
            f"its lengths, widths and bends ask for more than {MOST_PLACES} points; check the "
            "numbers of this road first",
            file=file,
            where=f"road {road}",
        )
    return asked.astype(np.int64)


def _breaks(network: RoadNetwork) -> tuple[Int[np.ndarray, " m"], Float[np.ndarray, " m"]]:
    """Places where a formula changes, with the ends of each section; sorted by section and s."""
    sections = network.sections
    number = np.arange(len(sections.s))
    within = [
        (sections.find(records.owner, records.s), records.s)
        for records in (network.geometry, network.offset)
    ]
    lane = network.width.owner
    within.append((network.lane_section[lane], network.width.s))
    section = np.concatenate([number, number, *(w[0] for w in within)])
    s = np.concatenate([sections.s, network.section_end, *(w[1] for w in within)])
    low, high = sections.s[section], network.section_end[section]
    is_end = np.arange(len(s)) < 2 * len(number)
    kept = is_end | ((s > low + _SAME) & (s < high - _SAME))
    section, s = section[kept], s[kept]
    order = np.lexsort((s, section))
    section, s, is_end = section[order], s[order], is_end[kept][order]
    apart = (section[1:] != section[:-1]) | (np.diff(s) > _SAME) | is_end[1:]
    kept = np.concatenate([[True], apart])
    return section[kept], s[kept]


def _bends(
    network: RoadNetwork,
    section: Int[np.ndarray, " p"],
    s: Float[np.ndarray, " p"],
    length: Float[np.ndarray, " p"],
) -> Float[np.ndarray, " p"]:
    """Bound on the second derivative of any lane edge over s, by piece [1/m]."""
    road = network.sections.owner[section]
    low = np.searchsorted(network.lane_section, section)
    high = np.searchsorted(network.lane_section, section, side="right") - 1
    filled = np.flatnonzero(high >= low)
    bend = np.zeros(len(section))
    for share in (_MARGIN, 0.5, 1.0 - _MARGIN):
        at = s + share * length
        curvature = np.abs(reference_poses(network.geometry, road, at).curvature)
        reach, second = np.zeros(len(section)), np.zeros(len(section))
        for outermost in (low, high):
            edges = lane_edges(network, outermost[filled], at[filled])
            widest = np.maximum(np.abs(edges.outer), np.abs(edges.inner))
            reach[filled] = np.maximum(reach[filled], widest)
            second[filled] = np.maximum(second[filled], edges.bend)
        bend = np.maximum(bend, curvature * (1.0 + curvature * reach) + second)
    return 1.25 * bend  # the change of curvature bends edges a little more


def _divide(
    section: Int[np.ndarray, " m"],
    s: Float[np.ndarray, " m"],
    first: Int[np.ndarray, " p"],
    count: Int[np.ndarray, " p"],
) -> tuple[Int[np.ndarray, " k"], Float[np.ndarray, " k"]]:
    """Cut the step after each place `first` into `count` equal parts."""
    parts = np.ones(len(section), np.int64)
    parts[first] = count
    step = np.zeros(len(section))
    step[first] = (s[first + 1] - s[first]) / count
    owner = np.repeat(np.arange(len(section)), parts)
    place = np.arange(len(owner)) - _kept_places(len(section), first, count)[owner]
    return section[owner], s[owner] + place * step[owner]


def _kept_places(
    places: int, first: Int[np.ndarray, " p"], count: Int[np.ndarray, " p"]
) -> Int[np.ndarray, " m"]:
    """Where each old place stands after `_divide`."""
    parts = np.ones(places, np.int64)
    parts[first] = count
    return np.concatenate([[0], np.cumsum(parts)[:-1]])
