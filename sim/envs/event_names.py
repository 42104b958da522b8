"""Event bits as words."""

from __future__ import annotations

from functools import lru_cache

from drivelab.kernels.world import arrays, judge

EVENT_NAMES: tuple[tuple[int, str], ...] = (
    (arrays.COLLISION, "collision"),
    (arrays.OFF_ROAD, "off_road"),
    (arrays.KERB, "kerb"),
    (arrays.WRONG_WAY, "wrong_way"),
    (arrays.RED_LIGHT, "red_light"),
    (arrays.STOP_SIGN, "stop_sign"),
    (arrays.ROUTE_DONE, "route_done"),
    (judge.ROUTE_DEVIATION, "route_deviation"),
    (judge.HEADING_DEVIATION, "heading_deviation"),
    (judge.BLOCKED, "blocked"),
    (judge.TIMEOUT, "timeout"),
)
FAULT_NAMES = frozenset(name for bit, name in EVENT_NAMES if bit & judge.FAULTS)


@lru_cache(maxsize=4096)
def event_names(events: int) -> tuple[str, ...]:
    """Names of the bits that are set."""
    return tuple(name for bit, name in EVENT_NAMES if events & bit)
