"""Progress along the expert's route and speed limits of nuPlan's score, by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import shapely
from closed_loop_road import lane, moving, rollout, scene

from drivelab.metrics.closed_loop.drive import drive_of
from drivelab.metrics.closed_loop.nuplan import non_reactive
from drivelab.metrics.closed_loop.nuplan_progress import ExpertRoute, progress_along, progress_ratio
from drivelab.metrics.closed_loop.nuplan_rules import overspeed, speed_score
from drivelab.types import LaneMap


@pytest.mark.parametrize(("speed", "making"), [(1.7, 1.0), (1.5, 0.0)])
def test_a_fifth_of_the_experts_progress_is_asked_for(speed: float, making: float) -> None:
    # 13.6 and 12 of 64 m: 0.2125 and 0.1875.
    driven = rollout(moving(speed, 81), expert=moving(8.0, 81))
    parts = non_reactive().score(scene(), driven).subscores
    assert parts["ego_progress_along_expert_route"] == pytest.approx(speed / 8.0)
    assert parts["ego_is_making_progress"] == making


def test_the_expert_has_the_whole_time() -> None:
    # The drive ended after 8 of 10 s and 32 m; the expert was at 80 m after 10 s.
    ended = rollout(moving(4.0, 81), expert=moving(8.0, 121), time_limit=10.0)
    parts = non_reactive().score(scene(), ended).subscores
    assert parts["ego_progress_along_expert_route"] == pytest.approx(32 / 80)


def route_of(*spans: tuple[float, float, float, float]) -> ExpertRoute:
    """Blocks (x from, x to) along y = 0 and centrelines (x from, x to) of five vertices."""
    blocks = tuple(shapely.box(a, -2.0, b, 2.0) for a, b, _, _ in spans)
    lines = tuple(np.column_stack([np.linspace(c, d, 5), np.zeros(5)]) for _, _, c, d in spans)
    return ExpertRoute(blocks, lines)


JOINED = route_of((0, 10, 0, 10), (10, 20, 10, 20), (20, 30, 20, 30))
# Centrelines that reach beyond their blocks, as at junctions.
LAPPED = route_of((0, 10, 0, 11), (10, 20, 8, 22), (20, 30, 19, 30))


@pytest.mark.parametrize("route", [JOINED, LAPPED], ids=["joined", "lapped"])
@pytest.mark.parametrize(
    ("places", "progress"),
    [
        ([(2, 0), (5, 0), (9, 0)], 7.0),
        ([(9, 0), (5, 0)], -4.0),  # back
        ([(8, 0), (12, 0)], 4.0),  # into the next block
        ([(5, 0), (25, 0)], 20.0),  # over one
        ([(5, 0), (8, 5), (9, 0)], 4.0),  # beside the blocks: counted when it is back
        ([(5, 0), (8, 5)], 0.0),
        ([(12, 0), (5, 0)], 0.0),  # an earlier block is beside the route
        ([(2, 1), (5, -1)], 3.0),
    ],
)
def test_progress_is_measured_along_the_blocks(
    route: ExpertRoute, places: list[tuple[float, float]], progress: float
) -> None:
    part = ExpertRoute(route.blocks[1:], route.lines[1:]) if places[0][0] == 12 else route
    assert progress_along(part, np.array(places, float)) == pytest.approx(progress)


@pytest.mark.parametrize(
    ("ego", "expert", "ratio"),
    [(30.0, 60.0, 0.5), (70.0, 60.0, 1.0), (0.0, 60.0, 2 / 60), (0.0, 0.5, 1.0), (-1.9, 4.0, 0.5),
     (-2.1, 4.0, 0.0), (-2.1, 0.0, 0.0)],
)  # fmt: skip
def test_two_metres_of_progress_are_negligible(ego: float, expert: float, ratio: float) -> None:
    assert progress_ratio(ego, expert) == pytest.approx(ratio)


def limited(before: float | None, connector: float | None, after: float | None) -> LaneMap:
    """Lanes with these limits [m/s] before, in and after a junction."""
    a = lane("a", 0.0, 0.0, 50.0, successors=("c",))
    b = lane("b", 0.0, 60.0, 100.0, predecessors=("c",))
    c = lane("c", 0.0, 50.0, 60.0, predecessors=("a",), successors=("b",), connector=True)
    limits = {"a": before, "b": after, "c": connector}
    lanes = {one.id: replace(one, speed_limit=limits[one.id]) for one in (a, b, c)}
    return LaneMap("limits", lanes, {})


@pytest.mark.parametrize(
    ("where", "limits", "excess"),
    [
        ("a", (10.0, 10.0, 15.0), 2.0),  # at 12 m/s
        ("b", (10.0, 10.0, 15.0), 0.0),
        ("c", (10.0, 10.0, 11.5), 0.5),  # the largest of the lanes that it joins
        ("c", (10.0, 5.0, 15.0), 0.0),
        ("c", (10.0, 5.0, None), 0.0),  # unknown
        ("a", (None, 5.0, 5.0), 0.0),
        ("", (10.0, 10.0, 10.0), 0.0),  # beside all lanes
    ],
)
def test_limits_of_connectors_are_those_of_the_lanes_they_join(
    where: str, limits: tuple[float | None, ...], excess: float
) -> None:
    drive = drive_of(scene(), rollout(moving(12.0, 3)))
    found = overspeed(drive, limited(*limits), [(where,) if where else ()] * 3)
    assert found == pytest.approx(np.full(3, excess))


def test_speeding_is_weighed_by_the_time() -> None:
    # 1 and 2 m/s too much in two of eleven samples: 3 x 0.1 m of 2.23 m/s x 1 s.
    excess = np.zeros(11)
    excess[3:5] = 1.0, 2.0
    assert speed_score(excess) == pytest.approx(1.0 - 0.3 / 2.23)
    assert speed_score(np.full(11, 5.0)) == 0.0
    assert speed_score(np.array([5.0])) == 1.0  # one moment has no duration
