"""RAD's nine metrics on clips that can be worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from closed_loop_road import FRONT, RIGHT, car, moving, rollout, scene

from drivelab.metrics.closed_loop.rad import Rad9, paper, released


@pytest.fixture
def metric() -> Rad9:
    return paper()


def test_following_the_expert_is_a_success(metric: Rad9) -> None:
    # 0.5 m beside the recorded path at 8 m/s for 8 s: distance 0.5 m in all 81 steps, no jerk.
    result = metric.score(scene(), rollout(moving(8.0, 81, y=RIGHT + 0.5), expert=moving(8.0, 81)))
    assert result.score == 1.0
    assert result.subscores["average_deviation_distance"] == pytest.approx(0.5)
    assert sum(result.subscores.values()) == pytest.approx(0.5)  # nothing else
    assert result.details["safe_steps"] == 81
    assert result.details["mean_speed"] == pytest.approx(8.0)


def test_the_first_event_ends_the_clip(metric: Rad9) -> None:
    # The bumper (4.049 m + 0.8 m a step) meets the car's tail at 18 m at step 18 (18.449 m); the
    # cone behind it is never reached.
    objects = {"car": car(20.0), "cone": car(23.0, kind="traffic_cone")}
    result = metric.score(scene(), rollout(moving(8.0, 81), objects))
    assert result.subscores["dynamic_collision_ratio"] == 1.0
    assert result.subscores["collision_ratio"] == 1.0
    assert result.subscores["static_collision_ratio"] == 0.0
    assert result.details["safe_steps"] == 18
    (event,) = result.events
    assert (event.kind, event.step, event.actor) == ("dynamic_collision", 18, "car")
    assert event.margin == pytest.approx(18.0 - (FRONT + 0.8 * 18))


def test_of_two_contacts_at_once_the_dynamic_one_counts(metric: Rad9) -> None:
    objects = {"cone": car(20.0, kind="traffic_cone"), "car": car(20.0)}
    result = metric.score(scene(), rollout(moving(8.0, 81), objects))
    (event,) = result.events
    assert (event.kind, event.actor) == ("dynamic_collision", "car")
    assert result.subscores["static_collision_ratio"] == 0.0


def test_the_path_goes_on_along_the_route_where_the_record_waits(metric: Rad9) -> None:
    # The recorded driver comes 2 m/s x 8 s = 16 m far. The ego passes that after 2 s, and with a
    # pose every 0.5 m of the route (to 100 m) it is never more than 0.25 m from the next.
    driven = rollout(moving(8.0, 81), expert=moving(2.0, 81))
    result = metric.score(scene(), driven)
    assert result.score == 1.0
    assert result.subscores["average_deviation_distance"] < 0.25
    # Without a route, and with one that passes the end of the record 3 m aside, the record is all:
    # 2 m beyond its end are exceeded at step 23 (18.4 m).
    route = np.array(driven.route) + np.array([0.0, 3.0, 0.0])
    for bare in (replace(driven, route=None), replace(driven, route=route)):
        alone = metric.score(scene(), bare)
        assert alone.subscores["position_deviation_ratio"] == 1.0
        assert alone.events[0].step == 23
        assert alone.events[0].margin == pytest.approx(-0.4)


def test_static_collisions_are_cones_and_kerbs(metric: Rad9) -> None:
    cone = metric.score(scene(), rollout(moving(8.0, 81), {"cone": car(20.0, kind="barrier")}))
    assert cone.subscores["static_collision_ratio"] == 1.0
    # Drifting right by 0.05 m a step: the flank (1.1485 m) is 5 cm over the border y = -3.5 when
    # the axle passes -2.4015 m, at step 14 (-1.75 - 0.7 = -2.45).
    ego = moving(8.0, 81)
    ego[:, 1] = RIGHT - 0.05 * np.arange(81)
    kerb = metric.score(scene(), rollout(ego, expert=moving(8.0, 81)))
    assert kerb.subscores["static_collision_ratio"] == 1.0
    assert (kerb.events[0].step, kerb.events[0].detail) == (14, "kerb")


def test_deviations(metric: Rad9) -> None:
    # 2.1 m to the left of the path: more than d_max = 2 m from the first driven step on.
    side = metric.score(scene(), rollout(moving(8.0, 81, y=RIGHT + 2.1), expert=moving(8.0, 81)))
    assert side.subscores["position_deviation_ratio"] == 1.0
    assert side.subscores["deviation_ratio"] == 1.0
    assert side.events[0].margin == pytest.approx(-0.1)
    assert side.details["safe_steps"] == 1
    # Turned by 41 degrees on the spot: more than psi_max = 40 degrees.
    ego = moving(0.0, 81)
    ego[5:, 2] = np.radians(41.0)
    turned = metric.score(scene(), rollout(ego, expert=moving(0.0, 81)))
    assert turned.subscores["heading_deviation_ratio"] == 1.0
    assert turned.events[0].step == 5


def test_released_scripts_forgive_events_near_the_path() -> None:
    cone = rollout(moving(8.0, 81), {"cone": car(20.0, kind="barrier")})
    assert paper().score(scene(), cone).score == 0.0
    assert released().score(scene(), cone).score == 1.0  # 0 m off the path: guard of 0.2 m
    beside = rollout(
        moving(8.0, 81, y=RIGHT + 0.3), {"cone": car(20.0, kind="barrier")}, expert=moving(8.0, 81)
    )
    assert released().score(scene(), beside).score == 0.0


def test_jerks() -> None:
    # v = 8, 8.1, 8.4, 8.4: second differences 0.2 and -0.3, mean 0.25, over 0.01 s^2 = 25 m/s^3.
    ego = moving(8.0, 4)
    ego[:, 3] = [8.0, 8.1, 8.4, 8.4]
    # Yaw rates 0, 0, 0.02, 0 rad/s: second differences 0.02 and -0.04, mean 0.03 -> 3 rad/s^3; at
    # the box centre, 1.461 m ahead, that is 4.383 m/s^3 across.
    ego[:, 9] = [0.0, 0.0, 0.02, 0.0]
    parts = paper().score(scene(), rollout(ego)).subscores
    assert parts["longitudinal_jerk"] == pytest.approx(25.0)
    assert parts["lateral_jerk"] == pytest.approx(3.0 * 1.461)
    # Central differences of them 0, 0.1, 0, -0.2; of these 1, 0, -1.5, -2 rad/s^3: mean 1.125.
    parts = released().score(scene(), rollout(ego)).subscores
    assert parts["lateral_jerk"] == pytest.approx(1.125)


def test_ratios_are_shares_of_clips(metric: Rad9) -> None:
    clips = [
        rollout(moving(8.0, 81, y=RIGHT + 0.5), expert=moving(8.0, 81)),  # safe: 81 steps at 0.5 m
        rollout(moving(8.0, 81), {"car": car(20.0)}),  # dynamic: 18 steps at 0 m
        rollout(moving(8.0, 81), {"cone": car(20.0, kind="barrier")}),  # static: 18 steps at 0 m
        rollout(moving(8.0, 81, y=RIGHT + 2.1), expert=moving(8.0, 81)),  # 1 step at 2.1 m
    ]
    rows = []
    for clip in clips:
        result = metric.score(scene(), clip)
        rows.append({"score": result.score, **result.subscores, **result.details})
    rows.append({"status": "failed", "score": None})  # counts nowhere
    run = metric.aggregate(rows)
    assert run["score"] == 0.25
    assert run["collision_ratio"] == 0.5
    assert run["dynamic_collision_ratio"] == run["static_collision_ratio"] == 0.25
    assert run["deviation_ratio"] == run["position_deviation_ratio"] == 0.25
    assert run["heading_deviation_ratio"] == 0.0
    expected = (81 * 0.5 + 1 * 2.1) / (81 + 18 + 18 + 1)
    assert run["average_deviation_distance"] == pytest.approx(expected)


def test_a_clip_that_the_world_ended_off_the_path_is_no_success(metric: Rad9) -> None:
    # At the last step the rear axle is 1.9 m aside and the box centre, as the world notes, 2.1 m.
    ego = moving(8.0, 21)
    ego[-1, 1] += 1.9
    noted = [{"kind": "route_deviation", "step": 20, "time": 2.0, "actor": "", "distance": 2.1}]
    ended = metric.score(scene(), rollout(ego, expert=moving(8.0, 81), events=noted))
    assert (ended.score, ended.subscores["position_deviation_ratio"]) == (0.0, 1.0)
    assert (ended.events[0].step, ended.details["safe_steps"]) == (20, 20)
    assert ended.events[0].margin == pytest.approx(-0.1)
    turned = [{"kind": "heading_deviation", "step": 20, "angle": np.radians(40.5)}]
    result = metric.score(scene(), rollout(ego, expert=moving(8.0, 81), events=turned))
    assert result.subscores["heading_deviation_ratio"] == 1.0
    # Limits of other worlds are not RAD's.
    nearer = [{**noted[0], "distance": 1.5}]
    fine = metric.score(scene(), rollout(ego, expert=moving(8.0, 81), events=nearer))
    assert fine.score == 1.0
