"""Routes of the ego: straight on, to goals, by turns, by lane names."""

from __future__ import annotations

import numpy as np
import pytest
from written_scenarios import WIDTH, episode


def test_without_a_route_the_ego_goes_straight_on() -> None:
    made = episode("")
    assert made.route == ("roadf0/1", "roadf1/1", "roadf2/1", "roadf3/1", "roadf4/1")
    np.testing.assert_allclose(made.route_line[[0, -1], 0], [20.0, 400.0])
    np.testing.assert_allclose(made.goal, [400.0, -1.5 * WIDTH])


def test_a_goal_in_another_lane_is_reached_by_one_smooth_change() -> None:
    made = episode("route: {goal: {lane: 2, s: 300}}\n")
    line = made.route_line
    np.testing.assert_allclose(line[-1, :2], [300.0, -0.5 * WIDTH], atol=1e-6)
    np.testing.assert_allclose(line[0, :2], [20.0, -1.5 * WIDTH], atol=1e-6)
    assert made.route[:2] == ("roadf0/1", "roadf0/0")
    bend = np.abs(np.diff(line[:, 2]))
    assert bend.max() < 0.05  # no corner of more than 3 degrees
    assert np.all(np.diff(line[:, 0]) > 0)
    assert np.abs(np.diff(line[:, 1])).sum() == pytest.approx(WIDTH)  # one way, without a detour


@pytest.mark.parametrize(("turn", "end"), [("left", np.pi / 2), ("right", -np.pi / 2)])
def test_turns_take_the_named_way_even_from_the_wrong_lane(turn: str, end: float) -> None:
    for lane in (0, 1):
        made = episode(
            f"map: crossing_lights\nego: {{lane: {lane}, s: 10, speed: 8}}\n"
            f"route: {{turn: {turn}}}\n"
        )
        assert made.route_line[-1, 2] == pytest.approx(end, abs=0.02)
        connectors = [name for name in made.route if made.map.lanes[name].connector]
        assert len(connectors) == 1
        joints = zip(made.route[:-1], made.route[1:], strict=True)
        for before, after in joints:
            known = made.map.lanes[before]
            assert after in (*known.successors, known.left, known.right)


def test_routes_by_lane_names_close_the_gaps() -> None:
    made = episode(
        "map: crossing_lights\nego: {lane: own_in_0, s: 10, speed: 8}\n"
        "route: {lanes: [right_out_0]}\n"
    )
    assert made.route_line[-1, 2] == pytest.approx(-np.pi / 2, abs=0.02)
