"""Roads that the training families share: few, built once, so that a reset only places cars."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from math import cos, sin
from types import MappingProxyType

import numpy as np
from jaxtyping import Float

from drivelab.geometry.polyline import arc_lengths, resample, with_headings
from drivelab.planning import concatenate
from drivelab.sim.scenario.lane_line import DEFAULT_LIMIT, LaneLine
from drivelab.sim.scenario.templates import RoadTemplate, build_template

SPACING = 2.0  # of the lines that cars are placed on [m]
Value = float | int | str


@dataclass(frozen=True, slots=True, eq=False)
class EvenLine(LaneLine):
    """A line of lanes with evenly spaced vertices: a reset asks it for dozens of poses."""

    limits: Float[np.ndarray, " k"]  # speed limit of each lane [m/s]

    def pose(self, s: float, left: float = 0.0) -> Float[np.ndarray, "3"]:
        """As `LaneLine.pose`, without a search; the heading stays unwrapped."""
        place = min(max(s / self.s[1], 0.0), len(self.s) - 1.000001)
        first = int(place)
        share = place - first
        x, y, yaw = ((1.0 - share) * self.poses[first] + share * self.poses[first + 1]).tolist()
        return np.array([x - left * sin(yaw), y + left * cos(yaw), yaw])

    def ahead(self, at: float, stop: float | None = None) -> tuple[str, ...]:
        """Lanes from the one at a distance to the one at another (or to the last)."""
        last = len(self.lanes) - 1 if stop is None else int(np.searchsorted(self.ends, stop))
        return self.lanes[self.index(at) : last + 1]

    def limit(self, at: float) -> float:
        """Speed limit at a distance [m/s]."""
        return float(self.limits[self.index(at)])


@dataclass(frozen=True, slots=True, eq=False)
class FamilyRoad:
    """A template's road with a line for each of its chains."""

    template: RoadTemplate
    lines: Mapping[str, EvenLine]


@cache
def family_road(family: str, variant: int) -> FamilyRoad:
    """Build road number `variant` of a family; the same number is the same object."""
    rng = np.random.default_rng([variant, *family.encode()])
    name, parameters = _DRAWS[family](rng)
    template = build_template(name, parameters)
    lines = {chain: _line(template, chain) for chain in template.chains}
    return FamilyRoad(template, MappingProxyType(lines))


def _line(template: RoadTemplate, chain: str) -> EvenLine:
    lanes = template.chains[chain]
    joined = concatenate(template.map, lanes)
    step = np.hypot(*np.diff(joined[:, :2], axis=0).T)
    joined = joined[np.concatenate([[True], step > 1e-3])]
    poses = with_headings(resample(joined[:, :2], SPACING))
    poses[:, 2] = np.unwrap(poses[:, 2])
    lengths = [arc_lengths(template.map.lanes[lane].centreline)[-1] for lane in lanes]
    limits = [template.map.lanes[lane].speed_limit or DEFAULT_LIMIT for lane in lanes]
    return EvenLine(lanes, poses, arc_lengths(poses), np.cumsum(lengths), np.array(limits))


def _straight(rng: np.random.Generator) -> tuple[str, dict[str, Value]]:
    lanes = int(rng.integers(2, 5))
    return "straight", {"lanes": lanes, "length": 420.0, "limit": _round(rng, 10.0, 16.0)}


def _curve(rng: np.random.Generator) -> tuple[str, dict[str, Value]]:
    return "curve", {
        "lanes": int(rng.integers(1, 4)),
        "radius": _round(rng, 28.0, 70.0),
        "angle_deg": _round(rng, 40.0, 110.0),
        "bend": str(rng.choice(["left", "right"])),
        "lead": 80.0,
        "limit": _round(rng, 9.0, 13.0),
    }


def _follow(rng: np.random.Generator) -> tuple[str, dict[str, Value]]:
    limit = _round(rng, 10.0, 15.0)
    if rng.random() < 0.5:
        return "straight", {"lanes": 1, "length": 420.0, "limit": limit}
    return "s_curve", {
        "lanes": 1,
        "radius": _round(rng, 60.0, 120.0),
        "angle_deg": _round(rng, 25.0, 50.0),
        "lead": 150.0,
        "limit": limit,
    }


def _merge(rng: np.random.Generator) -> tuple[str, dict[str, Value]]:
    limit = _round(rng, 12.0, 17.0)
    return "merge", {
        "lanes": int(rng.integers(1, 4)),
        "accelerating": _round(rng, 70.0, 130.0),
        "ramp_limit": max(limit - 2.0, 10.0),
        "limit": limit,
    }


def _round(rng: np.random.Generator, low: float, high: float) -> float:
    return round(float(rng.uniform(low, high)), 1)


_DRAWS: Mapping[str, Callable[[np.random.Generator], tuple[str, dict[str, Value]]]] = {
    "straight": _straight,
    "curve": _curve,
    "follow": _follow,
    "merge": _merge,
}
