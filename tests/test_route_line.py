"""Routes that are handed over as a line: what agents are told, and that they follow it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from small_roads import parallel

from drivelab.agents.idm import Idm
from drivelab.agents.pdm_closed import PdmClosed
from drivelab.evaluation.closed_loop import drive
from drivelab.geometry.polyline import arc_lengths, project, with_tangents
from drivelab.maps.road_options import plan_route
from drivelab.sim.scenario.files import load_scenario
from drivelab.sim.world.episode import Episode
from drivelab.sim.world.native import NativeWorld
from drivelab.sim.world.recorder import Recorder
from drivelab.sim.world.view import LINE_AHEAD, LINE_BEHIND, SceneView
from drivelab.types import Agent, Scene


def change_of_lanes() -> Episode:
    """From the right one of two lanes to the left one; blocks alone do not say that."""
    road = parallel(60.0, blocks=5)
    plan = plan_route(road, np.array([[20.0, -3.5], [90.0, 0.0], [160.0, 0.0]]))
    return Episode(
        id="change",
        map=road,
        ego_pose=plan.line[0],
        ego_speed=8.0,
        route=plan.lanes,
        route_line=plan.line,
        duration=25.0,
        line_told=True,
    )


def first_scene(episode: Episode) -> Scene:
    recorder = Recorder(NativeWorld([episode]), 0)
    recorder.record()
    return SceneView(recorder).scene()


def test_the_line_is_told_about_the_ego_and_past_the_goal() -> None:
    episode = change_of_lanes()
    line = first_scene(episode).route_line
    assert line is not None
    at = project(episode.route_line, episode.ego_pose)[0] + episode.vehicle.rear_axle_to_center
    assert line[0, 0] == pytest.approx(20.0 + max(at - LINE_BEHIND, 0.0), abs=1.0)
    assert arc_lengths(line)[-1] == pytest.approx(at + LINE_AHEAD, abs=2.5)
    assert line[-1, 0] > episode.route_line[-1, 0] + 5.0
    np.testing.assert_allclose(line[-5:, 1], 0.0, atol=1e-9)  # on along the goal's lane
    near_end = first_scene(replace(episode, ego_pose=np.array([150.0, 0.0, 0.0]))).route_line
    assert near_end is not None
    assert near_end[0, 0] == pytest.approx(150.0 - LINE_BEHIND, abs=3.0)


def test_a_line_is_told_only_where_the_episode_says_so() -> None:
    assert first_scene(replace(change_of_lanes(), line_told=False)).route_line is None


# pdm_closed may choose to keep 1 m to either side of the line.
@pytest.mark.parametrize(
    ("agent", "aside"), [(Idm(), 0.0), (PdmClosed(), 1.0)], ids=["idm", "pdm_closed"]
)
def test_drivers_change_lanes_where_the_line_does(agent: Agent, aside: float) -> None:
    episode = change_of_lanes()
    told = drive(episode, agent)
    assert told.info["route_completion"] == 1.0
    assert told.info["route_offset"].max() < aside + 1.5  # 3.5 m aside within 20 m, at 13 m/s
    assert abs(told.ego[-1, 1]) < aside + 1.0  # the tracker of nuPlan follows headings alone
    untold = drive(replace(episode, line_told=False), agent)
    assert untold.ego[-1, 1] == pytest.approx(-3.5, abs=aside + 0.3)


def test_tangents_of_a_bend_are_those_of_the_curve() -> None:
    angle = np.linspace(0.0, np.pi / 2, 17)
    bend = with_tangents(10.0 * np.column_stack([np.sin(angle), 1.0 - np.cos(angle)]))
    np.testing.assert_allclose(bend[1:-1, 2], angle[1:-1], atol=1e-12)
    np.testing.assert_allclose(bend[[0, -1], 2], angle[[0, -1]], atol=0.05)


def test_routes_that_a_scenario_gives_are_told_and_others_are_not() -> None:
    given = load_scenario("leave_by_ramp").episode(0)
    assert given.line_told
    driven = drive(given, PdmClosed())
    assert driven.info["route_completion"] == 1.0
    assert not load_scenario("stationary_car").episode(0).line_told
